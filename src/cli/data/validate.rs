//! `proofloop data validate`.

use super::super::exit::{Exit, UsageError};
use super::super::output;
use super::super::problem_source::{self, data_directories};
use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use proofloop_datasets::readers::{self, DuplicateNames, Options};
use proofloop_datasets::{Cause, Format, ReadError, counts};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// So many broken records, and reasons, of a file are told one by one.
const MAX_TOLD: usize = 20;

/// Endings of files that can hold problems.
const ENDINGS: [&str; 5] = [".json", ".jsonl", ".json.gz", ".jsonl.gz", ".lean"];

/// Arguments of `proofloop data validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`records` are the lines, items or theorems of a file; `problems` those that are one. A file's `SOURCE.txt` says how many
records are expected (`records=N`). A file that no reader is for is told with the reason, and is no failure unless it
was named.

Exit code: 0 all that has a reader was read, 1 a record could not be read, or there are more or fewer than expected,
2 a path is not there.")]
pub(super) struct Args {
    /// Files, or folders with all that is in them; by default the data directories
    paths: Vec<PathBuf>,
    /// Format of the files, instead of what their content says
    #[arg(long, value_parser = problem_source::format)]
    format: Option<Format>,
    /// Directory of data sets, before those of PROOFLOOP_DATA and of proofloop's home
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// One JSON object a line, one for each file
    #[arg(long)]
    json: bool,
}

/// What became of a file.
#[derive(Debug, Default, Serialize)]
struct Row {
    file: PathBuf,
    format: Option<Format>,
    /// Lines, items or theorems.
    records: u64,
    problems: u64,
    /// Reasons for which records are no problems, with their numbers.
    no_problems: BTreeMap<String, u64>,
    broken: u64,
    /// Problems whose name an earlier one has.
    repeated_names: u64,
    expected: Option<u64>,
    /// Why nothing was read.
    unreadable: Option<String>,
    /// The first broken records, with place and field.
    errors: Vec<String>,
    failed: bool,
}

/// Files of a folder that hold no problems, by their endings.
type Others = BTreeMap<PathBuf, BTreeMap<String, u64>>;

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut others = Others::new();
    let mut rows = Vec::new();
    for (path, is_named) in files(args, &mut others)? {
        let row = validate(&path, args.format, is_named);
        if args.json {
            output::data(&serde_json::to_string(&row)?)?;
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(UsageError("there is no file to validate".to_owned()).into());
    }
    if !args.json {
        output::data(&table(&rows))?;
        rows.iter().flat_map(told).try_for_each(|line| output::data(&line))?;
        for (folder, endings) in &others {
            let endings: Vec<String> =
                endings.iter().map(|(ending, count)| format!("{count} {ending}")).collect();
            output::data(&format!(
                "{}: passed over, for no problems are in such files: {}",
                folder.display(),
                endings.join(", ")
            ))?;
        }
    }
    let failed = rows.iter().filter(|row| row.failed).count();
    let problems: u64 = rows.iter().map(|row| row.problems).sum();
    output::say(&format!(
        "{} files, {problems} problems, {failed} files are not as they should be",
        rows.len()
    ));
    Ok(if failed == 0 { Exit::Success } else { Exit::NotAccepted })
}

/// The files to read, sorted, and whether the user named them.
fn files(args: &Args, others: &mut Others) -> anyhow::Result<Vec<(PathBuf, bool)>> {
    let mut found = Vec::new();
    let paths = if args.paths.is_empty() {
        data_directories(args.data_dir.as_deref()).into_iter().filter(|path| path.is_dir()).collect()
    } else {
        args.paths.clone()
    };
    for path in paths {
        let not_there = || UsageError(format!("cannot read {}", path.display()));
        if std::fs::metadata(&path).with_context(not_there)?.is_dir() {
            below(&path, &mut found, others).with_context(not_there)?;
        } else {
            found.push((path, true));
        }
    }
    Ok(found)
}

