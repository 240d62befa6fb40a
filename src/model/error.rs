//! What can go wrong with a model: its files, its configuration, its numbers.

use std::path::{Path, PathBuf};

/// The result of everything in this module.
pub type Result<T, E = ModelError> = std::result::Result<T, E>;

/// Each variant says only what happened at its own layer; `source` has the rest.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not the JSON it should be.
    #[error("`{}` is not valid JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it stops being JSON.
        source: serde_json::Error,
    },
    /// A configuration that this decoder does not implement, or that contradicts itself.
    #[error("field `{field}` of the configuration: {problem}")]
    Config {
        /// The name in `config.json` or `adapter_config.json`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A safetensors file that is damaged as a whole.
    #[error("`{}` is no usable safetensors file: {problem}", path.display())]
    TensorFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// One tensor of a safetensors file.
    #[error("tensor `{tensor}` of `{}`: {problem}", path.display())]
    Tensor {
        /// The file, or the folder when the tensor is in none of its files.
        path: PathBuf,
        /// The Hugging Face name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tokenizer that cannot be read, trained, saved or used, or that does not fit the model.
    #[error("tokenizer: {problem}")]
    Tokenizer {
        /// What is wrong.
        problem: String,
        /// What the tokenizer library said.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// An argument that the model cannot take.
    #[error("{what}: {problem}")]
    Input {
        /// The argument.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor operation failed: shapes, devices, memory.
    #[error("tensor operation failed")]
    Compute(#[from] candle_core::Error),
}

impl ModelError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }

    pub(crate) fn config(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Config { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn input(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Input { what, problem: problem.into() }
    }

    pub(crate) fn tensor_file(path: &Path, problem: impl Into<String>) -> Self {
        Self::TensorFile { path: path.to_path_buf(), problem: problem.into() }
    }

    pub(crate) fn tensor(path: &Path, tensor: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { path: path.to_path_buf(), tensor: tensor.to_owned(), problem: problem.into() }
    }
}
