//! What an instance carries with it, and the WASI calls that have nothing to do with files.

use super::capture::Capture;
use super::files::FileTable;
use super::{HostFile, WasmPolicy};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::{Caller, Error, Linker, Memory, ResourceLimiter, Result};

/// Why the host stopped a guest from within a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the guest exited with status {0}")]
    Exit(i32),
    #[error("the deadline has passed")]
    Timeout,
    #[error("the caller cancelled")]
    Cancelled,
    #[error("too much output")]
    OutputLimit,
    #[error("a message was too large")]
    MessageLimit,
}

/// WASI error numbers that the host answers with.
pub(crate) mod errno {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const BADF: u32 = 8;
    pub(crate) const INVAL: u32 = 28;
    pub(crate) const ISDIR: u32 = 31;
    pub(crate) const MFILE: u32 = 33;
    pub(crate) const NOENT: u32 = 44;
    pub(crate) const NOSYS: u32 = 52;
    pub(crate) const SPIPE: u32 = 70;
    pub(crate) const NOTCAPABLE: u32 = 76;
}

/// The virtual clock starts here (nanoseconds since 1970), the same in every run.
const CLOCK_START_NS: u64 = 1_767_225_600_000_000_000;
/// Every look at the clock takes this long, so that a loop that waits for the clock makes progress.
const CLOCK_STEP_NS: u64 = 1_000;

/// The part of an instance's state that its driver can see between two steps.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The last message that the guest wrote since its driver looked.
    pub(crate) outbox: Option<Vec<u8>>,
    /// The message that the guest is reading.
    pub(crate) inbox: Option<Inbox>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) memory_refused: bool,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) message: Vec<u8>,
    pub(crate) read_bytes: usize,
}

/// Locks, and goes on after a panic elsewhere: the state is plain data.
pub(crate) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state inside a store.
pub(crate) struct State {
    pub(crate) shared: Arc<Mutex<Shared>>,
    pub(crate) memory: Option<Memory>,
    pub(crate) files: FileTable,
    pub(crate) stdin: Vec<u8>,
    pub(crate) stdin_read_bytes: usize,
    pub(crate) written_bytes: u64,
    pub(crate) policy: WasmPolicy,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<String>,
    clock_ns: u64,
    slept_ns: u64,
    random: u64,
}

impl State {
    pub(crate) fn new(policy: WasmPolicy, stdin: Vec<u8>, files: Arc<[HostFile]>) -> Self {
        let half = policy.kept_output_bytes;
        let shared = Shared { stdout: Capture::new(half), stderr: Capture::new(half), ..Shared::default() };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            memory: None,
            files: FileTable::new(files),
            stdin,
            stdin_read_bytes: 0,
            written_bytes: 0,
            random: policy.random_seed,
            policy,
            arguments: Vec::new(),
            environment: Vec::new(),
            clock_ns: 0,
            slept_ns: 0,
        }
    }

    fn tick_ns(&mut self) -> u64 {
        self.clock_ns = self.clock_ns.saturating_add(CLOCK_STEP_NS);
        self.clock_ns
    }

    /// Sleeps on the virtual clock; beyond the wall limit in total it is a time-out.
    fn sleep(&mut self, ns: u64) -> Result<(), Stop> {
        self.clock_ns = self.clock_ns.saturating_add(ns);
        self.slept_ns = self.slept_ns.saturating_add(ns);
        if u128::from(self.slept_ns) > self.policy.wall.as_nanos() { Err(Stop::Timeout) } else { Ok(()) }
    }

    /// SplitMix64: good enough to look random, and the same in every run.
    fn random_byte(&mut self) -> u8 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as u8
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let granted = desired as u64 <= self.policy.memory_bytes;
        let mut shared = lock(&self.shared);
        if granted {
            shared.peak_memory_bytes = shared.peak_memory_bytes.max(desired as u64);
        } else {
            shared.memory_refused = true;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= self.policy.table_elements)
    }
}

/// The guest's memory and the state beside it.
pub(crate) fn split<'a>(caller: &'a mut Caller<'_, State>) -> Result<(&'a mut [u8], &'a mut State)> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        None => caller
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| Error::msg("the guest exports no memory"))?,
    };
    caller.data_mut().memory = Some(memory);
    Ok(memory.data_and_store_mut(caller))
}

fn out_of_bounds() -> Error {
    Error::msg("a pointer of the guest lies outside its memory")
}

pub(crate) fn range(memory: &mut [u8], start: u32, len_bytes: u32) -> Result<&mut [u8]> {
    let start = start as usize;
    memory.get_mut(start..start.saturating_add(len_bytes as usize)).ok_or_else(out_of_bounds)
}

pub(crate) fn write(memory: &mut [u8], at: u32, bytes: &[u8]) -> Result<()> {
    let len_bytes = u32::try_from(bytes.len())?;
    range(memory, at, len_bytes)?.copy_from_slice(bytes);
    Ok(())
}

pub(crate) fn read_u32(memory: &[u8], at: u32) -> Result<u32> {
    let at = at as usize;
    let bytes = memory.get(at..at.saturating_add(4)).ok_or_else(out_of_bounds)?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}

fn read_u64(memory: &[u8], at: u32) -> Result<u64> {
    let low = read_u32(memory, at)?;
    let high = read_u32(memory, at.saturating_add(4))?;
    Ok(u64::from(low) | u64::from(high) << 32)
}

