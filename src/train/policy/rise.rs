//! RISE's reward-weighted regression: examples of supervised training with weights from rewards.

/// `w_t = exp(r_t / tau)` for each turn's reward (Qu et al. 2024, arXiv 2407.18219: the objective
/// `sum_i sum_t log pi(y_t | s_t) exp(r_t / tau)`), to be an [`crate::train::Example::weight`]. `normalised`: divided by
/// their mean, so that weights have mean 1 whatever the rewards' level, and no exponential overflows.
#[must_use]
pub fn weights(rewards: &[f64], tau: f64, normalised: bool) -> Vec<f64> {
    let most = if normalised { rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max) } else { 0.0 };
    let mut weights: Vec<f64> = rewards.iter().map(|reward| ((reward - most) / tau).exp()).collect();
    if normalised {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        weights.iter_mut().for_each(|weight| *weight /= mean);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_exponentials_of_rewards() {
        // tau = 0.5: e^0 = 1, e^2 = 7.389056, e^-1 = 0.367879.
        let close = |found: Vec<f64>, wanted: &[f64]| {
            assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-6 * w), "{found:?}");
        };
        close(weights(&[0.0, 1.0, -0.5], 0.5, false), &[1.0, 7.389_056, 0.367_879_4]);
        // Their sum is 8.756935, their mean 2.918978.
        close(weights(&[0.0, 1.0, -0.5], 0.5, true), &[0.342_585_6, 2.531_384, 0.126_030_2]);
        // No overflow: (e^0, e^-1) over their mean 0.683940.
        close(weights(&[1e6, 1e6 - 1.0], 1.0, true), &[1.462_117, 0.537_882_8]);
        assert!(weights(&[], 1.0, true).is_empty());
    }
}
