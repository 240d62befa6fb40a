//! HumanEval+ and MBPP+: inputs, and a solution that says what is right for them.

use super::Given;
use super::fields::{Fields, wrong_type};
use crate::error::Cause;
use crate::json;
use crate::problem::{Kind, Metadata, Problem, PythonProblem};

pub(super) fn problem(fields: &Fields, given: &Given) -> Result<Problem, Cause> {
    let base_inputs = inputs(fields, "base_input")?;
    let plus_inputs = inputs(fields, "plus_input")?;
    if base_inputs.is_empty() && plus_inputs.is_empty() {
        return Err(Cause::BadValue { field: "base_input", detail: "there is no input".to_owned() });
    }
    let oracle = fields.non_empty("canonical_solution")?.to_owned();
    Ok(Problem {
        name: fields.non_empty("task_id")?.to_owned(),
        split: given.split_of(fields)?,
        source: given.source.clone(),
        kind: Kind::Python(PythonProblem::InputsAndOracle {
            prompt: fields.text("prompt")?.to_owned(),
            entry_point: fields.non_empty("entry_point")?.to_owned(),
            oracle: oracle.clone(),
            contract: fields.optional_text("contract")?.unwrap_or_default().to_owned(),
            base_inputs,
            plus_inputs,
            tolerance: tolerance(fields)?,
        }),
        known: Some(oracle),
        informal: String::new(),
        metadata: Metadata::default(),
    })
}

/// The JSON texts of lists of arguments, as they stand in the file: a number of fifty digits keeps them.
fn inputs(fields: &Fields, field: &'static str) -> Result<Vec<String>, Cause> {
    let Some(value) = fields.value(field) else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| wrong_type(field, "a list of lists", value))?;
    if let Some(other) = list.iter().find(|item| !item.is_array()) {
        return Err(wrong_type(field, "a list of lists", other));
    }
    let text = fields.raw(field).unwrap_or_default();
    let items = json::items(&text).unwrap_or_default();
    Ok(items.into_iter().map(str::to_owned).collect())
}

fn tolerance(fields: &Fields) -> Result<String, Cause> {
    let Some(value) = fields.value("atol") else { return Ok("0".to_owned()) };
    let sound = value.as_f64().filter(|tolerance| tolerance.is_finite() && *tolerance >= 0.0);
    sound.ok_or_else(|| wrong_type("atol", "a number from 0", value))?;
    Ok(fields.raw("atol").unwrap_or_default())
}
