//! Which guest runs: the pinned artifact, how it boots, and the rewriting that makes its table reachable.

use super::{HostFile, WasmError};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use wasmparser::{Parser, Payload};

/// Name under which the rewritten module exports its function table.
pub(crate) const TABLE_EXPORT: &str = "__proofloop_table";

/// One guest: what is pinned, how it boots, and the facts about its interpreter that the host needs.
#[derive(Debug, Clone)]
pub struct GuestSpec {
    /// For people: `cpython-3.12.0-wasi`.
    pub name: String,
    /// The core module, which must export `memory` and the functions of `start`, and hold one table.
    pub wasm: PathBuf,
    /// Its SHA-256 in lowercase hexadecimal.
    pub wasm_sha256: String,
    /// Offset of `vectorcall` in the interpreter's function object, in bytes: 64 in CPython 3.12, 68 in 3.15 (wasm32).
    pub vectorcall_offset_bytes: u32,
    /// The exports that boot it, called in this order without arguments: `_start`, or `_initialize` and another.
    pub start: Vec<String>,
    /// Whether the module uses wasm exceptions.
    pub exceptions: bool,
    /// Whether instances may be given fuel; costs speed.
    pub fuel: bool,
    /// Arguments of the boot run, `argv[0]` included.
    pub arguments: Vec<String>,
    /// Environment of the boot run; instances see none but what the snapshot remembers.
    pub environment: Vec<(String, String)>,
    /// Files served from host memory at boot and afterwards.
    pub files: Vec<HostFile>,
    /// The entry that a new snapshot must pass.
    pub self_test: SelfTest,
}

/// What a new snapshot is asked before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTest {
    /// Entry to call.
    pub entry: String,
    /// Object whose address it must return.
    pub returns: String,
}

pub(crate) fn hex_sha256(parts: &[&[u8]]) -> String {
    use std::fmt::Write as _;
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

impl GuestSpec {
    /// Reads the artifact and checks it against the pin.
    pub(crate) fn read_wasm(&self) -> Result<Vec<u8>, WasmError> {
        let bytes = std::fs::read(&self.wasm).map_err(|error| WasmError::file("read", &self.wasm, error))?;
        let actual = hex_sha256(&[&bytes]);
        if actual == self.wasm_sha256 {
            return Ok(bytes);
        }
        Err(WasmError::WrongHash { path: self.wasm.clone(), expected: self.wasm_sha256.clone(), actual })
    }

    /// Everything that the snapshot depends on, as one text to be hashed.
    pub(crate) fn fingerprint(&self) -> String {
        let files: Vec<String> =
            self.files.iter().map(|file| format!("{}={}", file.name, hex_sha256(&[&file.bytes]))).collect();
        format!(
            "{}|{:?}|{}|{}|{}|{:?}|{:?}|{:?}|{:?}",
            self.wasm_sha256,
            self.start,
            self.vectorcall_offset_bytes,
            self.exceptions,
            self.fuel,
            self.arguments,
            self.environment,
            files,
            self.self_test
        )
    }
}

/// Drops the custom sections (debug information, a third of the file) and exports table 0.
#[expect(clippy::wildcard_enum_match_arm, reason = "wasmparser's enum is open; all else is copied as it is")]
pub(crate) fn rewrite(wasm: &[u8]) -> Result<Vec<u8>, WasmError> {
    let mut module = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(WasmError::Malformed)?;
        match &payload {
            Payload::CustomSection(_) => {}
            Payload::ExportSection(exports) => {
                let mut section = wasm_encoder::ExportSection::new();
                for export in exports.clone() {
                    let export = export.map_err(WasmError::Malformed)?;
                    section.export(export.name, kind_of(export.kind), export.index);
                }
                section.export(TABLE_EXPORT, wasm_encoder::ExportKind::Table, 0);
                module.section(&section);
            }
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    module.section(&wasm_encoder::RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    Ok(module.finish())
}

fn kind_of(kind: wasmparser::ExternalKind) -> wasm_encoder::ExportKind {
    match kind {
        wasmparser::ExternalKind::Func | wasmparser::ExternalKind::FuncExact => {
            wasm_encoder::ExportKind::Func
        }
        wasmparser::ExternalKind::Table => wasm_encoder::ExportKind::Table,
        wasmparser::ExternalKind::Memory => wasm_encoder::ExportKind::Memory,
        wasmparser::ExternalKind::Global => wasm_encoder::ExportKind::Global,
        wasmparser::ExternalKind::Tag => wasm_encoder::ExportKind::Tag,
    }
}
