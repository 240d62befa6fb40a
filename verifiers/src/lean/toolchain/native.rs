//! A native Lean: on the PATH, from elan, or a Lake project's own.

use super::{NO_ERROR_LIMIT, Toolchain, ToolchainError};
use crate::install;
use crate::verifier::UnitSize;
use proofloop_sandboxes::process::{Launcher, Layer, Outcome, Policy, Program};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A start of native Lean costs a fraction of a second, so small units pay already.
const CORE_UNITS: UnitSize = UnitSize { worth_a_start: 16, most: 256 };

/// `import Mathlib` costs seconds and gigabytes.
const PROJECT_UNITS: UnitSize = UnitSize { worth_a_start: 48, most: 256 };

/// The Lean on the PATH or in elan's directory, if there is one.
///
/// # Errors
/// [`ToolchainError::Broken`] if there is one and it does not work.
pub async fn on_path(launcher: &Launcher) -> Result<Option<Toolchain>, ToolchainError> {
    let elan = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".elan/bin/lean"));
    let Some(lean) = install::on_path("lean").or_else(|| elan.filter(|file| file.is_file())) else {
        return Ok(None);
    };
    // elan's `lean` is a shim that picks a toolchain and starts it: ask once, then start that one directly.
    let prefix = ask(launcher, &lean, &["--print-prefix"], Path::new("/")).await?;
    let prefix = PathBuf::from(prefix.trim());
    toolchain(launcher, &prefix, "native", "", BTreeMap::new(), Vec::new(), CORE_UNITS).await.map(Some)
}

/// The Lean of a Lake project, with the search path that `lake env` gives, asked for once.
///
/// # Errors
/// [`ToolchainError`] if the directory is no project or its Lake does not work.
pub async fn project(launcher: &Launcher, directory: &Path) -> Result<Toolchain, ToolchainError> {
    let directory = project_directory(directory)?;
    let elan = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".elan/bin/lake"));
    let lake = install::on_path("lake")
        .or_else(|| elan.filter(|file| file.is_file()))
        .ok_or(ToolchainError::None)?;
    let printed = ask(launcher, &lake, &["env", "env"], &directory).await?;
    let variables: BTreeMap<&str, &str> = printed.lines().filter_map(|line| line.split_once('=')).collect();
    let variable = |name: &str| {
        variables.get(name).copied().ok_or_else(|| ToolchainError::Broken {
            program: "lake env env".to_owned(),
            detail: format!("it sets no `{name}`"),
        })
    };
    let search_path = variable("LEAN_PATH")?;
    let prefix = PathBuf::from(variable("LEAN_SYSROOT")?);
    let env = BTreeMap::from([("LEAN_PATH".to_owned(), search_path.to_owned())]);
    let mut toolchain = toolchain(
        launcher,
        &prefix,
        "project",
        &manifest_hash(&directory),
        env,
        vec![directory.clone()],
        PROJECT_UNITS,
    )
    .await?;
    toolchain.repl = find_repl(&directory);
    Ok(toolchain)
}

/// The full path of a Lake project.
///
/// # Errors
/// [`ToolchainError::NoProject`] if the directory is none.
pub fn project_directory(directory: &Path) -> Result<PathBuf, ToolchainError> {
    let no_project = || ToolchainError::NoProject { path: directory.to_path_buf() };
    let full = directory.canonicalize().map_err(|_unreadable| no_project())?;
    let is_project = ["lakefile.toml", "lakefile.lean"].iter().any(|file| full.join(file).is_file());
    if is_project { Ok(full) } else { Err(no_project()) }
}

/// What pins a project's dependencies.
fn manifest_hash(directory: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in ["lean-toolchain", "lake-manifest.json"] {
        hasher.update(&std::fs::read(directory.join(file)).unwrap_or_default());
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn find_repl(project: &Path) -> Option<PathBuf> {
    ["", ".lake/packages/repl/", ".lake/packages/REPL/"]
        .iter()
        .map(|place| project.join(place).join(".lake/build/bin/repl"))
        .find(|file| file.is_file())
}

async fn toolchain(
    launcher: &Launcher,
    prefix: &Path,
    source: &'static str,
    manifest: &str,
    env: BTreeMap<String, String>,
    mut read_only: Vec<PathBuf>,
    unit_size: UnitSize,
) -> Result<Toolchain, ToolchainError> {
    let executable = prefix.join("bin/lean");
    let version = ask(launcher, &executable, &["--version"], Path::new("/")).await?;
    let mut identity = version.trim().to_owned();
    if !manifest.is_empty() {
        identity.push_str(" project ");
        identity.push_str(manifest);
    }
    read_only.push(prefix.to_path_buf());
    let arguments = if limits_errors(&identity) { vec![NO_ERROR_LIMIT.into()] } else { Vec::new() };
    Ok(Toolchain {
        source,
        identity,
        executable,
        arguments,
        env,
        read_only,
        unit_size,
        prints_axioms: true,
        start_allowance: Duration::from_secs(300),
        repl: install::on_path("repl"),
    })
}

/// Whether this version surely knows the option `maxErrors`: it came with 4.24, and an unknown option is an error.
fn limits_errors(version: &str) -> bool {
    let numbers = version.split_once("version ").map_or("", |(_, rest)| rest);
    let mut numbers = numbers.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(4), Some(25))
}

/// Runs a trusted program of the toolchain and returns what it prints.
async fn ask(
    launcher: &Launcher,
    program: &Path,
    arguments: &[&str],
    cwd: &Path,
) -> Result<String, ToolchainError> {
    let broken = |detail| ToolchainError::Broken {
        program: format!("{} {}", program.display(), arguments.join(" ")),
        detail,
    };
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let mut policy = Policy {
        wall: Duration::from_secs(120),
        memory_bytes: 4 << 30,
        env: std::env::vars().collect(),
        optional: Layer::ALL.into_iter().collect(),
        ..Policy::default()
    };
    policy.read_only.extend(home);
    policy.read_only.extend([PathBuf::from("/etc"), PathBuf::from("/opt"), cwd.to_path_buf()]);
    policy.read_only.extend(program.parent().and_then(Path::parent).map(Path::to_path_buf));
    policy.read_only.retain(|path| path != Path::new("/"));
    let program = Program {
        path: program.to_path_buf(),
        args: arguments.iter().map(Into::into).collect(),
        cwd: cwd.to_path_buf(),
        stdin: Vec::new(),
    };
    let finished = launcher
        .run(&program, &policy, &CancellationToken::new())
        .await
        .map_err(|error| broken(crate::chain(&error)))?;
    if finished.outcome == (Outcome::Exited { code: 0 }) {
        Ok(finished.stdout.to_string_lossy().into_owned())
    } else {
        Err(broken(format!("{:?}: {}", finished.outcome, finished.stderr.to_string_lossy().trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_that_knows_the_option_gets_it() {
        for (version, knows) in [
            ("Lean (version 4.28.0-pre, x86_64-unknown-linux-gnu, commit 38f3c0c4, Release)", true),
            ("Lean (version 4.25.0, x86_64", true),
            ("Lean (version 4.9.1, x86_64", false),
            ("Lean (version 5.0.0", true),
            ("something else", false),
        ] {
            assert_eq!(limits_errors(version), knows, "{version}");
        }
    }
}
