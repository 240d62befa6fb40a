//! What comes back: an answer, or an event of a stream. Both, of both APIs, are read as one shape.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::options::ApiKey;

/// The longest message of a server that is passed on, in characters.
const MESSAGE_CHARS: usize = 500;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    /// Some servers give it with status 200, and every one inside a stream.
    #[serde(default)]
    pub(super) error: Option<Value>,
    /// vLLM's older form of the same: `"object": "error"` with a `message`.
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: Option<usize>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    delta: Option<Message>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
    /// vLLM: the stop string, the id of a stop token, or null if the text ended by itself.
    #[serde(default, deserialize_with = "present")]
    stop_reason: Option<Value>,
    /// SGLang: the stop string, or the id of the token that ended the text.
    #[serde(default, deserialize_with = "present")]
    matched_stop: Option<Value>,
    #[serde(default)]
    logprobs: Option<LogProbs>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

/// Completions have the first list and chats the second; llama.cpp has the second in both.
#[derive(Debug, Deserialize)]
struct LogProbs {
    #[serde(default)]
    token_logprobs: Option<Vec<Option<f32>>>,
    #[serde(default)]
    content: Option<Vec<TokenLogProb>>,
}

#[derive(Debug, Deserialize)]
struct TokenLogProb {
    logprob: Option<f32>,
}

/// Tokens of a call: the prompt's once, and those of all its samples together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) prompt_tokens: Option<u64>,
    #[serde(default)]
    pub(super) completion_tokens: Option<u64>,
}

/// `Some(Null)` for null, so that it differs from nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What the server says about how a sample ended, where it says more than `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoppedBy {
    /// One of the stop strings.
    StopString,
    /// A token: the end of text, or a stop token of the model's.
    Token,
}

impl Choice {
    /// The text that it adds.
    pub(super) fn text(&self) -> &str {
        let messages = [&self.message, &self.delta].into_iter().flatten();
        let contents = messages.filter_map(|message| message.content.as_deref());
        self.text.as_deref().into_iter().chain(contents).next().unwrap_or_default()
    }

    /// The log-probabilities that it adds; `None` in the place of one that is not told.
    pub(super) fn log_probs(&self) -> Option<Vec<Option<f32>>> {
        let log_probs = self.logprobs.as_ref()?;
        let of_content = |content: &Vec<TokenLogProb>| content.iter().map(|token| token.logprob).collect();
        log_probs.token_logprobs.clone().or_else(|| log_probs.content.as_ref().map(of_content))
    }

    pub(super) fn stopped_by(&self) -> Option<StoppedBy> {
        // vLLM says null for the end of text, SGLang for nothing at all (an abort, or a length).
        let by = |reason: &Value| if reason.is_string() { StoppedBy::StopString } else { StoppedBy::Token };
        let matched = self.matched_stop.as_ref().filter(|matched| !matched.is_null());
        self.stop_reason.as_ref().or(matched).map(by)
    }
}

impl Answer {
    /// What the server says went wrong, and the status that it would have given, if it says so.
    pub(super) fn error(&self, key: Option<&ApiKey>) -> Option<(Option<u16>, String)> {
        let old_form = self.object.as_deref() == Some("error");
        let error = match &self.error {
            None | Some(Value::Null) if old_form => &Value::Null,
            None | Some(Value::Null) => return None,
            Some(error) => error,
        };
        let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let message = find_message(error).or(self.message.as_deref()).unwrap_or("it does not say why");
        Some((status, shorten(message, key)))
    }
}

/// The message in the body of a failed call: OpenAI's `error.message`, FastAPI's `detail`, or the body as it is.
pub(super) fn message(body: &[u8], key: Option<&ApiKey>) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(find_message).unwrap_or(&text);
    let message = shorten(message, key);
    if message.is_empty() { "the server does not say why".to_owned() } else { message }
}

fn find_message(json: &Value) -> Option<&str> {
    let inner = |name: &str| json.get(name).and_then(find_message);
    let first = || json.as_array().and_then(|list| list.first()).and_then(find_message);
    json.as_str()
        .or_else(|| inner("error"))
        .or_else(|| inner("message"))
        .or_else(|| inner("detail"))
        .or_else(|| inner("msg"))
        .or_else(first)
}

