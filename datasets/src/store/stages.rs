//! Stages: what one has made goes in whole or not at all.

use super::error::{Result, StoreError};
use super::records::{ACCEPTED, ConjectureRecord, ExampleRecord, Sample, StageKey, StageRecord, StageWrites};
use super::texts::{self, figure, of_figure};
use super::{RunStore, statements, turns};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use std::path::Path;

impl RunStore {
    /// Writes everything that a stage has made, and that it is finished, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Finished`] if it is; [`StoreError::Refused`] or [`StoreError::Weight`] for a record that can't be
    /// right; the store can't be written. Then nothing is.
    pub fn finish_stage(&mut self, key: StageKey<'_>, writes: &StageWrites) -> Result<()> {
        if self.stage(key)?.is_some() {
            let StageKey { iteration, stage } = key;
            return Err(StoreError::Finished { path: self.path.clone(), iteration, stage: stage.to_owned() });
        }
        let path = &self.path;
        let of = |error| StoreError::of(path, error);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(of)?;
        write(&transaction, path, writes)?;
        insert_stage(&transaction, key, writes).map_err(|error| {
            let record = || format!("stage `{}` of iteration {}", key.stage, key.iteration);
            StoreError::of_record(path, record, error)
        })?;
        transaction.commit().map_err(of)
    }

    /// A stage, if it is finished.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn stage(&self, key: StageKey<'_>) -> Result<Option<StageRecord>> {
        let find = || {
            let mut query = self.connection.prepare_cached(
                "SELECT iteration, stage, wall_ms, detail FROM stages WHERE iteration = ?1 AND stage = ?2",
            )?;
            query.query_row(params![key.iteration, key.stage], of_row).optional()
        };
        find().map_err(|error| self.of(error))
    }

    /// The stages in the order in which they were finished.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn stages(&self) -> Result<Vec<StageRecord>> {
        let find = || -> rusqlite::Result<Vec<_>> {
            let mut query = self
                .connection
                .prepare_cached("SELECT iteration, stage, wall_ms, detail FROM stages ORDER BY finished")?;
            query.query_map([], of_row)?.collect()
        };
        find().map_err(|error| self.of(error))
    }
}

fn write(connection: &Connection, path: &Path, writes: &StageWrites) -> Result<()> {
    // A seed of the same stage has the lower number, and must be there first.
    let mut statements: Vec<_> = writes.statements.iter().collect();
    statements.sort_by_key(|statement| statement.id);
    for statement in statements {
        statements::insert(connection, statement)
            .map_err(|error| StoreError::of_record(path, || format!("statement {}", statement.id), error))?;
    }
    for conjecture in &writes.conjectures {
        insert_conjecture(connection, conjecture).map_err(|error| {
            let ConjectureRecord { iteration, ordinal, .. } = conjecture;
            let record = || format!("conjecture {ordinal} of iteration {iteration}");
            StoreError::of_record(path, record, error)
        })?;
    }
    for sample in &writes.samples {
        insert_sample(connection, sample).map_err(|error| {
            let Sample { stage, iteration, statement, sample, .. } = sample;
            let record = || {
                format!(
                    "sample {sample} of statement {statement} in stage `{stage}` of iteration {iteration}"
                )
            };
            StoreError::of_record(path, record, error)
        })?;
    }
    for turn in &writes.turns {
        turns::insert(connection, turn).map_err(|error| {
            let record = || format!("turn {} of sample {} in stage `{}`", turn.turn, turn.sample, turn.stage);
            StoreError::of_record(path, record, error)
        })?;
    }
    for example in &writes.examples {
        let ExampleRecord { iteration, ordinal, weight, .. } = example;
        let record = || format!("example {ordinal} of iteration {iteration}");
        if !weight.is_finite() {
            // SQLite would keep NaN as NULL.
            return Err(StoreError::Weight { path: path.to_path_buf(), record: record(), weight: *weight });
        }
        insert_example(connection, example).map_err(|error| StoreError::of_record(path, record, error))?;
    }
    Ok(())
}

fn insert_conjecture(connection: &Connection, record: &ConjectureRecord) -> rusqlite::Result<()> {
    let text = texts::keep(connection, &record.text)?;
    connection.prepare_cached("INSERT INTO conjectures VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(
        params![
            record.iteration,
            record.ordinal,
            record.seed,
            record.lemma,
            text,
            record.outcome,
            record.statement
        ],
    )?;
    Ok(())
}

fn insert_sample(connection: &Connection, sample: &Sample) -> rusqlite::Result<()> {
    // A candidate that is not there has no verdict: the value is NULL, and refused.
    connection
        .prepare_cached(
            "INSERT INTO samples VALUES (?1, ?2, ?3, ?4, ?5, (SELECT verdict = ?8 FROM candidates WHERE id = ?5), ?6, ?7)",
        )?
        .execute(params![
            sample.stage,
            sample.iteration,
            sample.statement,
            sample.sample,
            sample.candidate,
            sample.tokens,
            sample.finish,
            ACCEPTED
        ])?;
    Ok(())
}

fn insert_example(connection: &Connection, example: &ExampleRecord) -> rusqlite::Result<()> {
    let prompt = texts::keep(connection, &example.prompt)?;
    let completion = texts::keep(connection, &example.completion)?;
    connection.prepare_cached("INSERT INTO examples VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(
        params![
            example.iteration,
            example.ordinal,
            example.role,
            example.statement,
            prompt,
            completion,
            example.weight
        ],
    )?;
    Ok(())
}

fn insert_stage(connection: &Connection, key: StageKey<'_>, writes: &StageWrites) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO stages VALUES (NULL, ?1, ?2, ?3, ?4)")?.execute(params![
        key.iteration,
        key.stage,
        figure(writes.wall_ms),
        writes.detail.to_string()
    ])?;
    Ok(())
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<StageRecord> {
    let detail: String = row.get(3)?;
    let detail = serde_json::from_str(&detail).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(StageRecord { iteration: row.get(0)?, stage: row.get(1)?, wall_ms: of_figure(row.get(2)?), detail })
}
