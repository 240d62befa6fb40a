//! Self-play: one model conjectures and proves, Lean or Isabelle judges, and the model learns from what was accepted.
//!
//! It is STP (Dong & Ma, arXiv 2502.00212; `../shared/reference/stp.md`) with every rule as a setting, and with what that
//! lacks: conjectures are screened before they are proved, and a run goes on after `kill -9` as if nothing had happened.
//!
//! | file | what |
//! |---|---|
//! | `run.rs`, `stage.rs` | the order of the stages, and what each leaves; `round.rs` makes and proves conjectures, `selection.rs` chooses examples |
//! | `rollout.rs`, `judge.rs` | samples while the farm judges; verdicts into the store |
//! | `screening.rs`, `statement.rs`, `lemmas.rs` | what a conjecture must be |
//! | `prover.rs`, `isabelle/` | what differs between Lean and Isabelle |
//! | `select/` | the selection rules, as functions of plain data |
//! | `initial.rs`, `models.rs`, `learner.rs`, `embed.rs` | examples, the models of the rounds, their weights and embeddings |
//! | `settings.rs`, `presets.rs`, `prompts.rs`, `problems.rs`, `folder.rs` | what a run is |
//!
//! Nothing here knows commands or terminals: what happens is told to a [`Listener`].

mod alike;
mod busy;
pub(crate) mod chance;
pub(crate) mod embed;
mod error;
pub mod event;
pub(crate) mod folder;
mod initial;
pub mod isabelle;
pub(crate) mod judge;
pub(crate) mod learner;
pub mod lemmas;
mod listener;
pub(crate) mod models;
pub mod presets;
mod problems;
pub mod prompts;
pub mod prover;
pub mod results;
pub(crate) mod rollout;
mod round;
mod run;
pub mod screening;
pub mod select;
mod selection;
pub mod settings;
pub(crate) mod stage;
pub mod statement;

pub use error::{Result, SelfPlayError};
pub use folder::{Record, RunFolder, read_store};
pub use learner::{Compute, LEARNT_FILE, LearnSettings};
pub use listener::Listener;
pub use problems::ProblemSettings;
pub use run::{Equipment, run, stages};
