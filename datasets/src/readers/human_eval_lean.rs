//! human-eval-lean: a whole file with a program, its theorems and their proofs. Asked for is the proof of the last
//! theorem; the lemmas before it are given.

use super::Given;
use super::fields::Fields;
use super::statement::{comment, mentions_sorry};
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};
use crate::rename;

/// Modules of the repository itself, which a record does not bring along.
const OWN_MODULES: &str = "HumanEvalLean";

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let name = fields.non_empty("id")?;
    let lean = fields.non_empty("lean")?;
    let theorems = fields.texts("theorems")?;
    let no_problem = |why: String| Err(Cause::NoProblem { why });
    let Some(last) = theorems.last() else { return no_problem("its file has no theorem".to_owned()) };
    if let Some(module) =
        fields.optional_texts("imports")?.iter().find(|module| module.starts_with(OWN_MODULES))
    {
        return no_problem(format!("it imports `{module}`, which the data set does not hold"));
    }
    let start = rename::theorem_starts(lean).into_iter().rev().find(|start| is_named(&lean[*start..], last));
    let not_there = || Cause::BadValue { field: "theorems", detail: format!("`{last}` is not in the file") };
    let start = start.ok_or_else(not_there)?;
    let theorem = &lean[start..start + declaration_length(&lean[start..])];
    let Some(proof) = rename::proof_start(theorem) else {
        return no_problem(format!("its theorem `{last}` is proved by cases, without `:=`"));
    };
    let header = &lean[..start];
    if mentions_sorry(header) {
        return no_problem("what it builds on is not proved".to_owned());
    }
    let known = theorem[proof..].trim_end();
    Ok(Problem {
        name: name.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem { header: header.to_owned(), statement: theorem[..proof].to_owned() }),
        known: (!mentions_sorry(known)).then(|| known.to_owned()),
        informal: comment(fields.optional_text("prompt")?.unwrap_or_default()),
        metadata: Metadata::default(),
    })
}

fn is_named(text: &str, name: &str) -> bool {
    let keyword = ["theorem", "lemma"].iter().filter_map(|keyword| text.find(keyword)).min();
    keyword.is_some_and(|at| text[at..].split_whitespace().nth(1).is_some_and(|word| word == name))
}

/// A declaration ends before the next line that is not indented; its own first lines, with attributes, aside.
fn declaration_length(text: &str) -> usize {
    let keyword = text.find("theorem").or_else(|| text.find("lemma")).unwrap_or(0);
    let mut length = text[keyword..].find('\n').map_or(text.len(), |end| keyword + end + 1);
    for line in text[length..].split_inclusive('\n') {
        if line.starts_with(|first: char| {
            !first.is_whitespace() && !matches!(first, '(' | '{' | '[' | '|' | ':' | ')')
        }) {
            break;
        }
        length += line.len();
    }
    length.min(text.len())
}
