//! Examples from files, those to learn and those to evaluate with.

use super::super::exit::UsageError;
use super::super::output;
use super::Args;
use crate::model::{Tokenizer, nano};
use crate::train::{EncodeOptions, Example, Examples, TrainError, hold_out, read_examples, read_texts};
use std::path::PathBuf;

/// The most text that a tokenizer is trained on: more changes its tokens little.
const TOKENIZER_TEXT_BYTES: usize = 64 << 20;

/// What a run learns from.
pub(super) struct Data {
    pub(super) learnt: Vec<Example>,
    pub(super) held_out: Vec<Example>,
    pub(super) truncated: usize,
    pub(super) dropped: usize,
    pub(super) weightless: usize,
}

impl Data {
    pub(super) fn read(args: &Args, tokenizer: &Tokenizer, options: &EncodeOptions) -> anyhow::Result<Self> {
        let learnt = all(&args.data, tokenizer, options)?;
        let held_out = all(&args.eval_data, tokenizer, options)?;
        for (name, read) in [("--data", &learnt), ("--eval-data", &held_out)] {
            if read.truncated + read.dropped + read.weightless > 0 {
                output::say(&format!(
                    "{name}: {} examples were cut off and {} left out for their length, {} left out for their weight of 0",
                    read.truncated, read.dropped, read.weightless
                ));
            }
        }
        let (examples, share) = match args.eval_fraction {
            Some(share) => hold_out(learnt.examples, share, args.seed),
            None => (learnt.examples, held_out.examples),
        };
        Ok(Self {
            learnt: examples,
            held_out: share,
            truncated: learnt.truncated,
            dropped: learnt.dropped,
            weightless: learnt.weightless,
        })
    }

    /// Tokens of the examples that are learnt, prompts and ends included.
    pub(super) fn tokens(&self) -> u64 {
        self.learnt.iter().map(|example| example.tokens.len() as u64).sum()
    }
}

/// File, line and field are all that there is to say.
fn told(error: TrainError) -> anyhow::Error {
    if let TrainError::Examples(read) = error { read.into() } else { error.into() }
}

fn all(paths: &[PathBuf], tokenizer: &Tokenizer, options: &EncodeOptions) -> anyhow::Result<Examples> {
    let mut sum = Examples::default();
    for path in paths {
        let read = read_examples(path, tokenizer, options).map_err(told)?;
        sum.examples.extend(read.examples);
        sum.truncated += read.truncated;
        sum.dropped += read.dropped;
        sum.weightless += read.weightless;
    }
    Ok(sum)
}

/// A byte-level tokenizer for the texts of the examples.
pub(super) fn train_tokenizer(args: &Args) -> anyhow::Result<Tokenizer> {
    let (mut texts, mut bytes) = (Vec::new(), 0);
    let mut sink = |text: &str| {
        bytes += text.len();
        texts.push(text.to_owned());
        bytes < TOKENIZER_TEXT_BYTES
    };
    for path in &args.data {
        read_texts(path, &mut sink).map_err(told)?;
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let wrong = |error| match args.vocab {
        Some(vocab) => UsageError(format!("--vocab {vocab}: {error}")).into(),
        None => anyhow::Error::new(error),
    };
    nano::train_tokenizer(&texts, args.vocab).map_err(wrong)
}
