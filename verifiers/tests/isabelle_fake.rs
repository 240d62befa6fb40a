//! The fake server itself: an independent client drives it, and it says what a real server was recorded to say.

#[expect(dead_code, reason = "shared with other tests")]
mod fake_isabelle;

use fake_isabelle::{PYTHON, folder, launcher, optional};
use proofloop_sandboxes::process::{Launcher, Network, Outcome, Policy, Program};
use proofloop_verifiers::isabelle::codec::Decoder;
use proofloop_verifiers::isabelle::protocol::{
    Command, Dialogue, Event, Purged, Reply, ServerError, SessionBuilt, SessionStarted, SessionStopped,
    Theories, typed,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Runs a script in a sandbox with a network of its own, in which nothing is left when it ends.
async fn run(launcher: &Launcher, python: &Path, script: &str, arguments: &[&Path], read_only: &[PathBuf]) {
    let work = tempfile::tempdir().expect("a folder");
    let mut policy = Policy {
        network: Network::Loopback,
        wall: Duration::from_secs(120),
        processes: 256,
        memory_bytes: 1 << 30,
        writable: vec![work.path().to_owned()],
        optional: optional(launcher).await,
        ..Policy::default()
    };
    policy.read_only.extend([read_only, &[folder()]].concat());
    policy.env.insert("HOME".to_owned(), work.path().display().to_string());
    let mut args = vec![folder().join(script).into_os_string()];
    args.extend(arguments.iter().map(|path| path.as_os_str().to_owned()));
    args.push(work.path().as_os_str().to_owned());
    let program = Program { path: python.to_owned(), args, cwd: work.path().to_owned(), stdin: Vec::new() };
    let finished = launcher.run(&program, &policy, &CancellationToken::new()).await.expect("it runs");
    let said = format!("{}{}", finished.stdout.to_string_lossy(), finished.stderr.to_string_lossy());
    assert_eq!((finished.outcome, said.trim()), (Outcome::Exited { code: 0 }, "OK"), "{said}");
}

#[tokio::test]
async fn the_fake_says_what_a_real_server_was_recorded_to_say() {
    let Some(launcher) = launcher() else { return };
    let data = std::env::var_os("PROOFLOOP_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let logs = data.join("isabelle-server-logs");
    if !logs.exists() {
        eprintln!("skipped: {} is not there (PROOFLOOP_SHARED_DATA)", logs.display());
        return;
    }
    let program = folder().join("bin/isabelle");
    run(&launcher, Path::new(PYTHON), "replay.py", &[&program, &logs], std::slice::from_ref(&logs)).await;
}

/// The PyPI package, and the Python that has installed it with the folder of its library.
struct Client {
    packages: TempDir,
    executable: PathBuf,
    prefix: PathBuf,
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "pip is a program; a skipped test says why"
)]
fn client() -> Option<Client> {
    let python = |arguments: &[&str]| {
        let output = std::process::Command::new("python3").args(arguments).output();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let packages = tempfile::tempdir().expect("a folder");
    let target = packages.path().to_str().expect("UTF-8");
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--target",
        target,
        "isabelle-client==1.1.2",
    ];
    if python(&install).is_none() {
        eprintln!("skipped: pip can't install isabelle-client");
        return None;
    }
    let paths =
        python(&["-c", "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)"]);
    let paths = paths.expect("python3 runs");
    let (executable, prefix) = paths.trim().split_once('\n').expect("two lines");
    Some(Client { packages, executable: PathBuf::from(executable), prefix: PathBuf::from(prefix) })
}

#[tokio::test]
async fn an_independent_client_drives_the_fake_through_a_whole_session() {
    let Some(launcher) = launcher() else { return };
    let Some(Client { packages, executable, prefix }) = client() else { return };
    let program = folder().join("bin/isabelle");
    let read_only = [packages.path().to_owned(), prefix];
    run(&launcher, &executable, "session.py", &[packages.path(), &program], &read_only).await;
}

/// What one of the package's recorded answers comes to, from its bytes on.
fn understood(file: &Path) -> Event {
    let name = file.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let bytes = std::fs::read(file).expect("it can be read");
    let mut decoder = Decoder::new(1 << 20);
    // In the package's files, some have lost their last line feed, and some have one too many.
    let end = bytes.iter().rposition(|byte| *byte != b'\n').expect("it is not empty") + 1;
    decoder.push(&[&bytes[..end], b"\n"].concat());
    let mut dialogue = Dialogue::default();
    let starts_a_task = name.starts_with("session_") || name.starts_with("use_theories");
    // The dialogue looks at nothing else.
    let command =
        if starts_a_task { Command::SessionStop { session_id: String::new() } } else { Command::Help };
    dialogue.sent(&command).expect("nothing is open");
    let mut last = None;
    while let Some(message) = decoder.next_message().expect("whole messages") {
        let reply = Reply::parse(&message).unwrap_or_else(|error| panic!("{name}: {error}"));
        last = Some(dialogue.heard(reply).unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    assert_eq!(decoder.held_bytes(), 0, "{name}");
    last.unwrap_or_else(|| panic!("{name} is empty"))
}

#[test]
fn what_the_independent_client_has_recorded_is_understood() {
    let Some(client) = client() else { return };
    let folder = client.packages.path().join("isabelle_client/resources/isabelle-responses");
    let answer = |name: &str| {
        let event = understood(&folder.join(name));
        let Event::Answer(answer) = event else { panic!("{name}: {event:?}") };
        answer
    };
    let result = |name: &str| {
        let event = understood(&folder.join(name));
        let Event::Ended { result: Ok(result), .. } = event else { panic!("{name}: {event:?}") };
        result
    };
    for name in ["cancel", "shutdown"] {
        assert_eq!(answer(name), Ok(serde_json::Value::Null), "{name}");
    }
    assert_eq!(answer("help").expect("a list").as_array().map(Vec::len), Some(9));
    assert_eq!(answer("unknown"), Err(ServerError { message: "Bad command 'unknown'".to_owned() }));
    let purged: Purged = typed("purge_theories", answer("purge_theories").expect("done")).expect("typed");
    assert_eq!((purged.purged.len(), purged.retained.len()), (1, 0));
    let built: SessionBuilt = typed("session_build", result("session_build")).expect("typed");
    assert!(built.ok && built.return_code == 0);
    let started: SessionStarted = typed("session_start", result("session_start")).expect("typed");
    assert_eq!(started.session_id.len(), 36);
    let stopped: SessionStopped = typed("session_stop", result("session_stop")).expect("typed");
    assert!(stopped.ok);
    for (name, is_sound) in
        [("use_theories", true), ("use_theories.Fail", false), ("use_theories.Sledgehammer", true)]
    {
        let theories: Theories = typed("use_theories", result(name)).expect("typed");
        let [node] = &theories.nodes[..] else { panic!("{name}: {theories:?}") };
        assert!(node.status.is_complete(), "{name}: {node:?}");
        assert_eq!((theories.ok, node.status.is_sound()), (is_sound, is_sound), "{name}");
    }
}
