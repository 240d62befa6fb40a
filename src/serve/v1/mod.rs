//! Our own API.

mod items;
mod runs;
mod state;
mod toolchains;
mod verify;

use super::Routes;

pub(super) fn routes() -> Routes {
    Routes::new()
        .merge(verify::routes())
        .merge(toolchains::routes())
        .merge(state::routes())
        .merge(runs::routes())
}
