//! Steps C and D: which conjectures stay, and what the prover attempts in a round.
//!
//! The paper attempts the dataset's unproved statements and the new conjectures, no more of these than of those, so that
//! both get the same budget; the released code goes on with statements that it proves seldom, and with a random few of
//! the others. The baselines of appendix A.6 attempt what is unproved, or everything.

use serde::{Deserialize, Serialize};

use super::error::{Result, share};
use super::random::{Random, Stream};

/// A statement of the dataset, and how well it went so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DatasetStatement {
    /// Its id.
    pub statement: i64,
    /// The best pass rate in any round so far; 0 if it was never proved.
    pub best_pass_rate: f64,
}

/// What is attempted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TargetRule {
    /// Unproved statements of the dataset, and the conjectures.
    SelfPlay {
        /// Also proved statements whose best pass rate is lower.
        retry_below: Option<f64>,
        /// Also each of the other proved statements, with this probability.
        retry_probability: f64,
        /// How many conjectures there may be.
        conjectures: ConjectureLimit,
    },
    /// Only unproved statements of the dataset: expert iteration as it is usually done.
    Unproved,
    /// Every statement of the dataset: "optimised" expert iteration.
    Everything,
}

/// How many conjectures are attempted at most. Chance says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConjectureLimit {
    /// As many as there are unproved statements in the dataset.
    Unproved,
    /// As many as there are statements in the dataset.
    Dataset,
    /// All.
    Off,
}

/// The rules of steps C and D.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// What is attempted,
    pub rule: TargetRule,
    /// and how much of it at most; chance says what.
    pub max_targets: Option<usize>,
}

impl TargetSettings {
    /// As published: algorithm 1 of the paper.
    #[must_use]
    pub fn paper() -> Self {
        let rule = TargetRule::SelfPlay {
            retry_below: None,
            retry_probability: 0.0,
            conjectures: ConjectureLimit::Unproved,
        };
        Self { rule, max_targets: None }
    }

    /// As released: `Sampler_base.select`.
    #[must_use]
    pub fn code() -> Self {
        let rule = TargetRule::SelfPlay {
            retry_below: Some(0.35),
            retry_probability: 0.05,
            conjectures: ConjectureLimit::Dataset,
        };
        Self { rule, max_targets: None }
    }

    /// # Errors
    /// A rate or probability is out of its range.
    pub fn check(&self) -> Result<()> {
        match self.rule {
            TargetRule::SelfPlay { retry_below, retry_probability, conjectures: _ } => {
                retry_below.map_or(Ok(()), |rate| share("retry_below", rate))?;
                share("retry_probability", retry_probability)
            }
            TargetRule::Unproved | TargetRule::Everything => Ok(()),
        }
    }
}

/// What became of statements and conjectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetCounts {
    /// Dataset statements that are unproved.
    pub unproved: usize,
    /// Proved ones that are attempted again because they are proved seldom,
    pub retried_seldom_proved: usize,
    /// by chance,
    pub retried_by_chance: usize,
    /// because everything is.
    pub retried_all: usize,
    /// Proved ones that are not.
    pub proved_left_out: usize,
    /// Conjectures that are attempted.
    pub conjectures: usize,
    /// Conjectures beyond the limit, or under a rule that has none.
    pub conjectures_left_out: usize,
    /// Of all these, what is beyond the greatest number of targets.
    pub over_maximum: usize,
    /// What is left.
    pub targets: usize,
}

/// What the prover attempts in a round, in an order by chance; nothing twice. The order in which statements and
/// conjectures are given does not matter.
///
/// `conjectures` are those that are new and not proved yet.
#[must_use]
pub fn targets(
    dataset: &[DatasetStatement],
    conjectures: &[i64],
    settings: &TargetSettings,
    seed: u64,
) -> (Vec<i64>, TargetCounts) {
    let mut counts = TargetCounts::default();
    let mut sorted = dataset.to_vec();
    sorted.sort_by_key(|one| one.statement);
    sorted.dedup_by_key(|one| one.statement);
    let mut targets = from_dataset(&sorted, settings.rule, seed, &mut counts);
    let mut conjectures = conjectures.to_vec();
    conjectures.sort_unstable();
    conjectures.dedup();
    let most = match settings.rule {
        TargetRule::SelfPlay { conjectures, .. } => match conjectures {
            ConjectureLimit::Unproved => counts.unproved,
            ConjectureLimit::Dataset => sorted.len(),
            ConjectureLimit::Off => usize::MAX,
        },
        TargetRule::Unproved | TargetRule::Everything => 0,
    };
    counts.conjectures_left_out = Random::new(seed, Stream::TargetConjectures).cut(&mut conjectures, most);
    counts.conjectures = conjectures.len();
    targets.append(&mut conjectures);
    targets.sort_unstable();
    targets.dedup();
    Random::new(seed, Stream::TargetOrder).shuffle(&mut targets);
    let most = settings.max_targets.unwrap_or(usize::MAX);
    counts.over_maximum = targets.len().saturating_sub(most);
    targets.truncate(most);
    counts.targets = targets.len();
    (targets, counts)
}

