//! The store of a run: one SQLite file with statements, verdicts, samples, conjectures, examples and stages.
//!
//! It knows nothing of verifiers or models: verdicts are recorded by their stable names. Two rules make a run
//! resumable at any moment, `kill -9` included:
//!
//! - a verdict is on disk before anybody hears of it ([`RunStore::add_verdict`]), and the first one stays,
//! - what a stage has made, and that it is finished, is one transaction ([`RunStore::finish_stage`]): a stage is done
//!   or not begun, and doing it again asks for verdicts that are there.
//!
//! What comes out is in an order that follows from what is in it, not from the order in which it came: candidates,
//! which arrive as workers finish, are numbered by arrival, and their numbers reach no result.
//!
//! | file | what |
//! |---|---|
//! | `schema.rs` | the tables, making and opening a file |
//! | `texts.rs` | long texts, each kept once |
//! | `statements.rs`, `verdicts.rs`, `stages.rs` | what is written one at a time, and a stage |
//! | `queries.rs`, `attempts.rs` | what is asked for selection, reports and exports |
//! | `turns.rs` | what was written again after feedback |
//! | `dump.rs` | everything as text, equal for equal runs |
//! | `evaluation.rs` | [`EvaluationStore`]: the same for an evaluation, in a file of its own |
//! | `later_turns.rs` | what an evaluation's samples were answered after feedback |
//! | `jobs.rs` | [`JobStore`]: the jobs of a server, in a file of their own |

mod attempts;
mod dump;
mod error;
mod evaluation;
mod jobs;
mod later_turns;
mod queries;
mod records;
pub(crate) mod schema;
mod stages;
mod statements;
#[cfg(test)]
mod tests;
mod texts;
mod turns;
mod verdicts;

pub use attempts::{Attempt, AttemptFilter, StageFilter};
pub use error::{Result, StoreError};
pub use evaluation::{
    EvaluatedProblem, EvaluationStore, KeptSample, NewSample, OpenCandidate, ProblemTally, VerdictCount,
};
pub use jobs::{Job, JobResult, JobState, JobStore, NewJob};
pub use later_turns::{NewLaterTurn, TurnTally, WrongAnswer};
pub use queries::LatestExample;
pub use records::{
    CandidateId, CandidateText, ConjectureRecord, ExampleRecord, Lineage, Origin, PassRate, Proof, Sample,
    SampledCandidate, StageKey, StageRecord, StageWrites, Statement, StatementId, VerdictRecord,
};
pub use turns::{NewTurn, Turn};

use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::{Path, PathBuf};

/// The store of one run. One process at a time writes; others may read meanwhile.
#[derive(Debug)]
pub struct RunStore {
    connection: Connection,
    path: PathBuf,
}

impl RunStore {
    /// Makes a new store. The file is there only when it is whole.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`]; the file can't be made.
    pub fn create(path: &Path) -> Result<Self> {
        schema::make(path, &schema::RUN)?;
        Self::open(path)
    }

    /// Opens a store to read and write.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::NotAStore`], [`StoreError::Format`], [`StoreError::Locked`]; it can't be
    /// opened.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = schema::open(path, &schema::RUN, true)?;
        connection.execute_batch(turns::TABLE).map_err(|error| StoreError::of(path, error))?;
        Ok(Self { connection, path: path.to_path_buf() })
    }

    /// Opens a store to read, also while a run writes to it.
    ///
    /// # Errors
    /// As [`RunStore::open`].
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let connection = schema::open(path, &schema::RUN, false)?;
        Ok(Self { connection, path: path.to_path_buf() })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A fact of the run as a whole.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        let find = || {
            let mut query = self.connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
            query.query_row([key], |row| row.get(0)).optional()
        };
        find().map_err(|error| self.of(error))
    }

    /// Sets, or replaces, a fact of the run as a whole. It is dumped: no times, no paths.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        let set = || {
            let mut insert =
                self.connection.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
            insert.execute(params![key, value])
        };
        set().map(|_one| ()).map_err(|error| self.of(error))
    }

    /// An error of SQLite's with the file's name.
    fn of(&self, error: rusqlite::Error) -> StoreError {
        StoreError::of(&self.path, error)
    }
}
