//! The farm's one task that holds the truth.

use super::dispatcher::{Dispatcher, JobId, Retry, Unit};
use super::{Events, FarmSettings, FarmState, FarmStats};
use crate::cache::Cache;
use crate::candidate::{Address, Candidate};
use crate::verdict::{Checker, Judgement, Usage, Verdict};
use crate::verifier::{Attempt, UnitCost, Verifier};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) struct Submission {
    pub candidate: Arc<Candidate>,
    pub reply: oneshot::Sender<Judgement>,
}

pub(super) enum Event {
    Attempted { job: JobId, attempt: Attempt },
    UnitEnded { unit: u64, jobs: Vec<JobId>, cost: UnitCost },
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
    /// Units that are being judged, with what ends each of them.
    units: HashMap<u64, (Vec<JobId>, CancellationToken)>,
    next_unit: u64,
    workers: usize,
    capacity: usize,
    linger: Duration,
    patience: Duration,
    last_arrival: Instant,
    /// When the first of those that wait now came.
    waiting_since: Option<Instant>,
    cancel: CancellationToken,
    state: FarmState,
    /// Whether `state` has changed since it was told.
    changed: bool,
    told: watch::Sender<FarmState>,
}

/// How often is looked for units that nobody waits for, and the state told.
const TICK: Duration = Duration::from_millis(250);

impl Actor {
    pub(super) fn new(
        verifiers: Vec<Arc<dyn Verifier>>,
        cache: Option<Cache>,
        settings: &FarmSettings,
        cancel: CancellationToken,
        told: watch::Sender<FarmState>,
    ) -> Self {
        let sizes = verifiers.iter().map(|verifier| verifier.unit_size()).collect();
        Self {
            dispatcher: Dispatcher::new(sizes, settings.workers),
            verifiers,
            cache,
            jobs: HashMap::new(),
            by_address: HashMap::new(),
            next_id: 0,
            units: HashMap::new(),
            next_unit: 0,
            workers: settings.workers.max(1),
            capacity: settings.capacity.max(1),
            linger: settings.linger,
            patience: settings.patience,
            last_arrival: Instant::now(),
            waiting_since: None,
            cancel,
            state: FarmState { workers: settings.workers.max(1), ..FarmState::default() },
            changed: true,
            told,
        }
    }

