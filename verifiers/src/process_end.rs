//! How a process that we speak with ended, as far as the sandbox knows.

use proofloop_sandboxes::process::{Finished, Outcome, Session, Usage};
use std::time::Duration;

/// How long a process that has closed its output may take to end by itself before it is killed: long enough for the
/// sandbox to learn of what killed it.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It lived until it was killed by us.
    Killed,
    /// By itself.
    Exited {
        /// Its exit status.
        code: i32,
        /// The end of what it wrote to its standard error, for people.
        stderr: String,
    },
    /// By a signal that was not ours.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// At its memory limit.
    MemoryLimit,
    /// At the limit of its whole output.
    OutputLimit,
    /// At the limit of its whole life or CPU time, which bounds the process and not one candidate.
    LifeOver,
    /// Not known, because the sandbox itself failed.
    Unknown {
        /// What the sandbox said.
        detail: String,
    },
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Killed => formatter.write_str("it closed its output"),
            Self::Exited { code, stderr } if stderr.is_empty() => write!(formatter, "exit status {code}"),
            Self::Exited { code, stderr } => write!(formatter, "exit status {code}: {stderr}"),
            Self::Signaled { signal } => write!(formatter, "signal {signal}"),
            Self::MemoryLimit => formatter.write_str("memory limit"),
            Self::OutputLimit => formatter.write_str("output limit"),
            Self::LifeOver => formatter.write_str("its time was over"),
            Self::Unknown { detail } => formatter.write_str(detail),
        }
    }
}

/// Kills a process with everything that it runs, if it still lives.
pub(crate) async fn end(session: Session, output_has_ended: bool) -> (Ended, Option<Usage>) {
    let finished = if output_has_ended {
        // Killing at once would hide the cause.
        session.wait_at_most(LAST_WORDS).await
    } else {
        session.kill().await
    };
    match finished {
        Ok(finished) => (ended(&finished), Some(finished.usage)),
        Err(error) => (Ended::Unknown { detail: crate::chain(&error) }, None),
    }
}

fn ended(finished: &Finished) -> Ended {
    match finished.outcome {
        Outcome::Exited { code } => Ended::Exited { code, stderr: last_line(finished) },
        Outcome::Signaled { signal } => Ended::Signaled { signal },
        Outcome::MemoryLimit => Ended::MemoryLimit,
        Outcome::OutputLimit => Ended::OutputLimit,
        Outcome::TimedOut | Outcome::CpuLimit => Ended::LifeOver,
        Outcome::Cancelled => Ended::Killed,
    }
}

/// The last line on standard error, cut to what fits a message.
pub(crate) fn last_line(finished: &Finished) -> String {
    let text = finished.stderr.to_string_lossy();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(300).collect()
}
