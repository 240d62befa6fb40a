//! What came of a run, from its store.

use super::collect::STRIDE;
use super::dialogue::UNAVAILABLE;
use super::error::Result;
use super::settings::Settings;
use crate::evaluate::statistics::{Bootstrap, Estimate, Interval, estimate};
use crate::evaluate::worth::{Tries, Worth, worth};
use proofloop_datasets::store::{RunStore, StatementId};
use serde::Serialize;
use std::collections::BTreeMap;

/// Settles the third digit of an interval.
const RESAMPLES: usize = 10_000;

/// Held-out problems with one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldOut {
    /// `base`, `sft` or `rl`.
    pub model: &'static str,
    /// The round of the model.
    pub iteration: u32,
    /// With refinements that begin with an explanation, or all there are where nothing is explained.
    pub refinement: Worth,
    /// With refinements alone, where there are explanations besides.
    pub direct: Option<Worth>,
    /// Of first tries and refinements, less those of the model before, problem by problem.
    pub after_less_before: Option<Estimate>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// The base model, that of the supervised learning and that of the reinforcement learning, as far as there are such.
    pub held_out: Vec<HeldOut>,
}

impl Results {
    /// Reads them.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn read(store: &RunStore, settings: &Settings) -> Result<Self> {
        let bootstrap = Bootstrap { resamples: RESAMPLES, seed: settings.seed };
        let mut held_out: Vec<HeldOut> = Vec::new();
        let mut before: Option<BTreeMap<StatementId, Tries>> = None;
        for (model, iteration) in models(settings) {
            let tries = tries(store, "held-out", iteration)?;
            let values = |tries: &BTreeMap<StatementId, Tries>| tries.values().copied().collect::<Vec<_>>();
            let Some(refinement) = worth(&values(&tries), bootstrap) else { continue };
            let direct = if settings.explain {
                let later = self::tries(store, "held-out-direct", iteration)?;
                worth(&values(&with_first(&tries, &later)), bootstrap)
            } else {
                None
            };
            let after = |tries: &Tries| f64::from(tries.accepted + tries.refined) / f64::from(tries.samples);
            let after_less_before = before.as_ref().and_then(|before| {
                let difference =
                    |(id, now): (&StatementId, &Tries)| Some(after(now) - after(before.get(id)?));
                let values: Option<Vec<f64>> = tries.iter().map(difference).collect();
                estimate(&values?, Interval { low: -1.0, high: 1.0 }, bootstrap)
            });
            held_out.push(HeldOut { model, iteration, refinement, direct, after_less_before });
            before = Some(tries);
        }
        Ok(Self { held_out })
    }
}

/// The models that are evaluated, with their rounds.
#[must_use]
pub fn models(settings: &Settings) -> Vec<(&'static str, u32)> {
    let rl = settings.rl.as_ref().map(|rl| ("rl", 1 + rl.iterations));
    [Some(("base", 0)), Some(("sft", 1)), rl].into_iter().flatten().collect()
}

/// First tries and the turns behind them, by problem.
fn tries(store: &RunStore, stage: &str, iteration: u32) -> Result<BTreeMap<StatementId, Tries>> {
    let mut all: BTreeMap<StatementId, Tries> = BTreeMap::new();
    let mut mended = std::collections::BTreeSet::new();
    for turn in store.turns(stage, iteration)? {
        // Where the infrastructure failed, nothing was tried.
        if turn.verdict.as_ref().is_some_and(|record| record.verdict == UNAVAILABLE) {
            continue;
        }
        let tries = all.entry(turn.statement).or_default();
        if turn.turn == 0 {
            tries.samples += 1;
            tries.accepted += u32::from(turn.is_accepted());
            tries.first_tokens += u64::from(turn.tokens);
            continue;
        }
        tries.tried += u32::from(turn.turn == 1);
        tries.later_tokens += u64::from(turn.tokens);
        tries.later_read_tokens += u64::from(turn.read_tokens);
        if turn.is_accepted() && mended.insert((turn.statement, turn.sample / STRIDE)) {
            tries.refined += 1;
        }
    }
    Ok(all)
}

/// The first tries of one with the later turns of the other.
fn with_first(
    first: &BTreeMap<StatementId, Tries>,
    later: &BTreeMap<StatementId, Tries>,
) -> BTreeMap<StatementId, Tries> {
    let joined = |(id, first): (&StatementId, &Tries)| {
        let later = later.get(id).copied().unwrap_or_default();
        let Tries { samples, accepted, first_tokens, .. } = *first;
        (*id, Tries { samples, accepted, first_tokens, ..later })
    };
    first.iter().map(joined).collect()
}
