//! What can go wrong with a run store.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The result of an operation on a run store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A run store that could not be used. The cause is its source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such file.
    #[error("there is no run store `{}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A new store was wanted where a file is.
    #[error("the run store `{}` is there already", path.display())]
    AlreadyThere {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("`{}` is not a run store", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// Another version of the program has written it.
    #[error("the run store `{}` has format {found}, and this program reads format {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The one that this program reads.
        expected: i64,
    },
    /// Another process is writing, and did not come to an end in good time.
    #[error("another process holds the run store `{}`", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file could not be looked at.
    #[error("cannot open the run store `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file could not be made.
    #[error("cannot make the run store `{}`", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// SQLite refused.
    #[error("the run store `{}` can't be used", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// A record contradicts what is there: it is there already, or names a statement or a candidate that is not.
    #[error("the run store `{}` refuses {record}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Which record.
        record: String,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A weight that is no finite number.
    #[error("the run store `{}` refuses {record}: its weight is {weight}", path.display())]
    Weight {
        /// The file.
        path: PathBuf,
        /// Which record.
        record: String,
        /// The weight.
        weight: f64,
    },
    /// A stage is finished once.
    #[error("stage `{stage}` of iteration {iteration} is finished already in the run store `{}`", path.display())]
    Finished {
        /// The file.
        path: PathBuf,
        /// The iteration.
        iteration: u32,
        /// The stage.
        stage: String,
    },
    /// What was written could not be written on.
    #[error("cannot write a dump of the run store `{}`", path.display())]
    Dump {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// Sorts what SQLite says by what it means to whoever has the file.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotAStore { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path, source },
            Some(_) | None => Self::Database { path, source },
        }
    }

    /// As [`StoreError::of`], where a record of the caller's may be what is wrong.
    pub(super) fn of_record(path: &Path, record: impl FnOnce() -> String, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => {
                Self::Refused { path: path.to_path_buf(), record: record(), source }
            }
            Some(_) | None => Self::of(path, source),
        }
    }
}
