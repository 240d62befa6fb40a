//! The client: connections that stay open, each with one request under way, all in one thread of their own, whose CPU
//! time is known.

use super::load::{Call, Class, Load, index};
use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use proofloop_sandboxes::process::own_thread_cpu;
use serde::Deserialize;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A request's way, seen from the client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Its place in the load.
    pub(super) call: usize,
    pub(super) latency: Duration,
    /// `None` where the connection broke.
    pub(super) status: Option<u16>,
}

/// Everything that a client has seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) wall: Duration,
    pub(super) samples: Vec<Sample>,
    /// How often each item was answered.
    pub(super) answers: Vec<u32>,
    /// How each item was answered last.
    pub(super) classes: Vec<Option<Class>>,
    /// Answers with a name that nobody has asked for.
    pub(super) foreign: usize,
    pub(super) cpu: Duration,
}

/// Both kinds of answer, as far as they matter: `/api/check`'s have `response` or `error`, `/v1/verify`'s a `verdict`.
#[derive(Deserialize)]
struct Answers<'a> {
    #[serde(borrow)]
    results: Vec<Answer<'a>>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    verdict: Option<Cow<'a, str>>,
    #[serde(default)]
    response: Option<serde::de::IgnoredAny>,
}

impl Answer<'_> {
    fn class(&self) -> Class {
        match (self.verdict.as_deref(), self.error.as_deref(), &self.response) {
            (Some("accepted"), None, None) | (None, None, Some(_)) => Class::Fine,
            (Some("timeout"), None, None) => Class::Timeout,
            (Some("crashed"), None, None) => Class::Crashed,
            (Some("output-limit"), None, None) => Class::OutputLimit,
            (None, Some(error), None) if error.contains("timed out") => Class::Timeout,
            (None, Some(error), None) if error.contains("print more") => Class::OutputLimit,
            (None, Some(error), None) if error.contains("came to no answer") => Class::Crashed,
            (_, _, _) => Class::Other,
        }
    }
}

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// So many requests were answered.
    Answered(usize),
    /// There is none left to be sent.
    AllSent,
}

/// What the connections share.
struct Shared<'a> {
    address: SocketAddr,
    load: &'a Load,
    next: Cell<usize>,
    started: Instant,
    seen: RefCell<Seen>,
    progress: &'a dyn Fn(Progress),
}

/// Sends everything over so many connections and waits for all answers. Takes the thread that it is called on.
///
/// # Errors
/// No connection could be made at the start.
pub(super) fn drive(
    address: SocketAddr,
    connections: usize,
    load: &Load,
    progress: &dyn Fn(Progress),
) -> anyhow::Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cpu_before = own_thread_cpu()?;
    let count = load.items.len();
    let seen = Seen {
        wall: Duration::ZERO,
        samples: Vec::with_capacity(load.calls.len()),
        answers: vec![0; count],
        classes: vec![None; count],
        foreign: 0,
        cpu: Duration::ZERO,
    };
    let shared = Shared {
        address,
        load,
        next: Cell::new(0),
        started: Instant::now(),
        seen: RefCell::new(seen),
        progress,
    };
    let all = futures_util::future::try_join_all((0..connections).map(|_| connection(&shared)));
    runtime.block_on(all)?;
    let mut seen = shared.seen.into_inner();
    seen.wall = shared.started.elapsed();
    seen.cpu = own_thread_cpu()?.saturating_sub(cpu_before);
    Ok(seen)
}

impl Shared<'_> {
    fn answered(&self, call: usize, latency: Duration, answer: &anyhow::Result<(u16, Bytes)>) {
        let mut seen = self.seen.borrow_mut();
        let status = answer.as_ref().ok().map(|(status, _)| *status);
        seen.samples.push(Sample { call, latency, status });
        if let Ok((_, body)) = answer {
            seen.take(body);
        }
        (self.progress)(Progress::Answered(seen.samples.len()));
    }
}

/// One connection; a new one where it breaks.
async fn connection(shared: &Shared<'_>) -> anyhow::Result<()> {
    let mut sender = connect(shared.address).await?;
    loop {
        let number = shared.next.get();
        let Some(call) = shared.load.calls.get(number) else { return Ok(()) };
        shared.next.set(number + 1);
        if number + 1 == shared.load.calls.len() {
            (shared.progress)(Progress::AllSent);
        }
        let sent = Instant::now();
        let answer = exchange(&mut sender, shared, call).await;
        let latency = sent.elapsed();
        shared.answered(number, latency, &answer);
        if answer.is_err() {
            sender = connect(shared.address).await?;
        }
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.context("cannot connect to the server")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Whoever waits for an answer hears of it.
        let _told_to_the_sender = connection.await;
    });
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    shared: &Shared<'_>,
    call: &Call,
) -> anyhow::Result<(u16, Bytes)> {
    let request = hyper::Request::post(shared.load.path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(call.body.clone()))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

impl Seen {
    fn take(&mut self, body: &[u8]) {
        let Ok(answers) = serde_json::from_slice::<Answers<'_>>(body) else { return };
        for answer in answers.results {
            match index(&answer.id).filter(|index| *index < self.answers.len()) {
                Some(index) => {
                    self.answers[index] += 1;
                    self.classes[index] = Some(answer.class());
                }
                None => self.foreign += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_answer_are_counted() {
        let mut seen = Seen {
            wall: Duration::ZERO,
            samples: Vec::new(),
            answers: vec![0; 6],
            classes: vec![None; 6],
            foreign: 0,
            cpu: Duration::ZERO,
        };
        seen.take(br#"{"results":[{"id":"s0","time":0.1,"response":{"env":3}},{"id":"s1","error":"Lean REPL command timed out in 1.0 seconds"}]}"#);
        seen.take(br#"{"results":[{"id":"s2","verdict":"accepted"},{"id":"s3","verdict":"crashed"},{"id":"s9","verdict":"accepted"}]}"#);
        seen.take(br#"{"results":[{"id":"s2","verdict":"rejected"}]}"#);
        seen.take(b"no JSON");
        assert_eq!(seen.answers, [1, 1, 2, 1, 0, 0]);
        assert_eq!(seen.foreign, 1);
        let told =
            [Some(Class::Fine), Some(Class::Timeout), Some(Class::Other), Some(Class::Crashed), None, None];
        assert_eq!(seen.classes, told);
    }
}
