//! Samples are drawn, and judged while others are drawn; both go on where an earlier process ended.
//!
//! A sample is in the store before it is judged, and a verdict before anybody hears of it. What could not be judged because
//! the infrastructure failed gets no verdict: it stays open, and is judged when the evaluation is gone on with.

use super::candidate::{Form, candidate};
use super::error::{EvaluateError, Result};
use super::prompt::{Context, PromptFamily};
use crate::generate::{
    Completion, Event, FinishReason, GenerateError, Generator, Request, Sampling, seed_behind,
};
use crate::records;
use proofloop_datasets::Problem;
use proofloop_datasets::store::{EvaluationStore, NewSample, OpenCandidate, VerdictRecord};
use proofloop_verifiers::candidate::{Candidate, Kind};
use proofloop_verifiers::farm::Farm;
use proofloop_verifiers::verdict::{Judgement, Verdict};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Candidates that may be with the farm, which holds more of them than a unit takes.
const UNDER_WAY: usize = 6144;

/// Candidates that are read from the store at once.
const READ_AT_ONCE: u32 = 256;

/// Samples, or verdicts, that are written in one transaction; and how long the first of them waits for the others.
const WRITTEN_AT_ONCE: usize = 128;
const WRITE_DELAY: Duration = Duration::from_millis(250);

/// So often a candidate is given to the farm, if the infrastructure fails.
const ATTEMPTS: usize = 2;

/// What is told while it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Samples were drawn.
    Drawn(u64),
    /// Different candidates got a verdict.
    Judged {
        /// All of them.
        count: u64,
        /// Those that were accepted.
        accepted: u64,
    },
}

/// How samples are drawn.
#[derive(Clone, Copy)]
pub struct Drawing<'a> {
    /// Who draws.
    pub generator: &'a dyn Generator,
    /// What is asked.
    pub family: &'a PromptFamily,
    /// Whether the generator makes the prompt a message of a chat by itself.
    pub as_messages: bool,
    /// Problems with answers that the prompt may show.
    pub few_shot: &'a [Problem],
    /// Wanted of each problem.
    pub samples: u32,
    /// All chance follows from it; samples of a problem depend on it and on the problem alone.
    pub seed: u64,
    /// How tokens are chosen, stop strings of the family included.
    pub sampling: &'a Sampling,
}

impl Drawing<'_> {
    /// What is asked of a problem.
    pub(super) fn prompt(&self, problem: &Problem) -> Result<String> {
        let context = Context { few_shot: self.few_shot };
        let prompt = if self.as_messages {
            self.family.messages(problem, &context).map(|messages| messages.user)
        } else {
            self.family.render(problem, &context)
        };
        prompt.map_err(|source| EvaluateError::Prompt { problem: problem.name.clone(), source })
    }
}

/// One evaluation, as far as it is drawn and judged.
pub struct Session<'a> {
    /// Where everything is kept.
    pub store: &'a Mutex<EvaluationStore>,
    /// In the order of the store.
    pub problems: &'a [Problem],
    /// Takes the answer out of what a model wrote.
    pub family: Option<&'a PromptFamily>,
    /// Judges.
    pub farm: Arc<Farm>,
    /// Hears of progress; must not block for long.
    pub tell: &'a (dyn Fn(Progress) + Send + Sync),
    /// Ends it.
    pub cancel: &'a CancellationToken,
}

/// What is missing after a session.
#[derive(Debug, Default)]
pub struct Missing {
    /// Candidates without a verdict, and what was said of the last of them.
    pub unavailable: u64,
    /// See `unavailable`.
    pub cause: Option<String>,
    /// Problems, by number, whose samples could not be drawn, with their count and the reason.
    pub undrawn: Vec<(u32, usize, GenerateError)>,
}

impl Missing {
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unavailable == 0 && self.undrawn.is_empty()
    }
}

