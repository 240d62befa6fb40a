//! What selection, reports and exports ask for.

use super::error::{Result, StoreError};
use super::records::{ConjectureRecord, ExampleRecord, PassRate, Proof, SampledCandidate};
use super::{AttemptFilter, RunStore, StageFilter, verdicts};
use rusqlite::{Params, Row, params};
use std::ops::RangeInclusive;

pub(super) const CONJECTURES: &str = "SELECT c.iteration, c.ordinal, c.seed, c.lemma, t.text, c.outcome, c.statement \
    FROM conjectures c JOIN texts t ON t.id = c.text WHERE c.iteration BETWEEN ?1 AND ?2 \
    ORDER BY c.iteration, c.ordinal";
pub(super) const EXAMPLES: &str = "SELECT e.iteration, e.ordinal, e.role, e.statement, p.text, c.text, e.weight \
    FROM examples e JOIN texts p ON p.id = e.prompt JOIN texts c ON c.id = e.completion \
    WHERE e.iteration BETWEEN ?1 AND ?2 ORDER BY e.iteration, e.ordinal";
/// In the order of the key: counted as they are read, without sorting.
pub(super) const PASS_RATES: &str = "SELECT statement, iteration, count(*), sum(accepted) FROM samples \
    WHERE stage = ?1 AND iteration BETWEEN ?2 AND ?3 GROUP BY iteration, statement";
pub(super) const SAMPLES: &str = "SELECT s.statement, s.sample, t.text, s.tokens, s.finish, \
    c.verdict, c.reason, c.assurance, c.message, c.wall_ms, c.cpu_ms, c.peak_memory_bytes \
    FROM samples s JOIN candidates c ON c.id = s.candidate JOIN texts t ON t.id = c.completion \
    WHERE s.stage = ?1 AND s.iteration = ?2 ORDER BY s.statement, s.sample";
/// Texts are kept once, so their numbers say whether two are the same; the newest of each pair, in order.
const LATEST: &str = "SELECT p.text, c.text, n.weight FROM ( \
        SELECT iteration, ordinal, prompt, completion, weight, \
            row_number() OVER (PARTITION BY prompt, completion ORDER BY iteration DESC, ordinal DESC) AS age \
        FROM examples WHERE iteration BETWEEN ?1 AND ?2 \
    ) n JOIN texts p ON p.id = n.prompt JOIN texts c ON c.id = n.completion \
    WHERE n.age = 1 ORDER BY n.iteration, n.ordinal";

/// An example without what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestExample {
    /// What the model reads.
    pub prompt: String,
    /// What it learns to say.
    pub completion: String,
    /// How much it counted when it was selected last.
    pub weight: f64,
}

impl RunStore {
    /// The outputs of the conjecturer, all or those of one iteration, by (iteration, ordinal).
    ///
    /// # Errors
    /// The store can't be read.
    pub fn conjectures(&self, iteration: Option<u32>) -> Result<Vec<ConjectureRecord>> {
        collect(|sink| self.each_conjecture(iteration, sink))
    }

