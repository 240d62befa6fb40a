//! The process sandbox beside the attacks: how runs and sessions end, what they report, what they leave.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a launcher that is killed, or is another user, is a process")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proofloop_sandboxes::process::{
    Finished, Launcher, Layer, Network, Outcome, Policy, Program, Protection, SessionError, StartError,
};
use tokio_util::sync::CancellationToken;

const HELPER: &str = env!("CARGO_BIN_EXE_proofloop-sandbox-helper");
const NOBODY: u32 = 65534;

fn launcher() -> Launcher {
    Launcher::new(HELPER.into())
}

/// Strict, except for layers that this host does not have.
async fn policy() -> Policy {
    let protection = launcher().probe(&Policy::default()).await;
    let optional = protection.missing().map(|state| state.layer).collect();
    Policy { optional, memory_bytes: 512 << 20, ..Policy::default() }
}

fn sh(script: &str) -> Program {
    Program {
        path: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        cwd: "/tmp".into(),
        stdin: Vec::new(),
    }
}

fn python(script: &str) -> Program {
    let args = ["-I", "-S", "-c", script].iter().map(Into::into).collect();
    Program { path: "/usr/bin/python3".into(), args, cwd: "/tmp".into(), stdin: Vec::new() }
}

async fn run(program: &Program, policy: &Policy) -> Finished {
    launcher().run(program, policy, &CancellationToken::new()).await.unwrap()
}

fn processes_with(mark: &str) -> Vec<String> {
    let has_mark = |pid: &String| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    let names = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().into_string().ok());
    let own = std::process::id().to_string();
    names.filter(|name| name.parse::<u32>().is_ok() && *name != own).filter(has_mark).collect()
}

/// Polls, so that a loaded machine makes the test slow and not red.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn exit_code_and_both_streams_are_exact() {
    let finished = run(&sh("echo out; echo err >&2; exit 7"), &policy().await).await;
    assert_eq!(finished.outcome, Outcome::Exited { code: 7 });
    assert_eq!(
        (finished.stdout.head.as_slice(), finished.stderr.head.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert!(!finished.protection.names().is_empty());
    assert!(finished.usage.cpu > Duration::ZERO && finished.usage.peak_memory_bytes > 0);
}

#[tokio::test]
async fn stdin_reaches_the_program() {
    let input: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let program = Program { stdin: input.clone(), ..sh("cat") };
    let policy = Policy { output_bytes: 4 << 20, ..policy().await };
    let finished = run(&program, &policy).await;
    assert_eq!(finished.stdout.head, input);
}

#[tokio::test]
async fn stdin_that_nobody_reads_blocks_nothing() {
    let program = Program { stdin: vec![b'x'; 5_000_000], ..sh("exit 0") };
    assert_eq!(run(&program, &policy().await).await.outcome, Outcome::Exited { code: 0 });
    let late = Program { stdin: vec![b'x'; 5_000_000], ..sh("sleep 0.3; exit 3") };
    assert_eq!(run(&late, &policy().await).await.outcome, Outcome::Exited { code: 3 });
}

#[tokio::test]
async fn head_and_tail_are_kept_and_the_rest_is_counted() {
    let policy = Policy { output_bytes: 1000, ..policy().await };
    let finished = run(&sh("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"), &policy).await;
    assert_eq!(finished.outcome, Outcome::Exited { code: 0 });
    let out = &finished.stdout;
    assert!(out.head.starts_with(b"line 0\n") && out.tail.ends_with(b"line 1999\n"));
    assert_eq!((out.head.len() + out.tail.len(), out.total_bytes), (1000, 18_890));
    assert_eq!(out.dropped_bytes(), 17_890);
}

#[tokio::test]
async fn output_before_a_timeout_is_kept() {
    let policy = Policy { wall: Duration::from_millis(400), ..policy().await };
    let finished = run(&sh("echo early; sleep 100"), &policy).await;
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert_eq!(finished.stdout.head, b"early\n");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let program = Program { path: "/usr/bin/no-such-program".into(), ..sh("") };
    let error = launcher().run(&program, &policy().await, &CancellationToken::new()).await.unwrap_err();
    assert!(
        matches!(error, StartError::ProgramNotFound { ref path } if path.ends_with("no-such-program")),
        "{error:?}"
    );
    let directory = Program { path: "/usr/bin".into(), ..sh("") };
    let error = launcher().run(&directory, &policy().await, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, StartError::Exec { .. }), "{error:?}");
}

