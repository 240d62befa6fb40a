//! Training: what it learns, what changes and what must not, and that going on equals never having stopped.

#[path = "train/common.rs"]
mod common;
#[path = "train/grammar.rs"]
mod grammar;
#[path = "train/resume.rs"]
mod resume;
#[path = "train/steps.rs"]
mod steps;
