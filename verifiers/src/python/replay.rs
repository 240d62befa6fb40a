//! What the test program would say next, remembered.
//!
//! Instance T is a deterministic machine: snapshot, hash seed, random seed and clock are the same every time, and nothing
//! reaches it but messages. So the messages that it has got decide what it says next, and whoever has seen it once
//! knows it for the next candidate. Samples of one problem that behave alike (pass@k, RL) then cost one instance each
//! instead of two. T is started only where a candidate's values leave the known path, and is first told what it
//! would have been told: the verdict is the same as if it had run from the beginning.

use hashlink::LruCache;
use proofloop_sandboxes::wasm::{Outcome, Running, Step, WasmError, WasmUsage};
use std::sync::{Arc, Mutex, PoisonError};

/// What is remembered for all tests together, in bytes.
const REMEMBERED_BYTES: usize = 64 << 20;
/// How much one check may add or replay, in bytes of messages.
const PATH_BYTES: usize = 1 << 20;
/// What an entry costs besides its messages, in bytes, roughly.
const ENTRY_BYTES: usize = 128;

/// What T said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// It asks for something.
    Request(Vec<u8>),
    /// It ended.
    Ended {
        /// Its last message.
        report: Option<Vec<u8>>,
        /// How.
        outcome: Outcome,
        /// Whether its own memory limit refused an allocation.
        memory_refused: bool,
    },
    /// It waits without having asked.
    Nothing,
}

impl Said {
    fn of(step: Step, memory_refused: bool) -> Self {
        match step {
            Step::Waiting(Some(request)) => Self::Request(request),
            Step::Waiting(None) => Self::Nothing,
            Step::Finished(report, outcome) => Self::Ended { report, outcome, memory_refused },
        }
    }

    /// Its size if the same messages bring it about every time; what a limit decided is not remembered.
    fn reproducible_bytes(&self) -> Option<usize> {
        match self {
            Self::Request(request) => Some(request.len()),
            Self::Ended { report, outcome: Outcome::Returned(_), memory_refused: false } => {
                Some(report.as_ref().map_or(0, Vec::len))
            }
            Self::Ended { .. } | Self::Nothing => None,
        }
    }
}

/// The state of T: a hash over its limits and every message that it has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State([u8; 32]);

impl State {
    fn after(self, message: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        Self(*hasher.update(message).finalize().as_bytes())
    }
}

/// Everything that is remembered; shared between threads.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Mutex<Entries>>);

#[derive(Debug)]
struct Entries {
    said: LruCache<State, Said>,
    bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { said: LruCache::new_unbounded(), bytes: 0 })))
    }
}

impl Memory {
    fn recall(&self, state: State) -> Option<Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).said.get(&state).cloned()
    }

    fn remember(&self, state: State, said: &Said) {
        let Some(bytes) = said.reproducible_bytes() else { return };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.bytes += bytes + ENTRY_BYTES;
        if let Some(old) = entries.said.insert(state, said.clone()) {
            entries.forget(&old);
        }
        while entries.bytes > REMEMBERED_BYTES {
            let Some((_, old)) = entries.said.remove_lru() else { break };
            entries.forget(&old);
        }
    }
}

impl Entries {
    fn forget(&mut self, old: &Said) {
        self.bytes = self.bytes.saturating_sub(old.reproducible_bytes().unwrap_or(0) + ENTRY_BYTES);
    }
}

/// What is driven message by message: an instance.
pub(super) trait Machine {
    /// Gives it a message and runs it until it waits or ends.
    fn tell(&mut self, message: Vec<u8>) -> Step;
    /// What it has used so far.
    fn usage(&self) -> WasmUsage;
}

impl Machine for Running {
    fn tell(&mut self, message: Vec<u8>) -> Step {
        self.resume(Some(message))
    }

    fn usage(&self) -> WasmUsage {
        Running::usage(self)
    }
}

/// T in one check: remembered for as long as possible, live from where nobody has been.
pub(super) struct Tester<F, M> {
    memory: Memory,
    start: F,
    state: State,
    /// What a live T has still to be told.
    untold: Vec<Vec<u8>>,
    path_bytes: usize,
    live: Option<M>,
}

impl<M: Machine, F: Fn() -> Result<M, WasmError>> Tester<F, M> {
    /// `limits`: whatever besides messages decides what T does; `start` makes a fresh T.
    pub(super) fn new(memory: Memory, limits: &[u64], start: F) -> Self {
        let mut hasher = blake3::Hasher::new();
        for limit in limits {
            hasher.update(&limit.to_le_bytes());
        }
        let state = State(*hasher.finalize().as_bytes());
        Self { memory, start, state, untold: Vec::new(), path_bytes: 0, live: None }
    }

    /// What T says to `message`.
    pub(super) fn tell(&mut self, message: Vec<u8>) -> Result<Said, WasmError> {
        self.state = self.state.after(&message);
        self.path_bytes += message.len();
        let said = match &mut self.live {
            Some(live) => speak(live, message),
            None => {
                self.untold.push(message);
                if let Some(said) = self.memory.recall(self.state) {
                    return Ok(said);
                }
                self.come_alive()?
            }
        };
        self.path_bytes += said.reproducible_bytes().unwrap_or(0);
        if self.path_bytes <= PATH_BYTES {
            self.memory.remember(self.state, &said);
        }
        Ok(said)
    }

