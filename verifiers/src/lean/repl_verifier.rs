//! Mode `repl`: candidates one after the other in a REPL that keeps the environment of their imports.

use super::RULES_VERSION;
use super::batch::layout::{Item, Layout};
use super::batch::messages::{LeanMessage, LeanSeverity, Position};
use super::batch::tracker::{End, Outcome, Tracker};
use super::repl::protocol::{ReplMessage, ReplSeverity};
use super::repl::{
    Ended, Ran, ReplError, ReplFailure, ReplOutcome, ReplSettings, ReplWorker, SandboxSource, Stage,
};
use super::toolchain::Toolchain;
use super::verifier::{Source, bare, refuse};
use crate::candidate::{Candidate, Kind};
use crate::nonce;
use crate::verdict::{Checker, Judgement, Reason, Usage, Verdict};
use crate::verifier::{Attempt, Boxed, Lane, Limits, Sink, UnitCost, UnitSize, Verifier};
use proofloop_sandboxes::process::{Launcher, Policy, Program};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Units are short, so that workers share the work; the environment of the imports outlives them.
const UNITS: UnitSize = UnitSize { worth_a_start: 4, most: 32 };

/// One REPL process may live this long.
const LIFE: Duration = Duration::from_secs(6 * 3600);

type Worker = ReplWorker<SandboxSource>;

/// Judges Lean candidates in REPL processes.
pub struct LeanRepl {
    source: SandboxSource,
    settings: ReplSettings,
    checker: Checker,
    prints_axioms: bool,
    /// Workers that nobody uses, with the imports that they have elaborated last.
    idle: Mutex<Vec<(String, Worker)>>,
}

impl LeanRepl {
    /// A verifier over the REPL at `repl`, built for `toolchain`.
    #[must_use]
    pub fn new(launcher: Launcher, toolchain: Toolchain, repl: PathBuf, limits: Limits) -> Self {
        let settings = settings(&toolchain, &limits);
        let checker = Checker {
            name: "lean-repl".to_owned(),
            version: RULES_VERSION.to_owned(),
            toolchain: toolchain.identity.clone(),
        };
        Self {
            prints_axioms: toolchain.prints_axioms,
            source: source(launcher, toolchain, repl, limits),
            settings,
            checker,
            idle: Mutex::new(Vec::new()),
        }
    }

    fn take_worker(&self, imports: &str) -> Worker {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let known = idle.iter().position(|(header, _)| header == imports).or(idle.len().checked_sub(1));
        match known {
            Some(index) => idle.swap_remove(index).1,
            None => ReplWorker::new(self.source.clone(), self.settings.clone()),
        }
    }

