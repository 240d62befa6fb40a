//! Candidates to verdicts that are in the store before anybody hears of them.

use super::error::{Result, SelfPlayError};
use super::isabelle::Context;
use crate::records;
use proofloop_datasets::store::{CandidateId, CandidateText, RunStore, VerdictRecord};
use proofloop_verifiers::candidate::{Candidate, IsabelleCandidate, LeanCandidate, PythonCandidate};
use proofloop_verifiers::farm::Farm;
use proofloop_verifiers::lean::policy::{self, Shape};
use proofloop_verifiers::verdict::Verdict;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the store calls the checker of its verdicts.
const CHECKER: &str = "checker";

/// A candidate as the run knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) header: String,
    pub(crate) statement: String,
    pub(crate) completion: String,
    pub(crate) language: Language,
}

/// What the three texts of a [`Work`] are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Language {
    /// A proof in Lean, behind a statement that ends in `:= by`.
    Lean,
    /// A proof in Isabelle, behind a statement; the header is a [`Context`].
    Isabelle,
    /// A program; what is judged follows from the three texts.
    Python(PythonCandidate),
}

impl Work {
    /// A proof behind a statement that ends in `:= by`.
    pub(crate) fn lean(header: String, statement: String, completion: String) -> Self {
        Self { header, statement, completion, language: Language::Lean }
    }

    /// A proof behind a statement; the header is a [`Context`].
    pub(crate) fn isabelle(header: String, statement: String, completion: String) -> Self {
        Self { header, statement, completion, language: Language::Isabelle }
    }

    fn candidate(&self) -> Candidate {
        let (statement, completion) = (self.statement.clone(), self.completion.clone());
        match &self.language {
            Language::Python(python) => Candidate::Python(python.clone()),
            Language::Lean => Candidate::Lean(LeanCandidate::Completion {
                header: self.header.clone(),
                statement,
                completion,
            }),
            Language::Isabelle => {
                // Ours is a context. Another one imports nothing, and so can't be judged, which is not the candidate's fault.
                let context = Context::parse(&self.header)
                    .unwrap_or_else(|| Context { imports: Vec::new(), definitions: self.header.clone() });
                let Context { imports, definitions: header } = context;
                Candidate::Isabelle(IsabelleCandidate::Completion { imports, header, statement, completion })
            }
        }
    }

    /// Whether it is a proof in Lean that could declare more than it proves.
    fn may_be_more(&self) -> bool {
        self.language == Language::Lean && !is_plain(&self.completion)
    }

    fn text(&self) -> CandidateText<'_> {
        CandidateText { header: &self.header, statement: &self.statement, completion: &self.completion }
    }
}

/// What is known about a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// It has a verdict, which is in the store.
    Judged(CandidateId, VerdictRecord),
    /// The infrastructure failed, twice. Not in the store: it may be judged when the run goes on.
    Unavailable(VerdictRecord),
}

impl Known {
    pub(crate) fn is_accepted(&self) -> bool {
        match self {
            Self::Judged(_, record) => record.is_accepted(),
            Self::Unavailable(_) => false,
        }
    }
}

/// The farm with the run's memory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Judge {
    farm: Arc<Farm>,
    store: Arc<Mutex<RunStore>>,
    plain_only: bool,
}

impl Judge {
    /// With `plain_only`, what is more than one plain declaration is rejected without asking the farm.
    pub(crate) fn new(farm: Arc<Farm>, store: Arc<Mutex<RunStore>>, plain_only: bool) -> Self {
        Self { farm, store, plain_only }
    }

    fn store(&self) -> MutexGuard<'_, RunStore> {
        // A panic elsewhere left no transaction open: each is one call.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The verdict of an earlier stage, or of this one before it was interrupted; else the farm's.
    pub(crate) async fn judge(&self, work: Work) -> Result<Known> {
        let known = self.store().verdict(&work.text())?;
        Ok(match known {
            Some((candidate, record)) => Known::Judged(candidate, record),
            None if self.plain_only && work.may_be_more() => {
                let record = not_plain();
                Known::Judged(self.store().add_verdict(&work.text(), &record)?, record)
            }
            None => self.ask(&work).await?,
        })
    }

    async fn ask(&self, work: &Work) -> Result<Known> {
        let mut last = None;
        for _attempt in 0..2 {
            let ticket =
                self.farm.submit(work.candidate()).await.map_err(|_closed| SelfPlayError::FarmEnded)?;
            let judgement = ticket.judgement().await.ok_or(SelfPlayError::FarmEnded)?;
            let record = records::verdict_record(&judgement);
            match judgement.verdict {
                Verdict::Cancelled => return Err(SelfPlayError::Interrupted),
                Verdict::Unavailable { .. } => last = Some(record),
                Verdict::Accepted { .. }
                | Verdict::Rejected { .. }
                | Verdict::Timeout
                | Verdict::MemoryLimit
                | Verdict::OutputLimit
                | Verdict::Crashed { .. } => {
                    self.check_checker(&judgement.checker.identity())?;
                    let candidate = self.store().add_verdict(&work.text(), &record)?;
                    return Ok(Known::Judged(candidate, record));
                }
            }
        }
        last.map(Known::Unavailable).ok_or(SelfPlayError::FarmEnded)
    }

    /// Every verdict of a run is of one checker: another toolchain may say otherwise.
    fn check_checker(&self, now: &str) -> Result<()> {
        let mut store = self.store();
        match store.meta(CHECKER)? {
            Some(there) if there == now => Ok(()),
            Some(there) => Err(SelfPlayError::Checker { there, now: now.to_owned() }),
            None => Ok(store.set_meta(CHECKER, now)?),
        }
    }

    /// Keeps what could not be judged, once the stage that asked for it is about to be finished.
    pub(crate) fn keep(&self, work: &Work, record: &VerdictRecord) -> Result<CandidateId> {
        Ok(self.store().add_verdict(&work.text(), record)?)
    }
}

/// Text that does not lex is left to the farm, which says so.
fn is_plain(completion: &str) -> bool {
    policy::scan(completion).map_or(true, |scan| scan.finding.is_some() || scan.shape == Shape::Plain)
}

fn not_plain() -> VerdictRecord {
    VerdictRecord {
        verdict: "rejected".to_owned(),
        reason: Some("not-plain".to_owned()),
        assurance: None,
        message: Some(
            "the proof is more than one plain declaration, which this run does not judge".to_owned(),
        ),
        wall_ms: 0,
        cpu_ms: 0,
        peak_memory_bytes: 0,
    }
}
