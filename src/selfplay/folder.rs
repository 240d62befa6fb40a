//! What a run of self-play has in its folder besides what every run has ([`crate::folder`]):
//!
//! - `store.sqlite` has whole stages, and every verdict (`proofloop_datasets::store`),
//! - `tokenizer.json`, if the run trained one: made anew, it is the same,
//! - `checkpoints/NNN/`: the model of round NNN, renamed into place when it is whole.

use super::error::Result;
use super::settings::Settings;
use crate::folder;
use proofloop_datasets::store::RunStore;
use std::path::{Path, PathBuf};

const STORE: &str = "store.sqlite";

/// `run.toml` of a run of self-play.
pub type Record = folder::Record<Settings>;

/// The folder of a run of self-play, while this process holds it.
pub type RunFolder = folder::RunFolder<Settings>;

/// The store of a run's folder, made if there is none yet.
pub(crate) fn store(folder: &Path) -> Result<RunStore> {
    let path = folder.join(STORE);
    Ok(if path.exists() { RunStore::open(&path)? } else { RunStore::create(&path)? })
}

/// Everything of a round.
pub(crate) fn round(folder: &Path, round: u32) -> PathBuf {
    folder.join("checkpoints").join(format!("{round:03}"))
}

/// The store of a run's folder, to read.
///
/// # Errors
/// There is none, or it can't be read.
pub fn read_store(folder: &Path) -> Result<RunStore> {
    Ok(RunStore::open_read_only(&folder.join(STORE))?)
}
