//! What a run of self-debugging has in its folder: what one of self-play has ([`crate::selfplay`]), with the base model as
//! round 0, the one behind the supervised learning as round 1, then a round of the policy each.

use super::settings::Settings;
use crate::folder;

/// `run.toml` of a run of self-debugging.
pub type Record = folder::Record<Settings>;

/// The folder of a run of self-debugging, while this process holds it.
pub type RunFolder = folder::RunFolder<Settings>;
