//! What judges: the farm for verdicts, snippets for Lean's messages, programs for Python's output. Each behind a gate
//! that gives the clients turns.
//!
//! Everything here is given up by dropping its future, also what a process is doing at that moment.

use super::fair::Gate;
use proofloop_verifiers::candidate::{Candidate, Kind};
use proofloop_verifiers::farm::{Farm, FarmState};
use proofloop_verifiers::lean::snippet::{Elaborated, LeanSnippets, Snippet, SnippetError};
use proofloop_verifiers::python::{CancelFlag, ProgramEnd, ProgramRun, PythonJudge, PythonLimits};
use proofloop_verifiers::verdict::{Judgement, Usage, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use utoipa::ToSchema;

/// Something that judges or runs text, as clients see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ToolchainInfo {
    /// `lean` or `python`.
    pub kind: &'static str,
    /// Who judges, for instance `lean-batch`.
    pub checker: String,
    /// Version of the rules.
    pub rules: String,
    /// The toolchain or guest, with its hash.
    pub toolchain: String,
    /// Whether processes keep the environment of a file's imports.
    pub repl: bool,
}

/// What a backend is made of. What is not installed is not there.
pub struct Parts {
    /// Judges what its verifiers can.
    pub farm: Farm,
    /// Elaborates snippets.
    pub snippets: Option<LeanSnippets>,
    /// Runs programs, at most with these limits.
    pub python: Option<(PythonJudge, PythonLimits)>,
    /// What clients are told of them.
    pub toolchains: Vec<ToolchainInfo>,
    /// Snippets, and programs, that run at once.
    pub workers: usize,
    /// Candidates that the farm gets at once: enough for all its workers, few enough that the clients' turns mean
    /// something.
    pub farm_window: usize,
    /// How long the farm gives a candidate.
    pub candidate_time: Duration,
}

/// Everything that judges.
pub struct Backend {
    farm: Farm,
    snippets: Option<LeanSnippets>,
    python: Option<(PythonJudge, PythonLimits)>,
    toolchains: Vec<ToolchainInfo>,
    to_farm: Gate,
    to_snippets: Gate,
    to_programs: Gate,
    outcomes: Mutex<Outcomes>,
    candidate_time: Duration,
}

/// How snippets and programs ended, by the name of the end.
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    /// `answered`, `timeout`, …
    pub snippets: BTreeMap<&'static str, u64>,
    /// `exited`, `timeout`, …
    pub programs: BTreeMap<&'static str, u64>,
}

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its text.
    pub code: String,
    /// Its standard input.
    pub stdin: String,
    /// Wall clock.
    pub timeout: Duration,
    /// Memory in bytes; never more than the server gives.
    pub memory_bytes: Option<u64>,
}

/// A place where work waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct GateState {
    /// How many may be under way.
    pub places: usize,
    /// How many are.
    pub taken: usize,
    /// How many wait.
    pub waiting: usize,
}

impl From<&Gate> for GateState {
    fn from(gate: &Gate) -> Self {
        Self { places: gate.places(), taken: gate.taken(), waiting: gate.waiting() }
    }
}

