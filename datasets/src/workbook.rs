//! Our own core-Lean workbook, compiled in: problems for a machine with no data set and no network.

use crate::problem::{Problem, Split};
use crate::readers::{Format, Options, from_reader};
use std::path::Path;

const TRAIN: &str = include_str!("../data/workbook/train.jsonl");
const VALID: &str = include_str!("../data/workbook/valid.jsonl");
const TEST: &str = include_str!("../data/workbook/test.jsonl");

/// The file of a split as it ships (JSONL); empty for a split that the workbook does not have.
#[must_use]
pub fn jsonl(split: Split) -> &'static str {
    match split {
        Split::Train => TRAIN,
        Split::Valid => VALID,
        Split::Test => TEST,
        Split::Prompt => "",
    }
}

/// The problems of a split, parsed anew at every call; none for a split that the workbook does not have.
///
/// # Panics
/// Never with the files that ship: the tests read every line of them, and nothing else can get in here.
#[must_use]
pub fn problems(split: Split) -> Vec<Problem> {
    if jsonl(split).is_empty() {
        return Vec::new();
    }
    let path = format!("workbook/{split}.jsonl");
    let options = Options { source: Some("workbook".to_owned()), ..Options::default() };
    from_reader(Path::new(&path), jsonl(split).as_bytes(), Format::LeanJsonl, &options)
        .map(|problem| problem.expect("the workbook that ships is checked line by line by the tests"))
        .collect()
}
