//! miniCodeProps, as published and as ported to core Lean.

use super::Given;
use super::fields::Fields;
use super::statement::{required_open_statement, with_line_end};
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let ported = fields.value("prop_defn").is_none();
    let (name, statement, header) =
        if ported { ("name", "formal_statement", "header") } else { ("full_name", "prop_defn", "deps") };
    Ok(Problem {
        name: fields.non_empty(name)?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem {
            header: with_line_end(fields.text(header)?),
            statement: required_open_statement(statement, fields.non_empty(statement)?)?,
        }),
        known: None,
        informal: String::new(),
        metadata: Metadata { difficulty: fields.optional_small_number("score")?, ..Metadata::default() },
    })
}
