//! One live instance, driven step by step like a coroutine.

use super::host::{Inbox, Shared, State, Stop, lock};
use super::{Captured, WasmError};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wasmtime::{Store, Trap};

/// Set from any thread to end what runs under it; looked at every epoch tick.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends everything that runs under this flag, within about 10 ms.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// How a call into a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The entry returned an object at this address (0: it raised).
    Returned(u32),
    /// The guest called `proc_exit` with this status.
    Exited(i32),
    /// The wall limit, or a sleep beyond it on the virtual clock.
    Timeout,
    /// The caller's flag.
    Cancelled,
    /// More output than the policy allows.
    OutputLimit,
    /// A single message larger than [`super::MAX_MESSAGE_BYTES`].
    MessageLimit,
    /// The guest's fuel is used up.
    FuelLimit,
    /// The instance could not be made: the host's fault, not the guest's.
    NotStarted {
        /// What wasmtime said.
        why: String,
    },
    /// A wasm trap, or a host call with impossible arguments.
    Trap {
        /// In words.
        kind: String,
    },
}

/// What an instance did when it was resumed.
#[derive(Debug)]
pub enum Step {
    /// It waits for a message; the payload is what it last wrote since the previous step, if anything.
    Waiting(Option<Vec<u8>>),
    /// It ended; the payload is the last unread message and the outcome.
    Finished(Option<Vec<u8>>, Outcome),
}

/// What an instance has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WasmUsage {
    /// Since the instance was started.
    pub wall: Duration,
    /// CPU time of the driving thread inside this instance, instantiation included.
    pub cpu: Duration,
    /// Peak size of the linear memory, in bytes.
    pub peak_memory_bytes: u64,
    /// Whether the memory limit ever refused an allocation.
    pub memory_refused: bool,
}

/// Instantiation failed; kept apart from traps, which are the guest's doing.
#[derive(Debug, thiserror::Error)]
#[error("the instance could not be made: {0}")]
pub(crate) struct NotStarted(pub(crate) String);

pub(crate) type CallFuture = Pin<Box<dyn Future<Output = wasmtime::Result<u32>> + Send>>;

/// A live instance. Dropping it ends it.
pub struct Running {
    call: Option<CallFuture>,
    shared: Arc<Mutex<Shared>>,
    started: Instant,
    cpu: Duration,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Running").field("ended", &self.call.is_none()).finish_non_exhaustive()
    }
}

impl Running {
    pub(crate) fn new(call: CallFuture, shared: Arc<Mutex<Shared>>) -> Self {
        Self { call: Some(call), shared, started: Instant::now(), cpu: Duration::ZERO }
    }

    /// Runs until the instance waits for a message or ends. `message` answers the last wait; the first
    /// call may bring the first message. After the end, every call answers that it exited.
    pub fn resume(&mut self, message: Option<Vec<u8>>) -> Step {
        let cpu_before = thread_cpu();
        if let Some(message) = message {
            lock(&self.shared).inbox = Some(Inbox { message, read_bytes: 0 });
        }
        let polled =
            self.call.as_mut().map(|call| call.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        let step = match polled {
            Some(Poll::Pending) => Step::Waiting(lock(&self.shared).outbox.take()),
            Some(Poll::Ready(result)) => {
                self.call = None;
                Step::Finished(lock(&self.shared).outbox.take(), outcome_of(result))
            }
            None => Step::Finished(None, Outcome::Trap { kind: "the instance had already ended".to_owned() }),
        };
        self.cpu += thread_cpu().saturating_sub(cpu_before);
        step
    }

    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> WasmUsage {
        let shared = lock(&self.shared);
        WasmUsage {
            wall: self.started.elapsed(),
            cpu: self.cpu,
            peak_memory_bytes: shared.peak_memory_bytes,
            memory_refused: shared.memory_refused,
        }
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> Captured {
        lock(&self.shared).stdout.snapshot()
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> Captured {
        lock(&self.shared).stderr.snapshot()
    }
}

fn outcome_of(result: wasmtime::Result<u32>) -> Outcome {
    let error = match result {
        Ok(address) => return Outcome::Returned(address),
        Err(error) => error,
    };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Exit(status) => Outcome::Exited(*status),
            Stop::Timeout => Outcome::Timeout,
            Stop::Cancelled => Outcome::Cancelled,
            Stop::OutputLimit => Outcome::OutputLimit,
            Stop::MessageLimit => Outcome::MessageLimit,
        };
    }
    if let Some(NotStarted(why)) = error.downcast_ref::<NotStarted>() {
        return Outcome::NotStarted { why: why.clone() };
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        return Outcome::FuelLimit;
    }
    let kind = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => format!("{error:#}"),
    };
    Outcome::Trap { kind }
}

/// CPU time of the calling thread. Zero if the system has no such clock.
fn thread_cpu() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(Duration::ZERO, Duration::from)
}

/// Puts limits, deadline and cancellation on a store.
pub(crate) fn limit(store: &mut Store<State>, cancel: CancelFlag) -> Result<(), WasmError> {
    let deadline = Instant::now().checked_add(store.data().policy.wall);
    store.limiter(|state| state);
    store.epoch_deadline_callback(move |_| {
        if cancel.is_cancelled() {
            return Err(wasmtime::Error::new(Stop::Cancelled));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(wasmtime::Error::new(Stop::Timeout));
        }
        Ok(wasmtime::UpdateDeadline::Continue(1))
    });
    store.set_epoch_deadline(1);
    match store.data().policy.fuel {
        Some(fuel) => store.set_fuel(fuel).map_err(|error| WasmError::engine("give fuel", error)),
        None => {
            // Refused, rightly, by an engine that does not count fuel.
            drop(store.set_fuel(u64::MAX));
            Ok(())
        }
    }
}
