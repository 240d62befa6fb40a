//! The store of an evaluation: problems, their samples, and what the verifier said of each different one.
//!
//! As in a run's store, a sample is drawn once and a verdict stays; whatever moment `kill -9` comes at, what is there is
//! gone on with. A candidate is one text, read in one way, for one problem, however
//! often it was sampled, and has at most one verdict.
//! Nothing but what is asked for is held in memory: a million samples are a file.

use super::error::{Result, StoreError};
use super::later_turns;
use super::records::VerdictRecord;
use super::schema::{self, Layout};
use super::texts::{figure, of_figure};
use super::verdicts::of_row;
use crate::problem::Parts;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// "plev".
const LAYOUT: Layout = Layout { application: 0x706c_6576, format: 1, tables: TABLES };

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE problems (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    split TEXT NOT NULL,
    category TEXT,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    problem INTEGER NOT NULL REFERENCES problems,
    form TEXT NOT NULL,
    completion TEXT NOT NULL,
    verdict TEXT,
    reason TEXT,
    assurance TEXT,
    message TEXT,
    wall_ms INTEGER,
    cpu_ms INTEGER,
    peak_memory_bytes INTEGER
) STRICT;
CREATE INDEX candidates_without_verdict ON candidates (id) WHERE verdict IS NULL;
CREATE TABLE samples (
    problem INTEGER NOT NULL REFERENCES problems,
    sample INTEGER NOT NULL,
    candidate INTEGER NOT NULL REFERENCES candidates,
    tokens INTEGER,
    finish TEXT,
    PRIMARY KEY (problem, sample)
) WITHOUT ROWID, STRICT;
";

/// A problem as an evaluation keeps it. Its number is its place in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluatedProblem {
    /// Unique in the evaluation.
    pub name: String,
    /// The part of its data set.
    pub split: String,
    /// What a breakdown groups it by.
    pub category: Option<String>,
    /// What is asked, to be shown.
    pub text: String,
}

/// A sample to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSample<'a> {
    /// The problem's number.
    pub problem: u32,
    /// From 0, for each problem.
    pub sample: u32,
    /// How it is to be read: a stable name of the caller's.
    pub form: &'a str,
    /// What the generator wrote, all of it.
    pub completion: &'a str,
    /// Tokens of it, where that is known.
    pub tokens: Option<u32>,
    /// Why it ends, where that is known.
    pub finish: Option<&'a str>,
}

/// A candidate that has no verdict yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCandidate {
    /// Its number in the store.
    pub id: i64,
    /// The problem's number.
    pub problem: u32,
    /// How it is to be read.
    pub form: String,
    /// What the generator wrote.
    pub completion: String,
}

/// A sample as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSample {
    /// The problem's number.
    pub problem: u32,
    /// From 0, for each problem.
    pub sample: u32,
    /// What the generator wrote.
    pub completion: String,
    /// Tokens of it.
    pub tokens: Option<u32>,
    /// Why it ends.
    pub finish: Option<String>,
    /// What the verifier said; `None` as long as it has said nothing.
    pub verdict: Option<VerdictRecord>,
}

/// What there is of a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemTally {
    /// The problem.
    pub problem: EvaluatedProblem,
    /// Samples that are there.
    pub samples: u32,
    /// Of these, with a verdict.
    pub judged: u32,
    /// Of these, accepted.
    pub accepted: u32,
    /// Tokens of all samples, as far as they are known.
    pub tokens: u64,
    /// CPU time of the verdicts, each different candidate once.
    pub cpu_ms: u64,
}

/// How often something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictCount {
    /// The verdict's stable name; `None` for samples that have none yet.
    pub verdict: Option<String>,
    /// The class of a rejection, or the words of a failure.
    pub reason: Option<String>,
    /// Samples.
    pub samples: u64,
}

/// The store of one evaluation. One process at a time writes; others may read meanwhile.
#[derive(Debug)]
pub struct EvaluationStore {
    connection: Connection,
    path: PathBuf,
}

