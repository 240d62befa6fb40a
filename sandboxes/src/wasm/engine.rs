//! wasmtime's configuration, and the one thread per engine that ticks its epoch.

use super::WasmError;
use std::time::Duration;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often deadlines and cancellation are looked at.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(10);

/// Native stack of a guest. Deep C recursion inside an interpreter ends in a trap at this size.
const WASM_STACK_BYTES: usize = 2 << 20;
/// The coroutine's stack: the guest's part and room for the host functions on top of it.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + (512 << 10);
/// Largest memory image that is mapped copy-on-write instead of being copied segment by segment.
const DENSE_IMAGE_BYTES: u64 = 256 << 20;

/// Instances alive at once; two per check. Only address space is reserved for them.
const MAX_INSTANCES: u32 = 128;
/// Largest linear memory, whatever a policy allows.
const MAX_MEMORY_BYTES: usize = 4 << 30;
const MAX_TABLE_ELEMENTS: usize = 1 << 16;
const MAX_INSTANCE_BYTES: usize = 4 << 20;
/// What a free slot keeps, at most.
const KEPT_MEMORY_BYTES: usize = 16 << 20;
const KEPT_TABLE_BYTES: usize = 512 << 10;
const KEPT_STACK_BYTES: usize = 128 << 10;

/// What distinguishes two engines; part of the cache key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EngineOptions {
    pub(crate) exceptions: bool,
    pub(crate) fuel: bool,
    /// For the one boot run: compile fast instead of well.
    pub(crate) for_boot: bool,
}

impl EngineOptions {
    /// The configuration in words, with wasmtime's version, for the cache key.
    pub(crate) fn fingerprint(self) -> String {
        format!("wasmtime-48 {self:?} stack={WASM_STACK_BYTES} {}", std::env::consts::ARCH)
    }

    pub(crate) fn engine(self) -> Result<Engine, WasmError> {
        let mut config = Config::new();
        config
            .cranelift_opt_level(if self.for_boot { OptLevel::None } else { OptLevel::Speed })
            .max_wasm_stack(WASM_STACK_BYTES)
            .async_stack_size(FIBER_STACK_BYTES)
            .epoch_interruption(true)
            .consume_fuel(self.fuel)
            .memory_init_cow(true)
            .memory_guaranteed_dense_image_size(DENSE_IMAGE_BYTES)
            .wasm_exceptions(self.exceptions)
            .generate_address_map(false);
        if !self.for_boot {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
        }
        Engine::new(&config).map_err(|error| WasmError::engine("configure an engine", error))
    }
}

/// Slots that are used again: the pages that an instance has written are restored from the snapshot (found by the
/// kernel's page-map scan), instead of being unmapped and faulted in again, which costs more than most checks.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(MAX_INSTANCES)
        .total_memories(MAX_INSTANCES)
        .total_tables(MAX_INSTANCES)
        .total_stacks(MAX_INSTANCES)
        .max_memory_size(MAX_MEMORY_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_core_instance_size(MAX_INSTANCE_BYTES)
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        .async_stack_keep_resident(KEPT_STACK_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Starts the thread that ticks the engine's epoch; it ends by itself once the engine is gone.
pub(crate) fn start_ticker(engine: &Engine) -> Result<(), WasmError> {
    let weak = engine.weak();
    std::thread::Builder::new()
        .name("wasm-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(EPOCH_TICK);
            }
        })
        .map(drop)
        .map_err(WasmError::Thread)
}
