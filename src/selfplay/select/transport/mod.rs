//! Step H, rule 5: weights that bring the selected conjectures near to the unproved statements.
//!
//! Wanted are weights on the `n` conjectures that minimise the Wasserstein distance to the uniform distribution on the
//! unproved statements, the *targets*, at the cost `-cos` of embeddings, with no weight above a cap (paper §3.3). Without
//! the cap there is a closed form: every target sends its mass to its nearest conjecture ([`closed_form`]). With it,
//! algorithm 4 of the paper (`wasserstein_matching` of the released code; [`transport`] here) goes through the targets
//! in a random order. A target `y` takes the `k_y` nearest conjectures that are not masked; each match adds `n / M` to the
//! conjecture's weight, `M` being the sum of all `k_y`; a conjecture whose weight is above the cap is masked from then on.
//! So no weight is above `cap + n / M`, and they add up to `n` unless there were not enough conjectures for a target.
//! A conjecture that no target took weighs 0. (The code multiplies the similarities of masked ones by 0 instead, so that
//! a target far from all others may still take one; not here.)
//!
//! # Neighbours
//! The matrix of similarities is never there. Few pairs are gone through exactly, in blocks of targets (`exact`); for
//! more there is a tree of k-means clusters, searched best-first, from which masked conjectures are removed (`tree`). Both
//! give a block of targets more neighbours than they take, from the state at its beginning; where masks have used up a
//! target's, the next block begins with it. So the exact search does what algorithm 4 says, target by target. (Published
//! crates were considered: `hnsw_rs`, `instant-distance` and `hora` build graphs whose edges depend on the timing of
//! threads and can't take points out, `arroy` lives in LMDB, k-d trees are of no use in hundreds of dimensions.)
//!
//! A similarity has the same bits on every machine and in every search (`dot`), ties go to the first conjecture, and
//! threads only share out work whose pieces are fixed: the result follows from embeddings, settings and seed.

mod best;
mod dot;
mod embeddings;
mod exact;
mod greedy;
mod parallel;
mod split;
mod tree;

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::error::{Result, SelectError, not_negative};
use super::random::{Random, Stream};
use exact::Exact;
use greedy::{Matches, Tally};
use tree::Tree;

pub use embeddings::Embeddings;

/// How neighbours are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Up to so many pairs of a conjecture and a target the search is exact.
    pub exact_pairs: u64,
    /// Beyond that a target is compared with about so many conjectures, those of the clusters nearest to it. (A target
    /// that takes many is compared with more.)
    pub compared: usize,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { exact_pairs: 1 << 28, compared: 4096 }
    }
}

/// Rule 5.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSettings {
    /// A conjecture that weighs more is not matched any more.
    pub cap: Option<f64>,
    /// How neighbours are found.
    pub search: SearchSettings,
}

impl TransportSettings {
    /// As published: algorithm 4.
    #[must_use]
    pub fn paper() -> Self {
        Self { cap: Some(3.0), search: SearchSettings::default() }
    }

    /// As released: the call of `wasserstein_matching`.
    #[must_use]
    pub fn code() -> Self {
        Self { cap: Some(4.0), ..Self::paper() }
    }

    /// # Errors
    /// The cap is negative or not finite.
    pub fn check(&self) -> Result<()> {
        self.cap.map_or(Ok(()), |cap| not_negative("cap", cap))
    }
}

/// What conjectures are brought near to.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// Of the unproved statements.
    pub embeddings: Embeddings<'a>,
    /// How many conjectures each takes (`k_y`, the *matching weight*: 1, and 128 for the statements of validation sets).
    pub matches: &'a [u32],
}

/// Weights of conjectures, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Transport {
    /// 0 for a conjecture that is dropped.
    pub weights: Vec<f64>,
    /// The mean over all matches of the cosine between conjecture and target; the transport's cost is its negative. 0
    /// without a match.
    pub mean_similarity: f64,
    /// What became of conjectures and matches.
    pub counts: TransportCounts,
}

