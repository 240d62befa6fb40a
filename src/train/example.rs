//! Training examples: JSONL of `{"prompt": …, "completion": …, "weight": …}` to tokens.
//!
//! Prompt and completion are tokenised apart, so that the border between them is a border between tokens and the
//! prompt has the tokens that it will have when the model is asked. Fields of other names are passed over: records of
//! a run carry more than training needs.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use proofloop_datasets::lines::{BoundedLines, LineProblem};
use proofloop_datasets::readers::fields::{Fields, type_name};
use proofloop_datasets::{Cause, Place, ReadError};

use super::batch::order;
use super::error::Result;
use crate::model::Tokenizer;

/// One text to learn from. Tokens before `completion` are read and not learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Prompt and completion, at least two tokens.
    pub tokens: Vec<u32>,
    /// Index of the completion's first token, less than the number of tokens.
    pub completion: usize,
    /// How much each token of the completion counts, above 0.
    pub weight: f32,
}

impl Example {
    /// How many tokens are predicted: those of the completion, but never the first of all, which nothing precedes.
    pub fn predicted(&self) -> usize {
        self.tokens.len() - self.completion.max(1)
    }

    /// How many tokens the model reads: all but the last, which is only predicted.
    pub fn inputs(&self) -> usize {
        self.tokens.len() - 1
    }
}

/// What happens to an example of more than [`EncodeOptions::max_tokens`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLong {
    /// Reading stops with an error that names the line.
    Refuse,
    /// It is left out and counted.
    Drop,
    /// The end of its completion is cut off and it is counted; left out if no token of the completion fits.
    Truncate,
}

/// How texts become tokens.
#[derive(Debug, Clone, Copy)]
pub struct EncodeOptions {
    /// In front of every prompt.
    pub bos: Option<u32>,
    /// Behind every completion: what the model must learn to stop with.
    pub eos: Option<u32>,
    /// Of prompt and completion together, these two tokens included.
    pub max_tokens: usize,
    /// What happens to longer ones.
    pub too_long: TooLong,
}

/// What a file held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Examples {
    /// In the order of the file.
    pub examples: Vec<Example>,
    /// How many of them lost the end of their completion.
    pub truncated: usize,
    /// How many were left out for their length.
    pub dropped: usize,
    /// How many were left out because their weight is 0.
    pub weightless: usize,
}

/// Reads a JSONL file. Blank lines are passed over.
///
/// # Errors
/// The file cannot be read; a line is no example, or too long where that is refused; nothing is left to learn from.
/// The error names file, line and field.
pub fn read_examples(path: &Path, tokenizer: &Tokenizer, options: &EncodeOptions) -> Result<Examples> {
    Ok(read(path, tokenizer, options)?)
}

fn read(path: &Path, tokenizer: &Tokenizer, options: &EncodeOptions) -> Result<Examples, ReadError> {
    let mut read = Examples::default();
    each_line(path, &mut |line| read.add(line, tokenizer, options).map(|()| true))?;
    match read.nothing_left(options) {
        Some(cause) => Err(ReadError { path: path.to_path_buf(), place: Place::File, cause }),
        None => Ok(read),
    }
}

/// Hands every prompt and completion of a JSONL file to `sink`, until that says false: what a tokenizer is trained on.
///
/// # Errors
/// As [`read_examples`].
pub fn read_texts(path: &Path, sink: &mut dyn FnMut(&str) -> bool) -> Result<()> {
    each_line(path, &mut |line| {
        let fields = Fields::parse(line)?;
        Ok(sink(fields.text("prompt")?) && sink(fields.text("completion")?))
    })?;
    Ok(())
}

/// Takes a share of the examples, from 0 to 1, away from training: the first ones of a permutation that follows from the
/// seed, in their old order. At least one if the share is above 0, and never all.
pub fn hold_out(examples: Vec<Example>, share: f64, seed: u64) -> (Vec<Example>, Vec<Example>) {
    let total = examples.len();
    let wanted = (share * total as f64).ceil() as usize;
    let mut is_held = vec![false; total];
    // A stream that no epoch uses.
    for index in order(seed, u64::MAX, total).into_iter().take(wanted.min(total.saturating_sub(1))) {
        is_held[index] = true;
    }
    let (mut kept, mut held) = (Vec::with_capacity(total), Vec::new());
    for (example, is_held) in examples.into_iter().zip(is_held) {
        if is_held { held.push(example) } else { kept.push(example) }
    }
    (kept, held)
}

