//! The learning rate at each step: a linear warm-up, then constant or half a cosine.

use std::f64::consts::PI;

use super::error::{Result, TrainError};

/// What the learning rate does after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// It stays.
    Constant,
    /// `floor + (1 - floor) (1 + cos(pi x)) / 2`, with `x` from 0 behind the warm-up to 1 at `total_steps`
    /// (arXiv 1608.03983, without restarts); `floor` from then on.
    Cosine {
        /// Warm-up included.
        total_steps: u64,
        /// As a share of the highest rate, in [0, 1].
        floor: f64,
    },
}

/// The learning rate by step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest.
    pub learning_rate: f64,
    /// Step `i` of the warm-up, from 0, has `(i + 1) / warmup_steps` of it.
    pub warmup_steps: u64,
    /// What comes then.
    pub decay: Decay,
}

impl Schedule {
    /// Always the same.
    pub fn constant(learning_rate: f64) -> Self {
        Self { learning_rate, warmup_steps: 0, decay: Decay::Constant }
    }

    /// The rate of the step that follows `step` others.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.decay {
            Decay::Constant => self.learning_rate,
            Decay::Cosine { total_steps, floor } => {
                let length = total_steps.saturating_sub(self.warmup_steps).max(1);
                let progress = ((step - self.warmup_steps) as f64 / length as f64).min(1.0);
                self.learning_rate * (floor + (1.0 - floor) * 0.5 * (1.0 + (PI * progress).cos()))
            }
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(self.learning_rate.is_finite() && self.learning_rate >= 0.0) {
            let problem = format!("must be 0 or more, got {}", self.learning_rate);
            return Err(TrainError::setting("learning_rate", problem));
        }
        match self.decay {
            Decay::Cosine { floor, .. } if !(0.0..=1.0).contains(&floor) => {
                Err(TrainError::setting("floor", format!("must be from 0 to 1, got {floor}")))
            }
            Decay::Cosine { .. } | Decay::Constant => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_and_decays() {
        let decay = Decay::Cosine { total_steps: 14, floor: 0.1 };
        let schedule = Schedule { learning_rate: 2.0, warmup_steps: 4, decay };
        let close = |step, rate: f64| assert!((schedule.at(step) - rate).abs() < 1e-12, "step {step}");
        close(0, 0.5);
        close(3, 2.0);
        close(4, 2.0);
        close(9, 2.0 * (0.1 + 0.9 * 0.5));
        close(14, 0.2);
        close(1000, 0.2);
        assert!((Schedule::constant(0.5).at(7) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_is_no_division_by_zero() {
        let decay = Decay::Cosine { total_steps: 4, floor: 0.0 };
        let schedule = Schedule { learning_rate: 1.0, warmup_steps: 8, decay };
        assert!((0..20).all(|step| schedule.at(step).is_finite()));
    }
}
