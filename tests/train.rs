//! Training: what it learns, what changes and what must not, and that going on equals never having stopped.

#[path = "train/common.rs"]
mod common;
#[path = "train/grammar.rs"]
mod grammar;
#[path = "train/policy.rs"]
mod policy;
#[path = "train/policy_steps.rs"]
mod policy_steps;
#[path = "train/resume.rs"]
mod resume;
#[path = "train/steps.rs"]
mod steps;
