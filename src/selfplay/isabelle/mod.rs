//! Isabelle/HOL as the prover of a run: its statements, its prompts, and what its proofs name.

mod context;
pub(super) mod lemmas;
pub(super) mod prompts;
pub mod statement;

pub use context::Context;
