//! What a run of self-debugging is: every number that its result depends on.

use super::error::{Result, SelfDebugError};
use crate::selfplay::LearnSettings;
use proofloop_datasets::Split;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// What is written and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Functions, judged by tests
    Python,
    /// Proofs, judged by Lean
    Lean,
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is written and judged.
    pub language: Language,
    /// All chance follows from it.
    pub seed: u64,
    /// Whether refinements begin with an explanation of what is wrong, as LeDex's second instruction asks.
    pub explain: bool,
    /// What is trained on and held out.
    pub tasks: TaskSettings,
    /// The model to begin with.
    pub base: BaseSettings,
    /// Trajectories to learn from.
    pub collect: CollectSettings,
    /// Supervised learning from them.
    pub sft: SftSettings,
    /// Reinforcement learning behind it.
    pub rl: Option<RlSettings>,
    /// Held-out problems, before and after.
    pub evaluation: EvaluationSettings,
}

/// What is trained on and held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSettings {
    /// Tasks that are drawn from the grammar of `datasets::planted` to train on (Python only).
    pub planted: usize,
    /// Of the same grammar, held out.
    pub planted_held_out: usize,
    /// The split of the problems that is held out; `train` is trained on.
    pub held_out: Split,
    /// Train on so many of the problems only, by chance.
    pub limit: Option<usize>,
}

/// The model to begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseSettings {
    /// A Hugging Face folder; without one, a nano model is made from nothing and learns to write (`learn`).
    pub model: Option<PathBuf>,
    /// How the nano model learns to write.
    pub learn: LearnSettings,
    /// How often it sees a planted bug repaired, for each program that it sees written: the little that lets it be its own
    /// teacher, as a large model can from its pretraining.
    pub debug_share: f64,
}

/// Who explains and refines for the supervised learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Teacher {
    /// The model itself (LeDex's self-bootstrap)
    Own,
    /// A model behind an OpenAI-compatible server, which goes on from the same texts as our own
    Server,
    /// One that is asked in words, as a chat's user would
    Chat,
}

/// Trajectories to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectSettings {
    /// Training problems that are tried, by chance.
    pub problems: usize,
    /// First tries of each (LeDex: 20).
    pub samples: NonZeroUsize,
    /// Of first tries.
    pub temperature: f64,
    /// Different wrong first tries of a problem that are refined, at most.
    pub wrong: usize,
    /// Refinements of each (LeDex: 10).
    pub refinements: NonZeroUsize,
    /// Of refinements (LeDex: 0.8).
    pub refine_temperature: f64,
    /// Turns behind the first: what fails again is refined again.
    pub turns: u32,
    /// Who refines.
    pub teacher: Teacher,
    /// Longest answer of a teacher other than the model itself; of one that thinks, its thoughts too.
    pub teacher_tokens: NonZeroUsize,
    /// Planted bugs whose repair is learnt besides, each of a task of its own that is drawn for it (Python only).
    pub planted_bugs: usize,
}

/// Supervised learning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftSettings {
    /// How.
    pub learn: LearnSettings,
    /// Weigh refinements by their rewards, failed ones too, as RISE does (arXiv 2407.18219): the temperature of
    /// `exp(r / tau)`. Without it, only accepted ones are learnt, all alike.
    pub rise_tau: Option<f64>,
}

/// The algorithm of the reinforcement learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum RlAlgorithm {
    /// PPO with a value head, as LeDex
    Ppo,
    /// Leave-one-out advantages without one, as LOOP
    LeaveOneOut,
}

/// What is rewarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Shaping {
    /// LeDex: explanation and refinement, each at its end
    Ledex,
    /// SCoRe's first stage: the second attempt alone, while the first is pinned to the reference
    ScoreOne,
    /// SCoRe's second stage: both attempts, with a bonus for what the second one mended
    ScoreTwo,
}

/// Reinforcement learning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RlSettings {
    /// How advantages are computed.
    pub algorithm: RlAlgorithm,
    /// What is rewarded.
    pub shaping: Shaping,
    /// Rounds of sampling and learning.
    pub iterations: u32,
    /// Training problems of a round, by chance.
    pub problems: usize,
    /// First tries of each.
    pub samples: NonZeroUsize,
    /// Refinements of each wrong first try: the group of a leave-one-out advantage.
    pub refinements: NonZeroUsize,
    /// Wrong first tries of a round, at most.
    pub most_wrong: usize,
    /// Of all samples.
    pub temperature: f64,
    /// Constant.
    pub learning_rate: f64,
    /// Passes over a round's trajectories.
    pub epochs: NonZeroUsize,
    /// Trajectories in a step.
    pub minibatch: NonZeroUsize,
    /// What divergence from the supervised model costs.
    pub kl_coefficient: f64,
    /// LeDex: 0.99.
    pub gamma: f64,
    /// Ratios count within `1 ± clip`.
    pub clip: f64,
    /// What rewards are multiplied by before anything learns from them.
    pub reward_scale: f64,
}

/// Held-out problems.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// First tries of each; 0 for no evaluation.
    pub samples: usize,
    /// Of all samples (LeDex: 0.8).
    pub temperature: f64,
    /// Turns behind the first (LeDex: 1).
    pub turns: u32,
    /// Longest answer.
    pub max_tokens: NonZeroUsize,
}

impl Settings {
    /// Whether all are in their ranges and fit each other.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<()> {
        let bad = |setting: &'static str, problem: &str| Err(SelfDebugError::setting(setting, problem));
        let warm = |temperature: f64| temperature.is_finite() && temperature >= 0.0;
        if !(0.0..=1.0).contains(&self.base.debug_share) {
            return bad("base.debug_share", "must be from 0 to 1");
        }
        let temperatures =
            [self.collect.temperature, self.collect.refine_temperature, self.evaluation.temperature];
        if !temperatures.into_iter().all(warm) {
            return bad("temperature", "must be 0 or more");
        }
        if self.sft.rise_tau.is_some_and(|tau| !(tau.is_finite() && tau > 0.0)) {
            return bad("sft.rise_tau", "must be above 0");
        }
        let planted = self.tasks.planted + self.tasks.planted_held_out + self.collect.planted_bugs;
        if self.language == Language::Lean && planted > 0 {
            return bad("tasks.planted", "there are no planted tasks or bugs in Lean");
        }
        if self.tasks.held_out == Split::Train {
            return bad("tasks.held_out", "`train` is trained on");
        }
        match &self.rl {
            Some(rl) if !warm(rl.temperature) || rl.temperature == 0.0 => {
                bad("rl.temperature", "must be above 0")
            }
            Some(rl) if !(rl.reward_scale.is_finite() && rl.reward_scale > 0.0) => {
                bad("rl.reward_scale", "must be above 0")
            }
            Some(rl) if rl.shaping != Shaping::Ledex && self.explain => {
                bad("rl.shaping", "SCoRe's attempts have no explanations: switch `explain` off (`--direct`)")
            }
            Some(_) | None => Ok(()),
        }
    }
}
