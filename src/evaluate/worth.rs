//! What a second try with feedback is worth, beside plain further samples that cost as many tokens.
//!
//! The protocol is LeDex's (arXiv 2405.18649, §4): `samples` first tries of each problem, and one refinement of each wrong one
//! that anything can be told about. Both strategies know the verdicts (the verifier is the oracle that stops them), and their
//! budget is what is written, in tokens, not turns.

use super::statistics::{Bootstrap, Estimate, Interval, Trials, estimate};
use serde::{Deserialize, Serialize};

/// What was tried of one problem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// First tries.
    pub samples: u32,
    /// Of these, accepted ones.
    pub accepted: u32,
    /// Wrong first tries with feedback, which were refined.
    pub tried: u32,
    /// Of these, those that were accepted within the turns that they had.
    pub refined: u32,
    /// Written in first tries, in tokens.
    pub first_tokens: u64,
    /// Written in later turns, in tokens.
    pub later_tokens: u64,
    /// Read in later turns, in tokens; a first try's prompt is read once for all samples and not counted.
    pub later_read_tokens: u64,
}

impl Tries {
    /// The share that is right at first.
    fn first(&self) -> f64 {
        share(self.accepted, self.samples)
    }

    /// The share that is right at first or after feedback.
    fn after(&self) -> f64 {
        share(self.accepted + self.refined, self.samples)
    }

    /// Further first tries that the later turns' tokens would have paid for, for each wrong first try.
    fn extra(&self, later_tokens: u64) -> f64 {
        let wrong = f64::from(self.samples - self.accepted);
        if wrong == 0.0 || self.first_tokens == 0 {
            return 0.0;
        }
        let one = self.first_tokens as f64 / f64::from(self.samples);
        later_tokens as f64 / wrong / one
    }

    /// The chance that one of `1 + extra` first tries is right, from all samples without replacement (`pass@k` of Chen et al.
    /// 2021, arXiv 2107.03374, eq. 1); between two whole numbers of tries it is interpolated, as if the last one were
    /// drawn that often. More tries than there are samples count as all of them.
    fn resampled(&self, extra: f64) -> f64 {
        let trials = Trials { samples: self.samples, accepted: self.accepted };
        let most = f64::from(self.samples);
        let tries = (1.0 + extra).min(most);
        let at = |k: f64| trials.pass_at(k as u32).unwrap_or(0.0);
        let (below, above) = (at(tries.floor()), at(tries.ceil()));
        below + (above - below) * tries.fract()
    }
}

fn share(part: u32, of: u32) -> f64 {
    if of == 0 { 0.0 } else { f64::from(part) / f64::from(of) }
}

/// Means over problems, in [0, 1] or, for differences, [-1, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// pass@1 of first tries.
    pub first: Estimate,
    /// pass@1 with refinement of the wrong ones.
    pub after: Estimate,
    /// `after` less `first`.
    pub gain: Estimate,
    /// Plain further samples for the tokens that the refinements have written.
    pub resampling: Estimate,
    /// `after` less `resampling`.
    pub over_resampling: Estimate,
    /// `after` less what further samples come to that also get the tokens that refinements have read; `None` where
    /// these are not known.
    pub over_resampling_read: Option<Estimate>,
    /// Of the wrong first tries that were refined, the share that was mended.
    pub mended: Option<f64>,
    /// Further first tries that a wrong one's refinement costs as much as, over all problems.
    pub extra_samples: f64,
    /// All counts.
    pub total: Tries,
}

/// Sums them up; `None` without a problem, or where one has no sample.
#[must_use]
pub fn worth(problems: &[Tries], bootstrap: Bootstrap) -> Option<Worth> {
    if problems.iter().any(|tries| tries.samples == 0) {
        return None;
    }
    let mean = |low: f64, value: &dyn Fn(&Tries) -> f64| {
        let values: Vec<f64> = problems.iter().map(value).collect();
        estimate(&values, Interval { low, high: 1.0 }, bootstrap)
    };
    let written = |tries: &Tries| tries.resampled(tries.extra(tries.later_tokens));
    let read = |tries: &Tries| tries.resampled(tries.extra(tries.later_tokens + tries.later_read_tokens));
    let total = problems.iter().fold(Tries::default(), |sum, one| Tries {
        samples: sum.samples + one.samples,
        accepted: sum.accepted + one.accepted,
        tried: sum.tried + one.tried,
        refined: sum.refined + one.refined,
        first_tokens: sum.first_tokens + one.first_tokens,
        later_tokens: sum.later_tokens + one.later_tokens,
        later_read_tokens: sum.later_read_tokens + one.later_read_tokens,
    });
    Some(Worth {
        first: mean(0.0, &Tries::first)?,
        after: mean(0.0, &Tries::after)?,
        gain: mean(-1.0, &|tries| tries.after() - tries.first())?,
        resampling: mean(0.0, &written)?,
        over_resampling: mean(-1.0, &|tries| tries.after() - written(tries))?,
        over_resampling_read: (total.later_read_tokens > 0)
            .then(|| mean(-1.0, &|tries| tries.after() - read(tries)))
            .flatten(),
        mended: (total.tried > 0).then(|| share(total.refined, total.tried)),
        extra_samples: total.extra(total.later_tokens),
        total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 0, seed: 0 };

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-12, "{found}, not {wanted}");
    }

    /// 4 first tries of 10 tokens, 1 right; the 3 wrong ones refined with 45 tokens, 2 mended.
    const TRIES: Tries = Tries {
        samples: 4,
        accepted: 1,
        tried: 3,
        refined: 2,
        first_tokens: 40,
        later_tokens: 45,
        later_read_tokens: 30,
    };

    #[test]
    fn a_refinement_is_held_against_as_many_tokens_of_further_samples() {
        let found = worth(&[TRIES], BOOTSTRAP).expect("a problem");
        close(found.first.value, 0.25);
        close(found.after.value, 0.75);
        close(found.gain.value, 0.5);
        // 15 tokens for each wrong try pay for 1.5 tries of 10: 2.5 tries in all. pass@2 = 1 - (3/4)(2/3) = 1/2,
        // pass@3 = 1 - (3/4)(2/3)(1/2) = 3/4, in the middle 5/8.
        close(found.resampling.value, 0.625);
        close(found.over_resampling.value, 0.125);
        // With what was read, 25 tokens for each: 3.5 tries, between 3/4 and 1.
        close(found.over_resampling_read.expect("counted").value, 0.75 - 0.875);
        close(found.extra_samples, 1.5);
        close(found.mended.expect("tried"), 2.0 / 3.0);
    }

    #[test]
    fn where_nothing_is_wrong_nothing_is_spent() {
        let right = Tries { samples: 3, accepted: 3, first_tokens: 9, ..Tries::default() };
        let found = worth(&[right], BOOTSTRAP).expect("a problem");
        close(found.after.value, 1.0);
        close(found.resampling.value, 1.0);
        assert_eq!(found.mended, None);
        // More tries than there are samples are all of them.
        close(Tries { accepted: 0, ..TRIES }.resampled(99.0), 0.0);
        close(TRIES.resampled(99.0), 1.0);
        assert_eq!(worth(&[Tries::default()], BOOTSTRAP), None);
        assert_eq!(worth(&[], BOOTSTRAP), None);
    }
}