impl Backend {
    /// Over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            farm: parts.farm,
            snippets: parts.snippets,
            python: parts.python,
            toolchains: parts.toolchains,
            to_farm: Gate::new(parts.farm_window),
            to_snippets: Gate::new(parts.workers),
            to_programs: Gate::new(parts.workers),
            outcomes: Mutex::default(),
            candidate_time: parts.candidate_time,
        }
    }

    /// Whether each snippet costs a process of its own, while many candidates share one.
    #[must_use]
    pub fn snippets_cost_a_process(&self) -> bool {
        self.snippets.as_ref().is_some_and(|snippets| !snippets.has_repl())
    }

    /// How long the farm gives a candidate.
    #[must_use]
    pub fn candidate_time(&self) -> Duration {
        self.candidate_time
    }

    /// Whether candidates of a kind can be judged.
    #[must_use]
    pub fn can_judge(&self, kind: Kind) -> bool {
        match kind {
            Kind::Lean => self.snippets.is_some(),
            Kind::Python => self.python.is_some(),
            Kind::Isabelle => false,
        }
    }

    /// What judges.
    #[must_use]
    pub fn toolchains(&self) -> &[ToolchainInfo] {
        &self.toolchains
    }

    /// Judges a candidate when it is this client's turn.
    pub async fn judge(&self, client: &str, candidate: Candidate) -> Judgement {
        let _pass = self.to_farm.enter(client).await;
        match self.farm.submit(candidate).await {
            Ok(ticket) => ticket.judgement().await.unwrap_or_else(|| lost("the farm died")),
            Err(closed) => lost(&closed.to_string()),
        }
    }

    /// Elaborates a snippet when it is this client's turn. The time that it waits is not the snippet's.
    ///
    /// # Errors
    /// [`SnippetError`].
    pub async fn elaborate(&self, client: &str, snippet: &Snippet) -> Result<Elaborated, SnippetError> {
        let Some(snippets) = &self.snippets else {
            return Err(SnippetError::Unavailable { cause: "no Lean toolchain is installed".to_owned() });
        };
        let _pass = self.to_snippets.enter(client).await;
        let result = snippets.elaborate(snippet).await;
        let name = match &result {
            Ok(_) => "answered",
            Err(SnippetError::Timeout { .. }) => "timeout",
            Err(SnippetError::MemoryLimit) => "memory-limit",
            Err(SnippetError::OutputLimit) => "output-limit",
            Err(SnippetError::Crashed { .. }) => "crashed",
            Err(SnippetError::Unavailable { .. }) => "unavailable",
        };
        self.count(|outcomes| *outcomes.snippets.entry(name).or_default() += 1);
        result
    }

    /// Runs a program when it is this client's turn.
    pub async fn run_program(&self, client: &str, program: Program) -> ProgramRun {
        let Some((judge, most)) = &self.python else {
            return not_run("no Python guest is installed".to_owned());
        };
        let _pass = self.to_programs.enter(client).await;
        let limits = PythonLimits {
            wall: program.timeout,
            memory_bytes: program
                .memory_bytes
                .map_or(most.memory_bytes, |bytes| bytes.min(most.memory_bytes)),
            output_bytes: most.output_bytes,
        };
        let flag = CancelFlag::default();
        let _cancels = CancelOnDrop(flag.clone());
        let judge = judge.clone();
        let run = move || judge.run_program(&program.code, &program.stdin, &limits, &flag);
        let ran = tokio::task::spawn_blocking(run).await;
        let ran = ran.unwrap_or_else(|panic| not_run(format!("the judge failed: {panic}")));
        let name = match &ran.end {
            ProgramEnd::Exited(_) => "exited",
            ProgramEnd::Timeout => "timeout",
            ProgramEnd::MemoryLimit => "memory-limit",
            ProgramEnd::OutputLimit => "output-limit",
            ProgramEnd::Cancelled => "cancelled",
            ProgramEnd::Crashed { .. } => "crashed",
            ProgramEnd::Unavailable { .. } => "unavailable",
        };
        self.count(|outcomes| *outcomes.programs.entry(name).or_default() += 1);
        ran
    }

    fn count(&self, count: impl FnOnce(&mut Outcomes)) {
        count(&mut self.outcomes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How snippets and programs ended so far.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The farm at this moment.
    #[must_use]
    pub fn farm_state(&self) -> FarmState {
        self.farm.state()
    }

    /// The gates by name, with how long their places have been taken.
    #[must_use]
    pub fn gates(&self) -> [(&'static str, GateState, Duration); 3] {
        [("farm", &self.to_farm), ("snippets", &self.to_snippets), ("programs", &self.to_programs)]
            .map(|(name, gate)| (name, gate.into(), gate.busy()))
    }

    /// Ends all that the farm is doing: whoever still waits for a verdict gets `cancelled`.
    pub fn cancel(&self) {
        self.farm.cancellation().cancel();
    }

    /// Waits until the farm's processes have ended.
    pub async fn close(self) {
        self.farm.close().await;
    }
}

/// Whoever gives up does not leave a program running.
struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn not_run(cause: String) -> ProgramRun {
    ProgramRun {
        end: ProgramEnd::Unavailable { cause },
        stdout: String::new(),
        stderr: String::new(),
        usage: Usage::default(),
        protection: Vec::new(),
    }
}

/// What went wrong with the farm is no verdict on any candidate.
fn lost(cause: &str) -> Judgement {
    Judgement::of_nobody(Verdict::Unavailable { cause: cause.to_owned() })
}
