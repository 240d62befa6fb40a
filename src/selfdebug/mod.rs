//! Self-debugging: a model tries, hears what was wrong, explains and refines, and learns from what the verifier accepts.
//!
//! It is LeDex (Jiang et al. 2024, arXiv 2405.18649; `../shared/reference/methods.md` §1) for programs and, with Lean's
//! messages as feedback, for proofs: trajectories are collected and filtered by the verifier, learnt from with the wrong
//! code masked, and then reinforced, right and wrong ones, by a reward for the explanation and one for the refinement.
//!
//! | file | what |
//! |---|---|
//! | `run.rs` | the order of the stages |
//! | `dialogue.rs`, `prompts.rs` | turns: what is asked, read and judged |
//! | `teacher.rs` | the same in words, for a teacher that is talked to |
//! | `collect.rs`, `examples.rs` | trajectories, and what is learnt of them |
//! | `reinforce.rs`, `reward/` | rewarded trajectories for `crate::train::policy` |
//! | `task.rs`, `settings.rs`, `presets.rs`, `folder.rs`, `results.rs` | what a run is, and what came of it |
//!
//! The stages, the models' rounds, the judge, the learner and the seeds are self-play's.

mod collect;
mod dialogue;
mod error;
mod examples;
mod folder;
mod presets;
pub mod prompts;
mod reinforce;
pub mod results;
pub mod reward;
mod run;
#[cfg(test)]
mod sample_problems;
pub mod settings;
mod task;
mod teacher;

pub use error::{Result, SelfDebugError};
pub use folder::{Record, RunFolder};
pub use run::{run, stages};
