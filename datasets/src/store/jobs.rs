//! The store of a server's jobs: what was asked for, and each answer as it became known.
//!
//! A job that was accepted is on disk, and so is each answer before anybody hears of it; the first answer to an item
//! stays. So whatever moment `kill -9` comes at, the next server goes on with the items that have none.

use super::error::{Result, StoreError};
use super::schema::{self, Layout};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use std::path::{Path, PathBuf};

/// "pljb".
const LAYOUT: Layout = Layout { application: 0x706c_6a62, format: 1, tables: TABLES };

const TABLES: &str = "
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    idempotency_key TEXT,
    body TEXT NOT NULL,
    items INTEGER NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'cancelled')),
    UNIQUE (client, idempotency_key)
) STRICT;
CREATE INDEX jobs_that_are_open ON jobs (created_unix_ms) WHERE state = 'open';
CREATE TABLE results (
    sequence INTEGER PRIMARY KEY,
    job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    item INTEGER NOT NULL,
    report TEXT NOT NULL,
    UNIQUE (job, item)
) STRICT;
CREATE INDEX results_of_a_job ON results (job, sequence);
";

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It has items without an answer.
    Open,
    /// Every item has its answer.
    Done,
    /// Its client gave it up.
    Cancelled,
}

impl JobState {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A job to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// Unique, and not to be guessed.
    pub id: &'a str,
    /// Who asks.
    pub client: &'a str,
    /// The client's own name for it: a second job of the client's under the same name is the first one.
    pub idempotency_key: Option<&'a str>,
    /// What is asked, as the caller reads it again.
    pub body: &'a str,
    /// How many answers it is to have.
    pub items: usize,
    /// When it came.
    pub created_unix_ms: u64,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// Who asked.
    pub client: String,
    /// Answers that it is to have,
    pub items: usize,
    /// and has.
    pub answered: usize,
    /// When it came.
    pub created_unix_ms: u64,
    /// Where it stands.
    pub state: JobState,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    /// Grows from answer to answer, over all jobs.
    pub sequence: u64,
    /// Which item, from 0.
    pub item: usize,
    /// The answer as it was given.
    pub report: String,
}

/// The store of a server's jobs. One process at a time writes.
#[derive(Debug)]
pub struct JobStore {
    connection: Connection,
    path: PathBuf,
}

impl JobStore {
    /// Opens the store, or makes it.
    ///
    /// # Errors
    /// [`StoreError`]: it can't be made or opened, or is something else.
    pub fn open(path: &Path) -> Result<Self> {
        match schema::make(path, &LAYOUT) {
            Ok(()) | Err(StoreError::AlreadyThere { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Self { connection: schema::open(path, &LAYOUT, true)?, path: path.to_path_buf() })
    }

    fn of(&self, error: rusqlite::Error) -> StoreError {
        StoreError::of(&self.path, error)
    }

    /// Keeps a job; when this returns, it is on disk. The name of the client's job with this idempotency key, if there is
    /// one already.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn add(&mut self, job: &NewJob<'_>) -> Result<Option<String>> {
        let path = self.path.clone();
        let mut add = || -> rusqlite::Result<Option<String>> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = transaction
                .prepare_cached("SELECT id FROM jobs WHERE client = ?1 AND idempotency_key = ?2")?
                .query_row(params![job.client, job.idempotency_key], |row| row.get(0))
                .optional()?;
            if known.is_none() {
                transaction
                    .prepare_cached(
                        "INSERT INTO jobs (id, client, idempotency_key, body, items, created_unix_ms, state)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open')",
                    )?
                    .execute(params![
                        job.id,
                        job.client,
                        job.idempotency_key,
                        job.body,
                        whole(job.items),
                        i64::try_from(job.created_unix_ms).unwrap_or(i64::MAX),
                    ])?;
            }
            transaction.commit()?;
            Ok(known)
        };
        add().map_err(|error| StoreError::of(&path, error))
    }

