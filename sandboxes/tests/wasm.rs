//! The wasm sandbox with a hand-made guest of a few instructions: outcomes, limits, isolation, the cache.

use proofloop_sandboxes::wasm::{
    CancelFlag, GuestSpec, Outcome, SelfTest, Snapshot, Step, WasmError, WasmPolicy,
};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::time::Duration;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, ImportSection, MemArg, MemorySection, MemoryType, Module,
    RefType, TableSection, TableType, TypeSection, ValType,
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const ENTRIES: [&str; 9] = ["ok", "spin", "grow", "exit", "trap", "flood", "echo", "sleep", "count"];
const TRUE_ADDRESS: i32 = 42;
const IMPORTS: u32 = 4;
const COUNTER_AT: i32 = 512;
const VECTOR_AT: i32 = 600;
const SUBSCRIPTION_AT: i32 = 640;
const ANNOUNCEMENT_AT: i32 = 2048;
const BUFFER_AT: i32 = 8192;

fn word(offset: u64) -> MemArg {
    MemArg { offset, align: 2, memory_index: 0 }
}

/// Writes or reads `len_bytes` at `at` on `fd` by the imported function `call`.
fn transfer(function: &mut Function, call: u32, fd: i32, at: i32, len_bytes: i32) {
    let mut code = function.instructions();
    code.i32_const(VECTOR_AT).i32_const(at).i32_store(word(0));
    code.i32_const(VECTOR_AT).i32_const(len_bytes).i32_store(word(4));
    code.i32_const(fd).i32_const(VECTOR_AT).i32_const(1).i32_const(VECTOR_AT + 8).call(call).drop();
}

fn body(entry: &str) -> Function {
    let mut function = Function::new([]);
    match entry {
        "spin" => {
            function.instructions().loop_(BlockType::Empty).br(0).end().i32_const(0);
        }
        "grow" => {
            // 1000 pages of 64 KiB, then whatever memory.grow answers.
            function.instructions().i32_const(1000).memory_grow(0);
        }
        "exit" => {
            function.instructions().i32_const(3).call(3).i32_const(0);
        }
        "trap" => {
            function.instructions().unreachable();
        }
        "flood" => {
            function.instructions().loop_(BlockType::Empty);
            transfer(&mut function, 0, 1, BUFFER_AT, 4096);
            function.instructions().br(0).end().i32_const(0);
        }
        "echo" => {
            transfer(&mut function, 1, 2, BUFFER_AT, 16);
            transfer(&mut function, 0, 0, BUFFER_AT, 5);
            function.instructions().i32_const(TRUE_ADDRESS);
        }
        "sleep" => {
            let mut code = function.instructions();
            code.i32_const(SUBSCRIPTION_AT).i64_const(3_600_000_000_000).i64_store(MemArg {
                offset: 24,
                align: 3,
                memory_index: 0,
            });
            code.i32_const(SUBSCRIPTION_AT).i32_const(1).i32_store(word(16));
            code.i32_const(SUBSCRIPTION_AT).i32_const(BUFFER_AT).i32_const(1).i32_const(VECTOR_AT).call(2);
        }
        "count" => {
            let mut code = function.instructions();
            code.i32_const(COUNTER_AT)
                .i32_const(COUNTER_AT)
                .i32_load(word(0))
                .i32_const(1)
                .i32_add()
                .i32_store(word(0));
            code.i32_const(COUNTER_AT).i32_load(word(0));
        }
        _ => {
            function.instructions().i32_const(TRUE_ADDRESS);
        }
    }
    function.instructions().end();
    function
}

/// Address of an entry's "function object", whose first word is its table index.
fn object_at(index: usize) -> i32 {
    16 + 4 * index as i32
}

fn guest_module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    for (name, kind) in [("fd_write", 0), ("fd_read", 0), ("poll_oneoff", 0), ("proc_exit", 1)] {
        imports.import("wasi_snapshot_preview1", name, EntityType::Function(kind));
    }
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut announcement = format!("object true {TRUE_ADDRESS}\n");
    let mut objects = Vec::new();
    for (index, entry) in ENTRIES.iter().enumerate() {
        functions.function(0);
        code.function(&body(entry));
        announcement.push_str(&format!("entry {entry} {}\n", object_at(index)));
        objects.extend((index as u32 + 1).to_le_bytes());
    }
    functions.function(2);
    let mut start = Function::new([]);
    transfer(&mut start, 0, 0, ANNOUNCEMENT_AT, announcement.len() as i32);
    start.instructions().i32_const(0).call(3).end();
    code.function(&start);

    let count = ENTRIES.len() as u32;
    let mut tables = TableSection::new();
    let limits = (u64::from(count) + 1, Some(u64::from(count) + 1));
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: limits.0,
        maximum: limits.1,
        shared: false,
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0).export("_start", ExportKind::Func, IMPORTS + count);
    let mut elements = ElementSection::new();
    let indices: Vec<u32> = (IMPORTS..IMPORTS + count).collect();
    elements.active(None, &ConstExpr::i32_const(1), Elements::Functions(indices.into()));
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(object_at(0)), objects);
    data.active(0, &ConstExpr::i32_const(ANNOUNCEMENT_AT), announcement.into_bytes());

    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories);
    module.section(&exports).section(&elements).section(&code).section(&data);
    module.finish()
}

fn spec(folder: &Path) -> Result<GuestSpec, std::io::Error> {
    let wasm = folder.join("guest.wasm");
    let bytes = guest_module();
    std::fs::write(&wasm, &bytes)?;
    let wasm_sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(GuestSpec {
        name: "tiny".to_owned(),
        wasm,
        wasm_sha256,
        vectorcall_offset_bytes: 0,
        start: vec!["_start".to_owned()],
        exceptions: false,
        fuel: false,
        arguments: Vec::new(),
        environment: Vec::new(),
        files: Vec::new(),
        self_test: SelfTest { entry: "ok".to_owned(), returns: "true".to_owned() },
    })
}

