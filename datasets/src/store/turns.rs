//! Turns: what a model wrote again and again for one problem, each time knowing what was said of the time before.
//!
//! A trajectory is the turns of one (stage, iteration, statement, sample), from 0 on. The table came later than the others: a
//! store that was made without it gets it when it is opened to be written to.

use super::error::Result;
use super::records::{CandidateId, StatementId, VerdictRecord};
use super::{RunStore, texts, verdicts};
use rusqlite::{Connection, Row, params};

pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS turns (
    stage TEXT NOT NULL,
    iteration INTEGER NOT NULL,
    statement INTEGER NOT NULL REFERENCES statements,
    sample INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    text INTEGER NOT NULL REFERENCES texts,
    candidate INTEGER REFERENCES candidates,
    shown INTEGER REFERENCES candidates,
    tokens INTEGER NOT NULL,
    read_tokens INTEGER NOT NULL,
    finish TEXT NOT NULL,
    PRIMARY KEY (stage, iteration, statement, sample, turn)
) WITHOUT ROWID, STRICT;
";

const ALL: &str = "SELECT u.stage, u.iteration, u.statement, u.sample, u.turn, t.text, u.tokens, u.read_tokens, u.finish, \
    u.candidate IS NOT NULL, c.verdict, c.reason, c.assurance, c.message, c.wall_ms, c.cpu_ms, c.peak_memory_bytes, \
    u.shown IS NOT NULL, s.verdict, s.reason, s.assurance, s.message, s.wall_ms, s.cpu_ms, s.peak_memory_bytes \
    FROM turns u JOIN texts t ON t.id = u.text LEFT JOIN candidates c ON c.id = u.candidate \
    LEFT JOIN candidates s ON s.id = u.shown \
    WHERE (?1 IS NULL OR u.stage = ?1) AND u.iteration BETWEEN ?2 AND ?3 \
    ORDER BY u.stage, u.iteration, u.statement, u.sample, u.turn";

/// A turn as a stage writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTurn {
    /// The stage that drew it.
    pub stage: String,
    /// Of the stage.
    pub iteration: u32,
    /// What it answers.
    pub statement: StatementId,
    /// The trajectory.
    pub sample: u32,
    /// From 0.
    pub turn: u32,
    /// What the model wrote.
    pub text: String,
    /// What was judged of it; none where it holds no answer.
    pub candidate: Option<CandidateId>,
    /// The same with the shown tests alone, where a problem has hidden ones: what feedback may be made of.
    pub shown: Option<CandidateId>,
    /// Tokens written.
    pub tokens: u32,
    /// Tokens of the prompt.
    pub read_tokens: u32,
    /// Why it ends there, by its stable name.
    pub finish: String,
}

/// A turn with what was said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// See [`NewTurn::stage`].
    pub stage: String,
    /// See [`NewTurn::iteration`].
    pub iteration: u32,
    /// See [`NewTurn::statement`].
    pub statement: StatementId,
    /// See [`NewTurn::sample`].
    pub sample: u32,
    /// See [`NewTurn::turn`].
    pub turn: u32,
    /// See [`NewTurn::text`].
    pub text: String,
    /// See [`NewTurn::tokens`].
    pub tokens: u32,
    /// See [`NewTurn::read_tokens`].
    pub read_tokens: u32,
    /// See [`NewTurn::finish`].
    pub finish: String,
    /// Of [`NewTurn::candidate`].
    pub verdict: Option<VerdictRecord>,
    /// Of [`NewTurn::shown`].
    pub shown: Option<VerdictRecord>,
}

impl Turn {
    /// Whether the verifier accepted it.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.verdict.as_ref().is_some_and(VerdictRecord::is_accepted)
    }
}

impl RunStore {
    /// The turns of a stage in an iteration, by (statement, sample, turn).
    ///
    /// # Errors
    /// The store can't be read.
    pub fn turns(&self, stage: &str, iteration: u32) -> Result<Vec<Turn>> {
        let mut turns = Vec::new();
        self.each(ALL, params![stage, iteration, iteration], of_row, &mut |turn| {
            turns.push(turn);
            Ok::<_, super::StoreError>(())
        })?;
        Ok(turns)
    }

    /// Hands every turn of the run over, by (stage, iteration, statement, sample, turn). None where the store was made
    /// without turns.
    ///
    /// # Errors
    /// The store can't be read; what `sink` says.
    pub fn each_turn(&self, sink: &mut dyn FnMut(Turn) -> Result<()>) -> Result<()> {
        let table = "SELECT count(*) FROM sqlite_schema WHERE name = 'turns'";
        let tables: i64 =
            self.connection.query_row(table, [], |row| row.get(0)).map_err(|error| self.of(error))?;
        if tables == 0 {
            return Ok(());
        }
        self.each(ALL, params![Option::<&str>::None, 0, u32::MAX], of_row, sink)
    }
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Turn> {
    let verdict = |there: usize| -> rusqlite::Result<Option<VerdictRecord>> {
        if row.get(there)? { verdicts::of_row(row, there + 1).map(Some) } else { Ok(None) }
    };
    Ok(Turn {
        stage: row.get(0)?,
        iteration: row.get(1)?,
        statement: row.get(2)?,
        sample: row.get(3)?,
        turn: row.get(4)?,
        text: row.get(5)?,
        tokens: row.get(6)?,
        read_tokens: row.get(7)?,
        finish: row.get(8)?,
        verdict: verdict(9)?,
        shown: verdict(17)?,
    })
}

pub(super) fn insert(connection: &Connection, turn: &NewTurn) -> rusqlite::Result<()> {
    let text = texts::keep(connection, &turn.text)?;
    connection
        .prepare_cached("INSERT INTO turns VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?
        .execute(params![
            turn.stage,
            turn.iteration,
            turn.statement,
            turn.sample,
            turn.turn,
            text,
            turn.candidate,
            turn.shown,
            turn.tokens,
            turn.read_tokens,
            turn.finish,
        ])?;
    Ok(())
}
