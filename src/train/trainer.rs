//! Steps: examples to gradients to weights, with evaluation and checkpoints between them.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use tokio_util::sync::CancellationToken;

use super::batch::{self, Batching, Cursor, MicroBatch};
use super::checkpoint::{Checkpoint, Checkpoints, Identity};
use super::error::{Result, TrainError};
use super::example::Example;
use super::loss::{self, Gradients};
use super::optimizer::{self, AdamW, AdamWConfig};
use super::replicas;
use super::schedule::Schedule;
use crate::model::{Decoder, Dropout};

/// What a step computes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Of the order of examples and of dropout.
    pub seed: u64,
    /// Examples in each step.
    pub batch_examples: NonZeroUsize,
    /// Places, padding included, that go through the model together; bounds memory. What is more than that is gradient
    /// accumulation.
    pub micro_batch_tokens: NonZeroUsize,
    /// How examples share rows.
    pub batching: Batching,
    /// Micro-batches computed at the same time, each in a thread.
    pub replicas: NonZeroUsize,
    /// Keep only hidden states between layers and compute layers again for their gradient: a third more time, and the
    /// memory of one layer.
    pub recompute_layers: bool,
    /// Constants of the optimizer.
    pub optimizer: AdamWConfig,
    /// The learning rate.
    pub schedule: Schedule,
    /// Longer gradients are scaled down to this norm (arXiv 1211.5063).
    pub max_gradient_norm: Option<f64>,
}

/// How long to train, and what to do between steps.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Steps in all, those before a resumption included.
    pub steps: u64,
    /// Evaluate after each so many steps, and at the end.
    pub evaluate_every: Option<NonZeroU64>,
    /// Save after each so many steps. The end, and a cancellation, are always saved.
    pub save_every: Option<NonZeroU64>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps taken, this one included.
    pub step: u64,
    /// Full passes over the examples before this step.
    pub epoch: u64,
    /// Weighted mean over the completions' tokens, before the step, in nats.
    pub loss: f64,
    /// Before clipping.
    pub gradient_norm: f64,
    /// Of this step.
    pub learning_rate: f64,
    /// Tokens read, without padding.
    pub tokens: usize,
    /// Tokens learnt.
    pub predicted: usize,
    /// Of the step, by the clock.
    pub elapsed: Duration,
}

impl StepReport {
    /// Tokens read for each second of this step.
    pub fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// What [`Trainer::run`] tells while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A step was taken.
    Step(StepReport),
    /// The model was evaluated.
    Evaluated {
        /// Steps taken.
        step: u64,
        /// As [`StepReport::loss`].
        loss: f64,
    },
    /// A checkpoint was written.
    Saved {
        /// Steps taken.
        step: u64,
        /// Its folder.
        path: PathBuf,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// All steps were taken.
    Complete,
    /// It was cancelled; whole steps only were taken.
    Cancelled,
}

/// A model while it trains. Its weights are those of the decoder that it was given, which shares them.
#[derive(Debug)]
pub struct Trainer<'a> {
    model: Decoder,
    examples: &'a [Example],
    settings: Settings,
    optimizer: AdamW,
    cursor: Cursor,
}

impl<'a> Trainer<'a> {
    /// Before the first step.
    ///
    /// # Errors
    /// There are no examples, one does not fit the model, or a setting is out of its range.
    pub fn new(model: Decoder, examples: &'a [Example], settings: Settings) -> Result<Self> {
        settings.schedule.check()?;
        if let Some(norm) = settings.max_gradient_norm.filter(|norm| norm.is_nan() || *norm <= 0.0) {
            return Err(TrainError::setting("max_gradient_norm", format!("must be above 0, got {norm}")));
        }
        check_examples(&model, examples)?;
        let optimizer = AdamW::new(settings.optimizer, model.trainable())?;
        Ok(Self { model, examples, settings, optimizer, cursor: Cursor::default() })
    }

    /// Behind the last step of `checkpoint`, whose weights `model` gets. With the same examples and settings, the
    /// steps that follow are those that would have followed, to the bit on the CPU. Learning rate, optimizer constants,
    /// rows and replicas may change; seed, examples and their number in a step may not.
    ///
    /// # Errors
    /// As [`Trainer::new`]; the checkpoint is damaged, of another model, or of other examples or another seed.
    pub fn resume(
        model: Decoder,
        examples: &'a [Example],
        settings: Settings,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        let mut trainer = Self::new(model, examples, settings)?;
        trainer.cursor = checkpoint.restore(&trainer.identity(), &trainer.model, &mut trainer.optimizer)?;
        Ok(trainer)
    }

