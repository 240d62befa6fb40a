//! `proofloop selfplay` and `proofloop selfdebug` as a user runs them: to its end, through kills, over bad input, and on real Lean.

#[path = "selfplay/cheats.rs"]
mod cheats;
#[path = "selfplay/common.rs"]
mod common;
#[path = "selfplay/faults.rs"]
mod faults;
#[path = "selfplay/isabelle.rs"]
mod isabelle;
#[path = "selfplay/kills.rs"]
mod kills;
#[path = "selfplay/lean.rs"]
mod lean;
