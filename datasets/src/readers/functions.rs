//! Programming tasks of our own: one per line, with tests that are shown and tests that are not.

use super::Given;
use super::fields::Fields;
use crate::error::Cause;
use crate::problem::{Kind, Metadata, Problem, PythonProblem};

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let tests = fields.texts("tests")?;
    if tests.is_empty() {
        return Err(Cause::BadValue { field: "tests", detail: "there is no test".to_owned() });
    }
    Ok(Problem {
        name: fields.non_empty("name")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Python(PythonProblem::Function {
            prompt: fields.non_empty("prompt")?.to_owned(),
            entry_point: fields.non_empty("entry_point")?.to_owned(),
            tests,
            hidden_tests: fields.optional_texts("hidden_tests")?,
        }),
        known: fields.optional_text("canonical_solution")?.map(str::to_owned),
        // The question in words is the docstring inside the prompt.
        informal: String::new(),
        metadata: Metadata {
            topic: fields.optional_text("topic")?.map(str::to_owned),
            difficulty: fields.optional_small_number("difficulty")?,
            ..Metadata::default()
        },
    })
}
