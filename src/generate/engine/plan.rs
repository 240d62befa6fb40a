//! What is to be done: requests to prompts and samples.

use std::collections::{HashMap, VecDeque};

use super::options::{EngineOptions, Limits};
use super::special::SpecialTokens;
use crate::generate::error::{GenerateError, Result};
use crate::generate::request::Request;
use crate::model::Tokenizer;

/// One sample to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) request: usize,
    pub(super) sample: usize,
    pub(super) prompt: usize,
    /// The most tokens that it may get.
    pub(super) max_tokens: usize,
}

/// A text that is read once for all samples that continue it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) tokens: Vec<u32>,
    pub(super) samples: usize,
}

/// All of the work.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) prompts: Vec<Prompt>,
    /// In the order of the requests, but those of equal prompts together where the first of them is.
    pub(super) samples: VecDeque<Sample>,
    /// Requests that cannot be completed.
    pub(super) failed: Vec<(usize, GenerateError)>,
}

impl Plan {
    pub(super) fn new(
        requests: &[Request],
        tokenizer: &Tokenizer,
        special: &SpecialTokens,
        limits: &Limits,
        options: &EngineOptions,
    ) -> Self {
        let mut plan = Self::default();
        let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut samples: Vec<Vec<Sample>> = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let checked = encode(&request.prompt, tokenizer, special)
                .and_then(|tokens| room(&tokens, request, limits).map(|most| (tokens, most)));
            let (tokens, max_tokens) = match checked {
                Ok(checked) => checked,
                Err(error) => {
                    plan.failed.push((index, error));
                    continue;
                }
            };
            for sample in 0..request.samples.get() {
                let place = match known.get(&tokens) {
                    Some(&place) if options.share_prompts => place,
                    Some(_) | None => {
                        plan.prompts.push(Prompt { tokens: tokens.clone(), samples: 0 });
                        samples.push(Vec::new());
                        known.insert(tokens.clone(), samples.len() - 1);
                        samples.len() - 1
                    }
                };
                plan.prompts[place].samples += 1;
                samples[place].push(Sample { request: index, sample, prompt: place, max_tokens });
            }
        }
        plan.samples = samples.into_iter().flatten().collect();
        plan
    }
}

/// The prompt's tokens, with what the tokenizer puts before a text; of an empty one the token that begins a text.
fn encode(prompt: &str, tokenizer: &Tokenizer, special: &SpecialTokens) -> Result<Vec<u32>> {
    let tokens = tokenizer.encode(prompt, true)?;
    if !tokens.is_empty() {
        return Ok(tokens);
    }
    match special.begin {
        Some(begin) => Ok(vec![begin]),
        None => Err(GenerateError::prompt("is empty, and the model has no token that begins a text")),
    }
}

/// The most tokens that a sample of `request` may get behind `tokens`.
fn room(tokens: &[u32], request: &Request, limits: &Limits) -> Result<usize> {
    let left = limits.max_context.saturating_sub(tokens.len());
    if left == 0 {
        return Err(GenerateError::prompt(format!(
            "has {} tokens, which leaves no room in a context of {}",
            tokens.len(),
            limits.max_context
        )));
    }
    let most = request.sampling.max_tokens.get().min(left);
    if tokens.len() + most > limits.token_budget {
        return Err(GenerateError::prompt(format!(
            "has {} tokens and may get {most} more, the budget is {}",
            tokens.len(),
            limits.token_budget
        )));
    }
    Ok(most)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
