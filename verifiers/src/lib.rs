//! Candidates, verdicts, the verifiers and the farm that runs them.
//!
//! This crate knows nothing of models, data-set formats or HTTP. It starts no process itself:
//! everything untrusted goes through `proofloop-sandboxes`.

pub mod cache;
pub mod candidate;
pub mod farm;
pub mod install;
pub mod isabelle;
pub mod lean;
pub mod python;
pub mod verdict;
pub mod verifier;

/// An error and its sources in one line, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
