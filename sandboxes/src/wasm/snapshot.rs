//! A booted guest, frozen: how it is built, cached, and instantiated.

use super::artifact::{self, Symbols};
use super::engine::{EngineOptions, start_ticker};
use super::guest::{self, TABLE_EXPORT, hex_sha256};
use super::host::{self, Shared, State, errno, lock};
use super::running::{CancelFlag, NotStarted, Outcome, Running, Step, limit};
use super::{GuestSpec, HostFile, WasmError, WasmPolicy, stdio};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use wasmtime::{Engine, ExternType, InstancePre, Linker, Module, Store, Val};
use wasmtime_wizer::{WasmtimeWizer, Wizer};

/// Booting runs trusted text only; these limits are for a guest that is not what it seems.
const BOOT_WALL: Duration = Duration::from_secs(600);
const BOOT_MEMORY_BYTES: u64 = 2 << 30;
const BOOT_TABLE_ELEMENTS: usize = 1 << 20;
const BOOT_OUTPUT_BYTES: u64 = 1 << 20;
const SELF_TEST_WALL: Duration = Duration::from_secs(60);

/// A booted guest, compiled and ready. Cheap to clone; shared between threads.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    pre: InstancePre<State>,
    symbols: Symbols,
    files: Arc<[HostFile]>,
    name: String,
    key: String,
    fuel: bool,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Snapshot")
            .field("name", &self.inner.name)
            .field("key", &self.inner.key)
            .finish()
    }
}

impl Snapshot {
    /// Loads the compiled snapshot from `cache_dir`, or builds it there (tens of seconds, once).
    ///
    /// # Errors
    /// When the artifact is not the pinned one, does not boot, fails its self-test, or a file cannot be written.
    pub fn prepare(spec: &GuestSpec, cache_dir: &Path) -> Result<Self, WasmError> {
        let options = EngineOptions { exceptions: spec.exceptions, fuel: spec.fuel, for_boot: false };
        let key = hex_sha256(&[options.fingerprint().as_bytes(), b"|", spec.fingerprint().as_bytes()]);
        let path = cache_dir.join(format!("{}-{}.cwasm", spec.name, &key[..32]));
        let engine = options.engine()?;
        if let Some((symbols, code)) = artifact::load(&path) {
            // SAFETY: the bytes are what `artifact::store` wrote after compiling with the same options (they are
            // part of the file's name) and have just been checked against their hash; wasmtime checks its version.
            let module = unsafe { Module::deserialize(&engine, &code) };
            match module {
                Ok(module) => return Self::assemble(spec, key, &engine, &module, symbols),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "compiled guest unusable, building it again");
                }
            }
        }
        let (wasm, symbols) = boot(spec)?;
        let module =
            Module::new(&engine, &wasm).map_err(|error| WasmError::engine("compile the snapshot", error))?;
        let snapshot = Self::assemble(spec, key, &engine, &module, symbols)?;
        snapshot.self_test(spec)?;
        let code = module.serialize().map_err(|error| WasmError::engine("serialize the snapshot", error))?;
        artifact::store(&path, &snapshot.inner.symbols, &code)?;
        Ok(snapshot)
    }

    fn assemble(
        spec: &GuestSpec,
        key: String,
        engine: &Engine,
        module: &Module,
        symbols: Symbols,
    ) -> Result<Self, WasmError> {
        let linker = linker_for(engine, module)?;
        let pre =
            linker.instantiate_pre(module).map_err(|error| WasmError::engine("link the guest", error))?;
        start_ticker(engine)?;
        let inner = Inner {
            pre,
            symbols,
            files: spec.files.clone().into(),
            name: spec.name.clone(),
            key,
            fuel: spec.fuel,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn self_test(&self, spec: &GuestSpec) -> Result<(), WasmError> {
        let policy = WasmPolicy {
            wall: SELF_TEST_WALL,
            memory_bytes: BOOT_MEMORY_BYTES,
            table_elements: BOOT_TABLE_ELEMENTS,
            output_bytes: BOOT_OUTPUT_BYTES,
            kept_output_bytes: 16 << 10,
            fuel: None,
            random_seed: 0,
        };
        let expected = self.object(&spec.self_test.returns)?;
        let mut running = self.start(&spec.self_test.entry, &policy, Vec::new(), CancelFlag::new())?;
        let step = running.resume(None);
        if let Step::Finished(_, Outcome::Returned(address)) = &step
            && *address == expected
        {
            return Ok(());
        }
        Err(WasmError::SelfTest { why: format!("{step:?}: {}", running.stderr().to_text()) })
    }

    /// The content address of this snapshot: artifact, boot script, configuration.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.inner.key
    }

    /// The guest's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Linear memory of a fresh instance, in bytes; a smaller limit cannot start.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.inner.symbols.memory_bytes
    }

    /// Address of an object that the boot script announced.
    ///
    /// # Errors
    /// When it announced none of that name.
    pub fn object(&self, name: &str) -> Result<u32, WasmError> {
        let found = self.inner.symbols.objects.get(name).copied();
        found.ok_or_else(|| WasmError::NoSuchEntry { name: name.to_owned() })
    }

    /// A fresh instance that will call `entry` without arguments once it is first resumed.
    ///
    /// # Errors
    /// When there is no such entry, or the policy asks for fuel that the guest was not compiled for.
    pub fn start(
        &self,
        entry: &str,
        policy: &WasmPolicy,
        stdin: Vec<u8>,
        cancel: CancelFlag,
    ) -> Result<Running, WasmError> {
        if policy.fuel.is_some() && !self.inner.fuel {
            return Err(WasmError::NoFuel);
        }
        let symbols = &self.inner.symbols;
        if policy.memory_bytes < symbols.memory_bytes {
            return Err(WasmError::MemoryTooSmall { least_bytes: symbols.memory_bytes });
        }
        let (object, function) =
            *symbols.entries.get(entry).ok_or_else(|| WasmError::NoSuchEntry { name: entry.to_owned() })?;
        let pre = self.inner.pre.clone();
        let state = State::new(policy.clone(), stdin, Arc::clone(&self.inner.files));
        let shared = Arc::clone(&state.shared);
        let mut store = Store::new(pre.module().engine(), state);
        limit(&mut store, cancel)?;
        let call = Box::pin(async move {
            let instance = pre
                .instantiate_async(&mut store)
                .await
                .map_err(|error| wasmtime::Error::new(NotStarted(format!("{error:#}"))))?;
            let table = instance
                .get_table(&mut store, TABLE_EXPORT)
                .ok_or_else(|| wasmtime::Error::msg("the guest exports no table"))?;
            let function = table
                .get(&mut store, u64::from(function))
                .and_then(|value| value.as_func().flatten().copied())
                .ok_or_else(|| wasmtime::Error::msg("the entry is not in the table"))?;
            let function = function.typed::<(u32, u32, u32, u32), u32>(&store)?;
            function.call_async(&mut store, (object, 0, 0, 0)).await
        });
        Ok(Running::new(call, shared))
    }
}

