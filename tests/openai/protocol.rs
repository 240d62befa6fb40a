//! What is sent, and how what comes back is read: both APIs, as vLLM, SGLang and llama.cpp speak them.

use std::num::NonZeroUsize;

use proofloop::generate::openai::{Api, ApiKey, OpenAiGenerator, Options};
use proofloop::generate::{FinishReason, Generator, Request, Sampling, Usage, sample_seed};
use serde_json::{Value, json};

use crate::server::{Server, echo, options, request, run, status, texts};

fn chat(server: &Server) -> Options {
    Options { api: Api::Chat { system: Some("Prove it.".to_owned()) }, ..options(server) }
}

/// The one completion of a request with these settings that is answered like this.
async fn completion(
    sampling: Sampling,
    choice: Value,
    usage: Value,
) -> (proofloop::generate::Completion, Usage) {
    let answer = json!({"id": "x", "object": "text_completion", "choices": [choice], "usage": usage});
    let server = Server::start(move |_| status(200, "", &answer)).await;
    let (usage, mut told) = run(options(&server), vec![Request { sampling, ..request("p", 1) }]).await;
    (told.completed.remove(&(0, 0)).expect("a completion"), usage)
}

fn stops(stops: &[&str]) -> Sampling {
    Sampling { stop: stops.iter().map(|stop| (*stop).to_owned()).collect(), ..Sampling::default() }
}

#[tokio::test]
async fn completions_are_asked_for_as_vllm_documents_it() {
    let server = Server::start(echo).await;
    let sampling = Sampling {
        temperature: 0.7,
        top_p: 0.95,
        top_k: NonZeroUsize::new(40),
        min_p: 0.05,
        repetition_penalty: 1.1,
        log_probs: true,
        ..stops(&["\n\n", "```"])
    };
    let options = Options { key: Some(ApiKey::new("k").expect("a key")), ..options(&server) };
    run(options, vec![Request { sampling, ..request("theorem", 2) }]).await;
    let received = &server.received()[0];
    assert_eq!(received.path, "/v1/completions");
    assert_eq!(received.headers["authorization"], "Bearer k");
    assert_eq!(received.headers["content-type"], "application/json");
    assert!(received.headers["user-agent"].starts_with("proofloop/"));
    let expected = json!({
        "model": "m", "prompt": "theorem", "n": 2, "max_tokens": 512, "temperature": 0.7, "top_p": 0.95,
        "stop": ["\n\n", "```"], "seed": sample_seed(1, 0) >> 33, "logprobs": 1, "top_k": 40, "min_p": 0.05,
        "repetition_penalty": 1.1, "repeat_penalty": 1.1, "repeat_last_n": -1,
    });
    assert_eq!(received.body, expected);
}

#[tokio::test]
async fn chats_are_asked_for_and_read() {
    let server = Server::start(|received| {
        let choice = |index| json!({
            "index": index,
            "message": {"role": "assistant", "content": format!("by simp {index}"), "tool_calls": []},
            "logprobs": {"content": [{"token": "by", "logprob": -0.5, "bytes": [98], "top_logprobs": []}]},
            "finish_reason": "stop", "stop_reason": null,
        });
        let choices: Vec<Value> = (0..received.n()).map(choice).collect();
        let usage = json!({"prompt_tokens": 9, "total_tokens": 13, "completion_tokens": 4});
        status(200, "", &json!({"object": "chat.completion", "choices": choices, "usage": usage}))
    })
    .await;
    let sampling = Sampling { log_probs: true, ..Sampling::default() };
    let (usage, told) = run(chat(&server), vec![Request { sampling, ..request("1 = 1", 2) }]).await;
    let received = &server.received()[0];
    assert_eq!(received.path, "/v1/chat/completions");
    let messages = json!([{"role": "system", "content": "Prove it."}, {"role": "user", "content": "1 = 1"}]);
    assert_eq!((&received.body["messages"], &received.body["logprobs"]), (&messages, &json!(true)));
    assert_eq!(told.texts(0), ["by simp 0", "by simp 1"]);
    let second = &told.completed[&(0, 1)];
    assert_eq!((&second.log_probs, second.tokens), (&Some(vec![-0.5]), 1));
    assert_eq!(second.finish, FinishReason::EndOfText);
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (9, 4));
}

