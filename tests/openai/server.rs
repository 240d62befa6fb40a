//! A small HTTP/1.1 server on loopback that records what it gets, and what the tests do with it.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofloop::generate::openai::{OpenAiGenerator, Options, Retry};
use proofloop::generate::{Completion, Event, GenerateError, Generator, Request, Sampling, Usage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A step of an answer.
pub(crate) enum Part {
    Send(Vec<u8>),
    /// Sends this again and again, until nobody takes it any more.
    SendForEver(Vec<u8>),
    /// Until the test lets it on.
    Gate,
    /// Until the client hangs up.
    Hang,
    /// The connection ends in order,
    Close,
    /// or not.
    Reset,
}

/// What the server got.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// From 0, over all connections.
    pub(crate) number: usize,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Received {
    pub(crate) fn prompt(&self) -> &str {
        self.body["prompt"].as_str().expect("a prompt")
    }

    /// How many samples are asked for.
    pub(crate) fn n(&self) -> usize {
        self.body["n"].as_u64().map_or(1, |n| usize::try_from(n).expect("small"))
    }
}

type Handler = dyn Fn(&Received) -> Vec<Part> + Send + Sync;

pub(crate) struct Server {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    handler: Box<Handler>,
    received: Mutex<Vec<Received>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    hung_up: AtomicUsize,
    connections: AtomicUsize,
    sent_bytes: AtomicUsize,
    gate: Semaphore,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Received) -> Vec<Part> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            received: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            hung_up: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            sent_bytes: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        });
        let stop = CancellationToken::new();
        let accept = accept(listener, Arc::clone(&shared), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept));
        Self { url, shared, _stop: stop.drop_guard() }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().expect("no panic").clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.shared.received.lock().expect("no panic").len()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }

    /// Calls during which the client closed the connection.
    pub(crate) fn hung_up(&self) -> usize {
        self.shared.hung_up.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn sent_bytes(&self) -> usize {
        self.shared.sent_bytes.load(Ordering::SeqCst)
    }

    /// Lets so many answers through the gate.
    pub(crate) fn open(&self, answers: usize) {
        self.shared.gate.add_permits(answers);
    }
}

/// Waits for something that has to happen, however long it takes; nextest stops what hangs.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    while !happened() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    while let Ok((socket, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve(socket, Arc::clone(&shared))));
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some((path, headers, body)) = read_request(&mut socket, &mut buffer).await {
        let in_flight = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let received = {
            let mut all = shared.received.lock().expect("no panic");
            let received = Received { number: all.len(), path, headers, body };
            all.push(received.clone());
            received
        };
        let goes_on = answer(&mut socket, &shared, &received).await;
        shared.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !goes_on {
            return;
        }
    }
}

/// False when the connection is at its end.
async fn answer(socket: &mut TcpStream, shared: &Shared, received: &Received) -> bool {
    for part in (shared.handler)(received) {
        match part {
            Part::Send(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return false;
                }
            }
            Part::SendForEver(bytes) => {
                while socket.write_all(&bytes).await.is_ok() {
                    shared.sent_bytes.fetch_add(bytes.len(), Ordering::SeqCst);
                }
                shared.hung_up.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            Part::Gate => shared.gate.acquire().await.expect("open").forget(),
            Part::Hang => {
                while socket.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
                shared.hung_up.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            Part::Close => return false,
            Part::Reset => {
                socket.set_zero_linger().expect("a socket");
                return false;
            }
        }
    }
    true
}

async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Option<(String, BTreeMap<String, String>, Value)> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).expect("ASCII");
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let pair =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = lines.filter_map(pair).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let end = head_end + 4 + length;
    while buffer.len() < end {
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&buffer[head_end + 4..end]).expect("JSON");
    buffer.drain(..end);
    Some((path, headers, body))
}

/// An answer with a JSON body. `headers` end in CRLF each.
pub(crate) fn status(status: u16, headers: &str, body: &Value) -> Vec<Part> {
    whole(status, headers, body.to_string().as_bytes())
}

pub(crate) fn whole(status: u16, headers: &str, body: &[u8]) -> Vec<Part> {
    let head = format!(
        "HTTP/1.1 {status} Because\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    vec![Part::Send([head.as_bytes(), body].concat())]
}

/// Completions with these texts, which a stop ended.
pub(crate) fn texts(texts: &[&str]) -> Vec<Part> {
    let choice =
        |(index, text): (usize, &&str)| json!({"index": index, "text": text, "finish_reason": "stop"});
    let choices: Vec<Value> = texts.iter().enumerate().map(choice).collect();
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2 * texts.len()});
    status(200, "", &json!({ "choices": choices, "usage": usage }))
}

