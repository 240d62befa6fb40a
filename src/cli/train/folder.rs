//! The folder of a run. Whatever moment `kill -9` comes at, what is in it can be gone on with:
//!
//! - `train.json` is there before the first step; without it a folder with anything of its own in it is somebody else's,
//! - `lock` is held while a process trains (the kernel lets go of it),
//! - `tokenizer.json`, if the run trained one; if it is missing, training it again gives the same,
//! - `checkpoints/` (see `src/train/checkpoint.rs`),
//! - `model/`, `adapter/` are renamed into place when they are whole, and `result.json` is written behind them.

use super::super::exit::UsageError;
use super::record::Record;
use crate::model::files;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

const RECORD: &str = "train.json";
const RESULT: &str = "result.json";
const LOCK: &str = "lock";
const MAX_BYTES: u64 = 16 << 20;

/// `result.json`: how a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    pub(super) steps: u64,
    /// Of the last step, in nats for each token.
    pub(super) loss: Option<f64>,
    pub(super) evaluation_loss: Option<f64>,
    /// Folders of the run's that have what was trained.
    pub(super) folders: Vec<String>,
}

/// The folder, while this process holds it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes it, if there is none; refuses one that is not a run's, or that another process trains in.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot use `{}`", path.display());
        if path.exists() && !path.is_dir() {
            return Err(UsageError(format!("`{}` is not a folder", path.display())).into());
        }
        fs::create_dir_all(path).with_context(cannot)?;
        if !path.join(RECORD).exists() {
            refuse_foreign(path)?;
        }
        let lock = File::create(path.join(LOCK)).with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let text = format!("another process trains in `{}`", path.display());
                Err(UsageError(text).into())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The record of the run that is there.
    pub(super) fn record(&self) -> anyhow::Result<Option<Record>> {
        let path = self.join(RECORD);
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_small(&path, MAX_BYTES)?;
        let bad = |problem: String| UsageError(format!("cannot use `{}`: {problem}", path.display()));
        Ok(Some(Record::parse(&text).map_err(bad)?))
    }

    pub(super) fn write_record(&self, record: &Record) -> anyhow::Result<()> {
        Ok(files::write_json(&self.join(RECORD), &serde_json::to_value(record)?)?)
    }

    /// How the run ended, if it has and what it made is there.
    pub(super) fn outcome(&self) -> anyhow::Result<Option<Outcome>> {
        let path = self.join(RESULT);
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_small(&path, MAX_BYTES)?;
        let outcome: Outcome = serde_json::from_slice(&text)
            .map_err(|error| UsageError(format!("cannot use `{}`: {error}", path.display())))?;
        let is_there = outcome.folders.iter().all(|name| self.join(name).is_dir());
        Ok(is_there.then_some(outcome))
    }

    /// Puts a folder that `write` fills in the place of `name`.
    pub(super) fn replace(
        &self,
        name: &str,
        write: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (path, partial) = (self.join(name), self.join(&format!("{name}.partial")));
        let replaced: anyhow::Result<()> = (|| {
            remove(&partial)?;
            fs::create_dir(&partial)?;
            write(&partial)?;
            sync(&partial)?;
            remove(&path)?;
            fs::rename(&partial, &path)?;
            sync(&self.path)?;
            Ok(())
        })();
        replaced.with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// From here on what was made before is no result any more.
    pub(super) fn forget_outcome(&self) -> anyhow::Result<()> {
        let path = self.join(RESULT);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
        Ok(())
    }

    pub(super) fn write_outcome(&self, outcome: &Outcome) -> anyhow::Result<()> {
        Ok(files::write_json(&self.join(RESULT), &serde_json::to_value(outcome)?)?)
    }
}

/// What a run that ended before its first step may have left: nothing but its lock, and files that are not whole.
fn refuse_foreign(path: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != LOCK && !name.ends_with(".partial") {
            let text = format!(
                "`{}` holds `{name}` and no run of `proofloop train`: give a new or an empty folder",
                path.display()
            );
            return Err(UsageError(text).into());
        }
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A name is on the disk only when its folder is.
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
