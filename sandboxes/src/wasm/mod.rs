//! WebAssembly guests: an interpreter is started once, snapshotted, compiled ahead of time and cached;
//! every use is a fresh copy-on-write instance with limits and without any capability.
//!
//! The host hands out no directory, no network, no real clock and no environment. What a guest gets is
//! a captured standard output and error, the bytes of its standard input, seeded randomness, a virtual
//! clock, and a message channel: a write to [`MESSAGE_OUT_FD`] is one message to whoever drives the
//! instance, a read from [`MESSAGE_IN_FD`] waits for one message from there. An instance is therefore a coroutine
//! ([`Running::resume`]), and two instances can talk through their driver without a second thread.
//!
//! Boot contract of a guest (`GuestSpec::boot`): the script must prepare everything, then write one message of lines
//! `entry NAME ADDRESS` (a Python function's address) and `object NAME ADDRESS` to [`MESSAGE_OUT_FD`], then leave
//! through `os._exit(0)`, which freezes the memory with a live interpreter in it. A line `word ADDRESS VALUE` makes
//! the host store 32 bits there before freezing.

mod artifact;
mod capture;
mod engine;
mod files;
mod guest;
mod host;
mod running;
mod snapshot;
mod stdio;

pub use capture::Captured;
pub use files::HostFile;
pub use guest::{GuestSpec, SelfTest};
pub use running::{CancelFlag, Outcome, Running, Step, WasmUsage};
pub use snapshot::Snapshot;

use std::path::PathBuf;
use std::time::Duration;

/// Where a guest writes a message: standard input, which nothing else writes to. The standard descriptors
/// are the only ones that pass through wasi-vfs, the file system linked into the default guest.
pub const MESSAGE_OUT_FD: u32 = 0;

/// Where a guest reads a message: standard error, which nothing else reads from.
pub const MESSAGE_IN_FD: u32 = 2;

/// The largest single message that a guest may send, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The limits of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmPolicy {
    /// Wall-clock limit; a sleep on the virtual clock counts against the same limit.
    pub wall: Duration,
    /// Limit of the linear memory, in bytes; the guest sees a failed allocation beyond it.
    pub memory_bytes: u64,
    /// Limit of every table, in elements.
    pub table_elements: usize,
    /// Hard limit of standard output and error together, in bytes.
    pub output_bytes: u64,
    /// How much of each output stream is kept, in bytes: half as head, half as tail.
    pub kept_output_bytes: usize,
    /// Wasm instructions, roughly; only for guests that were prepared with [`GuestSpec::fuel`].
    pub fuel: Option<u64>,
    /// Seed of everything that the guest takes for random.
    pub random_seed: u64,
}

impl WasmPolicy {
    /// What this policy and this kind of sandbox enforce, by name. A wasm instance has no weaker mode:
    /// the list does not depend on the host.
    #[must_use]
    pub fn protection(&self) -> Vec<String> {
        let mut names: Vec<String> = [
            "wasm",
            "no-preopens",
            "no-network",
            "no-environment",
            "virtual-clock",
            "epoch-deadline",
            "memory-limit",
            "output-limit",
        ]
        .into_iter()
        .map(str::to_owned)
        .collect();
        if self.fuel.is_some() {
            names.push("fuel-limit".to_owned());
        }
        names
    }
}

/// Why a guest could not be prepared or an instance not be started. Never the fault of what runs in it.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The artifact is not the pinned one.
    #[error("{} has SHA-256 {actual}, but {expected} is pinned", path.display())]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// The pinned hash, in hexadecimal.
        expected: String,
        /// What was found, in hexadecimal.
        actual: String,
    },
    /// The artifact is not a module of the expected shape.
    #[error("the guest module is malformed")]
    Malformed(#[source] wasmparser::BinaryReaderError),
    /// wasmtime refused.
    #[error("wasmtime failed to {action}")]
    Engine {
        /// What was tried.
        action: &'static str,
        /// What wasmtime said, with its causes.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The boot script did not end the way the contract says.
    #[error("the guest did not boot: {why}")]
    Boot {
        /// How it ended, with the end of its standard error.
        why: String,
    },
    /// The self-test of a new snapshot failed.
    #[error("the guest fails its self-test: {why}")]
    SelfTest {
        /// How.
        why: String,
    },
    /// The caller named an entry point that the boot script did not announce.
    #[error("the guest has no entry point named {name}")]
    NoSuchEntry {
        /// The name.
        name: String,
    },
    /// Fuel was asked for, but the guest was compiled without it.
    #[error("the guest was prepared without fuel")]
    NoFuel,
    /// The memory limit is below what a fresh instance holds.
    #[error("the memory limit is below the {least_bytes} bytes of a fresh instance")]
    MemoryTooSmall {
        /// The least possible limit, in bytes.
        least_bytes: u64,
    },
    /// A system thread could not be started.
    #[error("cannot start the epoch thread")]
    Thread(#[source] std::io::Error),
}

impl WasmError {
    pub(crate) fn engine(action: &'static str, error: wasmtime::Error) -> Self {
        Self::Engine { action, source: format!("{error:#}").into() }
    }

    pub(crate) fn file(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }
}
