//! Programs of others, written in Python, that drive our server: installed beside the build, once.

#![expect(clippy::disallowed_methods, reason = "pip is a program")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The directory with these packages; `None`, and a word about it, where they can't be had.
pub(crate) fn packages(name: &str, requirements: &str) -> Option<PathBuf> {
    let _alone = ONE_AT_A_TIME.lock();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let installed = directory.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == requirements) {
        return Some(directory);
    }
    // Another process may be at it, too: each works in a directory of its own, and the last one to end wins.
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let list = work.path().join("requirements.txt");
    std::fs::write(&list, requirements).expect("written");
    let target = work.path().join("packages");
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-warn-conflicts",
            "--target",
        ])
        .arg(&target)
        .arg("-r")
        .arg(&list)
        .stdin(Stdio::null())
        .output();
    let why = match pip {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = why {
        println!("skipped: the packages of {name} can't be installed: {why}");
        return None;
    }
    std::fs::write(target.join("installed.txt"), requirements).expect("written");
    let _not_there_before = std::fs::remove_dir_all(&directory);
    if let Err(error) = std::fs::rename(&target, &directory) {
        assert!(installed.exists(), "{error}");
    }
    Some(directory)
}
