//! Two evaluations on the same problems.

use super::error::{EvaluateError, Result};
use super::results::trials;
use super::statistics::{Bootstrap, Estimate, McNemar, Trials, mcnemar, mean_pass_at_k, paired_difference};
use proofloop_datasets::store::ProblemTally;
use serde::Serialize;
use std::collections::HashMap;

const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 10_000, seed: 0 };

/// pass@k of both, and their difference problem by problem.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PassDifference {
    /// The budget, in samples.
    pub k: u32,
    /// Of the first.
    pub first: Option<Estimate>,
    /// Of the second.
    pub second: Option<Estimate>,
    /// Second less first; `None` where a problem has fewer than k judged samples in one of them.
    pub difference: Option<Estimate>,
}

/// The comparison, over the problems that both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Problems that both have.
    pub paired: u64,
    /// Problems that only the first has.
    pub only_first: u64,
    /// Problems that only the second has.
    pub only_second: u64,
    /// Samples without a verdict, of both.
    pub open: (u64, u64),
    /// pass@k for each k.
    pub pass: Vec<PassDifference>,
    /// Problems solved by any sample. Fair only where both have as many samples of each problem.
    pub solved: McNemar,
    /// Problems that only the first has solved, by name.
    pub lost: Vec<String>,
    /// Problems that only the second has solved, by name.
    pub gained: Vec<String>,
    /// Whether each problem has as many judged samples in both.
    pub is_even: bool,
}

/// Compares by the problems' names; where one name asks different things, there is nothing to compare.
///
/// # Errors
/// [`EvaluateError::Problems`] if no problem is in both, or one is another there.
pub fn compare(first: &[ProblemTally], second: &[ProblemTally], ks: &[u32]) -> Result<Comparison> {
    let by_name: HashMap<&str, &ProblemTally> =
        second.iter().map(|tally| (tally.problem.name.as_str(), tally)).collect();
    let pairs: Vec<(&ProblemTally, &ProblemTally)> =
        first.iter().filter_map(|tally| Some((tally, *by_name.get(tally.problem.name.as_str())?))).collect();
    if pairs.is_empty() {
        return Err(EvaluateError::Problems { problem: "of the two have no name in common".to_owned() });
    }
    if let Some((one, _)) = pairs.iter().find(|(one, other)| one.problem.text != other.problem.text) {
        let problem = format!("of the two differ: `{}` asks something else there", one.problem.name);
        return Err(EvaluateError::Problems { problem });
    }
    let both: Vec<(Trials, Trials)> = pairs.iter().map(|(one, other)| (trials(one), trials(other))).collect();
    let side = |of: fn(&(Trials, Trials)) -> Trials| both.iter().map(of).collect::<Vec<_>>();
    let (ours, theirs) = (side(|pair| pair.0), side(|pair| pair.1));
    let pass = |k: u32| PassDifference {
        k,
        first: mean_pass_at_k(&ours, k, BOOTSTRAP),
        second: mean_pass_at_k(&theirs, k, BOOTSTRAP),
        difference: paired_difference(&both, k, BOOTSTRAP),
    };
    let named = |is_one: fn((Trials, Trials)) -> bool| {
        let is_one = |place: &usize| is_one(both[*place]);
        (0..both.len()).filter(is_one).map(|place| pairs[place].0.problem.name.clone()).collect()
    };
    let open = |all: &[ProblemTally]| all.iter().map(|one| u64::from(one.samples - one.judged)).sum();
    Ok(Comparison {
        paired: pairs.len() as u64,
        only_first: (first.len() - pairs.len()) as u64,
        only_second: (second.len() - pairs.len()) as u64,
        open: (open(first), open(second)),
        pass: ks.iter().map(|&k| pass(k)).collect(),
        solved: mcnemar(&both),
        lost: named(|(before, after)| before.solved() && !after.solved()),
        gained: named(|(before, after)| !before.solved() && after.solved()),
        is_even: both.iter().all(|(one, other)| one.samples == other.samples),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofloop_datasets::store::EvaluatedProblem;

    fn tally(name: &str, text: &str, judged: u32, accepted: u32) -> ProblemTally {
        ProblemTally {
            problem: EvaluatedProblem {
                name: name.to_owned(),
                split: "test".to_owned(),
                category: None,
                text: text.to_owned(),
            },
            samples: judged,
            judged,
            accepted,
            tokens: 0,
            cpu_ms: 0,
        }
    }

    #[test]
    fn problems_are_paired_by_name_whatever_their_order() {
        let first =
            [tally("a", "1", 4, 4), tally("b", "2", 4, 0), tally("c", "3", 4, 1), tally("x", "", 4, 4)];
        let second = [tally("b", "2", 4, 2), tally("a", "1", 4, 4), tally("c", "3", 4, 0)];
        let found = compare(&first, &second, &[1, 8]).expect("problems in common");
        assert_eq!((found.paired, found.only_first, found.only_second, found.is_even), (3, 1, 0, true));
        let difference = found.pass[0].difference.expect("enough samples").value;
        // (0 + 0.5 - 0.25) / 3
        assert!((difference - 0.25 / 3.0).abs() < 1e-12, "{difference}");
        assert_eq!(found.pass[1].difference, None);
        assert_eq!((found.lost, found.gained), (vec!["c".to_owned()], vec!["b".to_owned()]));
        assert_eq!((found.solved.only_before, found.solved.only_after, found.solved.both), (1, 1, 1));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let first = [tally("a", "1 = 1", 4, 4)];
        let none = compare(&first, &[tally("b", "1 = 1", 4, 4)], &[1]).expect_err("nothing in common");
        assert_eq!(none.to_string(), "the problems of the two have no name in common");
        let other = compare(&first, &[tally("a", "2 = 2", 4, 4)], &[1]).expect_err("another problem");
        assert_eq!(other.to_string(), "the problems of the two differ: `a` asks something else there");
    }
}
