//! The folder of a run of any kind, and what is true of it at whatever moment `kill -9` comes:
//!
//! - `run.toml` is there before anything else, and says every setting; without it a folder with anything in it is somebody
//!   else's,
//! - `lock` is held while a process works here (the kernel lets go of it),
//! - `events.jsonl` is for people: nothing is read from it.

use crate::model::{ModelError, files};
use proofloop_datasets::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const RECORD: &str = "run.toml";
const LOCK: &str = "lock";
const FORMAT: u32 = 1;
const MAX_RECORD_BYTES: u64 = 1 << 20;

/// A folder that can't be used for a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder is not, or not only, this run's.
    #[error("the run folder `{}` {problem}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the run can't be read or written.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// `read`, `write`, …
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A small file can't be read or written.
    #[error(transparent)]
    File(#[from] ModelError),
}

type Result<T> = std::result::Result<T, FolderError>;

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FolderError + use<> {
    let path = path.to_path_buf();
    move |source| FolderError::Io { what, path, source }
}

impl FolderError {
    pub(crate) fn folder(path: &Path, problem: impl Into<String>) -> Self {
        Self::Folder { path: path.to_path_buf(), problem: problem.into() }
    }
}

/// `run.toml`. `S` are the settings of one kind of run.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<S> {
    /// Of this file.
    format: u32,
    /// The program that began the run.
    pub proofloop: String,
    /// Where the problems come from, in words.
    pub problems: String,
    /// blake3 of all problems, in their order.
    pub problems_hash: String,
    /// Every rule.
    pub settings: S,
}

impl<S: Serialize + DeserializeOwned> Record<S> {
    /// What a run of these problems under these settings is.
    #[must_use]
    pub fn new(settings: S, problems: &[Problem], source: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for problem in problems {
            hasher.update(problem.content_hash().as_bytes());
            hasher.update(problem.split.name().as_bytes());
            let known = problem.known.as_deref().unwrap_or_default();
            hasher.update(&(known.len() as u64).to_le_bytes());
            hasher.update(known.as_bytes());
        }
        Self {
            format: FORMAT,
            proofloop: env!("CARGO_PKG_VERSION").to_owned(),
            problems: source.to_owned(),
            problems_hash: hasher.finalize().to_hex().to_string(),
            settings,
        }
    }

    /// The record of the run in a folder, if there is one.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let file = path.join(RECORD);
        if !file.exists() {
            return Ok(None);
        }
        let bytes = files::read_small(&file, MAX_RECORD_BYTES)?;
        let bad = |problem: String| {
            FolderError::folder(path, format!("has a `{RECORD}` that can't be read: {problem}"))
        };
        let text = String::from_utf8(bytes).map_err(|error| bad(error.to_string()))?;
        let record: Self =
            toml::from_str(&text).map_err(|error| bad(error.to_string().trim_end().to_owned()))?;
        if record.format != FORMAT {
            return Err(bad(format!("its format is {}, only {FORMAT} is known", record.format)));
        }
        Ok(Some(record))
    }

    /// The first difference from the run that is there, in words.
    #[must_use]
    pub fn difference(&self, there: &Self) -> Option<String> {
        if self.problems_hash != there.problems_hash {
            return Some(format!("its problems are others ({})", there.problems));
        }
        let (ours, theirs) = (toml::Value::try_from(&self.settings), toml::Value::try_from(&there.settings));
        let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return Some("its settings".to_owned()) };
        difference("", &ours, &theirs)
    }
}

fn difference(name: &str, ours: &toml::Value, theirs: &toml::Value) -> Option<String> {
    if let (Some(ours), Some(theirs)) = (ours.as_table(), theirs.as_table()) {
        let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let none = toml::Value::String("nothing".to_owned());
        return names.into_iter().find_map(|key| {
            let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            difference(&path, ours.get(key).unwrap_or(&none), theirs.get(key).unwrap_or(&none))
        });
    }
    (ours != theirs).then(|| format!("`{name}` is {theirs} there, and would be {ours}"))
}

/// A run's folder, while this process holds it.
#[derive(Debug)]
pub struct RunFolder<S> {
    path: PathBuf,
    record: Record<S>,
    _lock: File,
}

impl<S: Serialize + DeserializeOwned> RunFolder<S> {
    /// Makes the folder of a new run, or opens that of the same one.
    ///
    /// # Errors
    /// The folder is somebody else's or another run's; another process works in it; it can't be written.
    pub fn open(path: &Path, record: Record<S>) -> Result<Self> {
        if path.exists() && !path.is_dir() {
            return Err(FolderError::folder(path, "is no folder"));
        }
        fs::create_dir_all(path).map_err(io("create", path))?;
        if !path.join(RECORD).exists() {
            refuse_foreign(path)?;
        }
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::folder(path, "is in use by another process"));
            }
            Err(TryLockError::Error(error)) => return Err(io("lock", &lock_path)(error)),
        }
        match Record::read(path)? {
            Some(there) => {
                if let Some(other) = record.difference(&there) {
                    return Err(FolderError::folder(path, format!("holds another run: {other}")));
                }
            }
            None => write_record(path, &record)?,
        }
        Ok(Self { path: path.to_path_buf(), record, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All that is known of the run.
    #[must_use]
    pub fn record(&self) -> &Record<S> {
        &self.record
    }

    /// Every setting.
    #[must_use]
    pub fn settings(&self) -> &S {
        &self.record.settings
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

/// Adds a line to the `events.jsonl` of a run's folder.
///
/// # Errors
/// The file can't be written.
pub fn log(folder: &Path, line: &str) -> Result<()> {
    let path = folder.join("events.jsonl");
    let file = File::options().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    written.map_err(io("write", &path))
}

fn write_record<S: Serialize>(path: &Path, record: &Record<S>) -> Result<()> {
    let text = toml::to_string(record)
        .map_err(|error| FolderError::folder(path, format!("can't be described: {error}")))?;
    Ok(files::write_renamed(&path.join(RECORD), |file| file.write_all(text.as_bytes()))?)
}

/// What a run that ended before its first stage may have left: nothing but its lock, and files that are not whole.
fn refuse_foreign(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path).map_err(io("read", path))? {
        let name = entry.map_err(io("read", path))?.file_name().to_string_lossy().into_owned();
        if name != LOCK && !name.ends_with(".partial") {
            let problem = format!("holds `{name}` and no run: give a new or an empty folder");
            return Err(FolderError::folder(path, problem));
        }
    }
    Ok(())
}
