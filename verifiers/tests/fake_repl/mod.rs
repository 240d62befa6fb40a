//! Runs the fake REPL: in the sandbox where its helper program was built, otherwise as a plain child.

use proofloop_sandboxes::process::{Launcher, Policy, Program, Usage};
use proofloop_verifiers::lean::repl::{End, Ended, IoError, ReplIo, ReplSource, SandboxIo, SandboxSource};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tokio::sync::mpsc;

pub(crate) const PYTHON: &str = "/usr/bin/python3";

pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_repl/fake_repl.py")
}

/// Where a fake REPL comes from.
pub(crate) enum Fake {
    Sandbox(Box<SandboxSource>),
    Plain(PathBuf),
}

impl Fake {
    pub(crate) fn is_sandboxed(&self) -> bool {
        matches!(self, Self::Sandbox(_))
    }
}

/// `PROOFLOOP_SANDBOX_HELPER`, or the helper beside the folder of the test programs.
fn helper() -> Option<PathBuf> {
    let named = std::env::var_os("PROOFLOOP_SANDBOX_HELPER").map(PathBuf::from);
    let built = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("proofloop-sandbox-helper"));
    named.or_else(built).filter(|path| path.exists())
}

pub(crate) fn fake() -> Fake {
    let Some(helper) = helper() else { return Fake::Plain(PathBuf::from(PYTHON)) };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_repl");
    let program = Program {
        path: PathBuf::from(PYTHON),
        args: ["-I".into(), "-S".into(), script().into()].to_vec(),
        cwd: folder.clone(),
        stdin: Vec::new(),
    };
    let mut policy = Policy { memory_bytes: 256 << 20, ..Policy::default() };
    policy.wall = std::time::Duration::from_secs(600);
    policy.read_only.push(folder);
    Fake::Sandbox(Box::new(SandboxSource::new(Launcher::new(helper), program, policy)))
}

pub(crate) fn missing() -> Fake {
    Fake::Plain(PathBuf::from("/no/such/repl"))
}

impl ReplSource for Fake {
    type Io = FakeIo;

    async fn open(&self) -> Result<FakeIo, IoError> {
        match self {
            Self::Sandbox(source) => Ok(FakeIo::Sandbox(source.open().await?)),
            Self::Plain(python) => {
                PlainIo::start(python).map(FakeIo::Plain).map_err(|error| IoError(error.into()))
            }
        }
    }
}

pub(crate) enum FakeIo {
    Sandbox(SandboxIo),
    Plain(PlainIo),
}

impl ReplIo for FakeIo {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        match self {
            Self::Sandbox(io) => io.write(bytes).await,
            Self::Plain(io) => io.write(bytes).map_err(|error| IoError(error.into())),
        }
    }

    async fn read(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Sandbox(io) => io.read().await,
            Self::Plain(io) => io.pieces.recv().await,
        }
    }

    async fn usage(&mut self) -> Option<Usage> {
        match self {
            Self::Sandbox(io) => io.usage().await,
            Self::Plain(_) => None,
        }
    }

    fn protection(&self) -> Vec<String> {
        match self {
            Self::Sandbox(io) => io.protection(),
            Self::Plain(_) => Vec::new(),
        }
    }

    async fn kill(self) -> End {
        match self {
            Self::Sandbox(io) => io.kill().await,
            Self::Plain(io) => End { ended: io.end(), usage: None },
        }
    }
}

/// A child without any protection, its pipes drained by threads.
pub(crate) struct PlainIo {
    child: Child,
    pieces: mpsc::Receiver<Vec<u8>>,
    stderr: Option<std::thread::JoinHandle<Vec<u8>>>,
}

impl PlainIo {
    #[expect(clippy::disallowed_methods, reason = "our own fake, where the sandbox's helper was not built")]
    fn start(python: &Path) -> std::io::Result<Self> {
        let mut child = std::process::Command::new(python)
            .args(["-I", "-S"])
            .arg(script())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, pieces) = mpsc::channel(16);
        let (mut stdout, mut stderr) =
            (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map_or_else(|_| Vec::new(), |_| bytes)
        });
        Ok(Self { child, pieces, stderr: Some(stderr) })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.child.stdin.as_mut().expect("piped").write_all(bytes)
    }

    fn end(mut self) -> Ended {
        // A child that has closed its output because it is dying gets the time to die.
        for _ in 0..50 {
            if !self.pieces.is_closed() || matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let by_itself = matches!(self.child.try_wait(), Ok(Some(_)));
        let killed = self.child.kill();
        let status = self.child.wait();
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        match status {
            Ok(status) if by_itself && killed.is_ok() => match (status.code(), status.signal()) {
                (Some(code), _) => {
                    Ended::Exited { code, stderr: String::from_utf8_lossy(&stderr).trim().to_owned() }
                }
                (None, Some(signal)) => Ended::Signaled { signal },
                (None, None) => Ended::Killed,
            },
            Ok(_) => Ended::Killed,
            Err(error) => Ended::Unknown { detail: error.to_string() },
        }
    }
}

impl Drop for PlainIo {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let reaped = self.child.wait();
            drop(reaped);
        }
    }
}