/// One line without control characters (a terminal would obey them) and without the key.
fn shorten(message: &str, key: Option<&ApiKey>) -> String {
    let message = key.map_or_else(|| message.to_owned(), |key| key.hide_in(message));
    let words: Vec<&str> = message.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let mut words = words.into_iter().filter(|word| !word.is_empty()).flat_map(|word| [" ", word]).skip(1);
    let line: String = words.by_ref().collect();
    match line.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choice(json: Value) -> Choice {
        serde_json::from_value(json).expect("a choice")
    }

    #[test]
    fn text_is_found_in_every_form() {
        let cases = [
            (json!({"text": "a"}), "a"),
            (json!({"message": {"role": "assistant", "content": "a"}}), "a"),
            (json!({"message": {"content": null}}), ""),
            (json!({"delta": {"content": "a"}}), "a"),
            (json!({"delta": {"role": "assistant"}}), ""),
            (json!({"text": null, "message": null, "delta": null}), ""),
            (json!({}), ""),
        ];
        for (json, expected) in cases {
            assert_eq!(choice(json.clone()).text(), expected, "{json}");
        }
    }

    #[test]
    fn log_probs_are_found_in_both_forms() {
        let cases = [
            (
                json!({"tokens": ["a", "b"], "token_logprobs": [-0.5, null], "top_logprobs": [null, {"b": -1}]}),
                Some(vec![Some(-0.5), None]),
            ),
            (
                json!({"content": [{"token": "a", "logprob": -0.25, "top_logprobs": []}], "refusal": null}),
                Some(vec![Some(-0.25)]),
            ),
            (json!({"content": null}), None),
            (json!(null), None),
        ];
        for (json, expected) in cases {
            assert_eq!(choice(json!({ "logprobs": json })).log_probs(), expected, "{json}");
        }
    }

    #[test]
    fn null_is_not_nothing() {
        let cases = [
            (json!({}), None),
            (json!({"stop_reason": null}), Some(StoppedBy::Token)),
            (json!({"stop_reason": 128_009}), Some(StoppedBy::Token)),
            (json!({"stop_reason": "\n\n"}), Some(StoppedBy::StopString)),
            (json!({"matched_stop": "\n\n"}), Some(StoppedBy::StopString)),
            (json!({"matched_stop": 2}), Some(StoppedBy::Token)),
            (json!({"matched_stop": null}), None),
        ];
        for (json, expected) in cases {
            assert_eq!(choice(json.clone()).stopped_by(), expected, "{json}");
        }
    }

    #[test]
    fn messages_are_found_shortened_and_made_harmless() {
        let key = ApiKey::new("sk-secret").expect("a key");
        let cases = [
            (r#"{"error": {"message": "no\nsuch  thing", "code": 400}}"#, "no such thing"),
            (r#"{"error": "no such thing"}"#, "no such thing"),
            (r#"{"object": "error", "message": "no such thing"}"#, "no such thing"),
            (r#"{"detail": "no such thing"}"#, "no such thing"),
            (r#"{"detail": [{"loc": ["body"], "msg": "no such thing"}]}"#, "no such thing"),
            ("<h1>no such thing</h1>", "<h1>no such thing</h1>"),
            (r#"{"message": "bad key sk-secret\u001b[2J!"}"#, "bad key [API key] [2J!"),
            ("", "the server does not say why"),
        ];
        for (body, expected) in cases {
            assert_eq!(message(body.as_bytes(), Some(&key)), expected, "{body}");
        }
        let long = message("é".repeat(10_000).as_bytes(), None);
        assert_eq!(long.chars().count(), MESSAGE_CHARS + 1);
        assert_eq!(message(b"\xff\xfe", None), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn errors_inside_an_answer_are_seen() {
        let error = |json: Value| serde_json::from_value::<Answer>(json).expect("an answer").error(None);
        let cases = [
            (json!({"error": {"message": "too long", "code": 400}}), Some((Some(400), "too long"))),
            (json!({"error": {"message": "broken", "code": "internal"}}), Some((None, "broken"))),
            (json!({"object": "error", "message": "broken"}), Some((None, "broken"))),
            (json!({"error": {}}), Some((None, "it does not say why"))),
            (json!({"error": null, "choices": []}), None),
        ];
        for (json, expected) in cases {
            let expected = expected.map(|(status, message)| (status, message.to_owned()));
            assert_eq!(error(json.clone()), expected, "{json}");
        }
    }
}
