//! Verdicts that don't depend on the clock, on disk by content address.

use crate::candidate::Address;
use crate::verdict::Judgement;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Raised with every change of the record's shape; records of other formats are not read.
const FORMAT: i64 = 1;

/// The cache could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The directory could not be made.
    #[error("cannot create the cache directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("the verdict cache `{}` can't be used", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// A judgement could not be encoded.
    #[error("a judgement can't be encoded")]
    Encode(#[source] serde_json::Error),
}

/// A verdict cache. Several processes may use one directory.
#[derive(Debug)]
pub struct Cache {
    connection: Connection,
    path: PathBuf,
}

impl Cache {
    /// Opens or makes the cache in `directory`.
    ///
    /// # Errors
    /// [`CacheError`] if the directory or the database can't be used.
    pub fn open(directory: &Path) -> Result<Self, CacheError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| CacheError::Directory { path: directory.to_path_buf(), source })?;
        let path = directory.join("verdicts.sqlite");
        let connection =
            Self::connect(&path).map_err(|source| CacheError::Database { path: path.clone(), source })?;
        Ok(Self { connection, path })
    }

    fn connect(path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut may lose the last verdicts, which are then judged again; a kill loses none.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute(
            "CREATE TABLE IF NOT EXISTS verdicts (address BLOB PRIMARY KEY, format INTEGER NOT NULL, judgement TEXT NOT NULL) WITHOUT ROWID",
            [],
        )?;
        Ok(connection)
    }

    fn database(&self) -> impl FnOnce(rusqlite::Error) -> CacheError + use<> {
        let path = self.path.clone();
        move |source| CacheError::Database { path, source }
    }

    /// What was stored for an address. A record that can't be read counts as none.
    ///
    /// # Errors
    /// [`CacheError::Database`].
    pub fn get(&self, address: &Address) -> Result<Option<Judgement>, CacheError> {
        let text: Option<String> = self
            .connection
            .prepare_cached("SELECT judgement FROM verdicts WHERE address = ?1 AND format = ?2")
            .and_then(|mut statement| {
                statement.query_row(params![address.as_bytes(), FORMAT], |row| row.get(0)).optional()
            })
            .map_err(self.database())?;
        let judgement = text.and_then(|text| serde_json::from_str::<Judgement>(&text).ok());
        Ok(judgement.map(|judgement| Judgement { cached: true, ..judgement }))
    }

    /// Stores a judgement if its verdict is one that would come out the same again; says whether it did.
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn put(&self, address: &Address, judgement: &Judgement) -> Result<bool, CacheError> {
        if !judgement.verdict.is_reproducible() || judgement.cached {
            return Ok(false);
        }
        let text = serde_json::to_string(judgement).map_err(CacheError::Encode)?;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO verdicts (address, format, judgement) VALUES (?1, ?2, ?3)",
            )
            .and_then(|mut statement| statement.execute(params![address.as_bytes(), FORMAT, text]))
            .map_err(self.database())?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::{Candidate, PythonCandidate};
    use crate::verdict::{Assurance, Checker, Usage, Verdict};

    fn judgement(verdict: Verdict) -> Judgement {
        Judgement {
            verdict,
            messages: Vec::new(),
            usage: Usage::default(),
            checker: Checker { name: "n".to_owned(), version: "v".to_owned(), toolchain: "t".to_owned() },
            protection: vec!["wasm".to_owned()],
            cached: false,
        }
    }

    fn address(code: &str) -> Address {
        let candidate = PythonCandidate::Asserts {
            code: code.to_owned(),
            setup: String::new(),
            tests: vec!["1".to_owned()],
        };
        Address::of("c", "p", &Candidate::Python(candidate))
    }

    #[test]
    fn reproducible_verdicts_survive_reopening_and_others_are_not_kept() {
        let directory = tempfile::tempdir().expect("tempdir");
        let accepted = judgement(Verdict::Accepted { assurance: Assurance::Tested });
        let cache = Cache::open(directory.path()).expect("opens");
        assert!(cache.put(&address("a"), &accepted).expect("puts"));
        for verdict in [
            Verdict::Timeout,
            Verdict::MemoryLimit,
            Verdict::OutputLimit,
            Verdict::Cancelled,
            Verdict::Crashed { how: "x".to_owned() },
            Verdict::Unavailable { cause: "x".to_owned() },
        ] {
            assert!(!cache.put(&address("b"), &judgement(verdict)).expect("refuses"));
        }
        let second = Cache::open(directory.path()).expect("opens twice");
        assert_eq!(second.get(&address("a")).expect("gets"), Some(Judgement { cached: true, ..accepted }));
        assert_eq!(second.get(&address("b")).expect("gets"), None);
    }

    #[test]
    fn a_damaged_record_is_judged_again() {
        let directory = tempfile::tempdir().expect("tempdir");
        let cache = Cache::open(directory.path()).expect("opens");
        cache
            .connection
            .execute(
                "INSERT INTO verdicts VALUES (?1, ?2, 'not json')",
                params![address("a").as_bytes(), FORMAT],
            )
            .expect("inserts");
        assert_eq!(cache.get(&address("a")).expect("gets"), None);
    }
}