    /// Hands the records of [`conjectures`](Self::conjectures) over one at a time.
    ///
    /// # Errors
    /// The store can't be read; what `sink` says.
    pub fn each_conjecture<E: From<StoreError>>(
        &self,
        iteration: Option<u32>,
        sink: &mut dyn FnMut(ConjectureRecord) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let read = |row: &Row<'_>| {
            Ok(ConjectureRecord {
                iteration: row.get(0)?,
                ordinal: row.get(1)?,
                seed: row.get(2)?,
                lemma: row.get(3)?,
                text: row.get(4)?,
                outcome: row.get(5)?,
                statement: row.get(6)?,
            })
        };
        self.each(CONJECTURES, between(iteration), read, sink)
    }

    /// The examples that an iteration has selected, by ordinal.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn examples(&self, iteration: u32) -> Result<Vec<ExampleRecord>> {
        collect(|sink| self.each_example(Some(iteration), sink))
    }

    /// Hands the examples of all iterations or of one over one at a time, by (iteration, ordinal).
    ///
    /// # Errors
    /// The store can't be read; what `sink` says.
    pub fn each_example<E: From<StoreError>>(
        &self,
        iteration: Option<u32>,
        sink: &mut dyn FnMut(ExampleRecord) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let read = |row: &Row<'_>| {
            Ok(ExampleRecord {
                iteration: row.get(0)?,
                ordinal: row.get(1)?,
                role: row.get(2)?,
                statement: row.get(3)?,
                prompt: row.get(4)?,
                completion: row.get(5)?,
                weight: row.get(6)?,
            })
        };
        self.each(EXAMPLES, between(iteration), read, sink)
    }

    /// Hands over the examples of all iterations or of one, each pair of prompt and completion once with the weight
    /// that it had last, in the order of their last selection.
    ///
    /// # Errors
    /// The store can't be read; what `sink` says.
    pub fn each_latest_example<E: From<StoreError>>(
        &self,
        iteration: Option<u32>,
        sink: &mut dyn FnMut(LatestExample) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let read = |row: &Row<'_>| {
            Ok(LatestExample { prompt: row.get(0)?, completion: row.get(1)?, weight: row.get(2)? })
        };
        self.each(LATEST, between(iteration), read, sink)
    }

    /// How often each statement was proved in a stage of these iterations, by (statement, iteration).
    ///
    /// # Errors
    /// The store can't be read.
    pub fn pass_rates(&self, stage: &str, iterations: RangeInclusive<u32>) -> Result<Vec<PassRate>> {
        let read = |row: &Row<'_>| {
            Ok(PassRate {
                statement: row.get(0)?,
                iteration: row.get(1)?,
                samples: row.get(2)?,
                accepted: row.get(3)?,
            })
        };
        let range = params![stage, iterations.start(), iterations.end()];
        let mut rates: Vec<PassRate> = collect(|sink| self.each(PASS_RATES, range, read, sink))?;
        rates.sort_by_key(|rate| (rate.statement, rate.iteration));
        Ok(rates)
    }

    /// The distinct accepted proofs that were sampled in a stage of these iterations, by (statement, completion).
    ///
    /// # Errors
    /// The store can't be read.
    pub fn proofs(&self, stage: &str, iterations: RangeInclusive<u32>) -> Result<Vec<Proof>> {
        let filter = AttemptFilter { stages: StageFilter::Only(&[stage]), iterations, accepted_only: true };
        let mut proofs = Vec::new();
        self.each_attempt(&filter, &mut |attempt| {
            proofs.push(Proof {
                statement: attempt.statement,
                completion: attempt.completion,
                iteration: attempt.iteration,
                multiplicity: attempt.multiplicity,
                cpu_ms: attempt.cpu_ms,
                wall_ms: attempt.wall_ms,
            });
            Ok::<_, StoreError>(())
        })?;
        Ok(proofs)
    }

    /// The samples of a stage with completion and verdict, by (statement, sample).
    ///
    /// # Errors
    /// The store can't be read.
    pub fn samples(&self, stage: &str, iteration: u32) -> Result<Vec<SampledCandidate>> {
        collect(|sink| self.each_sample(stage, iteration, sink))
    }

    /// Hands the records of [`samples`](Self::samples) over one at a time.
    ///
    /// # Errors
    /// The store can't be read; what `sink` says.
    pub fn each_sample<E: From<StoreError>>(
        &self,
        stage: &str,
        iteration: u32,
        sink: &mut dyn FnMut(SampledCandidate) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let read = |row: &Row<'_>| {
            Ok(SampledCandidate {
                statement: row.get(0)?,
                sample: row.get(1)?,
                completion: row.get(2)?,
                tokens: row.get(3)?,
                finish: row.get(4)?,
                verdict: verdicts::of_row(row, 5)?,
            })
        };
        self.each(SAMPLES, params![stage, iteration], read, sink)
    }

    /// Hands every row of a query to `sink`.
    pub(super) fn each<T, E: From<StoreError>>(
        &self,
        query: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        sink: &mut dyn FnMut(T) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let of = |error| self.of(error);
        let mut query = self.connection.prepare_cached(query).map_err(of)?;
        for record in query.query_map(params, read).map_err(of)? {
            sink(record.map_err(of)?)?;
        }
        Ok(())
    }
}

/// The bounds of one iteration, or of all.
fn between(iteration: Option<u32>) -> [u32; 2] {
    iteration.map_or([0, u32::MAX], |iteration| [iteration; 2])
}

/// Everything that `each` hands to its sink.
fn collect<T>(
    each: impl FnOnce(&mut dyn FnMut(T) -> std::result::Result<(), StoreError>) -> Result<()>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    each(&mut |record| {
        all.push(record);
        Ok(())
    })?;
    Ok(all)
}
