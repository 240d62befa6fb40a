//! MBPP, full (JSONL) and sanitized (one array).

use super::fields::Fields;
use crate::error::Cause;
use crate::problem::{Kind, Metadata, Problem, PythonProblem, Split};

pub(super) fn problem(fields: &Fields, source: &str) -> Result<Problem, Cause> {
    let setup = fields.optional_text("test_setup_code")?.unwrap_or_default().to_owned();
    build(fields, source, "text", setup)
}

pub(super) fn sanitized_problem(fields: &Fields, source: &str) -> Result<Problem, Cause> {
    let setup = fields.optional_texts("test_imports")?.join("\n");
    build(fields, source, "prompt", setup)
}

fn build(fields: &Fields, source: &str, words: &'static str, setup: String) -> Result<Problem, Cause> {
    let number = fields.number("task_id")?;
    let tests = fields.texts("test_list")?;
    if tests.is_empty() {
        return Err(Cause::BadValue { field: "test_list", detail: "there is no test".to_owned() });
    }
    Ok(Problem {
        name: format!("MBPP/{number}"),
        split: split(number)?,
        source: source.to_owned(),
        kind: Kind::Python(PythonProblem::Asserts {
            setup,
            tests,
            challenge_tests: fields.optional_texts("challenge_test_list")?,
        }),
        known: Some(fields.text("code")?.to_owned()),
        informal: fields.text(words)?.to_owned(),
        metadata: Metadata::default(),
    })
}

/// The split is by number, as its authors say it: 1-10 prompt, 11-510 test, 511-600 validation, 601-974 train.
fn split(number: u64) -> Result<Split, Cause> {
    match number {
        1..=10 => Ok(Split::Prompt),
        11..=510 => Ok(Split::Test),
        511..=600 => Ok(Split::Valid),
        601..=974 => Ok(Split::Train),
        _ => Err(Cause::BadValue { field: "task_id", detail: format!("{number} is not from 1 to 974") }),
    }
}
