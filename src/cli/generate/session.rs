//! From prompts to lines: block by block, in order.

use super::super::exit::Exit;
use super::super::output as terminal;
use super::Args;
use super::input::{Named, Prompts};
use super::order::{Order, Place};
use super::output::{Output, Sample};
use super::progress::Progress;
use crate::generate::{
    Completion, Event, FinishReason, GenerateError, Generator, Request, Sampling, Usage, seed_behind,
};
use anyhow::Context;
use std::num::NonZeroUsize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that may wait to be written; then the generator does.
const WAITING_EVENTS: usize = 256;

/// One run of the command.
pub(super) struct Session {
    samples: usize,
    seed: u64,
    sampling: Sampling,
    generator: Box<dyn Generator>,
    writer: Writer,
    cancel: CancellationToken,
    usage: Usage,
}

/// Some samples of a prompt, which are one request.
struct Part<'a> {
    named: &'a Named,
    first_sample: usize,
    samples: NonZeroUsize,
    /// Its first sample's, among all of the block.
    place: usize,
}

impl Session {
    pub(super) fn new(
        args: &Args,
        sampling: Sampling,
        generator: Box<dyn Generator>,
        output: Output,
        cancel: CancellationToken,
    ) -> Self {
        let progress = Progress::new(args.stream);
        Self {
            samples: args.samples.get(),
            seed: args.seed,
            sampling,
            generator,
            writer: Writer { output, progress, with_prompt: args.with_prompt, exit: Exit::Success },
            cancel,
            usage: Usage::default(),
        }
    }

    /// Reads all blocks and completes them.
    pub(super) async fn run(mut self, mut prompts: Prompts) -> anyhow::Result<Exit> {
        loop {
            let reading = tokio::task::spawn_blocking(move || {
                let block = prompts.next_block();
                (prompts, block)
            });
            let block = tokio::select! {
                // The reader may hang in a read: it is left to itself.
                () = self.cancel.cancelled() => break,
                read = reading => {
                    let (back, block) = read.context("the reader failed")?;
                    prompts = back;
                    block
                }
            };
            for bad in &block.bad {
                self.writer.fail(bad, Exit::Input);
            }
            self.complete(&block.prompts).await?;
            if block.is_last || self.cancel.is_cancelled() {
                break;
            }
        }
        self.writer.output.finish()?;
        let was_interrupted = self.cancel.is_cancelled();
        self.writer.progress.say(&self.usage, was_interrupted);
        let interrupted = if was_interrupted { Exit::Interrupted } else { Exit::Success };
        Ok(self.writer.exit.max(interrupted))
    }

    async fn complete(&mut self, prompts: &[Named]) -> anyhow::Result<()> {
        let parts = self.parts(prompts);
        if parts.is_empty() {
            return Ok(());
        }
        let requests = parts.iter().map(|part| self.request(part)).collect();
        // When lines cannot be written, the work ends, but nobody has interrupted it.
        let cancel = self.cancel.child_token();
        let (events, mut told) = mpsc::channel(WAITING_EVENTS);
        let generating = self.generator.generate(requests, events, &cancel);
        let writer = &mut self.writer;
        let writing = async {
            let written = writer.take(&mut told, &parts).await;
            if written.is_err() {
                cancel.cancel();
                told.close();
            }
            written
        };
        let (generated, written) = tokio::join!(generating, writing);
        written?;
        let usage = generated?;
        self.usage.prompt_tokens += usage.prompt_tokens;
        self.usage.completion_tokens += usage.completion_tokens;
        self.usage.uncounted_completions += usage.uncounted_completions;
        Ok(())
    }

    /// What is not there yet.
    fn parts<'a>(&self, prompts: &'a [Named]) -> Vec<Part<'a>> {
        let (mut parts, mut place) = (Vec::new(), 0);
        for named in prompts {
            for range in self.writer.output.missing(&named.id, self.samples) {
                let Some(samples) = NonZeroUsize::new(range.len()) else { continue };
                parts.push(Part { named, first_sample: range.start, samples, place });
                place += range.len();
            }
        }
        parts
    }

    fn request(&self, part: &Part<'_>) -> Request {
        Request {
            prompt: part.named.prompt.clone(),
            samples: part.samples,
            seed: seed_behind(seed_of(self.seed, &part.named.id), part.first_sample),
            sampling: self.sampling.clone(),
            stream: matches!(self.writer.output, Output::Text),
        }
    }
}

/// The seed of a prompt follows from its id, so that it stays when others come before it.
fn seed_of(seed: u64, id: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(id.as_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// What the generator tells goes here.
struct Writer {
    output: Output,
    progress: Progress,
    with_prompt: bool,
    exit: Exit,
}

impl Writer {
    /// Writes everything, until no more comes. An error is one of writing.
    async fn take(&mut self, told: &mut mpsc::Receiver<Event>, parts: &[Part<'_>]) -> anyhow::Result<()> {
        let samples = parts.iter().map(|part| part.samples.get()).sum();
        let mut order = Order::new(samples);
        self.progress.want(samples);
        while let Some(event) = told.recv().await {
            match event {
                Event::Piece { text, .. } => self.output.piece(&text)?,
                Event::Completed { request, sample, completion } => {
                    let Some(part) = parts.get(request) else { continue };
                    let line = self.completed(part, sample, &completion)?;
                    self.write(order.set(part.place + sample, line))?;
                }
                Event::Failed { request, samples, error } => {
                    let Some(part) = parts.get(request) else { continue };
                    self.progress.failed(samples.len());
                    let exit = terminal::of_generating(&error);
                    self.fail(&at(part, error), exit);
                    for sample in samples {
                        self.write(order.set(part.place + sample, Place::Done))?;
                    }
                }
            }
        }
        self.write(order.rest().collect())?;
        if matches!(self.output, Output::Text) {
            self.output.piece("\n")?;
        }
        Ok(())
    }

    fn completed(
        &mut self,
        part: &Part<'_>,
        sample: usize,
        completion: &Completion,
    ) -> anyhow::Result<Place> {
        // It will be drawn again by whoever goes on with the file.
        if completion.finish == FinishReason::Cancelled {
            return Ok(Place::Done);
        }
        self.progress.completed(completion);
        let prompt = self.with_prompt.then_some(part.named.prompt.as_str());
        let sample = Sample::new(&part.named.id, part.first_sample + sample, prompt, completion);
        Ok(Place::Line(serde_json::to_string(&sample)?))
    }

    fn write(&mut self, lines: Vec<String>) -> anyhow::Result<()> {
        let Self { output, progress, .. } = self;
        if lines.is_empty() {
            return Ok(());
        }
        progress.aside(|| lines.iter().try_for_each(|line| output.line(line)))
    }

    fn fail(&mut self, error: &anyhow::Error, exit: Exit) {
        self.exit = self.exit.max(exit);
        self.progress.aside(|| terminal::error(error));
    }
}

fn at(part: &Part<'_>, error: GenerateError) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot complete the prompt of {}", part.named.place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_follow_from_seed_and_id() {
        assert_eq!(seed_of(1, "a"), seed_of(1, "a"));
        let others = [seed_of(2, "a"), seed_of(1, "b"), seed_of(1, "")];
        assert!(!others.contains(&seed_of(1, "a")));
    }
}
