//! Where the uncertainty of a mean pass@k comes from: the samples that were drawn, and the problems that were chosen.
//!
//! `standard_error` of an [`Estimate`](super::statistics::Estimate) is that of both together: what an evaluation on other
//! problems of the kind would differ by. Papers that quote a standard deviation over repeated draws quote the first part
//! alone, which is much smaller (`../shared/reference/datasets.md` §3.2).

use super::statistics::{Estimate, Trials, pass_at_k};
use serde::{Deserialize, Serialize};

/// Both parts, as standard deviations of the mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// If the same problems were sampled again.
    pub sampling: f64,
    /// If other problems were chosen, and each sampled without end: what is left of the whole variance.
    pub problems: f64,
}

/// Splits the variance of `estimate`, the mean pass@k of these problems: `Var(mean) = E Var(problem's estimate | problem) / N
/// + Var(pass@k of a problem) / N`. The first part is the binomial's with each problem's own share of accepted samples in
/// place of its chance, times `n / (n - 1)` (exact in expectation for k = 1).
///
/// `None` where a problem has fewer than `k` samples or than two: one sample says nothing of how another would differ.
#[must_use]
pub fn split(problems: &[Trials], k: u32, estimate: &Estimate) -> Option<Noise> {
    let variances =
        problems.iter().map(|trials| sampling_variance(*trials, k)).collect::<Option<Vec<f64>>>()?;
    let count = variances.len() as f64;
    if variances.is_empty() {
        return None;
    }
    let sampling = variances.iter().sum::<f64>() / (count * count);
    let whole = estimate.standard_error.powi(2);
    Some(Noise { sampling: sampling.sqrt(), problems: (whole - sampling).max(0.0).sqrt() })
}

/// Variance of pass@k's estimate from `n` samples, each accepted with chance `c / n`.
fn sampling_variance(trials: Trials, k: u32) -> Option<f64> {
    let (n, c) = (trials.samples, trials.accepted);
    if n < 2 || n < k || c > n {
        return None;
    }
    if c == 0 || c == n {
        return Some(0.0);
    }
    let share = f64::from(c) / f64::from(n);
    let (mut mean, mut square) = (0.0, 0.0);
    // Logarithms: for thousands of samples the first chances are below what f64 has.
    let mut log_chance = f64::from(n) * (1.0 - share).ln();
    let log_odds = share.ln() - (1.0 - share).ln();
    for accepted in 0..=n {
        let chance = log_chance.exp();
        let value = pass_at_k(n, accepted, k)?;
        mean += chance * value;
        square += chance * value * value;
        log_chance += log_odds + f64::from(n - accepted).ln() - f64::from(accepted + 1).ln();
    }
    let n = f64::from(n);
    Some((square - mean * mean).max(0.0) * n / (n - 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::statistics::{Bootstrap, mean_pass_at_k};
    use super::*;

    fn trials(samples: u32, accepted: u32) -> Trials {
        Trials { samples, accepted }
    }

    #[test]
    fn for_k_1_it_is_the_unbiased_variance_of_a_share() {
        for (n, c) in [(2, 1), (8, 3), (100, 99), (4000, 1000)] {
            let share = f64::from(c) / f64::from(n);
            let expected = share * (1.0 - share) / (f64::from(n) - 1.0);
            let found = sampling_variance(trials(n, c), 1).expect("two samples or more");
            assert!((found / expected - 1.0).abs() < 1e-8, "{c} of {n}: {found}, not {expected}");
        }
    }

    #[test]
    fn for_k_n_it_is_the_variance_of_being_solved() {
        // 1 - (1 - 1/4)^4 = 0.68359375 is the chance to solve it.
        let solved = 0.683_593_75_f64;
        let found = sampling_variance(trials(4, 1), 4).expect("enough samples");
        assert!((found - solved * (1.0 - solved) * 4.0 / 3.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn equal_problems_have_sampling_noise_alone_and_decided_ones_none() {
        let bootstrap = Bootstrap { resamples: 100, seed: 0 };
        // Half of each problem's samples are accepted, so problems do not differ.
        let equal = vec![trials(8, 4); 50];
        let estimate = mean_pass_at_k(&equal, 1, bootstrap).expect("enough samples");
        let noise = split(&equal, 1, &estimate).expect("enough samples");
        assert!((noise.sampling - (0.25 / 7.0 / 50.0_f64).sqrt()).abs() < 1e-12 && noise.problems < 1e-12);
        // Each problem is always or never solved.
        let decided: Vec<Trials> = (0..50).map(|i| trials(8, if i % 2 == 0 { 8 } else { 0 })).collect();
        let estimate = mean_pass_at_k(&decided, 1, bootstrap).expect("enough samples");
        let noise = split(&decided, 1, &estimate).expect("enough samples");
        assert!(noise.sampling < 1e-12 && (noise.problems - estimate.standard_error).abs() < 1e-12);
    }

    #[test]
    fn one_sample_tells_no_noise_apart() {
        let one = vec![trials(1, 1), trials(1, 0)];
        let estimate = mean_pass_at_k(&one, 1, Bootstrap { resamples: 10, seed: 0 }).expect("a sample");
        assert_eq!(split(&one, 1, &estimate), None);
        assert_eq!(split(&[], 1, &estimate), None);
    }
}
