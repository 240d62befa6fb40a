//! What can go wrong while generating.

use crate::model::ModelError;

/// The result of everything in this module.
pub type Result<T, E = GenerateError> = std::result::Result<T, E>;

/// Each variant says only what happened at its own layer; `source` has the rest.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A setting is out of its range or does not fit another.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A prompt that this generator cannot complete.
    #[error("the prompt {problem}")]
    Prompt {
        /// What is wrong with it.
        problem: String,
    },
    /// A logit is not a number, or none is finite: the weights are broken.
    #[error("the model's logits are not finite")]
    NotFinite,
    /// The runtime shut down before the work began.
    #[error("the runtime is shutting down")]
    ShutDown,
    /// The model failed.
    #[error("the model failed")]
    Model(#[from] ModelError),
}

impl GenerateError {
    pub(crate) fn prompt(problem: impl Into<String>) -> Self {
        Self::Prompt { problem: problem.into() }
    }

    pub(crate) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }
}
