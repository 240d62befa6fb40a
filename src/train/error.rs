//! What can go wrong while training.

use std::path::{Path, PathBuf};

use proofloop_datasets::ReadError;

use crate::model::ModelError;

/// The result of everything in this module.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

/// Each variant says only what happened at its own layer; `source` has the rest.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The examples cannot be read.
    #[error("cannot read the examples")]
    Examples(#[from] ReadError),
    /// A setting is out of its range or does not fit another.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The loss or its gradient is no finite number. The weights are those of the step before.
    #[error("step {step}: the loss is {loss} and the norm of its gradient {gradient_norm}")]
    NotFinite {
        /// The step that was not taken, from 0.
        step: u64,
        /// Mean loss, in nats for each token.
        loss: f64,
        /// Before clipping.
        gradient_norm: f64,
    },
    /// The weights give no finite loss or gradient any more, so they are not saved.
    #[error(
        "after step {step} the loss of an example is {loss} and the norm of its gradient {gradient_norm}"
    )]
    Unsound {
        /// Steps taken.
        step: u64,
        /// Of one example, in nats for each token.
        loss: f64,
        /// Before clipping.
        gradient_norm: f64,
    },
    /// A parameter that should train is not part of the computation.
    #[error("`{parameter}` gets no gradient")]
    NoGradient {
        /// Its name.
        parameter: String,
    },
    /// A replica could not be started or died.
    #[error("a replica {problem}")]
    Replica {
        /// What happened to it.
        problem: &'static str,
        /// What the system said, if it did.
        source: Option<std::io::Error>,
    },
    /// A checkpoint's file or folder could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A checkpoint could not be written; earlier ones are as they were.
    #[error("the checkpoint of step {step} could not be saved")]
    Save {
        /// Steps taken.
        step: u64,
        /// Why.
        source: Box<Self>,
    },
    /// A checkpoint is damaged, of another version, or of another run.
    #[error("checkpoint `{}`: {problem}", path.display())]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The model's files, or its computation.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A tensor operation failed: shapes, devices, memory.
    #[error("tensor operation failed")]
    Compute(#[from] candle_core::Error),
}

impl TrainError {
    pub(super) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(super) fn checkpoint(path: &Path, problem: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_path_buf(), problem: problem.into() }
    }
}
