//! `kill -9` in the middle of a run: no child process survives, and the same command again finishes the work with the
//! verdicts that were remembered.

#![expect(clippy::disallowed_methods, reason = "these tests start the program itself and send it signals")]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Candidates in a run.
const COUNT: usize = 400;
/// Every tenth candidate is wrong.
const WRONG_EVERY: usize = 10;
/// What the project promises: no child is left this long after its parent was killed.
const GRACE: Duration = Duration::from_secs(2);

/// One process, told from a later one of the same number by its start.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    id: u32,
    /// Clock ticks since boot.
    started: u64,
    command: String,
}

/// `/proc/ID/stat` from the state on: fields 3, 4, … of proc(5). None if there is no such process.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may hold anything, also `)`.
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn number(fields: &[String], field: usize) -> u64 {
    fields.get(field - 3).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// All processes below `root`, whatever namespace they are in.
fn descendants(root: u32) -> Vec<Process> {
    let mut children: BTreeMap<u64, Vec<Process>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(fields) = stat(id) else { continue };
        let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let process = Process { id, started: number(&fields, 22), command };
        children.entry(number(&fields, 4)).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut parents = vec![u64::from(root)];
    while let Some(parent) = parents.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        parents.extend(below.iter().map(|process| u64::from(process.id)));
        found.extend(below);
    }
    found
}

/// Whether it still runs. One that the kernel is taking down (a zombie, exiting, or with SIGKILL on its way) does not:
/// how long giving back its memory takes says nothing about the program under test.
fn survives(process: &Process) -> bool {
    const EXITING: u64 = 0x4;
    const KILLED: u64 = 1 << (9 - 1);
    let Some(fields) = stat(process.id) else { return false };
    let gone = number(&fields, 22) != process.started || matches!(fields[0].as_str(), "Z" | "X");
    if gone || number(&fields, 9) & EXITING != 0 {
        return false;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", process.id)).unwrap_or_default();
    let pending = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")))
        .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    pending.fold(0, |all, mask| all | mask) & KILLED == 0
}

/// Kills the program with SIGKILL and checks that nothing below it survives; returns what was below it.
fn kill_9(child: &mut Child) -> Vec<Process> {
    // Stopped first, so that it starts nothing between the look and the kill.
    let stop = format!("kill -STOP {}", child.id());
    assert!(Command::new("sh").args(["-c", &stop]).status().expect("a shell").success());
    while stat(child.id()).is_some_and(|fields| !matches!(fields[0].as_str(), "T" | "Z")) {
        sleep(Duration::from_millis(5));
    }
    let below = descendants(child.id());
    child.kill().expect("killed");
    let status = child.wait().expect("waited for");
    assert_eq!(status.signal(), Some(9), "it had ended before: {status}");
    let killed = Instant::now();
    while killed.elapsed() < GRACE && below.iter().any(survives) {
        sleep(Duration::from_millis(20));
    }
    let left: Vec<_> = below.iter().filter(|process| survives(process)).collect();
    assert!(left.is_empty(), "{} of {} survived: {left:#?}", left.len(), below.len());
    below
}

/// A run of 400 candidates in a directory of its own.
struct Job {
    directory: tempfile::TempDir,
}

impl Job {
    fn new(records: &[Value]) -> Self {
        assert_eq!(records.len(), COUNT);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        fs::write(directory.path().join("candidates.jsonl"), lines).expect("written");
        fs::create_dir(directory.path().join("tmp")).expect("a directory");
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn start(&self) -> Child {
        let errors = fs::File::create(self.path().join("stderr")).expect("a file");
        Command::new(env!("CARGO_BIN_EXE_proofloop"))
            .args(["verify", "--format", "jsonl", "--cache", "cache", "candidates.jsonl"])
            .current_dir(self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the program starts")
    }

    /// Kills a run once `count` results are there; returns all results that came out. The pipe holds less than all
    /// of them, so the program cannot have ended.
    fn kill_after(&self, count: usize) -> Vec<Value> {
        let mut child = self.start();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut text = String::new();
        for _line in 0..count {
            let length = out.read_line(&mut text).expect("UTF-8");
            assert!(length > 0, "it ended early: {}", self.errors());
        }
        kill_9(&mut child);
        out.read_to_string(&mut text).expect("UTF-8");
        // The last line may be a torn one.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        results(whole)
    }

    /// Names of what is in the temporary directory.
    fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path().join("tmp")).expect("a directory").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.path().join("stderr")).unwrap_or_default()
    }

    /// Lets the run finish and compares it with what must come out, and with what came out before.
    fn finish(&self, expected: &[(String, bool)], before: &[Value]) {
        let output = self.start().wait_with_output().expect("ended");
        assert_eq!(output.status.code(), Some(1), "{}", self.errors());
        assert_eq!(self.errors(), "");
        let after = results(&String::from_utf8(output.stdout).expect("UTF-8"));
        assert_eq!(verdicts(&after), expected);
        assert_eq!(verdicts(before), expected[..before.len()]);
        let cached: BTreeSet<&str> =
            after.iter().filter(|result| result["cached"] == true).filter_map(|r| r["id"].as_str()).collect();
        // A verdict is stored before it is told.
        let forgotten: Vec<_> = before
            .iter()
            .filter_map(|result| result["id"].as_str())
            .filter(|id| !cached.contains(id))
            .collect();
        assert!(forgotten.is_empty(), "told, but not remembered: {forgotten:?}");
        // Neither its own files nor those of the runs that were killed.
        assert_eq!(self.left_behind(), Vec::<String>::new());
    }
}

