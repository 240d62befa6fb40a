//! Samples of statements with their verdicts: the generator draws while the farm judges.

use super::busy::Meter;
use super::error::{Result, SelfPlayError};
use super::event::Event;
use super::judge::{Judge, Known, Work};
use super::listener::Listener;
use super::prover::Prompts;
use crate::generate::{self, FinishReason, Generator, Request, Sampling};
use proofloop_datasets::store::{Sample, StatementId};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Candidates that may be under way between generator and farm; the farm holds more of them than a unit takes.
const UNDER_WAY: usize = 6144;

/// Up to so many candidates of a stage may stay without a verdict, or this share of them: a farm that fails now and then
/// ends no run, one that is broken does.
const FEW_UNAVAILABLE: usize = 8;
const SHARE_UNAVAILABLE: f64 = 0.02;

/// A statement to sample proofs of.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) statement: StatementId,
    pub(super) header: String,
    /// Up to its proof: in Lean it ends in `:= by`.
    pub(super) text: String,
    pub(super) prompt: String,
    pub(super) samples: NonZeroUsize,
    pub(super) seed: u64,
}

/// A sample with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) statement: StatementId,
    pub(super) sample: u32,
    pub(super) tokens: u32,
    pub(super) finish: FinishReason,
    /// Position in [`Rollouts::candidates`].
    pub(super) candidate: usize,
}

/// What came of a call.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    /// By statement and sample.
    pub(super) drawn: Vec<Drawn>,
    /// The different candidates among them.
    pub(super) candidates: Vec<(Work, Known)>,
    pub(super) tokens: u64,
}

/// What sampling needs.
#[derive(Clone)]
pub(super) struct Sampler<'a> {
    pub(super) generator: &'a dyn Generator,
    pub(super) judge: &'a Judge,
    pub(super) prompts: Prompts,
    pub(super) listener: &'a Listener,
    pub(super) cancel: &'a CancellationToken,
    pub(super) generating: &'a Meter,
    pub(super) judging: &'a Meter,
}

impl Sampler<'_> {
    /// Draws the samples of every job and judges each different candidate once.
    pub(super) async fn prove(&self, jobs: &[Job], sampling: &Sampling) -> Result<Rollouts> {
        let request = |job: &Job| Request {
            prompt: job.prompt.clone(),
            samples: job.samples,
            seed: job.seed,
            sampling: sampling.clone(),
            stream: false,
        };
        let (sender, events) = mpsc::channel(256);
        let generating = async {
            let _busy = self.generating.begin();
            let requests = jobs.iter().map(request).collect();
            Ok(self.generator.generate(requests, sender, self.cancel).await?)
        };
        let mut collector = Collector::default();
        let (_usage, ()) = tokio::try_join!(generating, collector.collect(self, jobs, events))?;
        collector.finish(self)
    }

    /// Draws texts alone, in the order of the requests and their samples.
    pub(super) async fn complete(&self, requests: Vec<Request>) -> Result<Vec<Vec<generate::Completion>>> {
        let _busy = self.generating.begin();
        complete(self.generator, requests, self.listener, self.cancel).await
    }
}

/// Draws texts, in the order of the requests and their samples.
pub(crate) async fn complete(
    generator: &dyn Generator,
    requests: Vec<Request>,
    listener: &Listener,
    cancel: &CancellationToken,
) -> Result<Vec<Vec<generate::Completion>>> {
    let mut drawn: Vec<BTreeMap<usize, generate::Completion>> = vec![BTreeMap::new(); requests.len()];
    let (sender, mut events) = mpsc::channel(256);
    let generating = async { Ok(generator.generate(requests, sender, cancel).await?) };
    let collecting = async {
        while let Some(event) = events.recv().await {
            match event {
                generate::Event::Piece { .. } => {}
                generate::Event::Failed { error, .. } => return Err(error.into()),
                generate::Event::Completed { request, sample, completion } => {
                    listener.tell(Event::Sampled { count: 1 });
                    drawn[request].insert(sample, uninterrupted(completion)?);
                }
            }
        }
        Ok::<(), SelfPlayError>(())
    };
    let (_usage, ()) = tokio::try_join!(generating, collecting)?;
    Ok(drawn.into_iter().map(|samples| samples.into_values().collect()).collect())
}

fn uninterrupted(completion: generate::Completion) -> Result<generate::Completion> {
    match completion.finish {
        FinishReason::Cancelled => Err(SelfPlayError::Interrupted),
        FinishReason::EndOfText | FinishReason::Stop | FinishReason::Length => Ok(completion),
    }
}

/// Takes samples as they finish and verdicts as they come.
#[derive(Default)]
struct Collector {
    drawn: Vec<Drawn>,
    works: Vec<Work>,
    known: Vec<Option<Known>>,
    /// Samples of each candidate that came before its verdict.
    waiting: Vec<u64>,
    by_text: HashMap<(usize, String), usize>,
    judging: JoinSet<(usize, Result<Known>)>,
    tokens: u64,
}

impl Collector {
    async fn collect(
        &mut self,
        sampler: &Sampler<'_>,
        jobs: &[Job],
        mut events: mpsc::Receiver<generate::Event>,
    ) -> Result<()> {
        loop {
            tokio::select! {
                Some(judged) = self.judging.join_next() => self.judged(sampler, judged)?,
                event = events.recv(), if self.judging.len() < UNDER_WAY => match event {
                    None => break,
                    Some(generate::Event::Piece { .. }) => {}
                    Some(generate::Event::Failed { error, .. }) => return Err(error.into()),
                    Some(generate::Event::Completed { request, sample, completion }) => {
                        self.completed(sampler, jobs, (request, sample), uninterrupted(completion)?);
                    }
                },
            }
        }
        while let Some(judged) = self.judging.join_next().await {
            self.judged(sampler, judged)?;
        }
        Ok(())
    }

