//! The loop: conjecture, prove, verify, select, train.

pub mod event;
