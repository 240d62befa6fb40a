//! Readers for the published formats: one file of this module per format.
//!
//! Every reader is an iterator of `Result<Problem, ReadError>`: a bad record is reported with its file, line and
//! field, and the records after it are still read. Blank lines are passed over. A file without any record is an
//! error of its own, so that a wrong path or an empty download is not taken for a small data set. A record that is
//! sound and yet no problem (a specification without a theorem) is [`Cause::NoProblem`], with the reason.

mod apps;
mod eval_plus;
pub mod fields;
mod format;
mod functions;
mod human_eval;
mod human_eval_lean;
mod isabelle;
mod lean;
mod lean_dojo;
mod lean_file;
mod lean_workbook;
mod library;
mod mbpp;
mod minicodeprops;
mod own;
mod proofnet;
mod putnam;
mod records;
mod statement;
mod vericoding;
mod verina;

pub use format::Format;
pub use records::MAX_WHOLE_FILE_BYTES;
pub use statement::MATHLIB_HEADER;

use crate::error::{Cause, FirstUse, Place, ReadError};
use crate::lines::LineProblem;
use crate::problem::{Problem, Split};
use fields::Fields;
use records::{Records, decompressed};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

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
    /// What a record belongs to that names no split; [`Format::default_split`] if `None`, but
    /// [`Format::LeanJsonl`] then insists on a `split`.
    pub split: Option<Split>,
    /// The header of Lean records that have none; [`MATHLIB_HEADER`] if `None`. Only formats whose records are bare
    /// statements look at it: `lean-dojo`, `lean-workbook`, `lean-closed`.
    pub header: Option<String>,
}

/// Opens a file.
///
/// # Errors
/// If it cannot be opened or is a directory. What is wrong inside it comes out of the iterator.
pub fn open(path: &Path, format: Format, options: &Options) -> Result<Problems, ReadError> {
    Ok(from_reader(path, opened(path)?, format, options))
}

/// The records of a file of no format in particular: one JSON object a line, or one array of them, gzip-compressed or
/// not.
///
/// # Errors
/// If it cannot be opened or is a directory. What is wrong inside it comes out of the iterator.
pub fn raw_records(
    path: &Path,
) -> Result<impl Iterator<Item = (Place, Result<Fields, Cause>)> + use<>, ReadError> {
    let of_content = |mut reader| match format::is_array(&mut reader) {
        Ok(true) => Records::array(reader),
        Ok(false) => Records::lines(reader),
        Err(cause) => Records::failed(cause),
    };
    let mut records = match decompressed(opened(path)?) {
        Ok(reader) => of_content(reader),
        Err(error) => Records::failed(LineProblem::Io(error).into()),
    };
    Ok(std::iter::from_fn(move || records.next()))
}

fn opened(path: &Path) -> Result<BufReader<File>, ReadError> {
    let fail = |cause| ReadError { path: path.to_owned(), place: Place::File, cause };
    let file = File::open(path).map_err(|error| fail(Cause::Open(error)))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(fail(Cause::Directory));
    }
    Ok(BufReader::new(file))
}

/// Reads from anything. `path` is what errors name.
pub fn from_reader(
    path: &Path,
    reader: impl BufRead + Send + 'static,
    format: Format,
    options: &Options,
) -> Problems {
    let records = match decompressed(reader) {
        Err(error) => Records::failed(LineProblem::Io(error).into()),
        Ok(reader) => records(reader, format),
    };
    let of_path = (format == Format::LeanFile).then(|| split_of_path(path)).flatten();
    let given = Given {
        source: options.source.clone().unwrap_or_else(|| stem(path)),
        split: options.split.or(of_path),
        default_split: format.default_split(),
        header: options.header.clone().unwrap_or_else(|| MATHLIB_HEADER.to_owned()),
    };
    Problems {
        path: path.to_owned(),
        given,
        format,
        duplicate_names: options.duplicate_names,
        records,
        seen: HashMap::new(),
        any: false,
        finished: false,
    }
}

