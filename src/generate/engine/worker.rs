//! The device loop: fill the free rows, read a token in each, sample the next, tell what came of it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use candle_core::{DType, Device};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::plan::Sample;
use super::queue::{Next, Queue};
use super::sequence::{Advance, Sequence, not_started};
use crate::generate::error::Result;
use crate::generate::generator::{Completion, Event, FinishReason, Usage};
use crate::generate::request::Request;
use crate::generate::sampler::Scratch;
use crate::model::{KvCache, Prefix};

/// How often a worker that waits for another looks whether it was cancelled.
const PATIENCE: Duration = Duration::from_millis(20);

/// A prompt that has been read, for all samples that continue it.
#[derive(Debug, Clone)]
pub(super) struct ReadPrompt {
    tokens: Arc<[u32]>,
    prefix: Arc<Prefix>,
    /// Behind its last token.
    logits: Arc<[f32]>,
}

/// What the workers of one call share.
pub(super) struct Shared<'a> {
    pub(super) engine: &'a Engine,
    pub(super) requests: &'a [Request],
    pub(super) events: &'a mpsc::Sender<Event>,
    /// Cancelled by the caller, by a receiver that is gone, or by a worker that failed.
    pub(super) stop: &'a CancellationToken,
    pub(super) queue: Mutex<Queue<ReadPrompt>>,
    /// Something in the queue has changed.
    pub(super) changed: Condvar,
}

impl Shared<'_> {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue<ReadPrompt>> {
        // A worker that panicked ends the whole call; until then the others only count.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while nobody listens. A receiver that is gone is a cancellation.
    pub(super) fn tell(&self, event: Event) {
        if self.events.blocking_send(event).is_err() {
            self.stop.cancel();
        }
    }

    /// What never started.
    pub(super) fn tell_not_started(&self) {
        let waiting = self.queue().drain();
        for Sample { request, sample, .. } in waiting {
            let completion = not_started(&self.requests[request]);
            self.tell(Event::Completed { request, sample, completion });
        }
    }
}

/// A thread with a batch.
pub(super) struct Worker<'a> {
    index: usize,
    shared: &'a Shared<'a>,
    cache: KvCache,
    /// One for each row of the cache.
    sequences: Vec<Sequence>,
    scratch: Scratch,
    usage: Usage,
}

impl<'a> Worker<'a> {
    /// For at most `max_rows` samples of at most `max_tokens` each.
    pub(super) fn new(
        index: usize,
        shared: &'a Shared<'a>,
        max_rows: usize,
        max_tokens: usize,
    ) -> Result<Self> {
        let model = &shared.engine.model;
        let cache = KvCache::new(model.config(), max_rows, max_tokens, model.dtype(), model.device())?;
        let (scratch, usage) = (Scratch::default(), Usage::default());
        Ok(Self { index, shared, cache, sequences: Vec::new(), scratch, usage })
    }

    /// Until every sample has ended, or all is cancelled.
    pub(super) fn run(mut self) -> Result<Usage> {
        while !self.shared.stop.is_cancelled() {
            self.fill()?;
            if !self.sequences.is_empty() {
                self.step()?;
            } else if !self.wait() {
                break;
            }
        }
        self.interrupt()?;
        Ok(self.usage)
    }

    /// Until something changes; false when no sample waits to start. A change between [`Queue::next`] and here is
    /// noticed late, and none too late: the wait ends by itself.
    fn wait(&self) -> bool {
        let queue = self.shared.queue();
        if !queue.is_waiting() {
            return false;
        }
        let waited = self.shared.changed.wait_timeout(queue, PATIENCE);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        true
    }

    /// Starts samples while there is room.
    fn fill(&mut self) -> Result<()> {
        while let Some((sequence, prefix)) = self.start()? {
            self.cache.push_row(Some(prefix))?;
            self.sequences.push(sequence);
        }
        Ok(())
    }

