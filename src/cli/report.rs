//! `proofloop report`: one HTML page about a run.

use super::exit::{Exit, UsageError};
use super::output;
use crate::model::files;
pub(super) use crate::report::folder::PAGE;
use crate::report::folder::{self, RunKind};
use crate::report::{Facts, Level, ReportData, html};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Arguments of `proofloop report`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The page holds everything that it shows and loads nothing: it can be sent and opened anywhere. A run that is still going on
can be reported on, as far as its finished stages go.")]
pub(super) struct Args {
    /// The run's folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Another run on the same problems to compare with; may be given more than once
    #[arg(long, value_name = "RUN")]
    baseline: Vec<PathBuf>,
    /// Where to write the page [default: report.html in the run's folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let out = args.out.clone().unwrap_or_else(|| args.run.join(PAGE));
    if RunKind::of(&args.run) == Some(RunKind::Evaluation) {
        if !args.baseline.is_empty() {
            let text = "an evaluation has no baseline: `proofloop compare` compares two";
            return Err(UsageError(text.to_owned()).into());
        }
        let page = folder::evaluation_page(&args.run)?;
        files::write_renamed(&out, |file| file.write_all(page.as_bytes()))
            .context("cannot write the report")?;
        output::say(&format!("written to {}", out.display()));
        return Ok(Exit::Success);
    }
    let data = write(&args.run, &args.baseline, &out)?;
    for alarm in data.alarms.iter().filter(|alarm| alarm.level == Level::Raised) {
        output::say(&format!("alarm: {}: {}", alarm.name, alarm.seen));
    }
    output::say(&format!("written to {}", out.display()));
    Ok(Exit::Success)
}

/// Writes the page of a run, beside and renamed, and gives what it shows.
pub(super) fn write(run: &Path, baselines: &[PathBuf], out: &Path) -> anyhow::Result<ReportData> {
    let baselines = baselines.iter().map(|folder| read(folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let data = ReportData::of(&read(run)?, &baselines);
    let page = html::page(&data)?;
    files::write_renamed(out, |file| file.write_all(page.as_bytes())).context("cannot write the report")?;
    Ok(data)
}

fn read(folder: &Path) -> anyhow::Result<Facts> {
    if !folder.is_dir() {
        return Err(UsageError(format!("there is no run folder `{}`", folder.display())).into());
    }
    folder::facts(folder).with_context(|| format!("cannot read the run `{}`", folder.display()))
}
