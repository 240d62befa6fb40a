//! The farm's one task that holds the truth.

use super::dispatcher::{Dispatcher, JobId, Retry, Unit};
use super::{Events, FarmSettings, FarmStats};
use crate::cache::Cache;
use crate::candidate::{Address, Candidate};
use crate::verdict::{Checker, Judgement, Usage, Verdict};
use crate::verifier::{Attempt, UnitCost, Verifier};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) struct Submission {
    pub candidate: Arc<Candidate>,
    pub reply: oneshot::Sender<Judgement>,
}

pub(super) enum Event {
    Attempted { job: JobId, attempt: Attempt },
    UnitEnded { jobs: Vec<JobId>, cost: UnitCost },
}

struct Job {
    candidate: Arc<Candidate>,
    address: Address,
    verifier: usize,
    waiting: Vec<oneshot::Sender<Judgement>>,
}

pub(super) struct Actor {
    verifiers: Vec<Arc<dyn Verifier>>,
    cache: Option<Cache>,
    dispatcher: Dispatcher,
    jobs: HashMap<JobId, Job>,
    by_address: HashMap<Address, JobId>,
    next_id: JobId,
    running: usize,
    workers: usize,
    capacity: usize,
    linger: Duration,
    patience: Duration,
    last_arrival: Instant,
    /// When the first of those that wait now came.
    waiting_since: Option<Instant>,
    cancel: CancellationToken,
    stats: FarmStats,
}

impl Actor {
    pub(super) fn new(
        verifiers: Vec<Arc<dyn Verifier>>,
        cache: Option<Cache>,
        settings: &FarmSettings,
        cancel: CancellationToken,
    ) -> Self {
        let sizes = verifiers.iter().map(|verifier| verifier.unit_size()).collect();
        Self {
            dispatcher: Dispatcher::new(sizes, settings.workers),
            verifiers,
            cache,
            jobs: HashMap::new(),
            by_address: HashMap::new(),
            next_id: 0,
            running: 0,
            workers: settings.workers.max(1),
            capacity: settings.capacity.max(1),
            linger: settings.linger,
            patience: settings.patience,
            last_arrival: Instant::now(),
            waiting_since: None,
            cancel,
            stats: FarmStats::default(),
        }
    }

