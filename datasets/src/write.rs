//! Problems in the formats that others read. What a format cannot hold is an error that names the problem and the field,
//! and never left out in silence.

use crate::problem::{Kind, LeanProblem, Problem, PythonProblem, Split};
use crate::readers::Format;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// A problem that a format has no place for.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{name}` cannot be written as {format}: {detail}")]
pub struct WriteError {
    /// The problem.
    pub name: String,
    /// The format.
    pub format: Format,
    /// What does not fit, with the field's name.
    pub detail: String,
}

/// The formats that can be written.
pub const WRITABLE: [Format; 5] =
    [Format::LeanJsonl, Format::Functions, Format::HumanEval, Format::Mbpp, Format::Problem];

/// A problem as one line, without its end.
///
/// # Errors
/// [`WriteError`] if the format has no place for something that the problem has, or cannot be written at all.
pub fn line(problem: &Problem, format: Format) -> Result<String, WriteError> {
    let fields = match format {
        Format::LeanJsonl => lean(problem),
        Format::Functions => function(problem),
        Format::HumanEval => human_eval(problem),
        Format::Mbpp => mbpp(problem),
        Format::Problem => serde_json::to_value(problem).map_err(|error| error.to_string()),
        Format::LeanDojo
        | Format::LeanFile
        | Format::LeanWorkbook
        | Format::LeanClosed
        | Format::ProofNet
        | Format::Putnam
        | Format::PutnamOpen
        | Format::PutnamWords
        | Format::MiniCodeProps
        | Format::Library
        | Format::Verina
        | Format::Vericoding
        | Format::HumanEvalLean
        | Format::Isabelle
        | Format::EvalPlus
        | Format::MbppSanitized
        | Format::Apps => Err("this format is only read".to_owned()),
    };
    let fail = |detail| WriteError { name: problem.name.clone(), format, detail };
    fields.map(|fields| fields.to_string()).map_err(fail)
}

fn lean(problem: &Problem) -> Result<Value, String> {
    let Kind::Lean(LeanProblem { header, statement }) = &problem.kind else {
        return Err(other_kind(problem));
    };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("name", json!(problem.name));
    put("split", json!(problem.split.name()));
    put("informal_prefix", json!(problem.informal));
    put("formal_statement", json!(statement));
    put("header", json!(header));
    let metadata = &problem.metadata;
    let optional = [
        ("proof", &problem.known),
        ("topic", &metadata.topic),
        ("source", &metadata.origin),
        ("license", &metadata.license),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            put(name, json!(text));
        }
    }
    if let Some(difficulty) = metadata.difficulty {
        put("difficulty", json!(difficulty));
    }
    Ok(Value::Object(fields))
}

pub(crate) fn function(problem: &Problem) -> Result<Value, String> {
    let Kind::Python(PythonProblem::Function { prompt, entry_point, tests, hidden_tests }) = &problem.kind
    else {
        return Err(other_kind(problem));
    };
    let metadata = &problem.metadata;
    no_place(&[
        ("informal", Some(problem.informal.as_str()).filter(|text| !text.is_empty())),
        ("origin", metadata.origin.as_deref()),
        ("license", metadata.license.as_deref()),
    ])?;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("name", json!(problem.name));
    put("split", json!(problem.split.name()));
    if let Some(topic) = &metadata.topic {
        put("topic", json!(topic));
    }
    if let Some(difficulty) = metadata.difficulty {
        put("difficulty", json!(difficulty));
    }
    put("entry_point", json!(entry_point));
    put("prompt", json!(prompt));
    if let Some(solution) = &problem.known {
        put("canonical_solution", json!(solution));
    }
    put("tests", json!(tests));
    put("hidden_tests", json!(hidden_tests));
    Ok(Value::Object(fields))
}

fn human_eval(problem: &Problem) -> Result<Value, String> {
    let Kind::Python(PythonProblem::HumanEval { prompt, entry_point, test }) = &problem.kind else {
        return Err(other_kind(problem));
    };
    no_place(&[
        ("split", (problem.split != Split::Test).then(|| problem.split.name())),
        ("informal", Some(problem.informal.as_str()).filter(|text| !text.is_empty())),
    ])?;
    no_metadata(problem)?;
    let solution = problem.known.as_deref().ok_or("`canonical_solution`: no solution is known")?;
    Ok(json!({
        "task_id": problem.name, "prompt": prompt, "entry_point": entry_point,
        "canonical_solution": solution, "test": test,
    }))
}

fn mbpp(problem: &Problem) -> Result<Value, String> {
    let Kind::Python(PythonProblem::Asserts { setup, tests, challenge_tests }) = &problem.kind else {
        return Err(other_kind(problem));
    };
    let number = problem.name.strip_prefix("MBPP/").and_then(|number| number.parse::<u64>().ok());
    let number = number.ok_or("`task_id`: the name is not `MBPP/` and a number")?;
    if Split::of_mbpp(number) != Some(problem.split) {
        return Err(format!("`split`: the number {number} does not belong to `{}`", problem.split));
    }
    no_metadata(problem)?;
    let code = problem.known.as_deref().ok_or("`code`: no solution is known")?;
    Ok(json!({
        "text": problem.informal, "code": code, "task_id": number, "test_setup_code": setup,
        "test_list": tests, "challenge_test_list": challenge_tests,
    }))
}

fn other_kind(problem: &Problem) -> String {
    format!("`kind`: it is a problem of another kind ({})", problem.language())
}

fn no_metadata(problem: &Problem) -> Result<(), String> {
    let metadata = &problem.metadata;
    let difficulty = metadata.difficulty.map(|difficulty| difficulty.to_string());
    no_place(&[
        ("topic", metadata.topic.as_deref()),
        ("difficulty", difficulty.as_deref()),
        ("origin", metadata.origin.as_deref()),
        ("license", metadata.license.as_deref()),
    ])
}

/// The first field with a value is the one to complain of.
fn no_place(fields: &[(&str, Option<&str>)]) -> Result<(), String> {
    match fields.iter().find_map(|(field, value)| value.map(|_| *field)) {
        Some(field) => Err(format!("`{field}`: the format has no place for it")),
        None => Ok(()),
    }
}
