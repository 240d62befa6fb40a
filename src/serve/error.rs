//! What can be wrong with a request, and the one place that makes status codes of it.
//!
//! | status | the caller should |
//! |---|---|
//! | 400 | speak the protocol of the address (MCP) |
//! | 401 | send a key, or the right one |
//! | 403 | not ask from a page of another origin |
//! | 404, 405 | look the address up in `/docs` |
//! | 408 | send its request faster |
//! | 413 | send less at once |
//! | 422 | mend the request; `detail` names the field |
//! | 429 | come back after `Retry-After` seconds |
//! | 503 | come back later: the server stops, or what judges is not there |
//!
//! Every body is `{"detail": …, "code": …}`: `detail` is what FastAPI's clients read, `code` is stable. `detail` is a text;
//! at the addresses that stand in for a FastAPI server, a list of fields where a field is wrong.

use super::pydantic::FieldFault;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A request that is not answered as it was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// No key, where one is needed.
    #[error("Missing API key")]
    MissingKey,
    /// A key that nobody has.
    #[error("Invalid API key")]
    InvalidKey,
    /// A page of another origin asks.
    #[error("{0}")]
    Forbidden(String),
    /// What came is no message of the address's own protocol, which wants another status for it than 422.
    #[error("{0}")]
    Protocol(String),
    /// No such job, run or address.
    #[error("{0}")]
    NotFound(String),
    /// The address has no such method.
    #[error("this address has no such method")]
    MethodNotAllowed,
    /// The head or body took too long to come.
    #[error("the request took longer than {0:?} to arrive")]
    TooSlow(Duration),
    /// A body beyond the limit.
    #[error("the body is longer than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// A request that can't be understood or goes beyond a limit.
    #[error("{0}")]
    Invalid(String),
    /// A field that is wrong, told as FastAPI tells it.
    #[error("{}", .0.msg)]
    Field(FieldFault),
    /// Too much of one client at once, or too fast.
    #[error("{why}")]
    TooMany {
        /// What is too much.
        why: String,
        /// When to come back.
        retry_after: Duration,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    Draining,
    /// What judges is not there.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of the server; what it is stands in its log.
    #[error("the server failed; its log says more")]
    Internal,
}

/// The body of every answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong, for people.
    detail: String,
    /// What is wrong, for programs: `missing-key`, `invalid-key`, `forbidden`, `protocol`, `not-found`,
    /// `method-not-allowed`, `too-slow`, `too-large`, `invalid`, `too-many`, `draining`, `unavailable`, `internal`.
    code: &'static str,
}

/// The body of an answer that names a field, at addresses that stand in for a FastAPI server.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldErrorBody {
    /// What is wrong.
    detail: Vec<FieldFault>,
    /// `invalid`.
    code: &'static str,
}

impl ServeError {
    /// The status that goes with it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingKey | Self::InvalidKey => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Protocol(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) | Self::Field(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Draining | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::MissingKey => "missing-key",
            Self::InvalidKey => "invalid-key",
            Self::Forbidden(_) => "forbidden",
            Self::Protocol(_) => "protocol",
            Self::NotFound(_) => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooSlow(_) => "too-slow",
            Self::TooLarge { .. } => "too-large",
            Self::Invalid(_) | Self::Field(_) => "invalid",
            Self::TooMany { .. } => "too-many",
            Self::Draining => "draining",
            Self::Unavailable(_) => "unavailable",
            Self::Internal => "internal",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after, .. } => Some(*retry_after),
            Self::Draining | Self::Unavailable(_) => Some(Duration::from_secs(5)),
            Self::MissingKey
            | Self::InvalidKey
            | Self::Forbidden(_)
            | Self::Protocol(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::TooSlow(_)
            | Self::TooLarge { .. }
            | Self::Invalid(_)
            | Self::Field(_)
            | Self::Internal => None,
        }
    }
}

impl IntoResponse for ServeError {
    fn into_response(self) -> Response {
        let (status, code) = (self.status(), self.code());
        let mut response = if let Self::Field(fault) = &self {
            (status, Json(FieldErrorBody { detail: vec![fault.clone()], code })).into_response()
        } else {
            (status, Json(ErrorBody { detail: self.to_string(), code })).into_response()
        };
        if let Some(after) = self.retry_after() {
            // Whole seconds, and never 0, which would ask for a busy loop.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}
