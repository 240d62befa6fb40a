//! One call over HTTP: connection, status, and a body that is bounded while it is read. Only this file knows the HTTP
//! library (`error.rs` and `options.rs` have its error and its URL).

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::Instant;

use super::answer;
use super::error::CallError;
use super::options::{ApiKey, Options, Timeouts};
use super::retry::retry_after;
use crate::generate::error::{GenerateError, Result};
use crate::tls;

/// The most of an error's body that is read.
const ERROR_BODY_BYTES: usize = 64 << 10;

/// The longest that the rest of an error's body is waited for: the status is known.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);

/// What has failed, and how far it reaches.
#[derive(Debug)]
pub(super) enum Failure {
    /// This attempt: another may succeed, after the wait that the server asks for.
    Attempt(CallError, Option<Duration>),
    /// This call, however often it is tried.
    Call(CallError),
    /// The server does not accept what is asked.
    Rejected { status: u16, message: String },
    /// Every call there is.
    Everything(GenerateError),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            // The same question would have as long an answer.
            CallError::TooLong { .. } => Self::Call(error),
            CallError::Connect(_)
            | CallError::ConnectTimeout { .. }
            | CallError::Connection(_)
            | CallError::Timeout { .. }
            | CallError::Status { .. }
            | CallError::Malformed(_)
            | CallError::NoChoices
            | CallError::Truncated
            | CallError::GaveUp { .. } => Self::Attempt(error, None),
        }
    }
}

/// What a status means for those who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Success,
    /// Nobody is let in with this key.
    Key,
    /// Nothing is there, or not what was looked for.
    Route,
    /// It may pass.
    Passing,
    /// The server does not want this request.
    Rejected,
}

impl Meaning {
    fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Success,
            // 402: the account behind the key has nothing left.
            401..=403 => Self::Key,
            // A redirection: the URL is not the server's.
            300..=399 | 404 | 405 => Self::Route,
            // 425: too early; 409: some servers' word for "the model is being loaded".
            408 | 409 | 425 | 429 | 500..=599 => Self::Passing,
            _ => Self::Rejected,
        }
    }
}

/// The way to one server.
pub(super) struct Transport {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    key: Option<ApiKey>,
    model: String,
    timeouts: Timeouts,
    max_body_bytes: usize,
    has_answered: AtomicBool,
}

impl Transport {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// A setting is wrong, or this machine has no certificates to trust and the server's URL is `https`.
    pub(super) fn new(options: &Options) -> Result<Self> {
        let endpoint = options.endpoint()?;
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(key) = &options.key {
            headers.insert(AUTHORIZATION, key.header()?);
        }
        let is_https = endpoint.scheme() == "https";
        let tls = tls::client(is_https).map_err(|error| GenerateError::Client { source: error.into() })?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(options.timeouts.connect)
            .pool_max_idle_per_host(options.concurrency.get())
            // A redirected POST would lose its body or its key on the way.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("proofloop/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true);
        if is_this_machine(&endpoint) {
            builder = builder.no_proxy();
        }
        let unusable = |error: reqwest::Error| GenerateError::Client { source: error.without_url().into() };
        Ok(Self {
            client: builder.build().map_err(unusable)?,
            endpoint,
            headers,
            key: options.key.clone(),
            model: options.model.clone(),
            timeouts: options.timeouts,
            max_body_bytes: options.max_body_bytes,
            has_answered: AtomicBool::new(false),
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        self.endpoint.as_str()
    }

    pub(super) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// Whether the server has ever answered, with whatever status.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// Sends a call and waits for its answer to begin. When this future or the answer is dropped before the end, the
    /// connection is closed.
    ///
    /// # Errors
    /// No answer, or one that is no success.
    pub(super) async fn post(&self, body: Vec<u8>) -> Result<Reply, Failure> {
        let deadline = Instant::now() + self.timeouts.call;
        let send = self.client.post(self.endpoint.clone()).headers(self.headers.clone()).body(body).send();
        let response = tokio::time::timeout_at(deadline, send)
            .await
            .map_err(|_elapsed| self.out_of_time())?
            .map_err(|error| CallError::send(error, self.timeouts.connect))?;
        self.has_answered.store(true, Ordering::Relaxed);
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|value| retry_after(value, SystemTime::now()));
        let meaning = Meaning::of(status);
        let limit_bytes = match meaning {
            Meaning::Success => self.max_body_bytes,
            Meaning::Key | Meaning::Route | Meaning::Passing | Meaning::Rejected => ERROR_BODY_BYTES,
        };
        let mut reply =
            Reply { response, deadline, timeouts: self.timeouts, left_bytes: limit_bytes, limit_bytes };
        if meaning == Meaning::Success {
            return Ok(reply);
        }
        let message = answer::message(&reply.beginning().await, self.key());
        Err(self.failure(meaning, status.as_u16(), message, wait))
    }

    fn failure(&self, meaning: Meaning, status: u16, message: String, wait: Option<Duration>) -> Failure {
        match meaning {
            Meaning::Key => Failure::Everything(GenerateError::Key { status, message }),
            Meaning::Route => Failure::Everything(GenerateError::Route {
                url: self.endpoint.to_string(),
                model: self.model.clone(),
                status,
                message,
            }),
            Meaning::Passing => Failure::Attempt(CallError::Status { status, message }, wait),
            Meaning::Success | Meaning::Rejected => Failure::Rejected { status, message },
        }
    }

    fn out_of_time(&self) -> CallError {
        CallError::Timeout { awaited: "answer", limit: self.timeouts.call }
    }
}

/// An answer that has begun.
pub(super) struct Reply {
    response: Response,
    deadline: Instant,
    timeouts: Timeouts,
    left_bytes: usize,
    limit_bytes: usize,
}

impl Reply {
    /// Whether it is a stream of events, as its header says.
    pub(super) fn is_stream(&self) -> bool {
        let kind = self.response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
    }

