//! Advantages from rewards and a value function.

use super::super::error::Result;
use super::same_length;

/// What [`gae`] gives, one number for each action.
#[derive(Debug, Clone, PartialEq)]
pub struct Advantages {
    /// How much better than expected the action was.
    pub advantages: Vec<f64>,
    /// Advantage plus value: what the value function learns.
    pub returns: Vec<f64>,
}

/// Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438, eq. 16) over a trajectory that ends:
/// `A_t = sum_i (gamma lambda)^i delta_{t+i}` with `delta_t = r_t + gamma V_{t+1} - V_t` and `V = 0`
/// behind the last action. LeDex has `gamma` 0.99 and `lambda` 1, where `A_t + V_t` is the discounted sum of what comes.
///
/// # Errors
/// Not one value for each reward.
pub fn gae(rewards: &[f64], values: &[f64], gamma: f64, lambda: f64) -> Result<Advantages> {
    same_length("values", values.len(), rewards.len())?;
    let mut advantages = vec![0.0; rewards.len()];
    let (mut advantage, mut next) = (0.0, 0.0);
    for at in (0..rewards.len()).rev() {
        advantage = rewards[at] + gamma * next - values[at] + gamma * lambda * advantage;
        next = values[at];
        advantages[at] = advantage;
    }
    let returns = advantages.iter().zip(values).map(|(advantage, value)| advantage + value).collect();
    Ok(Advantages { advantages, returns })
}

/// Shifted and scaled to mean 0 and variance 1 (of the population): `(A - mean) / (deviation + 1e-8)`. Numbers that are
/// all alike become 0.
pub fn whiten(numbers: &mut [f64]) {
    let count = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count;
    let scale = 1.0 / (variance.sqrt() + 1e-8);
    numbers.iter_mut().for_each(|number| *number = (*number - mean) * scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-12), "{found:?} for {wanted:?}");
    }

    #[test]
    fn advantages_follow_the_residuals_backwards() {
        // r = 1, 0, 2; V = 0.5, 1, -1; gamma = 0.5, lambda = 0.5, so gamma lambda = 0.25.
        // delta_2 = 2 + 0 + 1 = 3;              A_2 = 3
        // delta_1 = 0 - 0.5 - 1 = -1.5;         A_1 = -1.5 + 0.25 * 3 = -0.75
        // delta_0 = 1 + 0.5 - 0.5 = 1;          A_0 = 1 + 0.25 * -0.75 = 0.8125
        let found = gae(&[1.0, 0.0, 2.0], &[0.5, 1.0, -1.0], 0.5, 0.5).expect("fits");
        close(&found.advantages, &[0.8125, -0.75, 3.0]);
        close(&found.returns, &[1.3125, 0.25, 2.0]);
    }

    #[test]
    fn with_lambda_1_returns_are_discounted_sums_and_with_lambda_0_one_step_ahead() {
        // gamma = 0.99: 2, 0 + 0.99 * 2 = 1.98, 1 + 0.99 * 1.98 = 2.9602; whatever the values are.
        let found = gae(&[1.0, 0.0, 2.0], &[7.0, -3.0, 0.25], 0.99, 1.0).expect("fits");
        close(&found.returns, &[2.9602, 1.98, 2.0]);
        close(&found.advantages, &[2.9602 - 7.0, 1.98 + 3.0, 2.0 - 0.25]);
        // lambda = 0: A = delta. 1 + 0.99 * -3 - 7 = -8.97; 0 + 0.99 * 0.25 + 3 = 3.2475; 2 - 0.25 = 1.75.
        let found = gae(&[1.0, 0.0, 2.0], &[7.0, -3.0, 0.25], 0.99, 0.0).expect("fits");
        close(&found.advantages, &[-8.97, 3.2475, 1.75]);
        assert!(gae(&[1.0], &[], 1.0, 1.0).is_err());
        assert_eq!(gae(&[], &[], 1.0, 1.0).expect("fits").advantages, [0.0; 0]);
    }

    #[test]
    fn whitened_numbers_have_mean_0_and_variance_1() {
        // Mean 2, deviations -1, 1, -1, 1, variance 1: only the 1e-8 remains.
        let mut numbers = [1.0, 3.0, 1.0, 3.0];
        whiten(&mut numbers);
        assert!(numbers.iter().zip([-1.0, 1.0, -1.0, 1.0]).all(|(f, w)| (f - w).abs() < 2e-8), "{numbers:?}");
        let mut alike = [4.0; 3];
        whiten(&mut alike);
        assert!(alike.iter().all(|number| number.abs() < 1e-12), "{alike:?}");
        whiten(&mut []);
    }
}