fn below(folder: &Path, found: &mut Vec<(PathBuf, bool)>, others: &mut Others) -> std::io::Result<()> {
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            // A link to a folder may lead back up.
            if !path.is_symlink() {
                below(&path, found, others)?;
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push((path, false));
        } else if name != "SOURCE.txt" {
            let ending = name.rfind('.').map_or(name.as_str(), |dot| &name[dot..]).to_owned();
            *others.entry(folder.to_owned()).or_default().entry(ending).or_default() += 1;
        }
    }
    Ok(())
}

fn validate(path: &Path, format: Option<Format>, is_named: bool) -> Row {
    let mut row = Row { file: path.to_owned(), expected: expected(path), ..Row::default() };
    let read =
        format.map_or_else(|| Format::detect(path), Ok).and_then(|format| read(path, format, &mut row));
    if let Err(error) = read {
        row.failed = is_named || !matches!(error.cause, Cause::UnknownFormat { .. });
        row.unreadable = Some(said(&error.cause));
    } else {
        row.failed = row.broken > 0 || row.expected.is_some_and(|expected| expected != row.records);
    }
    row
}

fn read(path: &Path, format: Format, row: &mut Row) -> Result<(), ReadError> {
    row.format = Some(format);
    let options =
        Options { duplicate_names: DuplicateNames::Allow, ..problem_source::file_options(format, None) };
    let mut names = HashSet::new();
    for record in readers::open(path, format, &options)? {
        match record {
            Ok(problem) => {
                row.problems += 1;
                row.repeated_names += u64::from(!names.insert(problem.name));
            }
            Err(ReadError { cause: Cause::NoProblem { why }, .. }) => {
                *row.no_problems.entry(why).or_default() += 1;
            }
            // Of the file, not of a record.
            Err(error) if matches!(error.cause, Cause::UnknownFormat { .. } | Cause::Empty) => {
                return Err(error);
            }
            Err(error) => {
                row.broken += 1;
                if row.errors.len() < MAX_TOLD {
                    row.errors.push(format!("{:#}", anyhow::Error::new(error)));
                }
            }
        }
        row.records = row.problems + row.broken + row.no_problems.values().sum::<u64>();
    }
    Ok(())
}

/// A cause with its own causes.
fn said(cause: &Cause) -> String {
    let mut said = cause.to_string();
    let mut next = std::error::Error::source(cause);
    while let Some(cause) = next {
        said.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    said
}

/// What the folder's `SOURCE.txt` claims of the file.
fn expected(path: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(path.with_file_name("SOURCE.txt")).ok()?;
    let name = path.file_name()?.to_str()?;
    counts::of_source_text(&text).get(name).copied()
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["file", "format", "records", "expected", "problems", "broken"]);
    for row in rows {
        let number = |number: u64| if row.unreadable.is_some() { String::new() } else { number.to_string() };
        let format = row.format.filter(|_| row.unreadable.is_none()).map_or("no reader", Format::name);
        table.add_row([
            row.file.display().to_string(),
            format.to_owned(),
            number(row.records),
            row.expected.map_or_else(String::new, |expected| expected.to_string()),
            number(row.problems),
            number(row.broken),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// What there is to say of a file, line by line.
fn told(row: &Row) -> Vec<String> {
    let file = row.file.display();
    let mut lines = Vec::new();
    if let Some(why) = &row.unreadable {
        lines.push(format!("{file}: {why}"));
        return lines;
    }
    if let Some(expected) = row.expected.filter(|expected| *expected != row.records) {
        lines.push(format!("{file}: {} records, and SOURCE.txt says {expected}", row.records));
    }
    lines.extend(row.errors.iter().map(|error| format!("error: {error}")));
    if row.broken > row.errors.len() as u64 {
        lines
            .push(format!("{file}: {} more records could not be read", row.broken - row.errors.len() as u64));
    }
    let reasons = row.no_problems.iter().take(MAX_TOLD);
    lines.extend(reasons.map(|(why, count)| format!("{file}: {count} records are no problems: {why}")));
    if row.no_problems.len() > MAX_TOLD {
        lines.push(format!("{file}: and {} more reasons", row.no_problems.len() - MAX_TOLD));
    }
    if row.repeated_names > 0 {
        lines.push(format!("{file}: {} names are used again", row.repeated_names));
    }
    lines
}