    /// The whole body.
    ///
    /// # Errors
    /// It is too long, takes too long, or breaks off.
    pub(super) async fn whole(&mut self) -> Result<Vec<u8>, CallError> {
        let mut body = Vec::new();
        while self.read(&mut body, None).await? {}
        Ok(body)
    }

    /// The next bytes of a stream; false at its end.
    ///
    /// # Errors
    /// It is too long, silent or running for too long, or breaks off.
    pub(super) async fn next(&mut self, bytes: &mut Vec<u8>) -> Result<bool, CallError> {
        self.read(bytes, Some(self.timeouts.silence)).await
    }

    /// Time in which nobody read does not count.
    pub(super) fn extend(&mut self, waited: Duration) {
        self.deadline += waited;
    }

    /// What there is of an error's body; that it cannot be read is no news.
    async fn beginning(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        self.deadline = self.deadline.min(Instant::now() + ERROR_BODY_WAIT);
        while let Ok(true) = self.read(&mut body, None).await {}
        body
    }

    async fn read(&mut self, body: &mut Vec<u8>, silence: Option<Duration>) -> Result<bool, CallError> {
        let silent = silence.map(|silence| (Instant::now() + silence, "word from the stream", silence));
        let ends = (self.deadline, "complete answer", self.timeouts.call);
        let (until, awaited, limit) = silent.filter(|silent| silent.0 < ends.0).unwrap_or(ends);
        let chunk = tokio::time::timeout_at(until, self.response.chunk())
            .await
            .map_err(|_elapsed| CallError::Timeout { awaited, limit })?
            .map_err(|error| CallError::Connection(error.without_url()))?;
        let Some(chunk) = chunk else { return Ok(false) };
        self.left_bytes = self
            .left_bytes
            .checked_sub(chunk.len())
            .ok_or(CallError::TooLong { limit_bytes: self.limit_bytes })?;
        body.extend_from_slice(&chunk);
        Ok(true)
    }
}

fn is_this_machine(endpoint: &Url) -> bool {
    let host = endpoint.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_meaning() {
        let of = |statuses: &[u16]| -> Vec<Meaning> {
            let status = |status: &u16| StatusCode::from_u16(*status).expect("a status");
            statuses.iter().map(status).map(Meaning::of).collect()
        };
        assert_eq!(of(&[200, 201]), [Meaning::Success; 2]);
        assert_eq!(of(&[401, 402, 403]), [Meaning::Key; 3]);
        assert_eq!(of(&[301, 307, 404, 405]), [Meaning::Route; 4]);
        assert_eq!(of(&[408, 409, 425, 429, 500, 502, 503, 504, 529]), [Meaning::Passing; 9]);
        assert_eq!(of(&[400, 406, 410, 413, 415, 422]), [Meaning::Rejected; 6]);
    }

    #[test]
    fn this_machine_is_recognised() {
        let is_here = |url: &str| is_this_machine(&Url::parse(url).expect("a URL"));
        assert!(["http://localhost:1/", "http://127.3.2.1/", "http://[::1]:8000/"].into_iter().all(is_here));
        assert!(
            !["http://example.org/", "http://10.0.0.1/", "http://localhost.example/"]
                .into_iter()
                .any(is_here)
        );
    }

    #[test]
    fn https_can_be_set_up() {
        let has_certificates =
            std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").try_exists().unwrap_or(false);
        let made = Transport::new(&Options::new("https://example.org", "m"));
        assert!(made.is_ok() || !has_certificates, "{:?}", made.err());
    }
}