    /// Starts T and tells it everything so far. It asks on the way what it asked before, or a limit ends it.
    fn come_alive(&mut self) -> Result<Said, WasmError> {
        let mut live = (self.start)()?;
        let mut said = Said::Nothing;
        for message in self.untold.drain(..) {
            said = speak(&mut live, message);
            if let Said::Ended { .. } = said {
                break;
            }
        }
        self.live = Some(live);
        Ok(said)
    }

    /// What a live T has used.
    pub(super) fn usage(&self) -> WasmUsage {
        self.live.as_ref().map(Machine::usage).unwrap_or_default()
    }
}

fn speak(machine: &mut impl Machine, message: Vec<u8>) -> Said {
    let step = machine.tell(message);
    Said::of(step, machine.usage().memory_refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Echoes what it is told and ends at `end`; times out at `slow`.
    struct Echo;

    impl Machine for Echo {
        fn tell(&mut self, message: Vec<u8>) -> Step {
            match message.as_slice() {
                b"end" => Step::Finished(Some(b"report".to_vec()), Outcome::Returned(7)),
                b"slow" => Step::Finished(None, Outcome::Timeout),
                _ => Step::Waiting(Some(message)),
            }
        }

        fn usage(&self) -> WasmUsage {
            WasmUsage::default()
        }
    }

    /// Found in review: a T that was stopped while it was told what it had missed went on to be told the rest.
    #[test]
    fn an_end_on_the_way_is_the_end() {
        struct Slow(u32);
        impl Machine for Slow {
            fn tell(&mut self, message: Vec<u8>) -> Step {
                self.0 += 1;
                match self.0 {
                    2 => Step::Finished(None, Outcome::Timeout),
                    _ => Step::Waiting(Some(message)),
                }
            }

            fn usage(&self) -> WasmUsage {
                WasmUsage::default()
            }
        }
        let (memory, starts) = (Memory::default(), Cell::new(0));
        conversation(&memory, &[1], &starts, &["job", "a"]);
        let mut tester = Tester::new(memory, &[1], || Ok(Slow(0)));
        let said: Vec<_> =
            ["job", "a", "new"].map(|message| tester.tell(message.into()).expect("Slow starts")).into();
        let timeout = Said::Ended { report: None, outcome: Outcome::Timeout, memory_refused: false };
        assert_eq!(said[2], timeout);
    }

    fn conversation(memory: &Memory, limits: &[u64], starts: &Cell<u32>, messages: &[&str]) -> Vec<Said> {
        let start = || {
            starts.set(starts.get() + 1);
            Ok(Echo)
        };
        let mut tester = Tester::new(memory.clone(), limits, start);
        let mut said = Vec::new();
        for message in messages {
            said.push(tester.tell(message.as_bytes().to_vec()).expect("Echo starts"));
        }
        said
    }

    #[test]
    fn a_known_path_needs_no_machine_and_says_the_same() {
        let (memory, starts) = (Memory::default(), Cell::new(0));
        let first = conversation(&memory, &[1], &starts, &["job", "a", "b", "end"]);
        assert_eq!(starts.get(), 1);
        assert_eq!(conversation(&memory, &[1], &starts, &["job", "a", "b", "end"]), first);
        assert_eq!(starts.get(), 1);
    }

    #[test]
    fn a_new_path_is_run_from_the_beginning() {
        let (memory, starts) = (Memory::default(), Cell::new(0));
        conversation(&memory, &[1], &starts, &["job", "a", "b", "end"]);
        let said = conversation(&memory, &[1], &starts, &["job", "a", "c", "end"]);
        assert_eq!(starts.get(), 2);
        assert_eq!(said[2], Said::Request(b"c".to_vec()));
        // The same last message after another path is another state.
        conversation(&memory, &[1], &starts, &["job", "end"]);
        assert_eq!(starts.get(), 3);
    }

    #[test]
    fn other_limits_are_another_machine() {
        let (memory, starts) = (Memory::default(), Cell::new(0));
        conversation(&memory, &[1], &starts, &["job", "end"]);
        conversation(&memory, &[2], &starts, &["job", "end"]);
        assert_eq!(starts.get(), 2);
    }

    #[test]
    fn what_a_limit_decided_is_not_remembered() {
        let (memory, starts) = (Memory::default(), Cell::new(0));
        conversation(&memory, &[1], &starts, &["job", "slow"]);
        let said = conversation(&memory, &[1], &starts, &["job", "slow"]);
        assert_eq!(starts.get(), 2);
        assert_eq!(said[1], Said::Ended { report: None, outcome: Outcome::Timeout, memory_refused: false });
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let (memory, starts) = (Memory::default(), Cell::new(0));
        let big = "x".repeat(PATH_BYTES / 4);
        for number in 0..2 * REMEMBERED_BYTES / big.len() {
            conversation(&memory, &[1], &starts, &[&number.to_string(), &big]);
        }
        let entries = memory.0.lock().expect("not poisoned");
        assert!(entries.bytes <= REMEMBERED_BYTES, "{} bytes", entries.bytes);
        let counted: usize =
            entries.said.iter().map(|(_, said)| said.reproducible_bytes().unwrap_or(0) + ENTRY_BYTES).sum();
        assert_eq!(counted, entries.bytes);
    }

    #[test]
    fn a_long_path_is_not_remembered() {
        let (memory, starts) = (Memory::default(), Cell::new(0));
        let big = "x".repeat(PATH_BYTES + 1);
        conversation(&memory, &[1], &starts, &["job", &big, "end"]);
        conversation(&memory, &[1], &starts, &["job", &big, "end"]);
        assert_eq!(starts.get(), 2);
    }
}
