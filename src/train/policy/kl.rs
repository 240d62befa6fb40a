//! Kullback-Leibler divergence from samples: what an action tells of it, from its log-probabilities alone.

use super::super::error::Result;
use super::same_length;

/// `c (log pi(a) - log pi_ref(a))` for each action `a`: LeDex's `KL_t` (arXiv 2405.18649), whose mean over actions
/// that `pi` drew is `c KL(pi | pi_ref)`. `coefficients` has one number for each action.
///
/// # Errors
/// The slices are not of one length.
pub fn penalties(policy: &[f32], reference: &[f32], coefficients: &[f64]) -> Result<Vec<f64>> {
    same_length("reference_log_probs", reference.len(), policy.len())?;
    same_length("kl_coefficients", coefficients.len(), policy.len())?;
    let pairs = policy.iter().zip(reference).zip(coefficients);
    Ok(pairs.map(|((&policy, &reference), c)| c * (f64::from(policy) - f64::from(reference))).collect())
}

/// The estimator k1 of `KL(q | p)` from one sample of `q`: `log q - log p` (Schulman 2020, "Approximating KL
/// divergence", joschu.net/blog/kl-approx.html). Unbiased; negative for some samples.
#[must_use]
pub fn k1(log_q: f64, log_p: f64) -> f64 {
    log_q - log_p
}

/// The estimator k3 of `KL(q | p)` from one sample of `q`: `(r - 1) - log r` with `r = p / q` (Schulman 2020, as [`k1`]).
/// Unbiased, never negative, and of less variance while the two are close.
#[must_use]
pub fn k3(log_q: f64, log_p: f64) -> f64 {
    let log_r = log_p - log_q;
    log_r.exp_m1() - log_r
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_are_differences_of_log_probs() {
        // 0.5 (-1 + 3) = 1; 0.5 (-2 + 1.5) = -0.25; 2 (-1 + 1.5) = 1.
        let found = penalties(&[-1.0, -2.0, -1.0], &[-3.0, -1.5, -1.5], &[0.5, 0.5, 2.0]).expect("fits");
        assert_eq!(found, [1.0, -0.25, 1.0]);
        assert!(penalties(&[-1.0], &[], &[0.5]).is_err());
        assert!(penalties(&[-1.0], &[-1.0], &[]).is_err());
    }

    #[test]
    fn both_estimators_have_the_divergence_as_their_mean() {
        // q = (1/2, 1/4, 1/4), p = (1/4, 1/4, 1/2):
        // KL(q|p) = 1/2 ln 2 + 1/4 ln 1 + 1/4 ln(1/2) = 1/4 ln 2 = 0.173287.
        let (q, p) = ([0.5_f64, 0.25, 0.25], [0.25_f64, 0.25, 0.5]);
        let mean = |estimator: fn(f64, f64) -> f64| -> f64 {
            q.iter().zip(&p).map(|(q, p)| q * estimator(q.ln(), p.ln())).sum()
        };
        let divergence = 0.25 * 2.0_f64.ln();
        assert!((mean(k1) - divergence).abs() < 1e-12);
        assert!((mean(k3) - divergence).abs() < 1e-12);
        // One sample: r = 2, so k3 = 1 - ln 2 = 0.306853 and k1 = -ln 2.
        assert!((k3(0.25_f64.ln(), 0.5_f64.ln()) - 0.306_852_819_440_055).abs() < 1e-12);
        assert!((k1(0.25_f64.ln(), 0.5_f64.ln()) + std::f64::consts::LN_2).abs() < 1e-12);
        assert!(k3(-1.0, -1.0).abs() < 1e-15);
    }
}
