//! What a prover is asked, and what of its text is the answer: one family of prompts for each family of models.
//!
//! A family is two files: `NAME.jinja`, a minijinja template, and `NAME.toml`, which says what the template can't (see
//! [`settings::Settings`]). Those of `templates/` are built in; users may bring their own
//! ([`PromptFamily::from_file`]). The wording of a published family is a fact: each template names where it stands, and
//! the tests compare it to the letter.
//!
//! | file | what |
//! |---|---|
//! | `family.rs` | a family: loading it, filling in its template |
//! | `settings.rs` | what `NAME.toml` says |
//! | `variables.rs` | what a template may use |
//! | `answer.rs`, `fence.rs` | a model's text to what is judged |
//!
//! Nothing here trusts a model's text: what is read out of it is judged against the statement and the tests of the
//! problem. A text without an answer is no error but a failed sample, with its reason ([`NoAnswer`]).

mod answer;
mod builtin;
mod error;
mod family;
mod fence;
pub mod settings;
mod variables;

pub(crate) use answer::last_block_in;
pub use answer::{Extracted, NoAnswer};
pub use error::PromptError;
pub use family::{Context, Messages, PromptFamily};
pub use settings::Task;

#[cfg(test)]
pub(super) mod sample_problems;
