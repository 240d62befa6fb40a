//! The farm: a queue, workers, a verdict cache, and the promise that every candidate gets an answer.
//!
//! One task, the actor, holds the truth. It receives events (a submission, an attempt, the end of a unit) and
//! acts on what the [`dispatcher`] decides. Identical candidates are judged once; reproducible verdicts are
//! written to the cache before anybody hears of them.

mod actor;
pub mod dispatcher;

use crate::cache::{Cache, CacheError};
use crate::candidate::Candidate;
use crate::verdict::Judgement;
use crate::verifier::Verifier;
use actor::{Actor, Event};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Settings of a farm.
#[derive(Debug, Clone)]
pub struct FarmSettings {
    /// Units that are judged at once.
    pub workers: usize,
    /// Directory of the verdict cache; `None` for none.
    pub cache: Option<PathBuf>,
    /// How long the farm waits for more candidates before it starts a unit that is not full.
    pub linger: Duration,
    /// How long it waits at most while candidates keep coming.
    pub patience: Duration,
    /// Candidates without a verdict that the farm holds; submitting more waits.
    pub capacity: usize,
}

impl Default for FarmSettings {
    fn default() -> Self {
        Self {
            workers: 1,
            cache: None,
            linger: Duration::from_millis(100),
            patience: Duration::from_secs(5),
            capacity: 8192,
        }
    }
}

/// What a farm has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FarmStats {
    /// Candidates that were submitted.
    pub submitted: u64,
    /// Answers that came from the cache.
    pub from_cache: u64,
    /// Submissions that were identical to one that was waiting for its verdict.
    pub duplicates: u64,
    /// Units that were started.
    pub units: u64,
    /// Attempts without a verdict.
    pub retries: u64,
    /// Processes that the verifiers started for a unit, so without a REPL that outlives it.
    pub processes: u64,
    /// User and system time of the processes that judged, whatever became of them. Not in it: what runs inside this
    /// process (wasm, our own work), and units whose verifier panicked.
    pub cpu: Duration,
}

/// What a farm is doing and has done, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FarmState {
    /// Candidates without a verdict that no worker has taken.
    pub waiting: usize,
    /// Candidates that workers have.
    pub judging: usize,
    /// Units that are being judged: workers at work.
    pub running: usize,
    /// Units that are judged at once, at most.
    pub workers: usize,
    /// What was done so far.
    pub stats: FarmStats,
    /// Answers by the name of their verdict, those from the cache and to duplicates with them.
    pub verdicts: BTreeMap<&'static str, u64>,
}

/// The answer to one submission.
#[derive(Debug)]
pub struct Ticket {
    reply: oneshot::Receiver<Judgement>,
}

impl Ticket {
    /// Waits for the judgement; `None` if the farm died. Dropping a ticket gives the candidate up: it is not judged any
    /// more, and a unit that nobody waits for is ended.
    pub async fn judgement(self) -> Option<Judgement> {
        self.reply.await.ok()
    }
}

/// The farm does not take submissions any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the farm is closed")]
pub struct Closed;

/// A running farm.
pub struct Farm {
    events: mpsc::Sender<actor::Submission>,
    cancel: CancellationToken,
    state: watch::Receiver<FarmState>,
    actor: JoinHandle<FarmStats>,
}

impl Farm {
    /// Starts a farm over these verifiers; a candidate goes to the first one of its kind.
    ///
    /// # Errors
    /// [`CacheError`] if the cache can't be opened.
    pub fn start(verifiers: Vec<Arc<dyn Verifier>>, settings: &FarmSettings) -> Result<Self, CacheError> {
        let cache = settings.cache.as_deref().map(Cache::open).transpose()?;
        let cancel = CancellationToken::new();
        let (submissions, queue) = mpsc::channel(64);
        let (told, state) = watch::channel(FarmState::default());
        let actor = Actor::new(verifiers, cache, settings, cancel.clone(), told);
        Ok(Self { events: submissions, cancel, state, actor: tokio::spawn(actor.run(queue)) })
    }

    /// Submits a candidate; waits while the farm is full.
    ///
    /// # Errors
    /// [`Closed`] after the farm died.
    pub async fn submit(&self, candidate: Candidate) -> Result<Ticket, Closed> {
        let (sender, reply) = oneshot::channel();
        let submission = actor::Submission { candidate: Arc::new(candidate), reply: sender };
        self.events.send(submission).await.map_err(|_closed| Closed)?;
        Ok(Ticket { reply })
    }

    /// What the farm is doing; at most a quarter of a second old.
    #[must_use]
    pub fn state(&self) -> FarmState {
        self.state.borrow().clone()
    }

    /// A token that ends all work: every candidate without a verdict becomes `Cancelled`.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Takes no more submissions, waits for the verdicts that are owed, and returns what was done.
    pub async fn close(self) -> FarmStats {
        drop(self.events);
        self.actor.await.unwrap_or_default()
    }
}

/// Events from workers to the actor are bounded by what the workers hold.
type Events = mpsc::UnboundedSender<Event>;

#[cfg(test)]
mod tests;
