//! APPS: programs that read standard input, or functions that are called, with examples of both.

use super::Given;
use super::fields::Fields;
use crate::error::Cause;
use crate::json;
use crate::problem::{CallCase, IoCase, Kind, Metadata, Problem, PythonProblem};
use serde_json::Value;

const FIELD: &str = "input_output";

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let examples = fields.optional_text(FIELD)?.unwrap_or_default();
    if examples.trim().is_empty() {
        return Err(Cause::NoProblem { why: "it has no tests".to_owned() });
    }
    let starter = fields.optional_text("starter_code")?.unwrap_or_default().to_owned();
    Ok(Problem {
        name: name(fields)?,
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Python(task(examples, starter)?),
        known: known(fields)?,
        informal: fields.non_empty("question")?.to_owned(),
        metadata: Metadata {
            topic: fields.optional_text("difficulty")?.map(str::to_owned),
            origin: fields.optional_text("url")?.map(str::to_owned),
            ..Metadata::default()
        },
    })
}

fn name(fields: &Fields) -> Result<String, Cause> {
    let field = if fields.has("problem_id") { "problem_id" } else { "id" };
    let number = match fields.value(field) {
        Some(Value::String(text)) => text.clone(),
        Some(_) | None => fields.number(field)?.to_string(),
    };
    Ok(format!("APPS/{number}"))
}

/// The first of the published solutions, which stand in a list inside a text.
fn known(fields: &Fields) -> Result<Option<String>, Cause> {
    let text = fields.optional_text("solutions")?.unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(None);
    }
    let all: Vec<String> = serde_json::from_str(text)
        .map_err(|error| Cause::BadValue { field: "solutions", detail: error.to_string() })?;
    Ok(all.into_iter().next())
}

fn bad(detail: impl Into<String>) -> Cause {
    Cause::BadValue { field: FIELD, detail: detail.into() }
}

fn task(examples: &str, starter: String) -> Result<PythonProblem, Cause> {
    let checked: Value = serde_json::from_str(examples).map_err(|error| bad(error.to_string()))?;
    let list = |key: &str| {
        let text = json::member(examples, key).ok_or_else(|| bad(format!("`{key}` is missing")))?;
        json::items(text).ok_or_else(|| bad(format!("`{key}` is no list")))
    };
    let (inputs, outputs) = (list("inputs")?, list("outputs")?);
    if inputs.len() != outputs.len() {
        return Err(bad(format!("{} inputs and {} outputs", inputs.len(), outputs.len())));
    }
    if inputs.is_empty() {
        return Err(Cause::NoProblem { why: "it has no tests".to_owned() });
    }
    let pairs = inputs.into_iter().zip(outputs);
    match checked.get("fn_name").and_then(Value::as_str) {
        Some(entry_point) => {
            let case = |(arguments, result): (&str, &str)| CallCase {
                arguments: arguments.to_owned(),
                result: result.to_owned(),
            };
            let cases = pairs.map(case).collect();
            Ok(PythonProblem::Calls { entry_point: entry_point.to_owned(), starter, cases })
        }
        None => {
            let case = |(stdin, stdout)| -> Result<_, Cause> {
                Ok(IoCase { stdin: text(stdin)?, stdout: text(stdout)? })
            };
            Ok(PythonProblem::StdinStdout { starter, cases: pairs.map(case).collect::<Result<_, _>>()? })
        }
    }
}

/// A text, or a list of lines as some records have it.
fn text(item: &str) -> Result<String, Cause> {
    let lines: Vec<String> = match serde_json::from_str(item) {
        Ok(Value::String(text)) => return Ok(text),
        Ok(Value::Array(lines)) => {
            lines.iter().map(|line| line.as_str().map(str::to_owned)).collect::<Option<_>>()
        }
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | Err(_) => None,
    }
    .ok_or_else(|| bad("a case is neither text nor a list of lines"))?;
    Ok(lines.join("\n"))
}
