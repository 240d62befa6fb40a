//! What is measured without a store.

use super::data::{self, Space};
use super::{Bench, Size};
use crate::selfplay::screening::{Outcome, ScreeningCounts};
use crate::selfplay::select::conjectures::{
    Conjecture, ConjectureProof, ConjectureSettings, select_conjectures,
};
use crate::selfplay::select::proofs::{CorrectProof, ProofOf, ProofSettings, RoundRate, select_proofs};
use crate::selfplay::select::seeds::{SeedProof, SeedSettings, conjecture_inputs};
use crate::selfplay::select::targets::{DatasetStatement, TargetSettings, targets};
use crate::selfplay::select::transport::{
    Embeddings, SearchSettings, Targets, Transport, TransportSettings, closed_form, transport as reweight,
};
use crate::selfplay::statement;
use proofloop_datasets::store::ConjectureRecord;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// Lemmas that there are.
const LEMMAS: usize = 500;

/// Samples of a statement in a round.
const SAMPLES: u32 = 32;

/// The keys of the loop, and a set of them.
pub(super) fn dedup(bench: &mut Bench, size: Size) -> anyhow::Result<()> {
    let texts: Vec<String> = (0..size.conjectures).map(data::statement).collect();
    bench.measure("dedup", size, || {
        let mut known = BTreeSet::new();
        let new = texts.iter().filter(|text| known.insert(statement::key(data::HEADER, text))).count();
        Ok(((), format!("{new} of {} are new", texts.len())))
    })
}

/// The records of the loop, and its counts.
pub(super) fn screening(bench: &mut Bench, size: Size) -> anyhow::Result<()> {
    const OTHERS: [Outcome; 4] = [Outcome::New, Outcome::IllTyped, Outcome::Trivial, Outcome::Contradictory];
    let texts: Vec<String> = (0..size.conjectures).map(data::statement).collect();
    let outcome = |number: usize| {
        if data::original(number) == number { OTHERS[number % OTHERS.len()] } else { Outcome::Duplicate }
    };
    bench.measure("screening records", size, || {
        let outcomes: Vec<Outcome> = (0..texts.len()).map(outcome).collect();
        let counts = ScreeningCounts::of(&outcomes);
        let record = |(ordinal, text): (u32, &String)| ConjectureRecord {
            iteration: 1,
            ordinal,
            seed: 1,
            lemma: lemma(ordinal as usize),
            text: text.clone(),
            outcome: outcomes[ordinal as usize].name().to_owned(),
            statement: (outcomes[ordinal as usize] == Outcome::New).then_some(i64::from(ordinal)),
        };
        let records: Vec<ConjectureRecord> = (0..).zip(&texts).map(record).collect();
        Ok((records, format!("{} of {} are worth proving", counts.new, counts.generated)))
    })?;
    Ok(())
}

fn lemma(number: usize) -> String {
    if number.is_multiple_of(3) { String::new() } else { format!("Nat.lemma_{}", number % LEMMAS) }
}

/// Between 0 and 1, like a share of [`SAMPLES`].
fn pass_rate(number: usize) -> f64 {
    f64::from(accepted(number)) / f64::from(SAMPLES)
}

fn accepted(number: usize) -> u32 {
    ((number as u32).wrapping_mul(2_654_435_761) >> 16) % SAMPLES
}

pub(super) fn rules(bench: &mut Bench, size: Size) -> anyhow::Result<()> {
    let count = size.conjectures;
    let seed = bench.seed;
    let statements: Vec<DatasetStatement> =
        (0..count).map(|n| DatasetStatement { statement: n as i64, best_pass_rate: pass_rate(n) }).collect();
    let seeds: Vec<SeedProof> = (0..count)
        .map(|n| SeedProof {
            statement: n as i64,
            proof: n,
            best_pass_rate: pass_rate(n),
            level: 0,
            lemmas: vec![lemma(3 * n + 1), lemma(3 * n + 2)],
        })
        .collect();
    bench.measure("seeds and targets", size, || {
        let (_, seeds) = conjecture_inputs(&seeds, count, &SeedSettings::code(), seed);
        let ids: Vec<i64> = (count..2 * count).map(|n| n as i64).collect();
        let (_, targets) = targets(&statements, &ids, &TargetSettings::code(), seed);
        Ok(((), format!("{} inputs, {} targets", seeds.inputs, targets.targets)))
    })?;
    drop((statements, seeds));
    let texts: Vec<String> = (0..count).map(data::statement).collect();
    let lemmas: Vec<[String; 2]> = (0..count).map(|n| [lemma(n), lemma(n + 1)]).collect();
    let all: Vec<Conjecture<'_>> = (0..count)
        .map(|n| Conjecture {
            statement: n as i64,
            text: &texts[n],
            lemma: &lemmas[n][n % 2],
            pass_rate: pass_rate(n),
            proofs: vec![ConjectureProof { chars: 50 + n * 13 % 400, lemmas: &lemmas[n] }],
        })
        .collect();
    bench.measure("conjecture rules", size, || {
        let (_, counts) = select_conjectures(&all, &ConjectureSettings::code(), seed);
        Ok(((), format!("{} of {}", counts.selected, counts.attempted)))
    })?;
    drop(all);
    proof_rules(bench, size)
}

