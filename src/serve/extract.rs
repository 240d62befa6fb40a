//! Bodies: bounded, JSON, and with errors that name the field.

use super::App;
use super::error::ServeError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// A body that is JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = ServeError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ServeError> {
        parse(&json_bytes(request, app).await?).map(Self)
    }
}

/// The bytes of a body that says it is JSON.
///
/// # Errors
/// [`ServeError`]: another type, too long, too slow, or cut off.
pub(super) async fn json_bytes(request: Request, app: &Arc<App>) -> Result<Bytes, ServeError> {
    // A page of another origin can send anything but this type without asking first.
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !is_json(kind) {
        let text = "the header `Content-Type` must be `application/json`".to_owned();
        return Err(ServeError::Invalid(text));
    }
    body(request, app).await
}

/// The whole body: no longer than the settings allow, and within [`BODY_TIME`].
///
/// # Errors
/// [`ServeError::TooSlow`], [`ServeError::TooLarge`]; [`ServeError::Invalid`] if it breaks off.
pub(super) async fn body(request: Request, app: &Arc<App>) -> Result<Bytes, ServeError> {
    tokio::time::timeout(BODY_TIME, Bytes::from_request(request, app))
        .await
        .map_err(|_elapsed| ServeError::TooSlow(BODY_TIME))?
        .map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => ServeError::TooLarge { limit_bytes: app.settings.body_bytes },
            _ => ServeError::Invalid("the body did not arrive whole".to_owned()),
        })
}

/// What a path names, as text.
#[derive(Debug, Clone)]
pub(super) struct PathText(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = ServeError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ServeError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_not_utf8| ServeError::NotFound("there is nothing at this address".to_owned()))?;
        Ok(Self(text))
    }
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Reads a JSON text whole.
///
/// # Errors
/// [`ServeError::Invalid`], with line and column and what is wrong there.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ServeError> {
    serde_json::from_slice(bytes).map_err(|error| ServeError::Invalid(format!("the body: {error}")))
}
