//! Everything that a run has found out, as text.

use super::error::{Result, StoreError};
use super::records::{ConjectureRecord, Origin, StageRecord, Statement};
use super::{RunStore, statements};
use rusqlite::Row;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write;

/// By content address, which says nothing of the order of arrival.
const CANDIDATES: &str = "SELECT lower(hex(c.address)), h.text, s.text, t.text, c.verdict, c.reason, c.assurance \
    FROM candidates c JOIN texts h ON h.id = c.header JOIN texts s ON s.id = c.statement \
    JOIN texts t ON t.id = c.completion ORDER BY c.address";
const SAMPLES: &str = "SELECT s.stage, s.iteration, s.statement, s.sample, lower(hex(c.address)), s.tokens, s.finish \
    FROM samples s JOIN candidates c ON c.id = s.candidate ORDER BY s.stage, s.iteration, s.statement, s.sample";

/// The verdict whose reason is one of a closed list.
const REJECTED: &str = "rejected";

/// What the names of members end in that tell of times, speeds and memory.
const RESOURCES: [&str; 8] =
    ["_ms", "_s", "_seconds", "_hours", "_per_second", "_per_hour", "memory_bytes", "busy"];

/// One line.
#[derive(Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Line<'a> {
    Meta {
        key: &'a str,
        value: &'a str,
    },
    Stage {
        iteration: u32,
        stage: &'a str,
        detail: Value,
    },
    Statement {
        id: i64,
        key: String,
        name: &'a str,
        header: &'a str,
        text: &'a str,
        origin: &'static str,
        split: Option<&'static str>,
        known: Option<&'a str>,
        lineage: Option<Origins<'a>>,
    },
    Conjecture {
        iteration: u32,
        ordinal: u32,
        seed: i64,
        lemma: &'a str,
        text: &'a str,
        outcome: &'a str,
        statement: Option<i64>,
    },
    Candidate {
        address: &'a str,
        header: &'a str,
        statement: &'a str,
        completion: &'a str,
        verdict: &'a str,
        reason: Option<&'a str>,
        assurance: Option<&'a str>,
    },
    Sample {
        stage: &'a str,
        iteration: u32,
        statement: i64,
        sample: u32,
        candidate: &'a str,
        tokens: u32,
        finish: &'a str,
    },
    Turn {
        stage: &'a str,
        iteration: u32,
        statement: i64,
        sample: u32,
        turn: u32,
        text: &'a str,
        verdict: Option<&'a str>,
        shown: Option<&'a str>,
        tokens: u32,
        read_tokens: u32,
        finish: &'a str,
    },
    Example {
        iteration: u32,
        ordinal: u32,
        role: &'a str,
        statement: i64,
        prompt: &'a str,
        completion: &'a str,
        weight: f64,
    },
}

/// A statement's lineage.
#[derive(Serialize)]
struct Origins<'a> {
    iteration: u32,
    seed: i64,
    lemma: &'a str,
    level: u32,
}

impl RunStore {
    /// Writes every fact of the run in a canonical order, one JSON object a line: meta, stages, statements, conjectures,
    /// candidates, samples, turns, examples. The numbers of candidates, times and resource figures are left out, so that two
    /// runs that did the same work have equal dumps, whatever interrupted them. In what a stage tells
    /// ([`StageWrites::detail`](super::StageWrites::detail)) members count as such figures whose names end in `_ms`,
    /// `_s`, `_seconds`, `_hours`, `_per_second`, `_per_hour`, `memory_bytes` or `busy` (a share of the time), however deep.
    /// Nor are messages, and the words of a failure: Lean numbers its metavariables by what stands in a file before.
    ///
    /// # Errors
    /// The store can't be read; `out` can't be written.
    pub fn dump(&self, out: &mut dyn Write) -> Result<()> {
        // One state of the store, whoever writes meanwhile.
        let snapshot = self.connection.unchecked_transaction().map_err(|error| self.of(error))?;
        self.dump_run(out)?;
        self.dump_statements(out)?;
        self.dump_candidates(out)?;
        self.dump_samples(out)?;
        self.each_turn(&mut |turn| self.dump_turn(out, &turn))?;
        self.dump_examples(out)?;
        snapshot.finish().map_err(|error| self.of(error))
    }