#[tokio::test]
async fn finish_reasons_are_read_as_each_server_means_them() {
    let cases = [
        (
            "vLLM, end of text",
            json!({"text": "a", "finish_reason": "stop", "stop_reason": null}),
            FinishReason::EndOfText,
        ),
        (
            "vLLM, stop string",
            json!({"text": "a", "finish_reason": "stop", "stop_reason": "\n"}),
            FinishReason::Stop,
        ),
        (
            "SGLang, end of text",
            json!({"text": "a", "finish_reason": "stop", "matched_stop": 2}),
            FinishReason::EndOfText,
        ),
        (
            "SGLang, stop string",
            json!({"text": "a", "finish_reason": "stop", "matched_stop": "\n"}),
            FinishReason::Stop,
        ),
        ("llama.cpp, either", json!({"text": "a", "finish_reason": "stop"}), FinishReason::Stop),
        ("left in", json!({"text": "a\n", "finish_reason": "stop", "stop_reason": "\n"}), FinishReason::Stop),
        ("ignored", json!({"text": "a\nb\nc", "finish_reason": "length"}), FinishReason::Stop),
        ("full", json!({"text": "a", "finish_reason": "length"}), FinishReason::Length),
    ];
    for (case, choice, finish) in cases {
        let (completion, _) = completion(stops(&["\n"]), choice, json!(null)).await;
        assert_eq!((completion.text.as_str(), completion.finish), ("a", finish), "{case}");
    }
    let (completion, _) =
        completion(Sampling::default(), json!({"text": "a", "finish_reason": "stop"}), json!(null)).await;
    assert_eq!(completion.finish, FinishReason::EndOfText, "nothing else could have stopped it");
}

#[tokio::test]
async fn empty_completions_are_completions() {
    for choice in [json!({"text": "", "finish_reason": "stop"}), json!({"finish_reason": "stop"})] {
        let (completion, usage) =
            completion(Sampling::default(), choice, json!({"completion_tokens": 1})).await;
        assert_eq!((completion.text.as_str(), completion.tokens), ("", 1));
        assert_eq!((usage.completions, usage.completion_tokens, usage.failed_requests), (1, 1, 0));
    }
}

#[tokio::test]
async fn log_probs_come_in_both_formats() {
    let sampling = || Sampling { log_probs: true, ..Sampling::default() };
    let cases = [
        (
            json!({"tokens": ["a", "b"], "token_logprobs": [-0.5, -2.25], "text_offset": [0, 1]}),
            Some(vec![-0.5, -2.25]),
        ),
        (json!({"content": [{"id": 7, "token": "a", "logprob": -0.5}]}), Some(vec![-0.5])),
        (json!({"token_logprobs": [null, -2.25]}), None),
        (json!(null), None),
    ];
    for (log_probs, expected) in cases {
        let choice = json!({"text": "ab", "finish_reason": "stop", "logprobs": log_probs});
        let (completion, _) = completion(sampling(), choice, json!(null)).await;
        assert_eq!(completion.log_probs, expected, "{log_probs}");
    }
    let unasked = json!({"text": "a", "finish_reason": "stop", "logprobs": {"token_logprobs": [-1.0]}});
    let (completion, _) = completion(Sampling::default(), unasked, json!(null)).await;
    assert_eq!(completion.log_probs, None);
}

#[tokio::test]
async fn usage_is_what_the_server_tells_and_nothing_else() {
    let choice = || json!({"text": "a", "finish_reason": "stop"});
    let (sample, usage) = completion(Sampling::default(), choice(), json!(null)).await;
    assert_eq!(
        (sample.tokens, usage),
        (0, Usage { completions: 1, uncounted_completions: 1, ..Usage::default() })
    );
    let told = json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12});
    let (sample, usage) = completion(Sampling::default(), choice(), told).await;
    let expected = Usage { prompt_tokens: 5, completion_tokens: 7, completions: 1, ..Usage::default() };
    assert_eq!((sample.tokens, usage), (7, expected));

    let server = Server::start(|_| texts(&["a", "b"])).await;
    let (usage, told) = run(options(&server), vec![request("p", 2)]).await;
    assert_eq!(told.completed[&(0, 0)].tokens, 0, "of two samples the server tells the sum");
    assert_eq!((usage.completion_tokens, usage.uncounted_completions), (4, 0));
}

#[tokio::test]
async fn at_temperature_0_each_sample_is_asked_for_alone() {
    let server = Server::start(echo).await;
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    let (_, told) = run(options(&server), vec![Request { sampling, ..request("p", 3) }]).await;
    assert_eq!(told.texts(0).len(), 3);
    assert!(server.received().iter().all(|call| call.n() == 1));
}

#[tokio::test]
async fn the_generator_says_who_it_is() {
    let generator =
        OpenAiGenerator::new(Options::new("http://localhost:1", "deepseek")).expect("good options");
    let identity = generator.identity();
    assert_eq!((identity.engine.as_str(), identity.model.as_str()), ("openai", "deepseek"));
    assert!(!identity.reproducible);
}
