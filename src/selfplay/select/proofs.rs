//! Step I and §1.4 of the reference: which correct proofs the prover learns from, and with which weights.
//!
//! In a round: the proofs of the last rounds whose statement is proved in few samples, so that the model learns what it
//! does not know (paper §3.4 and appendix A.2; `RL_step2_train.py`). For the final model and a refresh: the proofs of all
//! rounds, at most 16 for each statement (`RL_step3_final_model.py`).
//!
//! The weight of a proof is `e^(-length_rate * characters - time_rate * seconds)`, divided by the number of proofs of its
//! statement if that is wanted. The seconds are a clock's: a run with a time rate above 0 follows from its seed only as
//! far as they do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Result, not_negative, share};
use super::random::{Random, Stream};

/// Whose proof it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofOf {
    /// A statement of the dataset.
    Dataset,
    /// A conjecture.
    Conjecture,
}

/// A correct proof, as it was found in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrectProof<'a> {
    /// The statement that it proves,
    pub statement: i64,
    /// and what that is.
    pub of: ProofOf,
    /// Its text: what is deduplicated, and measured in characters.
    pub text: &'a str,
    /// The round in which it was sampled.
    pub round: u32,
    /// What verifying it took.
    pub verify_seconds: f64,
}

/// How a statement's samples of one round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundRate {
    /// The statement.
    pub statement: i64,
    /// The round.
    pub round: u32,
    /// Samples, equal ones counted each.
    pub samples: u32,
    /// Those of them that were accepted.
    pub accepted: u32,
}

/// The greatest pass rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Accepted samples for each sample.
    pub rate: f64,
    /// Whether this rate itself is allowed.
    pub inclusive: bool,
}

impl RateLimit {
    fn allows(self, rate: f64) -> bool {
        if self.inclusive { rate <= self.rate } else { rate < self.rate }
    }
}

/// The samples that a pass rate is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateOver {
    /// All of the statement in the buffered rounds, each counting the same.
    Buffer,
    /// Those of the round in which the proof was found.
    Round,
}

/// The rules of step I.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofSettings {
    /// The buffer: proofs of so many rounds, the present one among them (3 in round 7: those of 5, 6 and 7, so that round
    /// 8 starts from its three predecessors); of all rounds if it is not set.
    pub rounds: Option<u32>,
    /// What pass rates are taken over.
    pub rate_over: RateOver,
    /// For proofs of dataset statements.
    pub dataset_pass_rate: Option<RateLimit>,
    /// For proofs of conjectures.
    pub conjecture_pass_rate: Option<RateLimit>,
    /// A proof of a statement comes once, as it was found first.
    pub texts_once: bool,
    /// So many proofs of a statement at most. Chance says which.
    pub max_proofs: Option<usize>,
    /// What a character costs, in natural logarithms of the weight.
    pub length_rate: f64,
    /// What a second of verifying costs.
    pub time_rate: f64,
    /// Whether a weight is divided by the number of proofs of the statement that are learnt from.
    pub divide_by_proofs: bool,
}

impl ProofSettings {
    /// As published, for a round.
    #[must_use]
    pub fn paper() -> Self {
        let limit = Some(RateLimit { rate: 0.5, inclusive: false });
        Self {
            rounds: Some(3),
            rate_over: RateOver::Buffer,
            dataset_pass_rate: limit,
            conjecture_pass_rate: limit,
            texts_once: true,
            max_proofs: None,
            length_rate: 0.001,
            time_rate: 0.01,
            divide_by_proofs: true,
        }
    }

    /// As released, for a round.
    #[must_use]
    pub fn code() -> Self {
        let limit = Some(RateLimit { rate: 0.5, inclusive: true });
        Self { dataset_pass_rate: limit, conjecture_pass_rate: limit, ..Self::paper() }
    }

    /// As released, for the final model and a refresh.
    #[must_use]
    pub fn final_code() -> Self {
        Self {
            rounds: None,
            rate_over: RateOver::Round,
            dataset_pass_rate: None,
            conjecture_pass_rate: Some(RateLimit { rate: 0.25, inclusive: true }),
            texts_once: true,
            max_proofs: Some(16),
            length_rate: 0.001,
            time_rate: 0.0,
            divide_by_proofs: false,
        }
    }

    /// As published, for the final model and a refresh.
    #[must_use]
    pub fn final_paper() -> Self {
        let code = Self::final_code();
        Self { dataset_pass_rate: code.conjecture_pass_rate, time_rate: 0.01, ..code }
    }

    /// # Errors
    /// A rate is out of its range.
    pub fn check(&self) -> Result<()> {
        self.dataset_pass_rate.map_or(Ok(()), |limit| share("dataset_pass_rate", limit.rate))?;
        self.conjecture_pass_rate.map_or(Ok(()), |limit| share("conjecture_pass_rate", limit.rate))?;
        not_negative("length_rate", self.length_rate)?;
        not_negative("time_rate", self.time_rate)
    }

    /// The first round of the buffer.
    #[must_use]
    pub fn first_round(&self, round: u32) -> u32 {
        self.rounds.map_or(0, |rounds| round.saturating_add(1).saturating_sub(rounds))
    }

    fn limit(&self, of: ProofOf) -> Option<RateLimit> {
        match of {
            ProofOf::Dataset => self.dataset_pass_rate,
            ProofOf::Conjecture => self.conjecture_pass_rate,
        }
    }
}

