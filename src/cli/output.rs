//! Standard output is data, standard error is talk. Nothing else in this crate writes to either.

use super::exit::{Exit, UsageError};
use super::farm::NoGuest;
use proofloop_verifiers::install::InstallError;
use proofloop_verifiers::lean::toolchain::ToolchainError;
use std::io::Write;
use std::process::ExitCode;

/// Writes a line of data.
///
/// # Errors
/// Standard output is closed or full.
pub(super) fn data(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Writes a line for people.
pub(super) fn say(line: &str) {
    // Nobody can be told that standard error is closed.
    let _nowhere_to_say_it = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints an error with its chain and its hint, once.
pub(super) fn error(error: &anyhow::Error) {
    say(&format!("error: {error:#}"));
    if let Some(hint) = hint(error) {
        say(&format!(" hint: {hint}"));
    }
}

/// Prints an error that ends the command.
pub(super) fn failure(failure: &anyhow::Error) -> ExitCode {
    let closed = failure.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    });
    if closed {
        // `proofloop verify … | head`: the reader has what it wanted, and nobody needs to be told. But 0 would say
        // that everything was accepted.
        return Exit::NobodyReads.into();
    }
    error(failure);
    let usage = failure.chain().any(|cause| {
        let no_project = |error: &ToolchainError| matches!(error, ToolchainError::NoProject { .. });
        cause.is::<UsageError>() || cause.downcast_ref::<ToolchainError>().is_some_and(no_project)
    });
    if usage { Exit::Input.into() } else { Exit::Infrastructure.into() }
}

/// What the user can do about it, if we know.
pub(super) fn hint(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        cause
            .downcast_ref::<ToolchainError>()
            .map(ToolchainError::hint)
            .or_else(|| cause.downcast_ref::<NoGuest>().map(NoGuest::hint))
            .or_else(|| cause.downcast_ref::<InstallError>().and_then(InstallError::hint))
    })
}
