//! A server of a test's own, and a client that says what it got.

#![expect(clippy::disallowed_methods, reason = "these tests start the program itself and send it signals")]

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a busy machine does not reach.
pub(crate) const PATIENT: Duration = Duration::from_secs(120);

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    /// For instance `http://127.0.0.1:43210`.
    pub(crate) url: String,
    directory: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// The REPL of `verifiers/tests/fake_repl`: it fails as it is told, and starts at once.
pub(crate) fn fake_repl() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/tests/fake_repl/fake_repl.py")
}

impl Server {
    /// One whose Lean is the fake REPL.
    pub(crate) fn with_fake_repl(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::start(directory, arguments, true)
    }

    /// One with the Lean that is installed.
    pub(crate) fn with_lean(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::start(directory, arguments, false)
    }

    fn start(directory: tempfile::TempDir, arguments: &[&str], fake: bool) -> Self {
        let errors = std::fs::File::options()
            .create(true)
            .append(true)
            .open(directory.path().join("stderr"))
            .expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofloop"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(directory.path().join("state"));
        if !arguments.contains(&"--no-cache") {
            command.arg("--cache").arg(directory.path().join("cache"));
        }
        if fake {
            command.args(["--mode", "repl", "--memory", "256MiB"]).env("PROOFLOOP_REPL", fake_repl());
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().expect("the program starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("readable");
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let told = || std::fs::read_to_string(directory.path().join("stderr")).unwrap_or_default();
        let url = url.unwrap_or_else(|| panic!("it does not listen: {line}{}", told()));
        Self { child, url, directory }
    }

    /// Kills it with SIGKILL and starts another over the same state.
    pub(crate) fn kill_and_restart(self, arguments: &[&str], fake: bool) -> Self {
        let Parts { mut child, directory } = self.defused();
        child.kill().expect("killed");
        child.wait().expect("waited for");
        Self::start(directory, arguments, fake)
    }

    /// Itself, so that what it holds can be taken out.
    fn defused(mut self) -> Parts {
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"));
        let nobody = Command::new("true").spawn().expect("`true` starts");
        let child = std::mem::replace(&mut self.child, nobody);
        Parts { child, directory }
    }

    /// What it has said on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// The directory that holds its state and cache.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: kill(2) has no memory effects; the child is not waited for yet, so the number is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Waits for its end: its exit code.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<i32> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("waited for") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end: {}", self.log());
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}{path}", self.url)).timeout(PATIENT)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        send(
            self.request(Method::POST, path)
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
        .await
    }
}

/// Plain HTTP; but a client can't be made without somebody to do its cryptography.
pub(crate) fn client() -> reqwest::Client {
    // Another test of this process has done it before.
    let _there_already = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

struct Parts {
    child: Child,
    directory: tempfile::TempDir,
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.expect("a body") }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        // It may have ended before.
        let _ended_before = self.child.kill();
        let _nothing_to_wait_for = self.child.wait();
    }
}