    pub(super) async fn run(mut self, mut submissions: mpsc::Receiver<Submission>) -> FarmStats {
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by what the workers hold: one event for each candidate of a unit, and one for its end"
        )]
        let (events, mut from_workers) = mpsc::unbounded_channel();
        let mut open = true;
        while open || !self.jobs.is_empty() || self.running > 0 {
            let takes_more = open && self.jobs.len() < self.capacity;
            let waits = !self.dispatcher.is_empty() && self.running < self.workers;
            let starts_at = if takes_more { self.starts_at() } else { Instant::now() };
            tokio::select! {
                biased;
                Some(event) = from_workers.recv() => self.handle(event),
                submission = submissions.recv(), if takes_more => match submission {
                    Some(submission) => self.submitted(submission),
                    None => open = false,
                },
                () = tokio::time::sleep_until(starts_at), if waits => self.start_unit(&events),
            }
        }
        self.stats
    }

    /// When a unit starts although more candidates may come: after a pause, and at the latest when the first of them has
    /// waited long enough, because a steady stream has no pauses.
    fn starts_at(&self) -> Instant {
        let after_a_pause = self.last_arrival + self.linger;
        self.waiting_since.map_or(after_a_pause, |since| after_a_pause.min(since + self.patience))
    }

    fn submitted(&mut self, submission: Submission) {
        self.stats.submitted += 1;
        self.last_arrival = Instant::now();
        let Submission { candidate, reply } = submission;
        let Some(index) = self.verifiers.iter().position(|verifier| verifier.kind() == candidate.kind())
        else {
            let checker =
                Checker { name: "none".to_owned(), version: String::new(), toolchain: String::new() };
            let cause = format!("no verifier for {:?} is set up", candidate.kind());
            answer(vec![reply], &bare(Verdict::Unavailable { cause }, checker));
            return;
        };
        let verifier = &self.verifiers[index];
        if let Some(judgement) = verifier.at_once(&candidate) {
            answer(vec![reply], &judgement);
            return;
        }
        let address = Address::of(&verifier.checker().identity(), &verifier.policy(), &candidate);
        if let Some(judgement) = self.cached(&address) {
            self.stats.from_cache += 1;
            answer(vec![reply], &judgement);
            return;
        }
        if let Some(job) = self.by_address.get(&address).and_then(|id| self.jobs.get_mut(id)) {
            self.stats.duplicates += 1;
            job.waiting.push(reply);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.dispatcher.add(id, index, verifier.lane(&candidate));
        self.waiting_since.get_or_insert(self.last_arrival);
        self.by_address.insert(address, id);
        self.jobs.insert(id, Job { candidate, address, verifier: index, waiting: vec![reply] });
    }

    /// A cache that fails costs time, never a verdict.
    fn cached(&self, address: &Address) -> Option<Judgement> {
        self.cache.as_ref()?.get(address).unwrap_or_else(|error| {
            tracing::warn!(error = %crate::chain(&error), "cannot read the verdict cache");
            None
        })
    }

    fn start_unit(&mut self, events: &Events) {
        let unit = self.dispatcher.next_unit();
        self.waiting_since = (!self.dispatcher.is_empty()).then(Instant::now);
        let Some(unit) = unit else { return };
        let Unit { verifier, jobs } = unit;
        let (wanted, given_up): (Vec<JobId>, Vec<JobId>) =
            jobs.into_iter().partition(|id| self.jobs.get(id).is_some_and(is_wanted));
        for id in given_up {
            self.forget(id);
        }
        if wanted.is_empty() {
            return;
        }
        self.stats.units += 1;
        self.running += 1;
        let candidates: Vec<_> =
            wanted.iter().filter_map(|id| self.jobs.get(id)).map(|job| Arc::clone(&job.candidate)).collect();
        let verifier = Arc::clone(&self.verifiers[verifier]);
        let cancel = self.cancel.clone();
        let mut ended = UnitGuard { jobs: wanted.clone(), cost: UnitCost::default(), events: events.clone() };
        tokio::spawn(async move {
            let sender = ended.events.clone();
            let mut sink = |index: usize, attempt: Attempt| {
                if let Some(&job) = wanted.get(index) {
                    // The actor outlives every unit; it waits for `running` to be 0.
                    let _never_fails = sender.send(Event::Attempted { job, attempt });
                }
            };
            ended.cost = verifier.judge(&candidates, &cancel, &mut sink).await;
            // Before the end is told: what the verifier clears away must not be left to a program that has ended.
            drop(verifier);
            drop(ended);
        });
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Attempted { job, attempt: Attempt::Judged(judgement) } => self.judged(job, *judgement),
            Event::Attempted { job, attempt: Attempt::Again { at_most } } => self.again(job, at_most),
            Event::UnitEnded { jobs, cost } => {
                self.running -= 1;
                self.stats.cpu += cost.cpu;
                self.stats.processes += cost.processes;
                // A panic or a forgotten candidate: whoever has no answer and is not queued again.
                for id in jobs {
                    if self.jobs.contains_key(&id) && !self.dispatcher.is_queued(id) {
                        self.again(id, 1);
                    }
                }
            }
        }
    }

    fn again(&mut self, id: JobId, at_most: usize) {
        self.stats.retries += 1;
        if self.dispatcher.again(id, at_most) == Retry::GivenUp
            && let Some(verifier) = self.jobs.get(&id).map(|job| job.verifier)
        {
            let cause = "the verifier came to no verdict, also on this candidate alone".to_owned();
            let checker = self.verifiers[verifier].checker().clone();
            self.judged(id, bare(Verdict::Unavailable { cause }, checker));
        }
    }

    fn judged(&mut self, id: JobId, judgement: Judgement) {
        let Some(job) = self.forget(id) else { return };
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(&job.address, &judgement)
        {
            tracing::warn!(error = %crate::chain(&error), "cannot write the verdict cache");
        }
        answer(job.waiting, &judgement);
    }

    fn forget(&mut self, id: JobId) -> Option<Job> {
        self.dispatcher.done(id);
        let job = self.jobs.remove(&id)?;
        self.by_address.remove(&job.address);
        Some(job)
    }
}

/// Says that a unit ended, also when its verifier panicked.
struct UnitGuard {
    jobs: Vec<JobId>,
    cost: UnitCost,
    events: Events,
}

impl Drop for UnitGuard {
    fn drop(&mut self) {
        let jobs = std::mem::take(&mut self.jobs);
        let _never_fails = self.events.send(Event::UnitEnded { jobs, cost: self.cost });
    }
}

fn is_wanted(job: &Job) -> bool {
    job.waiting.iter().any(|reply| !reply.is_closed())
}

fn answer(waiting: Vec<oneshot::Sender<Judgement>>, judgement: &Judgement) {
    for reply in waiting {
        // Who does not wait any more does not miss it.
        let _dropped_ticket = reply.send(judgement.clone());
    }
}

fn bare(verdict: Verdict, checker: Checker) -> Judgement {
    Judgement {
        verdict,
        messages: Vec::new(),
        usage: Usage::default(),
        checker,
        protection: Vec::new(),
        cached: false,
    }
}
