//! `/v1/verify`: candidates in, verdicts out; all together, or each as it becomes known.

use super::items::{Batch, Item};
use crate::serve::admission::Admitted;
use crate::serve::error::ErrorBody;
use crate::serve::extract::JsonBody;
use crate::serve::{App, Client, Routes, ServeError};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered, Stream};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// A time that no request lives to see.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Results in the order of the candidates.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used: results are written as they come")]
struct Results {
    /// Each as `proofloop verify --format jsonl` prints it, or `{"id", "error"}` for a candidate that can't be read.
    results: Vec<Value>,
}

/// How results travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Ndjson,
    Sse,
}

impl Form {
    fn asked(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let names = |kind: &str| accept.split(',').any(|part| part.trim().starts_with(kind));
        if names("application/x-ndjson") || names("application/jsonl") {
            Self::Ndjson
        } else if names("text/event-stream") {
            Self::Sse
        } else {
            Self::Json
        }
    }
}

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(verify))
}

/// Judges candidates. With `Accept: application/x-ndjson` or `text/event-stream` each verdict is sent as soon as it is
/// known, whatever their order; otherwise all of them together, in the order of the candidates.
#[utoipa::path(post, path = "/v1/verify", tag = "v1", request_body = Batch, responses(
    (status = 200, description = "The verdicts", content(
        (Results = "application/json"), (String = "application/x-ndjson"), (String = "text/event-stream"))),
    (status = 401, body = ErrorBody), (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn verify(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    JsonBody(batch): JsonBody<Batch>,
) -> Result<Response, ServeError> {
    let items = Item::of(&batch)?;
    let admitted = app.admission.admit(&client.0, items.len())?;
    let limit = batch.deadline_ms.map_or(NEVER, Duration::from_millis).min(NEVER);
    let deadline = Instant::now() + limit;
    let count = items.len();
    let reports = reports(app, client, items, deadline, admitted);
    Ok(match Form::asked(&headers) {
        Form::Json => together(reports, count).await,
        Form::Ndjson => {
            let lines = reports.map(|(_, report)| report + "\n");
            streamed(lines, "application/x-ndjson")
        }
        Form::Sse => {
            let events = reports.map(|(_, report)| format!("event: verdict\ndata: {report}\n\n"));
            let end = stream::once(async { "event: end\ndata: {}\n\n".to_owned() });
            streamed(events.chain(end), "text/event-stream")
        }
    })
}

/// The reports as they become known, with the positions of their items. Dropping the stream gives up what is left.
fn reports(
    app: Arc<App>,
    client: Client,
    items: Vec<Item>,
    deadline: Instant,
    admitted: Admitted,
) -> impl Stream<Item = (usize, String)> {
    let judging: FuturesUnordered<_> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            let (app, client) = (Arc::clone(&app), client.clone());
            async move {
                let span = tracing::debug_span!("candidate", id = %item.id);
                let judged = tracing::Instrument::instrument(item.judge(&app, &client.0), span);
                let judged = tokio::time::timeout_at(deadline, judged).await;
                (index, judged.unwrap_or_else(|_elapsed| item.cancelled()))
            }
        })
        .collect();
    judging.map(move |report| {
        let _until_the_last = &admitted;
        report
    })
}

async fn together(reports: impl Stream<Item = (usize, String)>, count: usize) -> Response {
    let mut reports = std::pin::pin!(reports);
    let mut texts = vec![String::new(); count];
    while let Some((index, report)) = reports.next().await {
        texts[index] = report;
    }
    let body = format!("{{\"results\":[{}]}}", texts.join(","));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn streamed(texts: impl Stream<Item = String> + Send + 'static, kind: &'static str) -> Response {
    let body = Body::from_stream(texts.map(|text| Ok::<_, std::convert::Infallible>(Bytes::from(text))));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // What nginx calls its switch for passing every piece on at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
