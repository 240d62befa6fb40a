//! `/v1/runs`: self-play and evaluations that lie in a directory of the server's, with their reports.
//!
//! Runs are read, never written, and may go on meanwhile. Whatever is slow is done in a thread for what blocks, two at a
//! time; what a run has come to is read again only when its store has changed.

mod directory;
mod summary;

use crate::report::folder::RunPageError;
use crate::serve::error::ErrorBody;
use crate::serve::{App, Routes, ServeError};
use axum::Extension;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use directory::{Found, Runs};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use summary::{RunInfo, Stamp};
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Stores that are read at once: each takes a core, and a report of a long run hundreds of MB.
const READERS: usize = 2;

/// What the headers of a report say: it holds all that it shows. `sandbox` makes it a page of no origin, so that a text
/// in it that got past every escape could still not reach the server in the reader's name.
const REPORT_POLICY: &str =
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// What was read of runs, and how many read now.
struct Reading {
    readers: Semaphore,
    known: Mutex<HashMap<String, (Stamp, RunInfo)>>,
}

/// The runs of a server.
#[derive(Debug, Serialize, ToSchema)]
struct RunList {
    /// The last changed one first; without a directory of runs, none.
    runs: Vec<RunInfo>,
    /// How many more there are.
    left_out: usize,
}

pub(super) fn routes() -> Routes {
    let reading = Reading { readers: Semaphore::new(READERS), known: Mutex::default() };
    let routes = Routes::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(report));
    routes.layer(Extension(Arc::new(reading)))
}

/// The runs that the server was told to show: self-play and evaluations, each with a few numbers.
#[utoipa::path(get, path = "/v1/runs", tag = "v1",
    responses((status = 200, body = RunList), (status = 401, body = ErrorBody)))]
async fn list(
    State(app): State<Arc<App>>,
    Extension(reading): Extension<Arc<Reading>>,
) -> Result<Json<RunList>, ServeError> {
    let Some(runs) = Runs::of(&app.settings) else {
        return Ok(Json(RunList { runs: Vec::new(), left_out: 0 }));
    };
    let all = reading.blocking(move |reading| {
        let (found, left_out) = runs.all();
        reading.forget_others(&found);
        let mut runs: Vec<RunInfo> = found.iter().map(|found| reading.info(found)).collect();
        runs.sort_by(|a, b| b.changed_s.cmp(&a.changed_s).then_with(|| a.name.cmp(&b.name)));
        RunList { runs, left_out }
    });
    all.await.map(Json)
}

/// One run, with a few numbers.
#[utoipa::path(get, path = "/v1/runs/{name}", tag = "v1",
    params(("name" = String, Path, description = "The folder's name.")),
    responses((status = 200, body = RunInfo), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn one(
    State(app): State<Arc<App>>,
    Extension(reading): Extension<Arc<Reading>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<RunInfo>, ServeError> {
    let (runs, Path(name)) = (Runs::of(&app.settings).ok_or_else(no_run)?, name.map_err(|_bytes| no_run())?);
    let info = reading.blocking(move |reading| runs.find(&name).map(|found| reading.info(&found)));
    info.await?.map(Json).ok_or_else(no_run)
}

/// A run's report: one page of HTML that holds all that it shows.
#[utoipa::path(get, path = "/v1/runs/{name}/report", tag = "v1",
    params(("name" = String, Path, description = "The folder's name.")),
    responses((status = 200, body = String, content_type = "text/html"), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn report(
    State(app): State<Arc<App>>,
    Extension(reading): Extension<Arc<Reading>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, ServeError> {
    let (runs, Path(name)) = (Runs::of(&app.settings).ok_or_else(no_run)?, name.map_err(|_bytes| no_run())?);
    let page = reading.blocking(move |_reading| runs.find(&name).map(|found| page(&found)));
    let page = page.await?.ok_or_else(no_run)?.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "no report of a run");
        ServeError::Unavailable("the run can't be read; the server's log says why".to_owned())
    })?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, REPORT_POLICY),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    Ok((headers, page).into_response())
}

fn no_run() -> ServeError {
    ServeError::NotFound("there is no such run".to_owned())
}

/// The page in the folder if nothing has changed since it was written, else a new one; should that fail, the old one is
/// better than none.
fn page(found: &Found) -> Result<String, RunPageError> {
    let there = found.page();
    if let Some((page, written)) = &there
        && Stamp::of(found).is_some_and(|stamp| stamp.changed <= *written)
        && let Ok(text) = std::fs::read_to_string(page)
    {
        return Ok(text);
    }
    crate::report::folder::page(found.path()).or_else(|error| {
        let old = there.and_then(|(page, _)| std::fs::read_to_string(page).ok());
        old.ok_or(error)
    })
}

impl Reading {
    /// Does what blocks, when there is a place for it.
    async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, ServeError> {
        let reading = Arc::clone(&self);
        let _place = self.readers.acquire().await.map_err(|_closed| ServeError::Internal)?;
        let done = tokio::task::spawn_blocking(move || work(&reading)).await;
        done.map_err(|panic| {
            tracing::error!(%panic, "reading runs failed");
            ServeError::Internal
        })
    }

    /// What is known of a run, read again if its store has changed. Whether it goes on is asked each time.
    fn info(&self, found: &Found) -> RunInfo {
        let stamp = Stamp::of(found);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known().get(found.name()).filter(|(then, _)| Some(then) == stamp.as_ref()).cloned();
        let info = before.map_or_else(|| RunInfo::read(found, stamp.as_ref()), |(_, info)| info);
        if let Some(stamp) = stamp {
            known().insert(found.name().to_owned(), (stamp, info.clone()));
        }
        info.with_state(found)
    }

    fn forget_others(&self, found: &[Found]) {
        let names: std::collections::HashSet<&str> = found.iter().map(Found::name).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| names.contains(name.as_str()));
    }
}
