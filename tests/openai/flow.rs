//! How many calls are under way, whose answer is whose, and that everything stops when it should.

use std::time::Duration;

use proofloop::generate::openai::{OpenAiGenerator, Options, Retry, Timeouts};
use proofloop::generate::{Event, FinishReason, Generator, Request, Sampling, sample_seed};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::server::{
    Part, Received, Server, Told, count, echo, options, request, run, status, streamed, texts, until,
};
use crate::streams::{DONE, end, events, text};

/// Texts that say which call they were an answer to, and which choice.
fn signed(received: &Received) -> Vec<Part> {
    let seed = &received.body["seed"];
    let text = |index| json!({"index": index, "text": format!("{}:{seed}:{index}", received.prompt()), "finish_reason": "stop"});
    // In descending order: the index counts.
    let choices: Vec<_> = (0..received.n()).rev().map(text).collect();
    status(200, "", &json!({ "choices": choices }))
}

#[tokio::test]
async fn every_sample_gets_its_own_answer() {
    let server = Server::start(|received| {
        // Now and then something goes wrong, and what was asked first is not answered first.
        match received.number % 7 {
            3 => status(503, "", &json!({})),
            5 => vec![Part::Close],
            _ => signed(received),
        }
    })
    .await;
    let samples: Vec<usize> = (0..120).map(|request| 1 + request % 11).collect();
    let requests: Vec<_> =
        samples.iter().enumerate().map(|(at, samples)| request(&format!("p{at}"), *samples)).collect();
    let options = options(&server);
    let retry = Retry { attempts: 200.try_into().expect("not 0"), ..options.retry };
    let options = Options { samples_per_call: count(4), retry, ..options };
    let (usage, told) = run(options, requests).await;
    for ((request, sample), completion) in &told.completed {
        let first = sample - sample % 4;
        let expected = format!("p{request}:{}:{}", sample_seed(1, first) >> 33, sample % 4);
        assert_eq!(completion.text, expected, "{request}/{sample}");
    }
    assert_eq!(usage.completions, samples.iter().sum::<usize>() as u64);
    assert_eq!((usage.uncounted_completions, usage.completion_tokens), (usage.completions, 0));
}

