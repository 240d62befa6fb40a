//! `train.json`: every setting of a run, and the versions that it was made with.

use super::super::compute::DeviceName;
use super::identity::Identity;
use super::{Args, BatchingName, ScheduleName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Of the file, not of the program.
const FORMAT: u32 = 1;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) format: u32,
    pub(super) versions: BTreeMap<String, String>,
    /// What never changes.
    pub(super) run: Identity,
    /// What `--resume` may change.
    pub(super) method: Method,
    /// What may always change, because no weight depends on it.
    pub(super) execution: Execution,
    /// What followed from all this.
    pub(super) resolved: Resolved,
}

/// How steps are taken; the rates and sizes that were not given are in [`Resolved`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Method {
    pub(super) steps: Option<u64>,
    pub(super) epochs: Option<u64>,
    pub(super) batching: BatchingName,
    pub(super) row_tokens: Option<usize>,
    pub(super) micro_batch_tokens: Option<usize>,
    pub(super) learning_rate: f64,
    pub(super) schedule: ScheduleName,
    pub(super) floor: f64,
    pub(super) warmup_steps: Option<u64>,
    pub(super) clip: f64,
    pub(super) weight_decay: f64,
    pub(super) recompute: bool,
    pub(super) device: DeviceName,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Execution {
    pub(super) replicas: usize,
    pub(super) save_every: u64,
    pub(super) eval_every: u64,
    pub(super) keep: usize,
    pub(super) merge: bool,
}

/// What is known once the examples and the model have been read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolved {
    pub(super) steps: u64,
    pub(super) warmup_steps: u64,
    pub(super) max_tokens: usize,
    pub(super) micro_batch_tokens: usize,
    pub(super) examples: usize,
    pub(super) eval_examples: usize,
    /// In the examples, prompts and ends included.
    pub(super) tokens: u64,
    pub(super) truncated_examples: usize,
    pub(super) dropped_examples: usize,
    pub(super) weightless_examples: usize,
    pub(super) vocab: usize,
    pub(super) parameters: usize,
    pub(super) trained_parameters: usize,
}

impl Method {
    pub(super) fn of(args: &Args) -> Self {
        let method = &args.method;
        let (rate, decay) = match (args.init, args.lora.lora) {
            (Some(_), _) => (1e-3, 0.1),
            (None, Some(_)) => (2e-4, 0.0),
            (None, None) => (1e-5, 0.0),
        };
        Self {
            steps: args.steps.map(std::num::NonZero::get),
            epochs: args.epochs.map(std::num::NonZero::get),
            batching: method.batching,
            row_tokens: method.row_tokens.map(std::num::NonZero::get),
            micro_batch_tokens: method.micro_batch_tokens.map(std::num::NonZero::get),
            learning_rate: method.learning_rate.unwrap_or(rate),
            schedule: method.schedule,
            floor: method.floor,
            warmup_steps: method.warmup_steps,
            clip: method.clip,
            weight_decay: method.weight_decay.unwrap_or(decay),
            recompute: method.recompute,
            device: args.device,
        }
    }
}

impl Execution {
    pub(super) fn of(args: &Args) -> Self {
        let execution = &args.execution;
        Self {
            replicas: execution.replicas.unwrap_or_else(|| args.device.default_threads()).get(),
            save_every: execution.save_every.get(),
            eval_every: execution.eval_every.get(),
            keep: execution.keep.get(),
            merge: args.lora.merge,
        }
    }
}

impl Record {
    pub(super) fn new(run: Identity, method: Method, execution: Execution, resolved: Resolved) -> Self {
        let of = |name: &str| (name.to_owned(), locked_version(name).unwrap_or("unknown").to_owned());
        let mut versions: BTreeMap<_, _> = ["candle-core", "tokenizers"].map(of).into();
        versions.insert("proofloop".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Self { format: FORMAT, versions, run, method, execution, resolved }
    }

    /// Reads what [`Record::new`] has written, or says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let format = value.get("format").and_then(Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            let found = format.map_or("none".to_owned(), |format| format.to_string());
            return Err(format!("its format is {found}, only {FORMAT} can be read"));
        }
        serde_json::from_value(value).map_err(|error| format!("it does not say what it must: {error}"))
    }
}

/// The version of a crate that this program was built with.
fn locked_version(name: &str) -> Option<&'static str> {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    let (_, behind) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    behind.split('"').next()
}

/// The first setting that is not what it was, as `name was A, now it is B`. Where a file lies is no setting.
pub(super) fn difference(then: &impl Serialize, now: &impl Serialize) -> Option<String> {
    let value = |side: serde_json::Result<Value>| side.unwrap_or(Value::Null);
    between("", &value(serde_json::to_value(then)), &value(serde_json::to_value(now)))
}

fn between(name: &str, then: &Value, now: &Value) -> Option<String> {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match (then, now) {
        (Value::Object(then), Value::Object(now)) if then.keys().eq(now.keys()) => {
            let mut both = then.iter().zip(now.values()).filter(|((key, _), _)| *key != "path");
            both.find_map(|((key, then), now)| between(&below(key), then, now))
        }
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            let mut both = (1..).zip(then.iter().zip(now));
            both.find_map(|(number, (then, now))| between(&below(&format!("{number}")), then, now))
        }
        _ if then == now => None,
        _ => Some(format!("`{name}` was {}, now it is {}", short(then), short(now))),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "not given".to_owned(),
        Value::Object(_) => "given".to_owned(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named() {
        let then = json!({"seed": 1, "lora": null, "data": [{"path": "a", "bytes": 3}], "x": {"y": true}});
        let with = |name: &str, value: Value| {
            let mut now = then.clone();
            now[name] = value;
            difference(&then, &now)
        };
        assert_eq!(with("seed", json!(1)), None);
        assert_eq!(with("data", json!([{"path": "b", "bytes": 3}])), None);
        let all = [
            with("seed", json!(2)),
            with("lora", json!({"rank": 8})),
            with("data", json!([{"path": "b", "bytes": 4}])),
            with("data", json!([])),
            with("x", json!({"y": false})),
        ];
        insta::assert_snapshot!(all.map(Option::unwrap_or_default).join("\n"), @"
        `seed` was 1, now it is 2
        `lora` was not given, now it is given
        `data.1.bytes` was 3, now it is 4
        `data` was a list of 1, now it is a list of 0
        `x.y` was true, now it is false
        ");
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert_eq!(locked_version("candle-core"), locked_version("candle-nn"));
        assert!(locked_version("tokenizers").is_some_and(|version| version.starts_with("0.23")));
        assert_eq!(locked_version("no-such-crate"), None);
    }
}
