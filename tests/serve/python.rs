//! Programs of others, written in Python, that drive our server: installed beside the build, once.

#![expect(clippy::disallowed_methods, reason = "pip is a program")]

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A requirements file's text, and pip's switches for it.
pub(crate) struct Requirements {
    pub(crate) text: &'static str,
    pub(crate) switches: &'static [&'static str],
}

/// The directory with these packages; `None`, and a word about it, where they can't be had.
pub(crate) fn packages(name: &str, requirements: &'static str) -> Option<PathBuf> {
    packages_of(name, &[Requirements { text: requirements, switches: &[] }])
}

/// The same with several lists, installed in their order.
///
/// Each test is a process, and several want the same packages at once: one installs, the others wait for it at the
/// lock, and what was installed in whole is never touched again, for somebody may be importing it.
pub(crate) fn packages_of(name: &str, lists: &[Requirements]) -> Option<PathBuf> {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = all.join(name);
    let wanted = lists.iter().map(|list| list.text).collect::<String>();
    let lock = File::create(all.join(format!("{name}.lock"))).expect("a file");
    lock.lock().expect("locked until it is dropped");
    let installed = directory.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Some(directory);
    }
    let _not_there_before = fs::remove_dir_all(&directory);
    for list in lists {
        if let Err(why) = install(list, &directory) {
            eprintln!("skipped: the packages of {name} can't be installed: {why}");
            return None;
        }
    }
    fs::write(installed, wanted).expect("written");
    Some(directory)
}

/// Why there is nothing to test: no pip, no network, or a Python that the packages don't take.
///
/// # Panics
///
/// With a list that PyPI was asked for and doesn't have.
fn install(list: &Requirements, directory: &Path) -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), list.text).expect("written");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-conflicts"])
        .args(list.switches)
        .arg("--target")
        .arg(directory)
        .arg("-r")
        .arg(file.path());
    let output = pip.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let elsewhere = ["connection broken by", "different python version"].iter().any(|why| told.contains(why));
    assert!(elsewhere || !told.contains("No matching distribution found"), "{told}");
    Err(told)
}

/// Installing was once done by two at the same time, and the second took the first one's packages away under its
/// import.
#[test]
fn packages_that_many_want_are_installed_once() {
    let name = format!("python-once-{}", std::process::id());
    let text = "colorama==0.4.6\n";
    let installed = || {
        let directory = packages(&name, text)?;
        let mark = fs::metadata(directory.join("installed.txt")).expect("it is installed in whole");
        let module = fs::metadata(directory.join("colorama/__init__.py")).expect("it is installed in whole");
        Some((mark.ino(), module.ino()))
    };
    let seen: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(installed)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let _skipped = fs::remove_dir_all(all.join(&name));
    fs::remove_file(all.join(format!("{name}.lock"))).expect("it was made");
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}
