//! Readers for the published formats: one file of this module per format.
//!
//! Every reader is an iterator of `Result<Problem, ReadError>`: a bad record is reported with its file, line and
//! field, and the records after it are still read. Blank lines are passed over. A file without any record is an
//! error of its own, so that a wrong path or an empty download is not taken for a small data set.

pub mod fields;
mod human_eval;
mod lean;
mod mbpp;

use crate::error::{Cause, FirstUse, Place, ReadError};
use crate::json::Checked;
use crate::lines::{BoundedLines, LineProblem};
use crate::problem::Problem;
use fields::Fields;
use flate2::bufread::MultiGzDecoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A file that must be read whole (a JSON array) may have this many bytes.
pub const MAX_WHOLE_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A published format. Each may be gzip-compressed, which is told by the content and not by the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// DeepSeek-Prover JSONL and its relatives: `name`, `split`, `formal_statement`; optional `header`,
    /// `informal_prefix`, `proof` or `formal_proof`, `topic`, `difficulty`, `source`, `license`. Without a `header`,
    /// what stands before the statement in `formal_statement` becomes the header (Goedel-Prover-V2). Our workbook
    /// and the core-Lean files are of this format.
    LeanJsonl,
    /// human-eval JSONL: `task_id`, `prompt`, `entry_point`, `canonical_solution`, `test`.
    HumanEval,
    /// MBPP JSONL: `task_id`, `text`, `code`, `test_list`, `test_setup_code`, `challenge_test_list`.
    Mbpp,
    /// MBPP sanitized, one JSON array: `task_id`, `prompt`, `code`, `test_list`, `test_imports`.
    MbppSanitized,
}

/// What to do with a record whose name was used before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DuplicateNames {
    /// Report it and pass over it.
    #[default]
    Reject,
    /// Deliver it. ProofNet numbers its exercises per book, so that some names stand for several problems.
    Allow,
}

/// How to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Put into [`Problem::source`]; the file's name without its extensions if `None`.
    pub source: Option<String>,
    /// What to do with a record whose name was used before.
    pub duplicate_names: DuplicateNames,
}

/// Opens a file.
///
/// # Errors
/// If it cannot be opened or is a directory. What is wrong inside it comes out of the iterator.
pub fn open(path: &Path, format: Format, options: &Options) -> Result<Problems, ReadError> {
    let fail = |cause| ReadError { path: path.to_owned(), place: Place::File, cause };
    let file = File::open(path).map_err(|error| fail(Cause::Open(error)))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(fail(Cause::Directory));
    }
    Ok(from_reader(path, BufReader::new(file), format, options))
}

/// Reads from anything. `path` is what errors name.
pub fn from_reader(
    path: &Path,
    reader: impl BufRead + Send + 'static,
    format: Format,
    options: &Options,
) -> Problems {
    let source = options.source.clone().unwrap_or_else(|| stem(path));
    let records = match decompressed(reader) {
        Err(error) => Records::failed(LineProblem::Io(error).into()),
        Ok(reader) => match format {
            Format::LeanJsonl | Format::HumanEval | Format::Mbpp => Records::Lines(BoundedLines::new(reader)),
            Format::MbppSanitized => Records::array(reader),
        },
    };
    Problems {
        path: path.to_owned(),
        source,
        format,
        duplicate_names: options.duplicate_names,
        records,
        seen: HashMap::new(),
        any: false,
        finished: false,
    }
}

/// Iterator over the problems of a file.
pub struct Problems {
    path: PathBuf,
    source: String,
    format: Format,
    duplicate_names: DuplicateNames,
    records: Records,
    seen: HashMap<String, u64>,
    any: bool,
    finished: bool,
}

impl std::fmt::Debug for Problems {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Problems")
            .field("path", &self.path)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Iterator for Problems {
    type Item = Result<Problem, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let Some((place, record)) = self.records.next() else {
            self.finished = true;
            let error = ReadError { path: self.path.clone(), place: Place::File, cause: Cause::Empty };
            return (!self.any).then_some(Err(error));
        };
        self.any = true;
        let problem = record.and_then(|fields| self.problem(place, &fields));
        Some(problem.map_err(|cause| ReadError { path: self.path.clone(), place, cause }))
    }
}

impl Problems {
    fn problem(&mut self, place: Place, fields: &Fields) -> Result<Problem, Cause> {
        let problem = match self.format {
            Format::LeanJsonl => lean::problem(fields, &self.source)?,
            Format::HumanEval => human_eval::problem(fields, &self.source)?,
            Format::Mbpp => mbpp::problem(fields, &self.source)?,
            Format::MbppSanitized => mbpp::sanitized_problem(fields, &self.source)?,
        };
        let number = match place {
            Place::Line(number) | Place::Item(number) => number,
            Place::File => 0,
        };
        let first = *self.seen.entry(problem.name.clone()).or_insert(number);
        match self.duplicate_names {
            DuplicateNames::Reject if first != number => {
                Err(Cause::DuplicateName { name: problem.name, first: FirstUse::Record(first) })
            }
            DuplicateNames::Reject | DuplicateNames::Allow => Ok(problem),
        }
    }
}

/// Where records come from.
enum Records {
    Lines(BoundedLines<Box<dyn BufRead + Send>>),
    Items(std::iter::Enumerate<std::vec::IntoIter<Checked>>),
    Failed(Option<Cause>),
}

impl Records {
    fn failed(cause: Cause) -> Self {
        Self::Failed(Some(cause))
    }

    fn array(reader: impl Read) -> Self {
        let mut text = Vec::new();
        match reader.take(MAX_WHOLE_FILE_BYTES + 1).read_to_end(&mut text) {
            Err(error) => Self::failed(LineProblem::Io(error).into()),
            Ok(length) if length as u64 > MAX_WHOLE_FILE_BYTES => {
                Self::failed(Cause::FileTooLong { limit_bytes: MAX_WHOLE_FILE_BYTES })
            }
            Ok(0) => Self::Items(Vec::new().into_iter().enumerate()),
            Ok(_) => match serde_json::from_slice::<Vec<Checked>>(&text) {
                Ok(items) => Self::Items(items.into_iter().enumerate()),
                Err(error) => Self::failed(fields::json_cause(&error)),
            },
        }
    }

    fn next(&mut self) -> Option<(Place, Result<Fields, Cause>)> {
        match self {
            Self::Lines(lines) => loop {
                return Some(match lines.next()? {
                    Ok(line) if line.text.trim().is_empty() => continue,
                    Ok(line) => (Place::Line(line.number), Fields::parse(&line.text)),
                    Err(error) => (Place::Line(error.number), Err(error.problem.into())),
                });
            },
            Self::Items(items) => {
                let (index, checked) = items.next()?;
                Some((Place::Item(index as u64 + 1), Fields::from_checked(checked)))
            }
            Self::Failed(cause) => Some((Place::File, Err(cause.take()?))),
        }
    }
}

fn decompressed(mut reader: impl BufRead + Send + 'static) -> std::io::Result<Box<dyn BufRead + Send>> {
    let is_gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(reader))) } else { Box::new(reader) })
}

fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}
