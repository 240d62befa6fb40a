//! Later turns of an evaluation's samples: what was answered after feedback on a wrong answer.
//!
//! The table came later than the others: a store that was made without it gets it when it is opened to be written to.

use super::error::{Result, StoreError};
use super::evaluation::{EvaluationStore, candidate};
use super::records::VerdictRecord;
use super::texts::of_figure;
use super::verdicts::of_row;
use rusqlite::{Row, TransactionBehavior, params};

pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS turns (
    problem INTEGER NOT NULL REFERENCES problems,
    sample INTEGER NOT NULL,
    turn INTEGER NOT NULL CHECK (turn >= 1),
    candidate INTEGER NOT NULL REFERENCES candidates,
    tokens INTEGER,
    read_tokens INTEGER NOT NULL,
    finish TEXT,
    PRIMARY KEY (problem, sample, turn)
) WITHOUT ROWID, STRICT;
";

/// The last answer of a sample that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongAnswer {
    /// The problem's number.
    pub problem: u32,
    /// From 0.
    pub sample: u32,
    /// How it is read.
    pub form: String,
    /// What was sampled, or stood in a file.
    pub completion: String,
    /// What was said of it.
    pub verdict: VerdictRecord,
}

/// A later turn as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewLaterTurn<'a> {
    /// The problem's number.
    pub problem: u32,
    /// From 0.
    pub sample: u32,
    /// From 1.
    pub turn: u32,
    /// How it is to be read.
    pub form: &'a str,
    /// What was sampled.
    pub completion: &'a str,
    /// How many tokens were sampled, if that is known.
    pub tokens: Option<u32>,
    /// How many the prompt has; 0 where that is not known.
    pub read_tokens: u32,
    /// Why it ended, by its stable name.
    pub finish: Option<&'a str>,
}

/// What a problem's samples came to with their later turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnTally {
    /// First answers with a verdict.
    pub samples: u32,
    /// Of these, accepted ones.
    pub accepted: u32,
    /// First answers with a second one that has a verdict.
    pub tried: u32,
    /// Of these, those with an accepted later answer.
    pub refined: u32,
    /// Sampled in first answers.
    pub first_tokens: u64,
    /// Sampled in later ones.
    pub later_tokens: u64,
    /// In the prompts of later ones.
    pub later_read_tokens: u64,
}

