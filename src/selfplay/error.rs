//! What can go wrong in a run.

use crate::folder::FolderError;
use crate::generate::GenerateError;
use crate::model::ModelError;
use crate::train::TrainError;
use proofloop_datasets::store::StoreError;
use std::path::{Path, PathBuf};

/// The result of everything in this module.
pub type Result<T, E = SelfPlayError> = std::result::Result<T, E>;

/// Each variant says only what happened at its own layer; `source` has the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfPlayError {
    /// A setting is out of its range or does not fit another.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The problems can't be used.
    #[error("the problems {problem}")]
    Problems {
        /// What is wrong with them.
        problem: String,
    },
    /// The folder can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
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
    /// The run store failed.
    #[error("the run store failed")]
    Store(#[from] StoreError),
    /// The generator failed.
    #[error("sampling failed")]
    Generate(#[from] GenerateError),
    /// The trainer failed.
    #[error("training failed")]
    Train(#[from] TrainError),
    /// The model failed.
    #[error("the model failed")]
    Model(#[from] ModelError),
    /// The verifier could not judge too many candidates: nothing is known about them, so nothing is concluded.
    #[error("{unavailable} of {judged} candidates could not be judged, for example: {cause}")]
    Unavailable {
        /// Candidates without a verdict.
        unavailable: usize,
        /// All of the stage.
        judged: usize,
        /// What the verifier said of the last.
        cause: String,
    },
    /// The run's verdicts are of another checker.
    #[error("the run was judged by `{there}`, and would now be judged by `{now}`")]
    Checker {
        /// That of the verdicts in the store.
        there: String,
        /// That of the farm.
        now: String,
    },
    /// The farm is gone.
    #[error("the verifier farm has ended")]
    FarmEnded,
    /// Somebody asked the run to end.
    #[error("the run was interrupted")]
    Interrupted,
    /// A rule of selection refused its settings.
    #[error("the selection failed")]
    Select(#[from] super::select::SelectError),
    /// A thread of the run's panicked.
    #[error("a worker of the run failed: {0}")]
    Worker(String),
}

impl SelfPlayError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { what, path, source }
    }

    pub(crate) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }
}
