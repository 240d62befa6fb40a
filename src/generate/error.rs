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
    /// The model failed.
    #[error("the model failed")]
    Model(#[from] ModelError),
}

impl GenerateError {
    pub(crate) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }
}