impl EvaluationStore {
    /// Samples whose answer in turn `turn - 1` (0 is the first) is wrong, and which have none in turn `turn`.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn wrong_before(&self, turn: u32) -> Result<Vec<WrongAnswer>> {
        let before = if turn == 1 { "samples" } else { "turns" };
        let of_turn = if turn == 1 { "TRUE" } else { "s.turn = ?1 - 1" };
        let query = format!(
            "SELECT s.problem, s.sample, c.form, c.completion, c.verdict, c.reason, c.assurance, c.message, c.wall_ms, \
             c.cpu_ms, c.peak_memory_bytes FROM {before} s JOIN candidates c ON c.id = s.candidate \
             WHERE {of_turn} AND c.verdict IS NOT NULL AND c.verdict <> 'accepted' AND NOT EXISTS \
             (SELECT 1 FROM turns t WHERE t.problem = s.problem AND t.sample = s.sample AND t.turn = ?1) \
             ORDER BY s.problem, s.sample"
        );
        let mut query = self.prepare(&query)?;
        let read = |row: &Row<'_>| {
            Ok(WrongAnswer {
                problem: row.get(0)?,
                sample: row.get(1)?,
                form: row.get(2)?,
                completion: row.get(3)?,
                verdict: of_row(row, 4)?,
            })
        };
        let rows = query.query_map([turn], read).map_err(|error| self.of(error))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.of(error))
    }

    /// Keeps later turns, in one transaction; one that is there stays.
    ///
    /// # Errors
    /// The store can't be written; then none is.
    pub fn add_turns(&mut self, turns: &[NewLaterTurn<'_>]) -> Result<()> {
        let (connection, path) = self.parts();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let write = || {
            let transaction = transaction?;
            for turn in turns {
                let id = candidate(&transaction, (turn.problem, turn.form, turn.completion))?;
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO turns VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                    .execute(params![
                        turn.problem,
                        turn.sample,
                        turn.turn,
                        id,
                        turn.tokens,
                        turn.read_tokens,
                        turn.finish
                    ])?;
            }
            transaction.commit()
        };
        write().map_err(|error| StoreError::of_record(path, || "a later turn".to_owned(), error))
    }

    /// One for each problem, in their order; nothing where no later turn was drawn.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn turn_tallies(&self) -> Result<Vec<TurnTally>> {
        let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'turns')";
        let mut there = self.prepare(there)?;
        let has_table: bool = there.query_row([], |row| row.get(0)).map_err(|error| self.of(error))?;
        if !has_table {
            return Ok(Vec::new());
        }
        let mut query = self.prepare(
            "SELECT count(c.verdict), coalesce(sum(c.verdict = 'accepted'), 0), coalesce(sum(s.tokens), 0), \
             (SELECT count(*) FROM turns t JOIN candidates d ON d.id = t.candidate \
                WHERE t.problem = p.id AND t.turn = 1 AND d.verdict IS NOT NULL), \
             (SELECT count(DISTINCT t.sample) FROM turns t JOIN candidates d ON d.id = t.candidate \
                WHERE t.problem = p.id AND d.verdict = 'accepted'), \
             (SELECT coalesce(sum(t.tokens), 0) FROM turns t WHERE t.problem = p.id), \
             (SELECT coalesce(sum(t.read_tokens), 0) FROM turns t WHERE t.problem = p.id) \
             FROM problems p LEFT JOIN samples s ON s.problem = p.id LEFT JOIN candidates c ON c.id = s.candidate \
             GROUP BY p.id ORDER BY p.id",
        )?;
        let read = |row: &Row<'_>| {
            Ok(TurnTally {
                samples: row.get(0)?,
                accepted: row.get(1)?,
                first_tokens: of_figure(row.get(2)?),
                tried: row.get(3)?,
                refined: row.get(4)?,
                later_tokens: of_figure(row.get(5)?),
                later_read_tokens: of_figure(row.get(6)?),
            })
        };
        let rows = query.query_map([], read).map_err(|error| self.of(error))?;
        let all: Vec<TurnTally> = rows.collect::<rusqlite::Result<_>>().map_err(|error| self.of(error))?;
        Ok(if all.iter().any(|tally| tally.tried > 0) { all } else { Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EvaluatedProblem, NewSample};

    fn verdict(name: &str) -> VerdictRecord {
        VerdictRecord {
            verdict: name.to_owned(),
            reason: None,
            assurance: None,
            message: None,
            wall_ms: 1,
            cpu_ms: 1,
            peak_memory_bytes: 1,
        }
    }

    #[test]
    fn wrong_answers_get_turns_until_one_is_right() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = EvaluationStore::create(&directory.path().join("e.sqlite")).expect("a store");
        let problem = |name: &str| EvaluatedProblem {
            name: name.to_owned(),
            split: "test".to_owned(),
            category: None,
            text: String::new(),
        };
        store.add_problems(&[problem("a"), problem("b")]).expect("written");
        let sample = |problem, sample, completion| NewSample {
            problem,
            sample,
            form: "raw",
            completion,
            tokens: Some(10),
            finish: None,
        };
        store.add_samples(&[sample(0, 0, "x"), sample(0, 1, "y"), sample(1, 0, "z")]).expect("written");
        assert!(store.wrong_before(1).expect("read").is_empty(), "nothing is known of them");
        let judge = |store: &mut EvaluationStore, right: &str| {
            let open = store.open_candidates(0, 9).expect("read");
            let verdicts = open
                .iter()
                .map(|one| (one.id, verdict(if one.completion == right { "accepted" } else { "rejected" })));
            store.add_verdicts(&verdicts.collect::<Vec<_>>()).expect("written");
        };
        judge(&mut store, "y");
        assert!(store.turn_tallies().expect("read").is_empty(), "no later turn was drawn");
        let wrong = store.wrong_before(1).expect("read");
        assert_eq!(wrong.iter().map(|one| (one.problem, one.sample)).collect::<Vec<_>>(), [(0, 0), (1, 0)]);
        let turn = |problem, turn, completion| NewLaterTurn {
            problem,
            sample: 0,
            turn,
            form: "raw",
            completion,
            tokens: Some(7),
            read_tokens: 30,
            finish: None,
        };
        store.add_turns(&[turn(0, 1, "better"), turn(1, 1, "no better")]).expect("written");
        judge(&mut store, "better");
        let wrong = store.wrong_before(2).expect("read");
        assert_eq!(wrong.iter().map(|one| one.completion.as_str()).collect::<Vec<_>>(), ["no better"]);
        assert!(store.wrong_before(1).expect("read").is_empty());
        let first = TurnTally {
            samples: 2,
            accepted: 1,
            tried: 1,
            refined: 1,
            first_tokens: 20,
            later_tokens: 7,
            later_read_tokens: 30,
        };
        let second = TurnTally { samples: 1, accepted: 0, refined: 0, first_tokens: 10, ..first };
        assert_eq!(store.turn_tallies().expect("read"), [first, second]);
    }
}
