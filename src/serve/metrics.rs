//! Counters in the text format of Prometheus, and the request's place in the log.

use super::backend::Backend;
use super::{App, Routes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;
use utoipa_axum::routes;

/// The header that names a request, in the answer and, if the client gave one, in the request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest name that a client may give its request, in bytes.
const REQUEST_ID_BYTES: usize = 100;

/// What is counted while requests come and go.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<AddressLabels, Histogram>,
    /// Request ids are this number behind one that no other start of the server has.
    start: u64,
    next: std::sync::atomic::AtomicU64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    address: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabels {
    address: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let epoch = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            requests: Family::default(),
            // From a millisecond to about half an hour.
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 22))),
            start: u64::try_from(epoch.as_millis()).unwrap_or_default(),
            next: std::sync::atomic::AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// A name for a request that came without one.
    fn request_id(&self) -> String {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!("{:x}-{number}", self.start)
    }

    /// Everything as text.
    #[must_use]
    pub fn text(&self, app: &App) -> String {
        let mut registry = Registry::with_prefix("proofloop");
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "request",
            "From a request's head to its answer's head",
            Unit::Seconds,
            self.seconds.clone(),
        );
        let up = ConstGauge::new(app.started.elapsed().as_secs_f64());
        registry.register_with_unit("up", "Since the start", Unit::Seconds, up);
        let items = ConstGauge::new(saturating(app.admission.under_way()));
        registry.register("items_under_way", "Items of all clients that are not answered", items);
        let jobs = ConstGauge::new(saturating(app.jobs.count()));
        registry.register("jobs_under_way", "Jobs with items that are not answered", jobs);
        farm(&mut registry, &app.backend);
        gates(&mut registry, &app.backend);
        if let Some(bytes) = resident_bytes() {
            let bytes = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            registry.register_with_unit("server_memory", "Of the server's own process", Unit::Bytes, bytes);
        }
        let mut text = String::new();
        // Writing into a text does not fail.
        let _never_fails = encode(&mut text, &registry);
        text
    }
}

fn saturating(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn farm(registry: &mut Registry, backend: &Backend) {
    let state = backend.farm_state();
    let outcomes = backend.outcomes();
    for (name, help, counts) in [
        ("verdicts", "Verdicts given out", &state.verdicts),
        ("snippets", "Snippets by how they ended", &outcomes.snippets),
        ("programs", "Programs by how they ended", &outcomes.programs),
    ] {
        let label = if name == "verdicts" { "verdict" } else { "outcome" };
        for (value, count) in counts {
            let labels = [(label.into(), (*value).into())].into_iter();
            registry.sub_registry_with_labels(labels).register(name, help, ConstCounter::new(*count));
        }
    }
    let stats = state.stats;
    for (name, help, count) in [
        ("farm_submitted", "Candidates submitted", stats.submitted),
        ("farm_from_cache", "Answers from the verdict cache", stats.from_cache),
        ("farm_duplicates", "Submissions identical to one that waited", stats.duplicates),
        ("farm_units", "Units started", stats.units),
        ("farm_retries", "Attempts without a verdict", stats.retries),
        ("farm_processes", "Processes started for units", stats.processes),
    ] {
        registry.register(name, help, ConstCounter::new(count));
    }
    let cpu = ConstCounter::new(stats.cpu.as_secs_f64());
    registry.register_with_unit("farm_cpu", "CPU of the processes that judged", Unit::Seconds, cpu);
    for (name, help, count) in [
        ("farm_waiting", "Candidates that no worker has taken", state.waiting),
        ("farm_judging", "Candidates that workers have", state.judging),
        ("farm_running", "Workers at work", state.running),
        ("farm_workers", "Workers", state.workers),
    ] {
        registry.register(name, help, ConstGauge::new(saturating(count)));
    }
}

fn gates(registry: &mut Registry, backend: &Backend) {
    for (gate, state, busy) in backend.gates() {
        let labels = [("gate".into(), gate.into())].into_iter();
        let registry = registry.sub_registry_with_labels(labels);
        for (name, help, count) in [
            ("gate_places", "Entries that may be under way at once", state.places),
            ("gate_taken", "Entries under way", state.taken),
            ("gate_waiting", "Entries that wait for their turn", state.waiting),
        ] {
            registry.register(name, help, ConstGauge::new(saturating(count)));
        }
        let busy = ConstCounter::new(busy.as_secs_f64());
        registry.register_with_unit("gate_busy", "How long its places were taken", Unit::Seconds, busy);
    }
}

/// Memory of this process, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(metrics))
}

/// Counters in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], app.metrics.text(&app))
}

/// Counts and times every request, names it, and opens its span in the log.
pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let id = given
        .filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_BYTES)
        .map_or_else(|| app.metrics.request_id(), str::to_owned);
    // Only addresses that there are: anybody can make up others.
    let address = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", %id, method = %request.method(), %address);
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(status, elapsed_ms = millis(elapsed), "answered"));
    app.metrics.requests.get_or_create(&RequestLabels { address: address.clone(), status }).inc();
    app.metrics.seconds.get_or_create(&AddressLabels { address }).observe(elapsed.as_secs_f64());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
