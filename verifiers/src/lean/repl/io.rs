//! Where a REPL process comes from: a small trait, and the sandbox behind it.

use crate::process_end;
use proofloop_sandboxes::process::{Launcher, Policy, Program, Session, Usage};
use std::future::Future;
use thiserror::Error;

pub use crate::process_end::Ended;

/// Starts REPL processes.
pub trait ReplSource: Send + Sync {
    /// What talks to a process.
    type Io: ReplIo;

    /// Starts one. The process has read nothing yet.
    fn open(&self) -> impl Future<Output = Result<Self::Io, IoError>> + Send;
}

/// The pipes of one REPL process. Dropping it kills the process with everything that it started.
pub trait ReplIo: Send {
    /// Writes all bytes to its standard input. Need not be safe to cancel: a worker that stops waiting kills the
    /// process.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), IoError>> + Send;

    /// The next piece of its standard output; `None` at its end. Dropping the future loses nothing.
    fn read(&mut self) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// Asks for [`usage`](Self::usage) ahead of time: the next call of it may give what was used by now.
    fn ask_usage(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// What it has used so far, if that is known.
    fn usage(&mut self) -> impl Future<Output = Option<Usage>> + Send;

    /// Names of the protections that are in force around it.
    fn protection(&self) -> Vec<String>;

    /// Kills it, if it still lives, and says how it ended.
    fn kill(self) -> impl Future<Output = End> + Send;
}

/// The end of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How it came.
    pub ended: Ended,
    /// What the process has used in all, if that is known.
    pub usage: Option<Usage>,
}

/// A process could not be started or written to: infrastructure, never a verdict.
#[derive(Debug, Error)]
#[error("cannot talk to a Lean REPL")]
pub struct IoError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// REPL processes in the process sandbox.
#[derive(Debug, Clone)]
pub struct SandboxSource {
    launcher: Launcher,
    program: Program,
    policy: Policy,
}

impl SandboxSource {
    /// `program` is the REPL with its arguments, `policy.wall` the longest life of a process. A process's whole output
    /// is bounded by the policy, too (its hard stop), so `policy.output_bytes` times that factor must be above
    /// [`ReplSettings::max_life_output_bytes`](super::ReplSettings::max_life_output_bytes).
    #[must_use]
    pub fn new(launcher: Launcher, program: Program, policy: Policy) -> Self {
        Self { launcher, program, policy }
    }
}

impl ReplSource for SandboxSource {
    type Io = SandboxIo;

    async fn open(&self) -> Result<SandboxIo, IoError> {
        let session = self.launcher.open(&self.program, &self.policy).await;
        session
            .map(|session| SandboxIo { session, output_has_ended: false })
            .map_err(|error| IoError(error.into()))
    }
}

/// One REPL process in the process sandbox.
#[derive(Debug)]
pub struct SandboxIo {
    session: Session,
    output_has_ended: bool,
}

impl ReplIo for SandboxIo {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        self.session.write(bytes).await.map_err(|error| IoError(error.into()))
    }

    async fn read(&mut self) -> Option<Vec<u8>> {
        let piece = self.session.read().await;
        self.output_has_ended |= piece.is_none();
        piece
    }

    async fn ask_usage(&mut self) {
        // A process that has ended says so at the next read.
        let _ended = self.session.ask_usage().await;
    }

    async fn usage(&mut self) -> Option<Usage> {
        self.session.usage().await.ok()
    }

    fn protection(&self) -> Vec<String> {
        self.session.protection().names()
    }

    async fn kill(self) -> End {
        let (ended, usage) = process_end::end(self.session, self.output_has_ended).await;
        End { ended, usage }
    }
}