    fn line(&self, out: &mut dyn Write, line: &Line<'_>) -> Result<()> {
        let written = serde_json::to_writer(&mut *out, line).map_err(Into::into);
        written
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|source| StoreError::Dump { path: self.path.clone(), source })
    }

    fn dump_run(&self, out: &mut dyn Write) -> Result<()> {
        let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.each("SELECT key, value FROM meta ORDER BY key", [], pair, &mut |(key, value): (
            String,
            String,
        )| {
            self.line(out, &Line::Meta { key: &key, value: &value })
        })?;
        let mut stages = self.stages()?;
        stages.sort_by(|a, b| (a.iteration, &a.stage).cmp(&(b.iteration, &b.stage)));
        stages.iter().try_for_each(|StageRecord { iteration, stage, detail, wall_ms: _ }| {
            self.line(out, &Line::Stage { iteration: *iteration, stage, detail: facts(detail) })
        })
    }

    fn dump_statements(&self, out: &mut dyn Write) -> Result<()> {
        self.each(statements::ALL, [], statements::of_row, &mut |statement: Statement| {
            let lineage = statement.lineage.as_ref().map(|lineage| Origins {
                iteration: lineage.iteration,
                seed: lineage.seed,
                lemma: &lineage.lemma,
                level: lineage.level,
            });
            let line = Line::Statement {
                id: statement.id,
                key: blake3::Hash::from_bytes(statement.key).to_string(),
                name: &statement.name,
                header: &statement.header,
                text: &statement.text,
                origin: Origin::name(statement.origin),
                split: statement.split.map(crate::Split::name),
                known: statement.known.as_deref(),
                lineage,
            };
            self.line(out, &line)
        })?;
        self.each_conjecture(None, &mut |record: ConjectureRecord| {
            let ConjectureRecord { iteration, ordinal, seed, lemma, text, outcome, statement } = &record;
            let line = Line::Conjecture {
                iteration: *iteration,
                ordinal: *ordinal,
                seed: *seed,
                lemma,
                text,
                outcome,
                statement: *statement,
            };
            self.line(out, &line)
        })
    }

    fn dump_candidates(&self, out: &mut dyn Write) -> Result<()> {
        let text = |row: &Row<'_>| -> rusqlite::Result<([String; 5], [Option<String>; 2])> {
            let texts = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            Ok((texts, [row.get(5)?, row.get(6)?]))
        };
        self.each(CANDIDATES, [], text, &mut |(texts, words)| {
            let [address, header, statement, completion, verdict] = &texts;
            let [reason, assurance] = words.each_ref().map(Option::as_deref);
            let reason = reason.filter(|_| verdict == REJECTED);
            let line = Line::Candidate { address, header, statement, completion, verdict, reason, assurance };
            self.line(out, &line)
        })
    }

    fn dump_samples(&self, out: &mut dyn Write) -> Result<()> {
        let numbers = |row: &Row<'_>| -> rusqlite::Result<([String; 3], i64, [u32; 3])> {
            let texts = [row.get(0)?, row.get(4)?, row.get(6)?];
            Ok((texts, row.get(2)?, [row.get(1)?, row.get(3)?, row.get(5)?]))
        };
        self.each(SAMPLES, [], numbers, &mut |(texts, statement, [iteration, sample, tokens])| {
            let [stage, candidate, finish] = &texts;
            self.line(out, &Line::Sample { stage, iteration, statement, sample, candidate, tokens, finish })
        })
    }

    fn dump_turn(&self, out: &mut dyn Write, turn: &super::Turn) -> Result<()> {
        let word = |verdict: &Option<super::VerdictRecord>| verdict.as_ref().map(|one| one.verdict.clone());
        let (verdict, shown) = (word(&turn.verdict), word(&turn.shown));
        let line = Line::Turn {
            stage: &turn.stage,
            iteration: turn.iteration,
            statement: turn.statement,
            sample: turn.sample,
            turn: turn.turn,
            text: &turn.text,
            verdict: verdict.as_deref(),
            shown: shown.as_deref(),
            tokens: turn.tokens,
            read_tokens: turn.read_tokens,
            finish: &turn.finish,
        };
        self.line(out, &line)
    }

    fn dump_examples(&self, out: &mut dyn Write) -> Result<()> {
        self.each_example(None, &mut |example: super::ExampleRecord| {
            let line = Line::Example {
                iteration: example.iteration,
                ordinal: example.ordinal,
                role: &example.role,
                statement: example.statement,
                prompt: &example.prompt,
                completion: &example.completion,
                weight: example.weight,
            };
            self.line(out, &line)
        })
    }
}

/// Without the members that are no facts, and with those that are in the order of their names.
fn facts(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let is_fact = |name: &str| !RESOURCES.iter().any(|ending| name.ends_with(ending));
            let mut kept: Vec<_> = members.iter().filter(|(name, _)| is_fact(name)).collect();
            kept.sort_by_key(|(name, _)| *name);
            Value::Object(
                kept.into_iter().map(|(name, value)| (name.clone(), facts(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(facts).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
