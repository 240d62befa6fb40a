//! The loop: conjecture, prove, verify, select, train.

pub mod event;
pub mod select;