    async fn judge_one(&self, worker: &mut Worker, imports: &str, source: &Source) -> Judgement {
        let nonce = match nonce() {
            Ok(nonce) => nonce,
            Err(error) => {
                let cause = format!("the system gives no random numbers: {error}");
                return bare(Verdict::Unavailable { cause }, Vec::new(), &self.checker);
            }
        };
        let items = [source.item()] as [Item<'_>; 1];
        // The imports are the header; the layout's lines are then the lines of the command.
        let mut layout = Layout::new(&[], &items, &nonce, self.prints_axioms);
        layout.is_module = source.imports.first().is_some_and(|first| first == "module");
        let started = Instant::now();
        let mut result = worker.run(imports, &layout.text).await;
        let mut first_cpu = Duration::ZERO;
        // What killed a process that others had used before may be their doing: once more in a fresh one.
        if let Err(failure) = &result
            && failure.may_be_the_doing_of_others()
        {
            first_cpu = failure.ran.cpu;
            result = worker.run(imports, &layout.text).await;
        }
        let (ran, (verdict, messages)) = match result {
            Ok(mut outcome) => (std::mem::take(&mut outcome.ran), verdict(&layout, outcome)),
            Err(mut failure) => (std::mem::take(&mut failure.ran), (verdict_of_failure(failure), Vec::new())),
        };
        let Ran { cpu, peak_memory_bytes, protection } = ran;
        let usage = Usage::new(started.elapsed(), first_cpu + cpu, peak_memory_bytes);
        Judgement { usage, protection, ..bare(verdict, messages, &self.checker) }
    }
}

/// The limits of a REPL of `toolchain`.
pub(super) fn settings(toolchain: &Toolchain, limits: &Limits) -> ReplSettings {
    ReplSettings {
        header_timeout: toolchain.start_allowance,
        command_timeout: limits.timeout,
        max_memory_bytes: limits.memory_bytes / 4 * 3,
        ..ReplSettings::default()
    }
}

/// Where the processes of the REPL at `repl` come from.
pub(super) fn source(
    launcher: Launcher,
    toolchain: Toolchain,
    repl: PathBuf,
    limits: Limits,
) -> SandboxSource {
    let cwd = repl.parent().map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let mut policy = Policy {
        wall: LIFE,
        memory_bytes: limits.memory_bytes,
        processes: 128,
        optional: limits.optional_layers,
        ..Policy::default()
    };
    policy.read_only.extend(toolchain.read_only);
    policy.read_only.push(cwd.clone());
    policy.env.extend(toolchain.env);
    let program = Program { path: repl, args: Vec::new(), cwd, stdin: Vec::new() };
    SandboxSource::new(launcher, program, policy)
}

fn verdict(layout: &Layout, outcome: ReplOutcome) -> (Verdict, Vec<crate::verdict::Message>) {
    let file_name = "repl";
    let mut tracker = Tracker::new(layout, file_name);
    let mut outcomes: Vec<(usize, Outcome)> = Vec::new();
    for message in outcome.response.messages {
        outcomes.extend(tracker.message(&lean_message(message, file_name)));
    }
    outcomes.extend(tracker.finish(&End::Exited));
    match outcomes.into_iter().next() {
        Some((_, Outcome::Judged(verdict, messages))) => (verdict, messages),
        Some((_, Outcome::Again { .. })) | None => {
            (Verdict::Unavailable { cause: "the REPL's reply holds no evidence".to_owned() }, Vec::new())
        }
    }
}

fn lean_message(message: ReplMessage, file_name: &str) -> LeanMessage {
    let severity = match message.severity {
        ReplSeverity::Error => LeanSeverity::Error,
        ReplSeverity::Warning => LeanSeverity::Warning,
        ReplSeverity::Info | ReplSeverity::Trace => LeanSeverity::Information,
    };
    LeanMessage {
        severity,
        pos: Position { line: message.pos.line, column: message.pos.column },
        end_pos: message.end_pos.map(|pos| Position { line: pos.line, column: pos.column }),
        data: message.data,
        kind: String::new(),
        file_name: file_name.to_owned(),
    }
}

fn verdict_of_failure(failure: ReplFailure) -> Verdict {
    let text = crate::chain(&failure);
    match (failure.stage, failure.error) {
        (Stage::Candidate, ReplError::Timeout { .. }) => Verdict::Timeout,
        (Stage::Candidate, ReplError::Flooded { .. }) => Verdict::OutputLimit,
        (Stage::Candidate, ReplError::Died { ended: Ended::MemoryLimit }) => Verdict::MemoryLimit,
        (
            Stage::Candidate,
            ReplError::Died { ended: Ended::Exited { .. } | Ended::Signaled { .. } | Ended::Killed },
        ) => Verdict::Crashed { how: text },
        // Only code of the candidate's own can have printed it.
        (Stage::Candidate, ReplError::Ambiguous) => Verdict::Rejected { reason: Reason::MetaCode },
        (_, _) => Verdict::Unavailable { cause: text },
    }
}

impl Verifier for LeanRepl {
    fn kind(&self) -> Kind {
        Kind::Lean
    }

    fn checker(&self) -> &Checker {
        &self.checker
    }

    fn policy(&self) -> String {
        super::AXIOM_POLICY.to_owned()
    }

    fn at_once(&self, candidate: &Candidate) -> Option<Judgement> {
        refuse(candidate).map(|(verdict, message)| bare(verdict, vec![message], &self.checker))
    }

    fn lane(&self, candidate: &Candidate) -> Lane {
        let key = Source::of(candidate).map(|source| source.imports.join("\n")).unwrap_or_default();
        Lane { key, shared: true }
    }

    fn unit_size(&self) -> UnitSize {
        UNITS
    }

    /// A worker outlives its units: their CPU time is counted, its process is not.
    fn judge<'a>(
        &'a self,
        unit: &'a [Arc<Candidate>],
        cancel: &'a CancellationToken,
        sink: Sink<'a>,
    ) -> Boxed<'a, UnitCost> {
        Box::pin(async move {
            let sources: Vec<Option<Source>> = unit.iter().map(|candidate| Source::of(candidate)).collect();
            let imports =
                sources.iter().flatten().next().map(|source| source.imports.join("\n")).unwrap_or_default();
            let mut worker = self.take_worker(&imports);
            let mut cost = UnitCost::default();
            for (index, source) in sources.iter().enumerate() {
                let Some(source) = source else { continue };
                let judgement = tokio::select! {
                    judgement = self.judge_one(&mut worker, &imports, source) => judgement,
                    () = cancel.cancelled() => bare(Verdict::Cancelled, Vec::new(), &self.checker),
                };
                cost.cpu += Duration::from_millis(judgement.usage.cpu_ms);
                sink(index, Attempt::Judged(Box::new(judgement)));
            }
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((imports, worker));
            cost
        })
    }
}
