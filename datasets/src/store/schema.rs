//! The tables, and how a file with them is made and opened.

use super::error::{Result, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What makes a SQLite file one of our stores.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Marks the file among SQLite's.
    pub(crate) application: i64,
    /// Raised with every change of the tables; stores of other formats are not read.
    pub(crate) format: i64,
    /// What it begins with.
    pub(crate) tables: &'static str,
}

/// A run store: "plrs".
pub(super) const RUN: Layout = Layout { application: 0x706c_7273, format: 1, tables: TABLES };

/// How long a writer waits for another one: long enough for a whole stage to be written.
const PATIENCE: Duration = Duration::from_secs(20);

/// The tables.
///
/// Every long text is kept once, in `texts`, and found again by the first eight bytes of its hash: an index of numbers
/// is a third of one of whole hashes. `samples.accepted` repeats what `candidates.verdict` says (which never changes),
/// so that pass rates are counted without a look at the candidates. Tables that are only read in the order of their key
/// are that key (`WITHOUT ROWID`).
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE texts (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX texts_by_hash ON texts (hash);
CREATE TABLE statements (
    id INTEGER PRIMARY KEY CHECK (id >= 1),
    key BLOB NOT NULL CHECK (length(key) = 32),
    name TEXT NOT NULL,
    header INTEGER NOT NULL REFERENCES texts,
    text INTEGER NOT NULL REFERENCES texts,
    origin TEXT NOT NULL CHECK (origin IN ('problem', 'conjecture')),
    split TEXT CHECK (split IN ('train', 'valid', 'test', 'prompt')),
    known INTEGER REFERENCES texts,
    iteration INTEGER,
    seed INTEGER REFERENCES statements,
    lemma TEXT,
    level INTEGER,
    CHECK ((iteration IS NULL) = (seed IS NULL) AND (seed IS NULL) = (lemma IS NULL) AND (lemma IS NULL) = (level IS NULL))
) STRICT;
CREATE INDEX statements_by_key ON statements (key);
CREATE INDEX statements_by_origin ON statements (origin);
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY,
    address BLOB NOT NULL UNIQUE CHECK (length(address) = 32),
    header INTEGER NOT NULL REFERENCES texts,
    statement INTEGER NOT NULL REFERENCES texts,
    completion INTEGER NOT NULL REFERENCES texts,
    verdict TEXT NOT NULL,
    reason TEXT,
    assurance TEXT,
    message TEXT,
    wall_ms INTEGER NOT NULL,
    cpu_ms INTEGER NOT NULL,
    peak_memory_bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE samples (
    stage TEXT NOT NULL,
    iteration INTEGER NOT NULL,
    statement INTEGER NOT NULL REFERENCES statements,
    sample INTEGER NOT NULL,
    candidate INTEGER NOT NULL REFERENCES candidates,
    accepted INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    finish TEXT NOT NULL,
    PRIMARY KEY (stage, iteration, statement, sample)
) WITHOUT ROWID, STRICT;
CREATE TABLE conjectures (
    iteration INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    seed INTEGER NOT NULL REFERENCES statements,
    lemma TEXT NOT NULL,
    text INTEGER NOT NULL REFERENCES texts,
    outcome TEXT NOT NULL,
    statement INTEGER REFERENCES statements,
    PRIMARY KEY (iteration, ordinal)
) WITHOUT ROWID, STRICT;
CREATE TABLE examples (
    iteration INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    role TEXT NOT NULL,
    statement INTEGER NOT NULL REFERENCES statements,
    prompt INTEGER NOT NULL REFERENCES texts,
    completion INTEGER NOT NULL REFERENCES texts,
    weight REAL NOT NULL,
    PRIMARY KEY (iteration, ordinal)
) WITHOUT ROWID, STRICT;
CREATE TABLE stages (
    finished INTEGER PRIMARY KEY,
    iteration INTEGER NOT NULL,
    stage TEXT NOT NULL,
    wall_ms INTEGER NOT NULL,
    detail TEXT NOT NULL,
    UNIQUE (iteration, stage)
) STRICT;
";

/// Makes the file. It has its name only when it is whole, so a `kill -9` leaves a store or none.
pub(crate) fn make(path: &Path, layout: &Layout) -> Result<()> {
    let io = |source| StoreError::Make { path: path.to_path_buf(), source };
    if path.try_exists().map_err(io)? {
        return Err(StoreError::AlreadyThere { path: path.to_path_buf() });
    }
    let partial = beside(path, ".partial");
    for left in [&partial, &beside(&partial, "-journal")] {
        match fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            Ok(()) | Err(_) => {}
        }
    }
    // Made here, so that what the system refuses is said in its words.
    File::create_new(&partial).map_err(io)?;
    fill(&partial, layout).map_err(|error| StoreError::of(path, error))?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(&partial, path).map_err(io)?;
    // A name is on the disk only when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

fn fill(path: &Path, layout: &Layout) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "application_id", layout.application)?;
    connection.pragma_update(None, "user_version", layout.format)?;
    connection.execute_batch(&format!("BEGIN; {} COMMIT;", layout.tables))?;
    connection.close().map_err(|(_connection, error)| error)
}

/// Opens the file, if it is a store of this layout.
pub(crate) fn open(path: &Path, layout: &Layout, writable: bool) -> Result<Connection> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing { path: path.to_path_buf() });
        }
        Err(source) => return Err(StoreError::Open { path: path.to_path_buf(), source }),
        Ok(metadata) => metadata,
    };
    if !metadata.is_file() {
        return Err(StoreError::NotAStore { path: path.to_path_buf() });
    }
    connect(path, layout, writable)
}

fn connect(path: &Path, layout: &Layout, writable: bool) -> Result<Connection> {
    let of = |error| StoreError::of(path, error);
    let access = if writable { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(of)?;
    connection.busy_timeout(PATIENCE).map_err(of)?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if number("application_id").map_err(of)? != layout.application {
        return Err(StoreError::NotAStore { path: path.to_path_buf() });
    }
    let found = number("user_version").map_err(of)?;
    if found != layout.format {
        return Err(StoreError::Format { path: path.to_path_buf(), found, expected: layout.format });
    }
    configure(&connection, writable).map_err(of)?;
    Ok(connection)
}

fn configure(connection: &Connection, writable: bool) -> rusqlite::Result<()> {
    // 16 MiB of pages, and no more: a commit after which the cache is looked through whole (SQLite does so when a tree
    // was balanced, up to 2^18 pages) takes time for each of them. What is not there is in the system's own cache.
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.set_prepared_statement_cache_capacity(64);
    if writable {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut may take the last stages or verdicts back, each of them whole; a kill takes none.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // The journal is put into the file each time it has 64 MiB, not 4: its pages are spread over the indices, so that
        // a verdict would wait for the disk again and again.
        connection.pragma_update(None, "wal_autocheckpoint", 16 * 1024)?;
        // A stage of 10^6 conjectures leaves a journal of GBs, which nobody needs afterwards.
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    }
    Ok(())
}

/// The path with an ending behind its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
