//! What a run came to.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::policy::{Layer, OUTPUT_HARD_STOP_FACTOR, Protection};

/// A run that started, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// How it ended.
    pub outcome: Outcome,
    /// What it wrote to its standard output.
    pub stdout: Captured,
    /// What it wrote to its standard error.
    pub stderr: Captured,
    /// What it used.
    pub usage: Usage,
    /// What it was confined by.
    pub protection: Protection,
}

/// How a run ended. A limit wins over the exit status that it caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The program exited by itself.
    Exited {
        /// Its exit status, 0 to 255.
        code: i32,
    },
    /// The program was ended by a signal that was not ours.
    Signaled {
        /// Signal number.
        signal: i32,
    },
    /// [`Policy::wall`](super::Policy::wall) was over.
    TimedOut,
    /// [`Policy::cpu`](super::Policy::cpu) was used up.
    CpuLimit,
    /// [`Policy::memory_bytes`](super::Policy::memory_bytes) was used up.
    MemoryLimit,
    /// An output stream passed its hard stop.
    OutputLimit,
    /// The caller asked for the end.
    Cancelled,
}

/// What a run used: exactly its own tree, never a maximum over other children.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From exec to the death of the last process.
    pub wall: Duration,
    /// User + system time of all processes.
    pub cpu: Duration,
    /// The larger of the biggest process's peak resident set (exact) and the sampled sum over the tree,
    /// in which file-backed and shared pages count once.
    pub peak_memory_bytes: u64,
}

/// The head and the tail of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The first bytes; all of them if nothing was cut.
    pub head: Vec<u8>,
    /// The last bytes that did not fit the head.
    pub tail: Vec<u8>,
    /// How many bytes were written in all.
    pub total_bytes: u64,
}

impl Captured {
    /// Whether bytes between head and tail were dropped.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.dropped_bytes() > 0
    }

    /// How many bytes between head and tail were dropped.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        let kept = (self.head.len() as u64).saturating_add(self.tail.len() as u64);
        self.total_bytes.saturating_sub(kept)
    }

    /// Head and tail as text, with a line in between that says how much is missing, if any is.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        if self.tail.is_empty() && !self.is_truncated() {
            return String::from_utf8_lossy(&self.head);
        }
        let mut bytes = self.head.clone();
        if self.is_truncated() {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.dropped_bytes()).as_bytes());
        }
        bytes.extend_from_slice(&self.tail);
        Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Fills a [`Captured`] piece by piece in bounded memory.
#[derive(Debug)]
pub(super) struct Recorder {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total_bytes: u64,
    head_bytes: usize,
    tail_bytes: usize,
    hard_stop_bytes: u64,
}

impl Recorder {
    pub(super) fn new(output_bytes: u64) -> Self {
        let kept = usize::try_from(output_bytes).unwrap_or(usize::MAX);
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            total_bytes: 0,
            head_bytes: kept - kept / 2,
            tail_bytes: kept / 2,
            hard_stop_bytes: output_bytes.saturating_mul(OUTPUT_HARD_STOP_FACTOR),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total_bytes = self.total_bytes.saturating_add(bytes.len() as u64);
        let room = self.head_bytes.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        // Only the last `tail_bytes` of a piece can survive.
        let rest = &rest[rest.len().saturating_sub(self.tail_bytes)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.tail_bytes);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    pub(super) fn is_over_hard_stop(&self) -> bool {
        self.total_bytes > self.hard_stop_bytes
    }

    pub(super) fn finish(self) -> Captured {
        Captured { head: self.head, tail: self.tail.into(), total_bytes: self.total_bytes }
    }
}

/// Why a run gave no [`Finished`]. Always our or the host's failure, never the program's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The policy demands a layer that this host does not give.
    #[error("sandbox layer {layer} is not available: {detail}")]
    LayerMissing {
        /// Which one.
        layer: Layer,
        /// Why not.
        detail: String,
    },
    /// The program cannot be found inside the sandbox.
    #[error("program {} not found in the sandbox", path.display())]
    ProgramNotFound {
        /// As the caller named it.
        path: PathBuf,
    },
    /// The program is there but could not be executed.
    #[error("cannot execute {}", path.display())]
    Exec {
        /// As the caller named it.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A setting that cannot be used.
    #[error("invalid sandbox request: {detail}")]
    Invalid {
        /// Which and why.
        detail: String,
    },
    /// The helper process could not be started.
    #[error("cannot start the sandbox helper {}", helper.display())]
    Spawn {
        /// Its path.
        helper: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A step of the set-up that is not a layer failed.
    #[error("sandbox set-up failed at {stage}: {detail}")]
    Setup {
        /// Which step.
        stage: String,
        /// What went wrong.
        detail: String,
    },
    /// The helper died, or did not speak the protocol (its `main` must call `enter_if_child` first).
    #[error("sandbox helper failed: {detail}")]
    Helper {
        /// What was seen.
        detail: String,
    },
    /// The run was cancelled before the program had started.
    #[error("cancelled before the program started")]
    CancelledBeforeStart,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorder_keeps_head_and_tail() {
        let mut r = Recorder::new(8);
        for b in 0..100_u8 {
            r.push(&[b]);
        }
        let c = r.finish();
        assert_eq!(
            (c.head.as_slice(), c.tail.as_slice(), c.total_bytes),
            (&[0, 1, 2, 3][..], &[96, 97, 98, 99][..], 100)
        );
        assert!(c.is_truncated());
    }

    #[test]
    fn recorder_takes_pieces_larger_than_itself() {
        let mut r = Recorder::new(5);
        r.push(b"abcdefghij");
        assert!(!r.is_over_hard_stop());
        let c = r.finish();
        assert_eq!((c.head.as_slice(), c.tail.as_slice()), (&b"abc"[..], &b"ij"[..]));
        assert_eq!(c.to_string_lossy(), "abc\n[5 bytes left out]\nij");
    }

    #[test]
    fn nothing_is_marked_when_all_fits() {
        let mut r = Recorder::new(8);
        r.push(b"abcdefgh");
        assert_eq!(r.finish().to_string_lossy(), "abcdefgh");
    }
}
