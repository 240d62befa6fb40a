//! The engine on our own decoder, for many samples of each of many prompts.
//!
//! - `plan.rs`: requests to prompts and samples; `queue.rs`: which sample starts when (decisions alone);
//! - `worker.rs`: the loop of a thread with a batch; `sequence.rs`: one sample, from logits to its end.
//!
//! **Exactness.** On a CPU in f32 or f64, the tokens of a sample depend on the weights, the prompt, the settings and the seed,
//! bit for bit, and neither on what shares its batch nor on the options here but
//! [`max_context`](EngineOptions::max_context). Elsewhere products of matrices round differently in batches of other
//! sizes, and a sample may differ where two tokens are almost equally likely.

mod options;
mod plan;
mod queue;
mod sequence;
mod special;
mod worker;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use candle_core::{DType, Device};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use options::EngineOptions;

use options::Limits;
use plan::Plan;
use queue::Queue;
use special::SpecialTokens;
use worker::{Shared, Worker};

use super::error::{GenerateError, Result};
use super::generator::{Boxed, Event, Generator, Identity, Usage};
use super::request::Request;
use crate::model::nano::TOKENIZER_FILE;
use crate::model::{Decoder, Lora, Tokenizer};

/// Completes prompts with a [`Decoder`]. Cheap to clone; several calls may run at once, each with threads and memory of
/// its own.
#[derive(Debug, Clone)]
pub struct CandleGenerator {
    engine: Arc<Engine>,
}

#[derive(Debug)]
struct Engine {
    model: Arc<Decoder>,
    tokenizer: Tokenizer,
    special: SpecialTokens,
    options: EngineOptions,
    limits: Limits,
    name: String,
}

impl CandleGenerator {
    /// Reads a Hugging Face folder (`config.json`, weights, `tokenizer.json`, and `generation_config.json` for the tokens
    /// that end a text, if there is one) and an adapter folder of PEFT; the weights are converted to `dtype`.
    ///
    /// # Errors
    /// A file is missing or damaged, asks for what is not implemented, or does not fit the others; an option is out of
    /// its range.
    pub fn load(
        folder: &Path,
        adapter: Option<&Path>,
        dtype: DType,
        device: &Device,
        options: EngineOptions,
    ) -> Result<Self> {
        let mut model = Decoder::load(folder, dtype, device)?;
        if let Some(adapter) = adapter {
            let lora = Lora::load(adapter, &model)?;
            model = model.with_lora(lora)?;
        }
        let tokenizer = Tokenizer::load(&folder.join(TOKENIZER_FILE))?;
        let special = SpecialTokens::load(folder, model.config())?;
        Self::assemble(Arc::new(model), tokenizer, special, options, folder.display().to_string())
    }

    /// With weights that are in memory: later changes of them are seen by calls that begin afterwards. The tokens that
    /// begin and end a text are the configuration's, `name` is for [`Identity::model`].
    ///
    /// # Errors
    /// The tokenizer has more tokens than the model; an option is out of its range.
    pub fn new(
        model: impl Into<Arc<Decoder>>,
        tokenizer: Tokenizer,
        name: impl Into<String>,
        options: EngineOptions,
    ) -> Result<Self> {
        let model = model.into();
        let special = SpecialTokens::of(model.config());
        Self::assemble(model, tokenizer, special, options, name.into())
    }

    fn assemble(
        model: Arc<Decoder>,
        tokenizer: Tokenizer,
        special: SpecialTokens,
        options: EngineOptions,
        name: String,
    ) -> Result<Self> {
        tokenizer.check_fits(model.config().vocab_size)?;
        let limits = options.limits(model.config(), model.device())?;
        Ok(Self { engine: Arc::new(Engine { model, tokenizer, special, options, limits, name }) })
    }

    /// The decoder.
    pub fn model(&self) -> &Arc<Decoder> {
        &self.engine.model
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.engine.tokenizer
    }
}

impl Generator for CandleGenerator {
    fn identity(&self) -> Identity {
        let Engine { model, name, .. } = &*self.engine;
        Identity {
            engine: "candle".to_owned(),
            model: name.clone(),
            reproducible: model.device().is_cpu() && matches!(model.dtype(), DType::F32 | DType::F64),
        }
    }

    /// The work is done by threads of its own. An equal prompt of several requests is read once, and its samples start
    /// together, where the first of them is in the list. When the future is dropped, the work ends as if cancelled.
    fn generate<'a>(
        &'a self,
        requests: Vec<Request>,
        events: mpsc::Sender<Event>,
        cancel: &'a CancellationToken,
    ) -> Boxed<'a, Result<Usage>> {
        Box::pin(async move {
            for request in &requests {
                request.sampling.check()?;
            }
            let engine = Arc::clone(&self.engine);
            let stop = cancel.child_token();
            let _stop_when_dropped = stop.clone().drop_guard();
            let work = tokio::task::spawn_blocking(move || engine.run(&requests, &events, &stop));
            match work.await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(GenerateError::ShutDown),
                },
            }
        })
    }
}

impl Engine {
    fn run(
        &self,
        requests: &[Request],
        events: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) -> Result<Usage> {
        let mut plan = Plan::new(requests, &self.tokenizer, &self.special, &self.limits, &self.options);
        let failed = std::mem::take(&mut plan.failed);
        let (longest, samples) =
            (plan.samples.iter().map(|sample| sample.max_tokens).max().unwrap_or(1), plan.samples.len());
        let queue = Mutex::new(Queue::new(plan, self.limits));
        let shared = Shared { engine: self, requests, events, stop, queue, changed: Condvar::new() };
        let mut usage = Usage { failed_requests: failed.len() as u64, ..Usage::default() };
        for (request, error) in failed {
            let samples = (0..requests[request].samples.get()).collect();
            shared.tell(Event::Failed { request, samples, error });
        }
        let rows = self.limits.max_rows.div_ceil(self.limits.workers).min(samples.max(1));
        let work = |index| {
            // If this one fails or panics the others stop too: nobody may wait for a prompt that never comes.
            let stop_all = stop.clone().drop_guard();
            let usage = Worker::new(index, &shared, rows, longest).and_then(Worker::run)?;
            stop_all.disarm();
            Ok(usage)
        };
        let workers = self.limits.workers.min(samples);
        let results: Vec<Result<Usage>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..workers).map(|index| scope.spawn(move || work(index))).collect();
            let mut results = Vec::from_iter((workers > 0).then(|| work(0)));
            for thread in threads {
                results.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            results
        });
        shared.tell_not_started();
        for result in results {
            let worker = result?;
            usage.prompt_tokens += worker.prompt_tokens;
            usage.completion_tokens += worker.completion_tokens;
            usage.completions += worker.completions;
        }
        Ok(usage)
    }
}
