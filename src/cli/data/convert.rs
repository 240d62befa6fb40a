//! `proofloop data convert`.

use super::super::exit::{Exit, UsageError};
use super::super::output;
use super::super::problem_source::{self, Broken, PartArgs, Source};
use super::super::whole_file;
use proofloop_datasets::write::{self, WRITABLE};
use proofloop_datasets::{Format, Problem};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `proofloop data convert`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the format has no place for is an error that names the problem and the field; the other problems are still
written, and the exit code is 2.")]
pub(super) struct Args {
    /// Data set, by its name (`proofloop data list`) or as a file
    #[arg(value_name = "NAME|FILE")]
    dataset: String,
    #[command(flatten)]
    part: PartArgs,
    /// Format to write: lean-jsonl, humaneval, mbpp or problem
    #[arg(long, value_parser = problem_source::format)]
    to: Format,
    /// File to write, in the place of one that is there; by default standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    if !WRITABLE.contains(&args.to) {
        let names = WRITABLE.map(Format::name).join(", ");
        return Err(UsageError(format!("--to {}: formats that can be written are {names}", args.to)).into());
    }
    let selected =
        Source::of(&args.dataset, &args.part.reading)?.select(&args.dataset, &args.part, Broken::Report)?;
    let refused = match &args.out {
        None => lines(&selected.problems, args.to, output::data)?,
        Some(out) => whole_file::write(out, |mut buffer| {
            let refused = lines(&selected.problems, args.to, |line| writeln!(buffer, "{line}"))?;
            Ok((refused, buffer))
        })?,
    };
    if let Some(out) = &args.out {
        output::say(&format!("{} problems in {}", selected.problems.len() - refused, out.display()));
    }
    Ok(if refused + selected.broken == 0 { Exit::Success } else { Exit::Input })
}

/// Writes what can be written, and says how many problems cannot.
fn lines(
    problems: &[Problem],
    format: Format,
    mut write: impl FnMut(&str) -> std::io::Result<()>,
) -> anyhow::Result<usize> {
    let mut refused = 0;
    for problem in problems {
        match write::line(problem, format) {
            Ok(line) => write(&line)?,
            Err(error) => {
                output::error(&error.into());
                refused += 1;
            }
        }
    }
    Ok(refused)
}
