//! Rewards at the ends of segments.

use super::super::error::{Result, TrainError};

/// A part of what a policy wrote that was judged by itself: an explanation, a refinement, a turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// How many actions had been taken when it ended: one more than the index of its last action. Actions are the tokens
    /// that the policy wrote, counted through all turns; [`super::Trajectory::actions_before`] counts them.
    pub end: usize,
    /// What it is worth.
    pub reward: f64,
}

/// The reward of each action: `R_t = (sum of the rewards of the segments that end with action t) - penalty_t`.
///
/// LeDex (Jiang et al. 2024, arXiv 2405.18649): `R(e) - KL_t` where the explanation ends, `R(r) - KL_t` where the refinement ends, and
/// `-KL_t` elsewhere; a good explanation is then not blamed for the refinement behind it alone. `penalties` are the
/// `KL_t` with their coefficients, one for each action.
///
/// # Errors
/// A segment ends at 0 or behind the last action, or its reward is not finite.
pub fn token_rewards(penalties: &[f64], segments: &[Segment]) -> Result<Vec<f64>> {
    let mut rewards: Vec<f64> = penalties.iter().map(|penalty| -penalty).collect();
    for Segment { end, reward } in segments {
        let place = end.checked_sub(1).and_then(|last| rewards.get_mut(last));
        match place.filter(|_| reward.is_finite()) {
            Some(place) => *place += reward,
            None => {
                let problem = format!("{reward} at the end of {end} of {} actions", penalties.len());
                return Err(TrainError::setting("rewards", problem));
            }
        }
    }
    Ok(rewards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_paid_where_they_end_and_divergence_everywhere() {
        // Five actions: an explanation of two worth 3, a refinement of three worth -4, KL_t = 0.5, -0.25, 0, 1, 2.
        // R = -0.5, 0.25 + 3, 0, -1, -2 - 4.
        let segments = [Segment { end: 2, reward: 3.0 }, Segment { end: 5, reward: -4.0 }];
        let rewards = token_rewards(&[0.5, -0.25, 0.0, 1.0, 2.0], &segments).expect("in range");
        assert_eq!(rewards, [-0.5, 3.25, 0.0, -1.0, -6.0]);
        // Any number of them, also two at one place.
        let twice = [Segment { end: 1, reward: 1.0 }, Segment { end: 1, reward: 2.0 }];
        assert_eq!(token_rewards(&[0.0, 0.0], &twice).expect("in range"), [3.0, 0.0]);
        assert_eq!(token_rewards(&[1.0], &[]).expect("in range"), [-1.0]);
    }

    #[test]
    fn what_no_action_ends_is_refused() {
        let says = |end, reward| token_rewards(&[0.0; 3], &[Segment { end, reward }]).expect_err("refused");
        assert_eq!(says(0, 1.0).to_string(), "setting `rewards`: 1 at the end of 0 of 3 actions");
        assert_eq!(says(4, 1.0).to_string(), "setting `rewards`: 1 at the end of 4 of 3 actions");
        assert_eq!(says(1, f64::NAN).to_string(), "setting `rewards`: NaN at the end of 1 of 3 actions");
    }
}
