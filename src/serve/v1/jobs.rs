//! `/v1/jobs`: submit, look, fetch what is there, give up.

use super::items::{Batch, Item, json};
use crate::serve::error::ErrorBody;
use crate::serve::extract::{JsonBody, PathText};
use crate::serve::jobs::Asked;
use crate::serve::{App, Client, Routes, ServeError};
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use proofloop_datasets::store::Job;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// A client's own name for a job: sent again, it finds the job instead of making another.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest idempotency key, in bytes.
const KEY_BYTES: usize = 200;

/// Jobs in a list.
const LISTED: usize = 100;

/// Most results in one answer.
const MOST_RESULTS: usize = 10_000;

/// A job as it stands.
#[derive(Debug, Serialize, ToSchema)]
struct JobBody {
    /// Its name.
    id: String,
    /// `open`, `done` or `cancelled`.
    state: &'static str,
    /// Answers that it is to have,
    items: usize,
    /// and has.
    answered: usize,
    /// When it was accepted, in milliseconds since 1970.
    created_unix_ms: u64,
    /// Where its results are.
    results: String,
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        Self {
            results: format!("/v1/jobs/{}/results", job.id),
            id: job.id,
            state: job.state.name(),
            items: job.items,
            answered: job.answered,
            created_unix_ms: job.created_unix_ms,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct JobList {
    jobs: Vec<JobBody>,
}

/// Which results.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Only those behind this number, which is `next` of the answer before.
    #[serde(default)]
    after: u64,
    /// At most so many: 1 to 10,000.
    #[serde(default = "a_thousand")]
    limit: usize,
}

fn a_thousand() -> usize {
    1_000
}

/// Results of a job, in the order in which they became known.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used: reports are passed on as they are stored")]
struct JobResults {
    /// As in the answer of `/v1/verify`.
    results: Vec<serde_json::Value>,
    /// What to give as `after` next time.
    next: u64,
    /// The job's state: there is more to come only if it is `open`, or `results` is as long as `limit`.
    state: String,
}

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(submit, list)).routes(routes!(look, cancel)).routes(routes!(results))
}

/// Submits candidates to be judged whenever there is time, also by the next server after this one. With the header
/// `Idempotency-Key`, a job that was submitted under the same key is found instead.
#[utoipa::path(post, path = "/v1/jobs", tag = "v1", request_body = Batch, responses(
    (status = 202, body = JobBody), (status = 401, body = ErrorBody), (status = 413, body = ErrorBody),
    (status = 422, body = ErrorBody), (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn submit(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    JsonBody(batch): JsonBody<Batch>,
) -> Result<Response, ServeError> {
    let items = Item::of(&batch)?;
    // Counted while it is accepted: how much of one client is judged at once, the turns decide.
    let _admitted = app.admission.admit(&client.0, items.len())?;
    let asked = Asked {
        client: client.0.to_string(),
        idempotency_key: idempotency_key(&headers)?,
        body: json(&batch),
        items,
        deadline: batch.deadline_ms.map(Duration::from_millis),
    };
    let job = JobBody::from(app.jobs.submit(&app, asked).await?);
    let location = format!("/v1/jobs/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(job)).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ServeError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let wrong = || {
        ServeError::Invalid(format!("the header `Idempotency-Key` must be 1 to {KEY_BYTES} bytes of text"))
    };
    let key = key.to_str().map_err(|_not_text| wrong())?;
    if key.is_empty() || key.len() > KEY_BYTES { Err(wrong()) } else { Ok(Some(key.to_owned())) }
}

/// The latest jobs of the one who asks, the last one first.
#[utoipa::path(get, path = "/v1/jobs", tag = "v1",
    responses((status = 200, body = JobList), (status = 401, body = ErrorBody)))]
async fn list(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
) -> Result<Json<JobList>, ServeError> {
    let jobs = app.jobs.latest(Some(client.0.to_string()), LISTED).await?;
    Ok(Json(JobList { jobs: jobs.into_iter().map(JobBody::from).collect() }))
}

/// Where a job stands.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "v1", params(("id" = String, Path)), responses(
    (status = 200, body = JobBody), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn look(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    PathText(id): PathText,
) -> Result<Json<JobBody>, ServeError> {
    Ok(Json(own_job(&app, &client, id).await?.into()))
}

/// Gives a job up. Its answers so far stay.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "v1", params(("id" = String, Path)), responses(
    (status = 200, body = JobBody), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn cancel(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    PathText(id): PathText,
) -> Result<Json<JobBody>, ServeError> {
    let job = own_job(&app, &client, id).await?;
    let job = app.jobs.cancel(job.id).await?.ok_or(ServeError::Internal)?;
    Ok(Json(job.into()))
}

/// Answers of a job, as far as they are known.
#[utoipa::path(get, path = "/v1/jobs/{id}/results", tag = "v1", params(("id" = String, Path),
    ("after" = Option<u64>, Query, description = "Only results behind this number: `next` of the answer before"),
    ("limit" = Option<u64>, Query, description = "At most so many; 1,000 if nothing is said", minimum = 1, maximum = 10_000)),
    responses(
    (status = 200, body = JobResults), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 422, body = ErrorBody)))]
async fn results(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    PathText(id): PathText,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ServeError> {
    let Query(page) = page.map_err(|rejection| ServeError::Invalid(rejection.body_text()))?;
    if page.limit == 0 || page.limit > MOST_RESULTS {
        return Err(ServeError::Invalid(format!("`limit` must be from 1 to {MOST_RESULTS}")));
    }
    // Its state first: a job that is done then has all its answers now.
    let job = own_job(&app, &client, id).await?;
    let results = app.jobs.results(job.id, page.after, page.limit).await?;
    let next = results.last().map_or(page.after, |last| last.sequence);
    let reports: Vec<&str> = results.iter().map(|result| result.report.as_str()).collect();
    let state = job.state.name();
    let body = format!("{{\"results\":[{}],\"next\":{next},\"state\":\"{state}\"}}", reports.join(","));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// A job, if there is one and, where clients have keys, it is this client's.
async fn own_job(app: &App, client: &Client, id: String) -> Result<Job, ServeError> {
    let job = app.jobs.get(id).await?;
    job.filter(|job| app.keys.is_none() || *job.client == *client.0)
        .ok_or_else(|| ServeError::NotFound("there is no such job".to_owned()))
}
