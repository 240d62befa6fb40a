//! What a policy's update computes, and how.

use std::num::NonZeroUsize;

use super::super::error::{Result, TrainError};
use super::super::optimizer::AdamWConfig;
use super::super::schedule::Schedule;
use super::ppo::Granularity;

/// Proximal policy optimisation with a value head: LeDex's algorithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ppo {
    /// How much a reward counts one action earlier, in [0, 1].
    pub gamma: f64,
    /// Of [`super::gae`], in [0, 1].
    pub lambda: f64,
    /// Ratios count within `[1 - clip, 1 + clip]`; above 0.
    pub clip: f64,
    /// What the value loss is multiplied by; above 0.
    pub value_coefficient: f64,
    /// How far a value may move from the old one, if there is a bound; above 0.
    pub value_clip: Option<f64>,
    /// Whether advantages get mean 0 and variance 1 over all actions of an update.
    pub whiten: bool,
}

impl Default for Ppo {
    /// LeDex's gamma 0.99 and lambda 1; the rest as in TRL, which it was trained with: clips 0.2, value coefficient 0.1,
    /// whitened.
    fn default() -> Self {
        Self {
            gamma: 0.99,
            lambda: 1.0,
            clip: 0.2,
            value_coefficient: 0.1,
            value_clip: Some(0.2),
            whiten: true,
        }
    }
}

/// Leave-one-out advantages with a clipped surrogate and no value head: LOOP; with one epoch in one minibatch, RLOO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeaveOneOut {
    /// Ratios count within `[1 - clip, 1 + clip]`; above 0, and infinite if nothing is to be clipped.
    pub clip: f64,
    /// Whether advantages are divided by their group's deviation.
    pub normalise: bool,
    /// What a ratio belongs to.
    pub granularity: Granularity,
    /// The share of an update's trajectories, those of the largest `|A|`, that are learnt from; in (0, 1].
    pub keep_fraction: f64,
}

impl Default for LeaveOneOut {
    /// Clip 0.2, not normalised, by token, all kept.
    fn default() -> Self {
        Self { clip: 0.2, normalise: false, granularity: Granularity::Token, keep_fraction: 1.0 }
    }
}

/// How advantages are computed and used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Algorithm {
    /// With a value head.
    Ppo(Ppo),
    /// Without.
    LeaveOneOut(LeaveOneOut),
}

impl Algorithm {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ppo(_) => "ppo",
            Self::LeaveOneOut(_) => "leave-one-out",
        }
    }

    pub(super) fn clip(&self) -> f64 {
        match self {
            Self::Ppo(ppo) => ppo.clip,
            Self::LeaveOneOut(leave_one_out) => leave_one_out.clip,
        }
    }
}

/// What a [`super::PolicyTrainer`] computes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySettings {
    /// Of the order of trajectories.
    pub seed: u64,
    /// How advantages are computed and used.
    pub algorithm: Algorithm,
    /// How often an update goes through its trajectories.
    pub epochs: NonZeroUsize,
    /// Trajectories in each step (the last of an epoch has what is left).
    pub minibatch: NonZeroUsize,
    /// Places, padding included, that go through the model together; bounds memory and changes only rounding.
    pub micro_batch_tokens: NonZeroUsize,
    /// Micro-batches computed at the same time, each in a thread.
    pub replicas: NonZeroUsize,
    /// As [`crate::train::Settings::recompute_layers`].
    pub recompute_layers: bool,
    /// What each action pays for its divergence from the reference: `c (log pi_old - log pi_ref)` is taken from its reward.
    /// 0 or more; with 0, no reference is needed.
    pub kl_coefficient: f64,
    /// How much entropy is worth: `c H`, the mean over actions, is taken from the loss. 0 or more.
    pub entropy_coefficient: f64,
    /// Constants of the optimizer.
    pub optimizer: AdamWConfig,
    /// The learning rate, by steps over all updates.
    pub schedule: Schedule,
    /// Longer gradients are scaled down to this norm (arXiv 1211.5063).
    pub max_gradient_norm: Option<f64>,
}

impl PolicySettings {
    pub(super) fn check(&self) -> Result<()> {
        self.schedule.check()?;
        let not_negative = |number: f64| number.is_finite() && number >= 0.0;
        let positive = |number: f64| number.is_finite() && number > 0.0;
        require("kl_coefficient", self.kl_coefficient, "0 or more", not_negative)?;
        require("entropy_coefficient", self.entropy_coefficient, "0 or more", not_negative)?;
        if let Some(norm) = self.max_gradient_norm {
            require("max_gradient_norm", norm, "above 0", |norm| norm > 0.0)?;
        }
        require("clip", self.algorithm.clip(), "above 0", |clip| clip > 0.0)?;
        match &self.algorithm {
            Algorithm::Ppo(ppo) => {
                require("gamma", ppo.gamma, "in [0, 1]", |gamma| (0.0..=1.0).contains(&gamma))?;
                require("lambda", ppo.lambda, "in [0, 1]", |lambda| (0.0..=1.0).contains(&lambda))?;
                require("value_coefficient", ppo.value_coefficient, "above 0 and finite", positive)?;
                ppo.value_clip
                    .map_or(Ok(()), |clip| require("value_clip", clip, "above 0 and finite", positive))
            }
            Algorithm::LeaveOneOut(LeaveOneOut { keep_fraction, .. }) => {
                require("keep_fraction", *keep_fraction, "in (0, 1]", |f| f > 0.0 && f <= 1.0)
            }
        }
    }
}

fn require(setting: &'static str, number: f64, range: &str, is_good: impl Fn(f64) -> bool) -> Result<()> {
    if is_good(number) {
        return Ok(());
    }
    Err(TrainError::setting(setting, format!("must be {range}, got {number}")))
}