fn results(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Id and acceptance; anything but `accepted` and `rejected` is a failure of the test.
fn verdicts(results: &[Value]) -> Vec<(String, bool)> {
    let one = |result: &Value| {
        let verdict = result["verdict"].as_str().expect("text");
        assert!(matches!(verdict, "accepted" | "rejected"), "{result}");
        (result["id"].as_str().expect("text").to_owned(), verdict == "accepted")
    };
    results.iter().map(one).collect()
}

fn expectation(records: &[Value]) -> Vec<(String, bool)> {
    let id = |record: &Value| record["id"].as_str().expect("text").to_owned();
    records
        .iter()
        .enumerate()
        .map(|(index, record)| (id(record), !index.is_multiple_of(WRONG_EVERY)))
        .collect()
}

/// The first 400 problems of the bundled workbook with their proofs, every tenth with a tactic that does not exist.
fn lean_records() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/data/workbook");
    let lines: Vec<Value> = ["train.jsonl", "valid.jsonl", "test.jsonl"]
        .iter()
        .flat_map(|file| results(&fs::read_to_string(folder.join(file)).expect("the workbook")))
        .filter(|problem| problem["proof"].is_string())
        .take(COUNT)
        .collect();
    let record = |(index, problem): (usize, &Value)| {
        let wrong = index.is_multiple_of(WRONG_EVERY);
        let completion = if wrong { json!("\n  no_such_tactic") } else { problem["proof"].clone() };
        json!({
            "id": problem["name"], "kind": "lean", "header": problem["header"],
            "formal_statement": problem["formal_statement"], "completion": completion,
        })
    };
    lines.iter().enumerate().map(record).collect()
}

fn python_records() -> Vec<Value> {
    let record = |index: usize| {
        let right = if index.is_multiple_of(WRONG_EVERY) { "x" } else { "x + 1" };
        json!({
            "id": format!("python {index}"), "kind": "python",
            "code": format!("def f{index}(x):\n    return {right}\n"),
            "tests": [format!("assert f{index}(1) == 2")],
        })
    };
    (0..COUNT).map(record).collect()
}

#[test]
fn python_survives_kill_9() {
    let records = python_records();
    let job = Job::new(&records);
    let before = job.kill_after(20);
    assert!(before.len() >= 20);
    job.finish(&expectation(&records), &before);
}

#[test]
fn real_lean_survives_kill_9() {
    let records = lean_records();
    let job = Job::new(&records);

    // While Lean starts: nothing is remembered, and the children are certainly there.
    let mut child = job.start();
    let below = loop {
        let lean = |process: &Process| process.command.contains("lean");
        if descendants(child.id()).iter().any(lean) {
            break kill_9(&mut child);
        }
        assert!(child.try_wait().expect("waited for").is_none(), "it ended early: {}", job.errors());
        sleep(Duration::from_millis(20));
    };
    assert!(!below.is_empty());
    assert_eq!(job.left_behind().len(), 1, "a killed run clears nothing away");

    // In the middle: some verdicts are out, others are being computed.
    let before = job.kill_after(20);
    assert_eq!(job.left_behind().len(), 1, "the second run has cleared away what the first has left");
    job.finish(&expectation(&records), &before);
}
