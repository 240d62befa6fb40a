//! Why a file, or one record of it, could not be read; and where.

use crate::lines::LineProblem;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A record, or a file, that could not be read. The cause is its source.
#[derive(Debug, Error)]
#[error("cannot read {}{place}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The record in it.
    pub place: Place,
    /// What is wrong.
    #[source]
    pub cause: Cause,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line, 1-based.
    Line(u64),
    /// An item of a JSON array, 1-based.
    Item(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line(number) => write!(formatter, ", line {number}"),
            Self::Item(number) => write!(formatter, ", item {number}"),
        }
    }
}

/// Where a name was used first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstUse {
    /// In the same file: the line or item, 1-based.
    Record(u64),
    /// In another file.
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// The record in it.
        place: Place,
    },
}

impl fmt::Display for FirstUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(number) => write!(formatter, "at record {number}"),
            Self::Elsewhere { path, place } => write!(formatter, "in {}{place}", path.display()),
        }
    }
}

/// What is wrong with a file or a record.
#[derive(Debug, Error)]
pub enum Cause {
    /// The file cannot be opened.
    #[error("the file cannot be opened")]
    Open(#[source] io::Error),
    /// The path names a directory.
    #[error("it is a directory")]
    Directory,
    /// A line is too long, not UTF-8, or cannot be read.
    #[error(transparent)]
    Line(#[from] LineProblem),
    /// A file that must be read whole is too long.
    #[error("the file is longer than {limit_bytes} bytes")]
    FileTooLong {
        /// The bound.
        limit_bytes: u64,
    },
    /// A file that must be read whole is not UTF-8.
    #[error("byte {byte} of the file is not UTF-8")]
    FileNotUtf8 {
        /// 1-based position in the file of the first byte that is wrong.
        byte: usize,
    },
    /// The JSON ends before it is complete.
    #[error("the JSON ends too early, at column {column}")]
    TruncatedJson {
        /// 1-based byte column.
        column: usize,
    },
    /// It is no JSON.
    #[error("not JSON: {detail}")]
    InvalidJson {
        /// What the parser says, with its place.
        detail: String,
    },
    /// It is JSON, but no object.
    #[error("expected a JSON object, found {found}")]
    NotAnObject {
        /// The type that is there.
        found: &'static str,
    },
    /// An object of the record has a key twice: which value is meant?
    #[error("the key `{key}` is there twice")]
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// A field is missing.
    #[error("field `{field}` is missing")]
    MissingField {
        /// Its name.
        field: &'static str,
    },
    /// A field has another type than it should.
    #[error("field `{field}` must be {expected}, found {found}")]
    WrongType {
        /// Its name.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A field has the right type and a value that means nothing.
    #[error("field `{field}`: {detail}")]
    BadValue {
        /// Its name.
        field: &'static str,
        /// What is wrong with the value.
        detail: String,
    },
    /// An earlier record has the same name.
    #[error("the name `{name}` was used before, {first}")]
    DuplicateName {
        /// The name.
        name: String,
        /// Where.
        first: FirstUse,
    },
    /// The record is sound, and yet it is no problem that anybody could solve or judge.
    #[error("it is no problem: {why}")]
    NoProblem {
        /// Why not.
        why: String,
    },
    /// No reader knows what is in the file.
    #[error("no reader for it: {what}")]
    UnknownFormat {
        /// What was found instead.
        what: String,
    },
    /// The file holds no record at all.
    #[error("the file holds no record")]
    Empty,
}
