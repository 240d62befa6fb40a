//! Distinct candidates of statements, over stages and iterations: the proofs, and what was tried beside them.

use super::RunStore;
use super::error::StoreError;
use super::records::StatementId;
use super::texts::of_figure;
use rusqlite::{Row, params};
use std::ops::RangeInclusive;

/// Samples are put together by the number of their completion's text, and only what is left is sorted by the text.
/// `?1`: stages as JSON.
macro_rules! select {
    ($is:literal) => {
        concat!(
            "SELECT a.statement, t.text, a.iteration, a.multiplicity, c.verdict, c.cpu_ms, c.wall_ms FROM (",
            "SELECT s.statement, min(s.candidate) AS candidate, min(s.iteration) AS iteration, count(*) AS multiplicity ",
            "FROM samples s JOIN candidates d ON d.id = s.candidate WHERE s.stage ",
            $is,
            " (SELECT value FROM json_each(?1)) AND s.iteration BETWEEN ?2 AND ?3 AND (s.accepted OR NOT ?4) ",
            "GROUP BY s.statement, d.completion",
            ") a JOIN candidates c ON c.id = a.candidate JOIN texts t ON t.id = c.completion ",
            "ORDER BY a.statement, t.text"
        )
    };
}
pub(super) const OF_STAGES: &str = select!("IN");
const OF_OTHER_STAGES: &str = select!("NOT IN");

/// Which stages.
#[derive(Debug, Clone, Copy)]
pub enum StageFilter<'a> {
    /// These.
    Only(&'a [&'a str]),
    /// All but these.
    Except(&'a [&'a str]),
}

/// Which samples.
#[derive(Debug, Clone)]
pub struct AttemptFilter<'a> {
    /// Of these stages.
    pub stages: StageFilter<'a>,
    /// Of these iterations.
    pub iterations: RangeInclusive<u32>,
    /// Only accepted ones.
    pub accepted_only: bool,
}

/// A candidate of a statement, however often it was sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The statement.
    pub statement: StatementId,
    /// What was sampled.
    pub completion: String,
    /// The first iteration that sampled it, of those asked for.
    pub iteration: u32,
    /// How many of the samples asked for were this one.
    pub multiplicity: u32,
    /// What was said to it.
    pub verdict: String,
    /// Processor time of its check, in milliseconds.
    pub cpu_ms: u64,
    /// Time that its check took, in milliseconds.
    pub wall_ms: u64,
}

impl RunStore {
    /// Hands over the distinct candidates that were sampled, by (statement, completion).
    ///
    /// # Errors
    /// The store can't be read; what `sink` says.
    pub fn each_attempt<E: From<StoreError>>(
        &self,
        filter: &AttemptFilter<'_>,
        sink: &mut dyn FnMut(Attempt) -> Result<(), E>,
    ) -> Result<(), E> {
        let (query, stages) = match filter.stages {
            StageFilter::Only(stages) => (OF_STAGES, stages),
            StageFilter::Except(stages) => (OF_OTHER_STAGES, stages),
        };
        let read = |row: &Row<'_>| {
            Ok(Attempt {
                statement: row.get(0)?,
                completion: row.get(1)?,
                iteration: row.get(2)?,
                multiplicity: row.get(3)?,
                verdict: row.get(4)?,
                cpu_ms: of_figure(row.get(5)?),
                wall_ms: of_figure(row.get(6)?),
            })
        };
        let stages = serde_json::Value::from(stages).to_string();
        let (first, last) = (filter.iterations.start(), filter.iterations.end());
        self.each(query, params![stages, first, last, filter.accepted_only], read, sink)
    }
}
