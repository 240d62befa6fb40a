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
mod process_end;
pub mod python;
pub mod scratch;
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

/// 128 random bits in hexadecimal.
pub(crate) fn nonce() -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
