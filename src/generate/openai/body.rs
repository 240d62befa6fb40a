//! What is sent.

use serde::Serialize;

use super::options::{Api, Extensions, Options};
use crate::generate::{Request, Sampling, sample_seed};

/// The body of a call, in the words of both APIs.
#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message<'a>>,
    /// Left out for one sample: there are servers that refuse the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    max_tokens: usize,
    /// Sent even if they are 1: vLLM would take the model's `generation_config.json` instead.
    temperature: f64,
    top_p: f64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<LogProbs>,
    #[serde(flatten)]
    extensions: Fields,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum LogProbs {
    /// Completions: so many of the likeliest besides the sampled one. SGLang takes 0 for no.
    Likeliest(u8),
    /// Chat.
    Wanted(bool),
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Fields beyond OpenAI's.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Fields {
    /// -1 is all, for vLLM, SGLang and llama.cpp alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repetition_penalty: Option<f64>,
    /// llama.cpp's name for it,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_penalty: Option<f64>,
    /// which without this would look at the last 64 tokens only. -1 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_last_n: Option<i64>,
}

impl Fields {
    fn new(sampling: &Sampling, extensions: Extensions) -> Self {
        let always = match extensions {
            Extensions::Always => true,
            Extensions::WhenSet => false,
        };
        let top_k = sampling.top_k.map(|top_k| i64::try_from(top_k.get()).unwrap_or(i64::MAX));
        let penalty = Some(sampling.repetition_penalty).filter(|penalty| always || is_other(*penalty, 1.0));
        Self {
            top_k: top_k.or(always.then_some(-1)),
            min_p: Some(sampling.min_p).filter(|min_p| always || is_other(*min_p, 0.0)),
            repetition_penalty: penalty,
            repeat_penalty: penalty,
            repeat_last_n: penalty.map(|_| -1),
        }
    }
}

#[expect(clippy::float_cmp, reason = "a default that was left as it is, is that number")]
fn is_other(value: f64, default: f64) -> bool {
    value != default
}

/// The body of a call for `count` samples from `first` on.
///
/// The seed is the first sample's, 31 bits of it: llama.cpp keeps 32, others refuse what is no i64.
///
/// # Errors
/// None that input can cause: all of it is text and finite numbers.
pub(super) fn body(
    options: &Options,
    request: &Request,
    first: usize,
    count: usize,
) -> Result<Vec<u8>, serde_json::Error> {
    let sampling = &request.sampling;
    let (prompt, messages, log_probs) = match &options.api {
        Api::Completions => (Some(request.prompt.as_str()), Vec::new(), LogProbs::Likeliest(1)),
        Api::Chat { system } => {
            let system = system.as_deref().map(|content| Message { role: "system", content });
            let user = Message { role: "user", content: &request.prompt };
            (None, system.into_iter().chain([user]).collect(), LogProbs::Wanted(true))
        }
    };
    serde_json::to_vec(&Body {
        model: &options.model,
        prompt,
        messages,
        n: (count > 1).then_some(count),
        max_tokens: sampling.max_tokens.get(),
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        stop: &sampling.stop,
        seed: sample_seed(request.seed, first) >> 33,
        logprobs: sampling.log_probs.then_some(log_probs),
        extensions: Fields::new(sampling, options.extensions),
        stream: request.stream.then_some(true),
        stream_options: request.stream.then_some(StreamOptions { include_usage: true }),
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use serde_json::{Value, json};

    use super::*;

    fn request(sampling: Sampling, stream: bool) -> Request {
        Request { prompt: "1 + 1 =".to_owned(), samples: NonZeroUsize::MIN, seed: 7, sampling, stream }
    }

    fn sent(options: &Options, request: &Request, first: usize, count: usize) -> Value {
        serde_json::from_slice(&body(options, request, first, count).expect("JSON")).expect("JSON")
    }

    #[test]
    fn defaults_are_plain_openai() {
        let seed = sample_seed(7, 3) >> 33;
        let expected = json!({
            "model": "m", "prompt": "1 + 1 =", "max_tokens": 512, "temperature": 1.0, "top_p": 1.0, "seed": seed,
        });
        let options = Options::new("http://x", "m");
        assert_eq!(sent(&options, &request(Sampling::default(), false), 3, 1), expected);
    }

    #[test]
    fn chat_has_messages() {
        let options = Options {
            api: Api::Chat { system: Some("Be brief.".to_owned()) },
            ..Options::new("http://x", "m")
        };
        let sampling = Sampling { log_probs: true, stop: vec!["\n".to_owned()], ..Sampling::default() };
        let body = sent(&options, &request(sampling, true), 0, 4);
        let messages =
            json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1 ="}]);
        assert_eq!(body["messages"], messages);
        assert_eq!(body["prompt"], Value::Null);
        assert_eq!(body["logprobs"], json!(true));
        assert_eq!(body["stop"], json!(["\n"]));
        assert_eq!(body["n"], json!(4));
        assert_eq!(
            (&body["stream"], &body["stream_options"]),
            (&json!(true), &json!({"include_usage": true}))
        );
    }

    #[test]
    fn extensions_are_sent_when_set_or_always() {
        let set = Sampling {
            top_k: NonZeroUsize::new(5),
            min_p: 0.1,
            repetition_penalty: 1.2,
            ..Sampling::default()
        };
        let fields = |sampling: &Sampling, extensions| {
            serde_json::to_value(Fields::new(sampling, extensions)).expect("JSON")
        };
        let all = json!({
            "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2, "repeat_penalty": 1.2, "repeat_last_n": -1,
        });
        assert_eq!(fields(&set, Extensions::WhenSet), all);
        assert_eq!(fields(&set, Extensions::Always), all);
        assert_eq!(fields(&Sampling::default(), Extensions::WhenSet), json!({}));
        let off = json!({
            "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "repeat_penalty": 1.0, "repeat_last_n": -1,
        });
        assert_eq!(fields(&Sampling::default(), Extensions::Always), off);
    }
}