    /// A job by its name.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn get(&self, id: &str) -> Result<Option<Job>> {
        let mut query = self
            .connection
            .prepare_cached(&format!("{JOBS} WHERE id = ?1"))
            .map_err(|error| self.of(error))?;
        query.query_row([id], job_of_row).optional().map_err(|error| self.of(error))
    }

    /// A client's latest jobs, the last one first; everybody's, if `client` is `None`.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn latest(&self, client: Option<&str>, limit: usize) -> Result<Vec<Job>> {
        let read = || -> rusqlite::Result<Vec<Job>> {
            let order = "ORDER BY created_unix_ms DESC, id LIMIT ?2";
            let mut query =
                self.connection.prepare_cached(&format!("{JOBS} WHERE ?1 IS NULL OR client = ?1 {order}"))?;
            query.query_map(params![client, whole(limit)], job_of_row)?.collect()
        };
        read().map_err(|error| self.of(error))
    }

    /// The jobs with items that have no answer, the oldest first, with what was asked.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn open_jobs(&self) -> Result<Vec<(Job, String)>> {
        let read = || -> rusqlite::Result<Vec<(Job, String)>> {
            let mut query = self
                .connection
                .prepare_cached(&format!("{JOBS} WHERE state = 'open' ORDER BY created_unix_ms, id"))?;
            query.query_map([], |row| Ok((job_of_row(row)?, row.get("body")?)))?.collect()
        };
        read().map_err(|error| self.of(error))
    }

    /// The items of a job that have an answer.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn answered(&self, id: &str) -> Result<Vec<usize>> {
        let read = || -> rusqlite::Result<Vec<usize>> {
            let mut query =
                self.connection.prepare_cached("SELECT item FROM results WHERE job = ?1 ORDER BY item")?;
            query.query_map([id], |row| row.get::<_, i64>(0).map(of_whole))?.collect()
        };
        read().map_err(|error| self.of(error))
    }

    /// Keeps the answer to an item, if there is none yet; says whether it did. With the last answer the job is done.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn answer(&mut self, id: &str, item: usize, report: &str) -> Result<bool> {
        let path = self.path.clone();
        let mut answer = || -> rusqlite::Result<bool> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let added = transaction
                .prepare_cached("INSERT OR IGNORE INTO results (job, item, report) VALUES (?1, ?2, ?3)")?
                .execute(params![id, whole(item), report])?;
            transaction
                .prepare_cached(
                    "UPDATE jobs SET state = 'done' WHERE id = ?1 AND state = 'open'
                     AND items = (SELECT count(*) FROM results WHERE job = ?1)",
                )?
                .execute([id])?;
            transaction.commit()?;
            Ok(added > 0)
        };
        answer().map_err(|error| StoreError::of(&path, error))
    }

    /// Gives a job up, if it is open; says whether it was.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn cancel(&mut self, id: &str) -> Result<bool> {
        self.connection
            .execute("UPDATE jobs SET state = 'cancelled' WHERE id = ?1 AND state = 'open'", [id])
            .map(|changed| changed > 0)
            .map_err(|error| self.of(error))
    }

    /// Answers of a job behind a sequence number, at most so many, in the order in which they came.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn results(&self, id: &str, after: u64, limit: usize) -> Result<Vec<JobResult>> {
        let read = || -> rusqlite::Result<Vec<JobResult>> {
            let mut query = self.connection.prepare_cached(
                "SELECT sequence, item, report FROM results WHERE job = ?1 AND sequence > ?2
                 ORDER BY sequence LIMIT ?3",
            )?;
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let rows = query.query_map(params![id, after, whole(limit)], |row| {
                let sequence = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
                Ok(JobResult { sequence, item: of_whole(row.get(1)?), report: row.get(2)? })
            })?;
            rows.collect()
        };
        read().map_err(|error| self.of(error))
    }

    /// Forgets the jobs that are not open and came before a time; how many that were.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn forget_before(&mut self, unix_ms: u64) -> Result<usize> {
        let before = i64::try_from(unix_ms).unwrap_or(i64::MAX);
        self.connection
            .execute("DELETE FROM jobs WHERE state <> 'open' AND created_unix_ms < ?1", [before])
            .map_err(|error| self.of(error))
    }
}

