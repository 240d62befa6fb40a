//! What can go wrong with one attempt at a call.

use std::time::Duration;

/// Why an attempt gave no usable answer. No variant holds the key, or the URL of the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody accepts the connection, the name is unknown, TLS fails.
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    /// Nobody has accepted the connection in time.
    #[error("no connection within {limit:?}")]
    ConnectTimeout {
        /// [`Timeouts::connect`](super::Timeouts::connect).
        limit: Duration,
    },
    /// The connection broke while the call was sent or the answer read.
    #[error("the connection broke")]
    Connection(#[source] reqwest::Error),
    /// The connection stands, and another limit of [`Timeouts`](super::Timeouts) was reached.
    #[error("no {awaited} within {limit:?}")]
    Timeout {
        /// What was waited for.
        awaited: &'static str,
        /// How long.
        limit: Duration,
    },
    /// A status that may pass: too many requests, a server that restarts or is overloaded.
    #[error("HTTP status {status}: {message}")]
    Status {
        /// The code.
        status: u16,
        /// What the server said, shortened.
        message: String,
    },
    /// The answer, or an event of a stream, is longer than is read.
    #[error("the answer is longer than {limit_bytes} bytes")]
    TooLong {
        /// [`Options::max_body_bytes`](super::Options::max_body_bytes).
        limit_bytes: usize,
    },
    /// The answer is no JSON of this API.
    #[error("the answer is not what this API gives")]
    Malformed(#[source] serde_json::Error),
    /// There is no choice in the answer.
    #[error("the answer has no choices")]
    NoChoices,
    /// A stream ended before all its samples did.
    #[error("the stream ended early")]
    Truncated,
    /// The server gave up on a sample or a stream that it had begun.
    #[error("the server gave up: {message}")]
    GaveUp {
        /// What it said, shortened.
        message: String,
    },
}

impl CallError {
    /// The server was not reached.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout { .. })
    }

    /// For what failed before there was an answer.
    pub(super) fn send(error: reqwest::Error, connect: Duration) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            Self::ConnectTimeout { limit: connect }
        } else if error.is_connect() {
            Self::Connect(error)
        } else {
            Self::Connection(error)
        }
    }
}
