//! `proofloop export`: what a run has found, as files.

use super::exit::{Exit, UsageError};
use super::output;
use super::whole_file;
use crate::export::{Column, ExportError, JsonlWriter, Language, ParquetWriter, RowWriter, What};
use crate::selfplay::Record;
use crate::selfplay::prompts::PromptStyle;
use crate::selfplay::prover::{Prompts, Prover};
use proofloop_datasets::store::{RunStore, StoreError};
use std::io::{BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

/// Arguments of `proofloop export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Columns, which are the members of the JSON objects:
  proofs       id, kind, name, split, origin, iteration, header, formal_statement, completion, multiplicity:
               `proofloop verify` judges the file as it is
  conjectures  name, iteration, header, formal_statement, seed, lemma, outcome, pass_rate?
  sft          prompt, completion, weight: `proofloop train` learns from the file as it is
  preferences  prompt, chosen, rejected

The run may be going on meanwhile: what is exported is what is finished.")]
pub(super) struct Args {
    /// Folder of the run
    run: PathBuf,
    /// What to export
    #[arg(long, value_enum)]
    what: Choice,
    /// How it is written; `parquet` needs --out
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// File to write, in the place of one that is there; by default standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// With `proofs`: also those that the evaluation on held-out problems has found
    #[arg(long)]
    held_out: bool,
    /// With `sft`: only what this iteration selected
    #[arg(long, value_name = "N")]
    iteration: Option<u32>,
}

/// What to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    /// Every accepted candidate, once
    Proofs,
    /// Every output of the conjecturer, with what became of it
    Conjectures,
    /// Every example that was selected, once, with its newest weight
    Sft,
    /// Accepted beside rejected completions of one statement, at most 8 pairs for each
    Preferences,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// Apache Parquet
    Parquet,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let what = what(args)?;
    let run = Run { store: open(&args.run)?, what, asking: asking(&args.run)? };
    match &args.out {
        Some(out) => {
            let rows = to_file(&run, args.format, out)?;
            output::say(&format!("{rows} rows in {}", out.display()));
        }
        None if args.format == Format::Parquet => {
            return Err(UsageError("parquet is no text: give a file to --out".to_owned()).into());
        }
        None => {
            let stdout = BufWriter::with_capacity(1 << 16, std::io::stdout());
            let writer: Box<dyn RowWriter<BufWriter<Stdout>>> =
                Box::new(JsonlWriter::new(what.columns(), stdout));
            write(&run, writer)?;
        }
    }
    Ok(Exit::Success)
}

/// What is exported of what.
struct Run {
    store: RunStore,
    what: What,
    asking: Prompts,
}

/// How the run asked its model; STP's way, about Lean, where nothing says so.
fn asking(run: &Path) -> anyhow::Result<Prompts> {
    let default = Prompts { style: PromptStyle::Stp, prover: Prover::Lean };
    Ok(Record::read(run)?.map_or(default, |record| record.settings.asking()))
}

/// Options that mean nothing for what was asked are errors.
fn what(args: &Args) -> Result<What, UsageError> {
    if args.held_out && args.what != Choice::Proofs {
        return Err(UsageError("--held-out goes with --what proofs".to_owned()));
    }
    if args.iteration.is_some() && args.what != Choice::Sft {
        return Err(UsageError("--iteration goes with --what sft".to_owned()));
    }
    Ok(match args.what {
        Choice::Proofs => What::Proofs { held_out: args.held_out },
        Choice::Conjectures => What::Conjectures,
        Choice::Sft => What::Sft { iteration: args.iteration },
        Choice::Preferences => What::Preferences,
    })
}

fn open(run: &Path) -> anyhow::Result<RunStore> {
    match RunStore::open_read_only(&run.join("store.sqlite")) {
        Err(StoreError::Missing { .. }) => {
            let text = format!("`{}` is not the folder of a run: it has no `store.sqlite`", run.display());
            Err(UsageError(text).into())
        }
        opened => Ok(opened?),
    }
}

fn to_file(run: &Run, format: Format, out: &Path) -> anyhow::Result<u64> {
    whole_file::write(out, |buffer| Ok(write(run, writer(format, run.what.columns(), buffer)?)?))
}

fn writer<W: Write + Send + 'static>(
    format: Format,
    columns: &'static [Column],
    out: W,
) -> Result<Box<dyn RowWriter<W>>, ExportError> {
    Ok(match format {
        Format::Jsonl => Box::new(JsonlWriter::new(columns, out)),
        Format::Parquet => Box::new(ParquetWriter::new(columns, out)?),
    })
}

/// Writes every row; says how many there were.
fn write<W: Write>(run: &Run, mut writer: Box<dyn RowWriter<W>>) -> Result<(u64, W), ExportError> {
    let mut rows = 0;
    let prompt = |header: &str, statement: &str| run.asking.prover(header, statement);
    let language = Language { kind: run.asking.prover.language(), prompt: &prompt };
    run.what.each_row(&run.store, language, &mut |row| {
        rows += 1;
        writer.write(row)
    })?;
    Ok((rows, writer.finish()?))
}
