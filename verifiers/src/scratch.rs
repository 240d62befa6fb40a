//! Where files lie while a prover reads them, and who clears away after a `kill -9`.
//!
//! Every process that judges has a directory of its own below the system's temporary one, with a file in it that it
//! holds locked as long as it lives. The kernel lets go of the lock however the process ends. So whoever can take
//! the lock knows that the owner is dead, and removes the directory; whoever starts looks once for such directories.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

const PREFIX: &str = "proofloop-lean-";
/// The file that the owner holds locked.
const LOCK: &str = "lock";
/// A directory without that file is being made, or its maker died over it; after this long it is the latter.
const MAKING: Duration = Duration::from_secs(3600);

/// Makes working directories that do not outlive the process by more than the next start.
#[derive(Debug)]
pub struct Scratch {
    root: PathBuf,
    owned: Mutex<Option<Owned>>,
}

/// Dropped in this order: the directory goes while it is still locked.
#[derive(Debug)]
struct Owned {
    directory: TempDir,
    _lock: File,
}

impl Scratch {
    /// Working directories below `root`. Nothing is made before it is needed.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, owned: Mutex::new(None) }
    }

    /// An empty directory for one run, private to the user; removed when dropped.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn directory(&self) -> io::Result<TempDir> {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owned) = owned.as_ref() {
            match unit(owned) {
                // Something that clears old files away has been here.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                made => return made,
            }
        }
        let made = Owned::make(&self.root)?;
        clear_away(&self.root, made.directory.path());
        unit(owned.insert(made))
    }
}

fn unit(owned: &Owned) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("unit-").tempdir_in(owned.directory.path())
}

impl Owned {
    fn make(root: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root)?;
        let unlocked = directory.path().join("making");
        let lock = File::create(&unlocked)?;
        lock.lock()?;
        // Under its name there is never a lock file that its living owner does not hold.
        fs::rename(unlocked, directory.path().join(LOCK))?;
        Ok(Self { directory, _lock: lock })
    }
}

/// Removes what dead processes of this user have left. What cannot be removed stays: it costs space, no verdict.
fn clear_away(root: &Path, own: &Path) {
    let Ok(user) = fs::symlink_metadata(own).map(|own| own.uid()) else { return };
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX))
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user);
        let path = entry.path();
        if !is_ours || path == own {
            continue;
        }
        if let Err(error) = remove_if_dead(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove what a dead process has left");
        }
    }
}

fn remove_if_dead(directory: &Path) -> io::Result<()> {
    let lock = match File::open(directory.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let age = fs::symlink_metadata(directory)?.modified()?.elapsed().unwrap_or_default();
            return if age > MAKING { fs::remove_dir_all(directory) } else { Ok(()) };
        }
        Err(error) => return Err(error),
    };
    match lock.try_lock() {
        Ok(()) => fs::remove_dir_all(directory),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("entry").file_name().into_string();
        let mut names: Vec<String> =
            fs::read_dir(root).expect("there").map(|entry| name(entry).expect("UTF-8")).collect();
        names.sort();
        names
    }

    #[test]
    fn what_the_dead_left_goes_and_what_the_living_use_stays() {
        let root = tempfile::tempdir().expect("tempdir");
        let living = Scratch::new(root.path().to_owned());
        let unit = living.directory().expect("made");
        fs::write(unit.path().join("x.lean"), "-- used").expect("written");
        for dead in ["proofloop-lean-dead/unit-1", "proofloop-lean-halfway", "other-dead"] {
            fs::create_dir_all(root.path().join(dead)).expect("made");
        }
        // The kernel has let go of its lock.
        fs::write(root.path().join("proofloop-lean-dead/lock"), "").expect("written");
        fs::write(root.path().join("other-dead/lock"), "").expect("written");
        std::os::unix::fs::symlink("/", root.path().join("proofloop-lean-link")).expect("linked");

        let next = Scratch::new(root.path().to_owned());
        let other = next.directory().expect("made");
        assert!(!root.path().join("proofloop-lean-dead").exists());
        // Just made by somebody, not ours, not a directory.
        for kept in ["proofloop-lean-halfway", "other-dead", "proofloop-lean-link"] {
            assert!(root.path().join(kept).exists(), "{kept}");
        }
        assert!(unit.path().join("x.lean").exists() && other.path().exists());

        drop((unit, living));
        assert_eq!(names(root.path()).len(), 4, "{:?}", names(root.path()));
        drop((other, next));
        assert_eq!(names(root.path()), ["other-dead", "proofloop-lean-halfway", "proofloop-lean-link"]);
    }

    #[test]
    fn a_directory_that_was_cleared_away_is_made_again() {
        let root = tempfile::tempdir().expect("tempdir");
        let scratch = Scratch::new(root.path().to_owned());
        drop(scratch.directory().expect("made"));
        let first = names(root.path());
        fs::remove_dir_all(root.path().join(&first[0])).expect("removed");
        assert!(scratch.directory().expect("made again").path().exists());
        assert_ne!(names(root.path()), first);
    }

    #[test]
    fn many_start_at_once_and_none_loses_its_own() {
        let root = tempfile::tempdir().expect("tempdir");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let scratch = Scratch::new(root.path().to_owned());
                        let unit = scratch.directory().expect("made");
                        fs::write(unit.path().join("x.lean"), "").expect("still there");
                    }
                });
            }
        });
        assert!(names(root.path()).is_empty(), "{:?}", names(root.path()));
    }
}
