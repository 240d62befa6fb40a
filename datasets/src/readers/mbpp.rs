//! MBPP, full (JSONL) and sanitized (one array).

use super::Given;
use super::fields::Fields;
use crate::error::Cause;
use crate::problem::{Kind, Metadata, Problem, PythonProblem, Split};

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let setup = fields.optional_text("test_setup_code")?.unwrap_or_default().to_owned();
    build(fields, given, "text", setup)
}

pub(super) fn sanitized_problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let setup = fields.optional_texts("test_imports")?.join("\n");
    build(fields, given, "prompt", setup)
}

fn build(fields: &Fields, given: &Given, words: &'static str, setup: String) -> Result<Problem, Cause> {
    let number = fields.number("task_id")?;
    let tests = fields.texts("test_list")?;
    if tests.is_empty() {
        return Err(Cause::BadValue { field: "test_list", detail: "there is no test".to_owned() });
    }
    Ok(Problem {
        name: format!("MBPP/{number}"),
        split: split(number)?,
        source: given.source.clone(),
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

fn split(number: u64) -> Result<Split, Cause> {
    let detail = || format!("{number} is not from 1 to 974");
    Split::of_mbpp(number).ok_or_else(|| Cause::BadValue { field: "task_id", detail: detail() })
}
