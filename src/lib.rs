//! proofloop: conjecture, prove, verify, select, train.
//!
//! This crate joins the parts (`sandboxes`, `verifiers`, `datasets`) into commands. See ARCHITECTURE.md.

pub mod cli;
pub mod evaluate;
pub mod export;
pub mod fetch;
pub mod folder;
pub mod generate;
pub mod model;
pub mod records;
pub mod report;
pub mod selfdebug;
pub mod selfplay;
pub mod serve;
mod tls;
pub mod train;
