//! Theorems of a library with their proofs. They were cut out of their files: namespaces, `variable`s and definitions
//! around them are not in the record, so that not every one of them stands alone.

use super::Given;
use super::fields::Fields;
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};
use crate::rename;

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    // Some records are cut at the default value of a parameter. Put together again, the text says where the proof is.
    let whole = format!("{} :={}", fields.non_empty("formal_statement")?, fields.non_empty("proof")?);
    let start = rename::proof_start(&whole).filter(|start| !has_cases(&whole[..*start]));
    // By equations (`| [] => …`), or with a `:=` that belongs to something else.
    let why = "its statement and its proof cannot be told apart".to_owned();
    let start = start.ok_or(Cause::NoProblem { why })?;
    let imports = fields.optional_texts("imports")?;
    let header: String = imports.iter().map(|module| format!("import {module}\n")).collect();
    Ok(Problem {
        name: fields.non_empty("name")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem { header, statement: whole[..start].to_owned() }),
        known: Some(whole[start..].to_owned()),
        informal: String::new(),
        metadata: Metadata {
            origin: fields.optional_text("file")?.map(str::to_owned),
            ..Metadata::default()
        },
    })
}

/// A line of a proof by equations. A statement with a `match` over several lines is taken for one, too.
fn has_cases(statement: &str) -> bool {
    statement.lines().any(|line| line.trim_start().starts_with("| "))
}
