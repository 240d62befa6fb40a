//! For operators and load balancers: whether the server lives, and whether it takes requests.

use super::{App, Routes, ServeError};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// A server that answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(healthz)).routes(routes!(readyz))
}

fn ok() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The server lives. Also while it stops.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health)))]
async fn healthz() -> Json<Health> {
    ok()
}

/// The server takes requests: something can judge, and it does not stop.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Health), (status = 503, body = super::error::ErrorBody)))]
async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Health>, ServeError> {
    if app.admission.is_draining() {
        return Err(ServeError::Draining);
    }
    if app.backend.toolchains().is_empty() {
        return Err(ServeError::Unavailable("nothing that judges is installed".to_owned()));
    }
    Ok(ok())
}
