//! ProofNet ported to Lean 4, and ProofNet-Verified.

use super::Given;
use super::fields::Fields;
use super::statement::{comment, required_open_statement, tactic_proof, with_line_end};
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let statement = if fields.has("formal_stmt") { "formal_stmt" } else { "formal_statement" };
    let helper = fields.optional_text("helper")?.unwrap_or_default();
    let header = format!("{}{}", with_line_end(fields.text("header")?), with_line_end(helper));
    let origin = match fields.optional_text("textbook")? {
        Some(textbook) => Some(textbook),
        None => fields.optional_text("source")?,
    };
    Ok(Problem {
        name: fields.non_empty("name")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem {
            header,
            statement: required_open_statement(statement, fields.non_empty(statement)?)?,
        }),
        known: fields.optional_text("formal_proof")?.and_then(tactic_proof),
        informal: comment(fields.text("informal_stmt")?),
        metadata: Metadata { origin: origin.map(str::to_owned), ..Metadata::default() },
    })
}