/// As many completions as are asked for: `prompt/0`, `prompt/1`, …
pub(crate) fn echo(received: &Received) -> Vec<Part> {
    let answers: Vec<String> =
        (0..received.n()).map(|index| format!("{}/{index}", received.prompt())).collect();
    texts(&answers.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(crate) fn options(server: &Server) -> Options {
    let retry = Retry {
        attempts: const { NonZeroU32::new(5).expect("not 0") },
        base: Duration::from_millis(2),
        cap: Duration::from_millis(10),
        ..Retry::default()
    };
    Options { retry, ..Options::new(&server.url, "m") }
}

pub(crate) fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("not 0")
}

pub(crate) fn request(prompt: &str, samples: usize) -> Request {
    Request {
        prompt: prompt.to_owned(),
        samples: count(samples),
        seed: 1,
        sampling: Sampling::default(),
        stream: false,
    }
}

pub(crate) fn streamed(prompt: &str, samples: usize) -> Request {
    Request { stream: true, ..request(prompt, samples) }
}

/// What a run told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) completed: BTreeMap<(usize, usize), Completion>,
    pub(crate) pieces: BTreeMap<(usize, usize), Vec<String>>,
    pub(crate) failed: BTreeMap<usize, (Vec<usize>, Vec<GenerateError>)>,
}

impl Told {
    /// Takes an event, and checks that no sample gets two ends or a piece after its end.
    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Piece { request, sample, text } => {
                assert!(!text.is_empty() && !self.is_told(request, sample), "{request}/{sample}: {text:?}");
                self.pieces.entry((request, sample)).or_default().push(text);
            }
            Event::Completed { request, sample, completion } => {
                assert!(!self.is_told(request, sample), "{request}/{sample} was told before");
                if let Some(pieces) = self.pieces.get(&(request, sample)) {
                    assert_eq!(pieces.concat(), completion.text, "{request}/{sample}");
                }
                self.completed.insert((request, sample), completion);
            }
            Event::Failed { request, samples, error } => {
                assert!(!samples.is_empty());
                for sample in samples {
                    assert!(!self.is_told(request, sample), "{request}/{sample} was told before");
                    self.failed.entry(request).or_default().0.push(sample);
                }
                self.failed.entry(request).or_default().1.push(error);
            }
        }
    }

    fn is_told(&self, request: usize, sample: usize) -> bool {
        let has_failed = |(samples, _): &(Vec<usize>, Vec<GenerateError>)| samples.contains(&sample);
        self.completed.contains_key(&(request, sample)) || self.failed.get(&request).is_some_and(has_failed)
    }

    /// Every sample has its end.
    pub(crate) fn check(&self, samples: &[usize]) {
        for (request, samples) in samples.iter().enumerate() {
            for sample in 0..*samples {
                assert!(self.is_told(request, sample), "{request}/{sample} was not told");
            }
        }
    }

    pub(crate) fn texts(&self, request: usize) -> Vec<&str> {
        let of_request = self.completed.iter().filter(|((of, _), _)| *of == request);
        of_request.map(|(_, completion)| completion.text.as_str()).collect()
    }

    /// The error of a request that failed once, with its causes.
    pub(crate) fn error(&self, request: usize) -> String {
        let (_, errors) = &self.failed[&request];
        assert_eq!(errors.len(), 1, "{errors:?}");
        chain(&errors[0])
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

pub(crate) async fn try_run(
    options: Options,
    requests: Vec<Request>,
) -> (Result<Usage, GenerateError>, Told) {
    let generator = OpenAiGenerator::new(options).expect("good options");
    let samples: Vec<usize> = requests.iter().map(|request| request.samples.get()).collect();
    let (sender, mut events) = mpsc::channel(2);
    let never = CancellationToken::new();
    let mut told = Told::default();
    let listen = async {
        while let Some(event) = events.recv().await {
            told.take(event);
        }
    };
    let (result, ()) = tokio::join!(generator.generate(requests, sender, &never), listen);
    if result.is_ok() {
        told.check(&samples);
    }
    (result, told)
}

pub(crate) async fn run(options: Options, requests: Vec<Request>) -> (Usage, Told) {
    let (result, told) = try_run(options, requests).await;
    (result.expect("a run to its end"), told)
}
