//! Self-play: conjecture, prove, select, train, round after round.

pub mod select;
