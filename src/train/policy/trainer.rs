//! Updates: trajectories to gradients to weights, with checkpoints between the steps.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Instant;

use candle_core::Tensor;
use tokio_util::sync::CancellationToken;

use super::super::batch::Cursor;
use super::super::checkpoint::Checkpoints;
use super::super::error::{Result, TrainError};
use super::super::optimizer::{self, AdamW};
use super::super::replicas;
use super::super::trainer::{Finish, mix};
use super::checkpoint::{self, PolicyCheckpoint, Update};
use super::log_probs::{self, LogProbOptions};
use super::objective::{Learner, Measures, Totals};
use super::prepare::{self, Item};
use super::report::{PolicyProgress, PolicyReport, Step};
use super::rows;
use super::settings::{Algorithm, PolicySettings};
use super::trajectory::{self, Actions, Trajectory};
use super::value_head::ValueHead;
use crate::model::{Decoder, Parameters};

/// Where and how often an update is saved.
#[derive(Debug, Clone, Copy)]
pub struct Saving<'a> {
    /// Where to.
    pub checkpoints: &'a Checkpoints,
    /// After each so many steps. The end, and a cancellation, are always saved.
    pub every: Option<NonZeroU64>,
}

/// A policy while it trains. Its weights are those of the decoder that it was given, which shares them; adapters drop
/// nothing while it learns, for ratios would compare two networks.
#[derive(Debug)]
pub struct PolicyTrainer {
    model: Decoder,
    head: Option<ValueHead>,
    /// What trains of the model, and the head.
    parameters: Parameters,
    settings: PolicySettings,
    optimizer: AdamW,
    /// If it is in one.
    update: Option<Update>,
    /// A trajectory of the last update's, by which weights are tried before they are saved.
    probe: Option<Trajectory>,
}

/// What came of a minibatch.
enum Taken {
    /// A step.
    Step(PolicyReport),
    /// No step, because nothing in it has a gradient.
    Nothing,
    /// No step, because it was cancelled.
    Cancelled,
}

impl PolicyTrainer {
    /// Before the first update; with [`Algorithm::Ppo`], with a new value head.
    ///
    /// # Errors
    /// A setting is out of its range, or the device has no memory.
    pub fn new(model: Decoder, settings: PolicySettings) -> Result<Self> {
        settings.check()?;
        let head = match settings.algorithm {
            Algorithm::Ppo(_) => Some(ValueHead::new(&model)?),
            Algorithm::LeaveOneOut(_) => None,
        };
        let mut parameters = model.trainable().clone();
        parameters.extend(head.iter().flat_map(|head| head.parameters().clone()));
        let optimizer = AdamW::new(settings.optimizer, &parameters)?;
        Ok(Self { model, head, parameters, settings, optimizer, update: None, probe: None })
    }

    /// Behind the last step of `checkpoint`, whose weights `model` gets. With the same trajectories and settings, the
    /// steps that follow are those that would have followed, to the bit on the CPU. Seed and algorithm may not
    /// change, and within an update neither may its minibatches and trajectories.
    ///
    /// # Errors
    /// As [`PolicyTrainer::new`]; the checkpoint is damaged, or of another model, seed or algorithm.
    pub fn resume(model: Decoder, settings: PolicySettings, checkpoint: &PolicyCheckpoint) -> Result<Self> {
        let mut trainer = Self::new(model, settings)?;
        let Self { model, head, parameters, settings, optimizer, .. } = &mut trainer;
        let learner = Learner { model, head: head.as_ref(), parameters };
        trainer.update = checkpoint.restore(settings, learner, optimizer)?;
        Ok(trainer)
    }

    /// The policy.
    #[must_use]
    pub fn model(&self) -> &Decoder {
        &self.model
    }

    /// The value head, if the algorithm has one.
    #[must_use]
    pub fn value_head(&self) -> Option<&ValueHead> {
        self.head.as_ref()
    }

