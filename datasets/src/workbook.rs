//! Our own core-Lean workbook, compiled in: problems for a machine with no data set and no network.

use crate::bundled::Bundled;
use crate::problem::{Problem, Split};
use crate::readers::Format;

const WORKBOOK: Bundled = Bundled {
    name: "workbook",
    format: Format::LeanJsonl,
    files: [
        include_str!("../data/workbook/train.jsonl"),
        include_str!("../data/workbook/valid.jsonl"),
        include_str!("../data/workbook/test.jsonl"),
    ],
};

/// The file of a split as it ships (JSONL); empty for a split that the workbook does not have.
#[must_use]
pub fn jsonl(split: Split) -> &'static str {
    WORKBOOK.jsonl(split)
}

/// The problems of a split, parsed anew at every call; none for a split that the workbook does not have.
///
/// # Panics
/// Never with the files that ship: the tests read every line of them, and nothing else can get in here.
#[must_use]
pub fn problems(split: Split) -> Vec<Problem> {
    WORKBOOK.problems(split)
}