/// What a function that the host does not offer answers outside WASI, where it answers "not implemented".
const NOT_OFFERED: i32 = -1;

/// The deny-all host: what is not defined by hand does nothing and says so.
fn linker_for(engine: &Engine, module: &Module) -> Result<Linker<State>, WasmError> {
    let failed = |error| WasmError::engine("define the host", error);
    let mut linker = Linker::new(engine);
    host::define(&mut linker).map_err(failed)?;
    stdio::define(&mut linker).map_err(failed)?;
    let mut probe = Store::new(engine, idle_state());
    for import in module.imports() {
        let ExternType::Func(kind) = import.ty() else { continue };
        if linker.get_by_import(&mut probe, &import).is_some() {
            continue;
        }
        let answer = if import.module() == host::WASI { errno::NOSYS as i32 } else { NOT_OFFERED };
        let one_int = kind.results().len() == 1 && kind.results().all(|result| result.is_i32());
        linker
            .func_new(import.module(), import.name(), kind, move |_, _, results| {
                match results.first_mut() {
                    Some(result) if one_int => *result = Val::I32(answer),
                    None => {}
                    Some(_) => {
                        return Err(wasmtime::Error::msg("a host function that is not offered was called"));
                    }
                }
                Ok(())
            })
            .map_err(failed)?;
    }
    Ok(linker)
}

fn boot_policy() -> WasmPolicy {
    WasmPolicy {
        wall: BOOT_WALL,
        memory_bytes: BOOT_MEMORY_BYTES,
        table_elements: BOOT_TABLE_ELEMENTS,
        output_bytes: BOOT_OUTPUT_BYTES,
        kept_output_bytes: 16 << 10,
        fuel: None,
        random_seed: 0,
    }
}