fn records(mut reader: Box<dyn BufRead + Send>, format: Format) -> Records {
    match format {
        Format::LeanJsonl
        | Format::LeanDojo
        | Format::LeanClosed
        | Format::Putnam
        | Format::PutnamOpen
        | Format::MiniCodeProps
        | Format::Library
        | Format::Verina
        | Format::Vericoding
        | Format::HumanEvalLean
        | Format::Isabelle
        | Format::Functions
        | Format::HumanEval
        | Format::EvalPlus
        | Format::Mbpp
        | Format::Apps
        | Format::Problem => Records::lines(reader),
        Format::LeanFile => Records::theorems(reader),
        // Published in both forms.
        Format::LeanWorkbook | Format::ProofNet | Format::PutnamWords | Format::MbppSanitized => {
            match format::is_array(&mut reader) {
                Ok(true) => Records::array(reader),
                Ok(false) => Records::lines(reader),
                Err(cause) => Records::failed(cause),
            }
        }
    }
}

/// What a reader is told besides the record.
#[derive(Debug)]
struct Given {
    source: String,
    split: Option<Split>,
    default_split: Split,
    header: String,
}

impl Given {
    /// The split of a record that names none.
    fn split(&self) -> Split {
        self.split.unwrap_or(self.default_split)
    }

    /// The split that a record names, or that of those that name none.
    fn split_of(&self, fields: &Fields) -> Result<Split, Cause> {
        fields.optional_text("split")?.map_or(Ok(self.split()), split_named)
    }
}

fn split_named(name: &str) -> Result<Split, Cause> {
    Split::from_name(name).ok_or_else(|| Cause::BadValue {
        field: "split",
        detail: format!("`{}` is no split that we know", name.chars().take(40).collect::<String>()),
    })
}

/// Iterator over the problems of a file.
pub struct Problems {
    path: PathBuf,
    given: Given,
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
        let problem = self.read(fields)?;
        let number = match place {
            Place::Line(number) | Place::Item(number) => number,
            Place::File => 0,
        };
        match self.duplicate_names {
            DuplicateNames::Allow => Ok(problem),
            DuplicateNames::Reject => match *self.seen.entry(problem.name.clone()).or_insert(number) {
                first if first == number => Ok(problem),
                first => Err(Cause::DuplicateName { name: problem.name, first: FirstUse::Record(first) }),
            },
        }
    }

    fn read(&self, fields: &Fields) -> Result<Problem, Cause> {
        let given = &self.given;
        match self.format {
            Format::LeanJsonl => lean::problem(fields, given),
            Format::LeanDojo => lean_dojo::problem(fields, given),
            Format::LeanFile => lean_file::problem(fields, given),
            Format::LeanWorkbook => lean_workbook::problem(fields, given),
            Format::LeanClosed => lean_workbook::closed_problem(fields, given),
            Format::ProofNet => proofnet::problem(fields, given),
            Format::Putnam => putnam::problem(fields, given),
            Format::PutnamOpen => putnam::open_problem(fields, given),
            Format::PutnamWords => putnam::words(fields),
            Format::MiniCodeProps => minicodeprops::problem(fields, given),
            Format::Library => library::problem(fields, given),
            Format::Verina => verina::problem(fields, given),
            Format::Vericoding => vericoding::problem(fields, given),
            Format::HumanEvalLean => human_eval_lean::problem(fields, given),
            Format::Isabelle => isabelle::problem(fields, given),
            Format::Functions => functions::problem(fields, given),
            Format::HumanEval => human_eval::problem(fields, given),
            Format::EvalPlus => eval_plus::problem(fields, given),
            Format::Mbpp => mbpp::problem(fields, given),
            Format::MbppSanitized => mbpp::sanitized_problem(fields, given),
            Format::Apps => apps::problem(fields, given),
            Format::Problem => own::problem(fields),
        }
    }
}

/// `MiniF2F/Test/x.lean` and `Valid.lean` say what they belong to.
fn split_of_path(path: &Path) -> Option<Split> {
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().to_lowercase());
    [Some(stem(path).to_lowercase()), folder].into_iter().flatten().find_map(|name| Split::from_name(&name))
}

fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}
