//! Which folders are runs: below the directory that the server was told, and nowhere else.

use crate::report::folder::{PAGE, RunKind};
use crate::serve::ServeSettings;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Runs that are listed.
const MOST_RUNS: usize = 1000;

/// Folders that are looked at, so that a directory of something else costs little.
const MOST_ENTRIES: usize = 20_000;

/// A directory of runs.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    directory: PathBuf,
}

/// A folder with a run in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    name: String,
    /// Without links.
    path: PathBuf,
    kind: RunKind,
}

impl Runs {
    pub(super) fn of(settings: &ServeSettings) -> Option<Self> {
        let directory = settings.runs.as_ref()?;
        match directory.canonicalize() {
            Ok(directory) => Some(Self { directory }),
            Err(error) => {
                tracing::warn!(%error, directory = %directory.display(), "the directory of runs can't be read");
                None
            }
        }
    }

    /// Those that there are, the names in order, and how many were too many.
    pub(super) fn all(&self) -> (Vec<Found>, usize) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return (Vec::new(), 0) };
        let names =
            entries.take(MOST_ENTRIES).flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        let mut found: Vec<Found> = names.iter().filter_map(|name| self.find(name)).collect();
        let left_out = found.len().saturating_sub(MOST_RUNS);
        found.truncate(MOST_RUNS);
        (found, left_out)
    }

    /// The run of this name: of a folder in the directory itself, wherever links in it lead to.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        if !is_plain(name) {
            return None;
        }
        let path = self.directory.join(name).canonicalize().ok()?;
        let kind = RunKind::of(&path)?;
        let found = Found { name: name.to_owned(), path, kind };
        let inside = |path: &Path| path.canonicalize().is_ok_and(|path| path.starts_with(&self.directory));
        (inside(&found.path) && inside(&found.store())).then_some(found)
    }
}

/// One component of a path, and no hidden one.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

impl Found {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn kind(&self) -> RunKind {
        self.kind
    }

    pub(super) fn store(&self) -> PathBuf {
        self.kind.store(&self.path)
    }

    /// A file of the folder itself, no link.
    pub(super) fn file(&self, name: &str) -> Option<(PathBuf, std::fs::Metadata)> {
        let path = self.path.join(name);
        let metadata = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((path, metadata))
    }

    /// The page that was written into the folder, and when.
    pub(super) fn page(&self) -> Option<(PathBuf, SystemTime)> {
        let (path, metadata) = self.file(PAGE)?;
        Some((path, metadata.modified().ok()?))
    }

    /// Whether a process works on the run: it then holds the lock of the folder. The lock is not tried, which would be in
    /// the way of a run that begins just then. What the system does not say is taken for no.
    pub(super) fn is_going_on(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Some((_, lock)) = self.file("lock") else { return false };
        let inode = lock.ino().to_string();
        std::fs::read_to_string("/proc/locks")
            .is_ok_and(|locks| locks.lines().any(|line| holds(line, &inode)))
    }
}

/// A line of `/proc/locks`, for instance `1: FLOCK  ADVISORY  WRITE 4242 00:2c:1234567 0 EOF`. The device is not
/// compared: file systems made of others show one number here and another there.
fn holds(line: &str, inode: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.get(1) == Some(&"FLOCK") && words.get(5).and_then(|file| file.rsplit(':').next()) == Some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component() {
        for name in ["", ".", "..", "a/b", "/etc", "..\\a", "a\0", ".hidden"] {
            assert!(!is_plain(name), "{name:?}");
        }
        for name in ["a", "stp-paper-seed0", "läuft", "a..b", "with space"] {
            assert!(is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn a_held_lock_is_seen_and_not_touched() {
        let directory = tempfile::tempdir().expect("a directory");
        let found =
            Found { name: "run".to_owned(), path: directory.path().to_owned(), kind: RunKind::Selfplay };
        assert!(!found.is_going_on());
        let lock = std::fs::File::create(directory.path().join("lock")).expect("a file");
        assert!(!found.is_going_on());
        lock.lock().expect("locked");
        assert!(found.is_going_on());
        lock.unlock().expect("unlocked");
        assert!(!found.is_going_on());
    }

    #[test]
    fn only_locks_of_that_kind_and_file() {
        assert!(holds("1: FLOCK  ADVISORY  WRITE 4242 00:2c:1234567 0 EOF", "1234567"));
        assert!(!holds("1: FLOCK  ADVISORY  WRITE 4242 00:2c:1234567 0 EOF", "234567"));
        assert!(!holds("1: POSIX  ADVISORY  WRITE 4242 00:2c:1234567 0 EOF", "1234567"));
        assert!(!holds("1: -> FLOCK  ADVISORY  WRITE 4242 00:2c:1234567 0 EOF", "1234567"), "one that waits");
        assert!(!holds("", "1234567"));
    }
}
