//! Where the shared data sets are.

use std::path::PathBuf;

/// A file of the shared data, or `None`, with the reason printed, where it is absent.
pub(crate) fn shared(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PROOFLOOP_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not on this machine (PROOFLOOP_SHARED_DATA names the folder)", path.display());
    None
}
