//! What the tools take: read strictly, so that a misspelt argument is not silently another call.

use crate::records;
use proofloop_datasets::readers::fields::Fields;
use proofloop_verifiers::candidate::{Candidate, Kind};
use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::time::Duration;

/// Time for a program or snippet where nothing is said.
const DEFAULT_SECONDS: f64 = 30.0;

/// Arguments of `verify_lean`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct VerifyLean {
    /// A whole Lean 4 file. Give either this, or `formal_statement` and `completion`. With `formal_statement` beside it,
    /// the file must prove exactly that theorem.
    code: Option<String>,
    /// What stands before the statement: imports and `open` lines. Only with `completion`.
    header: Option<String>,
    /// The statement to prove, up to and with `:= by` (or `:=`), for instance `theorem t (n : Nat) : n + 0 = n := by`.
    formal_statement: Option<String>,
    /// What follows the statement, for instance `\n  rfl`.
    completion: Option<String>,
}

/// Arguments of `run_python`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct RunPython {
    /// The program.
    pub(super) code: String,
    /// Its standard input.
    #[serde(default)]
    pub(super) stdin: Option<String>,
    /// Wall clock in seconds, more than 0; 30 if not given.
    #[serde(default)]
    pub(super) timeout_s: Option<f64>,
}

/// Arguments of `lean_diagnostics`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct LeanDiagnostics {
    /// A whole Lean 4 file; put `sorry` where you want to see the goal.
    pub(super) code: String,
    /// Wall clock in seconds for what follows the imports, more than 0; 30 if not given.
    #[serde(default)]
    pub(super) timeout_s: Option<f64>,
}

/// Reads a tool's arguments.
///
/// # Errors
/// What is wrong with them, for the model.
pub(super) fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| format!("wrong arguments: {error}"))
}

/// Seconds as a time.
///
/// # Errors
/// It is none that may be asked for.
pub(super) fn timeout(seconds: Option<f64>, longest: Duration) -> Result<Duration, String> {
    let seconds = seconds.unwrap_or(DEFAULT_SECONDS.min(longest.as_secs_f64()));
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero() && *time <= longest);
    time.ok_or_else(|| {
        format!("wrong arguments: `timeout_s` must be more than 0 and at most {}", longest.as_secs_f64())
    })
}

impl VerifyLean {
    /// The candidate.
    ///
    /// # Errors
    /// What is wrong with the arguments, for the model.
    pub(super) fn into_candidate(self) -> Result<Candidate, String> {
        if self.code.is_some() && (self.completion.is_some() || self.header.is_some()) {
            let text =
                "wrong arguments: give either `code` (a whole file), or `formal_statement` and `completion`";
            return Err(text.to_owned());
        }
        let fields = [
            ("id", Some("mcp".to_owned())),
            ("code", self.code),
            ("header", self.header),
            ("formal_statement", self.formal_statement),
            ("completion", self.completion),
        ];
        let given =
            fields.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::String(text?))));
        let record: Map<String, Value> = given.collect();
        records::from_fields(&Fields::from_map(record), Some(Kind::Lean))
            .map(|named| named.candidate)
            .map_err(|cause| format!("wrong arguments: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofloop_verifiers::candidate::LeanCandidate;
    use serde_json::json;

    fn candidate(arguments: &Value) -> Result<Candidate, String> {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        read::<VerifyLean>(arguments.clone())?.into_candidate()
    }

    #[test]
    fn both_forms_of_a_proof() {
        let file = candidate(&json!({"code": "theorem t : True := trivial"})).expect("a file");
        assert!(matches!(file, Candidate::Lean(LeanCandidate::File { statement: None, .. })));
        let pinned = json!({"formal_statement": "theorem t : True := by", "completion": "\n  trivial", "header": null});
        let pinned = candidate(&pinned).expect("a completion");
        assert!(matches!(pinned, Candidate::Lean(LeanCandidate::Completion { .. })));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, expected) in [
            (json!({}), "field `code` is missing"),
            (json!({"code": ""}), "field `code`: it is empty"),
            (json!({"code": "x", "completion": "y"}), "either `code`"),
            (json!({"formal_statement": "x"}), "field `completion` is missing"),
            (json!({"proof": "x"}), "unknown field `proof`"),
            (json!({"code": 3}), "expected a string"),
        ] {
            let error = candidate(&arguments).expect_err("refused");
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }

    #[test]
    fn times_are_within_bounds() {
        let longest = Duration::from_secs(60);
        assert_eq!(timeout(None, longest), Ok(Duration::from_secs(30)));
        assert_eq!(timeout(None, Duration::from_secs(5)), Ok(Duration::from_secs(5)));
        assert_eq!(timeout(Some(0.5), longest), Ok(Duration::from_millis(500)));
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-30, 60.5, 1e300] {
            assert!(timeout(Some(wrong), longest).is_err(), "{wrong}");
        }
    }
}
