//! Our own API.

mod items;
mod jobs;
mod runs;
mod state;
mod toolchains;
mod verify;

pub(super) use items::Item;

use super::Routes;

pub(super) fn routes() -> Routes {
    Routes::new()
        .merge(verify::routes())
        .merge(jobs::routes())
        .merge(toolchains::routes())
        .merge(state::routes())
        .merge(runs::routes())
}
