//! Small files of a model folder: read with a bound, written beside and renamed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{ModelError, Result};

/// The whole file.
///
/// # Errors
/// It cannot be read, or has more than `max_bytes`.
pub(crate) fn read_small(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(ModelError::io("read", path))?;
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(ModelError::io("read", path))?;
    if bytes.len() as u64 > max_bytes {
        return Err(ModelError::input(
            "file",
            format!("`{}` has more than {max_bytes} bytes", path.display()),
        ));
    }
    Ok(bytes)
}

/// Indented JSON with a final newline.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let json = |source| ModelError::Json { path: path.to_path_buf(), source };
    let mut text = serde_json::to_vec_pretty(value).map_err(json)?;
    text.push(b'\n');
    write_renamed(path, |file| file.write_all(&text))
}

/// Writes to a file beside `path`, syncs it and renames it: whoever reads `path` finds the old content or the new.
///
/// # Errors
/// `path` cannot be written; the file beside it is then removed.
pub(crate) fn write_renamed(
    path: &Path,
    write: impl FnOnce(&mut std::io::BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let partial = beside(path);
    let result = (|| {
        let mut file = std::io::BufWriter::with_capacity(1 << 20, File::create(&partial)?);
        write(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        drop(file);
        std::fs::rename(&partial, path)
    })();
    if result.is_err() {
        // The first error is the one to report.
        drop(std::fs::remove_file(&partial));
    }
    result.map_err(ModelError::io("write", path))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    path.with_file_name(name)
}
