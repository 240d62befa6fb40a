//! Runs the literate attacks of `tests/suites/process.md`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proofloop_sandboxes::process::{Launcher, Layer, Outcome, Policy, Program};
use tokio_util::sync::CancellationToken;

const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/suites/process.md");
const HELPER: &str = env!("CARGO_BIN_EXE_proofloop-sandbox-helper");

struct Case {
    id: String,
    language: String,
    code: String,
    expect: Vec<(String, String)>,
}

impl Case {
    fn expected(&self, key: &str) -> Option<&str> {
        self.expect.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

/// `## id: title`, then a fenced block, then one fenced as `expect`.
fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            let (id, _) = title.split_once(": ").expect("a case is headed `## id: title`");
            let (language, code, expect) = (String::new(), String::new(), Vec::new());
            cases.push(Case { id: id.to_owned(), language, code, expect });
        } else if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let case = cases.last_mut().expect("a block belongs to a case");
            if language == "expect" {
                let pair =
                    |line: &&str| line.split_once(": ").map(|(k, v)| (k.to_owned(), v.replace("\\n", "\n")));
                case.expect = body.iter().map(|line| pair(line).expect("`key: value`")).collect();
            } else {
                case.language = language.to_owned();
                case.code = body.join("\n") + "\n";
            }
        }
    }
    cases
}

/// What the attacks aim at.
struct Host {
    canary: tempfile::TempDir,
    tcp: TcpListener,
    socket: UnixListener,
    mark: String,
    socket_name: String,
}

impl Host {
    fn new() -> Self {
        let mark = format!("proofloop-suite-{}", std::process::id());
        let canary = tempfile::tempdir().unwrap();
        fs::write(canary.path().join("file"), "canary").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket_name = format!("{mark}-socket");
        let socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&socket_name).unwrap()).unwrap();
        tcp.set_nonblocking(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { canary, tcp, socket, mark, socket_name }
    }

    fn policy(&self, work: &Path, optional: &[Layer]) -> Policy {
        let mut policy = Policy {
            wall: Duration::from_secs(60),
            memory_bytes: 256 << 20,
            output_bytes: 64 << 10,
            file_bytes: 4 << 20,
            processes: 48,
            writable: vec![work.to_owned()],
            optional: optional.iter().copied().collect(),
            grace: Duration::from_millis(300),
            ..Policy::default()
        };
        let port = self.tcp.local_addr().unwrap().port();
        policy.env.extend(BTreeMap::from([
            ("HOST_PID".to_owned(), std::process::id().to_string()),
            ("HOST_PORT".to_owned(), port.to_string()),
            ("HOST_SOCKET".to_owned(), self.socket_name.clone()),
            ("CANARY".to_owned(), self.canary.path().display().to_string()),
            ("SUITE_MARK".to_owned(), self.mark.clone()),
        ]));
        policy
    }

    fn assert_unchanged(&self) {
        let names: Vec<_> =
            fs::read_dir(self.canary.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["file"]);
        assert_eq!(fs::read_to_string(self.canary.path().join("file")).unwrap(), "canary");
        assert!(self.tcp.accept().is_err(), "a sandboxed program reached our TCP port");
        assert!(self.socket.accept().is_err(), "a sandboxed program reached our abstract socket");
        assert_eq!(marked_processes(&self.mark), Vec::<String>::new(), "processes are left");
        assert_eq!(left_cgroups(), Vec::<PathBuf>::new(), "cgroups are left");
        assert_eq!(children(), "", "children are left");
    }
}

fn marked_processes(mark: &str) -> Vec<String> {
    let marked = |pid: &String| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    let names = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().into_string().ok());
    names.filter(|name| name.parse::<u32>().is_ok()).filter(marked).collect()
}

fn children() -> String {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect()
}

fn left_cgroups() -> Vec<PathBuf> {
    fn search(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let prefix = format!("proofloop-{}-", std::process::id());
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(entry.path());
            } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                search(&entry.path(), depth - 1, found);
            }
        }
    }
    let mut found = Vec::new();
    search(Path::new("/sys/fs/cgroup"), 5, &mut found);
    found
}

fn written(outcome: Outcome) -> String {
    match outcome {
        Outcome::Exited { code } => format!("exited {code}"),
        Outcome::Signaled { signal } => format!("signaled {signal}"),
        Outcome::TimedOut => "timed-out".to_owned(),
        Outcome::CpuLimit => "cpu-limit".to_owned(),
        Outcome::MemoryLimit => "memory-limit".to_owned(),
        Outcome::OutputLimit => "output-limit".to_owned(),
        Outcome::Cancelled => "cancelled".to_owned(),
    }
}

async fn run(case: &Case, launcher: &Launcher, host: &Host, missing: &[Layer]) -> Result<(), String> {
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("case"), &case.code).unwrap();
    let mut policy = host.policy(work.path(), missing);
    if let Some(setting) = case.expected("policy") {
        let (name, milliseconds) = setting.split_once(' ').expect("`policy: name number`");
        let time = Duration::from_millis(milliseconds.parse().expect("a number"));
        match name {
            "wall-ms" => policy.wall = time,
            "cpu-ms" => policy.cpu = Some(time),
            other => panic!("{}: unknown policy {other}", case.id),
        }
    }
    let (path, flags): (&str, &[&str]) = match case.language.as_str() {
        "python" => ("/usr/bin/python3", &["-I", "-S"]),
        "sh" => ("/bin/sh", &[]),
        other => panic!("{}: unknown language {other}", case.id),
    };
    let args = flags.iter().chain(&["case"]).map(Into::into).collect();
    let program = Program { path: path.into(), args, cwd: work.path().to_owned(), stdin: Vec::new() };
    let finished =
        launcher.run(&program, &policy, &CancellationToken::new()).await.map_err(|e| format!("{e:?}"))?;
    let outcome = written(finished.outcome);
    let stdout = finished.stdout.to_string_lossy();
    let is_stdout_right =
        case.expected("stdout").is_none_or(|expected| stdout.trim_end_matches('\n') == expected);
    if case.expected("outcome") == Some(outcome.as_str()) && is_stdout_right {
        return Ok(());
    }
    Err(format!("{outcome}\n  stdout: {stdout}\n  stderr: {}", finished.stderr.to_string_lossy()))
}

#[tokio::test]
async fn every_attack_ends_as_written() {
    let cases = parse(&fs::read_to_string(SUITE).unwrap());
    assert!(cases.len() >= 40, "the suite has shrunk to {} cases", cases.len());
    let only = std::env::var("PROOFLOOP_CASE").ok();
    let (launcher, host) = (Launcher::new(HELPER.into()), Host::new());
    let protection = launcher.probe(&Policy::default()).await;
    let missing: Vec<Layer> = protection.missing().map(|state| state.layer).collect();
    assert!(missing.len() < Layer::ALL.len() / 2, "this host enforces next to nothing: {protection:#?}");
    let mut failures = Vec::new();
    for case in cases.iter().filter(|case| only.as_ref().is_none_or(|only| case.id == *only)) {
        if case.expected("needs").is_some_and(|needs| missing.iter().any(|layer| layer.name() == needs)) {
            eprintln!("skipped, the host lacks a layer: {}", case.id);
            continue;
        }
        let start = std::time::Instant::now();
        if let Err(failure) = run(case, &launcher, &host, &missing).await {
            failures.push(format!("{}: {failure}", case.id));
        }
        eprintln!("{} {} ms", case.id, start.elapsed().as_millis());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    host.assert_unchanged();
}
