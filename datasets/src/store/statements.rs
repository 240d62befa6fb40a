//! Statements: writing one, finding and listing them.

use super::error::Result;
use super::records::{Lineage, Origin, Statement, StatementId};
use super::{RunStore, texts};
use crate::problem::Split;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// The columns that [`of_row`] reads, and the tables that they stand in.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT s.id, s.key, s.name, h.text, t.text, s.origin, s.split, k.text, s.iteration, s.seed, s.lemma, s.level ",
            "FROM statements s JOIN texts h ON h.id = s.header JOIN texts t ON t.id = s.text ",
            "LEFT JOIN texts k ON k.id = s.known ",
            $condition,
            " ORDER BY s.id"
        )
    };
}
pub(super) const ALL: &str = select!("");
pub(super) const OF_ORIGIN: &str = select!("WHERE s.origin = ?1");
pub(super) const ONE: &str = select!("WHERE s.id = ?1");
pub(super) const BY_KEY: &str = "SELECT id FROM statements WHERE key = ?1 ORDER BY id LIMIT 1";

impl RunStore {
    /// The number of the next new statement.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn next_statement_id(&self) -> Result<StatementId> {
        let find = || {
            let mut query =
                self.connection.prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM statements")?;
            query.query_row([], |row| row.get(0))
        };
        find().map_err(|error| self.of(error))
    }

    /// The statement with this key; of several the one with the lowest number.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn find(&self, key: &[u8; 32]) -> Result<Option<StatementId>> {
        let find = || {
            let mut query = self.connection.prepare_cached(BY_KEY)?;
            query.query_row([key], |row| row.get(0)).optional()
        };
        find().map_err(|error| self.of(error))
    }

    /// All statements, or all of one origin, by number.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn statements(&self, origin: Option<Origin>) -> Result<Vec<Statement>> {
        let find = || -> rusqlite::Result<Vec<_>> {
            match origin {
                None => self.connection.prepare_cached(ALL)?.query_map([], of_row)?.collect(),
                Some(origin) => {
                    self.connection.prepare_cached(OF_ORIGIN)?.query_map([origin.name()], of_row)?.collect()
                }
            }
        };
        find().map_err(|error| self.of(error))
    }

    /// One statement.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn statement(&self, id: StatementId) -> Result<Option<Statement>> {
        let find = || self.connection.prepare_cached(ONE)?.query_row([id], of_row).optional();
        find().map_err(|error| self.of(error))
    }
}

pub(super) fn insert(connection: &Connection, statement: &Statement) -> rusqlite::Result<()> {
    let header = texts::keep(connection, &statement.header)?;
    let text = texts::keep(connection, &statement.text)?;
    let known = statement.known.as_deref().map(|known| texts::keep(connection, known)).transpose()?;
    let lineage = statement.lineage.as_ref();
    connection
        .prepare_cached("INSERT INTO statements VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?
        .execute(params![
            statement.id,
            statement.key,
            statement.name,
            header,
            text,
            statement.origin.name(),
            statement.split.map(Split::name),
            known,
            lineage.map(|lineage| lineage.iteration),
            lineage.map(|lineage| lineage.seed),
            lineage.map(|lineage| lineage.lemma.as_str()),
            lineage.map(|lineage| lineage.level),
        ])?;
    Ok(())
}

/// Reads a row of [`ALL`] and its like.
pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Statement> {
    let lineage = match row.get(8)? {
        None => None,
        Some(iteration) => {
            Some(Lineage { iteration, seed: row.get(9)?, lemma: row.get(10)?, level: row.get(11)? })
        }
    };
    Ok(Statement {
        id: row.get(0)?,
        key: row.get(1)?,
        name: row.get(2)?,
        header: row.get(3)?,
        text: row.get(4)?,
        origin: row.get(5)?,
        split: row.get::<_, Option<SplitName>>(6)?.map(|SplitName(split)| split),
        known: row.get(7)?,
        lineage,
    })
}

impl FromSql for Origin {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

struct SplitName(Split);

impl FromSql for SplitName {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Split::from_name(value.as_str()?).map(Self).ok_or(FromSqlError::InvalidType)
    }
}
