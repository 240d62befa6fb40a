//! The server: what judges, behind HTTP, for clients that exist already and for ours.
//!
//! | addresses | for | file |
//! |---|---|---|
//! | `/api/check`, `/verify`, `/one_pass_verify_batch`, `/health` | clients of Kimina Lean Server | `kimina/` |
//! | `/run_code` | clients of SandboxFusion | `fusion.rs` |
//! | `/v1/verify`, `/v1/jobs`, `/v1/toolchains`, `/v1/state`, `/v1/runs` | everybody else | `v1/` |
//! | `/mcp` | agents | `mcp/` |
//! | `/metrics`, `/healthz`, `/readyz` | operators | `metrics.rs`, `health.rs` |
//! | `/`, `/docs`, `/openapi.json` | people | `page/`, `openapi.rs` |
//!
//! A request goes through `listen.rs` (connections) → `auth.rs` (who asks) → `extract.rs` (what is asked) → its file →
//! `admission.rs` (how much of one client) → `backend.rs` (turns, and what judges).

pub mod admission;
mod auth;
pub mod backend;
pub mod error;
mod extract;
pub mod fair;
mod fusion;
mod health;
pub mod jobs;
pub mod keys;
mod kimina;
pub mod listen;
pub mod mcp;
pub mod metrics;
mod openapi;
mod page;
pub mod pydantic;
pub mod settings;
mod v1;

pub use auth::{Client, Peer};
pub use error::ServeError;
pub use settings::ServeSettings;

use admission::Admission;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use backend::Backend;
use jobs::{Jobs, JobsError};
use keys::Keys;
use metrics::Metrics;
use std::sync::Arc;
use std::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// What every request can reach.
pub struct App {
    /// What judges.
    pub backend: Backend,
    /// Who may ask; `None` for everybody.
    pub keys: Option<Keys>,
    /// How much of one client is let in.
    pub admission: Admission,
    /// What the server was told.
    pub settings: ServeSettings,
    /// Batches that outlive the server.
    pub jobs: Jobs,
    /// What operators see.
    pub metrics: Metrics,
    /// When it started.
    pub started: Instant,
}

impl App {
    /// Over what judges, by these settings, and goes on with the jobs that are open there.
    ///
    /// # Errors
    /// [`JobsError`]: the state's directory can't be used.
    pub fn new(
        backend: Backend,
        keys: Option<Keys>,
        settings: ServeSettings,
    ) -> Result<Arc<Self>, JobsError> {
        let app = Arc::new(Self {
            backend,
            keys,
            admission: Admission::new(&settings),
            jobs: Jobs::open(&settings.state)?,
            settings,
            metrics: Metrics::default(),
            started: Instant::now(),
        });
        let count = app.jobs.resume(&app)?;
        if count > 0 {
            tracing::info!(count, "going on with open jobs");
        }
        Ok(app)
    }
}

/// A part of the API with its description.
pub(crate) type Routes = OpenApiRouter<Arc<App>>;

/// All addresses.
pub fn router(app: &Arc<App>) -> Router {
    let mut closed = Routes::new()
        .merge(v1::routes())
        .merge(kimina::routes())
        .merge(fusion::routes())
        .merge(mcp::routes())
        .layer(from_fn_with_state(Arc::clone(app), auth::require_key));
    openapi::ask_for_keys(closed.get_openapi_mut(), app.keys.is_some());
    let open = Routes::new()
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(kimina::open_routes())
        .merge(fusion::open_routes());
    let (routes, api) = open.merge(closed).split_for_parts();
    routes
        .merge(page::routes())
        .merge(openapi::routes(api))
        .fallback(|| async { ServeError::NotFound("there is nothing at this address".to_owned()) })
        .method_not_allowed_fallback(|| async { ServeError::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(app.settings.body_bytes))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(app), metrics::observe))
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
        // Answers have texts of clients in them: no browser is to see a page in one.
        .layer(SetResponseHeaderLayer::if_not_present(X_CONTENT_TYPE_OPTIONS, NOSNIFF))
        .with_state(Arc::clone(app))
}

/// A fault of ours costs one request, and says so.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer wants")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    tracing::error!(panic = text, "a request panicked");
    ServeError::Internal.into_response()
}
