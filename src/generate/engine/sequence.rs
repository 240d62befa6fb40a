//! One sample in progress: from logits to tokens, text and an end.

use super::plan::Sample;
use super::special::SpecialTokens;
use crate::generate::error::Result;
use crate::generate::generator::{Completion, FinishReason};
use crate::generate::request::{Request, sample_seed};
use crate::generate::sampler::{Sampler, Scratch};
use crate::generate::text::TextStream;
use crate::model::Tokenizer;

/// What a token brought.
#[derive(Debug, PartialEq)]
pub(super) struct Advance {
    /// Text that is certain now.
    pub(super) piece: String,
    pub(super) finish: Option<FinishReason>,
}

#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) sample: Sample,
    sampler: Sampler,
    text: TextStream,
    tokens: Vec<u32>,
    log_probs: Option<Vec<f32>>,
}

impl Sequence {
    pub(super) fn new(sample: Sample, request: &Request, tokenizer: &Tokenizer, prompt: &[u32]) -> Self {
        let sampling = &request.sampling;
        Self {
            sample,
            sampler: Sampler::new(sampling, sample_seed(request.seed, sample.sample), prompt),
            text: TextStream::new(tokenizer, prompt, &sampling.stop),
            tokens: Vec::new(),
            log_probs: sampling.log_probs.then(Vec::new),
        }
    }

    /// The token that was sampled last; the model has not read it yet.
    pub(super) fn last(&self) -> Option<&u32> {
        self.tokens.last()
    }

    pub(super) fn count(&self) -> usize {
        self.tokens.len()
    }

    /// Samples a token.
    pub(super) fn advance(
        &mut self,
        logits: &[f32],
        tokenizer: &Tokenizer,
        special: &SpecialTokens,
        scratch: &mut Scratch,
    ) -> Result<Advance> {
        let choice = self.sampler.choose(logits, scratch)?;
        self.tokens.push(choice.token);
        if let (Some(all), Some(one)) = (&mut self.log_probs, choice.log_prob) {
            all.push(one);
        }
        if special.ends.contains(&choice.token) {
            let piece = self.text.end(tokenizer)?;
            return Ok(Advance { piece, finish: Some(FinishReason::EndOfText) });
        }
        let (mut piece, is_stopped) = self.text.push(tokenizer, choice.token)?;
        if is_stopped {
            return Ok(Advance { piece, finish: Some(FinishReason::Stop) });
        }
        let is_full = self.tokens.len() >= self.sample.max_tokens;
        if is_full {
            piece.push_str(&self.text.end(tokenizer)?);
        }
        Ok(Advance { piece, finish: is_full.then_some(FinishReason::Length) })
    }

    /// Ends it where it is. Gives the text that was held back.
    pub(super) fn interrupt(&mut self, tokenizer: &Tokenizer) -> Result<String> {
        self.text.end(tokenizer)
    }

    pub(super) fn complete(self, finish: FinishReason) -> Completion {
        Completion {
            text: self.text.into_text(),
            finish,
            tokens: self.tokens.len(),
            token_ids: Some(self.tokens),
            log_probs: self.log_probs,
        }
    }
}

/// A sample that never started.
pub(super) fn not_started(request: &Request) -> Completion {
    Completion {
        text: String::new(),
        finish: FinishReason::Cancelled,
        tokens: 0,
        token_ids: Some(Vec::new()),
        log_probs: request.sampling.log_probs.then(Vec::new),
    }
}
