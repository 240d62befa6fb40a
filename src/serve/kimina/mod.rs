//! The addresses of Kimina Lean Server 2 (project-numina/kimina-lean-server, server 2.0.0) and of its first version:
//! snippets in, Lean's messages out. No verdict is given here, and what its clients make of the messages is theirs; but
//! where a snippet uses what a proof must not, `strict.rs` adds an error, so that they do not take it for valid.
//!
//! Fields, texts and results in the order of the request are those of the server that is stood in for. What is done
//! otherwise, on purpose: a snippet never sees the declarations of another one; what is wrong with imports is said; one
//! snippet that fails fails alone; places in `tactics` and `infotree` are the snippet's own.

mod check;
mod convert;
mod strict;
mod wire;

use super::Routes;
use axum::routing::{get, post};
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new()
        .routes(routes!(check::check))
        .route("/api/check/", post(check::check))
        .routes(routes!(check::verify))
        .routes(routes!(check::one_pass_verify_batch))
}

/// What needs no key.
pub(super) fn open_routes() -> Routes {
    Routes::new().routes(routes!(check::health)).route("/health/", get(check::health))
}
