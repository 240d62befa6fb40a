//! What an evaluation has come to: numbers, and how sure one can be of each.

use super::error::Result;
use super::noise::{self, Noise};
use super::statistics::{Bootstrap, Estimate, Interval, Trials, mean_pass_at_k, wilson};
use super::turns;
use super::worth::Worth;
use proofloop_datasets::store::{EvaluationStore, ProblemTally};
use serde::Serialize;
use std::collections::BTreeMap;

/// Draws of a bootstrap for the numbers that are told, and for each point of a curve.
pub(super) const RESAMPLES: usize = 10_000;
const CURVE_RESAMPLES: usize = 2_000;
/// The same store gives the same intervals.
const BOOTSTRAP_SEED: u64 = 0;

/// Points of a budget curve.
const CURVE_POINTS: u32 = 24;

/// A share with Wilson's interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Cases.
    pub count: u64,
    /// Of so many.
    pub of: u64,
    /// At 95 %.
    pub interval: Interval,
}

impl Share {
    /// `None` of nothing.
    #[must_use]
    pub fn new(count: u64, of: u64) -> Option<Self> {
        Some(Self { count, of, interval: wilson(count, of)? })
    }
}

/// pass@k.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PassAtK {
    /// The budget, in samples.
    pub k: u32,
    /// `None` where a problem has fewer judged samples than k.
    pub estimate: Option<Estimate>,
    /// Its standard error in two parts.
    pub noise: Option<Noise>,
}

/// A group of problems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The category.
    pub name: String,
    /// Problems with an accepted sample.
    pub solved: Share,
    /// For the ks that are told.
    pub pass: Vec<PassAtK>,
}

/// What the verifier said, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictCount {
    /// Its stable name; `open` is none yet.
    pub verdict: String,
    /// The class of a rejection.
    pub reason: Option<String>,
    /// Samples.
    pub samples: u64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// Whether every sample that is wanted is there and has a verdict.
    pub is_complete: bool,
    /// Samples of each problem that are wanted; `None` where a file says how many there are.
    pub wanted: Option<u32>,
    /// How many problems there are.
    pub problems: u64,
    /// Problems without a sample.
    pub unsampled: u64,
    /// All samples.
    pub samples: u64,
    /// Of these, without a verdict: they count neither as accepted nor as failed.
    pub open: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Problems with an accepted sample.
    pub solved: Option<Share>,
    /// For the ks that are told.
    pub pass: Vec<PassAtK>,
    /// pass@k over k, with its band.
    pub curve: Vec<PassAtK>,
    /// By category, where problems have one.
    pub groups: Vec<Group>,
    /// Samples by verdict, the most frequent first.
    pub verdicts: Vec<VerdictCount>,
    /// Tokens that were sampled, as far as they are known.
    pub tokens: u64,
    /// CPU time of all verdicts, in seconds.
    pub verify_cpu_s: f64,
    /// What later turns with feedback were worth, if any were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<Worth>,
}

impl Results {
    /// From what the store has. `ks` are told; those that no problem has samples for have no estimate.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn read(
        store: &EvaluationStore,
        ks: &[u32],
        wanted: Option<u32>,
    ) -> Result<(Self, Vec<ProblemTally>)> {
        let tallies = store.tallies()?;
        let verdicts = store.verdict_counts()?.into_iter().map(|one| VerdictCount {
            verdict: one.verdict.unwrap_or_else(|| "open".to_owned()),
            reason: one.reason,
            samples: one.samples,
        });
        let mut results = Self::of(&tallies, verdicts.collect(), ks, wanted);
        // Answers of later turns count as well.
        results.is_complete &= store.open_count()? == 0;
        results.turns = turns::worth_of(store, Bootstrap { resamples: RESAMPLES, seed: BOOTSTRAP_SEED })?;
        Ok((results, tallies))
    }

    fn of(tallies: &[ProblemTally], verdicts: Vec<VerdictCount>, ks: &[u32], wanted: Option<u32>) -> Self {
        let all: Vec<Trials> = tallies.iter().map(trials).collect();
        let sum = |of: fn(&ProblemTally) -> u64| tallies.iter().map(of).sum::<u64>();
        let (samples, judged) = (sum(|one| one.samples.into()), sum(|one| one.judged.into()));
        let is_short = |one: &ProblemTally| one.judged < wanted.unwrap_or(one.samples);
        // The band is of the ks for which every problem has samples.
        let least = all.iter().map(|one| one.samples).min().unwrap_or(0);
        Self {
            is_complete: !tallies.iter().any(is_short),
            wanted,
            problems: tallies.len() as u64,
            unsampled: tallies.iter().filter(|one| one.samples == 0).count() as u64,
            samples,
            open: samples - judged,
            accepted: sum(|one| one.accepted.into()),
            solved: share(&all),
            pass: ks.iter().map(|&k| pass(&all, k, RESAMPLES)).collect(),
            curve: budgets(least).into_iter().map(|k| pass(&all, k, CURVE_RESAMPLES)).collect(),
            groups: groups(tallies, ks),
            verdicts,
            tokens: sum(|one| one.tokens),
            verify_cpu_s: sum(|one| one.cpu_ms) as f64 / 1e3,
            turns: None,
        }
    }
}

