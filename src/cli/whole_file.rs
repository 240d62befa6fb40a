//! Files that are whole or not there.

use super::exit::UsageError;
use anyhow::Context;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The name under which a file is written until it is whole.
pub(super) fn partial(out: &Path) -> PathBuf {
    let mut partial = OsString::from(out);
    partial.push(".partial");
    partial.into()
}

/// Writes beside the file and renames: whoever reads it finds what was there or all that is new.
pub(super) fn write<T>(
    out: &Path,
    work: impl FnOnce(BufWriter<File>) -> anyhow::Result<(T, BufWriter<File>)>,
) -> anyhow::Result<T> {
    // A device would be replaced by a file, too.
    if out.exists() && !out.is_file() {
        return Err(UsageError(format!("cannot write `{}`: it is not a file", out.display())).into());
    }
    let cannot = || format!("cannot write `{}`", out.display());
    let partial = partial(out);
    let file = File::create(&partial).with_context(|| UsageError(cannot()))?;
    let written = (|| {
        let (result, mut buffer) = work(BufWriter::with_capacity(1 << 20, file))?;
        buffer.flush().and_then(|()| buffer.get_ref().sync_all()).with_context(cannot)?;
        fs::rename(&partial, out).with_context(cannot)?;
        Ok(result)
    })();
    if written.is_err() {
        // The first error is the one to report.
        drop(fs::remove_file(&partial));
    }
    written
}