#[tokio::test]
async fn bad_requests_are_refused_before_anything_starts() {
    let policy = policy().await;
    let relative = Program { path: "sh".into(), ..sh("") };
    let nul = Policy { env: [("A\0".to_owned(), String::new())].into(), ..policy.clone() };
    let no_memory = Policy { memory_bytes: 0, ..policy.clone() };
    for (program, policy) in [(relative, policy.clone()), (sh(""), nul), (sh(""), no_memory)] {
        let error = launcher().run(&program, &policy, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(error, StartError::Invalid { .. }), "{error:?}");
    }
    let missing = Policy { writable: vec!["/no/such/directory".into()], ..policy };
    let error = launcher().run(&sh(""), &missing, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, StartError::Setup { .. }), "{error:?}");
}

#[tokio::test]
async fn a_helper_that_is_none_is_an_error() {
    let no_file = Launcher::new("/no/such/helper".into());
    let error = no_file.run(&sh(""), &Policy::default(), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, StartError::Spawn { .. }), "{error:?}");
    let no_host = Launcher::new("/bin/false".into());
    let error = no_host.run(&sh(""), &Policy::default(), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, StartError::Helper { .. }), "{error:?}");
}

#[tokio::test]
async fn cancelling_ends_the_run() {
    let (policy, cancel) = (policy().await, CancellationToken::new());
    let canceller = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        canceller.cancel();
    });
    let result = launcher().run(&sh("echo here; sleep 987651"), &policy, &cancel).await;
    match result {
        Ok(finished) => assert_eq!(finished.outcome, Outcome::Cancelled),
        Err(error) => assert!(matches!(error, StartError::CancelledBeforeStart), "{error:?}"),
    }
    assert_eq!(processes_with("987651"), Vec::<String>::new());
}

#[tokio::test]
async fn dropping_the_future_kills_the_tree() {
    let (policy, launcher, cancel) = (policy().await, launcher(), CancellationToken::new());
    let program = sh("sleep 987652 & sleep 987652");
    let run = launcher.run(&program, &policy, &cancel);
    assert!(tokio::time::timeout(Duration::from_millis(500), run).await.is_err());
    eventually("the sleeper is gone", || processes_with("987652").is_empty());
}

#[tokio::test]
async fn usage_is_of_this_run_only() {
    let policy = policy().await;
    let launcher = launcher();
    let no_cancel = CancellationToken::new();
    let big = python("b = bytearray(b'x') * 200_000_000\nfor i in range(3_000_000): pass");
    let big = launcher.run(&big, &policy, &no_cancel).await.unwrap();
    let small = launcher.run(&sh(":"), &policy, &no_cancel).await.unwrap();
    assert!(big.usage.peak_memory_bytes > 200_000_000, "{:?}", big.usage);
    assert!(small.usage.peak_memory_bytes < 50_000_000, "{:?}", small.usage);
    assert!(small.usage.cpu < big.usage.cpu, "{:?} {:?}", small.usage, big.usage);
}

#[tokio::test]
async fn usage_includes_children_and_orphans() {
    let burn = "import os\nif os.fork() == 0:\n  for i in range(4_000_000): pass\n  os._exit(0)\nos.wait()";
    let (idle, busy) =
        (run(&python("pass"), &policy().await).await, run(&python(burn), &policy().await).await);
    assert!(busy.usage.cpu > idle.usage.cpu + Duration::from_millis(20), "{:?} {:?}", busy.usage, idle.usage);
}

#[tokio::test]
async fn a_session_talks_and_ends() {
    let mut session = launcher()
        .open(&sh("while read line; do echo got $line; done; exit 5"), &policy().await)
        .await
        .unwrap();
    assert!(!session.protection().names().is_empty());
    for word in ["one", "two"] {
        session.write(format!("{word}\n").as_bytes()).await.unwrap();
        assert_eq!(read_line(&mut session).await, format!("got {word}\n"));
    }
    let usage = session.usage().await.unwrap();
    assert!(usage.peak_memory_bytes > 0 && usage.wall > Duration::ZERO);
    let finished = session.wait().await.unwrap();
    assert_eq!(finished.outcome, Outcome::Exited { code: 5 });
    assert_eq!(finished.stdout.head, b"got one\ngot two\n");
}