/// Hands every line that is not blank to `each`, until that says false.
fn each_line(path: &Path, each: &mut dyn FnMut(&str) -> Result<bool, Cause>) -> Result<(), ReadError> {
    let at = |place: Place| move |cause: Cause| ReadError { path: path.to_path_buf(), place, cause };
    let file = File::open(path).map_err(Cause::Open).map_err(at(Place::File))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(at(Place::File)(Cause::Directory));
    }
    for line in BoundedLines::new(BufReader::with_capacity(1 << 16, file)) {
        let line = line.map_err(|error| match error.problem {
            LineProblem::Io(source) => at(Place::File)(Cause::Line(LineProblem::Io(source))),
            problem @ (LineProblem::TooLong { .. } | LineProblem::NotUtf8 { .. }) => {
                at(Place::Line(error.number))(Cause::Line(problem))
            }
        })?;
        if !line.text.trim().is_empty() && !each(&line.text).map_err(at(Place::Line(line.number)))? {
            break;
        }
    }
    Ok(())
}

impl Examples {
    /// Why there is nothing to learn, if there is nothing.
    fn nothing_left(&self, options: &EncodeOptions) -> Option<Cause> {
        if !self.examples.is_empty() {
            return None;
        }
        let wrong = |field, detail: String| Some(Cause::BadValue { field, detail });
        match (self.dropped, self.weightless) {
            (0, 0) => Some(Cause::Empty),
            (0, _) => wrong("weight", "it is 0 in every record".to_owned()),
            (_, _) => wrong("completion", format!("no record fits in {} tokens", options.max_tokens)),
        }
    }

    fn add(&mut self, line: &str, tokenizer: &Tokenizer, options: &EncodeOptions) -> Result<(), Cause> {
        let fields = Fields::parse(line)?;
        let (prompt, completion) = (fields.text("prompt")?, fields.text("completion")?);
        let weight = weight(&fields)?;
        self.push((prompt, completion), weight, tokenizer, options)
    }

    /// Adds a prompt with its completion, or counts why not.
    ///
    /// # Errors
    /// It cannot be tokenised, has nothing to learn, or is too long where that is refused.
    pub fn push(
        &mut self,
        (prompt, completion): (&str, &str),
        weight: f32,
        tokenizer: &Tokenizer,
        options: &EncodeOptions,
    ) -> Result<(), Cause> {
        let encode = |field: &'static str, text: &str| {
            let wrong = |error| Cause::BadValue { field, detail: format!("cannot be tokenised: {error}") };
            tokenizer.encode(text, false).map_err(wrong)
        };
        let mut tokens: Vec<u32> = options.bos.into_iter().collect();
        tokens.extend(encode("prompt", prompt)?);
        let start = tokens.len();
        tokens.extend(encode("completion", completion)?);
        tokens.extend(options.eos);
        if tokens.len() <= start.max(1) {
            let detail = "it has no token to learn: one must come before it, if only `bos`".to_owned();
            return Err(Cause::BadValue { field: "completion", detail });
        }
        if weight <= 0.0 {
            self.weightless += 1;
            return Ok(());
        }
        if tokens.len() > options.max_tokens {
            let fits = start.max(1) < options.max_tokens;
            match options.too_long {
                TooLong::Refuse => {
                    let (count, most) = (tokens.len(), options.max_tokens);
                    let detail = format!("with its prompt it has {count} tokens, more than {most}");
                    return Err(Cause::BadValue { field: "completion", detail });
                }
                TooLong::Truncate if fits => {
                    tokens.truncate(options.max_tokens);
                    self.truncated += 1;
                }
                TooLong::Drop | TooLong::Truncate => {
                    self.dropped += 1;
                    return Ok(());
                }
            }
        }
        self.examples.push(Example { tokens, completion: start, weight });
        Ok(())
    }
}

fn weight(fields: &Fields) -> Result<f32, Cause> {
    let Some(value) = fields.value("weight") else { return Ok(1.0) };
    let Some(number) = value.as_f64() else {
        return Err(Cause::WrongType { field: "weight", expected: "a number", found: type_name(value) });
    };
    let weight = number as f32;
    if !weight.is_finite() || weight < 0.0 {
        let detail = format!("must be 0 or more, and within f32, got {number}");
        return Err(Cause::BadValue { field: "weight", detail });
    }
    Ok(weight)
}

#[cfg(test)]
#[path = "example_tests.rs"]
mod tests;
