//! What can go wrong in a run.

use crate::generate::GenerateError;
use crate::model::ModelError;
use crate::selfplay::SelfPlayError;
use crate::train::TrainError;
use proofloop_datasets::store::StoreError;

/// The result of everything in this module.
pub type Result<T, E = SelfDebugError> = std::result::Result<T, E>;

/// Each variant says only what happened at its own layer; `source` has the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfDebugError {
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
    /// A part that self-play has, too, failed.
    #[error(transparent)]
    Part(Box<SelfPlayError>),
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
    /// An explanation's reward can't be computed.
    #[error("an explanation's reward can't be computed")]
    Embed(#[from] super::reward::embedding::EmbedError),
}

impl From<SelfPlayError> for SelfDebugError {
    fn from(error: SelfPlayError) -> Self {
        Self::Part(Box::new(error))
    }
}

impl SelfDebugError {
    pub(super) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }

    /// Whether somebody asked the run to end.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Part(error) if matches!(**error, SelfPlayError::Interrupted))
    }
}
