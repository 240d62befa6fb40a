//! What came of a run, from its store.

use super::error::Result;
use super::settings::Settings;
use crate::evaluate::statistics::{
    Bootstrap, Estimate, McNemar, Trials, mcnemar, mean_pass_at_k, paired_difference,
};
use proofloop_datasets::Split;
use proofloop_datasets::store::{Origin, RunStore, StatementId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Settles the third digit of an interval.
const RESAMPLES: usize = 10_000;

/// pass@k of the held-out problems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldOut {
    /// The k.
    pub k: u32,
    /// With the model of the first round.
    pub before: Estimate,
    /// With the last model; nothing where none was learnt, or the run is not at its end.
    pub after: Option<Estimate>,
    /// After less before, problem by problem.
    pub difference: Option<Estimate>,
}

/// Progress on the training problems whose proof was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Solved {
    /// The round; all rounds up to it count.
    pub iteration: u32,
    /// Candidates that were sampled, equal ones counted each.
    pub samples: u64,
    /// Problems with an accepted proof.
    pub solved: usize,
    /// Problems.
    pub of: usize,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// For each k of the settings.
    pub held_out: Vec<HeldOut>,
    /// Held-out problems solved before and after.
    pub solved_held_out: Option<McNemar>,
    /// After each round.
    pub solved: Vec<Solved>,
}

impl Results {
    /// Reads them.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn read(store: &RunStore, settings: &Settings) -> Result<Self> {
        let trials = |stage: &str| -> Result<BTreeMap<StatementId, Trials>> {
            let rates = store.pass_rates(stage, 0..=u32::MAX)?;
            let one = |rate: &proofloop_datasets::store::PassRate| {
                (rate.statement, Trials { samples: rate.samples, accepted: rate.accepted })
            };
            Ok(rates.iter().map(one).collect())
        };
        let (before, after) = (trials("before")?, trials("after")?);
        let pairs: Vec<(Trials, Trials)> =
            before.iter().filter_map(|(id, before)| Some((*before, *after.get(id)?))).collect();
        let bootstrap = Bootstrap { resamples: RESAMPLES, seed: settings.seed };
        let first: Vec<Trials> = before.into_values().collect();
        let last: Vec<Trials> = after.into_values().collect();
        let held_out = settings.evaluation.ks.iter().filter_map(|&k| {
            Some(HeldOut {
                k,
                before: mean_pass_at_k(&first, k, bootstrap)?,
                after: mean_pass_at_k(&last, k, bootstrap),
                difference: paired_difference(&pairs, k, bootstrap),
            })
        });
        let held_out = held_out.collect();
        let solved_held_out = (!pairs.is_empty()).then(|| mcnemar(&pairs));
        Ok(Self { held_out, solved_held_out, solved: solved(store)? })
    }
}

/// Progress on the training problems, after each round.
///
/// # Errors
/// The store can't be read.
pub fn solved(store: &RunStore) -> Result<Vec<Solved>> {
    let statements = store.statements(Some(Origin::Problem))?;
    let unproved = statements.iter().filter(|one| one.split == Some(Split::Train) && one.known.is_none());
    let unproved: BTreeSet<StatementId> = unproved.map(|one| one.id).collect();
    let (mut all, mut solved, mut samples) = (Vec::new(), BTreeSet::new(), 0);
    let rates = store.pass_rates("prove", 0..=u32::MAX)?;
    let last = rates.iter().map(|rate| rate.iteration).max().unwrap_or(0);
    for iteration in 1..=last {
        for rate in rates.iter().filter(|rate| rate.iteration == iteration) {
            samples += u64::from(rate.samples);
            if rate.accepted > 0 && unproved.contains(&rate.statement) {
                solved.insert(rate.statement);
            }
        }
        all.push(Solved { iteration, samples, solved: solved.len(), of: unproved.len() });
    }
    Ok(all)
}