fn policy() -> WasmPolicy {
    WasmPolicy {
        wall: Duration::from_millis(300),
        memory_bytes: 8 << 20,
        table_elements: 1000,
        output_bytes: 64 << 10,
        kept_output_bytes: 1024,
        fuel: None,
        random_seed: 0,
    }
}

fn outcome(snapshot: &Snapshot, entry: &str) -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut running = snapshot.start(entry, &policy(), Vec::new(), CancelFlag::new())?;
    match running.resume(None) {
        Step::Finished(_, outcome) => Ok(outcome),
        Step::Waiting(message) => Err(format!("{entry} waits after {message:?}").into()),
    }
}

#[test]
fn outcomes_and_limits() -> TestResult {
    let folder = tempfile::tempdir()?;
    let snapshot = Snapshot::prepare(&spec(folder.path())?, &folder.path().join("cache"))?;
    assert_eq!(outcome(&snapshot, "ok")?, Outcome::Returned(42));
    assert_eq!(outcome(&snapshot, "spin")?, Outcome::Timeout);
    assert_eq!(outcome(&snapshot, "exit")?, Outcome::Exited(3));
    assert_eq!(outcome(&snapshot, "flood")?, Outcome::OutputLimit);
    assert_eq!(outcome(&snapshot, "sleep")?, Outcome::Timeout);
    assert!(matches!(outcome(&snapshot, "trap")?, Outcome::Trap { .. }));
    assert!(
        matches!(outcome(&snapshot, "nothing"), Err(error) if error.to_string().contains("no entry point"))
    );
    Ok(())
}

#[test]
fn a_refused_allocation_is_seen_by_the_guest_and_the_host() -> TestResult {
    let folder = tempfile::tempdir()?;
    let snapshot = Snapshot::prepare(&spec(folder.path())?, &folder.path().join("cache"))?;
    let mut running = snapshot.start("grow", &policy(), Vec::new(), CancelFlag::new())?;
    assert!(matches!(running.resume(None), Step::Finished(_, Outcome::Returned(u32::MAX))));
    assert!(running.usage().memory_refused);
    let too_small = WasmPolicy { memory_bytes: 1000, ..policy() };
    let refused = snapshot.start("ok", &too_small, Vec::new(), CancelFlag::new());
    assert!(matches!(refused, Err(WasmError::MemoryTooSmall { .. })));
    let fuelled = WasmPolicy { fuel: Some(1), ..policy() };
    assert!(matches!(snapshot.start("ok", &fuelled, Vec::new(), CancelFlag::new()), Err(WasmError::NoFuel)));
    Ok(())
}

#[test]
fn messages_go_both_ways_and_instances_share_nothing() -> TestResult {
    let folder = tempfile::tempdir()?;
    let snapshot = Snapshot::prepare(&spec(folder.path())?, &folder.path().join("cache"))?;
    let mut running = snapshot.start("echo", &policy(), Vec::new(), CancelFlag::new())?;
    assert!(matches!(running.resume(None), Step::Waiting(None)));
    let Step::Finished(Some(message), Outcome::Returned(42)) = running.resume(Some(b"hello".to_vec())) else {
        return Err("no echo".into());
    };
    assert_eq!(message, b"hello");
    assert!(matches!(running.resume(None), Step::Finished(None, Outcome::Trap { .. })));
    for _ in 0..3 {
        assert_eq!(outcome(&snapshot, "count")?, Outcome::Returned(1));
    }
    Ok(())
}

#[test]
fn fuel_and_cancellation() -> TestResult {
    let folder = tempfile::tempdir()?;
    let fuelled = GuestSpec { fuel: true, ..spec(folder.path())? };
    let snapshot = Snapshot::prepare(&fuelled, &folder.path().join("cache"))?;
    let limited = WasmPolicy { fuel: Some(100_000), wall: Duration::from_secs(60), ..policy() };
    let mut running = snapshot.start("spin", &limited, Vec::new(), CancelFlag::new())?;
    assert!(matches!(running.resume(None), Step::Finished(_, Outcome::FuelLimit)));
    let cancel = CancelFlag::new();
    cancel.cancel();
    let patient = WasmPolicy { wall: Duration::from_secs(60), ..policy() };
    let mut running = snapshot.start("spin", &patient, Vec::new(), cancel)?;
    assert!(matches!(running.resume(None), Step::Finished(_, Outcome::Cancelled)));
    Ok(())
}

#[test]
fn the_cache_is_checked_and_mended_and_the_pin_holds() -> TestResult {
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("cache");
    let mut spec = spec(folder.path())?;
    let key = Snapshot::prepare(&spec, &cache)?.key().to_owned();
    let file = std::fs::read_dir(&cache)?.next().ok_or("nothing cached")??.path();
    let whole = std::fs::read(&file)?;
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&file, &damaged)?;
    let snapshot = Snapshot::prepare(&spec, &cache)?;
    assert_eq!((snapshot.key(), outcome(&snapshot, "ok")?), (key.as_str(), Outcome::Returned(42)));
    assert_ne!(std::fs::read(&file)?, damaged);

    spec.self_test.entry = "count".to_owned();
    assert!(matches!(Snapshot::prepare(&spec, &cache), Err(WasmError::SelfTest { .. })));
    spec.wasm_sha256 = "0".repeat(64);
    assert!(matches!(Snapshot::prepare(&spec, &cache), Err(WasmError::WrongHash { .. })));
    Ok(())
}
