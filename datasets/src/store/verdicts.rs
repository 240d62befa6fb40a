//! Candidates and what was said to them.

use super::RunStore;
use super::error::{Result, StoreError};
use super::records::{CandidateId, CandidateText, VerdictRecord};
use super::texts::{self, figure, of_figure};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

pub(super) const BY_ADDRESS: &str = "SELECT verdict, reason, assurance, message, wall_ms, cpu_ms, peak_memory_bytes, id \
    FROM candidates WHERE address = ?1";

impl RunStore {
    /// Records a verdict, in one transaction of its own and at once: `kill -9` loses no verdict that somebody heard of.
    /// If the candidate has one, that one stays.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn add_verdict(
        &mut self,
        candidate: &CandidateText<'_>,
        record: &VerdictRecord,
    ) -> Result<CandidateId> {
        self.add(std::iter::once((*candidate, record))).map(|ids| ids[0])
    }

    /// Records many verdicts in one transaction, and gives the candidates in their order: as
    /// [`add_verdict`](Self::add_verdict) for each, and much faster.
    ///
    /// # Errors
    /// The store can't be written; then none is.
    pub fn add_verdicts<'a>(
        &mut self,
        verdicts: impl IntoIterator<Item = (CandidateText<'a>, &'a VerdictRecord)>,
    ) -> Result<Vec<CandidateId>> {
        self.add(verdicts.into_iter())
    }

    fn add<'a>(
        &mut self,
        verdicts: impl Iterator<Item = (CandidateText<'a>, &'a VerdictRecord)>,
    ) -> Result<Vec<CandidateId>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let write = || {
            let transaction = transaction?;
            let ids: rusqlite::Result<_> =
                verdicts.map(|(candidate, record)| insert(&transaction, &candidate, record)).collect();
            // Without the commit, nothing of it stays.
            let ids = ids?;
            transaction.commit()?;
            Ok(ids)
        };
        write().map_err(|error| StoreError::of(&self.path, error))
    }

    /// What was said to a candidate.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn verdict(&self, candidate: &CandidateText<'_>) -> Result<Option<(CandidateId, VerdictRecord)>> {
        let find = || {
            let mut query = self.connection.prepare_cached(BY_ADDRESS)?;
            let read = |row: &Row<'_>| Ok((row.get(7)?, of_row(row, 0)?));
            query.query_row([texts::address(candidate)], read).optional()
        };
        find().map_err(|error| self.of(error))
    }
}

fn insert(
    connection: &Connection,
    candidate: &CandidateText<'_>,
    record: &VerdictRecord,
) -> rusqlite::Result<CandidateId> {
    let address = texts::address(candidate);
    let known = connection
        .prepare_cached("SELECT id FROM candidates WHERE address = ?1")?
        .query_row([address], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let header = texts::keep(connection, candidate.header)?;
    let statement = texts::keep(connection, candidate.statement)?;
    let completion = texts::keep(connection, candidate.completion)?;
    connection
        .prepare_cached("INSERT INTO candidates VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?
        .insert(params![
            address,
            header,
            statement,
            completion,
            record.verdict,
            record.reason,
            record.assurance,
            record.message,
            figure(record.wall_ms),
            figure(record.cpu_ms),
            figure(record.peak_memory_bytes),
        ])
}

/// Reads the seven columns of a verdict, from `first` on.
pub(super) fn of_row(row: &Row<'_>, first: usize) -> rusqlite::Result<VerdictRecord> {
    Ok(VerdictRecord {
        verdict: row.get(first)?,
        reason: row.get(first + 1)?,
        assurance: row.get(first + 2)?,
        message: row.get(first + 3)?,
        wall_ms: of_figure(row.get(first + 4)?),
        cpu_ms: of_figure(row.get(first + 5)?),
        peak_memory_bytes: of_figure(row.get(first + 6)?),
    })
}