    /// Steps taken, over all updates.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.optimizer.steps()
    }

    /// Whether an update was begun and not ended: a cancelled one, or one that was resumed. The next call of
    /// [`PolicyTrainer::update`] goes on with it.
    #[must_use]
    pub fn is_within_update(&self) -> bool {
        self.update.is_some()
    }

    /// Learns from `trajectories`: all epochs of the settings, minibatch by minibatch. Within an update, the rest of it;
    /// the trajectories must then be the same. A minibatch in which nothing has a gradient takes no step.
    ///
    /// # Errors
    /// There are no trajectories, one does not fit the model or itself, or they are not those of the update that goes
    /// on; loss or gradient of a step is not finite, and the weights are then as they were before it; a checkpoint
    /// cannot be written; a tensor operation failed.
    pub fn update(
        &mut self,
        trajectories: &[Trajectory],
        saving: Option<Saving<'_>>,
        cancel: &CancellationToken,
        progress: &mut dyn FnMut(&PolicyProgress),
    ) -> Result<Finish> {
        let Some(items) = self.begin(trajectories, cancel)? else { return Ok(Finish::Cancelled) };
        let mut saved = self.steps();
        let finish = loop {
            if self.is_over() {
                break Finish::Complete;
            }
            match self.step(&items, cancel)? {
                Taken::Cancelled => break Finish::Cancelled,
                Taken::Nothing => continue,
                Taken::Step(report) => progress(&PolicyProgress::Step(report)),
            }
            let step = self.steps();
            let is_due =
                |saving: &Saving<'_>| saving.every.is_some_and(|every| step.is_multiple_of(every.get()));
            if let Some(saving) = saving.filter(is_due).filter(|_| !self.is_over()) {
                progress(&PolicyProgress::Saved { step, path: self.save(saving.checkpoints)? });
                saved = step;
            }
        };
        if self.is_over() {
            self.update = None;
        }
        if let Some(saving) = saving.filter(|_| self.steps() > saved) {
            progress(&PolicyProgress::Saved { step: self.steps(), path: self.save(saving.checkpoints)? });
        }
        Ok(finish)
    }

    fn is_over(&self) -> bool {
        let epochs = self.settings.epochs.get() as u64;
        self.update.as_ref().is_none_or(|update| update.cursor.epoch >= epochs)
    }

    /// What is learnt from. Begins an update, if this is not the middle of one; `None` if it was cancelled.
    fn begin<'a>(
        &mut self,
        trajectories: &'a [Trajectory],
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<Item<'a>>>> {
        trajectory::check(&self.model, trajectories, self.settings.kl_coefficient)?;
        let texts: Vec<Actions<'_>> = trajectories.iter().map(Trajectory::actions).collect();
        let fingerprint = trajectory::fingerprint(trajectories);
        let values = match (&self.update, &self.head) {
            (Some(update), _) if update.trajectories != fingerprint => {
                let problem = "they are not those of the update that goes on";
                return Err(TrainError::setting("trajectories", problem));
            }
            (Some(update), _) => update.values.clone(),
            (None, None) => Vec::new(),
            (None, Some(head)) => {
                let (micro_batch_tokens, replicas) =
                    (self.settings.micro_batch_tokens, self.settings.replicas);
                let options = LogProbOptions { micro_batch_tokens, replicas };
                match log_probs::values(&self.model, head, &texts, options, cancel)? {
                    Some(values) => values.concat(),
                    None => return Ok(None),
                }
            }
        };
        let by_text = self.head.is_some().then(|| split(&values, &texts));
        let items = prepare::prepare(trajectories, &self.settings, by_text.as_deref())?;
        self.probe = trajectories.iter().min_by_key(|trajectory| trajectory.tokens.len()).cloned();
        let (first_step, minibatch) = (self.steps(), self.settings.minibatch.get());
        self.update.get_or_insert_with(|| Update {
            first_step,
            cursor: Cursor::default(),
            minibatch,
            trajectories: fingerprint,
            values,
        });
        Ok(Some(items))
    }

    /// The next minibatch.
    fn step(&mut self, items: &[Item<'_>], cancel: &CancellationToken) -> Result<Taken> {
        let (start, step) = (Instant::now(), self.steps());
        let Some(Update { first_step, cursor, minibatch, .. }) = &self.update else {
            return Ok(Taken::Nothing);
        };
        let (epoch, seed) = (cursor.epoch, mix(self.settings.seed, *first_step));
        let (chosen, next) = cursor.next(seed, items.len(), *minibatch);
        let chosen: Vec<_> = chosen.into_iter().map(|index| &items[index]).collect();
        let taught: Vec<_> = chosen.iter().copied().filter(|item| item.teaches(&self.settings)).collect();
        if !taught.is_empty() {
            let Some((measures, gradients)) = self.gradients(&taught, Totals::of(&chosen), cancel)? else {
                return Ok(Taken::Cancelled);
            };
            let gradient_norm = optimizer::norm(&gradients)?;
            if !(measures.loss.is_finite() && gradient_norm.is_finite()) {
                return Err(TrainError::NotFinite { step, loss: measures.loss, gradient_norm });
            }
            let scale = match self.settings.max_gradient_norm {
                Some(most) if gradient_norm > most => most / gradient_norm,
                Some(_) | None => 1.0,
            };
            let learning_rate = self.settings.schedule.at(step);
            self.optimizer.step(&gradients, scale, learning_rate)?;
            self.advance(next);
            let step = Step { step: step + 1, epoch, gradient_norm, learning_rate, elapsed: start.elapsed() };
            return Ok(Taken::Step(PolicyReport::new(&step, &chosen, &taught, &measures)));
        }
        self.advance(next);
        Ok(Taken::Nothing)
    }

    fn advance(&mut self, next: Cursor) {
        if let Some(update) = &mut self.update {
            update.cursor = next;
        }
    }

    fn learner(&self) -> Learner<'_> {
        Learner { model: &self.model, head: self.head.as_ref(), parameters: &self.parameters }
    }

    /// Sums over the parts of a minibatch; `None` if it was cancelled.
    fn gradients(
        &self,
        items: &[&Item<'_>],
        totals: Totals,
        cancel: &CancellationToken,
    ) -> Result<Option<(Measures, Vec<Tensor>)>> {
        let (learner, settings) = (self.learner(), &self.settings);
        let texts: Vec<Actions<'_>> = items.iter().map(|item| item.trajectory.actions()).collect();
        let all: Vec<usize> = (0..texts.len()).collect();
        let parts = rows::lay_out(&texts, &all, settings.micro_batch_tokens);
        let compute = |part: usize| learner.gradients(items, &parts[part], settings, totals);
        let mut measures = Measures::default();
        let mut gradients: Option<Vec<Tensor>> = None;
        let add = |(part, own): (Measures, Vec<Tensor>)| {
            measures.add(&part);
            gradients = Some(match gradients.take() {
                None => own,
                Some(sum) => {
                    let both = sum.iter().zip(&own);
                    both.map(|(a, b)| a + b).collect::<candle_core::Result<_>>()?
                }
            });
            Ok(())
        };
        let is_complete = replicas::in_order(parts.len(), settings.replicas, cancel, compute, add)?;
        Ok(gradients.filter(|_| is_complete).map(|gradients| (measures, gradients)))
    }

    /// Writes a checkpoint, whose folder is given.
    ///
    /// # Errors
    /// The weights give no finite loss or gradient; there is a checkpoint of this step or a later one, or it cannot be written.
    /// Earlier ones are as they were.
    pub fn save(&self, checkpoints: &Checkpoints) -> Result<PathBuf> {
        self.check_sound()?;
        let (settings, update) = (&self.settings, self.update.as_ref());
        checkpoint::save(checkpoints, self.learner(), &self.optimizer, settings, update)
    }

    /// A step whose loss was finite may have broken the weights, which only the next one would show; the trajectory that is
    /// tried here is as good as any, and so are its advantages.
    fn check_sound(&self) -> Result<()> {
        let Some(probe) = &self.probe else { return Ok(()) };
        let item = prepare::probe(probe, self.head.is_some());
        let items = [&item];
        match self.gradients(&items, Totals::of(&items), &CancellationToken::new())? {
            Some((Measures { loss, .. }, gradients)) => {
                let (step, gradient_norm) = (self.steps(), optimizer::norm(&gradients)?);
                let is_sound = loss.is_finite() && gradient_norm.is_finite();
                if is_sound { Ok(()) } else { Err(TrainError::Unsound { step, loss, gradient_norm }) }
            }
            None => Ok(()),
        }
    }
}

/// Numbers of all actions, by text.
fn split(all: &[f32], texts: &[Actions<'_>]) -> Vec<Vec<f32>> {
    let mut rest = all.iter().copied();
    texts.iter().map(|text| rest.by_ref().take(text.count()).collect()).collect()
}