/// Two proofs for each conjecture.
fn proof_rules(bench: &mut Bench, size: Size) -> anyhow::Result<()> {
    let seed = bench.seed;
    let texts: Vec<String> = (0..2 * size.conjectures).map(|n| data::proof(n / 2, n % 2)).collect();
    let all: Vec<CorrectProof<'_>> = (0..texts.len())
        .map(|n| CorrectProof {
            statement: n as i64 / 2,
            of: if n.is_multiple_of(4) { ProofOf::Dataset } else { ProofOf::Conjecture },
            text: &texts[n],
            round: 7 - n as u32 % 5,
            verify_seconds: 0.5,
        })
        .collect();
    let rates: Vec<RoundRate> = (0..size.conjectures)
        .map(|n| RoundRate { statement: n as i64, round: 7, samples: SAMPLES, accepted: accepted(n) })
        .collect();
    bench.measure("proof rules", size, || {
        let (_, counts) = select_proofs(&all, &rates, 7, &ProofSettings::code(), seed);
        Ok(((), format!("{} of {}", counts.selected, counts.proofs)))
    })
}

pub(super) fn transport(bench: &mut Bench, size: Size) -> anyhow::Result<()> {
    let space = Space::new(size.dim, bench.seed);
    // Conjectures crowd where the model is at home; statements are everywhere.
    let conjectures = space.rows(size.conjectures, 3, bench.seed + 1);
    let targets = space.rows(size.targets, 1, bench.seed + 2);
    let matches = vec![1; size.targets];
    let (seed, threads, sample) = (bench.seed, bench.threads, bench.sample.min(size.targets));
    let conjectures = Embeddings::new(&conjectures, size.dim)?;
    let of = |count: usize| -> anyhow::Result<Targets<'_>> {
        let embeddings = Embeddings::new(&targets[..count * size.dim], size.dim)?;
        Ok(Targets { embeddings, matches: &matches[..count] })
    };
    let all = of(size.targets)?;
    bench.measure("transport", size, || {
        let result = reweight(conjectures, all, &TransportSettings::paper(), seed, threads)?;
        let Transport { counts, mean_similarity, .. } = &result;
        let told = format!(
            "{} weights, {} masked, mean cosine {mean_similarity:.4}",
            counts.selected, counts.masked
        );
        Ok(((), told))
    })?;
    if sample == 0 {
        return Ok(());
    }
    let sample = of(sample)?;
    bench.measure("what its index misses", size, || Ok(((), missed(conjectures, sample, seed, threads)?)))
}

/// The targets' nearest conjectures with and without the index. (Two targets that swap their neighbours are not seen.)
fn missed(
    conjectures: Embeddings<'_>,
    targets: Targets<'_>,
    seed: u64,
    threads: NonZeroUsize,
) -> anyhow::Result<String> {
    let search = SearchSettings { exact_pairs: 0, ..SearchSettings::default() };
    let indexed = reweight(conjectures, targets, &TransportSettings { cap: None, search }, seed, threads)?;
    let exact = closed_form(conjectures, targets, threads)?;
    let both = indexed.weights.iter().zip(&exact.weights);
    let same: f64 = both.map(|(indexed, exact)| indexed.min(*exact)).sum();
    Ok(format!(
        "{:.1} % of {} nearest found, mean cosine {:.4} of {:.4}",
        100.0 * same / conjectures.count() as f64,
        targets.matches.len(),
        indexed.mean_similarity,
        exact.mean_similarity
    ))
}