impl EvaluationStore {
    /// Makes a new store, without problems: see [`Self::add_problems`]. The file is there only when it is whole.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`]; the file can't be made.
    pub fn create(path: &Path) -> Result<Self> {
        schema::make(path, &LAYOUT)?;
        Self::open(path)
    }

    /// Opens a store to read and write.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::NotAStore`], [`StoreError::Format`], [`StoreError::Locked`]; it can't be
    /// opened.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = schema::open(path, &LAYOUT, true)?;
        connection.execute_batch(later_turns::TABLE).map_err(|error| StoreError::of(path, error))?;
        Ok(Self { connection, path: path.to_path_buf() })
    }

    /// Opens a store to read, also while an evaluation writes to it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_read_only(path: &Path) -> Result<Self> {
        Ok(Self { connection: schema::open(path, &LAYOUT, false)?, path: path.to_path_buf() })
    }

    /// A fact of the evaluation as a whole.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        let mut query = self.prepare("SELECT value FROM meta WHERE key = ?1")?;
        query.query_row([key], |row| row.get(0)).optional().map_err(|error| self.of(error))
    }

    /// Sets, or replaces, a fact of the evaluation as a whole.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        let mut insert = self.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
        insert.execute(params![key, value]).map(|_one| ()).map_err(|error| self.of(error))
    }

    /// Keeps the problems, if there are none yet: all or nothing.
    ///
    /// # Errors
    /// Two have one name ([`StoreError::Refused`]); the store can't be written.
    pub fn add_problems(&mut self, problems: &[EvaluatedProblem]) -> Result<()> {
        let path = self.path.clone();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| StoreError::of(&path, error))?;
        let count: i64 = transaction
            .query_row("SELECT count(*) FROM problems", [], |row| row.get(0))
            .map_err(|error| StoreError::of(&path, error))?;
        if count > 0 {
            return Ok(());
        }
        for (id, problem) in (0_i64..).zip(problems) {
            transaction
                .execute(
                    "INSERT INTO problems VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![id, problem.name, problem.split, problem.category, problem.text],
                )
                .map_err(|error| {
                    StoreError::of_record(&path, || format!("the problem `{}`", problem.name), error)
                })?;
        }
        transaction.commit().map_err(|error| StoreError::of(&path, error))
    }

    /// Keeps samples, in one transaction. One that is there stays as it is.
    ///
    /// # Errors
    /// A sample names no problem; the store can't be written. Then none is kept.
    pub fn add_samples(&mut self, samples: &[NewSample<'_>]) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let write = || {
            let transaction = transaction?;
            samples.iter().try_for_each(|sample| insert(&transaction, sample))?;
            transaction.commit()
        };
        write().map_err(|error| StoreError::of_record(&self.path, || "a sample".to_owned(), error))
    }

    /// The samples of each problem that are wanted and not there, as ranges: a problem that has all is not in the list.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn missing(&self, wanted: u32) -> Result<Vec<(u32, Vec<Range<u32>>)>> {
        let read = || {
            let ids = "SELECT id FROM problems ORDER BY id";
            let ids: Vec<u32> = self
                .connection
                .prepare(ids)?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let there = "SELECT sample FROM samples WHERE problem = ?1 AND sample < ?2 ORDER BY sample";
            let mut query = self.connection.prepare(there)?;
            let mut missing = Vec::new();
            for id in ids {
                let there = query
                    .query_map([id, wanted], |row| row.get(0))?
                    .collect::<rusqlite::Result<Vec<u32>>>()?;
                let gaps = gaps(&there, wanted);
                if !gaps.is_empty() {
                    missing.push((id, gaps));
                }
            }
            Ok(missing)
        };
        read().map_err(|error: rusqlite::Error| self.of(error))
    }

    /// The next candidates without a verdict, in the order in which they came: those behind number `after`, at most
    /// `limit`.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn open_candidates(&self, after: i64, limit: u32) -> Result<Vec<OpenCandidate>> {
        let mut query = self.prepare(
            "SELECT id, problem, form, completion FROM candidates WHERE verdict IS NULL AND id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let read = |row: &Row<'_>| {
            Ok(OpenCandidate {
                id: row.get(0)?,
                problem: row.get(1)?,
                form: row.get(2)?,
                completion: row.get(3)?,
            })
        };
        let rows = query.query_map(params![after, limit], read).map_err(|error| self.of(error))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.of(error))
    }

    /// How many candidates have no verdict.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn open_count(&self) -> Result<u64> {
        self.count("SELECT count(*) FROM candidates WHERE verdict IS NULL")
    }

    /// How many samples there are.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn sample_count(&self) -> Result<u64> {
        self.count("SELECT count(*) FROM samples")
    }

    /// Records verdicts, in one transaction. A candidate that has one keeps it.
    ///
    /// # Errors
    /// The store can't be written; then none is.
    pub fn add_verdicts(&mut self, verdicts: &[(i64, VerdictRecord)]) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let write = || {
            let transaction = transaction?;
            for (id, record) in verdicts {
                transaction
                    .prepare_cached(
                        "UPDATE candidates SET verdict = ?2, reason = ?3, assurance = ?4, message = ?5, wall_ms = ?6, \
                         cpu_ms = ?7, peak_memory_bytes = ?8 WHERE id = ?1 AND verdict IS NULL",
                    )?
                    .execute(params![
                        id,
                        record.verdict,
                        record.reason,
                        record.assurance,
                        record.message,
                        figure(record.wall_ms),
                        figure(record.cpu_ms),
                        figure(record.peak_memory_bytes),
                    ])?;
            }
            transaction.commit()
        };
        write().map_err(|error| StoreError::of(&self.path, error))
    }

    /// What there is of each problem, in their order.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn tallies(&self) -> Result<Vec<ProblemTally>> {
        let mut query = self.prepare(
            "SELECT p.name, p.split, p.category, p.text, count(s.sample), count(c.verdict), \
             coalesce(sum(c.verdict = 'accepted'), 0), coalesce(sum(s.tokens), 0), \
             (SELECT coalesce(sum(cpu_ms), 0) FROM candidates WHERE id IN \
                (SELECT candidate FROM samples WHERE problem = p.id)) \
             FROM problems p LEFT JOIN samples s ON s.problem = p.id LEFT JOIN candidates c ON c.id = s.candidate \
             GROUP BY p.id ORDER BY p.id",
        )?;
        let read = |row: &Row<'_>| {
            let problem = EvaluatedProblem {
                name: row.get(0)?,
                split: row.get(1)?,
                category: row.get(2)?,
                text: row.get(3)?,
            };
            let (samples, judged, accepted) = (row.get(4)?, row.get(5)?, row.get(6)?);
            let (tokens, cpu_ms) = (of_figure(row.get(7)?), of_figure(row.get(8)?));
            Ok(ProblemTally { problem, samples, judged, accepted, tokens, cpu_ms })
        };
        let rows = query.query_map([], read).map_err(|error| self.of(error))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.of(error))
    }

    /// Samples by verdict and reason, the most frequent first.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn verdict_counts(&self) -> Result<Vec<VerdictCount>> {
        let mut query = self.prepare(
            "SELECT c.verdict, c.reason, count(*) AS n FROM samples s JOIN candidates c ON c.id = s.candidate \
             GROUP BY 1, 2 ORDER BY n DESC, 1, 2",
        )?;
        let read = |row: &Row<'_>| {
            Ok(VerdictCount { verdict: row.get(0)?, reason: row.get(1)?, samples: of_figure(row.get(2)?) })
        };
        let rows = query.query_map([], read).map_err(|error| self.of(error))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.of(error))
    }

    /// Calls `take` with every sample, by problem and number. What it fails with ends the walk.
    ///
    /// # Errors
    /// The store can't be read (converted into `E`); what `take` failed with.
    pub fn each_sample<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(KeptSample) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut query = self.prepare(
            "SELECT s.problem, s.sample, c.completion, s.tokens, s.finish, c.verdict, c.reason, c.assurance, \
             c.message, c.wall_ms, c.cpu_ms, c.peak_memory_bytes FROM samples s JOIN candidates c ON c.id = s.candidate \
             ORDER BY s.problem, s.sample",
        )?;
        let of = |error| E::from(self.of(error));
        let mut rows = query.query([]).map_err(of)?;
        while let Some(row) = rows.next().map_err(of)? {
            take(kept(row).map_err(of)?)?;
        }
        Ok(())
    }

    fn count(&self, sql: &str) -> Result<u64> {
        let mut query = self.prepare(sql)?;
        query.query_row([], |row| row.get(0)).map(of_figure).map_err(|error| self.of(error))
    }

    /// To write, and the file for errors.
    pub(super) fn parts(&mut self) -> (&mut Connection, &Path) {
        (&mut self.connection, &self.path)
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>> {
        self.connection.prepare_cached(sql).map_err(|error| self.of(error))
    }

    /// An error of SQLite's with the file's name.
    pub(super) fn of(&self, error: rusqlite::Error) -> StoreError {
        StoreError::of(&self.path, error)
    }
}

