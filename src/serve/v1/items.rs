//! The items of a request: each read, judged and reported by itself, so that a bad one costs no other its verdict.

use crate::records::{self, Report};
use crate::serve::{App, ServeError, extract};
use proofloop_datasets::readers::fields::Fields;
use proofloop_verifiers::candidate::{Candidate, Kind};
use proofloop_verifiers::verdict::{Judgement, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;
use utoipa::ToSchema;

/// What `/v1/verify` and `/v1/jobs` take.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"candidates": [{"id": "one", "kind": "lean",
    "formal_statement": "theorem t (a : Nat) : a = a := by", "completion": "\n  rfl"}]}))]
pub(super) struct Batch {
    /// What to judge: records as `proofloop verify` reads them, each with an `id` that no other of them has.
    #[schema(value_type = Vec<Candidates>, min_items = 1)]
    pub(super) candidates: Vec<Map<String, Value>>,
    /// Kind of those that don't say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<BatchKind>,
    /// After so many milliseconds, what has no verdict yet is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub(super) deadline_ms: Option<u64>,
}

/// A kind of candidates.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BatchKind {
    /// Lean 4.
    Lean,
    /// Python.
    Python,
    /// Isabelle/HOL.
    Isabelle,
}

impl From<BatchKind> for Kind {
    fn from(kind: BatchKind) -> Self {
        match kind {
            BatchKind::Lean => Self::Lean,
            BatchKind::Python => Self::Python,
            BatchKind::Isabelle => Self::Isabelle,
        }
    }
}

/// The forms of a candidate, for the description of the API; `records.rs` reads them.
#[derive(ToSchema)]
#[schema(as = Candidate)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct Candidates {
    /// Names the candidate in the answer.
    id: String,
    /// `lean`, `python` or `isabelle`.
    #[schema(required = false)]
    kind: Option<BatchKind>,
    /// Lean: imports and context; trusted.
    #[schema(required = false)]
    header: Option<String>,
    /// Lean: the pinned statement, for instance `theorem t : 1 + 1 = 2 := by`; trusted.
    #[schema(required = false)]
    formal_statement: Option<String>,
    /// What the model wrote, behind the statement or the prompt.
    #[schema(required = false)]
    completion: Option<String>,
    /// Instead of a completion: a whole Lean file, or a Python program.
    #[schema(required = false)]
    code: Option<String>,
    /// Python, as in HumanEval: what stands before the completion.
    #[schema(required = false)]
    prompt: Option<String>,
    /// Python, as in HumanEval: defines `check(candidate)`.
    #[schema(required = false)]
    test: Option<String>,
    /// Python, as in HumanEval: the function under test.
    #[schema(required = false)]
    entry_point: Option<String>,
    /// Python: `assert` statements, or `{"stdin", "stdout"}` objects.
    #[schema(required = false)]
    tests: Option<Vec<Value>>,
    /// Python: runs before the tests.
    #[schema(required = false)]
    setup: Option<String>,
}

/// An item of a request.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Item {
    /// Unique in its request.
    pub(super) id: String,
    /// What to judge, or what is wrong with it.
    what: Result<Candidate, String>,
}

/// An item that can't be judged as it is.
#[derive(Serialize)]
struct BadItem<'a> {
    id: &'a str,
    error: &'a str,
}

impl Item {
    /// The items of a batch. One that can't be read stays an item.
    ///
    /// # Errors
    /// [`ServeError::Invalid`] if there is none, or two have the same id: the answers could not be told apart.
    pub(super) fn of(batch: &Batch) -> Result<Vec<Self>, ServeError> {
        if batch.candidates.is_empty() {
            return Err(ServeError::Invalid("`candidates` is empty".to_owned()));
        }
        let mut ids = BTreeSet::new();
        let mut items = Vec::with_capacity(batch.candidates.len());
        for (index, record) in batch.candidates.iter().enumerate() {
            let item = Self::read(index, record, batch.kind.map(Kind::from));
            if !ids.insert(item.id.clone()) {
                let text = format!("`candidates[{index}].id`: `{}` is there twice", item.id);
                return Err(ServeError::Invalid(text));
            }
            items.push(item);
        }
        Ok(items)
    }

    /// The items of a batch that was written before, and how long all of them may take.
    ///
    /// # Errors
    /// As [`Item::of`]; it is no batch.
    pub(in crate::serve) fn of_text(text: &str) -> Result<(Vec<Self>, Option<Duration>), ServeError> {
        let batch: Batch = extract::parse(text.as_bytes())?;
        Ok((Self::of(&batch)?, batch.deadline_ms.map(Duration::from_millis)))
    }

    fn read(index: usize, record: &Map<String, Value>, kind: Option<Kind>) -> Self {
        match records::from_fields(&Fields::from_map(record.clone()), kind) {
            Ok(named) => Self { id: named.id, what: Ok(named.candidate) },
            Err(cause) => {
                let id = match record.get("id") {
                    Some(Value::String(id)) if !id.is_empty() => id.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => format!("#{index}"),
                };
                Self { id, what: Err(cause.to_string()) }
            }
        }
    }

    /// Judges it and writes its report as JSON: the line that `proofloop verify --format jsonl` prints, or
    /// `{"id", "error"}`.
    pub(in crate::serve) async fn judge(&self, app: &App, client: &str) -> String {
        let candidate = match &self.what {
            Ok(candidate) => candidate,
            Err(error) => return json(&BadItem { id: &self.id, error }),
        };
        if !app.backend.can_judge(candidate.kind()) {
            let error = match candidate.kind() {
                Kind::Lean => "no Lean toolchain is installed: run `proofloop setup`",
                Kind::Python => "no Python guest is installed: run `proofloop setup`",
                Kind::Isabelle => "this server judges no Isabelle",
            };
            return json(&Report::new(
                &self.id,
                &Judgement::of_nobody(Verdict::Unavailable { cause: error.to_owned() }),
            ));
        }
        let judgement = app.backend.judge(client, candidate.clone()).await;
        json(&Report::new(&self.id, &judgement))
    }

    /// The report of an item that was given up.
    pub(in crate::serve) fn cancelled(&self) -> String {
        json(&Report::new(&self.id, &Judgement::of_nobody(Verdict::Cancelled)))
    }
}

/// A value of ours as JSON.
pub(super) fn json(value: &impl Serialize) -> String {
    // Texts, numbers and lists of them: nothing that has no JSON.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(text: &str) -> Batch {
        serde_json::from_str(text).expect("a batch")
    }

    #[test]
    fn a_bad_item_stays_an_item() {
        let items = Item::of(&batch(
            r#"{"kind":"lean","candidates":[{"id":"a","code":"theorem t : True := trivial"},{"id":"b"},{"code":3}]}"#,
        ))
        .expect("items");
        let told: Vec<_> = items
            .iter()
            .map(|item| (item.id.as_str(), item.what.as_ref().err().map(String::as_str)))
            .collect();
        assert_eq!(
            told,
            [("a", None), ("b", Some("field `code` is missing")), ("#2", Some("field `id` is missing")),]
        );
    }

    #[test]
    fn ids_are_unique_and_there_is_at_least_one() {
        for (text, expected) in [
            (r#"{"candidates":[]}"#, "`candidates` is empty"),
            (r#"{"candidates":[{"id":"a"},{"id":"a"}]}"#, "`candidates[1].id`: `a` is there twice"),
        ] {
            let Err(ServeError::Invalid(detail)) = Item::of(&batch(text)) else {
                panic!("{text} is refused")
            };
            assert_eq!(detail, expected);
        }
    }
}