const JOBS: &str = "SELECT id, client, items, created_unix_ms, state, body,
    (SELECT count(*) FROM results WHERE job = id) AS answered FROM jobs";

fn job_of_row(row: &Row<'_>) -> rusqlite::Result<Job> {
    let state: String = row.get("state")?;
    Ok(Job {
        id: row.get("id")?,
        client: row.get("client")?,
        items: of_whole(row.get("items")?),
        answered: of_whole(row.get("answered")?),
        created_unix_ms: u64::try_from(row.get::<_, i64>("created_unix_ms")?).unwrap_or_default(),
        state: match state.as_str() {
            "done" => JobState::Done,
            "cancelled" => JobState::Cancelled,
            // The table holds no other.
            _ => JobState::Open,
        },
    })
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn of_whole(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, JobStore) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = JobStore::open(&directory.path().join("jobs.sqlite")).expect("opens");
        (directory, store)
    }

    fn job<'a>(id: &'a str, key: Option<&'a str>) -> NewJob<'a> {
        NewJob { id, client: "c", idempotency_key: key, body: "{}", items: 2, created_unix_ms: 7 }
    }

    #[test]
    fn a_job_is_done_with_its_last_answer_and_the_first_answer_stays() {
        let (directory, mut store) = store();
        assert_eq!(store.add(&job("a", None)).expect("added"), None);
        assert!(store.answer("a", 1, "one").expect("kept"));
        assert!(!store.answer("a", 1, "another").expect("not kept"));
        assert_eq!(
            store.get("a").expect("read").map(|job| (job.state, job.answered)),
            Some((JobState::Open, 1))
        );
        drop(store);
        let mut store = JobStore::open(&directory.path().join("jobs.sqlite")).expect("opens again");
        assert_eq!(store.open_jobs().expect("read").len(), 1);
        assert_eq!(store.answered("a").expect("read"), [1]);
        assert!(store.answer("a", 0, "zero").expect("kept"));
        assert_eq!(store.get("a").expect("read").map(|job| job.state), Some(JobState::Done));
        let results = store.results("a", 0, 10).expect("read");
        let told: Vec<_> = results.iter().map(|result| (result.item, result.report.as_str())).collect();
        assert_eq!(told, [(1, "one"), (0, "zero")]);
        assert_eq!(store.results("a", results[0].sequence, 10).expect("read").len(), 1);
        assert!(!store.cancel("a").expect("done is done"));
    }

    #[test]
    fn a_client_names_a_job_once() {
        let (_directory, mut store) = store();
        assert_eq!(store.add(&job("a", Some("k"))).expect("added"), None);
        assert_eq!(store.add(&job("b", Some("k"))).expect("known"), Some("a".to_owned()));
        assert_eq!(store.add(&NewJob { client: "d", ..job("c", Some("k")) }).expect("another's"), None);
        assert_eq!(store.add(&job("e", None)).expect("no name"), None);
        assert_eq!(store.add(&job("f", None)).expect("no name"), None);
        assert_eq!(store.latest(Some("c"), 10).expect("read").len(), 3);
        assert_eq!(store.latest(None, 2).expect("read").len(), 2);
    }

    #[test]
    fn what_is_open_is_not_forgotten() {
        let (_directory, mut store) = store();
        store.add(&job("a", None)).expect("added");
        store.add(&job("b", None)).expect("added");
        assert!(store.answer("b", 0, "x").expect("kept"));
        assert!(store.cancel("b").expect("cancelled"));
        assert_eq!(store.forget_before(100).expect("forgotten"), 1);
        assert_eq!(store.get("b").expect("read"), None);
        assert!(store.results("b", 0, 10).expect("read").is_empty());
        assert!(store.get("a").expect("read").is_some());
    }
}
