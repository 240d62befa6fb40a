//! What a run of self-debugging has in its folder besides what every run has ([`crate::folder`]): as self-play's,
//! `store.sqlite`, `tokenizer.json` if the run trained one, and `checkpoints/NNN/` with the model of round NNN (0 the base
//! model, 1 behind the supervised learning, then a round of the policy each).

use super::error::Result;
use super::settings::Settings;
use crate::folder;
use crate::model::Decoder;
use crate::selfplay::learner;
use proofloop_datasets::store::RunStore;
use std::path::{Path, PathBuf};

const STORE: &str = "store.sqlite";

/// `run.toml` of a run of self-debugging.
pub type Record = folder::Record<Settings>;

/// The folder of a run of self-debugging, while this process holds it.
pub type RunFolder = folder::RunFolder<Settings>;

/// The store, made if there is none yet.
pub(super) fn store(folder: &RunFolder) -> Result<RunStore> {
    let path = folder.path().join(STORE);
    Ok(if path.exists() { RunStore::open(&path)? } else { RunStore::create(&path)? })
}

/// Everything of a round.
pub(super) fn round(folder: &Path, round: u32) -> PathBuf {
    folder.join("checkpoints").join(format!("{round:03}"))
}

/// Puts a round's model in its place, with what `companions` has beside its weights.
pub(super) fn save_model(companions: &Path, model: &Decoder, folder: &Path) -> Result<()> {
    Ok(learner::save_model(&learner::Base::Folder(companions.to_path_buf()), model, None, folder)?)
}

/// The store of a run's folder, to read.
///
/// # Errors
/// There is none, or it can't be read.
pub fn read_store(folder: &Path) -> Result<RunStore> {
    Ok(RunStore::open_read_only(&folder.join(STORE))?)
}
