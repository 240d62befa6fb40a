//! Trajectories to weights: policy-gradient training of a [`Decoder`](crate::model::Decoder), all of it or its adapters.
//!
//! - [`Trajectory`] is what a policy wrote, where it wrote it, and what it was paid for it; [`log_probs`] gives what it and
//!   its reference think of that.
//! - [`PolicyTrainer`] makes an update of them: a few epochs of minibatches with the clipped surrogate, with a
//!   [`ValueHead`] and [`gae`] ([`Ppo`]) or with [`leave_one_out`] advantages ([`LeaveOneOut`]).
//! - Rewards and weights of the methods: [`token_rewards`] (LeDex), [`score`] (SCoRe), [`rise`] (RISE).
//!
//! The formulas are functions of slices, each with its source; what needs a gradient is there once more as an expression
//! of tensors. What no one here does: generate, judge, print. As in supervised training, the same seed gives the same
//! bits, whatever the number of replicas, and a run that was resumed those of one that was not (CPU).

mod advantage;
mod checkpoint;
pub mod kl;
pub mod leave_one_out;
mod log_probs;
mod objective;
pub mod ppo;
mod prepare;
mod report;
pub mod rise;
mod rows;
pub mod score;
mod segments;
mod settings;
mod trainer;
mod trajectory;
mod value_head;

pub use advantage::{Advantages, gae, whiten};
pub use checkpoint::PolicyCheckpoint;
pub use log_probs::{LogProbOptions, log_probs};
pub use ppo::Granularity;
pub use report::{PolicyProgress, PolicyReport};
pub use segments::{Segment, token_rewards};
pub use settings::{Algorithm, LeaveOneOut, PolicySettings, Ppo};
pub use trainer::{PolicyTrainer, Saving};
pub use trajectory::{Actions, Trajectory};
pub use value_head::ValueHead;

use super::error::{Result, TrainError};

fn same_length(what: &'static str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(TrainError::setting(what, format!("{found} for {wanted}"))) }
}
