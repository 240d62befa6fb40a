//! Advantages without a value function: each trajectory against the others of its group.

use std::collections::BTreeMap;

use super::super::error::Result;
use super::same_length;

/// Added to the deviation that advantages are divided by.
const EPSILON: f64 = 1e-6;

/// `A_k = R_k - mean of the other R_j = K / (K - 1) (R_k - mean R)` within each group of `K` trajectories (RLOO: Ahmadian
/// et al. 2024, arXiv 2402.14740; LOOP: Chen et al. 2025, arXiv 2502.01600), in the order of `returns`.
/// `normalise`: divided by the deviation of the group's returns (with `K - 1`) plus 1e-6.
///
/// A group of one has nothing to be compared with, and a group of equal returns teaches nothing: their advantages are 0.
/// Where divergence is part of the returns, they are hardly ever equal, and `normalise` would blow it up to the size of
/// a reward in a group of equal rewards.
///
/// # Errors
/// Not one group for each return.
pub fn advantages(returns: &[f64], groups: &[u64], normalise: bool) -> Result<Vec<f64>> {
    same_length("groups", groups.len(), returns.len())?;
    let mut members: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, &group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(index);
    }
    let mut advantages = vec![0.0; returns.len()];
    for members in members.values() {
        let own = |&index: &usize| returns[index];
        let is_alike = members.iter().all(|index| own(index).total_cmp(&own(&members[0])).is_eq());
        if is_alike {
            continue;
        }
        // Two members at least: one alone is like itself.
        let others = (members.len() - 1) as f64;
        let mean = members.iter().map(own).sum::<f64>() / members.len() as f64;
        let squares = members.iter().map(|index| (own(index) - mean).powi(2)).sum::<f64>();
        let scale = if normalise { 1.0 / ((squares / others).sqrt() + EPSILON) } else { 1.0 };
        for &index in members {
            advantages[index] = (returns[index] - mean) * (members.len() as f64 / others) * scale;
        }
    }
    Ok(advantages)
}

/// The indices of the `ceil(fraction n)` largest `|A|`, in ascending order; of equal ones the first. The rest would cost a
/// pass through the model and change little.
#[must_use]
pub fn largest(advantages: &[f64], fraction: f64) -> Vec<usize> {
    let wanted = (fraction * advantages.len() as f64).ceil() as usize;
    let mut order: Vec<usize> = (0..advantages.len()).collect();
    order.sort_by(|&a, &b| advantages[b].abs().total_cmp(&advantages[a].abs()));
    order.truncate(wanted);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-9), "{found:?} for {wanted:?}");
    }

    #[test]
    fn each_is_compared_with_the_others_of_its_group() {
        // Group 7: 1, 0, 5. 1 - (0 + 5)/2 = -1.5; 0 - (1 + 5)/2 = -3; 5 - (1 + 0)/2 = 4.5.
        // Group 2: 2, 4. 2 - 4 = -2; 4 - 2 = 2.
        let found = advantages(&[1.0, 2.0, 0.0, 4.0, 5.0], &[7, 2, 7, 2, 7], false).expect("fits");
        close(&found, &[-1.5, -2.0, -3.0, 2.0, 4.5]);
    }

    #[test]
    fn normalised_by_the_deviation_of_the_returns() {
        // Mean 2; deviations -1, -2, 3; their squares' sum 14, over 2 = 7; root 2.645751.
        // -1.5, -3, 4.5 over 2.645752 (the root and 1e-6).
        let found = advantages(&[1.0, 0.0, 5.0], &[0; 3], true).expect("fits");
        let scale = 1.0 / (7.0_f64.sqrt() + 1e-6);
        close(&found, &[-1.5 * scale, -3.0 * scale, 4.5 * scale]);
    }

    #[test]
    fn one_alone_and_equals_teach_nothing() {
        for normalise in [false, true] {
            // 0.1 three times: their sum divided by 3 is not 0.1 in binary.
            let found = advantages(&[3.0, 0.1, 0.1, 0.1], &[1, 2, 2, 2], normalise).expect("fits");
            assert_eq!(found, [0.0; 4]);
        }
        assert!(advantages(&[1.0], &[], false).is_err());
        assert_eq!(advantages(&[], &[], false).expect("fits"), [0.0; 0]);
    }

    #[test]
    fn the_largest_are_kept_in_order() {
        // |A| = 1, 4, 0, 4, 2; half of 5 is 2.5, so 3: both 4s and the 2.
        assert_eq!(largest(&[-1.0, 4.0, 0.0, -4.0, 2.0], 0.5), [1, 3, 4]);
        assert_eq!(largest(&[-1.0, 4.0, 0.0, -4.0, 2.0], 0.2), [1]);
        assert_eq!(largest(&[1.0, 2.0], 1.0), [0, 1]);
        assert_eq!(largest(&[], 0.5), [0; 0]);
    }
}
