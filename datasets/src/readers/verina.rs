//! VERINA: a program, its specification and the theorem that the one meets the other, between marks.

use super::Given;
use super::fields::Fields;
use super::statement::{comment, mentions_sorry, open_statement, with_line_end};
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};

const MARK: &str = "-- !benchmark @";

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let lean = fields.non_empty("lean")?;
    let missing =
        |mark: &str| Cause::BadValue { field: "lean", detail: format!("the mark `{mark}` is missing") };
    let cut =
        |text: &str, mark: &'static str| text.find(&format!("{MARK}{mark}")).ok_or_else(|| missing(mark));
    // Lemmas for the published proof stand between the two marks: they are part of the answer.
    let (before, after) = (&lean[..cut(lean, "start proof_aux")?], &lean[cut(lean, "end proof_aux")?..]);
    let theorem = &after[..cut(after, "start proof\n")?];
    let header = unmarked(before);
    if mentions_sorry(&header) {
        return Err(Cause::NoProblem { why: "its program is not written".to_owned() });
    }
    let statement = open_statement(&unmarked(theorem)).ok_or_else(|| Cause::BadValue {
        field: "lean",
        detail: "no theorem stands before the proof".to_owned(),
    })?;
    let proof = fields.optional_text("proof")?.unwrap_or_default();
    let needs_lemmas = !fields.optional_text("proof_aux")?.unwrap_or_default().trim().is_empty();
    let is_known = !needs_lemmas && !proof.trim().is_empty() && !mentions_sorry(proof);
    Ok(Problem {
        name: fields.non_empty("id")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem { header: with_line_end(&header), statement }),
        known: is_known.then(|| format!("\n{proof}")),
        informal: comment(fields.optional_text("description")?.unwrap_or_default()),
        metadata: Metadata::default(),
    })
}

fn unmarked(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(MARK));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
