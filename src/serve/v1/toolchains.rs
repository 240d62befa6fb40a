//! What judges here.

use crate::serve::backend::ToolchainInfo;
use crate::serve::{App, Routes};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::routes;

#[derive(Debug, Serialize, ToSchema)]
struct Toolchains {
    toolchains: Vec<ToolchainInfo>,
}

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(toolchains))
}

/// What judges here: its identity is part of every verdict.
#[utoipa::path(get, path = "/v1/toolchains", tag = "v1", responses((status = 200, body = Toolchains)))]
async fn toolchains(State(app): State<Arc<App>>) -> Json<Toolchains> {
    Json(Toolchains { toolchains: app.backend.toolchains().to_vec() })
}