pub(crate) const WASI: &str = "wasi_snapshot_preview1";

/// Defines the calls of this file.
pub(crate) fn define(linker: &mut Linker<State>) -> Result<()> {
    strings(linker, "args_get", "args_sizes_get", |state| &state.arguments)?;
    strings(linker, "environ_get", "environ_sizes_get", |state| &state.environment)?;
    linker.func_wrap(WASI, "clock_res_get", |mut caller: Caller<'_, State>, _clock: u32, at: u32| {
        let (memory, _) = split(&mut caller)?;
        write(memory, at, &CLOCK_STEP_NS.to_le_bytes())?;
        Ok(errno::SUCCESS)
    })?;
    linker.func_wrap(
        WASI,
        "clock_time_get",
        |mut caller: Caller<'_, State>, clock: u32, _precision: u64, at: u32| {
            let (memory, state) = split(&mut caller)?;
            let start = if clock == 0 { CLOCK_START_NS } else { 0 };
            write(memory, at, &start.saturating_add(state.tick_ns()).to_le_bytes())?;
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap(WASI, "random_get", |mut caller: Caller<'_, State>, at: u32, len_bytes: u32| {
        let (memory, state) = split(&mut caller)?;
        range(memory, at, len_bytes)?.iter_mut().for_each(|byte| *byte = state.random_byte());
        Ok(errno::SUCCESS)
    })?;
    linker.func_wrap(WASI, "sched_yield", || errno::SUCCESS)?;
    linker
        .func_wrap(WASI, "proc_exit", |status: i32| -> Result<()> { Err(Error::new(Stop::Exit(status))) })?;
    linker.func_wrap(WASI, "poll_oneoff", poll_oneoff)?;
    Ok(())
}

fn strings(
    linker: &mut Linker<State>,
    get: &str,
    sizes: &str,
    of: impl Fn(&State) -> &Vec<String> + Copy + Send + Sync + 'static,
) -> Result<()> {
    linker.func_wrap(WASI, sizes, move |mut caller: Caller<'_, State>, count_at: u32, len_at: u32| {
        let (memory, state) = split(&mut caller)?;
        let len_bytes: usize = of(state).iter().map(|text| text.len() + 1).sum();
        let count = u32::try_from(of(state).len())?;
        write(memory, count_at, &count.to_le_bytes())?;
        write(memory, len_at, &u32::try_from(len_bytes)?.to_le_bytes())?;
        Ok(errno::SUCCESS)
    })?;
    linker.func_wrap(
        WASI,
        get,
        move |mut caller: Caller<'_, State>, mut pointers_at: u32, mut at: u32| {
            let (memory, state) = split(&mut caller)?;
            for text in of(state) {
                write(memory, pointers_at, &at.to_le_bytes())?;
                write(memory, at, text.as_bytes())?;
                at = at.saturating_add(u32::try_from(text.len())?);
                write(memory, at, &[0])?;
                at = at.saturating_add(1);
                pointers_at = pointers_at.saturating_add(4);
            }
            Ok(errno::SUCCESS)
        },
    )?;
    Ok(())
}

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// Clock subscriptions sleep on the virtual clock; descriptors are always ready. Only when there is no
/// descriptor is the shortest clock waited for, as the real call would.
fn poll_oneoff(
    mut caller: Caller<'_, State>,
    input: u32,
    output: u32,
    count: u32,
    events_at: u32,
) -> Result<u32> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Ok(errno::INVAL);
    }
    let (memory, state) = split(&mut caller)?;
    let mut shortest_ns: Option<u64> = None;
    let mut ready = Vec::new();
    let mut clocks = Vec::new();
    for index in 0..count {
        let at = input.saturating_add(index * SUBSCRIPTION_BYTES);
        let user_data = read_u64(memory, at)?;
        let kind = range(memory, at.saturating_add(8), 1)?[0];
        if kind != 0 {
            ready.push((user_data, kind));
            continue;
        }
        let clock = read_u32(memory, at.saturating_add(16))?;
        let timeout_ns = read_u64(memory, at.saturating_add(24))?;
        let absolute = range(memory, at.saturating_add(40), 1)?[0] & 1 == 1;
        let now_ns = state.clock_ns.saturating_add(if clock == 0 { CLOCK_START_NS } else { 0 });
        let wait_ns = if absolute { timeout_ns.saturating_sub(now_ns) } else { timeout_ns };
        shortest_ns = Some(shortest_ns.map_or(wait_ns, |shortest| shortest.min(wait_ns)));
        clocks.push((wait_ns, user_data));
    }
    if ready.is_empty()
        && let Some(wait_ns) = shortest_ns
    {
        state.sleep(wait_ns).map_err(Error::new)?;
        ready.extend(clocks.iter().filter(|clock| clock.0 == wait_ns).map(|clock| (clock.1, 0)));
    }
    for (index, (user_data, kind)) in (0u32..).zip(&ready) {
        let mut event = [0u8; EVENT_BYTES as usize];
        event[..8].copy_from_slice(&user_data.to_le_bytes());
        event[10] = *kind;
        event[16] = 1;
        write(memory, output.saturating_add(index * EVENT_BYTES), &event)?;
    }
    write(memory, events_at, &u32::try_from(ready.len())?.to_le_bytes())?;
    Ok(errno::SUCCESS)
}
