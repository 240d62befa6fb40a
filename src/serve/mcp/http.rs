//! MCP over HTTP: one message a request, and no sessions. There is nothing that a session would hold here (tools are
//! always the same, and no call knows of another), and what is not kept needs no bound, no cleaning up, and survives a
//! restart or a second server behind the same address.

use super::{Session, origin};
use crate::serve::error::ErrorBody;
use crate::serve::extract::body;
use crate::serve::{App, Client, Routes, ServeError};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Full, Limited};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::sync::Arc;
use utoipa_axum::routes;

/// More than any word of the library about what is wrong with a request.
const REFUSAL_BYTES: usize = 64 << 10;

pub(in crate::serve) fn routes() -> Routes {
    Routes::new().routes(routes!(mcp))
}

/// For agents: Model Context Protocol, streamable HTTP, without sessions. The tools are `verify_lean`, `run_python` and
/// `lean_diagnostics`. Requests of pages of another origin are refused.
#[utoipa::path(post, path = "/mcp", tag = "mcp",
    request_body(content = Value, description = "A JSON-RPC message of MCP"),
    responses(
        (status = 200, description = "The JSON-RPC answer", body = Value),
        (status = 202, description = "A notification was taken"),
        (status = 400, description = "No JSON-RPC message, or one that breaks the protocol: `{detail, code}`, or a \
            JSON-RPC error", body = Value),
        (status = 404, description = "A JSON-RPC error: there is no such method", body = Value),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 408, body = ErrorBody),
        (status = 413, body = ErrorBody)))]
async fn mcp(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Result<Response, ServeError> {
    let only_this_machine = app.keys.is_none() && app.settings.listen.ip().is_loopback();
    origin::check(request.headers(), only_this_machine)?;
    let (head, sent) = request.into_parts();
    let bytes = body(Request::from_parts(head.clone(), sent), &app).await?;
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(app.settings.body_bytes)
        // `origin` has looked, and knows more of what is allowed.
        .disable_allowed_hosts();
    let session = Session { app, client: client.0 };
    let service = StreamableHttpService::new(
        move || Ok(session.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let answer = service.handle(Request::from_parts(head, Full::new(bytes))).await.map(Body::new);
    refusal(answer).await
}

/// An answer of the library that is no JSON, in the form of our errors.
async fn refusal(answer: Response) -> Result<Response, ServeError> {
    let status = answer.status();
    let is_json = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !(status.is_client_error() || status.is_server_error()) || is_json {
        return Ok(answer);
    }
    let words = Limited::new(answer.into_body(), REFUSAL_BYTES).collect().await;
    let words =
        words.map(|words| String::from_utf8_lossy(&words.to_bytes()).into_owned()).unwrap_or_default();
    if status.is_server_error() {
        tracing::error!(%status, words, "the MCP library failed");
        return Err(ServeError::Internal);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return Err(ServeError::MethodNotAllowed);
    }
    Ok(ServeError::Protocol(words).into_response())
}
