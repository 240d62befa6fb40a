//! The selection rules of self-play: what becomes a conjecturer's input, what is attempted, and what is learnt from.
//!
//! Pure functions over plain data: no file, no clock, no tensor, and chance only from a seed. Every function says what it
//! kept and how many fell to each of its rules (`…Counts`). Every rule is a setting of its own that can be switched off
//! alone; `paper()` and `code()` of the settings are the two published variants of *STP: Self-play LLM Theorem Provers
//! with Iterative Conjecturing and Proving* (arXiv 2502.00212v4) and of its released code (kfdong/STP, 2b5fe8b). Rounds
//! are numbered; the *dataset* is the statements that the run was given.
//!
//! | module | decides | paper | released code |
//! |---|---|---|---|
//! | [`seeds`] | conjecturer inputs (step A) | proofs of dataset statements | and only of those with a best pass rate > 0.35 |
//! | [`targets`] | conjectures in a round (step C) | at most as many as unproved statements | at most as many as dataset statements |
//! | [`targets`] | what is attempted (step D) | unproved statements, conjectures | and proved ones with a best rate < 0.35, and 5 % of the others |
//! | [`conjectures`] | pass rate of a conjecture to learn from (step H1) | (0, 1/4] | (0, 1/4) |
//! | [`conjectures`] | its lemma (step H2) | must be used in a proof | others keep the trivial lemma, up to max(20 × the first kind, 4096) |
//! | [`conjectures`] | elegance (step H4) | 20 % quantile over all | 20 % quantile for each lemma |
//! | [`transport`] | cap on a weight (step H5, algorithm 4) | 3 | 4 |
//! | [`proofs`] | pass rate of a proof to learn from (step I) | < 1/2 | ≤ 1/2 over 3 rounds |
//! | [`proofs`] | weight of a proof | e^(-0.001 chars - 0.01 s) / number of proofs | the same |
//! | [`proofs`] | final set (§1.4 of the reference) | rate ≤ 1/4 | dataset statements at any rate, conjectures ≤ 1/4 |
//!
//! What neither has: [`targets::TargetRule::Unproved`] and [`targets::TargetRule::Everything`] are the baselines' rules
//! (paper, appendix A.6).

pub mod conjectures;
mod error;
pub mod proofs;
mod random;
pub mod seeds;
pub mod targets;
pub mod transport;

pub use error::{Result, SelectError};
