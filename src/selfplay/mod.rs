//! Self-play: one model conjectures and proves, Lean judges, and the model learns from what was accepted.
//!
//! It is STP (Dong & Ma, arXiv 2502.00212; `../shared/reference/stp.md`) with every rule as a setting, and with what that
//! lacks: conjectures are screened before they are proved, and a run goes on after `kill -9` as if nothing had happened.
//!
//! | file | what |
//! |---|---|
//! | `run.rs` | the order of the stages; `round.rs` makes and proves conjectures, `selection.rs` chooses examples |
//! | `rollout.rs`, `judge.rs` | samples while the farm judges; verdicts into the store |
//! | `screening.rs`, `statement.rs`, `lemmas.rs` | what a conjecture must be |
//! | `select/` | the selection rules, as functions of plain data |
//! | `initial.rs`, `learner.rs`, `embed.rs` | examples, weights and embeddings of a model |
//! | `settings.rs`, `presets.rs`, `prompts.rs`, `problems.rs`, `folder.rs` | what a run is |
//!
//! Nothing here knows commands or terminals: what happens is told to a [`Listener`].

mod alike;
mod busy;
mod chance;
mod embed;
mod error;
pub mod event;
mod folder;
mod initial;
mod judge;
mod learner;
pub mod lemmas;
mod listener;
pub mod presets;
mod problems;
pub mod prompts;
pub mod results;
mod rollout;
mod round;
mod run;
pub mod screening;
pub mod select;
mod selection;
pub mod settings;
pub mod statement;

pub use error::{Result, SelfPlayError};
pub use folder::{Record, RunFolder, read_store};
pub use learner::{Compute, LEARNT_FILE, LearnSettings};
pub use listener::Listener;
pub use problems::ProblemSettings;
pub use run::{Equipment, run, stages};
