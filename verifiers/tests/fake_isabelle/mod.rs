//! The fake server, in the sandbox; or a real one, where `PROOFLOOP_ISABELLE` names it.

#![expect(clippy::print_stderr, reason = "a skipped test says why")]

use proofloop_sandboxes::process::{Launcher, Layer};
use proofloop_verifiers::isabelle::theory::{Layout, Pinned};
use proofloop_verifiers::isabelle::{Bounds, Installation, Settings, Source, Worker, discover};
use proofloop_verifiers::scratch::Scratch;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

pub(crate) const PYTHON: &str = "/usr/bin/python3";

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_isabelle")
}

/// `PROOFLOOP_SANDBOX_HELPER`, or the helper beside the folder of the test programs; says so where there is none.
pub(crate) fn launcher() -> Option<Launcher> {
    let named = std::env::var_os("PROOFLOOP_SANDBOX_HELPER").map(PathBuf::from);
    let built = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("proofloop-sandbox-helper"));
    let helper = named.or_else(built).filter(|path| path.exists());
    if helper.is_none() {
        eprintln!("skipped: the sandbox's helper was not built (cargo test --workspace builds it)");
    }
    helper.map(Launcher::new)
}

/// Whether a real Isabelle is to be used, which knows none of the fake's faults.
pub(crate) fn is_real() -> bool {
    std::env::var_os("PROOFLOOP_ISABELLE").is_some()
}

pub(crate) fn program() -> PathBuf {
    std::env::var_os("PROOFLOOP_ISABELLE").map_or_else(|| folder().join("bin/isabelle"), PathBuf::from)
}

/// What a host may lack: whatever it does.
pub(crate) async fn optional(launcher: &Launcher) -> BTreeSet<Layer> {
    let protection = launcher.probe(&proofloop_sandboxes::process::Policy::default()).await;
    protection.missing().map(|state| state.layer).collect()
}

pub(crate) async fn installation(launcher: &Launcher, faults: &str) -> Installation {
    let optional = optional(launcher).await;
    let mut installation = discover(launcher, &program(), None, &optional).await.expect("it says what it is");
    installation.env.insert("FAKE_ISABELLE".to_owned(), faults.to_owned());
    installation
}

/// Where servers with these faults come from; `None` where nothing can be started, or the server is real and there are faults.
pub(crate) async fn source(faults: &str) -> Option<Source> {
    let launcher = launcher()?;
    if is_real() && !faults.is_empty() {
        eprintln!("skipped: a real Isabelle has no such fault");
        return None;
    }
    let bounds = Bounds {
        memory_bytes: if is_real() { 4 << 30 } else { 512 << 20 },
        life: Duration::from_secs(900),
        message_bytes: 32 << 20,
        optional: optional(&launcher).await,
    };
    let installation = installation(&launcher, faults).await;
    let scratch = Arc::new(Scratch::new(std::env::temp_dir()));
    Some(Source { launcher, installation, bounds, scratch })
}

/// Short, because some faults are only ended by them, and long enough for a busy machine.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new("HOL", Duration::from_secs(8), 512 << 20);
    if !is_real() {
        settings.start_timeout = Duration::from_secs(20);
        settings.session_timeout = Duration::from_secs(60);
        settings.short_timeout = Duration::from_secs(6);
    }
    settings
}

/// What the command lines of this process's servers and provers have in them.
pub(crate) fn mark() -> String {
    format!("proofloop-{}-", std::process::id())
}

/// Held by a test that counts this process's servers, so that no other test of the same process has any.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let guard = ALONE.lock().await;
    assert_eq!(left(&[&mark()]).await, Vec::<String>::new(), "the test before this one has left them");
    guard
}

/// Processes with one of the marks that are still there after 5 s: what is killed takes a moment to go.
pub(crate) async fn left(marks: &[&str]) -> Vec<String> {
    let there = || -> Vec<String> { marks.iter().flat_map(|mark| processes_with(mark)).collect() };
    for _ in 0..50 {
        if there().is_empty() {
            return Vec::new();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    there()
}

pub(crate) async fn worker(faults: &str) -> Option<Worker> {
    Some(Worker::new(source(faults).await?, settings()))
}

/// A theory around a proof, whatever the proof holds, of a name that no other test has.
pub(crate) fn theory(statement: &str, lemmas: &str, proof: &str) -> Layout {
    let nonce = hashed(&format!("{statement}{lemmas}{proof}{:?}", std::time::SystemTime::now()));
    let imports = ["Main".to_owned()];
    Layout::of_proof(Pinned { imports: &imports, header: "", statement }, lemmas, proof, &nonce)
        .expect("a theory")
}

fn hashed(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Processes whose command line has this in it.
pub(crate) fn processes_with(mark: &str) -> Vec<String> {
    let line = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let names = std::fs::read_dir("/proc").expect("there is a /proc").flatten();
    let pids = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.parse::<u32>().is_ok());
    pids.filter(|pid| *pid != std::process::id().to_string() && line(pid).contains(mark)).collect()
}
