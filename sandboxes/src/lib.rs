//! Starts, limits and kills untrusted processes and wasm instances.

pub mod process;
pub mod wasm;