impl Session<'_> {
    /// Draws what is missing, if anybody draws, and judges what has no verdict.
    ///
    /// # Errors
    /// [`EvaluateError::Interrupted`]; the generator, the store or the farm failed. What was done is kept.
    pub async fn run(&self, drawing: Option<Drawing<'_>>) -> Result<Missing> {
        let feed = Feed { is_drawn: AtomicBool::new(drawing.is_none()), more: Notify::new() };
        let draw = async {
            let undrawn = match drawing {
                Some(drawing) => self.draw(drawing, &feed).await?,
                None => Vec::new(),
            };
            feed.is_drawn.store(true, Ordering::Release);
            feed.more.notify_one();
            Ok(undrawn)
        };
        let (undrawn, missing) = tokio::try_join!(draw, self.judge(&feed))?;
        Ok(Missing { undrawn, ..missing })
    }

    pub(super) fn store(&self) -> MutexGuard<'_, EvaluationStore> {
        // A panic elsewhere left no transaction open: each is one call.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn draw(&self, drawing: Drawing<'_>, feed: &Feed) -> Result<Vec<(u32, usize, GenerateError)>> {
        let missing = self.store().missing(drawing.samples)?;
        let (mut requests, mut parts) = (Vec::new(), Vec::new());
        for (number, gaps) in missing {
            let problem = &self.problems[number as usize];
            let prompt = drawing.prompt(problem)?;
            let seed = problem_seed(drawing.seed, problem);
            for gap in gaps {
                let Some(samples) = NonZeroUsize::new(gap.len()) else { continue };
                requests.push(Request {
                    prompt: prompt.clone(),
                    samples,
                    seed: seed_behind(seed, gap.start as usize),
                    sampling: drawing.sampling.clone(),
                    stream: false,
                });
                parts.push((number, gap.start));
            }
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let (sender, events) = mpsc::channel(WRITTEN_AT_ONCE);
        let generating = async { Ok(drawing.generator.generate(requests, sender, self.cancel).await?) };
        let collecting = self.collect(events, &parts, feed);
        let (_usage, undrawn) = tokio::try_join!(generating, collecting)?;
        if self.cancel.is_cancelled() { Err(EvaluateError::Interrupted) } else { Ok(undrawn) }
    }

    /// Writes samples as they come. `parts` are the problem and the first sample of each request.
    async fn collect(
        &self,
        mut events: mpsc::Receiver<Event>,
        parts: &[(u32, u32)],
        feed: &Feed,
    ) -> Result<Vec<(u32, usize, GenerateError)>> {
        let mut undrawn = Vec::new();
        let mut waiting: Vec<(u32, u32, Completion)> = Vec::new();
        let mut due = Instant::now();
        loop {
            let event = if waiting.is_empty() {
                events.recv().await
            } else {
                match timeout_at(due, events.recv()).await {
                    Ok(event) => event,
                    Err(_elapsed) => {
                        self.keep(&mut waiting, feed)?;
                        continue;
                    }
                }
            };
            match event {
                None => break,
                Some(Event::Piece { .. }) => {}
                Some(Event::Failed { request, samples, error }) => {
                    undrawn.push((parts[request].0, samples.len(), error));
                }
                // What there was of it is no sample.
                Some(Event::Completed { completion, .. }) if completion.finish == FinishReason::Cancelled => {
                }
                Some(Event::Completed { request, sample, completion }) => {
                    if waiting.is_empty() {
                        due = Instant::now() + WRITE_DELAY;
                    }
                    let (problem, first) = parts[request];
                    waiting.push((problem, first + u32::try_from(sample).unwrap_or(u32::MAX), completion));
                    if waiting.len() >= WRITTEN_AT_ONCE {
                        self.keep(&mut waiting, feed)?;
                    }
                }
            }
        }
        self.keep(&mut waiting, feed)?;
        Ok(undrawn)
    }

    fn keep(&self, waiting: &mut Vec<(u32, u32, Completion)>, feed: &Feed) -> Result<()> {
        let samples = waiting.iter().map(|(problem, sample, completion)| NewSample {
            problem: *problem,
            sample: *sample,
            form: Form::Raw.name(),
            completion: &completion.text,
            tokens: u32::try_from(completion.tokens).ok().filter(|tokens| *tokens > 0),
            finish: Some(completion.finish.name()),
        });
        self.store().add_samples(&samples.collect::<Vec<_>>())?;
        (self.tell)(Progress::Drawn(waiting.len() as u64));
        waiting.clear();
        feed.more.notify_one();
        Ok(())
    }

    /// Judges every candidate without a verdict, until no more are drawn.
    pub(super) async fn judge(&self, feed: &Feed) -> Result<Missing> {
        let mut judging = JoinSet::new();
        let mut verdicts = Verdicts::default();
        let mut missing = Missing::default();
        let mut last_read = 0;
        loop {
            // Asked before the store is: what is drawn in between is read by the next turn.
            let was_drawn = feed.is_drawn.load(Ordering::Acquire);
            let mut is_exhausted = false;
            while judging.len() < UNDER_WAY && !is_exhausted && !self.cancel.is_cancelled() {
                let open = self.store().open_candidates(last_read, READ_AT_ONCE)?;
                is_exhausted = open.is_empty();
                for one in open {
                    last_read = one.id;
                    match self.read(&one) {
                        Ok(candidate) => drop(judging.spawn(ask(Arc::clone(&self.farm), candidate, one.id))),
                        Err(record) => verdicts.add(one.id, record),
                    }
                }
            }
            let is_idle = judging.is_empty();
            if verdicts.are_due() || is_idle {
                self.write(&mut verdicts)?;
            }
            if is_idle && (is_exhausted && was_drawn || self.cancel.is_cancelled()) {
                break;
            }
            tokio::select! {
                Some(judged) = judging.join_next() => {
                    let (id, kind, judgement) =
                        judged.map_err(|error| EvaluateError::Worker(error.to_string()))?;
                    self.take(id, kind, judgement?, (&mut verdicts, &mut missing))?;
                }
                () = feed.more.notified() => {}
                () = self.cancel.cancelled(), if is_idle => {}
                () = verdicts.wait() => {}
            }
        }
        if self.cancel.is_cancelled() { Err(EvaluateError::Interrupted) } else { Ok(missing) }
    }

    /// What is judged of a sample, or what is said where nothing is.
    fn read(&self, open: &OpenCandidate) -> std::result::Result<Candidate, VerdictRecord> {
        let problem = &self.problems[open.problem as usize];
        let form = Form::from_name(&open.form).unwrap_or(Form::Raw);
        candidate(problem, form, &open.completion, self.family).map_err(no_answer)
    }

    fn take(
        &self,
        id: i64,
        kind: Kind,
        judgement: Judgement,
        (verdicts, missing): (&mut Verdicts, &mut Missing),
    ) -> Result<()> {
        match &judgement.verdict {
            // The loop sees that it is over.
            Verdict::Cancelled => {}
            Verdict::Unavailable { cause } => {
                missing.unavailable += 1;
                missing.cause = Some(cause.clone());
            }
            Verdict::Accepted { .. }
            | Verdict::Rejected { .. }
            | Verdict::Timeout
            | Verdict::MemoryLimit
            | Verdict::OutputLimit
            | Verdict::Crashed { .. } => {
                self.check_checker(kind, &judgement.checker.identity())?;
                verdicts.add(id, records::verdict_record(&judgement));
            }
        }
        Ok(())
    }

    /// Every verdict of an evaluation is of one checker for each kind: another toolchain may say otherwise.
    fn check_checker(&self, kind: Kind, now: &str) -> Result<()> {
        let key = match kind {
            Kind::Lean => "checker-lean",
            Kind::Python => "checker-python",
            Kind::Isabelle => "checker-isabelle",
        };
        let mut store = self.store();
        match store.meta(key)? {
            Some(there) if there == now => Ok(()),
            Some(there) => Err(EvaluateError::Checker { there, now: now.to_owned() }),
            None => Ok(store.set_meta(key, now)?),
        }
    }

    fn write(&self, verdicts: &mut Verdicts) -> Result<()> {
        let waiting = std::mem::take(verdicts).waiting;
        if waiting.is_empty() {
            return Ok(());
        }
        self.store().add_verdicts(&waiting)?;
        let accepted = waiting.iter().filter(|(_, record)| record.is_accepted()).count() as u64;
        (self.tell)(Progress::Judged { count: waiting.len() as u64, accepted });
        Ok(())
    }
}

