//! The verifier: candidates in, judgements out, workers kept between units.

use super::RULES_VERSION;
use super::audit::{self, Audit, Batch, BatchTool};
use super::policy::Rules;
use super::server::{self, Bounds, Installation};
use super::theory::{Layout, NoTheory, Pinned};
use super::worker::{Checked, Ran, Settings, Source, Worker};
use crate::candidate::{Candidate, IsabelleCandidate, Kind};
use crate::nonce;
use crate::process_end;
use crate::scratch::Scratch;
use crate::verdict::{Assurance, Checker, Judgement, Message, Reason, Severity, Usage, Verdict};
use crate::verifier::{Attempt, Boxed, Lane, Sink, UnitCost, UnitSize, Verifier};
use proofloop_sandboxes::process::{Launcher, Layer, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// Units are short, so that workers share the work; server and session outlive them.
const UNITS: UnitSize = UnitSize { worth_a_start: 4, most: 32 };

/// A server may live this long.
pub(super) const LIFE: Duration = Duration::from_secs(6 * 3600);

/// Time for `isabelle version`.
const VERSION_TIME: Duration = Duration::from_secs(60);

/// There is no Isabelle to judge with.
#[derive(Debug, Error)]
pub enum NoIsabelle {
    /// The program is not there.
    #[error("there is no Isabelle at {}", program.display())]
    Missing {
        /// Where it was looked for.
        program: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It does not say what it is.
    #[error("{} does not say which Isabelle it is: {detail}", program.display())]
    Dumb {
        /// The program.
        program: PathBuf,
        /// What it did instead.
        detail: String,
    },
}

/// Asks the program `isabelle` what it is. What it belongs to, `../..`, is what its processes may read.
///
/// # Errors
/// It is not there, or does not answer `version`.
pub async fn discover(
    launcher: &Launcher,
    program: &Path,
    heaps: Option<PathBuf>,
    optional: &BTreeSet<Layer>,
) -> Result<Installation, NoIsabelle> {
    let missing = |source| NoIsabelle::Missing { program: program.to_owned(), source };
    let real = program.canonicalize().map_err(missing)?;
    let home = real.parent().and_then(Path::parent).unwrap_or(&real).to_owned();
    let mut installation = Installation {
        program: real.clone(),
        read_only: vec![home],
        heaps,
        identity: String::new(),
        env: BTreeMap::new(),
    };
    let dumb = |detail: String| NoIsabelle::Dumb { program: program.to_owned(), detail };
    let folder = tempfile::tempdir().map_err(|error| dumb(format!("no folder: {error}")))?;
    let bounds =
        Bounds { memory_bytes: 2 << 30, life: VERSION_TIME, message_bytes: 0, optional: optional.clone() };
    let policy = server::policy(&installation, &bounds, folder.path());
    let arguments = vec!["version".to_owned()];
    let tool = audit::program(&installation, String::new(), folder.path().to_owned(), arguments);
    let finished = launcher.run(&tool, &policy, &CancellationToken::new()).await;
    let finished = finished.map_err(|error| dumb(crate::chain(&error)))?;
    let text = finished.stdout.to_string_lossy().trim().to_owned();
    if finished.outcome != (Outcome::Exited { code: 0 }) || text.is_empty() || text.lines().count() > 1 {
        return Err(dumb(format!("{:?}, {}", finished.outcome, process_end::last_line(&finished))));
    }
    installation.identity = text;
    Ok(installation)
}

/// Judges Isabelle candidates in sessions of `isabelle server`.
pub struct IsabelleServer {
    source: Source,
    settings: Settings,
    audit: Option<Audit>,
    checker: Checker,
    /// Workers that nobody uses.
    idle: Mutex<Vec<Worker>>,
}

impl IsabelleServer {
    /// A verifier over an installation. With an `audit`, what the server accepts is checked once more in batch mode.
    #[must_use]
    pub fn new(
        launcher: Launcher,
        installation: Installation,
        settings: Settings,
        memory_bytes: u64,
        optional: BTreeSet<Layer>,
        audit: Option<BatchTool>,
    ) -> Self {
        let checker = Checker {
            name: if audit.is_some() { "isabelle-audit" } else { "isabelle-server" }.to_owned(),
            version: RULES_VERSION.to_owned(),
            toolchain: installation.identity.clone(),
        };
        let bounds = Bounds { memory_bytes, life: LIFE, message_bytes: 64 << 20, optional };
        let scratch = Arc::new(Scratch::new(std::env::temp_dir()));
        let source = Source { launcher, installation, bounds, scratch };
        let audit = audit.map(|tool| Audit::new(source.clone(), settings.clone(), tool));
        Self { source, settings, audit, checker, idle: Mutex::new(Vec::new()) }
    }

    fn take_worker(&self) -> Worker {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Worker::new(self.source.clone(), self.settings.clone()))
    }

    fn bare(&self, verdict: Verdict, messages: Vec<Message>) -> Judgement {
        let checker = self.checker.clone();
        Judgement {
            verdict,
            messages,
            usage: Usage::default(),
            checker,
            protection: Vec::new(),
            cached: false,
        }
    }

    async fn judge_one(&self, worker: &mut Worker, candidate: &IsabelleCandidate) -> (Judgement, Ran) {
        let started = Instant::now();
        let layout = match nonce().map(|nonce| layout(candidate, self.settings.rules, &nonce)) {
            Ok(Ok(layout)) => layout,
            Ok(Err(error)) => return (self.without_run(candidate, error), Ran::default()),
            Err(error) => {
                let cause = format!("the system gives no random numbers: {error}");
                return (self.bare(Verdict::Unavailable { cause }, Vec::new()), Ran::default());
            }
        };
        let Checked { verdict, messages, ran } = worker.check(&layout).await;
        let verdict = match (&self.audit, verdict.is_accepted()) {
            (Some(audit), true) => audited(audit.check(&layout).await),
            (Some(_) | None, _) => verdict,
        };
        let usage = Usage::new(started.elapsed(), ran.cpu, ran.peak_memory_bytes);
        let judgement =
            Judgement { usage, protection: ran.protection.clone(), ..self.bare(verdict, messages) };
        (judgement, ran)
    }

    fn without_run(&self, candidate: &IsabelleCandidate, error: NoTheory) -> Judgement {
        match error {
            NoTheory::Unpinnable(_) => {
                self.bare(Verdict::Unavailable { cause: error.to_string() }, Vec::new())
            }
            NoTheory::Refused(finding) => {
                let line = line(candidate, finding.offset);
                let text = format!("not allowed: {}", finding.name);
                let message = Message { severity: Severity::Error, line, column: None, text };
                self.bare(Verdict::Rejected { reason: finding.reason }, vec![message])
            }
        }
    }
}

/// What the audit makes of an acceptance.
fn audited(batch: Batch) -> Verdict {
    match batch {
        Batch::Passed => Verdict::Accepted { assurance: Assurance::Audited },
        Batch::Failed => Verdict::Rejected { reason: Reason::ElaborationError },
        Batch::Timeout => Verdict::Timeout,
        Batch::MemoryLimit => Verdict::MemoryLimit,
        Batch::Broken(cause) => Verdict::Unavailable { cause: format!("the audit failed: {cause}") },
    }
}

fn layout(candidate: &IsabelleCandidate, rules: Rules, nonce: &str) -> Result<Layout, NoTheory> {
    match candidate {
        IsabelleCandidate::Completion { imports, header, statement, completion } => {
            Layout::of_completion(Pinned { imports, header, statement }, completion, rules, nonce)
        }
        IsabelleCandidate::File { code, pinned } => {
            let pinned = pinned.as_ref().map(|pinned| Pinned {
                imports: &pinned.imports,
                header: &pinned.header,
                statement: &pinned.statement,
            });
            Layout::of_file(code, pinned, rules, nonce)
        }
    }
}

/// The line of an offset in what a candidate wrote, counted as messages count it. The offset is one in text whose symbols are
/// written out, in which lines stay what they are.
fn line(candidate: &IsabelleCandidate, offset: usize) -> Option<u32> {
    let (before, text) = match candidate {
        IsabelleCandidate::Completion { imports: _, header, statement, completion } => {
            let open = usize::from(!header.is_empty() && !header.ends_with('\n'));
            (header.matches('\n').count() + open + statement.matches('\n').count(), completion)
        }
        // The offset is one in the body, whose beginning is not known here.
        IsabelleCandidate::File { .. } => return None,
    };
    let text = super::symbols::to_ascii(text);
    let inside = text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
    u32::try_from(before + inside + 1).ok()
}

impl Verifier for IsabelleServer {
    fn kind(&self) -> Kind {
        Kind::Isabelle
    }

    fn checker(&self) -> &Checker {
        &self.checker
    }

    fn policy(&self) -> String {
        let Settings { session, rules, .. } = &self.settings;
        format!("rules={} session={session}", rules.name())
    }

    fn at_once(&self, candidate: &Candidate) -> Option<Judgement> {
        let Candidate::Isabelle(candidate) = candidate else { return None };
        let refused = layout(candidate, self.settings.rules, "0").err()?;
        Some(self.without_run(candidate, refused))
    }

    fn lane(&self, candidate: &Candidate) -> Lane {
        let key = match candidate {
            Candidate::Isabelle(IsabelleCandidate::Completion { imports, .. }) => imports.join("\n"),
            Candidate::Isabelle(IsabelleCandidate::File { pinned: Some(pinned), .. }) => {
                pinned.imports.join("\n")
            }
            Candidate::Isabelle(IsabelleCandidate::File { pinned: None, .. })
            | Candidate::Lean(_)
            | Candidate::Python(_) => String::new(),
        };
        Lane { key, shared: true }
    }

    fn unit_size(&self) -> UnitSize {
        UNITS
    }

    fn judge<'a>(
        &'a self,
        unit: &'a [Arc<Candidate>],
        cancel: &'a CancellationToken,
        sink: Sink<'a>,
    ) -> Boxed<'a, UnitCost> {
        Box::pin(async move {
            let mut worker = self.take_worker();
            let mut cost = UnitCost::default();
            for (index, candidate) in unit.iter().enumerate() {
                let Candidate::Isabelle(candidate) = candidate.as_ref() else { continue };
                let (judgement, ran) = tokio::select! {
                    // First, so that no server is started for what nobody wants any more.
                    biased;
                    () = cancel.cancelled() => (self.bare(Verdict::Cancelled, Vec::new()), Ran::default()),
                    judged = self.judge_one(&mut worker, candidate) => judged,
                };
                cost.cpu += ran.cpu;
                cost.processes += ran.servers;
                sink(index, Attempt::Judged(Box::new(judgement)));
            }
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
            cost
        })
    }
}
