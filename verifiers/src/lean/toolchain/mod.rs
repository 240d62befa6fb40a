//! Finding a Lean: a Lake project's, a native one, or the one that `proofloop setup` installs from npm.

mod glue;
pub mod native;
pub mod npm;

use crate::verifier::UnitSize;
use proofloop_sandboxes::process::{Launcher, Program};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Since 4.24 Lean gives up after a hundred errors, which a batch of wrong proofs has soon. The option is only read
/// from the command line.
const NO_ERROR_LIMIT: &str = "-DmaxErrors=0";

/// A Lean that can be started.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// Where it comes from, in a word: `npm`, `native`, `project`.
    pub source: &'static str,
    /// What `lean --version` prints, with the hash of what is installed beside it.
    pub identity: String,
    /// The executable.
    pub executable: PathBuf,
    /// Arguments before the file.
    pub arguments: Vec<OsString>,
    /// Environment of the process.
    pub env: BTreeMap<String, String>,
    /// What the process must be able to read besides the system's own directories.
    pub read_only: Vec<PathBuf>,
    /// How many candidates are worth one start.
    pub unit_size: UnitSize,
    /// Whether `#print axioms` works (not in a `module`, which the npm build takes every file for).
    pub prints_axioms: bool,
    /// Longest time that start and imports may take.
    pub start_allowance: Duration,
    /// A REPL that belongs to it, if there is one.
    pub repl: Option<PathBuf>,
}

impl Toolchain {
    /// The command that checks `file` in `directory`.
    #[must_use]
    pub fn program(&self, directory: &Path, file: &Path) -> Program {
        let mut args = self.arguments.clone();
        args.extend(["--json".into(), file.into()]);
        Program { path: self.executable.clone(), args, cwd: directory.to_path_buf(), stdin: Vec::new() }
    }
}

/// No Lean can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// There is none at all.
    #[error("no Lean toolchain was found")]
    None,
    /// The directory is no Lake project.
    #[error("`{}` is not a Lake project: it has no `lakefile.toml` or `lakefile.lean`", path.display())]
    NoProject {
        /// The directory.
        path: PathBuf,
    },
    /// A program of the toolchain did not answer as it should.
    #[error("`{program}` does not work: {detail}")]
    Broken {
        /// What was run.
        program: String,
        /// What it did.
        detail: String,
    },
}

impl ToolchainError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::None => "run `proofloop setup`, or put `lean` on the PATH",
            Self::NoProject { .. } => {
                "give the directory that holds the lakefile, after `lake exe cache get` and `lake build` there"
            }
            Self::Broken { .. } => "run it by hand to see more, or `proofloop doctor`",
        }
    }
}

/// Finds the toolchain to use: the project's if one is given, else a native one, else the npm one.
///
/// # Errors
/// [`ToolchainError`] if there is none, or what was asked for does not work.
pub async fn discover(
    launcher: &Launcher,
    home: &Path,
    project: Option<&Path>,
) -> Result<Toolchain, ToolchainError> {
    if let Some(project) = project {
        return native::project(launcher, project).await;
    }
    if let Some(toolchain) = native::on_path(launcher).await? {
        return Ok(toolchain);
    }
    npm::installed(home).ok_or(ToolchainError::None)
}
