//! Step A: which proofs become conjecturer inputs, and how many conjectures each gets.
//!
//! A conjecturer is shown a proved statement, its proof and a lemma that the proof uses (paper §3.2 and §4.1); the lemma
//! `""` is the trivial one, `theorem true: True`. The released code takes statements only that it proves easily.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::{Result, not_negative, share};
use super::random::{Random, Stream};

/// A correct proof that may become a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedProof {
    /// The statement that it proves.
    pub statement: i64,
    /// Whatever tells the caller which proof it is.
    pub proof: usize,
    /// The statement's best pass rate in any round so far.
    pub best_pass_rate: f64,
    /// 0 for a dataset statement, else one more than the level of the conjecture's seed.
    pub level: u32,
    /// The lemmas that the proof uses and whose text the caller knows; not the trivial one.
    pub lemmas: Vec<String>,
}

/// What the conjecturer is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConjectureInput {
    /// The proved statement.
    pub statement: i64,
    /// [`SeedProof::proof`].
    pub proof: usize,
    /// A lemma that the proof uses, or `""`.
    pub lemma: String,
}

/// The rules of step A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedSettings {
    /// A seed's best pass rate must be higher.
    pub pass_rate_above: Option<f64>,
    /// A seed's level may not be higher.
    pub max_level: Option<u32>,
    /// A proof is also taken with the trivial lemma, with this probability.
    pub trivial_lemma_probability: f64,
    /// A lemma, the trivial one too, takes at most this share of as many inputs as the dataset has statements, rounded
    /// up to a whole number.
    pub max_lemma_share: Option<f64>,
    /// A statement and a lemma come together once at most.
    pub pairs_once: bool,
    /// At most this many inputs for each statement of the dataset.
    pub max_inputs_per_statement: Option<f64>,
}

impl SeedSettings {
    /// As published: §4.1 and appendix A of the paper. The shares are those of the code, the paper has none.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            pass_rate_above: None,
            max_level: Some(0),
            trivial_lemma_probability: 0.5,
            max_lemma_share: Some(0.1),
            pairs_once: true,
            max_inputs_per_statement: Some(1.0),
        }
    }

    /// As released: `Sampler_base.select`.
    #[must_use]
    pub fn code() -> Self {
        Self { pass_rate_above: Some(0.35), ..Self::paper() }
    }

    /// # Errors
    /// A share or probability is out of its range.
    pub fn check(&self) -> Result<()> {
        share("trivial_lemma_probability", self.trivial_lemma_probability)?;
        self.pass_rate_above.map_or(Ok(()), |rate| share("pass_rate_above", rate))?;
        self.max_lemma_share.map_or(Ok(()), |most| share("max_lemma_share", most))?;
        self.max_inputs_per_statement.map_or(Ok(()), |most| not_negative("max_inputs_per_statement", most))
    }
}

/// What became of the proofs and their pairs with lemmas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeedCounts {
    /// Proofs that were offered.
    pub proofs: usize,
    /// Proofs of a level too high.
    pub over_level: usize,
    /// Proofs of statements that are proved too seldom.
    pub under_pass_rate: usize,
    /// Pairs of a proof that is left with a lemma.
    pub pairs: usize,
    /// Pairs whose statement has the lemma already.
    pub repeated: usize,
    /// Pairs whose lemma has its share already.
    pub over_lemma_share: usize,
    /// Pairs beyond the greatest number of inputs.
    pub over_maximum: usize,
    /// What is left.
    pub inputs: usize,
    /// Those of them with the trivial lemma.
    pub trivial: usize,
}

/// The conjecturer inputs of a round, in an order by chance: the rules take the pairs as they come in it.
///
/// `dataset` is the number of the dataset's statements.
#[must_use]
pub fn conjecture_inputs(
    proofs: &[SeedProof],
    dataset: usize,
    settings: &SeedSettings,
    seed: u64,
) -> (Vec<ConjectureInput>, SeedCounts) {
    let mut counts = SeedCounts { proofs: proofs.len(), ..SeedCounts::default() };
    let mut pairs = pairs(proofs, settings, seed, &mut counts);
    Random::new(seed, Stream::SeedOrder).shuffle(&mut pairs);
    counts.pairs = pairs.len();
    let lemma_limit = settings.max_lemma_share.map(|share| part_of(share, dataset));
    let limit = settings.max_inputs_per_statement.map(|share| part_of(share, dataset));
    let mut seen = BTreeSet::new();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    let mut inputs = Vec::new();
    for (proof, lemma) in pairs {
        let lemma_uses = uses.entry(lemma).or_default();
        if settings.pairs_once && seen.contains(&(proof.statement, lemma)) {
            counts.repeated += 1;
        } else if lemma_limit.is_some_and(|limit| *lemma_uses >= limit) {
            counts.over_lemma_share += 1;
        } else if limit.is_some_and(|limit| inputs.len() >= limit) {
            counts.over_maximum += 1;
        } else {
            seen.insert((proof.statement, lemma));
            *lemma_uses += 1;
            counts.trivial += usize::from(lemma.is_empty());
            inputs.push(ConjectureInput {
                statement: proof.statement,
                proof: proof.proof,
                lemma: lemma.to_owned(),
            });
        }
    }
    counts.inputs = inputs.len();
    (inputs, counts)
}

/// The proofs that may be seeds, each with each of its lemmas.
fn pairs<'a>(
    proofs: &'a [SeedProof],
    settings: &SeedSettings,
    seed: u64,
    counts: &mut SeedCounts,
) -> Vec<(&'a SeedProof, &'a str)> {
    let mut random = Random::new(seed, Stream::SeedTrivial);
    let mut pairs = Vec::new();
    for proof in proofs {
        // Drawn for every proof, so that no rule changes another proof's chance.
        let with_trivial = random.chance(settings.trivial_lemma_probability);
        if settings.max_level.is_some_and(|most| proof.level > most) {
            counts.over_level += 1;
        } else if settings.pass_rate_above.is_some_and(|rate| proof.best_pass_rate <= rate) {
            counts.under_pass_rate += 1;
        } else {
            pairs.extend(proof.lemmas.iter().map(|lemma| (proof, lemma.as_str())));
            pairs.extend(with_trivial.then_some((proof, "")));
        }
    }
    pairs
}

/// `share * whole`, rounded up; a product that is whole but for rounding stays what it is.
fn part_of(share: f64, whole: usize) -> usize {
    (share * whole as f64 - 1e-9).ceil().max(0.0) as usize
}

/// How many conjectures are generated for the inputs of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationSettings {
    /// At least this many for each input.
    pub multiplier: usize,
    /// As many for each input as give this many for each dataset statement,
    pub per_dataset_statement: usize,
    /// but not more for each input than this.
    pub max_per_input: usize,
}

impl GenerationSettings {
    /// As released, with `--conjecture_multiplier 1`; the paper has no other.
    #[must_use]
    pub fn code() -> Self {
        Self { multiplier: 1, per_dataset_statement: 3, max_per_input: 8 }
    }

    /// `inputs * max(multiplier, min(3 |dataset| div inputs, 8))`, with the released code's numbers; 0 without inputs.
    #[must_use]
    pub fn conjectures(&self, inputs: usize, dataset: usize) -> usize {
        let fill = self.per_dataset_statement.saturating_mul(dataset).checked_div(inputs).unwrap_or(0);
        inputs.saturating_mul(self.multiplier.max(fill.min(self.max_per_input)))
    }
}

#[cfg(test)]
#[path = "seeds_tests.rs"]
mod tests;
