//! What can go wrong in an evaluation.

use crate::folder::FolderError;
use crate::generate::GenerateError;
use proofloop_datasets::store::StoreError;

/// The result of everything in this module.
pub type Result<T, E = EvaluateError> = std::result::Result<T, E>;

/// Each variant says only what happened at its own layer; `source` has the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The problems can't be evaluated on.
    #[error("the problems {problem}")]
    Problems {
        /// What is wrong with them.
        problem: String,
    },
    /// The folder can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store failed.
    #[error("the evaluation's store failed")]
    Store(#[from] StoreError),
    /// The generator failed.
    #[error("sampling failed")]
    Generate(#[from] GenerateError),
    /// A prompt can't be made.
    #[error("cannot make the prompt of `{problem}`")]
    Prompt {
        /// The problem.
        problem: String,
        /// Why not.
        source: super::prompt::PromptError,
    },
    /// The verdicts that are there are of another checker.
    #[error("the evaluation was judged by `{there}`, and would now be judged by `{now}`")]
    Checker {
        /// That of the verdicts in the store.
        there: String,
        /// That of the farm.
        now: String,
    },
    /// The farm is gone.
    #[error("the verifier farm has ended")]
    FarmEnded,
    /// Somebody asked the evaluation to end.
    #[error("the evaluation was interrupted")]
    Interrupted,
    /// A task of the evaluation's panicked.
    #[error("a worker of the evaluation failed: {0}")]
    Worker(String),
}