/// What became of conjectures and matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TransportCounts {
    /// Conjectures that were given.
    pub conjectures: usize,
    /// Targets that were given.
    pub targets: usize,
    /// Matches that the targets wanted: `M`.
    pub matches: u64,
    /// Those that they did not get, because there were not so many conjectures below the cap.
    pub unmatched: u64,
    /// Conjectures that were masked.
    pub masked: usize,
    /// Conjectures that no target took.
    pub dropped: usize,
    /// Conjectures with a weight.
    pub selected: usize,
}

/// Algorithm 4 of the paper: a weight for each conjecture. Without a target there is nothing to be near to, and every
/// conjecture weighs 1.
///
/// # Errors
/// The cap is out of its range; conjectures and targets differ in their dimension; there are more or fewer matching
/// weights than targets.
pub fn transport(
    conjectures: Embeddings<'_>,
    targets: Targets<'_>,
    settings: &TransportSettings,
    seed: u64,
    threads: NonZeroUsize,
) -> Result<Transport> {
    settings.check()?;
    let wanted = check(conjectures, targets)?;
    let (points, goals) = (conjectures.count(), targets.embeddings.count());
    let mut order: Vec<usize> = (0..goals).collect();
    Random::new(seed, Stream::TransportOrder).shuffle(&mut order);
    // In whole matches, so that no sum of fractions decides: `taken * n / M > cap`.
    let limit = settings.cap.map(|cap| cap * wanted as f64 / points.max(1) as f64);
    let matches = Matches { order: &order, wanted: targets.matches, limit };
    let pairs = (points as u64).saturating_mul(goals as u64);
    let tally = if pairs <= settings.search.exact_pairs {
        matches.make(&mut Exact::new(conjectures, targets.embeddings), threads)
    } else {
        let compared = settings.search.compared;
        matches.make(&mut Tree::new(conjectures, targets.embeddings, compared, threads), threads)
    };
    Ok(weights(tally, goals, wanted))
}

/// The minimum without a cap: every target `y` sends its mass, `k_y / M`, to its nearest conjecture. The search is exact.
///
/// # Errors
/// As [`transport`].
pub fn closed_form(
    conjectures: Embeddings<'_>,
    targets: Targets<'_>,
    threads: NonZeroUsize,
) -> Result<Transport> {
    let wanted = check(conjectures, targets)?;
    let order: Vec<usize> = (0..targets.embeddings.count()).collect();
    let nearest = exact::nearest(conjectures, targets.embeddings, &order, threads);
    let mut tally = Tally::new(conjectures.count());
    for (target, nearest) in nearest.into_iter().enumerate() {
        if let Some(nearest) = nearest {
            tally.add(nearest, u64::from(targets.matches[target]));
        }
    }
    Ok(weights(tally, order.len(), wanted))
}

/// The number of matches that are wanted.
fn check(conjectures: Embeddings<'_>, targets: Targets<'_>) -> Result<u64> {
    let (ours, theirs) = (conjectures.dim(), targets.embeddings.dim());
    if ours != theirs {
        let problem = format!("conjectures have {ours} dimensions, targets {theirs}");
        return Err(SelectError::Embeddings { problem });
    }
    let (weights, targets_there) = (targets.matches.len(), targets.embeddings.count());
    if weights != targets_there {
        return Err(SelectError::Matches { weights, targets: targets_there });
    }
    Ok(targets.matches.iter().map(|&matches| u64::from(matches)).sum())
}

fn weights(tally: Tally, targets: usize, wanted: u64) -> Transport {
    let conjectures = tally.taken.len();
    let unit = conjectures as f64 / wanted as f64;
    let weights: Vec<f64> = if wanted == 0 {
        vec![1.0; conjectures]
    } else {
        tally.taken.iter().map(|&taken| taken as f64 * unit).collect()
    };
    let dropped = weights.iter().filter(|&&weight| weight <= 0.0).count();
    let counts = TransportCounts {
        conjectures,
        targets,
        matches: wanted,
        unmatched: wanted - tally.made,
        masked: tally.masked,
        dropped,
        selected: conjectures - dropped,
    };
    let mean_similarity = if tally.made == 0 { 0.0 } else { tally.similarity / tally.made as f64 };
    Transport { weights, mean_similarity, counts }
}

#[cfg(test)]
mod tests;