/// From those who draw to those who judge.
pub(super) struct Feed {
    is_drawn: AtomicBool,
    more: Notify,
}

impl Feed {
    /// Nobody draws any more.
    pub(super) fn of_all() -> Self {
        Self { is_drawn: AtomicBool::new(true), more: Notify::new() }
    }
}

/// Verdicts that are not in the store yet.
#[derive(Default)]
struct Verdicts {
    waiting: Vec<(i64, VerdictRecord)>,
    since: Option<Instant>,
}

impl Verdicts {
    fn add(&mut self, id: i64, record: VerdictRecord) {
        self.since.get_or_insert_with(Instant::now);
        self.waiting.push((id, record));
    }

    fn are_due(&self) -> bool {
        let has_waited = |since: Instant| since.elapsed() >= WRITE_DELAY;
        self.waiting.len() >= WRITTEN_AT_ONCE || self.since.is_some_and(has_waited)
    }

    /// Returns when they are due for having waited.
    async fn wait(&self) {
        match self.since {
            Some(since) => tokio::time::sleep_until(since + WRITE_DELAY).await,
            None => std::future::pending().await,
        }
    }
}

/// What the farm says of a candidate.
async fn ask(farm: Arc<Farm>, candidate: Candidate, id: i64) -> (i64, Kind, Result<Judgement>) {
    let kind = candidate.kind();
    let judged = async {
        let mut last = None;
        for _attempt in 0..ATTEMPTS {
            let ticket = farm.submit(candidate.clone()).await.map_err(|_closed| EvaluateError::FarmEnded)?;
            let judgement = ticket.judgement().await.ok_or(EvaluateError::FarmEnded)?;
            let failed = matches!(judgement.verdict, Verdict::Unavailable { .. });
            last = Some(judgement);
            if !failed {
                break;
            }
        }
        last.ok_or(EvaluateError::FarmEnded)
    };
    (id, kind, judged.await)
}

/// The seed of a problem's samples: of what is asked and of its name, so that other problems change nothing.
pub(super) fn problem_seed(seed: u64, problem: &Problem) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"proofloop-evaluation-seed-v1");
    hasher.update(&seed.to_le_bytes());
    hasher.update(problem.content_hash().as_bytes());
    hasher.update(problem.name.as_bytes());
    let hash = hasher.finalize();
    let (first, _rest) = hash.as_bytes().split_first_chunk().expect("32 bytes are more than 8");
    u64::from_le_bytes(*first)
}

/// The verdict on an answer that is none: it is the model's fault, and nothing was judged.
fn no_answer(why: String) -> VerdictRecord {
    VerdictRecord {
        verdict: "rejected".to_owned(),
        reason: Some("no-answer".to_owned()),
        assurance: None,
        message: Some(why),
        wall_ms: 0,
        cpu_ms: 0,
        peak_memory_bytes: 0,
    }
}
