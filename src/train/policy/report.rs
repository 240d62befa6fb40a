//! What a step did.

use std::path::PathBuf;
use std::time::Duration;

use super::objective::Measures;
use super::prepare::Item;

/// What a step did. Means are over the minibatch's actions if they don't say otherwise, and as they were before the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyReport {
    /// Steps taken, this one included.
    pub step: u64,
    /// Full passes over the update's trajectories before this step.
    pub epoch: u64,
    /// The clipped surrogate, negated, over units.
    pub policy_loss: f64,
    /// Of the value head, without its coefficient.
    pub value_loss: Option<f64>,
    /// Divergence of the policy from the reference, by [`super::kl::k3`] on the old policy's actions; if all of these have a
    /// reference.
    pub reference_kl: Option<f64>,
    /// Divergence of the old policy from the policy, by [`super::kl::k1`].
    pub old_kl_k1: f64,
    /// The same by [`super::kl::k3`].
    pub old_kl_k3: f64,
    /// The share of units whose ratio is outside of what counts.
    pub clipped_fraction: f64,
    /// Of the policy, in nats.
    pub entropy: f64,
    /// The sum of a trajectory's rewards, without divergence, over trajectories.
    pub mean_reward: f64,
    /// The size of the advantage, over units.
    pub mean_advantage: f64,
    /// Before clipping.
    pub gradient_norm: f64,
    /// Of this step.
    pub learning_rate: f64,
    /// Trajectories in the minibatch.
    pub trajectories: usize,
    /// Actions that went through the model: those of trajectories that have a gradient.
    pub actions: usize,
    /// Of the step, by the clock.
    pub elapsed: Duration,
}

/// What [`super::PolicyTrainer::update`] tells while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicyProgress {
    /// A step was taken.
    Step(PolicyReport),
    /// A checkpoint was written.
    Saved {
        /// Steps taken.
        step: u64,
        /// Its folder.
        path: PathBuf,
    },
}

/// What is known of a step beside its measures.
pub(super) struct Step {
    pub(super) step: u64,
    pub(super) epoch: u64,
    pub(super) gradient_norm: f64,
    pub(super) learning_rate: f64,
    pub(super) elapsed: Duration,
}

impl PolicyReport {
    /// Of a minibatch, whose `taught` items have gone through the model.
    pub(super) fn new(step: &Step, items: &[&Item<'_>], taught: &[&Item<'_>], measures: &Measures) -> Self {
        let (units, actions) = (measures.units.max(1.0), measures.actions.max(1.0));
        let advantages = || items.iter().flat_map(|item| &item.advantages);
        let rewards = items.iter().map(|item| item.trajectory.reward());
        let has_head = taught.iter().all(|item| item.values.is_some());
        let has_reference = taught.iter().all(|item| item.trajectory.reference_log_probs.is_some());
        Self {
            step: step.step,
            epoch: step.epoch,
            policy_loss: measures.policy_loss,
            value_loss: has_head.then_some(measures.value_loss),
            reference_kl: has_reference.then_some(measures.reference_k3 / actions),
            old_kl_k1: measures.k1 / actions,
            old_kl_k3: measures.k3 / actions,
            clipped_fraction: measures.clipped / units,
            entropy: measures.entropy / actions,
            mean_reward: rewards.sum::<f64>() / items.len().max(1) as f64,
            mean_advantage: advantages().map(|a| a.abs()).sum::<f64>() / advantages().count().max(1) as f64,
            gradient_norm: step.gradient_norm,
            learning_rate: step.learning_rate,
            trajectories: items.len(),
            actions: measures.actions as usize,
            elapsed: step.elapsed,
        }
    }
}