    fn completed(
        &mut self,
        sampler: &Sampler<'_>,
        jobs: &[Job],
        (request, sample): (usize, usize),
        completion: generate::Completion,
    ) {
        sampler.listener.tell(Event::Sampled { count: 1 });
        let job = &jobs[request];
        let text = sampler.prompts.read_proof(&completion.text);
        let next = self.works.len();
        let candidate = *self.by_text.entry((request, text.clone())).or_insert(next);
        if candidate == next {
            let (header, statement) = (job.header.clone(), job.text.clone());
            let work = sampler.prompts.prover.work(header, statement, text);
            self.works.push(work.clone());
            self.known.push(None);
            self.waiting.push(0);
            let (judge, busy) = (sampler.judge.clone(), sampler.judging.begin());
            self.judging.spawn(async move {
                let known = judge.judge(work).await;
                drop(busy);
                (candidate, known)
            });
        }
        match &self.known[candidate] {
            Some(known) => tell(sampler, known, 1),
            None => self.waiting[candidate] += 1,
        }
        self.tokens += completion.tokens as u64;
        self.drawn.push(Drawn {
            statement: job.statement,
            sample: u32::try_from(sample).unwrap_or(u32::MAX),
            tokens: u32::try_from(completion.tokens).unwrap_or(u32::MAX),
            finish: completion.finish,
            candidate,
        });
    }

    fn judged(
        &mut self,
        sampler: &Sampler<'_>,
        judged: Result<(usize, Result<Known>), tokio::task::JoinError>,
    ) -> Result<()> {
        let (candidate, known) = judged.map_err(|error| SelfPlayError::Worker(error.to_string()))?;
        let known = known?;
        tell(sampler, &known, self.waiting[candidate]);
        self.known[candidate] = Some(known);
        Ok(())
    }

    fn finish(self, sampler: &Sampler<'_>) -> Result<Rollouts> {
        if sampler.cancel.is_cancelled() {
            return Err(SelfPlayError::Interrupted);
        }
        let known = self.known.into_iter().map(|known| known.ok_or(SelfPlayError::FarmEnded));
        let candidates: Vec<(Work, Known)> =
            self.works.into_iter().zip(known.collect::<Result<Vec<_>>>()?).collect();
        check_available(candidates.iter().map(|(_, known)| known))?;
        let mut drawn = self.drawn;
        drawn.sort_by_key(|drawn| (drawn.statement, drawn.sample));
        Ok(Rollouts { drawn, candidates, tokens: self.tokens })
    }
}

/// So many samples have this verdict.
fn tell(sampler: &Sampler<'_>, known: &Known, count: u64) {
    let accepted = if known.is_accepted() { count } else { 0 };
    sampler.listener.tell(Event::Judged { count, accepted });
}

/// An error if so many have no verdict that the stage would say something else than it seems to.
pub(crate) fn check_available<'a>(all: impl Iterator<Item = &'a Known>) -> Result<()> {
    let (mut unavailable, mut judged, mut last) = (0, 0, None);
    for known in all {
        judged += 1;
        if let Known::Unavailable(record) = known {
            unavailable += 1;
            last = record.reason.clone();
        }
    }
    let many = FEW_UNAVAILABLE.max((SHARE_UNAVAILABLE * judged as f64) as usize);
    if unavailable > many || (unavailable > 0 && unavailable == judged) {
        return Err(SelfPlayError::Unavailable { unavailable, judged, cause: last.unwrap_or_default() });
    }
    Ok(())
}

impl Rollouts {
    /// Adds what another call has drawn, for other statements.
    pub(super) fn extend(&mut self, other: Self) {
        let offset = self.candidates.len();
        self.candidates.extend(other.candidates);
        let moved = other.drawn.into_iter();
        self.drawn.extend(moved.map(|drawn| Drawn { candidate: drawn.candidate + offset, ..drawn }));
        self.drawn.sort_by_key(|drawn| (drawn.statement, drawn.sample));
        self.tokens += other.tokens;
    }

    /// The samples as the store keeps them; what could not be judged is kept as such.
    pub(super) fn samples(&self, judge: &Judge, stage: &str, iteration: u32) -> Result<Vec<Sample>> {
        let mut ids = Vec::with_capacity(self.candidates.len());
        for (work, known) in &self.candidates {
            ids.push(match known {
                Known::Judged(id, _) => *id,
                Known::Unavailable(record) => judge.keep(work, record)?,
            });
        }
        let sample = |drawn: &Drawn| Sample {
            stage: stage.to_owned(),
            iteration,
            statement: drawn.statement,
            sample: drawn.sample,
            candidate: ids[drawn.candidate],
            tokens: drawn.tokens,
            finish: drawn.finish.name().to_owned(),
        };
        Ok(self.drawn.iter().map(sample).collect())
    }

    /// How many different candidates got each verdict.
    pub(super) fn verdicts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (_, known) in &self.candidates {
            let (Known::Judged(_, record) | Known::Unavailable(record)) = known;
            *counts.entry(record.verdict.clone()).or_default() += 1;
        }
        counts
    }

    /// CPU time that the farm charged to these candidates, in seconds.
    pub(super) fn verify_cpu_s(&self) -> f64 {
        let ms: u64 = self
            .candidates
            .iter()
            .map(|(_, known)| match known {
                Known::Judged(_, record) | Known::Unavailable(record) => record.cpu_ms,
            })
            .sum();
        ms as f64 / 1e3
    }
}
