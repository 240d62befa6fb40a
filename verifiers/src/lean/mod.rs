//! Lean 4: policy, pinned statements, toolchains and the modes in which candidates are judged.

pub mod batch;
pub mod header;
pub mod lexer;
pub mod policy;
pub mod repl;
mod repl_verifier;
pub mod snippet;
pub mod statement;
pub mod toolchain;
mod verifier;

pub use repl_verifier::LeanRepl;
pub use verifier::LeanBatch;

/// Version of the checking rules; part of the content address of every verdict. Change it with every change of
/// the policy, the layout or the tracker that can change a verdict.
pub const RULES_VERSION: &str = "2";

/// The part of the policy that enters the content address: what a proof may rest on.
const AXIOM_POLICY: &str = "axioms=propext,Classical.choice,Quot.sound";
