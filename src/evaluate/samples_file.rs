//! Samples that were made elsewhere, in the formats that the field writes (`../shared/reference/datasets.md` §2): human-eval
//! `{task_id, completion}`, evalplus `{task_id, solution}`, Kimina `{custom_id, proof | code}`, Goedel and DeepSeek
//! `{name, code | full_code | model_outputs}`, and ours.
//!
//! One JSON object a line, or one array. What is wrong with a record costs that record only.

use super::candidate::Form;
use proofloop_datasets::readers::fields::{Fields, wrong_type};
use proofloop_datasets::{Cause, Place, ReadError, readers};
use serde_json::Value;
use std::path::Path;

/// Where the problem's name may stand; the first that is there counts.
const NAMES: [&str; 6] = ["task_id", "name", "problem_id", "custom_id", "problem", "id"];

/// Where texts may stand, each a text or a list of them, and how they are to be read; the first that is there counts.
/// `proof` and `code` are whole files in Kimina's requests and Goedel's records.
const TEXTS: [(&str, Form); 12] = [
    ("completion", Form::Completion),
    ("completions", Form::Completion),
    ("solution", Form::Whole),
    ("full_code", Form::Whole),
    ("code", Form::Whole),
    ("proof", Form::Whole),
    ("full_proof", Form::Whole),
    ("model_outputs", Form::Raw),
    ("model_output", Form::Raw),
    ("output", Form::Raw),
    ("response", Form::Raw),
    ("responses", Form::Raw),
];

/// One record: some samples of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// As the file names it.
    pub problem: String,
    /// How the texts are to be read.
    pub form: Form,
    /// One or more.
    pub texts: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

/// The records of a file, in order.
///
/// # Errors
/// The file cannot be opened. What is wrong inside it comes out of the iterator; a file without a record is an error, too.
pub fn open(path: &Path) -> Result<impl Iterator<Item = Result<Samples, ReadError>> + use<>, ReadError> {
    let mut records = readers::raw_records(path)?;
    let path = path.to_path_buf();
    let at = move |place, cause| ReadError { path: path.clone(), place, cause };
    let mut is_empty = true;
    Ok(std::iter::from_fn(move || {
        let Some((place, fields)) = records.next() else {
            return std::mem::take(&mut is_empty).then(|| Err(at(Place::File, Cause::Empty)));
        };
        is_empty = false;
        Some(fields.and_then(|fields| record(&fields, place)).map_err(|cause| at(place, cause)))
    }))
}

fn record(fields: &Fields, place: Place) -> Result<Samples, Cause> {
    let problem = name(fields)?;
    let found = TEXTS.into_iter().find_map(|(field, form)| Some((field, form, fields.value(field)?)));
    let (field, form, value) = found.ok_or(Cause::MissingField { field: "completion" })?;
    let texts = match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(_) => fields.texts(field)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(wrong_type(field, "text, or a list of texts", value));
        }
    };
    if texts.is_empty() {
        return Err(Cause::BadValue { field, detail: "it holds no sample".to_owned() });
    }
    Ok(Samples { problem, form, texts, place })
}

/// Text, or a whole number as MBPP has it.
fn name(fields: &Fields) -> Result<String, Cause> {
    let field = NAMES.into_iter().find(|field| fields.value(field).is_some());
    let field = field.ok_or(Cause::MissingField { field: "task_id" })?;
    match fields.value(field) {
        Some(Value::Number(number)) if number.is_u64() => Ok(number.to_string()),
        Some(_) | None => fields.non_empty(field).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<Result<Samples, String>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.jsonl");
        std::fs::write(&path, text).expect("writes");
        let said = |error: ReadError| format!("{}: {}", error.place, error.cause);
        open(&path).expect("opens").map(|record| record.map_err(said)).collect()
    }

    fn one(text: &str) -> (String, Form, Vec<String>) {
        let mut found = all(text);
        assert_eq!(found.len(), 1, "{text}");
        let samples = found.remove(0).expect(text);
        (samples.problem, samples.form, samples.texts)
    }

    #[test]
    fn every_published_form_is_read() {
        for (text, name, form, texts) in [
            (r#"{"task_id":"HumanEval/0","completion":"  return 1"}"#, "HumanEval/0", Form::Completion, 1),
            (r#"{"task_id":"HumanEval/0","solution":"def f(): pass"}"#, "HumanEval/0", Form::Whole, 1),
            (r#"{"task_id":11,"completion":"x"}"#, "11", Form::Completion, 1),
            (r#"{"custom_id":"a","proof":"theorem a : True := trivial"}"#, "a", Form::Whole, 1),
            (r#"[{"name":"a","code":"theorem"}]"#, "a", Form::Whole, 1),
            (
                r#"{"name":"a","formal_statement":"…","model_outputs":["x","y"],"full_code":["a","b","c"]}"#,
                "a",
                Form::Whole,
                3,
            ),
            (r#"{"problem_id":"a","model_outputs":["x","y"]}"#, "a", Form::Raw, 2),
        ] {
            let found = one(text);
            assert_eq!((found.0.as_str(), found.1, found.2.len()), (name, form, texts), "{text}");
        }
    }

    #[test]
    fn a_bad_record_costs_only_itself() {
        let text = concat!(
            "{\"task_id\":\"a\",\"completion\":\"x\"}\n",
            "{\"task_id\":\"a\"}\n",
            "not JSON\n",
            "\n",
            "{\"completion\":\"x\"}\n",
            "{\"task_id\":\"a\",\"completion\":[1]}\n",
            "{\"task_id\":\"a\",\"completions\":[]}\n",
            "{\"task_id\":\"b\",\"completion\":\"y\"}",
        );
        let found: Vec<String> = all(text)
            .into_iter()
            .map(|record| record.map_or_else(|error| error, |samples| samples.problem))
            .collect();
        insta::assert_snapshot!(found.join("\n"), @r"
        a
        , line 2: field `completion` is missing
        , line 3: not JSON: expected ident at line 1 column 2
        , line 5: field `task_id` is missing
        , line 6: field `completion` must be a list of texts, found a number
        , line 7: field `completions`: it holds no sample
        b
        ");
    }

    #[test]
    fn what_holds_nothing_is_an_error() {
        for text in ["", " \n\n", "[]"] {
            assert_eq!(all(text), [Err(": the file holds no record".to_owned())], "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_changed(name in "[^\\s].*", text in "(?s).*") {
            let line = serde_json::json!({ "task_id": name, "completion": text }).to_string();
            prop_assert_eq!(one(&line), (name, Form::Completion, vec![text]));
        }
    }
}
