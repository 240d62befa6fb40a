//! The compiled snapshot on disk: content-addressed, written beside and renamed, checked before it is trusted.
//!
//! `Module::deserialize` runs whatever machine code it is given, so a file is only handed over after
//! its own SHA-256 has been checked. That guards against truncation and bit rot; against somebody
//! who may write to the cache directory nothing can be guarded, he could replace our binary as well.

use super::WasmError;
use super::guest::hex_sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

const MAGIC: &[u8; 16] = b"proofloop-aot-1\n";
const DIGEST_BYTES: usize = 64;

/// What the boot script announced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Symbols {
    /// Entry name → (address of the function object, index of its vectorcall in the table).
    pub(crate) entries: BTreeMap<String, (u32, u32)>,
    /// Object name → address.
    pub(crate) objects: BTreeMap<String, u32>,
    /// Linear memory of a fresh instance, in bytes.
    pub(crate) memory_bytes: u64,
}

/// Writes header, hash and body to a temporary file in the same folder and renames it.
pub(crate) fn store(path: &Path, symbols: &Symbols, code: &[u8]) -> Result<(), WasmError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let failed = |action| move |error| WasmError::file(action, path, error);
    std::fs::create_dir_all(folder).map_err(|error| WasmError::file("create", folder, error))?;
    let header =
        serde_json::to_vec(symbols).map_err(|error| WasmError::file("encode", path, error.into()))?;
    let header_len = (header.len() as u64).to_le_bytes();
    let digest = hex_sha256(&[&header_len, &header, code]);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed("create a file beside"))?;
    for part in [MAGIC.as_slice(), digest.as_bytes(), &header_len, &header, code] {
        file.write_all(part).map_err(failed("write"))?;
    }
    file.as_file().sync_all().map_err(failed("write"))?;
    file.persist(path).map_err(|error| WasmError::file("rename to", path, error.error))?;
    Ok(())
}

/// Reads a stored artifact; `None` if there is none or it is not whole (it is then built again).
pub(crate) fn load(path: &Path) -> Option<(Symbols, Vec<u8>)> {
    let bytes = std::fs::read(path).ok()?;
    let (symbols, start) = parse(&bytes)?;
    let mut bytes = bytes;
    bytes.drain(..start);
    Some((symbols, bytes))
}

fn parse(bytes: &[u8]) -> Option<(Symbols, usize)> {
    let rest = bytes.strip_prefix(MAGIC.as_slice())?;
    let (digest, body) = rest.split_at_checked(DIGEST_BYTES)?;
    if hex_sha256(&[body]).as_bytes() != digest {
        return None;
    }
    let (header_len, rest) = body.split_at_checked(8)?;
    let header_len = usize::try_from(u64::from_le_bytes(header_len.try_into().ok()?)).ok()?;
    let (header, _) = rest.split_at_checked(header_len)?;
    let symbols = serde_json::from_slice(header).ok()?;
    Some((symbols, MAGIC.len() + DIGEST_BYTES + 8 + header_len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_damage() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a");
        let symbols = Symbols { entries: BTreeMap::from([("e".to_owned(), (1, 2))]), ..Symbols::default() };
        store(&path, &symbols, b"code")?;
        assert_eq!(load(&path), Some((symbols, b"code".to_vec())));
        let whole = std::fs::read(&path)?;
        for damaged in
            [whole[..whole.len() - 1].to_vec(), [&whole[..whole.len() - 1], b"x"].concat(), Vec::new()]
        {
            std::fs::write(&path, damaged)?;
            assert_eq!(load(&path), None);
        }
        Ok(())
    }
}
