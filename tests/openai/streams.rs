//! Streams: pieces as they come, and what happens when no more come.

use std::time::Duration;

use proofloop::generate::openai::{Api, OpenAiGenerator, Options, Retry, Timeouts};
use proofloop::generate::{FinishReason, GenerateError, Generator, Request, Sampling};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::server::{Part, Server, Told, chain, options, request, run, streamed, texts};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n";

/// A stream with these events, in one piece.
pub(crate) fn events(events: &[Value]) -> Vec<u8> {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    format!("{HEAD}connection: close\r\n\r\n{body}").into_bytes()
}

pub(crate) fn text(index: usize, text: &str) -> Value {
    json!({"choices": [{"index": index, "text": text, "finish_reason": null}]})
}

pub(crate) fn end(index: usize) -> Value {
    json!({"choices": [{"index": index, "text": "", "finish_reason": "stop", "stop_reason": null}]})
}

pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

#[tokio::test]
async fn samples_come_interleaved() {
    let server = Server::start(|_| {
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 9}});
        let all =
            [text(1, "b"), text(0, "a"), text(1, "y "), end(1), text(0, ""), text(0, "→"), end(0), usage];
        vec![Part::Send(events(&all)), Part::Send(DONE.to_vec()), Part::Close]
    })
    .await;
    let (usage, told) = run(options(&server), vec![streamed("p", 2)]).await;
    assert_eq!(told.texts(0), ["a→", "by "]);
    assert_eq!((told.pieces[&(0, 0)].concat(), told.pieces[&(0, 1)].concat()), ("a→".into(), "by ".into()));
    assert!(told.completed.values().all(|completion| completion.finish == FinishReason::EndOfText));
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (4, 9));
    let body = &server.received()[0].body;
    assert_eq!((&body["stream"], &body["stream_options"]), (&json!(true), &json!({"include_usage": true})));
}

#[tokio::test]
async fn chats_stream_their_changes() {
    let server = Server::start(|_| {
        let delta = |delta: Value, finish: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        let all = [
            delta(json!({"role": "assistant", "content": ""}), json!(null)),
            delta(json!({"content": "by"}), json!(null)),
            delta(json!({"content": " simp"}), json!(null)),
            delta(json!({}), json!("length")),
        ];
        vec![Part::Send(events(&all)), Part::Send(DONE.to_vec()), Part::Close]
    })
    .await;
    let options = Options { api: Api::Chat { system: None }, ..options(&server) };
    let (_, told) = run(options, vec![streamed("p", 1)]).await;
    assert_eq!((told.texts(0), told.completed[&(0, 0)].finish), (vec!["by simp"], FinishReason::Length));
}

