//! Evaluations on held-out problems: before and after a run, and of two runs.

use super::facts::Facts;
use super::settings::Settings;
use crate::evaluate::Share;
use crate::evaluate::statistics::{
    Bootstrap, Estimate, McNemar, Trials, mcnemar, mean_pass_at_k, paired_difference,
};
use proofloop_datasets::store::PassRate;
use serde::Serialize;
use std::collections::BTreeMap;

/// Settles the third digit, which is the last one shown.
const RESAMPLES: usize = 10_000;

/// Two evaluations beside each other, on the problems of one split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The split.
    pub split: String,
    /// What the first one is called.
    pub first: String,
    /// What the second one is called.
    pub second: String,
    /// How many problems the larger one has.
    pub problems: usize,
    /// How many problems both have.
    pub paired: usize,
    /// pass@k for each k.
    pub pass: Vec<PassRow>,
    /// Problems that have a proof at all.
    pub solved: SolvedRow,
}

/// pass@k of both, and the difference over the problems that both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassRow {
    /// How many tries.
    pub k: u32,
    /// The first one.
    pub first: Option<Estimate>,
    /// The second one.
    pub second: Option<Estimate>,
    /// The second less the first, paired.
    pub difference: Option<Estimate>,
}

/// Problems solved by any sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SolvedRow {
    /// By the first one.
    pub first: Option<Share>,
    /// By the second one.
    pub second: Option<Share>,
    /// Whether they differ, where there are both.
    pub test: Option<McNemar>,
}

/// Problems by number, each with what it says: two runs number them differently.
type Trial = ([u8; 32], Trials);
type BySplit = BTreeMap<&'static str, Vec<Trial>>;

/// How pass@k is estimated.
struct Estimator<'a> {
    ks: &'a [u32],
    bootstrap: Bootstrap,
}

impl<'a> Estimator<'a> {
    fn of(settings: &'a Settings) -> Self {
        Self { ks: &settings.ks, bootstrap: Bootstrap { resamples: RESAMPLES, seed: settings.seed } }
    }
}

/// Before and after a run, for each split.
pub(super) fn of_run(facts: &Facts) -> Vec<Evaluation> {
    let (before, after) = (by_split(facts, &facts.before), by_split(facts, &facts.after));
    Estimator::of(&facts.settings).compare(["before", "after"], [&before, &after])
}

/// After a baseline and after the run, for each split that both have.
pub(super) fn against(facts: &Facts, baseline: &Facts) -> Vec<Evaluation> {
    let (ours, theirs) = (by_split(facts, &facts.after), by_split(baseline, &baseline.after));
    let names = [baseline.name.as_str(), facts.name.as_str()];
    let mut both = Estimator::of(&facts.settings).compare(names, [&theirs, &ours]);
    both.retain(|evaluation| evaluation.paired > 0);
    both
}

fn by_split(facts: &Facts, rates: &[PassRate]) -> BySplit {
    let statements: BTreeMap<_, _> =
        facts.statements.iter().map(|statement| (statement.id, statement)).collect();
    let mut splits = BySplit::new();
    for rate in rates {
        let Some(statement) = statements.get(&rate.statement) else { continue };
        let split = statement.split.map_or("no split", |split| split.name());
        let trials = Trials { samples: rate.samples, accepted: rate.accepted };
        splits.entry(split).or_default().push((statement.key, trials));
    }
    splits
}

impl Estimator<'_> {
    fn compare(&self, names: [&str; 2], [first, second]: [&BySplit; 2]) -> Vec<Evaluation> {
        let mut splits: Vec<&str> = first.keys().chain(second.keys()).copied().collect();
        splits.sort_unstable();
        splits.dedup();
        let of = |all: &BySplit, split: &str| all.get(split).cloned().unwrap_or_default();
        splits
            .iter()
            .map(|split| self.evaluation(split, names, &of(first, split), &of(second, split)))
            .collect()
    }

    fn evaluation(&self, split: &str, names: [&str; 2], first: &[Trial], second: &[Trial]) -> Evaluation {
        let by_key: BTreeMap<[u8; 32], Trials> = second.iter().copied().collect();
        let pairs: Vec<(Trials, Trials)> =
            first.iter().filter_map(|(key, one)| Some((*one, *by_key.get(key)?))).collect();
        let trials = |all: &[Trial]| all.iter().map(|(_, trials)| *trials).collect::<Vec<_>>();
        let (ones, others) = (trials(first), trials(second));
        let row = |k: u32| PassRow {
            k,
            first: mean_pass_at_k(&ones, k, self.bootstrap),
            second: mean_pass_at_k(&others, k, self.bootstrap),
            difference: paired_difference(&pairs, k, self.bootstrap),
        };
        let solved = |all: &[Trials]| {
            Share::new(all.iter().filter(|trials| trials.solved()).count() as u64, all.len() as u64)
        };
        Evaluation {
            split: split.to_owned(),
            first: names[0].to_owned(),
            second: names[1].to_owned(),
            problems: ones.len().max(others.len()),
            paired: pairs.len(),
            pass: self.tries(&ones, &others).into_iter().map(row).collect(),
            solved: SolvedRow {
                first: solved(&ones),
                second: solved(&others),
                test: (!pairs.is_empty()).then(|| mcnemar(&pairs)),
            },
        }
    }

    /// The k for which there are samples enough, in both evaluations where there are two, and all samples.
    fn tries(&self, first: &[Trials], second: &[Trials]) -> Vec<u32> {
        let most = first.iter().chain(second).map(|trials| trials.samples).min().unwrap_or(0);
        let mut ks: Vec<u32> =
            self.ks.iter().copied().chain([most]).filter(|k| (1..=most).contains(k)).collect();
        ks.sort_unstable();
        ks.dedup();
        ks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(trials: &[(u8, u32, u32)]) -> Vec<Trial> {
        let one = |&(key, samples, accepted): &(u8, u32, u32)| ([key; 32], Trials { samples, accepted });
        trials.iter().map(one).collect()
    }

    #[test]
    fn only_common_problems_are_paired() {
        let first = keyed(&[(1, 8, 0), (2, 8, 4), (3, 8, 8)]);
        let second = keyed(&[(2, 8, 8), (3, 8, 8), (4, 8, 1)]);
        let settings = Settings::default();
        let evaluation = Estimator::of(&settings).evaluation("test", ["before", "after"], &first, &second);
        assert_eq!((evaluation.problems, evaluation.paired), (3, 2));
        let ks: Vec<u32> = evaluation.pass.iter().map(|row| row.k).collect();
        assert_eq!(ks, [1, 8]);
        let difference = evaluation.pass[0].difference.expect("pairs");
        assert!((difference.value - 0.25).abs() < 1e-12 && difference.problems == 2);
        assert_eq!(evaluation.solved.first.map(|share| (share.count, share.of)), Some((2, 3)));
        assert_eq!(evaluation.solved.test.map(|test| test.both), Some(2));
    }

    #[test]
    fn what_is_missing_is_left_open() {
        let first = keyed(&[(1, 4, 0), (2, 4, 4)]);
        let settings = Settings::default();
        let evaluation = Estimator::of(&settings).evaluation("valid", ["before", "after"], &first, &[]);
        let ks: Vec<u32> = evaluation.pass.iter().map(|row| row.k).collect();
        assert_eq!(ks, [1, 4]);
        assert!(evaluation.pass.iter().all(|row| row.second.is_none() && row.difference.is_none()));
        assert_eq!((evaluation.solved.second, evaluation.solved.test), (None, None));
    }
}
