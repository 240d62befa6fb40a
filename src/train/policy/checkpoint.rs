//! A policy's checkpoints, in the folders of [`Checkpoints`]: `model/` or `adapter/` and `optimizer.safetensors` as
//! supervised training has them, and
//!
//! - `value_head.safetensors`, if there is a value head,
//! - `policy.json`: version, step, seed, algorithm, and where in an update it is, if it is in one: the order of the
//!   trajectories follows from seed, the update's first step and the epoch, so there is no other state of a random generator,
//! - `values.safetensors`, within an update with a value head: what that said when the update began, which the weights
//!   of now don't tell.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::batch::Cursor;
use super::super::checkpoint::{self, Checkpoints};
use super::super::error::{Result, TrainError};
use super::super::optimizer::AdamW;
use super::objective::Learner;
use super::settings::PolicySettings;
use super::value_head::ValueHead;
use crate::model::tensor_file::{self, TensorFile};

const VERSION: u32 = 1;
const STATE_FILE: &str = "policy.json";
const HEAD_FILE: &str = "value_head.safetensors";
const VALUES_FILE: &str = "values.safetensors";
const VALUES: &str = "values";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    step: u64,
    seed: u64,
    algorithm: String,
    update: Option<UpdateState>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateState {
    first_step: u64,
    epoch: u64,
    used: usize,
    minibatch: usize,
    trajectories: String,
    values: usize,
}

/// Where a policy is in an update.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Update {
    /// Steps taken before it.
    pub(super) first_step: u64,
    /// In the trajectories that are learnt from.
    pub(super) cursor: Cursor,
    pub(super) minibatch: usize,
    /// The fingerprint of the trajectories.
    pub(super) trajectories: String,
    /// Of all actions, when it began; none without a value head.
    pub(super) values: Vec<f32>,
}

pub(super) fn save(
    checkpoints: &Checkpoints,
    learner: Learner<'_>,
    optimizer: &AdamW,
    settings: &PolicySettings,
    update: Option<&Update>,
) -> Result<PathBuf> {
    let of_update = |update: &Update| UpdateState {
        first_step: update.first_step,
        epoch: update.cursor.epoch,
        used: update.cursor.used,
        minibatch: update.minibatch,
        trajectories: update.trajectories.clone(),
        values: update.values.len(),
    };
    let state = State {
        version: VERSION,
        step: optimizer.steps(),
        seed: settings.seed,
        algorithm: settings.algorithm.name().to_owned(),
        update: update.map(of_update),
    };
    checkpoints.write(state.step, |folder| {
        checkpoint::write_weights(folder, learner.model)?;
        checkpoint::write_optimizer(folder, optimizer)?;
        if let Some(head) = learner.head {
            head.save(&folder.join(HEAD_FILE))?;
        }
        if let Some(values) = update.map(|update| &update.values).filter(|values| !values.is_empty()) {
            let values = Tensor::new(values.as_slice(), &Device::Cpu)?;
            tensor_file::write(&folder.join(VALUES_FILE), &[(VALUES, &values)], DType::F32)?;
        }
        checkpoint::write_state(&folder.join(STATE_FILE), &state)
    })
}

/// A policy's checkpoint that can be resumed from.
#[derive(Debug)]
pub struct PolicyCheckpoint {
    path: PathBuf,
    state: State,
}

impl Checkpoints {
    /// The newest, of a policy.
    ///
    /// # Errors
    /// The folder cannot be read, or the newest checkpoint is damaged or none of a policy.
    pub fn latest_policy(&self) -> Result<Option<PolicyCheckpoint>> {
        self.list()?.pop().map(|(_, path)| PolicyCheckpoint::open(&path)).transpose()
    }
}

impl PolicyCheckpoint {
    /// Reads what it says of itself.
    ///
    /// # Errors
    /// It is none of a policy, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self> {
        let state = checkpoint::read_state(path, STATE_FILE, VERSION)?;
        Ok(Self { path: path.to_path_buf(), state })
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Steps taken.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// Whether it was written within an update, which then goes on with the same trajectories.
    #[must_use]
    pub fn is_within_update(&self) -> bool {
        self.state.update.is_some()
    }

    /// Gives its weights to the learner and its moments to `optimizer`.
    pub(super) fn restore(
        &self,
        settings: &PolicySettings,
        learner: Learner<'_>,
        optimizer: &mut AdamW,
    ) -> Result<Option<Update>> {
        let (state, bad) = (&self.state, |problem| TrainError::checkpoint(&self.path, problem));
        if state.seed != settings.seed {
            return Err(bad(format!("it was made with seed {}, now it is {}", state.seed, settings.seed)));
        }
        let algorithm = settings.algorithm.name();
        if state.algorithm != algorithm {
            return Err(bad(format!("it was made with {}, now it is {algorithm}", state.algorithm)));
        }
        let update = state.update.as_ref().map(|update| self.update(update, settings)).transpose()?;
        let mut saved = checkpoint::read_weights(&self.path, learner.model)?;
        if learner.head.is_some() {
            let head = ValueHead::load(&self.path.join(HEAD_FILE), learner.model)?;
            saved.extend(head.parameters().clone());
        }
        checkpoint::restore(&self.path, state.step, &saved, learner.parameters, optimizer)?;
        Ok(update)
    }

    fn update(&self, state: &UpdateState, settings: &PolicySettings) -> Result<Update> {
        let (then, now) = (state.minibatch, settings.minibatch.get());
        if then != now {
            let problem = format!("it is within an update with minibatches of {then}, now it is {now}");
            return Err(TrainError::checkpoint(&self.path, problem));
        }
        let values = if state.values > 0 {
            let file = TensorFile::open(&self.path.join(VALUES_FILE))?;
            file.read(VALUES, &[state.values], DType::F32, &Device::Cpu)?.to_vec1()?
        } else {
            Vec::new()
        };
        Ok(Update {
            first_step: state.first_step,
            cursor: Cursor { epoch: state.epoch, used: state.used },
            minibatch: then,
            trajectories: state.trajectories.clone(),
            values,
        })
    }
}
