//! The statements that were proved with the most trouble.

use super::facts::Facts;
use super::text;
use proofloop_datasets::store::{Origin, Proof, Statement, StatementId};
use serde::Serialize;
use std::collections::BTreeMap;

/// More would make the page slow, and nobody reads them.
const MOST: usize = 300;

/// A statement with a proof.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HardStatement {
    /// Its name.
    pub name: String,
    /// `problem` or `conjecture`.
    pub origin: &'static str,
    /// The statement that a conjecture was made from.
    pub seed: Option<String>,
    /// The lemma that it was made with; empty for none.
    pub lemma: String,
    /// Conjectures from a problem to it, itself included; 0 for a problem.
    pub level: u32,
    /// The first iteration that proved it.
    pub iteration: u32,
    /// Samples of all iterations.
    pub samples: u64,
    /// How many were accepted.
    pub accepted: u64,
    /// Accepted for each sample.
    pub pass_rate: f64,
    /// The statement.
    pub text: String,
    /// The shortest of its proofs.
    pub proof: String,
    /// Length of that proof, in characters.
    pub proof_chars: usize,
}

/// Those with the lowest pass rates, and how many more there are. The more samples a rate rests on, the earlier.
pub(super) fn hardest(facts: &Facts) -> (Vec<HardStatement>, usize) {
    let names: BTreeMap<StatementId, &Statement> =
        facts.statements.iter().map(|statement| (statement.id, statement)).collect();
    let mut counts: BTreeMap<StatementId, (u64, u64)> = BTreeMap::new();
    for rate in facts.proving.values().flat_map(|proving| &proving.rates) {
        let (accepted, samples) = counts.entry(rate.statement).or_default();
        *accepted += u64::from(rate.accepted);
        *samples += u64::from(rate.samples);
    }
    let found = shortest_proofs(facts);
    let mut proved: Vec<(StatementId, u64, u64)> = counts
        .into_iter()
        .filter(|(id, _)| found.contains_key(id))
        .map(|(id, (accepted, samples))| (id, accepted, samples))
        .collect();
    // Rates as fractions: a / s < b / t where a t < b s.
    proved.sort_by(|one, other| {
        let products = (u128::from(one.1) * u128::from(other.2), u128::from(other.1) * u128::from(one.2));
        products.0.cmp(&products.1).then(other.2.cmp(&one.2)).then(one.0.cmp(&other.0))
    });
    let left_out = proved.len().saturating_sub(MOST);
    proved.truncate(MOST);
    let describe = |(id, accepted, samples): (StatementId, u64, u64)| {
        let (iteration, proof) = found.get(&id)?;
        Some(described(names.get(&id)?, &names, (accepted, samples), (*iteration, proof)))
    };
    (proved.into_iter().filter_map(describe).collect(), left_out)
}

/// For each statement: the first iteration that proved it, and its shortest proof of all.
fn shortest_proofs(facts: &Facts) -> BTreeMap<StatementId, (u32, &Proof)> {
    let mut found: BTreeMap<StatementId, (u32, &Proof)> = BTreeMap::new();
    let length = |proof: &Proof| proof.completion.trim().chars().count();
    for (iteration, proving) in &facts.proving {
        for proof in &proving.proofs {
            let (_, best) = found.entry(proof.statement).or_insert((*iteration, proof));
            if (length(proof), &proof.completion) < (length(best), &best.completion) {
                *best = proof;
            }
        }
    }
    found
}

fn described(
    statement: &Statement,
    names: &BTreeMap<StatementId, &Statement>,
    (accepted, samples): (u64, u64),
    (iteration, proof): (u32, &Proof),
) -> HardStatement {
    let lineage = statement.lineage.as_ref();
    let text = text::dedented(&proof.completion);
    HardStatement {
        name: statement.name.clone(),
        origin: match statement.origin {
            Origin::Problem => "problem",
            Origin::Conjecture => "conjecture",
        },
        seed: lineage.and_then(|lineage| names.get(&lineage.seed)).map(|seed| seed.name.clone()),
        lemma: lineage.map(|lineage| lineage.lemma.clone()).unwrap_or_default(),
        level: lineage.map_or(0, |lineage| lineage.level),
        iteration,
        samples,
        accepted,
        pass_rate: accepted as f64 / samples.max(1) as f64,
        text: statement.text.clone(),
        proof_chars: proof.completion.trim().chars().count(),
        proof: text,
    }
}
