//! Lean Workbook as Hugging Face has it, and its statements as closed propositions.

use super::Given;
use super::fields::Fields;
use super::statement::{comment, is_name, mentions_sorry, required_open_statement, tactic_proof};
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};
use crate::rename;
use serde_json::Value;

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let statement = required_open_statement("formal_statement", fields.non_empty("formal_statement")?)?;
    let (_, named) = rename::without_name(&statement);
    // The newer files have no `id`; the theorem is named after it anyhow.
    let name = match (fields.optional_text("id")?, named) {
        (Some(id), _) => id.to_owned(),
        (None, Some(named)) => named.to_owned(),
        (None, None) => return Err(Cause::MissingField { field: "id" }),
    };
    Ok(Problem {
        name,
        // Their field `split` names a part of the collection, not a use.
        split: given.split(),
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem { header: given.header.clone(), statement }),
        known: known(fields)?,
        informal: comment(fields.optional_text("natural_language_statement")?.unwrap_or_default()),
        metadata: Metadata::default(),
    })
}

/// One proof, or a list of them of which the first is taken: a whole theorem, or its tactics.
fn known(fields: &Fields) -> Result<Option<String>, Cause> {
    let first = match fields.value("proof") {
        Some(Value::Array(_)) => fields.optional_texts("proof")?.into_iter().next(),
        Some(_) | None => fields.optional_text("proof")?.map(str::to_owned),
    };
    Ok(first.filter(|proof| !proof.trim().is_empty()).and_then(|proof| {
        if rename::statement_start(&proof).is_some() {
            tactic_proof(&proof)
        } else {
            let tactics = proof.trim_end().strip_prefix("by").unwrap_or(&proof).trim_end();
            let indented = format!("\n  {}", tactics.trim().replace('\n', "\n  "));
            (!mentions_sorry(tactics)).then_some(indented)
        }
    }))
}

pub(super) fn closed_problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let name = fields.non_empty("name")?;
    if !is_name(name) {
        let detail = format!("`{}` is no name of a theorem", name.chars().take(40).collect::<String>());
        return Err(Cause::BadValue { field: "name", detail });
    }
    let proposition = fields.non_empty("statement")?.trim();
    Ok(Problem {
        name: name.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem {
            header: given.header.clone(),
            statement: format!("theorem {name} : {proposition} := by"),
        }),
        known: None,
        informal: String::new(),
        metadata: Metadata::default(),
    })
}