    pub(super) async fn run(mut self, mut submissions: mpsc::Receiver<Submission>) -> FarmStats {
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by what the workers hold: one event for each candidate of a unit, and one for its end"
        )]
        let (events, mut from_workers) = mpsc::unbounded_channel();
        let mut open = true;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while open || !self.jobs.is_empty() || !self.units.is_empty() {
            let takes_more = open && self.jobs.len() < self.capacity;
            let waits = !self.dispatcher.is_empty() && self.units.len() < self.workers;
            let starts_at = if takes_more { self.starts_at() } else { Instant::now() };
            tokio::select! {
                biased;
                _ = ticks.tick(), if self.changed || !self.units.is_empty() => self.tick(),
                Some(event) = from_workers.recv() => self.handle(event),
                submission = submissions.recv(), if takes_more => match submission {
                    Some(submission) => self.submitted(submission),
                    None => open = false,
                },
                () = tokio::time::sleep_until(starts_at), if waits => self.start_unit(&events),
            }
        }
        self.tick();
        self.state.stats
    }

    /// Ends the units that nobody waits for, and tells the state.
    fn tick(&mut self) {
        for (jobs, cancel) in self.units.values() {
            if !jobs.iter().any(|id| self.jobs.get(id).is_some_and(is_wanted)) {
                cancel.cancel();
            }
        }
        self.state.judging =
            self.units.values().flat_map(|(jobs, _)| jobs).filter(|id| self.is_judged(**id)).count();
        self.state.waiting = self.jobs.len() - self.state.judging;
        self.state.running = self.units.len();
        self.changed = false;
        self.told.send_replace(self.state.clone());
    }

    /// Whether a worker has it: it has no verdict, and does not wait to be judged again.
    fn is_judged(&self, id: JobId) -> bool {
        self.jobs.contains_key(&id) && !self.dispatcher.is_queued(id)
    }

    /// When a unit starts although more candidates may come: after a pause, and at the latest when the first of them has
    /// waited long enough, because a steady stream has no pauses.
    fn starts_at(&self) -> Instant {
        let after_a_pause = self.last_arrival + self.linger;
        self.waiting_since.map_or(after_a_pause, |since| after_a_pause.min(since + self.patience))
    }

    fn submitted(&mut self, submission: Submission) {
        self.changed = true;
        self.state.stats.submitted += 1;
        self.last_arrival = Instant::now();
        let Submission { candidate, reply } = submission;
        let Some(index) = self.verifiers.iter().position(|verifier| verifier.kind() == candidate.kind())
        else {
            let cause = format!("no verifier for {:?} is set up", candidate.kind());
            self.answer(vec![reply], &Judgement::of_nobody(Verdict::Unavailable { cause }));
            return;
        };
        let verifier = &self.verifiers[index];
        if let Some(judgement) = verifier.at_once(&candidate) {
            self.answer(vec![reply], &judgement);
            return;
        }
        let address = Address::of(&verifier.checker().identity(), &verifier.policy(), &candidate);
        if let Some(judgement) = self.cached(&address) {
            self.state.stats.from_cache += 1;
            self.answer(vec![reply], &judgement);
            return;
        }
        if let Some(job) = self.by_address.get(&address).and_then(|id| self.jobs.get_mut(id)) {
            self.state.stats.duplicates += 1;
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
        self.state.stats.units += 1;
        let unit = self.next_unit;
        self.next_unit += 1;
        let cancel = self.cancel.child_token();
        self.units.insert(unit, (wanted.clone(), cancel.clone()));
        let candidates: Vec<_> =
            wanted.iter().filter_map(|id| self.jobs.get(id)).map(|job| Arc::clone(&job.candidate)).collect();
        let verifier = Arc::clone(&self.verifiers[verifier]);
        let mut ended =
            UnitGuard { unit, jobs: wanted.clone(), cost: UnitCost::default(), events: events.clone() };
        tokio::spawn(async move {
            let sender = ended.events.clone();
            let mut sink = |index: usize, attempt: Attempt| {
                if let Some(&job) = wanted.get(index) {
                    // The actor outlives every unit; it waits for every unit to end.
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
        self.changed = true;
        match event {
            Event::Attempted { job, attempt: Attempt::Judged(judgement) } => self.judged(job, *judgement),
            Event::Attempted { job, attempt: Attempt::Again { at_most } } => self.again(job, at_most),
            Event::UnitEnded { unit, jobs, cost } => {
                self.units.remove(&unit);
                self.state.stats.cpu += cost.cpu;
                self.state.stats.processes += cost.processes;
                // A panic or a forgotten candidate: whoever has no answer and is not queued again.
                for id in jobs {
                    if self.is_judged(id) {
                        self.again(id, 1);
                    }
                }
            }
        }
    }

    fn again(&mut self, id: JobId, at_most: usize) {
        self.state.stats.retries += 1;
        if self.dispatcher.again(id, at_most) == Retry::GivenUp
            && let Some(verifier) = self.jobs.get(&id).map(|job| job.verifier)
        {
            let cause = "the verifier came to no verdict, also on this candidate alone".to_owned();
            let checker = self.verifiers[verifier].checker().clone();
            self.judged(id, bare(Verdict::Unavailable { cause }, checker));
        }
    }

    fn judged(&mut self, id: JobId, judgement: Judgement) {
        // Somebody has asked for it after its unit was ended because nobody did.
        let is_late = judgement.verdict == Verdict::Cancelled && !self.cancel.is_cancelled();
        if is_late && self.jobs.get(&id).is_some_and(is_wanted) {
            self.again(id, usize::MAX);
            return;
        }
        let Some(job) = self.forget(id) else { return };
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(&job.address, &judgement)
        {
            tracing::warn!(error = %crate::chain(&error), "cannot write the verdict cache");
        }
        self.answer(job.waiting, &judgement);
    }

    fn answer(&mut self, waiting: Vec<oneshot::Sender<Judgement>>, judgement: &Judgement) {
        for reply in waiting {
            *self.state.verdicts.entry(judgement.verdict.name()).or_default() += 1;
            // Who does not wait any more does not miss it.
            let _dropped_ticket = reply.send(judgement.clone());
        }
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
    unit: u64,
    jobs: Vec<JobId>,
    cost: UnitCost,
    events: Events,
}

impl Drop for UnitGuard {
    fn drop(&mut self) {
        let jobs = std::mem::take(&mut self.jobs);
        let _never_fails = self.events.send(Event::UnitEnded { unit: self.unit, jobs, cost: self.cost });
    }
}

fn is_wanted(job: &Job) -> bool {
    job.waiting.iter().any(|reply| !reply.is_closed())
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