    /// The model.
    pub fn model(&self) -> &Decoder {
        &self.model
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.optimizer.steps()
    }

    /// Where the next step begins.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Takes one step; nothing, and `None`, if it was cancelled.
    ///
    /// # Errors
    /// Loss or gradient is not finite: the weights are then as they were. A parameter gets no gradient; a tensor
    /// operation failed.
    pub fn step(&mut self, cancel: &CancellationToken) -> Result<Option<StepReport>> {
        let start = Instant::now();
        let (settings, step) = (&self.settings, self.steps());
        let count = settings.batch_examples.get();
        let (chosen, next) = self.cursor.next(settings.seed, self.examples.len(), count);
        let chosen: Vec<_> = chosen.into_iter().map(|index| &self.examples[index]).collect();
        let batches = batch::lay_out(&chosen, settings.batching, settings.micro_batch_tokens);
        let denominator = loss::denominator(chosen.iter().copied());
        let Some(Gradients { loss, by_parameter }) = self.gradients(&batches, denominator, cancel)? else {
            return Ok(None);
        };
        let gradient_norm = optimizer::norm(&by_parameter)?;
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return Err(TrainError::NotFinite { step, loss, gradient_norm });
        }
        let scale = match settings.max_gradient_norm {
            Some(most) if gradient_norm > most => most / gradient_norm,
            Some(_) | None => 1.0,
        };
        let learning_rate = settings.schedule.at(step);
        self.optimizer.step(&by_parameter, scale, learning_rate)?;
        let epoch = self.cursor.epoch;
        self.cursor = next;
        Ok(Some(StepReport {
            step: step + 1,
            epoch,
            loss,
            gradient_norm,
            learning_rate,
            tokens: chosen.iter().map(|example| example.inputs()).sum(),
            predicted: chosen.iter().map(|example| example.predicted()).sum(),
            elapsed: start.elapsed(),
        }))
    }

    fn gradients(
        &self,
        batches: &[MicroBatch],
        denominator: f64,
        cancel: &CancellationToken,
    ) -> Result<Option<Gradients>> {
        let (model, settings, step) = (&self.model, &self.settings, self.steps());
        let compute = |index: usize| {
            let dropout = Dropout { seed: mix(mix(settings.seed, step), index as u64) };
            loss::gradients(model, &batches[index], denominator, dropout, settings.recompute_layers)
        };
        let mut sum: Option<Gradients> = None;
        let add = |part: Gradients| {
            sum = Some(match sum.take() {
                None => part,
                Some(sum) => {
                    let both = sum.by_parameter.iter().zip(&part.by_parameter);
                    let by_parameter =
                        both.map(|(a, b)| a + b).collect::<candle_core::Result<Vec<Tensor>>>()?;
                    Gradients { loss: sum.loss + part.loss, by_parameter }
                }
            });
            Ok(())
        };
        let is_complete = replicas::in_order(batches.len(), settings.replicas, cancel, compute, add)?;
        Ok(sum.filter(|_| is_complete))
    }

    /// The mean loss over other examples, as [`StepReport::loss`], without dropout; `None` if it was cancelled.
    ///
    /// # Errors
    /// There are no examples, one does not fit the model, or a tensor operation failed.
    pub fn evaluate(&self, examples: &[Example], cancel: &CancellationToken) -> Result<Option<f64>> {
        check_examples(&self.model, examples)?;
        let settings = &self.settings;
        let all: Vec<_> = examples.iter().collect();
        let batches = batch::lay_out(&all, settings.batching, settings.micro_batch_tokens);
        let denominator = loss::denominator(examples.iter());
        let compute = |index: usize| loss::value(&self.model, &batches[index], denominator);
        let mut sum = 0.0;
        let add = |part: f64| {
            sum += part;
            Ok(())
        };
        let is_complete = replicas::in_order(batches.len(), settings.replicas, cancel, compute, add)?;
        Ok(is_complete.then_some(sum))
    }

    /// Takes steps up to `plan.steps`, evaluates and saves between them, and tells `progress`.
    ///
    /// # Errors
    /// As [`Trainer::step`], [`Trainer::evaluate`] and [`Trainer::save`]. What was saved before stays.
    pub fn run(
        &mut self,
        plan: &Plan,
        evaluation: &[Example],
        checkpoints: Option<&Checkpoints>,
        cancel: &CancellationToken,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Finish> {
        let is_due = |every: Option<NonZeroU64>, step: u64| {
            every.is_some_and(|every| step.is_multiple_of(every.get()))
        };
        if plan.evaluate_every.is_some() {
            check_examples(&self.model, evaluation)?;
        }
        let mut saved = self.steps();
        let finish = loop {
            if self.steps() >= plan.steps {
                break Finish::Complete;
            }
            let Some(report) = self.step(cancel)? else { break Finish::Cancelled };
            progress(&Progress::Step(report));
            let step = report.step;
            let is_last = step >= plan.steps;
            if plan.evaluate_every.is_some() && (is_last || is_due(plan.evaluate_every, step)) {
                let Some(loss) = self.evaluate(evaluation, cancel)? else { break Finish::Cancelled };
                progress(&Progress::Evaluated { step, loss });
            }
            if let Some(checkpoints) = checkpoints.filter(|_| !is_last && is_due(plan.save_every, step)) {
                progress(&Progress::Saved { step, path: self.save(checkpoints)? });
                saved = step;
            }
        };
        if let Some(checkpoints) = checkpoints.filter(|_| self.steps() > saved) {
            progress(&Progress::Saved { step: self.steps(), path: self.save(checkpoints)? });
        }
        Ok(finish)
    }

    /// Writes a checkpoint, whose folder is given.
    ///
    /// # Errors
    /// The weights give no finite loss or gradient; there is a checkpoint of this step or a later one, or it cannot be written.
    /// Earlier ones are as they were.
    pub fn save(&self, checkpoints: &Checkpoints) -> Result<PathBuf> {
        self.check_sound()?;
        checkpoints.save(&self.identity(), &self.model, &self.optimizer, self.cursor)
    }

    /// A step whose loss was finite may have broken the weights, which only the next one would show. One example is enough:
    /// what breaks is large everywhere. Its gradient is needed, because norms make a finite loss of weights of any size.
    fn check_sound(&self) -> Result<()> {
        let first: Vec<_> = self.examples.iter().take(1).collect();
        let batches = batch::lay_out(&first, self.settings.batching, self.settings.micro_batch_tokens);
        let denominator = loss::denominator(first.into_iter());
        match self.gradients(&batches, denominator, &CancellationToken::new())? {
            Some(Gradients { loss, by_parameter }) => {
                let (step, gradient_norm) = (self.steps(), optimizer::norm(&by_parameter)?);
                let is_sound = loss.is_finite() && gradient_norm.is_finite();
                if is_sound { Ok(()) } else { Err(TrainError::Unsound { step, loss, gradient_norm }) }
            }
            None => Ok(()),
        }
    }

    fn identity(&self) -> Identity {
        Identity::new(self.settings.seed, self.settings.batch_examples.get(), self.examples)
    }
}

fn check_examples(model: &Decoder, examples: &[Example]) -> Result<()> {
    let (vocabulary, longest) = (model.config().vocab_size, model.config().max_position_embeddings);
    let problem = |example: &Example| {
        let Example { tokens, completion, weight } = example;
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(format!("token {token} in a vocabulary of {vocabulary}"))
        } else if tokens.len() > longest {
            Some(format!("{} tokens, the model takes {longest}", tokens.len()))
        } else if tokens.len() < 2 || *completion >= tokens.len() {
            Some(format!("{} tokens with a completion from {completion} on", tokens.len()))
        } else if !weight.is_finite() || *weight <= 0.0 {
            Some(format!("weight {weight}, must be above 0"))
        } else {
            None
        }
    };
    if examples.is_empty() {
        return Err(TrainError::setting("examples", "there are none"));
    }
    match examples.iter().enumerate().find_map(|(index, e)| problem(e).map(|problem| (index, problem))) {
        Some((index, problem)) => {
            Err(TrainError::setting("examples", format!("example {}: {problem}", index + 1)))
        }
        None => Ok(()),
    }
}

/// A seed for each pair: SplitMix64's finaliser (Steele, Lea, Flood 2014).
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
