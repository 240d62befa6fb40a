//! Isabelle/HOL, judged by `isabelle server`.
//!
//! A completion is the proof of a pinned statement. [`policy`] reads it first: it must be a proof and nothing else. Then
//! [`theory`] writes a theory of a name that nobody can guess around it, [`worker`] has a server check it, and [`judge`]
//! reads the result: the theory's status, and what commands of ours behind the proof have answered. The server's own `ok` is
//! true of `sorry` and of what was cut short, and is never looked at.

mod audit;
pub mod codec;
pub mod commands;
pub mod judge;
pub mod lexer;
pub mod policy;
pub mod protocol;
#[cfg(test)]
mod protocol_tests;
mod server;
pub mod statement;
pub mod symbols;
pub mod theory;
mod verifier;
mod worker;

pub use audit::BatchTool;
pub use server::{Bounds, Broken, Ended, Installation, Server};
pub use verifier::{IsabelleServer, NoIsabelle, discover};
pub use worker::{Checked, Ran, Settings, Source, Worker};

/// Version of the checking rules; part of the content address of every verdict. Change it with every change of the policy,
/// the layout or the judge that can change a verdict.
pub const RULES_VERSION: &str = "1";
