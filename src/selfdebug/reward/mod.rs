//! The rewards of LeDex (Jiang et al., "LeDex: Training LLMs to Better Self-Debug and Explain Code", NeurIPS 2024,
//! arXiv 2405.18649): how good a refinement and an explanation are. Pure functions of text and numbers.
//!
//! - [`codebleu`]: CodeBLEU (Ren et al. 2020, arXiv 2009.10297) for Python, with the conventions of the package
//!   `codebleu` 0.7.0 on PyPI.
//! - [`rewards`]: from counts and similarities to the two rewards.
//! - [`embedding`]: explanations as vectors.

pub mod codebleu;
mod comments;
mod data_flow;
pub mod embedding;
mod ngram;
pub mod rewards;
mod syntax;
pub(super) mod tree;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
