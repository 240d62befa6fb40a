//! LeanDojo-style records: a bare statement and where it stands in a repository.

use super::Given;
use super::fields::Fields;
use super::statement::required_open_statement;
use crate::error::Cause;
use crate::problem::{Kind, LeanProblem, Metadata, Problem};

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let statement = fields.non_empty("statement")?.trim();
    // Published without the `:=`; a copy may have it.
    let ended = if statement.ends_with(":=") || statement.ends_with("by") || statement.ends_with("sorry") {
        statement.to_owned()
    } else {
        format!("{statement} :=")
    };
    let place = |repository: &str, file: &str| [repository, file].map(str::trim).join(" ").trim().to_owned();
    let (url, file) = (fields.optional_text("url")?, fields.optional_text("file_path")?);
    let origin = place(url.unwrap_or_default(), file.unwrap_or_default());
    Ok(Problem {
        name: fields.non_empty("full_name")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Lean(LeanProblem {
            header: given.header.clone(),
            statement: required_open_statement("statement", &ended)?,
        }),
        known: None,
        informal: String::new(),
        metadata: Metadata { origin: (!origin.is_empty()).then_some(origin), ..Metadata::default() },
    })
}
