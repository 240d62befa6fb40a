//! SCoRe's two stages as rewards and divergence penalties of two turns.

/// Constants of SCoRe (Kumar et al. 2024, arXiv 2409.12917).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreSettings {
    /// How much a change between the attempts counts, well above 1.
    pub alpha: f64,
    /// The divergence's coefficient where nothing is pinned.
    pub beta1: f64,
    /// That of attempt 1 in stage I, which pins it to the reference: ten times `beta1` in the paper.
    pub beta2: f64,
}

impl Default for ScoreSettings {
    /// 10, 0.01, and ten times that.
    fn default() -> Self {
        Self { alpha: 10.0, beta1: 0.01, beta2: 0.1 }
    }
}

/// Which objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreStage {
    /// Learn to correct, without a change of the first attempt.
    One,
    /// Learn both attempts together, with a bonus for correcting.
    Two,
}

/// What one turn's last token is paid, and what divergence costs in each of its tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreTurn {
    /// A [`super::Segment`]'s.
    pub reward: f64,
    /// One of [`super::Trajectory::kl_coefficients`].
    pub kl_coefficient: f64,
}

/// Both turns, from the rewards `(r1, r2)` of the two attempts.
///
/// - Stage I: `max E[ r(y2) - beta2 KL(pi(.|x1) | pi_ref(.|x1)) ]`: a reward on attempt 2 alone. The usual
///   penalty, with the smaller `beta1`, stays on attempt 2; with `beta1 = 0` it is the objective as printed.
/// - Stage II: `max E[ sum_i r(y_i) - beta1 KL(pi(.|x_i) | pi_ref(.|x_i)) ]`, where attempt 2 gets the bonus
///   `alpha (r(y2) - r(y1))` besides.
#[must_use]
pub fn turns(stage: ScoreStage, (first, second): (f64, f64), settings: &ScoreSettings) -> [ScoreTurn; 2] {
    let ScoreSettings { alpha, beta1, beta2 } = *settings;
    match stage {
        ScoreStage::One => [
            ScoreTurn { reward: 0.0, kl_coefficient: beta2 },
            ScoreTurn { reward: second, kl_coefficient: beta1 },
        ],
        ScoreStage::Two => [
            ScoreTurn { reward: first, kl_coefficient: beta1 },
            ScoreTurn { reward: second + alpha * (second - first), kl_coefficient: beta1 },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ScoreSettings = ScoreSettings { alpha: 4.0, beta1: 0.5, beta2: 5.0 };

    fn numbers(stage: ScoreStage, rewards: (f64, f64)) -> [(f64, f64); 2] {
        turns(stage, rewards, &SETTINGS).map(|turn| (turn.reward, turn.kl_coefficient))
    }

    #[test]
    fn stage_one_pays_the_second_attempt_and_pins_the_first() {
        for first in [0.0, 1.0] {
            assert_eq!(numbers(ScoreStage::One, (first, 1.0)), [(0.0, 5.0), (1.0, 0.5)]);
        }
    }

    #[test]
    fn stage_two_pays_corrections_and_punishes_what_was_broken() {
        // Wrong then right: 1 + 4 (1 - 0) = 5. Right then wrong: 0 + 4 (0 - 1) = -4. No change: the reward alone.
        assert_eq!(numbers(ScoreStage::Two, (0.0, 1.0)), [(0.0, 0.5), (5.0, 0.5)]);
        assert_eq!(numbers(ScoreStage::Two, (1.0, 0.0)), [(1.0, 0.5), (-4.0, 0.5)]);
        assert_eq!(numbers(ScoreStage::Two, (1.0, 1.0)), [(1.0, 0.5), (1.0, 0.5)]);
        assert_eq!(numbers(ScoreStage::Two, (0.0, 0.0)), [(0.0, 0.5), (0.0, 0.5)]);
    }
}