/// A proof that is learnt from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelectedProof {
    /// Its place in what was given.
    pub index: usize,
    /// The statement that it proves.
    pub statement: i64,
    /// Of the example: more than 0, at most 1.
    pub weight: f64,
}

/// What became of the proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProofCounts {
    /// Proofs that were offered.
    pub proofs: usize,
    /// Those of rounds that are not in the buffer.
    pub outside_buffer: usize,
    /// Those of dataset statements
    pub dataset_over_pass_rate: usize,
    /// and of conjectures that are proved too often.
    pub conjecture_over_pass_rate: usize,
    /// Those with a limit on the pass rate, of a statement without samples to take it over.
    pub without_pass_rate: usize,
    /// Those that are there already.
    pub repeated: usize,
    /// Those beyond the greatest number for their statement.
    pub over_maximum: usize,
    /// What is left.
    pub selected: usize,
    /// The statements that are proved by what is left.
    pub statements: usize,
}

/// The proofs that the prover learns from after `round`, by statement and text.
///
/// `rates` may have rounds and statements that nothing is said about otherwise.
#[must_use]
pub fn select_proofs(
    proofs: &[CorrectProof<'_>],
    rates: &[RoundRate],
    round: u32,
    settings: &ProofSettings,
    seed: u64,
) -> (Vec<SelectedProof>, ProofCounts) {
    let mut counts = ProofCounts { proofs: proofs.len(), ..ProofCounts::default() };
    let rates = Rates::new(rates, round, settings);
    let mut left: Vec<usize> =
        (0..proofs.len()).filter(|&index| is_learnt(&proofs[index], &rates, settings, &mut counts)).collect();
    let text = |index: usize| (proofs[index].statement, proofs[index].text);
    left.sort_by_key(|&index| (text(index), proofs[index].round));
    if settings.texts_once {
        let before = left.len();
        left.dedup_by_key(|index| text(*index));
        counts.repeated = before - left.len();
    }
    let mut selected = Vec::with_capacity(left.len());
    for of_one in left.chunk_by(|&a, &b| proofs[a].statement == proofs[b].statement) {
        counts.statements += 1;
        let mut of_one = of_one.to_vec();
        let statement = proofs[of_one[0]].statement;
        let mut random = Random::of_item(seed, Stream::ProofChoice, statement);
        counts.over_maximum += random.cut(&mut of_one, settings.max_proofs.unwrap_or(usize::MAX));
        let divisor = if settings.divide_by_proofs { of_one.len() as f64 } else { 1.0 };
        selected.extend(of_one.into_iter().map(|index| SelectedProof {
            index,
            statement,
            weight: weight(&proofs[index], settings) / divisor,
        }));
    }
    counts.selected = selected.len();
    (selected, counts)
}

fn is_learnt(
    proof: &CorrectProof<'_>,
    rates: &Rates,
    settings: &ProofSettings,
    counts: &mut ProofCounts,
) -> bool {
    let fallen = if !rates.buffer.contains(&proof.round) {
        &mut counts.outside_buffer
    } else {
        let Some(limit) = settings.limit(proof.of) else { return true };
        match rates.of(proof) {
            None => &mut counts.without_pass_rate,
            Some(rate) if limit.allows(rate) => return true,
            Some(_) => match proof.of {
                ProofOf::Dataset => &mut counts.dataset_over_pass_rate,
                ProofOf::Conjecture => &mut counts.conjecture_over_pass_rate,
            },
        }
    };
    *fallen += 1;
    false
}

fn weight(proof: &CorrectProof<'_>, settings: &ProofSettings) -> f64 {
    let chars = proof.text.chars().count() as f64;
    (-settings.length_rate * chars - settings.time_rate * proof.verify_seconds).exp()
}

/// Pass rates over what the settings say.
struct Rates {
    buffer: std::ops::RangeInclusive<u32>,
    over: RateOver,
    /// Samples and accepted ones, by statement and round (0 where all rounds count together).
    tallies: BTreeMap<(i64, u32), (u64, u64)>,
}

impl Rates {
    fn new(rates: &[RoundRate], round: u32, settings: &ProofSettings) -> Self {
        let buffer = settings.first_round(round)..=round;
        let over = settings.rate_over;
        let mut tallies: BTreeMap<(i64, u32), (u64, u64)> = BTreeMap::new();
        for rate in rates.iter().filter(|rate| buffer.contains(&rate.round)) {
            let (samples, accepted) = tallies.entry(key(over, rate.statement, rate.round)).or_default();
            *samples += u64::from(rate.samples);
            *accepted += u64::from(rate.accepted);
        }
        Self { buffer, over, tallies }
    }

    fn of(&self, proof: &CorrectProof<'_>) -> Option<f64> {
        let &(samples, accepted) = self.tallies.get(&key(self.over, proof.statement, proof.round))?;
        (samples > 0).then(|| accepted as f64 / samples as f64)
    }
}

fn key(over: RateOver, statement: i64, round: u32) -> (i64, u32) {
    match over {
        RateOver::Buffer => (statement, 0),
        RateOver::Round => (statement, round),
    }
}

#[cfg(test)]
#[path = "proofs_tests.rs"]
mod tests;