async fn read_line(session: &mut proofloop_sandboxes::process::Session) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.extend(session.read().await.expect("the session goes on"));
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn a_session_that_floods_waits_for_its_reader() {
    let program = python("import os\nfor i in range(200): os.write(1, b'x' * 65536)");
    let policy = Policy { output_bytes: 1024, ..policy().await };
    let mut session = launcher().open(&program, &policy).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut total_bytes = 0;
    while let Some(chunk) = session.read().await {
        total_bytes += chunk.len();
    }
    assert_eq!(total_bytes, 200 * 65536);
    let finished = session.wait().await.unwrap();
    assert_eq!((finished.outcome, finished.stdout.total_bytes), (Outcome::Exited { code: 0 }, 200 * 65536));
}

#[tokio::test]
async fn a_session_is_killed_in_the_middle_of_a_write() {
    let mut session = launcher().open(&sh("trap '' TERM; sleep 987653"), &policy().await).await.unwrap();
    let input = vec![b'x'; 10_000_000];
    assert!(tokio::time::timeout(Duration::from_millis(100), session.write(&input)).await.is_err());
    assert_eq!(session.kill().await.unwrap().outcome, Outcome::Cancelled);
    assert_eq!(processes_with("987653"), Vec::<String>::new());
}

/// Burns the same CPU time in a grandchild that nobody waits for and in itself, says so, and stays.
const BURN_AND_STAY: &str = "import os, time
def burn():
  while time.process_time() < 0.3: pass
r, w = os.pipe()
if os.fork() == 0:
  if os.fork() == 0:
    burn(); os.write(w, b'x'); time.sleep(1000)
  os._exit(0)
burn(); os.read(r, 1); os.write(1, b'done\\n')";

#[tokio::test]
async fn a_killed_session_still_tells_what_it_used() {
    let program = python(&format!("{BURN_AND_STAY}\ntime.sleep(1000)"));
    let mut session = launcher().open(&program, &policy().await).await.unwrap();
    assert_eq!(read_line(&mut session).await, "done\n");
    let finished = session.kill().await.unwrap();
    assert_eq!(finished.outcome, Outcome::Cancelled);
    assert!(finished.usage.cpu >= Duration::from_millis(600), "{:?}", finished.usage);
}

#[tokio::test]
async fn a_session_is_only_waited_for_so_long() {
    let program = python(&format!("{BURN_AND_STAY}\nos.close(1); os.close(2); time.sleep(1000)"));
    let mut session = launcher().open(&program, &policy().await).await.unwrap();
    assert_eq!(read_line(&mut session).await, "done\n");
    let finished = session.wait_at_most(Duration::from_millis(50)).await.unwrap();
    assert_eq!(finished.outcome, Outcome::Cancelled);
    assert!(finished.usage.cpu >= Duration::from_millis(600), "{:?}", finished.usage);

    let session = launcher().open(&sh("exit 3"), &policy().await).await.unwrap();
    let finished = session.wait_at_most(Duration::from_secs(60)).await.unwrap();
    assert_eq!(finished.outcome, Outcome::Exited { code: 3 });
}

