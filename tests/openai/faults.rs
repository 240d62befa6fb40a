//! What goes wrong, and how far it reaches.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proofloop::generate::openai::{ApiKey, OpenAiGenerator, Options, Retry, Timeouts};
use proofloop::generate::{GenerateError, Usage};
use serde_json::json;

use crate::server::{
    Part, Server, chain, count, echo, options, request, run, status, texts, try_run, until, whole,
};

#[tokio::test]
async fn too_many_requests_is_waited_out() {
    let server = Server::start(|received| match received.number {
        0 => status(429, "retry-after: 3600\r\n", &json!({"error": {"message": "slow down"}})),
        1 => status(429, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", &json!({})),
        _ => echo(received),
    })
    .await;
    let cap = Duration::from_millis(60);
    let options = options(&server);
    let options = Options { retry: Retry { retry_after_cap: cap, ..options.retry }, ..options };
    let start = Instant::now();
    let (usage, told) = run(options, vec![request("p", 2)]).await;
    assert!(start.elapsed() >= cap, "waited {:?}", start.elapsed());
    assert_eq!(told.texts(0), ["p/0", "p/1"]);
    assert_eq!(server.calls(), 3);
    assert_eq!(usage, Usage { prompt_tokens: 3, completion_tokens: 4, completions: 2, ..Usage::default() });
}

#[tokio::test]
async fn a_request_fails_after_its_attempts_and_the_others_go_on() {
    let server = Server::start(|received| match received.prompt() {
        "bad" => status(503, "", &json!({"error": {"message": "the model is being loaded"}})),
        _ => echo(received),
    })
    .await;
    let requests = ["a", "bad", "b", "c"].map(|prompt| request(prompt, 3));
    let options = Options { samples_per_call: count(2), concurrency: count(1), ..options(&server) };
    let (usage, told) = run(options, requests.to_vec()).await;
    assert_eq!(told.failed[&1].0, [0, 1, 2], "samples that were not asked for yet fail as well");
    assert_eq!(told.error(1), "no usable answer, attempts: 5: HTTP status 503: the model is being loaded");
    assert_eq!([told.texts(0), told.texts(2), told.texts(3)].concat().len(), 9);
    assert_eq!(server.received().iter().filter(|call| call.prompt() == "bad").count(), 5);
    assert_eq!((usage.completions, usage.failed_requests), (9, 1));
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_and_tried_again() {
    let server = Server::start(|received| match received.number {
        0 => vec![Part::Hang],
        1 => vec![Part::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()), Part::Hang],
        _ => echo(received),
    })
    .await;
    let options = options(&server);
    // A busy machine may take longer than that, and then tries again.
    let retry = Retry { attempts: 100.try_into().expect("not 0"), ..options.retry };
    let timeouts = Timeouts { call: Duration::from_millis(150), ..Timeouts::default() };
    let (_, told) = run(Options { retry, timeouts, ..options }, vec![request("p", 1)]).await;
    assert_eq!(told.texts(0), ["p/0"]);
    assert!(server.calls() >= 3, "{} calls", server.calls());
    until(|| server.hung_up() == 2).await;
}

#[tokio::test]
async fn time_outs_say_what_was_waited_for() {
    let server = Server::start(|_| vec![Part::Hang]).await;
    let options = options(&server);
    let retry = Retry { attempts: 1.try_into().expect("not 0"), ..options.retry };
    let timeouts = Timeouts { call: Duration::from_millis(20), ..Timeouts::default() };
    let (_, told) = run(Options { retry, timeouts, ..options }, vec![request("p", 1)]).await;
    assert_eq!(told.error(0), "no usable answer, attempts: 1: no answer within 20ms");
}

#[tokio::test]
async fn broken_and_unusable_answers_are_tried_again() {
    let half = |end: Part| {
        vec![Part::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"choices\"".to_vec()), end]
    };
    let server = Server::start(move |received| match received.number {
        0 => half(Part::Reset),
        1 => half(Part::Close),
        2 => vec![Part::Reset],
        3 => vec![Part::Close],
        4 => vec![Part::Send(b"220 mail.example.org ESMTP\r\n".to_vec()), Part::Close],
        5 => whole(200, "", b"<html>"),
        6 => whole(200, "", b""),
        7 => whole(200, "", b"{\"choices\": [{\"text\": \"\xff\"}]}"),
        8 => whole(200, "", b"[1]"),
        9 => status(200, "", &json!({"choices": []})),
        10 => status(200, "", &json!({"error": {"message": "out of memory", "code": 500}})),
        11 => status(200, "", &json!({"choices": [{"text": "p", "finish_reason": "abort"}]})),
        12 => vec![Part::Send(b"HTTP/1.1 500 Oh\r\ncontent-length: 9\r\n\r\nno".to_vec()), Part::Close],
        _ => echo(received),
    })
    .await;
    let options = options(&server);
    let retry = Retry { attempts: 14.try_into().expect("not 0"), ..options.retry };
    let (usage, told) = run(Options { retry, ..options }, vec![request("p", 1)]).await;
    assert_eq!(told.texts(0), ["p/0"]);
    assert_eq!((server.calls(), usage.completions), (14, 1));
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_and_not_asked_for_again() {
    let server = Server::start(|received| match received.prompt() {
        "endless" => {
            let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"choices\": [{\"text\": \"".to_vec();
            vec![Part::Send(head), Part::SendForEver(vec![b'a'; 1000])]
        }
        _ => echo(received),
    })
    .await;
    let options = Options { max_body_bytes: 10_000, ..options(&server) };
    let (_, told) = run(options, vec![request("endless", 1), request("p", 1)]).await;
    assert_eq!(told.error(0), "no usable answer, attempts: 1: the answer is longer than 10000 bytes");
    assert_eq!(told.texts(1), ["p/0"]);
    until(|| server.hung_up() == 1).await;
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn an_endless_error_is_cut_off() {
    let server = Server::start(|_| {
        let head = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n".to_vec();
        vec![Part::Send(head), Part::SendForEver(b"no! ".repeat(1000))]
    })
    .await;
    let (_, told) = run(options(&server), vec![request("p", 1)]).await;
    let error = told.error(0);
    assert!(error.starts_with("the server rejects the request (HTTP status 400): no! no! no!"), "{error}");
    assert!(error.len() < 600, "{error}");
}

#[tokio::test]
async fn fewer_samples_than_asked_for_are_completed_by_further_calls() {
    let server = Server::start(|received| match received.number {
        0 => texts(&["a", "b", "c"]),
        _ => echo(received),
    })
    .await;
    let (usage, told) = run(options(&server), vec![request("p", 8)]).await;
    assert_eq!(told.texts(0), ["a", "b", "c", "p/0", "p/1", "p/2", "p/3", "p/4"]);
    let asked: Vec<usize> = server.received().iter().map(|call| call.n()).collect();
    assert_eq!(asked, [8, 5]);
    assert_eq!((usage.completions, usage.completion_tokens, usage.prompt_tokens), (8, 16, 3));
}

#[tokio::test]
async fn a_server_that_ignores_n_is_asked_for_one_at_a_time() {
    let server = Server::start(|received| texts(&[received.prompt()])).await;
    let options = Options { concurrency: count(1), ..options(&server) };
    let (usage, told) = run(options, vec![request("p", 8), request("q", 4)]).await;
    assert_eq!((told.texts(0).len(), told.texts(1).len(), usage.completions), (8, 4, 12));
    let calls = server.received();
    let asked: Vec<usize> = calls.iter().map(|call| call.n()).collect();
    assert_eq!(asked, [8, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    let seeds: std::collections::BTreeSet<u64> =
        calls.iter().take(8).map(|call| call.body["seed"].as_u64().expect("a seed")).collect();
    assert_eq!(seeds.len(), 8, "every call has a seed of its own");
}

#[tokio::test]
async fn a_server_that_refuses_n_is_asked_for_one_at_a_time() {
    let server = Server::start(|received| match received.n() {
        1 => texts(&["a"]),
        _ => status(400, "", &json!({"error": {"message": "`n` must be 1"}})),
    })
    .await;
    let options = Options { concurrency: count(1), ..options(&server) };
    let (usage, told) = run(options, vec![request("p", 5)]).await;
    assert_eq!((told.texts(0), usage.failed_requests), (vec!["a"; 5], 0));
    let asked: Vec<usize> = server.received().iter().map(|call| call.n()).collect();
    assert_eq!(asked, [5, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn more_samples_than_asked_for_are_left_out() {
    let server = Server::start(|_| texts(&["a", "b", "c"])).await;
    let (usage, told) = run(options(&server), vec![request("p", 2)]).await;
    assert_eq!((told.texts(0), usage.completions), (vec!["a", "b"], 2));
}

#[tokio::test]
async fn a_rejected_request_fails_alone_with_the_servers_words() {
    let server = Server::start(|received| match received.prompt() {
        "too long" => {
            status(400, "", &json!({"object": "error", "message": "at most 4096 tokens", "code": 400}))
        }
        "too large" => status(413, "", &json!({"detail": "at most 1 MB"})),
        "strange" => status(422, "", &json!({"detail": [{"loc": ["body"], "msg": "no such field"}]})),
        _ => echo(received),
    })
    .await;
    let requests = ["a", "too long", "b", "too large", "strange", "c"].map(|prompt| request(prompt, 1));
    let (usage, told) = run(options(&server), requests.to_vec()).await;
    assert_eq!(told.error(1), "the server rejects the request (HTTP status 400): at most 4096 tokens");
    assert_eq!(told.error(3), "the server rejects the request (HTTP status 413): at most 1 MB");
    assert_eq!(told.error(4), "the server rejects the request (HTTP status 422): no such field");
    assert_eq!((usage.completions, usage.failed_requests, server.calls()), (3, 3, 6));
}

#[tokio::test]
async fn wrong_keys_models_and_paths_end_everything_at_once() {
    let cases = [
        (401, "the server refuses the API key (HTTP status 401): no"),
        (403, "the server refuses the API key (HTTP status 403): no"),
        (404, "no model `m` at URL/v1/completions (HTTP status 404): no"),
        (308, "no model `m` at URL/v1/completions (HTTP status 308): no"),
    ];
    for (refusal, expected) in cases {
        let location = "location: http://example.org/\r\n";
        let server = Server::start(move |_| status(refusal, location, &json!({"error": "no"}))).await;
        let options = Options { concurrency: count(2), ..options(&server) };
        let (result, told) = try_run(options, vec![request("p", 100); 100]).await;
        let error = chain(&result.expect_err("refused")).replace(&server.url, "URL");
        assert_eq!(error, expected);
        assert!(server.calls() <= 2 && told.completed.is_empty() && told.failed.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_everything() {
    let server = Server::start(echo).await;
    let options = options(&server);
    drop(server);
    let (result, _) = try_run(options, vec![request("p", 1); 50]).await;
    let error = result.expect_err("nobody there");
    assert!(matches!(error, GenerateError::Unreachable { .. }), "{error:?}");
    assert!(chain(&error).contains(": cannot connect: "), "{}", chain(&error));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_key_is_sent_and_shown_nowhere() {
    const KEY: &str = "sk-5ecret-0123456789";
    let server = Server::start(|received| {
        let header = &received.headers["authorization"];
        match received.number {
            0 => status(503, "", &json!({"error": header})),
            1 => status(400, "", &json!({"error": header})),
            _ => status(401, "", &json!({"error": format!("no such user: {header}")})),
        }
    })
    .await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let key = Some(ApiKey::new(KEY).expect("a key"));
    let options = Options { key, concurrency: count(1), ..options(&server) };
    let generator = OpenAiGenerator::new(options.clone()).expect("good options");
    let (result, told) = try_run(options.clone(), vec![request("p", 1), request("q", 1)]).await;
    drop(guard);
    assert_eq!(server.received()[0].headers["authorization"], format!("Bearer {KEY}"));
    let error = result.expect_err("refused");
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8");
    assert!(log.contains("trying again"), "{log}");
    let shown = format!("{options:?} {generator:?} {error:?} {} {told:?} {log}", chain(&error));
    assert!(!shown.contains(KEY), "{shown}");
    assert!(shown.contains("no such user: Bearer [API key]"), "{shown}");
}
