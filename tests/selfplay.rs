//! `proofloop selfplay` as a user runs it: to its end, through kills, over bad input, and on real Lean.

#[path = "selfplay/common.rs"]
mod common;
#[path = "selfplay/faults.rs"]
mod faults;
#[path = "selfplay/kills.rs"]
mod kills;
#[path = "selfplay/lean.rs"]
mod lean;
