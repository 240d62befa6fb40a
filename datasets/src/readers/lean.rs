//! DeepSeek-Prover JSONL and its relatives.

use super::fields::Fields;
use super::{Given, split_named};
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};
use crate::rename::statement_start;

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let informal = fields.optional_text("informal_prefix")?.unwrap_or_default();
    let formal_statement = fields.non_empty("formal_statement")?;
    let known = match fields.optional_text("proof")? {
        Some(proof) => Some(proof),
        None => fields.optional_text("formal_proof")?,
    };
    Ok(Problem {
        name: fields.non_empty("name")?.to_owned(),
        split: match given.split {
            Some(_) => given.split_of(fields)?,
            None => split_named(fields.text("split")?)?,
        },
        source: given.source.clone(),
        kind: Kind::Lean(lean_problem(fields.optional_text("header")?, informal, formal_statement)),
        known: known.map(str::to_owned),
        informal: informal.to_owned(),
        metadata: Metadata {
            topic: fields.optional_text("topic")?.map(str::to_owned),
            difficulty: fields.optional_small_number("difficulty")?,
            origin: fields.optional_text("source")?.map(str::to_owned),
            license: fields.optional_text("license")?.map(str::to_owned),
        },
    })
}

/// Goedel-Prover-V2 puts header, words and statement into one field: the words, which stand there once more, say
/// where the statement begins.
fn lean_problem(header: Option<&str>, informal: &str, formal_statement: &str) -> LeanProblem {
    if let Some(header) = header {
        return LeanProblem { header: header.to_owned(), statement: formal_statement.to_owned() };
    }
    let by_words = || formal_statement.split_once(informal).filter(|_| !informal.is_empty());
    let (header, statement) = by_words()
        .or_else(|| formal_statement.split_at_checked(statement_start(formal_statement)?))
        .unwrap_or(("", formal_statement));
    LeanProblem { header: header.to_owned(), statement: statement.to_owned() }
}