/// As servers send it, and cut at every byte.
#[tokio::test]
async fn events_may_be_cut_anywhere_and_written_in_every_way() {
    let body = [
        ": keep-alive\r\n\r\n".to_owned(),
        format!("event: message\r\ndata: {}\r\n\r\n", text(0, "é→😀")),
        format!("data:{}\n\n", text(0, "\n")),
        format!("id: 3\ndata: {{\"choices\":\ndata: [{}]}}\n\n", end(0)["choices"][0]),
        "data: [DONE]\r\n\r\n".to_owned(),
    ]
    .concat();
    let server = Server::start(move |_| {
        let head = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
        let chunk = |byte: &u8| Part::Send([b"1\r\n", std::slice::from_ref(byte), b"\r\n"].concat());
        let chunks = body.as_bytes().iter().map(chunk);
        let end = Part::Send(b"0\r\n\r\n".to_vec());
        std::iter::once(Part::Send(head.into_bytes())).chain(chunks).chain([end]).collect()
    })
    .await;
    let (_, told) = run(options(&server), vec![streamed("p", 1); 2]).await;
    assert_eq!((told.texts(0), told.texts(1)), (vec!["é→😀\n"], vec!["é→😀\n"]));
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_text_is_asked_for_again() {
    let server = Server::start(|received| match received.number {
        0 => vec![Part::Send(events(&[])), Part::Close],
        1 => vec![Part::Send(events(&[text(0, "")])), Part::Close],
        2 => vec![Part::Send(events(&[])), Part::Reset],
        3 => {
            vec![Part::Send(events(&[json!({"error": {"message": "restarting", "code": 503}})])), Part::Close]
        }
        4 => vec![Part::Send(events(&[])), Part::Send(b"data: {\"choi\n\n".to_vec()), Part::Close],
        _ => vec![Part::Send(events(&[text(0, "a"), end(0)])), Part::Close],
    })
    .await;
    let options = options(&server);
    let retry = Retry { attempts: 6.try_into().expect("not 0"), ..options.retry };
    let (_, told) = run(Options { retry, ..options }, vec![streamed("p", 1)]).await;
    assert_eq!(
        (told.texts(0), server.calls()),
        (vec!["a"], 6),
        "without [DONE], the finish reason is enough"
    );
}

#[tokio::test]
async fn a_stream_that_breaks_in_the_middle_fails_only_what_was_told() {
    let server = Server::start(|received| match received.number {
        // One sample is done, one has begun, of one nothing has come.
        0 => vec![Part::Send(events(&[text(0, "a"), text(1, "b"), end(0)])), Part::Close],
        _ => vec![Part::Send(events(&[text(0, "c"), end(0)])), Part::Send(DONE.to_vec()), Part::Close],
    })
    .await;
    let (usage, told) = run(options(&server), vec![streamed("p", 3)]).await;
    assert_eq!(told.texts(0), ["a", "c"]);
    assert_eq!(told.failed[&0].0, [1]);
    assert_eq!(told.error(0), "the stream broke after part of the sample was told: the stream ended early");
    let (_, errors) = &told.failed[&0];
    assert!(matches!(errors[0], GenerateError::Interrupted { .. }));
    assert_eq!((server.calls(), usage.completions, usage.failed_requests), (2, 2, 1));
}

#[tokio::test]
async fn what_came_with_the_last_bytes_is_not_told_as_a_whole() {
    let server = Server::start(|received| match received.number {
        // "b" is told; then sample 0 comes as a whole and 1 goes on, but behind them in the same bytes is no event.
        0 => {
            let broken = [events(&[text(0, "a"), end(0), text(1, "c")]), b"data: {\n\n".to_vec()].concat();
            let body = broken.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            vec![
                Part::Send(events(&[text(1, "b")])),
                Part::Gate,
                Part::Send(broken[body..].to_vec()),
                Part::Close,
            ]
        }
        _ => vec![Part::Send(events(&[text(0, "d"), end(0)])), Part::Send(DONE.to_vec()), Part::Close],
    })
    .await;
    let generator = OpenAiGenerator::new(options(&server)).expect("good options");
    let (sender, mut events) = mpsc::channel(1);
    let never = CancellationToken::new();
    let listen = async {
        let mut told = Told::default();
        while let Some(event) = events.recv().await {
            told.take(event);
            server.open(1);
        }
        told
    };
    let (_, told) = tokio::join!(generator.generate(vec![streamed("p", 2)], sender, &never), listen);
    told.check(&[2]);
    assert_eq!((told.texts(0), &told.failed[&0].0), (vec!["d"], &vec![1]));
}

#[tokio::test]
async fn a_silent_stream_is_given_up() {
    let server = Server::start(|received| match received.number {
        0 => vec![Part::Send(events(&[])), Part::Hang],
        _ => vec![Part::Send(events(&[text(0, "a")])), Part::Hang],
    })
    .await;
    let options = options(&server);
    let retry = Retry { attempts: 100.try_into().expect("not 0"), ..options.retry };
    let timeouts = Timeouts { silence: Duration::from_millis(100), ..Timeouts::default() };
    let (_, told) = run(Options { retry, timeouts, ..options }, vec![streamed("p", 1)]).await;
    let error = chain(&told.failed[&0].1[0]);
    assert!(error.ends_with("no word from the stream within 100ms"), "{error}");
}

#[tokio::test]
async fn stop_strings_are_not_told_even_in_pieces() {
    let server = Server::start(|_| {
        let all = ["by simp", "\n", "  rw", "\n", "\nx", "y"].map(|piece| text(0, piece));
        vec![Part::Send(events(&all)), Part::Send(DONE.to_vec()), Part::Close]
    })
    .await;
    let sampling = Sampling { stop: vec!["\n\n".to_owned()], ..Sampling::default() };
    let (_, told) = run(options(&server), vec![Request { sampling, ..streamed("p", 1) }]).await;
    assert_eq!(told.texts(0), ["by simp\n  rw"]);
    assert_eq!(told.completed[&(0, 0)].finish, FinishReason::Stop);
}

#[tokio::test]
async fn a_server_that_does_not_stream_tells_all_at_once() {
    let server = Server::start(|_| texts(&["a", "b"])).await;
    let (_, told) = run(options(&server), vec![streamed("p", 2), request("p", 2)]).await;
    assert_eq!((told.texts(0), told.texts(1)), (vec!["a", "b"], vec!["a", "b"]));
    assert_eq!(told.pieces.keys().collect::<Vec<_>>(), [&(0, 0), &(0, 1)]);
}

#[tokio::test]
async fn a_server_that_streams_one_sample_is_asked_for_the_others() {
    let server = Server::start(|received| {
        let name = received.number.to_string();
        vec![Part::Send(events(&[text(0, &name), end(0)])), Part::Send(DONE.to_vec()), Part::Close]
    })
    .await;
    let options = Options { concurrency: 1.try_into().expect("not 0"), ..options(&server) };
    let (_, told) = run(options, vec![streamed("p", 4)]).await;
    assert_eq!(told.texts(0), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn an_endless_stream_is_cut_off() {
    for event in ["data: aaaa", ": nothing at all\n\n"] {
        let server = Server::start(move |_| {
            vec![Part::Send(events(&[])), Part::SendForEver(event.as_bytes().to_vec())]
        })
        .await;
        let options = Options { max_body_bytes: 20_000, ..options(&server) };
        let (_, told) = run(options, vec![streamed("p", 1)]).await;
        assert!(told.error(0).ends_with("the answer is longer than 20000 bytes"), "{}", told.error(0));
    }
}