/// An answer, or a stream, or something that goes wrong, as the number of the call decides.
fn chaos(received: &Received) -> Vec<Part> {
    let dice = usize::try_from(sample_seed(received.number as u64, 0) >> 32).expect("32 bits");
    let samples = if dice.is_multiple_of(3) { 1 } else { received.n() };
    match dice % 16 {
        0 => return status(503, "", &json!({})),
        1 => return status(400, "", &json!({})),
        2 => return vec![Part::Close],
        3 => return vec![Part::Reset],
        4 => return vec![Part::Hang],
        _ => {}
    }
    let answers: Vec<String> = (0..samples).map(|index| format!("{index} of {dice}")).collect();
    if received.body["stream"] != true {
        return texts(&answers.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let pieces =
        answers.iter().enumerate().flat_map(|(index, answer)| [(index, &answer[..2]), (index, &answer[2..])]);
    let pieces = pieces.map(|(index, piece)| text(index, piece));
    let mut bytes = events(&pieces.chain((0..samples).map(end)).collect::<Vec<_>>());
    if dice % 16 < 9 {
        bytes.truncate(dice / 16 % bytes.len());
        return vec![Part::Send(bytes), if dice % 16 < 7 { Part::Close } else { Part::Hang }];
    }
    vec![Part::Send(bytes), Part::Send(DONE.to_vec()), Part::Close]
}

/// Whatever goes wrong, and whenever the caller cancels. What is told twice, or after its end, `Told` refuses.
#[tokio::test]
async fn every_sample_is_told_once_and_its_pieces_are_its_text() {
    for cancel_after in [1, 2, 7, 40, 150, usize::MAX] {
        let server = Server::start(chaos).await;
        let options = options(&server);
        let retry = Retry { attempts: 3.try_into().expect("not 0"), ..options.retry };
        let timeouts = Timeouts { call: Duration::from_millis(30), ..Timeouts::default() };
        let options =
            Options { samples_per_call: count(3), concurrency: count(6), retry, timeouts, ..options };
        let generator = OpenAiGenerator::new(options).expect("good options");
        let requests: Vec<_> =
            (0..40).map(|at| Request { stream: at % 2 == 0, ..request("p", 1 + at % 8) }).collect();
        let samples: Vec<usize> = requests.iter().map(|request| request.samples.get()).collect();
        let (sender, mut events) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let listen = async {
            let mut told = Told::default();
            let mut left = cancel_after;
            while let Some(event) = events.recv().await {
                told.take(event);
                left = left.saturating_sub(1);
                if left == 0 {
                    cancel.cancel();
                }
            }
            told
        };
        let (result, told) = tokio::join!(generator.generate(requests, sender, &cancel), listen);
        told.check(&samples);
        let usage = result.expect("nothing that ends everything");
        let is_whole = |finish: FinishReason| finish != FinishReason::Cancelled;
        let whole = told.completed.values().filter(|completion| is_whole(completion.finish)).count();
        assert_eq!((usage.completions, usage.failed_requests), (whole as u64, told.failed.len() as u64));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_under_way_are_as_many_as_allowed() {
    let server =
        Server::start(|received| [vec![Part::Gate], echo(received)].into_iter().flatten().collect()).await;
    let options = Options { concurrency: count(5), ..options(&server) };
    let running = run(options, vec![request("p", 1); 40]);
    let open = async {
        until(|| server.calls() == 5).await;
        server.open(40);
    };
    let ((usage, _), ()) = tokio::join!(running, open);
    assert_eq!((server.most_in_flight(), server.calls(), usage.completions), (5, 40, 40));
}

#[tokio::test]
async fn nobody_listens_so_nothing_is_asked() {
    let server = Server::start(echo).await;
    let options = Options { concurrency: count(3), ..options(&server) };
    let generator = OpenAiGenerator::new(options).expect("good options");
    let (sender, mut events) = mpsc::channel(1);
    let never = CancellationToken::new();
    let listen = async {
        until(|| server.calls() >= 3).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        // One answer in the channel, one that waits to get in, and the calls that are under way.
        assert!(server.calls() <= 3 + 2, "{} calls", server.calls());
        let mut told = Told::default();
        while let Some(event) = events.recv().await {
            told.take(event);
        }
        told.check(&[1; 50]);
    };
    let (result, ()) = tokio::join!(generator.generate(vec![request("p", 1); 50], sender, &never), listen);
    assert_eq!(result.expect("to the end").completions, 50);
}

#[tokio::test]
async fn nobody_listens_so_a_stream_is_not_read() {
    let server = Server::start(|_| {
        let head =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec();
        let event = json!({"choices": [{"index": 0, "text": "a".repeat(10_000)}]});
        vec![Part::Send(head), Part::SendForEver(format!("data: {event}\n\n").into_bytes())]
    })
    .await;
    let options = Options { max_body_bytes: usize::MAX, ..options(&server) };
    let generator = OpenAiGenerator::new(options).expect("good options");
    let (sender, mut events) = mpsc::channel(1);
    let never = CancellationToken::new();
    let listen = async {
        assert!(matches!(events.recv().await, Some(Event::Piece { .. })));
        // What the kernel keeps for a connection is all that the server gets rid of.
        let mut before = 0;
        while server.sent_bytes() != before {
            before = server.sent_bytes();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(before < 64 << 20, "{before} bytes");
        drop(events);
    };
    let (result, ()) = tokio::join!(generator.generate(vec![streamed("p", 1)], sender, &never), listen);
    assert_eq!(result.expect("no error").completions, 0);
    until(|| server.hung_up() == 1).await;
}

#[tokio::test]
async fn cancelling_closes_the_connections_and_tells_every_sample() {
    let server = Server::start(|received| match received.number {
        0 => texts(&["a", "b"]),
        _ => vec![Part::Hang],
    })
    .await;
    let options = Options { concurrency: count(3), samples_per_call: count(2), ..options(&server) };
    let generator = OpenAiGenerator::new(options).expect("good options");
    let (sender, mut events) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let listen = async {
        let mut told = Told::default();
        while told.completed.len() < 2 {
            told.take(events.recv().await.expect("an event"));
        }
        until(|| server.calls() == 4).await;
        cancel.cancel();
        // Also while nobody listens.
        until(|| server.hung_up() == 3).await;
        while let Some(event) = events.recv().await {
            told.take(event);
        }
        told
    };
    let requests = vec![request("p", 5); 4];
    let (result, told) = tokio::join!(generator.generate(requests, sender, &cancel), listen);
    told.check(&[5; 4]);
    let cancelled = |finish: FinishReason| finish == FinishReason::Cancelled;
    let count = told.completed.values().filter(|completion| cancelled(completion.finish)).count();
    assert_eq!((count, told.completed.len(), told.failed.len()), (18, 20, 0));
    assert_eq!((result.expect("no error").completions, server.calls()), (2, 4));
}

#[tokio::test]
async fn cancelling_ends_a_wait_for_the_next_attempt() {
    let server = Server::start(|_| status(429, "retry-after: 100\r\n", &json!({}))).await;
    let generator = OpenAiGenerator::new(options(&server)).expect("good options");
    let (sender, mut events) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let listen = async {
        until(|| server.calls() == 1).await;
        cancel.cancel();
        let mut told = Told::default();
        while let Some(event) = events.recv().await {
            told.take(event);
        }
        told
    };
    let (_, told) = tokio::join!(generator.generate(vec![request("p", 3)], sender, &cancel), listen);
    told.check(&[3]);
    assert_eq!((told.completed.len(), server.calls()), (3, 1));
}

#[tokio::test]
async fn a_cancelled_stream_keeps_what_was_told() {
    let event = json!({"choices": [{"index": 1, "text": "begun"}]});
    let server = Server::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        vec![Part::Send(format!("{head}data: {event}\n\n").into_bytes()), Part::Hang]
    })
    .await;
    let generator = OpenAiGenerator::new(options(&server)).expect("good options");
    let (sender, mut events) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let listen = async {
        let mut told = Told::default();
        while let Some(event) = events.recv().await {
            told.take(event);
            cancel.cancel();
        }
        told
    };
    let (_, told) = tokio::join!(generator.generate(vec![streamed("p", 2)], sender, &cancel), listen);
    told.check(&[2]);
    assert_eq!(told.texts(0), ["", "begun"]);
    assert!(told.completed.values().all(|completion| completion.finish == FinishReason::Cancelled));
    until(|| server.hung_up() == 1).await;
}

#[tokio::test]
async fn dropping_the_listener_or_the_run_closes_the_connections() {
    let server = Server::start(|_| vec![Part::Hang]).await;
    let options = Options { concurrency: count(2), ..options(&server) };
    let generator = OpenAiGenerator::new(options).expect("good options");
    let never = CancellationToken::new();
    let (sender, events) = mpsc::channel(1);
    let drop_it = async {
        until(|| server.calls() == 2).await;
        drop(events);
    };
    let (result, ()) = tokio::join!(generator.generate(vec![request("p", 1); 9], sender, &never), drop_it);
    assert_eq!(result.expect("no error").completions, 0);
    until(|| server.hung_up() == 2).await;

    let (sender, _events) = mpsc::channel(1);
    tokio::select! {
        _ = generator.generate(vec![request("p", 1); 9], sender, &never) => panic!("it hangs"),
        () = until(|| server.calls() == 4) => {}
    }
    until(|| server.hung_up() == 4).await;
}

#[tokio::test]
async fn a_cancelled_run_asks_for_nothing() {
    let server = Server::start(echo).await;
    let generator = OpenAiGenerator::new(options(&server)).expect("good options");
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (sender, mut events) = mpsc::channel(8);
    let requests = vec![request("p", 3), request("q", 2)];
    let usage = generator.generate(requests, sender, &cancel).await.expect("no error");
    let mut told = Told::default();
    while let Some(event) = events.recv().await {
        told.take(event);
    }
    told.check(&[3, 2]);
    assert_eq!((server.calls(), usage.completions), (0, 0));
}

#[tokio::test]
async fn a_setting_out_of_its_range_ends_everything_before_the_first_call() {
    let server = Server::start(echo).await;
    let sampling = Sampling { top_p: 2.0, ..Sampling::default() };
    let wrong = Request { sampling, ..request("p", 1) };
    let (result, _) = crate::server::try_run(options(&server), vec![request("p", 1), wrong]).await;
    let error = result.expect_err("out of range").to_string();
    assert!(error.starts_with("setting `top_p`"), "{error}");
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(echo).await;
    let options = Options { concurrency: count(1), ..options(&server) };
    run(options, vec![request("p", 1); 10]).await;
    assert_eq!((server.connections(), server.calls()), (1, 10));
}
