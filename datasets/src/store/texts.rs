//! Texts, each kept once; and the addresses of candidates.

use super::records::CandidateText;
use crate::problem::Parts;
use rusqlite::{Connection, OptionalExtension as _, params};

/// The number of a text, which is kept if it was not yet.
pub(super) fn keep(connection: &Connection, text: &str) -> rusqlite::Result<i64> {
    let hash = short_hash(text);
    // Two texts may have one hash: the text decides.
    let known = connection
        .prepare_cached("SELECT id FROM texts WHERE hash = ?1 AND text = ?2")?
        .query_row(params![hash, text], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection.prepare_cached("INSERT INTO texts (hash, text) VALUES (?1, ?2)")?.insert(params![hash, text])
}

fn short_hash(text: &str) -> i64 {
    let hash = blake3::hash(text.as_bytes());
    let (first, _rest) = hash.as_bytes().split_first_chunk().expect("32 bytes are more than 8");
    i64::from_le_bytes(*first)
}

/// The content address of a candidate: blake3 over its three texts, each preceded by its length.
pub(super) fn address(candidate: &CandidateText<'_>) -> [u8; 32] {
    let mut parts = Parts::new("proofloop-run-candidate-v1");
    parts.texts(&[candidate.header, candidate.statement, candidate.completion]);
    parts.finish()
}

/// A figure as SQLite has it: what is over 2⁶³ - 1 is no time and no memory of this world, and becomes that.
pub(super) fn figure(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The other way round.
pub(super) fn of_figure(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
