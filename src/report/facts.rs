//! What a report needs of a run, as the store has it.

use super::settings::Settings;
use proofloop_datasets::store::{
    ConjectureRecord, PassRate, Proof, RunStore, SampledCandidate, StageRecord, Statement, StoreError,
};
use std::collections::{BTreeMap, HashSet};

/// Everything that is read of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The run's name.
    pub name: String,
    /// Its settings.
    pub settings: Settings,
    /// All statements, by number.
    pub statements: Vec<Statement>,
    /// The finished stages, in their order.
    pub stages: Vec<StageRecord>,
    /// What became of the conjecturer's outputs, by (iteration, ordinal).
    pub conjectures: Vec<ConjectureRecord>,
    /// What was sampled to be proved, by iteration.
    pub proving: BTreeMap<u32, Proving>,
    /// The held-out evaluation before the first iteration.
    pub before: Vec<PassRate>,
    /// The held-out evaluation after the last iteration.
    pub after: Vec<PassRate>,
}

/// The stage `prove` of one iteration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proving {
    /// By statement.
    pub rates: Vec<PassRate>,
    /// The distinct accepted proofs, by (statement, text).
    pub proofs: Vec<Proof>,
    /// All samples, counted.
    pub tally: Tally,
}

/// Samples, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub samples: u64,
    /// How many differ in statement or text.
    pub distinct: u64,
    /// Their tokens.
    pub tokens: u64,
    /// How many got which verdict; a rejection is named with its reason.
    pub verdicts: BTreeMap<String, u64>,
}

impl Facts {
    /// Reads a run, also one that is not finished. `settings` is the text of its `run.toml`, or empty.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn read(store: &RunStore, name: &str, settings: &str) -> Result<Self, StoreError> {
        let stages = store.stages()?;
        let proved = stages.iter().filter(|stage| stage.stage == "prove").map(|stage| stage.iteration);
        let proving = proved.map(|iteration| Ok((iteration, Proving::read(store, iteration)?)));
        Ok(Self {
            statements: store.statements(None)?,
            conjectures: store.conjectures(None)?,
            proving: proving.collect::<Result<_, StoreError>>()?,
            before: last_iteration(store.pass_rates("before", 0..=u32::MAX)?),
            after: last_iteration(store.pass_rates("after", 0..=u32::MAX)?),
            stages,
            name: name.to_owned(),
            settings: Settings::read(settings),
        })
    }
}

impl Proving {
    fn read(store: &RunStore, iteration: u32) -> Result<Self, StoreError> {
        let mut counter = Counter::default();
        store.each_sample("prove", iteration, &mut |sample| {
            counter.add(&sample);
            Ok::<_, StoreError>(())
        })?;
        Ok(Self {
            rates: store.pass_rates("prove", iteration..=iteration)?,
            proofs: store.proofs("prove", iteration..=iteration)?,
            tally: counter.tally,
        })
    }
}

/// Counts samples that come by statement.
#[derive(Default)]
struct Counter {
    tally: Tally,
    statement: i64,
    seen: HashSet<[u8; 32]>,
}

impl Counter {
    fn add(&mut self, sample: &SampledCandidate) {
        if self.statement != sample.statement {
            self.statement = sample.statement;
            self.seen.clear();
        }
        let is_new = self.seen.insert(*blake3::hash(sample.completion.as_bytes()).as_bytes());
        self.tally.samples += 1;
        self.tally.distinct += u64::from(is_new);
        self.tally.tokens += u64::from(sample.tokens);
        // Only the reasons of rejections are classes; others are words.
        let verdict = &sample.verdict;
        let kind = match &verdict.reason {
            Some(reason) if verdict.verdict == "rejected" => format!("rejected: {reason}"),
            Some(_) | None => verdict.verdict.clone(),
        };
        *self.tally.verdicts.entry(kind).or_default() += 1;
    }
}

/// Should a stage have run more than once, the last one counts.
fn last_iteration(mut rates: Vec<PassRate>) -> Vec<PassRate> {
    let last = rates.iter().map(|rate| rate.iteration).max();
    rates.retain(|rate| Some(rate.iteration) == last);
    rates
}
