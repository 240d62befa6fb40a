//! What travels.

use crate::serve::ServeError;
use crate::serve::pydantic::{FieldFault, Step, whole_number};
use proofloop_verifiers::lean::repl::protocol::{CommandResponse, InfotreeKind};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::HashSet;
use utoipa::ToSchema;

/// What `/api/check` takes. Unknown fields are passed over.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct CheckRequest {
    /// What to elaborate, each with an `id` that no other of them has.
    #[schema(min_items = 1)]
    pub(super) snippets: Vec<WireSnippet>,
    /// Seconds for each snippet; neither the imports nor the time that it waits for its turn are counted.
    #[serde(default = "half_a_minute", deserialize_with = "whole_number")]
    #[schema(default = 30)]
    pub(super) timeout: u64,
    /// Whether to add `diagnostics`.
    #[serde(default)]
    pub(super) debug: bool,
    /// Whether a process that has elaborated these imports before will do.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub(super) reuse: bool,
    /// How much of the information tree is wanted. Only a REPL can give it.
    #[serde(default)]
    pub(super) infotree: Option<Infotree>,
}

/// A snippet.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct WireSnippet {
    /// Names it in the answer.
    pub(super) id: String,
    /// A whole Lean file.
    pub(super) code: String,
}

/// How much of the information tree is wanted.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Infotree {
    /// Everything, with macro expansions resolved.
    Full,
    /// Tactics only.
    Tactics,
    /// Nodes that come from the text as written.
    Original,
    /// Tactics that do something.
    Substantive,
}

impl From<Infotree> for InfotreeKind {
    fn from(kind: Infotree) -> Self {
        match kind {
            Infotree::Full => Self::Full,
            Infotree::Tactics => Self::Tactics,
            Infotree::Original => Self::Original,
            Infotree::Substantive => Self::Substantive,
        }
    }
}

/// What `/verify` takes, the form of the first version.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct VerifyRequest {
    /// What to elaborate.
    pub(super) codes: Vec<Code>,
    /// Seconds for each.
    #[serde(default = "five_minutes", deserialize_with = "whole_number")]
    #[schema(default = 300)]
    pub(super) timeout: u64,
    /// How much of the information tree is wanted.
    #[serde(default)]
    pub(super) infotree_type: Option<Infotree>,
    /// Whether a fresh process is wanted.
    #[serde(default)]
    pub(super) disable_cache: bool,
}

/// A snippet, in the form of the first version.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct Code {
    /// Names it in the answer; a text, or a whole number.
    #[serde(deserialize_with = "text_or_number")]
    pub(super) custom_id: String,
    /// A whole Lean file.
    #[serde(default)]
    pub(super) proof: Option<String>,
    /// The same, where there is no `proof`.
    #[serde(default)]
    pub(super) code: Option<String>,
}

/// What `/api/check` gives: one result for each snippet, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckResponse {
    /// The results.
    pub(super) results: Vec<CheckResult>,
}

/// The result of one snippet: a `response` or an `error`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckResult {
    /// The snippet's.
    pub(super) id: String,
    /// Seconds in Lean, imports not counted; after a timeout, the time that there was.
    pub(super) time: f64,
    /// What the REPL says: `env`, `messages`, `sorries`, `infotree`; or `message`, if it could not do what was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) response: Option<Reply>,
    /// Why there is no response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// If asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diagnostics: Option<Diagnostics>,
}

/// What the REPL says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Reply {
    /// Lean's answer.
    Elaborated(CommandResponse),
    /// It could not do what was asked.
    Refused {
        /// Why.
        message: String,
    },
}

/// Which process answered, and what it took.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct Diagnostics {
    /// Equal for two snippets only if the same process answered them.
    pub(super) repl_uuid: String,
    /// Per cent of one core, over the whole time of this snippet. (Kimina samples once a second and gives the highest.)
    pub(super) cpu_max: f64,
    /// The most memory that the process has had so far, in bytes; earlier snippets may have had it. (Kimina samples.)
    pub(super) memory_max: f64,
}

/// What `/verify` gives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerifyResponse {
    /// One for each of `codes`, in their order.
    pub(super) results: Vec<VerifyResult>,
}

/// The result of one snippet: a `response` or an `error`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerifyResult {
    /// The snippet's, as a text.
    pub(super) custom_id: String,
    /// Why there is no response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// What the REPL says, and `time`, seconds in Lean.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) response: Option<TimedReply>,
}

/// What the REPL says, with the time inside, as the first version had it.
#[derive(Debug, Serialize)]
pub(super) struct TimedReply {
    #[serde(flatten)]
    pub(super) reply: Reply,
    pub(super) time: f64,
}

/// A server that answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KiminaHealth)]
pub(super) struct Health {
    /// `ok`.
    pub(super) status: &'static str,
}

fn half_a_minute() -> u64 {
    30
}

fn five_minutes() -> u64 {
    300
}

fn yes() -> bool {
    true
}

fn text_or_number<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(reader)?;
    let number = || value.as_number().filter(|number| number.is_i64() || number.is_u64());
    let text = value.as_str().map(str::to_owned).or_else(|| number().map(ToString::to_string));
    text.ok_or_else(|| D::Error::custom(format!("`{value}` is neither a text nor a whole number")))
}

impl CheckRequest {
    /// What the fields say together.
    ///
    /// # Errors
    /// [`ServeError::Field`] if there is no snippet, or two have the same id: the answers could not be told apart.
    pub(super) fn check(&self) -> Result<(), ServeError> {
        let name = |text: &str| Step::Name(text.to_owned());
        if self.snippets.is_empty() {
            let fault = FieldFault::at(vec![name("snippets")], "`snippets` is empty".to_owned());
            return Err(ServeError::Field(fault));
        }
        let mut ids = HashSet::new();
        match self.snippets.iter().position(|snippet| !ids.insert(snippet.id.as_str())) {
            Some(index) => {
                let msg = format!("`{}` is there twice: ids must be unique", self.snippets[index].id);
                let way = vec![name("snippets"), Step::Index(index), name("id")];
                Err(ServeError::Field(FieldFault::at(way, msg)))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_has_its_value() {
        let request: CheckRequest = serde_json::from_value(
            json!({"snippets": [{"id": "a", "code": ""}], "infotree": null, "gc": true}),
        )
        .expect("reads");
        assert_eq!((request.timeout, request.debug, request.reuse), (30, false, true));
        let request: VerifyRequest =
            serde_json::from_value(json!({"codes": [{"custom_id": 7, "proof": null, "code": "x"}]}))
                .expect("reads");
        assert_eq!((request.timeout, request.disable_cache), (300, false));
        assert_eq!(request.codes[0].custom_id, "7");
    }

    #[test]
    fn a_result_leaves_out_what_is_not_there() {
        let result = CheckResult {
            id: "a".to_owned(),
            time: 1.0,
            response: None,
            error: Some("no".to_owned()),
            diagnostics: None,
        };
        assert_eq!(
            serde_json::to_value(result).expect("JSON"),
            json!({"id": "a", "time": 1.0, "error": "no"})
        );
        let reply = Reply::Refused { message: "no".to_owned() };
        let timed = serde_json::to_value(TimedReply { reply, time: 0.5 }).expect("JSON");
        assert_eq!(timed, json!({"message": "no", "time": 0.5}));
    }
}