/// Samples without a verdict are no trials.
#[must_use]
pub fn trials(tally: &ProblemTally) -> Trials {
    Trials { samples: tally.judged, accepted: tally.accepted }
}

fn share(all: &[Trials]) -> Option<Share> {
    Share::new(all.iter().filter(|one| one.solved()).count() as u64, all.len() as u64)
}

fn pass(all: &[Trials], k: u32, resamples: usize) -> PassAtK {
    let estimate = mean_pass_at_k(all, k, Bootstrap { resamples, seed: BOOTSTRAP_SEED });
    let noise = estimate.and_then(|estimate| noise::split(all, k, &estimate));
    PassAtK { k, estimate, noise }
}

fn groups(tallies: &[ProblemTally], ks: &[u32]) -> Vec<Group> {
    let mut by_name: BTreeMap<&str, Vec<Trials>> = BTreeMap::new();
    for tally in tallies {
        let name = tally.problem.category.as_deref().unwrap_or("(none)");
        by_name.entry(name).or_default().push(trials(tally));
    }
    if by_name.len() < 2 {
        return Vec::new();
    }
    let group = |(name, all): (&str, Vec<Trials>)| {
        let pass = ks.iter().map(|&k| pass(&all, k, CURVE_RESAMPLES)).collect();
        Some(Group { name: name.to_owned(), solved: share(&all)?, pass })
    };
    by_name.into_iter().filter_map(group).collect()
}

/// Budgets up to `most`, all of them if they are few, else about equally far apart on a logarithmic axis.
fn budgets(most: u32) -> Vec<u32> {
    if most <= CURVE_POINTS {
        return (1..=most).collect();
    }
    let step = |i: u32| f64::from(most).powf(f64::from(i) / f64::from(CURVE_POINTS - 1)).round() as u32;
    let mut ks: Vec<u32> = (0..CURVE_POINTS).map(step).collect();
    ks.dedup();
    ks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofloop_datasets::store::EvaluatedProblem;

    fn tally(name: &str, category: Option<&str>, counts: (u32, u32, u32)) -> ProblemTally {
        let (samples, judged, accepted) = counts;
        ProblemTally {
            problem: EvaluatedProblem {
                name: name.to_owned(),
                split: "test".to_owned(),
                category: category.map(str::to_owned),
                text: String::new(),
            },
            samples,
            judged,
            accepted,
            tokens: 10,
            cpu_ms: 500,
        }
    }

    #[test]
    fn what_has_no_verdict_is_neither_accepted_nor_failed() {
        let complete = [tally("a", None, (4, 4, 2)), tally("b", None, (4, 4, 0))];
        let results = Results::of(&complete, Vec::new(), &[1, 4], Some(4));
        assert!(results.is_complete);
        let values: Vec<Option<f64>> =
            results.pass.iter().map(|one| one.estimate.map(|estimate| estimate.value)).collect();
        assert_eq!(values, [Some(0.25), Some(0.5)]);
        let open = [tally("a", None, (4, 2, 2)), tally("b", None, (4, 4, 0))];
        let results = Results::of(&open, Vec::new(), &[1, 4], Some(4));
        assert!(!results.is_complete);
        assert_eq!((results.open, results.accepted, results.samples), (2, 2, 8));
        let values: Vec<Option<f64>> =
            results.pass.iter().map(|one| one.estimate.map(|estimate| estimate.value)).collect();
        assert_eq!(values, [Some(0.5), None], "two samples of `a` tell nothing of four");
    }

    #[test]
    fn a_file_is_complete_when_all_that_it_has_is_judged() {
        let few = [tally("a", None, (2, 2, 1)), tally("b", None, (0, 0, 0))];
        let results = Results::of(&few, Vec::new(), &[1], None);
        assert!(results.is_complete);
        assert_eq!((results.unsampled, results.pass[0].estimate), (1, None));
        assert!(!Results::of(&few, Vec::new(), &[1], Some(2)).is_complete);
    }

    #[test]
    fn groups_are_told_where_there_is_more_than_one() {
        let all = [
            tally("a", Some("nat"), (2, 2, 1)),
            tally("b", Some("int"), (2, 2, 2)),
            tally("c", Some("nat"), (2, 2, 0)),
        ];
        let groups = Results::of(&all, Vec::new(), &[1], Some(2)).groups;
        let told: Vec<_> = groups
            .iter()
            .map(|group| {
                let value = group.pass[0].estimate.map(|estimate| estimate.value);
                (group.name.as_str(), group.solved.count, group.solved.of, value)
            })
            .collect();
        assert_eq!(told, [("int", 1, 1, Some(1.0)), ("nat", 1, 2, Some(0.25))]);
        assert!(Results::of(&all[..1], Vec::new(), &[1], Some(2)).groups.is_empty());
    }

    #[test]
    fn a_curve_has_few_points_from_1_to_the_most() {
        assert!(budgets(0).is_empty());
        assert_eq!(budgets(3), [1, 2, 3]);
        let many = budgets(3200);
        assert!(many.len() <= CURVE_POINTS as usize && many.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((many.first(), many.last()), (Some(&1), Some(&3200)));
    }
}