    /// The next sample that may start, with its first token, unless that was all.
    fn start(&mut self) -> Result<Option<(Sequence, Arc<Prefix>)>> {
        while !self.shared.stop.is_cancelled() {
            let next = self.shared.queue().next(self.index);
            match next {
                Next::Read(prompt) => self.read(prompt)?,
                Next::Start(sample, read) => {
                    let request = &self.shared.requests[sample.request];
                    let tokenizer = &self.shared.engine.tokenizer;
                    let sequence = Sequence::new(sample, request, tokenizer, &read.tokens);
                    if let Some(sequence) = self.advance(sequence, &read.logits)? {
                        return Ok(Some((sequence, read.prefix)));
                    }
                }
                Next::Later | Next::Nothing => return Ok(None),
            }
        }
        Ok(None)
    }

    fn read(&mut self, prompt: usize) -> Result<()> {
        let tokens: Arc<[u32]> = self.shared.queue().prompt(prompt).into();
        let (prefix, logits) = self.shared.engine.model.prefill(&tokens)?;
        let logits = logits.to_dtype(DType::F32).and_then(|logits| logits.to_vec1::<f32>());
        let logits = logits.map_err(crate::model::ModelError::from)?.into();
        self.usage.prompt_tokens += tokens.len() as u64;
        self.shared.queue().has_read(prompt, ReadPrompt { tokens, prefix, logits });
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Samples a token; tells of the text and of the end. The sequence, if it goes on.
    fn advance(&mut self, mut sequence: Sequence, logits: &[f32]) -> Result<Option<Sequence>> {
        let engine = self.shared.engine;
        let Advance { piece, finish } =
            sequence.advance(logits, &engine.tokenizer, &engine.special, &mut self.scratch)?;
        self.tell_piece(&sequence, piece);
        match finish {
            Some(finish) => {
                self.complete(sequence, finish);
                Ok(None)
            }
            None => Ok(Some(sequence)),
        }
    }

    fn tell_piece(&self, sequence: &Sequence, text: String) {
        let Sample { request, sample, .. } = sequence.sample;
        if self.shared.requests[request].stream && !text.is_empty() {
            self.shared.tell(Event::Piece { request, sample, text });
        }
    }

    fn complete(&mut self, sequence: Sequence, finish: FinishReason) {
        self.usage.completion_tokens += sequence.count() as u64;
        if finish != FinishReason::Cancelled {
            self.usage.completions += 1;
        }
        let sample = sequence.sample;
        self.shared.queue().end(self.index, &sample);
        self.shared.changed.notify_all();
        let completion: Completion = sequence.complete(finish);
        self.shared.tell(Event::Completed { request: sample.request, sample: sample.sample, completion });
    }

    /// One token in every row. Rows that end are given to samples that wait, or closed.
    fn step(&mut self) -> Result<()> {
        let logits = {
            let last: Vec<&[u32]> =
                self.sequences.iter().filter_map(Sequence::last).map(std::slice::from_ref).collect();
            let logits = self.shared.engine.model.forward_cached(&last, &mut self.cache)?;
            let logits = logits.to_dtype(DType::F32).and_then(|logits| logits.to_device(&Device::Cpu));
            let logits = logits.and_then(|logits| logits.flatten_all()?.to_vec1::<f32>());
            logits.map_err(crate::model::ModelError::from)?
        };
        let width = logits.len() / self.sequences.len();
        let mut keep = Vec::with_capacity(self.sequences.len());
        let mut closed = false;
        let before = std::mem::take(&mut self.sequences);
        for (row, (sequence, logits)) in before.into_iter().zip(logits.chunks_exact(width)).enumerate() {
            if let Some(sequence) = self.advance(sequence, logits)? {
                keep.push(row);
                self.sequences.push(sequence);
            } else if let Some((sequence, prefix)) = self.start()? {
                self.cache.replace_row(row, Some(prefix))?;
                keep.push(row);
                self.sequences.push(sequence);
            } else {
                closed = true;
            }
        }
        if closed {
            self.cache.keep_rows(&keep)?;
        }
        Ok(())
    }

    /// After a cancellation: every sample in progress ends as it is.
    fn interrupt(&mut self) -> Result<()> {
        for mut sequence in std::mem::take(&mut self.sequences) {
            let piece = sequence.interrupt(&self.shared.engine.tokenizer)?;
            self.tell_piece(&sequence, piece);
            self.complete(sequence, FinishReason::Cancelled);
        }
        Ok(())
    }
}
