//! Snippets in REPL processes, which keep the environment of their imports.

use super::{Answer, Elaborated, Parts, Snippet, SnippetError, header_answer};
use crate::lean::repl::protocol::CommandOptions;
use crate::lean::repl::{
    Ended, ReplError, ReplFailure, ReplOutcome, ReplSettings, ReplWorker, SandboxSource, Stage,
};
use crate::lean::repl_verifier;
use crate::lean::toolchain::Toolchain;
use crate::verdict::Usage;
use crate::verifier::Limits;
use proofloop_sandboxes::process::Launcher;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub(super) struct Repls {
    source: SandboxSource,
    settings: ReplSettings,
    /// Nobody uses these; the one that was used last is the last.
    idle: Mutex<Vec<Idle>>,
    processes: AtomicU64,
}

/// A worker with the imports that it has elaborated last.
struct Idle {
    imports: String,
    process: u64,
    worker: ReplWorker<SandboxSource>,
}

impl Repls {
    pub(super) fn new(launcher: Launcher, toolchain: Toolchain, repl: PathBuf, limits: Limits) -> Self {
        let settings = repl_verifier::settings(&toolchain, &limits);
        let source = repl_verifier::source(launcher, toolchain, repl, limits);
        Self { source, settings, idle: Mutex::default(), processes: AtomicU64::new(0) }
    }

    /// One that knows the imports; else, one whose process is gone, or the one that was idle longest, for there are to
    /// be no more processes than snippets at once. Where a fresh one is wanted, that one ends.
    fn take(&self, snippet: &Snippet, imports: &str) -> Idle {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker that has lost its process (after a timeout, say) knows nothing any more: another one may.
        let knows = |idle: &Idle| idle.imports == imports && idle.worker.is_live();
        let known = idle.iter().rposition(knows).filter(|_| snippet.reuse);
        let gone = || idle.iter().position(|idle| !idle.worker.is_live());
        let other = || gone().or((!idle.is_empty()).then_some(0));
        let taken = known.or_else(other).map(|index| idle.remove(index));
        taken.filter(|_| snippet.reuse).unwrap_or_else(|| Idle {
            imports: imports.to_owned(),
            process: self.processes.fetch_add(1, Ordering::Relaxed),
            worker: ReplWorker::new(self.source.clone(), self.settings.clone()),
        })
    }

    pub(super) async fn elaborate(
        &self,
        snippet: &Snippet,
        parts: &Parts<'_>,
    ) -> Result<Elaborated, SnippetError> {
        let mut idle = self.take(snippet, &parts.imports);
        idle.worker.settings_mut().command_timeout = snippet.timeout;
        let options = CommandOptions { infotree: snippet.infotree, ..CommandOptions::default() };
        let before = idle.worker.processes_started();
        let mut result = idle.worker.run_with(&parts.imports, parts.body, &options).await;
        // What killed a process that others had used before may be their doing: once more in a fresh one.
        if result.as_ref().is_err_and(ReplFailure::may_be_the_doing_of_others) {
            result = idle.worker.run_with(&parts.imports, parts.body, &options).await;
        }
        if idle.worker.processes_started() != before && before > 0 {
            idle.process = self.processes.fetch_add(1, Ordering::Relaxed);
        }
        let process = idle.process;
        if !snippet.reuse || parts.may_run_code {
            idle.worker.close().await;
        }
        if snippet.reuse {
            parts.imports.clone_into(&mut idle.imports);
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        }
        match result {
            Ok(outcome) => Ok(answered(outcome, parts, process)),
            Err(failure) => failed(failure, process),
        }
    }
}

fn answered(outcome: ReplOutcome, parts: &Parts<'_>, process: u64) -> Elaborated {
    let ReplOutcome { mut response, elapsed, ran, .. } = outcome;
    parts.place_all(&mut response);
    Elaborated {
        answer: Answer::Elaborated(response),
        elapsed,
        usage: Usage::new(elapsed, ran.cpu, ran.peak_memory_bytes),
        protection: ran.protection,
        process,
    }
}

fn failed(failure: ReplFailure, process: u64) -> Result<Elaborated, SnippetError> {
    let text = crate::chain(&failure);
    let ReplFailure { error, stage, ran, .. } = failure;
    let answer = match (error, stage) {
        (ReplError::Header { messages }, _) => header_answer(messages),
        (ReplError::Refused { message }, _) => Answer::Refused(message),
        (ReplError::Timeout { limit }, _) => {
            return Err(SnippetError::Timeout { limit, in_header: stage != Stage::Candidate });
        }
        (ReplError::Flooded { .. }, Stage::Candidate) => return Err(SnippetError::OutputLimit),
        (ReplError::Died { ended: Ended::MemoryLimit }, Stage::Candidate) => {
            return Err(SnippetError::MemoryLimit);
        }
        (ReplError::Ambiguous, Stage::Candidate) => {
            return Err(SnippetError::Crashed { how: "it printed what looks like a reply".to_owned() });
        }
        (
            ReplError::Died { ended: Ended::Exited { .. } | Ended::Signaled { .. } | Ended::Killed },
            Stage::Candidate,
        ) => return Err(SnippetError::Crashed { how: text }),
        (_, _) => return Err(SnippetError::Unavailable { cause: text }),
    };
    Ok(Elaborated {
        answer,
        elapsed: std::time::Duration::ZERO,
        usage: Usage::new(ran.cpu, ran.cpu, ran.peak_memory_bytes),
        protection: ran.protection,
        process,
    })
}
