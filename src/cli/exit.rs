//! Exit codes are an interface: scripts depend on them.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | everything was accepted, or the command did what it was asked |
//! | 1 | at least one candidate was not accepted; `train`: the loss or its gradient was no finite number; `data`: bad records, an overlap |
//! | 2 | the command line or an input (a file, a record, a model folder) is wrong; what was right was still done |
//! | 3 | the infrastructure failed: a toolchain, the sandbox, the disk, the device, the server |
//! | 130 | interrupted; what was done is kept |
//! | 141 | standard output was closed before everything was told; work ends there |
//!
//! Of several, the highest wins.

use std::process::ExitCode;

/// How a command ended. Ordered: the worse one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0.
    Success,
    /// 1.
    NotAccepted,
    /// 2.
    Input,
    /// 3.
    Infrastructure,
    /// 130.
    Interrupted,
    /// 141, what a shell shows for a program that SIGPIPE has ended.
    NobodyReads,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::NotAccepted => 1,
            Exit::Input => 2,
            Exit::Infrastructure => 3,
            Exit::Interrupted => 130,
            Exit::NobodyReads => 141,
        })
    }
}

/// The user asked for something that does not exist: exit code 2 instead of 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Prints what clap has to say; help and version are no errors.
pub(super) fn of_clap(error: &clap::Error) -> ExitCode {
    let exit = match error.print() {
        Err(closed) if closed.kind() == std::io::ErrorKind::BrokenPipe => Exit::NobodyReads,
        Err(_) => Exit::Infrastructure,
        Ok(()) if error.use_stderr() => Exit::Input,
        Ok(()) => Exit::Success,
    };
    exit.into()
}