fn idle_state() -> State {
    State::new(boot_policy(), Vec::new(), Arc::from(Vec::new()))
}

/// Runs the boot script and freezes the instance: the new module and what the script announced.
fn boot(spec: &GuestSpec) -> Result<(Vec<u8>, Symbols), WasmError> {
    let module_bytes = guest::rewrite(&spec.read_wasm()?)?;
    let mut wizer = Wizer::new();
    wizer.init_func("_start").keep_init_func(true);
    let (context, instrumented) =
        wizer.instrument(&module_bytes).map_err(|error| WasmError::engine("instrument the guest", error))?;
    let engine = EngineOptions { exceptions: spec.exceptions, fuel: false, for_boot: true }.engine()?;
    start_ticker(&engine)?;
    let module =
        Module::new(&engine, &instrumented).map_err(|error| WasmError::engine("compile the guest", error))?;
    let mut state = State::new(boot_policy(), Vec::new(), spec.files.clone().into());
    state.arguments.clone_from(&spec.arguments);
    state.environment = spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let shared = Arc::clone(&state.shared);
    let mut store = Store::new(&engine, state);
    limit(&mut store, CancelFlag::new())?;
    let linker = linker_for(&engine, &module)?;
    let instance = ready(linker.instantiate_async(&mut store, &module))
        .ok_or_else(|| boot_failed(&shared, "it waits for a message"))?
        .map_err(|error| WasmError::engine("instantiate the guest", error))?;
    run_start(spec, &mut store, instance, &shared)?;
    let memory = instance
        .get_memory(&mut store, "memory")
        .ok_or_else(|| boot_failed(&shared, "it exports no memory"))?;
    let announced = lock(&shared).outbox.take().unwrap_or_default();
    let symbols = read_announcement(&announced, memory.data_mut(&mut store), spec.vectorcall_offset_bytes)
        .ok_or_else(|| boot_failed(&shared, "its announcement is malformed"))?;
    let wasm = ready(wizer.snapshot(&context, &mut WasmtimeWizer { store: &mut store, instance }))
        .ok_or_else(|| boot_failed(&shared, "the snapshot did not finish"))?
        .map_err(|error| WasmError::engine("freeze the guest", error))?;
    Ok((wasm, symbols))
}

/// Calls the exports that boot the guest; the last thing they do must be `proc_exit(0)`.
fn run_start(
    spec: &GuestSpec,
    store: &mut Store<State>,
    instance: wasmtime::Instance,
    shared: &Mutex<Shared>,
) -> Result<(), WasmError> {
    for name in &spec.start {
        let function = instance
            .get_func(&mut *store, name)
            .ok_or_else(|| boot_failed(shared, &format!("it exports no {name}")))?;
        let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
        let left = ready(function.call_async(&mut *store, &[], &mut results))
            .ok_or_else(|| boot_failed(shared, "it waits for a message"))?;
        match left {
            Err(error) if error.downcast_ref::<host::Stop>() == Some(&host::Stop::Exit(0)) => return Ok(()),
            Err(error) => return Err(boot_failed(shared, &format!("{error:#}"))),
            Ok(()) => {}
        }
    }
    Err(boot_failed(shared, "it returned, so the interpreter is finalised"))
}

fn boot_failed(shared: &Mutex<Shared>, why: &str) -> WasmError {
    WasmError::Boot { why: format!("{why}; {}", lock(shared).stderr.snapshot().to_text()) }
}

/// Polls once: none of these futures has anything to wait for but a message, and nobody would send one.
fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Reads what the boot script announced, and carries out its `word` lines.
fn read_announcement(announced: &[u8], memory: &mut [u8], vectorcall_offset_bytes: u32) -> Option<Symbols> {
    let mut symbols = Symbols { memory_bytes: memory.len() as u64, ..Symbols::default() };
    for line in std::str::from_utf8(announced).ok()?.lines() {
        let mut words = line.split(' ');
        let (kind, name, number) = (words.next()?, words.next()?, words.next()?.parse::<u32>().ok()?);
        match kind {
            "entry" => {
                let function = host::read_u32(memory, number.checked_add(vectorcall_offset_bytes)?).ok()?;
                symbols.entries.insert(name.to_owned(), (number, function));
            }
            "object" => {
                symbols.objects.insert(name.to_owned(), number);
            }
            "word" => host::write(memory, name.parse().ok()?, &number.to_le_bytes()).ok()?,
            _ => return None,
        }
    }
    Some(symbols)
}