fn insert(connection: &Connection, sample: &NewSample<'_>) -> rusqlite::Result<()> {
    let candidate = candidate(connection, (sample.problem, sample.form, sample.completion))?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO samples VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![sample.problem, sample.sample, candidate, sample.tokens, sample.finish])?;
    Ok(())
}

/// The number of a candidate, which is kept if it was not yet.
pub(super) fn candidate(
    connection: &Connection,
    (problem, form, completion): (u32, &str, &str),
) -> rusqlite::Result<i64> {
    let mut parts = Parts::new("proofloop-evaluated-candidate-v1");
    parts.texts(&[&problem.to_string(), form, completion]);
    let key = parts.finish();
    let known = connection
        .prepare_cached("SELECT id FROM candidates WHERE key = ?1")?
        .query_row([key], |row| row.get::<_, i64>(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => connection
            .prepare_cached(
                "INSERT INTO candidates (key, problem, form, completion) VALUES (?1, ?2, ?3, ?4)",
            )?
            .insert(params![key, problem, form, completion]),
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<KeptSample> {
    let has_verdict = row.get::<_, Option<String>>(5)?.is_some();
    Ok(KeptSample {
        problem: row.get(0)?,
        sample: row.get(1)?,
        completion: row.get(2)?,
        tokens: row.get(3)?,
        finish: row.get(4)?,
        verdict: if has_verdict { Some(of_row(row, 5)?) } else { None },
    })
}

/// What is missing of `0..wanted`; `there` is in order.
fn gaps(there: &[u32], wanted: u32) -> Vec<Range<u32>> {
    let mut gaps = Vec::new();
    let mut next = 0;
    for &sample in there.iter().chain([&wanted]) {
        if next < sample {
            gaps.push(next..sample);
        }
        next = sample + 1;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str) -> EvaluatedProblem {
        EvaluatedProblem {
            name: name.to_owned(),
            split: "test".to_owned(),
            category: None,
            text: "1 = 1".to_owned(),
        }
    }

    fn sample(problem: u32, sample: u32, completion: &str) -> NewSample<'_> {
        NewSample { problem, sample, form: "completion", completion, tokens: Some(3), finish: Some("stop") }
    }

    fn verdict(verdict: &str) -> VerdictRecord {
        VerdictRecord {
            verdict: verdict.to_owned(),
            reason: None,
            assurance: None,
            message: None,
            wall_ms: 1,
            cpu_ms: 20,
            peak_memory_bytes: 0,
        }
    }

    fn store(folder: &Path) -> EvaluationStore {
        let mut store = EvaluationStore::create(&folder.join("evaluation.sqlite")).expect("a new store");
        store.add_problems(&[problem("a"), problem("b")]).expect("writes");
        store
    }

    #[test]
    fn equal_samples_of_a_problem_are_one_candidate_and_of_two_problems_are_two() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store(folder.path());
        let samples = [sample(0, 0, "rfl"), sample(0, 1, "rfl"), sample(1, 0, "rfl"), sample(0, 2, "simp")];
        store.add_samples(&samples).expect("writes");
        store.add_samples(&samples).expect("a second time changes nothing");
        assert_eq!((store.sample_count().expect("reads"), store.open_count().expect("reads")), (4, 3));
        let open = store.open_candidates(0, 10).expect("reads");
        let texts: Vec<_> = open.iter().map(|one| (one.problem, one.completion.as_str())).collect();
        assert_eq!(texts, [(0, "rfl"), (1, "rfl"), (0, "simp")]);
        store.add_verdicts(&[(open[0].id, verdict("accepted"))]).expect("writes");
        store.add_verdicts(&[(open[0].id, verdict("rejected"))]).expect("the first one stays");
        let tallies = store.tallies().expect("reads");
        let counts: Vec<_> = tallies
            .iter()
            .map(|one| (one.samples, one.judged, one.accepted, one.tokens, one.cpu_ms))
            .collect();
        assert_eq!(counts, [(3, 2, 2, 9, 20), (1, 0, 0, 3, 0)]);
        assert_eq!(store.open_candidates(open[0].id, 1).expect("reads"), open[1..2]);
        let counts = store.verdict_counts().expect("reads");
        let counts: Vec<_> = counts.iter().map(|one| (one.verdict.as_deref(), one.samples)).collect();
        assert_eq!(counts, [(None, 2), (Some("accepted"), 2)]);
    }

    #[test]
    fn what_is_missing_are_the_gaps() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store(folder.path());
        let samples: Vec<_> = [0, 1, 4].map(|number| sample(0, number, "x")).to_vec();
        store.add_samples(&samples).expect("writes");
        let missing = |wanted| -> Vec<(u32, Vec<(u32, u32)>)> {
            let ends = |gap: Range<u32>| (gap.start, gap.end);
            let all = store.missing(wanted).expect("reads").into_iter();
            all.map(|(problem, gaps)| (problem, gaps.into_iter().map(ends).collect())).collect()
        };
        assert_eq!(missing(6), [(0, vec![(2, 4), (5, 6)]), (1, vec![(0, 6)])]);
        assert_eq!(missing(2), [(1, vec![(0, 2)])]);
        assert_eq!(gaps(&[], 0), []);
    }

    #[test]
    fn samples_come_back_in_order_and_problems_are_kept_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store(folder.path());
        store.add_problems(&[problem("other")]).expect("they are there already");
        store.add_samples(&[sample(1, 1, "z"), sample(1, 0, "y"), sample(0, 0, "x")]).expect("writes");
        let mut seen = Vec::new();
        store
            .each_sample(|one| {
                seen.push((one.problem, one.sample, one.completion, one.verdict));
                Ok::<(), StoreError>(())
            })
            .expect("reads");
        let expected = [(0, 0, "x"), (1, 0, "y"), (1, 1, "z")];
        assert_eq!(seen, expected.map(|(problem, sample, text)| (problem, sample, text.to_owned(), None)));
        let names: Vec<_> = store.tallies().expect("reads").into_iter().map(|one| one.problem.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_name_used_twice_and_a_sample_of_no_problem_are_refused_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = EvaluationStore::create(&folder.path().join("s.sqlite")).expect("a new store");
        let error = store.add_problems(&[problem("a"), problem("a")]).expect_err("twice").to_string();
        assert!(error.ends_with("refuses the problem `a`"), "{error}");
        assert!(store.tallies().expect("reads").is_empty());
        store.add_problems(&[problem("a")]).expect("writes");
        assert!(store.add_samples(&[sample(0, 0, "x"), sample(7, 0, "x")]).is_err());
        assert_eq!(store.sample_count().expect("reads"), 0);
    }

    #[test]
    fn a_run_s_store_is_no_evaluation() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.sqlite");
        drop(super::super::RunStore::create(&path).expect("a new store"));
        assert!(matches!(EvaluationStore::open(&path), Err(StoreError::NotAStore { .. })));
    }
}