#[tokio::test]
async fn a_dropped_session_leaves_nothing() {
    let session = launcher().open(&sh("sleep 987654 & sleep 987654"), &policy().await).await.unwrap();
    drop(session);
    tokio::task::spawn_blocking(|| eventually("the sleeper is gone", || processes_with("987654").is_empty()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_session_ends_at_its_wall_time_and_then_refuses() {
    let policy = Policy { wall: Duration::from_millis(300), ..policy().await };
    let mut session = launcher().open(&sh("sleep 100"), &policy).await.unwrap();
    assert_eq!(session.read().await, None);
    let refused = loop {
        if let Err(error) = session.write(b"x").await {
            break error;
        }
    };
    assert!(matches!(refused, SessionError::Ended | SessionError::Write(_)));
    assert_eq!(session.wait().await.unwrap().outcome, Outcome::TimedOut);
}

#[tokio::test]
async fn endless_times_are_no_overflow() {
    let policy =
        Policy { wall: Duration::MAX, grace: Duration::MAX, cpu: Some(Duration::MAX), ..policy().await };
    assert_eq!(run(&sh("exit 0"), &policy).await.outcome, Outcome::Exited { code: 0 });
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = launcher().run(&sh("exit 0"), &policy, &cancel).await;
    assert!(matches!(error, Err(StartError::CancelledBeforeStart)), "{error:?}");
}

#[tokio::test]
async fn many_at_once() {
    let (policy, launcher) = (policy().await, launcher());
    let runs = (0..40).map(|i| {
        let (policy, launcher) = (policy.clone(), launcher.clone());
        tokio::spawn(async move {
            let finished =
                launcher.run(&sh(&format!("echo {i}; exit {i}")), &policy, &CancellationToken::new()).await;
            let finished = finished.unwrap();
            assert_eq!(finished.outcome, Outcome::Exited { code: i });
            assert_eq!(finished.stdout.head, format!("{i}\n").as_bytes());
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
}

#[tokio::test]
async fn paths_are_where_they_are_outside() {
    let outside = tempfile::tempdir().unwrap();
    let (real, work) = (outside.path().join("real"), outside.path().join("real/work"));
    fs::create_dir_all(&work).unwrap();
    fs::write(real.join("data"), "data").unwrap();
    let link = outside.path().join("link");
    std::os::unix::fs::symlink("real", &link).unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let policy = Policy {
        read_only: [policy().await.read_only, vec![link.clone()]].concat(),
        writable: vec![work.clone()],
        ..policy().await
    };
    let script = "cat ../../link/data; echo new > file; pwd; echo no > ../data || echo denied; cat ../../secret || echo hidden";
    let finished = run(&Program { cwd: work.clone(), ..sh(script) }, &policy).await;
    let expected = format!("data{}\ndenied\nhidden\n", work.display());
    assert_eq!(finished.stdout.to_string_lossy(), expected, "{}", finished.stderr.to_string_lossy());
    assert_eq!(fs::read_to_string(work.join("file")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(real.join("data")).unwrap(), "data");
}

#[tokio::test]
async fn network_is_there_when_the_policy_says_so() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let program = python(&format!("import socket; socket.create_connection(('127.0.0.1', {port}))"));
    let with = Policy { network: Network::Host, ..policy().await };
    assert_eq!(run(&program, &with).await.outcome, Outcome::Exited { code: 0 });
    assert_eq!(run(&program, &policy().await).await.outcome, Outcome::Exited { code: 1 });
}

/// TCP within the sandbox, and none out of it, though the port is open on the host.
#[tokio::test]
async fn loopback_reaches_the_program_itself_and_nothing_else() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let script = format!(
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nc = socket.create_connection(s.getsockname())\n\
         c.sendall(b'inside')\nprint(s.accept()[0].recv(6).decode())\n\
         for target in [('127.0.0.1', {port}), ('192.0.2.1', 80)]:\n    try: socket.create_connection(target, 2); print('reached')\n    \
         except OSError: print('refused')\n\
         try: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW); print('reached')\nexcept OSError: print('refused')"
    );
    let policy = Policy { network: Network::Loopback, ..policy().await };
    let finished = run(&python(&script), &policy).await;
    assert_eq!(
        finished.stdout.to_string_lossy(),
        "inside\nrefused\nrefused\nrefused\n",
        "{}",
        finished.stderr.to_string_lossy()
    );
    assert!(finished.protection.names().contains(&"net-namespace-loopback".to_owned()));
}

/// A copy of the helper that every user may run: once, as a copy that still runs, or is about to have
/// ended, can't be written to.
fn helper_for_all(directory: &Path) -> PathBuf {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let helper = directory.join("helper");
    fs::copy(HELPER, &helper).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    helper
}

/// The helper as a launcher of its own, as another user if we may.
fn as_nobody(helper: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(helper);
    command.args(arguments).current_dir("/tmp").stdin(Stdio::null());
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

fn finished(output: &std::process::Output) -> Finished {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

#[test]
fn without_root_the_core_still_holds() {
    let directory = tempfile::tempdir().unwrap();
    let helper = helper_for_all(directory.path());
    let policy =
        Policy { memory_bytes: 128 << 20, processes: 40, wall: Duration::from_secs(30), ..Policy::default() };
    let policy = serde_json::to_string(&policy).unwrap();
    let py = |code: &str| {
        finished(&as_nobody(
            &helper,
            &["--policy", &policy, "--optional", "/usr/bin/python3", "-I", "-S", "-c", code],
        ))
    };
    let memory = py("held = []\nwhile True: held.append(bytearray(5_000_000))");
    assert_eq!(memory.outcome, Outcome::MemoryLimit, "{memory:?}");
    let shared = py("import mmap\nm = mmap.mmap(-1, 900_000_000)\nfor i in range(0, len(m), 4096): m[i] = 1");
    assert_eq!(shared.outcome, Outcome::MemoryLimit, "{shared:?}");
    let forks = py(
        "import os, time\nn = 0\ntry:\n  while n < 500:\n    if os.fork() == 0: time.sleep(60)\n    n += 1\nexcept OSError: print('stopped')",
    );
    assert_eq!(forks.stdout.head, b"stopped\n", "{forks:?}");
    let reads = "import os\nfor p in ('/etc/passwd', '/etc/hostname', '/var/log', '/tmp/..'):\n  try: open(p).read() if os.path.isfile(p) else os.listdir(p); print(p)\n  except OSError: pass";
    assert_eq!(py(reads).stdout.head, b"");
    let socket = "import socket\ntry: socket.create_connection(('127.0.0.1', 1))\nexcept PermissionError: print('denied')";
    assert_eq!(py(socket).stdout.head, b"denied\n");
    let state = memory.protection.get(Layer::MemoryLimit).unwrap();
    assert!(state.enforced && !state.detail.is_empty(), "{state:?}");
}

/// Without any namespace (as in a container that forbids them) Landlock gives the file rules and the
/// subreaper the end of the tree.
#[tokio::test]
async fn each_layer_degrades_alone() {
    let protection = launcher().probe(&policy().await).await;
    let names: BTreeSet<_> = protection.layers.iter().map(|state| state.layer).collect();
    assert_eq!(names.len(), protection.layers.len(), "a layer is reported twice");
    for state in &protection.layers {
        assert!(!state.detail.is_empty() && !state.name.is_empty(), "{state:?}");
    }
    let host_network = Policy { network: Network::Host, ..Policy::default() };
    let protection: Protection = launcher().probe(&host_network).await;
    assert!(protection.get(Layer::NetNamespace).is_none());
}

/// A user namespace cannot be made where none may exist: the sandbox inside a sandbox.
#[tokio::test]
async fn a_missing_layer_is_an_error_unless_optional() {
    let helper = PathBuf::from(HELPER);
    let directory = helper.parent().unwrap().to_owned();
    let outer = Policy { read_only: [policy().await.read_only, vec![directory]].concat(), ..policy().await };
    let inner = |flags: &[&str]| Program {
        path: helper.clone(),
        args: flags.iter().chain(&["/bin/sh", "-c", "sleep 30 & echo inside"]).map(Into::into).collect(),
        cwd: "/tmp".into(),
        stdin: Vec::new(),
    };
    let strict = run(&inner(&[]), &outer).await;
    assert_eq!(strict.outcome, Outcome::Exited { code: 3 });
    let said = strict.stderr.to_string_lossy().into_owned();
    assert!(said.contains("sandbox layer user-namespace is not available"), "{said}");
    let degraded = run(&inner(&["--optional"]), &outer).await;
    let said = degraded.stdout.to_string_lossy().into_owned() + &degraded.stderr.to_string_lossy();
    let inner: Finished =
        serde_json::from_slice(&degraded.stdout.head).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(
        (inner.outcome, inner.stdout.head.as_slice()),
        (Outcome::Exited { code: 0 }, &b"inside\n"[..])
    );
    for layer in [Layer::UserNamespace, Layer::PidNamespace, Layer::MountNamespace] {
        assert!(!inner.protection.get(layer).unwrap().enforced);
    }
    assert!(inner.protection.get(Layer::Seccomp).unwrap().enforced);
}

#[tokio::test]
async fn killing_the_launcher_leaves_nothing() {
    let policy = Policy { wall: Duration::from_secs(500), ..policy().await };
    let policy = serde_json::to_string(&policy).unwrap();
    let script = "trap '' TERM; (trap '' TERM; setsid sleep 987655 &) ; sleep 987655";
    let mut parent = Command::new(HELPER)
        .args(["--policy", &policy, "/bin/sh", "-c", script])
        .current_dir("/tmp")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("both sleepers run", || processes_with("sleep\0987655").len() >= 2);
    parent.kill().unwrap();
    parent.wait().unwrap();
    let killed = Instant::now();
    eventually("all are gone", || processes_with("987655").is_empty());
    println!("gone after {} ms", killed.elapsed().as_millis());
    // The dead launcher's cgroups go with the next launcher's start.
    launcher().probe(&Policy::default()).await;
    let left = format!("proofloop-{}-", parent.id());
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controller, path) = (parts.next().unwrap(), parts.next().unwrap());
        let base = Path::new("/sys/fs/cgroup").join(controller).join(path.trim_start_matches('/'));
        let names = fs::read_dir(base).into_iter().flatten().flatten().map(|e| e.file_name());
        assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with(&left)), "{line}");
    }
}