fn from_dataset(
    dataset: &[DatasetStatement],
    rule: TargetRule,
    seed: u64,
    counts: &mut TargetCounts,
) -> Vec<i64> {
    let mut random = Random::new(seed, Stream::TargetRetries);
    let mut is_target = |one: &DatasetStatement| {
        // Drawn for every statement, so that a proof more changes no other statement's chance.
        let by_chance = match rule {
            TargetRule::SelfPlay { retry_probability, .. } => random.chance(retry_probability),
            TargetRule::Unproved | TargetRule::Everything => false,
        };
        let count = if one.best_pass_rate <= 0.0 {
            &mut counts.unproved
        } else {
            match rule {
                TargetRule::SelfPlay { retry_below: Some(rate), .. } if one.best_pass_rate < rate => {
                    &mut counts.retried_seldom_proved
                }
                TargetRule::SelfPlay { .. } if by_chance => &mut counts.retried_by_chance,
                TargetRule::Everything => &mut counts.retried_all,
                TargetRule::SelfPlay { .. } | TargetRule::Unproved => {
                    counts.proved_left_out += 1;
                    return false;
                }
            }
        };
        *count += 1;
        true
    };
    dataset.iter().filter(|one| is_target(one)).map(|one| one.statement).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements 0.. with these best rates.
    fn dataset(rates: &[f64]) -> Vec<DatasetStatement> {
        (0..)
            .zip(rates)
            .map(|(statement, &best_pass_rate)| DatasetStatement { statement, best_pass_rate })
            .collect()
    }

    fn sorted(rates: &[f64], conjectures: &[i64], settings: &TargetSettings) -> (Vec<i64>, TargetCounts) {
        let (mut targets, counts) = targets(&dataset(rates), conjectures, settings, 1);
        targets.sort_unstable();
        (targets, counts)
    }

    const RATES: [f64; 5] = [0.0, 0.34, 0.35, 1.0, 0.0];

    #[test]
    fn the_paper_attempts_what_is_unproved_and_conjectures() {
        let (targets, counts) = sorted(&RATES, &[100, 101], &TargetSettings::paper());
        assert_eq!(targets, [0, 4, 100, 101]);
        let expected = TargetCounts {
            unproved: 2,
            proved_left_out: 3,
            conjectures: 2,
            targets: 4,
            ..TargetCounts::default()
        };
        assert_eq!(counts, expected);
        // As many conjectures as there are unproved statements.
        let (targets, counts) = sorted(&RATES, &[100, 101, 102], &TargetSettings::paper());
        assert_eq!((targets.len(), counts.conjectures, counts.conjectures_left_out), (4, 2, 1));
    }

    #[test]
    fn the_code_goes_on_with_what_is_proved_seldom() {
        let mut settings = TargetSettings::code();
        let conjectures = [100, 101, 102, 103, 104, 105];
        settings.rule = TargetRule::SelfPlay {
            retry_below: Some(0.35),
            retry_probability: 0.0,
            conjectures: ConjectureLimit::Dataset,
        };
        let (targets, counts) = sorted(&RATES, &conjectures, &settings);
        assert_eq!(targets[..3], [0, 1, 4]);
        assert_eq!((counts.retried_seldom_proved, counts.proved_left_out), (1, 2));
        assert_eq!((counts.conjectures, counts.conjectures_left_out, counts.targets), (5, 1, 8));
    }

    #[test]
    fn one_in_twenty_of_the_others_is_attempted_again() {
        let mut rates = vec![1.0; 20_000];
        rates.extend(vec![0.1; 100]);
        let (targets, counts) = sorted(&rates, &[], &TargetSettings::code());
        assert_eq!(counts.retried_seldom_proved, 100);
        // Expected 1000, standard deviation 31.
        assert!((870..1_130).contains(&counts.retried_by_chance), "{counts:?}");
        assert_eq!(targets.len(), 100 + counts.retried_by_chance);
        assert_eq!(counts.retried_by_chance + counts.proved_left_out, 20_000);
        // A statement's chance does not depend on how the others did.
        let chosen = |targets: &[i64]| targets.iter().filter(|&&id| id < 10_000).copied().collect::<Vec<_>>();
        rates[10_000..].fill(0.0);
        let fewer = sorted(&rates, &[], &TargetSettings::code()).0;
        assert_eq!(chosen(&targets), chosen(&fewer));
    }

    #[test]
    fn expert_iteration_knows_no_conjectures() {
        let rule = |rule| TargetSettings { rule, max_targets: None };
        let (targets, counts) = sorted(&RATES, &[100], &rule(TargetRule::Unproved));
        assert_eq!(targets, [0, 4]);
        assert_eq!((counts.proved_left_out, counts.conjectures_left_out), (3, 1));
        let (targets, counts) = sorted(&RATES, &[100], &rule(TargetRule::Everything));
        assert_eq!(targets, [0, 1, 2, 3, 4]);
        assert_eq!((counts.unproved, counts.retried_all, counts.conjectures_left_out), (2, 3, 1));
    }

    #[test]
    fn there_is_a_greatest_number() {
        let settings = TargetSettings { max_targets: Some(3), ..TargetSettings::paper() };
        let (targets, counts) = sorted(&RATES, &[100, 101], &settings);
        assert_eq!((targets.len(), counts.over_maximum, counts.targets), (3, 1, 3));
    }

    #[test]
    fn the_order_follows_from_the_seed_alone() {
        let statements = dataset(&[0.0; 50]);
        let mut other_way = statements.clone();
        other_way.reverse();
        let order = |statements: &[DatasetStatement], conjectures: &[i64], seed| {
            targets(statements, conjectures, &TargetSettings::paper(), seed).0
        };
        let first = order(&statements, &[60, 70], 1);
        assert_eq!(first, order(&other_way, &[70, 60, 70], 1));
        assert_ne!(first, order(&statements, &[60, 70], 2));
        assert!(!first.is_sorted());
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        TargetSettings::paper().check().expect("the paper's");
        TargetSettings::code().check().expect("the code's");
        let rule = TargetRule::SelfPlay {
            retry_below: None,
            retry_probability: 5.0,
            conjectures: ConjectureLimit::Off,
        };
        let error = TargetSettings { rule, max_targets: None }.check().expect_err("more than always");
        assert!(error.to_string().starts_with("setting `retry_probability`"), "{error}");
    }
}
