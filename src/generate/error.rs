//! What can go wrong while generating.

use crate::model::ModelError;

use super::openai::CallError;

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
    /// The HTTP client cannot be set up: for `https`, this machine may have no certificates to trust.
    #[error("the HTTP client cannot be set up")]
    Client {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nobody has answered at the server's address. Ends everything.
    #[error("no server answers at {url}")]
    Unreachable {
        /// Where the calls went.
        url: String,
        /// The last attempt's.
        source: CallError,
    },
    /// The server refuses the key, wants one, or its account has nothing left. Ends everything.
    #[error("the server refuses the API key (HTTP status {status}): {message}")]
    Key {
        /// 401, 402 or 403.
        status: u16,
        /// What the server says, shortened.
        message: String,
    },
    /// The server has no such model, or is not at that path. Ends everything.
    #[error("no model `{model}` at {url} (HTTP status {status}): {message}")]
    Route {
        /// Where the calls went.
        url: String,
        /// The model that was asked for.
        model: String,
        /// 404, 405 or a redirection.
        status: u16,
        /// What the server says, shortened.
        message: String,
    },
    /// The server does not accept this request.
    #[error("the server rejects the request (HTTP status {status}): {message}")]
    Rejected {
        /// What it answered with; 200 for a sample that it withheld after all.
        status: u16,
        /// What it says, shortened.
        message: String,
    },
    /// No attempt gave a usable answer.
    #[error("no usable answer, attempts: {attempts}")]
    NoAnswer {
        /// How many there were.
        attempts: u32,
        /// The last one's.
        source: CallError,
    },
    /// A stream broke when parts of its samples had been told, so that they could not be asked for again.
    #[error("the stream broke after part of the sample was told")]
    Interrupted {
        /// Why.
        source: CallError,
    },
}

impl GenerateError {
    pub(crate) fn prompt(problem: impl Into<String>) -> Self {
        Self::Prompt { problem: problem.into() }
    }

    pub(crate) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }
}
