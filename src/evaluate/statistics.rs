//! pass@k, its intervals, and the comparison of two evaluations on the same problems.
//!
//! Problems are the sampling unit: samples of one problem depend on each other, so a bootstrap draws whole problems.
//! All intervals are two-sided at 95 %. The formulas and their test vectors are in `../shared/reference/datasets.md` §3.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// The standard normal quantile at 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

/// The tails that an interval leaves out.
const TAILS: (f64, f64) = (0.025, 0.975);

/// What was sampled for one problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trials {
    /// Samples drawn.
    pub samples: u32,
    /// Those that the verifier accepted.
    pub accepted: u32,
}

impl Trials {
    /// Whether any sample was accepted.
    #[must_use]
    pub fn solved(self) -> bool {
        self.accepted > 0
    }

    /// See [`pass_at_k`].
    #[must_use]
    pub fn pass_at(self, k: u32) -> Option<f64> {
        pass_at_k(self.samples, self.accepted, k)
    }
}

/// From `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether it holds `value`.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// A mean over problems.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// `sd / sqrt(problems)`, with `problems - 1` degrees of freedom; 0 for one problem.
    pub standard_error: f64,
    /// At 95 %, by the bootstrap (see [`Bootstrap`]).
    pub interval: Interval,
    /// How many problems it is a mean of.
    pub problems: usize,
}

/// How to draw problems anew, with replacement: an interval goes from the 2.5 % to the 97.5 % quantile of the means of
/// the draws. It is a little narrow for few problems (by a factor of about 1 - 1.6 / problems).
///
/// Where all problems give one value, draws cannot differ, though the next problem may. Then the interval lets a share
/// `z² / (problems + z²)` of the problems have any other value: Wilson's bound for a share of which no case was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// How often; 10 000 settles the third digit.
    pub resamples: usize,
    /// All draws follow from it.
    pub seed: u64,
}

