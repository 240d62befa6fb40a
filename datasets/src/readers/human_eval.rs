//! human-eval: one task per line.

use super::Given;
use super::fields::Fields;
use crate::error::Cause;
use crate::problem::{Kind, Metadata, Problem, PythonProblem};

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    Ok(Problem {
        name: fields.non_empty("task_id")?.to_owned(),
        split: given.split(),
        source: given.source.clone(),
        kind: Kind::Python(PythonProblem::HumanEval {
            prompt: fields.text("prompt")?.to_owned(),
            entry_point: fields.non_empty("entry_point")?.to_owned(),
            test: fields.non_empty("test")?.to_owned(),
        }),
        known: Some(fields.text("canonical_solution")?.to_owned()),
        // The question in words is the docstring inside the prompt.
        informal: String::new(),
        metadata: Metadata::default(),
    })
}
