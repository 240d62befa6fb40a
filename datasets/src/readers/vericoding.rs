//! Vericoding: a specification with a program to write and theorems to prove about it.

use super::Given;
use super::fields::Fields;
use super::statement::{comment, mentions_sorry, with_line_end};
use crate::error::Cause;
use crate::problem::{Kind, LeanGaps, Metadata, Problem};
use crate::rename::theorem_starts;

/// In the order in which they stand in a file.
const PARTS: [&str; 5] = ["vc-preamble", "vc-helpers", "vc-definitions", "vc-theorems", "vc-postamble"];

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let no_problem = |why: &str| Err(Cause::NoProblem { why: why.to_owned() });
    if fields.value("spec_has_axiom").is_some_and(|value| value == &serde_json::Value::Bool(true)) {
        return no_problem("its specification declares an axiom");
    }
    let mut parts = [""; PARTS.len()];
    for (part, name) in parts.iter_mut().zip(PARTS) {
        *part = fields.optional_text(name)?.unwrap_or_default();
    }
    // What is given ends where the first gap is.
    let first_gap = parts.iter().position(|part| mentions_sorry(part)).unwrap_or(PARTS.len());
    let joined = |parts: &[&str]| parts.iter().map(|part| with_line_end(part)).collect::<String>();
    let (header, text) = (joined(&parts[..first_gap]), joined(&parts[first_gap..]));
    if !theorem_starts(&text).iter().any(|start| mentions_sorry(&text[*start..])) {
        return no_problem("it leaves no theorem to be proved, so that any program would do");
    }
    Ok(Problem {
        name: fields.non_empty("id")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::LeanGaps(LeanGaps { header, text }),
        known: None,
        informal: comment(fields.optional_text("vc-description")?.unwrap_or_default()),
        metadata: Metadata {
            origin: fields.optional_text("source")?.map(str::to_owned),
            license: fields.optional_text("license")?.map(str::to_owned),
            ..Metadata::default()
        },
    })
}