/// The unbiased estimate of the chance that at least one of `k` samples is accepted, from `n` samples of which `c` were:
/// `1 - C(n - c, k) / C(n, k)` (Chen et al. 2021, arXiv 2107.03374).
///
/// `None` where there is no unbiased estimate: `n < k`; and for `c > n`, which no sampling gives.
#[must_use]
pub fn pass_at_k(n: u32, c: u32, k: u32) -> Option<f64> {
    if k > n || c > n {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    // C(n - c, k) / C(n, k) is symmetric in c and k: the fewer factors, the better.
    let (fewer, more) = (c.min(k), c.max(k));
    let all_fail = (0..fewer).map(|j| 1.0 - f64::from(more) / f64::from(n - j)).product::<f64>();
    Some(1.0 - all_fail)
}

/// The mean of pass@k over problems. `None` without a problem, and where a problem has fewer than `k` samples: to leave
/// it out would be to choose the problems by how they were sampled.
#[must_use]
pub fn mean_pass_at_k(problems: &[Trials], k: u32, bootstrap: Bootstrap) -> Option<Estimate> {
    let values = problems.iter().map(|trials| trials.pass_at(k)).collect::<Option<Vec<f64>>>()?;
    estimate(&values, Interval { low: 0.0, high: 1.0 }, bootstrap)
}

/// The mean over problems of pass@k after less pass@k before. Each pair is one problem. `None` as in [`mean_pass_at_k`].
#[must_use]
pub fn paired_difference(pairs: &[(Trials, Trials)], k: u32, bootstrap: Bootstrap) -> Option<Estimate> {
    let difference = |(before, after): &(Trials, Trials)| Some(after.pass_at(k)? - before.pass_at(k)?);
    let values = pairs.iter().map(difference).collect::<Option<Vec<f64>>>()?;
    estimate(&values, Interval { low: -1.0, high: 1.0 }, bootstrap)
}

/// The mean of one value of each problem; `range` is what a value can be. `None` without a problem.
#[must_use]
pub fn estimate(values: &[f64], range: Interval, bootstrap: Bootstrap) -> Option<Estimate> {
    let value = mean(values)?;
    let count = values.len() as f64;
    let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
    let standard_error = if values.len() < 2 { 0.0 } else { (squares / (count - 1.0) / count).sqrt() };
    let all_same = values.iter().all(|one| one.total_cmp(&values[0]).is_eq());
    let interval = if all_same || bootstrap.resamples == 0 {
        let unseen = Z * Z / (count + Z * Z);
        Interval { low: value + unseen * (range.low - value), high: value + unseen * (range.high - value) }
    } else {
        quantiles(resampled_means(values, bootstrap))
    };
    Some(Estimate { value, standard_error, interval, problems: values.len() })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn resampled_means(values: &[f64], bootstrap: Bootstrap) -> Vec<f64> {
    let mut generator = ChaCha8Rng::seed_from_u64(bootstrap.seed);
    // The high half of a product: uniform but for `len` parts in 2^64.
    let mut index = || ((u128::from(generator.next_u64()) * values.len() as u128) >> 64) as usize;
    let mut one = |_| (0..values.len()).map(|_| values[index()]).sum::<f64>() / values.len() as f64;
    (0..bootstrap.resamples).map(&mut one).collect()
}

/// The interval between both tails; between two draws it is interpolated.
fn quantiles(mut draws: Vec<f64>) -> Interval {
    draws.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = share * (draws.len() - 1) as f64;
        let (below, above) = (draws[place.floor() as usize], draws[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    Interval { low: quantile(TAILS.0), high: quantile(TAILS.1) }
}

/// Wilson's score interval for a share, for instance of the problems solved (Wilson 1927; without continuity
/// correction). `None` without a trial, and for more successes than trials.
#[must_use]
pub fn wilson(successes: u64, trials: u64) -> Option<Interval> {
    if trials == 0 || successes > trials {
        return None;
    }
    let count = trials as f64;
    let share = successes as f64 / count;
    let shrink = 1.0 + Z * Z / count;
    let centre = (share + Z * Z / (2.0 * count)) / shrink;
    let reach = Z / shrink * (share * (1.0 - share) / count + Z * Z / (4.0 * count * count)).sqrt();
    // The ends are exact, whatever was rounded on the way.
    let low = if successes == 0 { 0.0 } else { centre - reach };
    let high = if successes == trials { 1.0 } else { centre + reach };
    Some(Interval { low, high })
}

/// Problems solved by two provers, and whether they differ by more than chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Solved before and after.
    pub both: u64,
    /// Solved before, and no longer.
    pub only_before: u64,
    /// Solved only now.
    pub only_after: u64,
    /// Never solved.
    pub neither: u64,
    /// Exact and two-sided: the chance that a fair coin, thrown for each problem that one of both solved, falls as
    /// unevenly. 1 where there is no such problem.
    pub p_value: f64,
}

/// McNemar's exact test (McNemar 1947, with the binomial in place of χ²) over pairs of (before, after).
#[must_use]
pub fn mcnemar(pairs: &[(Trials, Trials)]) -> McNemar {
    let count = |before: bool, after: bool| {
        let is_one = |pair: &&(Trials, Trials)| pair.0.solved() == before && pair.1.solved() == after;
        pairs.iter().filter(is_one).count() as u64
    };
    let (only_before, only_after) = (count(true, false), count(false, true));
    let p_value = fair_coin(only_before, only_after);
    McNemar { both: count(true, true), only_before, only_after, neither: count(false, false), p_value }
}

/// `2 P(X <= min(heads, tails))` for X binomial with probability 1/2, at most 1.
fn fair_coin(heads: u64, tails: u64) -> f64 {
    let count = heads + tails;
    // Logarithms: 2^-count is 0 in f64 from 1075 on.
    let mut log_chance = -(count as f64) * std::f64::consts::LN_2;
    let mut tail = log_chance.exp();
    for i in 1..=heads.min(tails) {
        log_chance += ((count - i + 1) as f64).ln() - (i as f64).ln();
        tail += log_chance.exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
