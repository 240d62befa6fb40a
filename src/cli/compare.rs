//! `proofloop compare`: two evaluations on the same problems, paired.

use super::eval::STORE;
use super::exit::{Exit, UsageError};
use super::output;
use crate::evaluate::statistics::Estimate;
use crate::evaluate::{self, Comparison};
use comfy_table::{Table, presets};
use proofloop_datasets::store::{EvaluationStore, ProblemTally};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// Problems of which so many names are told.
const TOLD: usize = 20;

/// Arguments of `proofloop compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Problems are paired by name. The difference of pass@k is second less first, with a bootstrap over problems; solved problems are
compared by McNemar's exact test. A sample without a verdict counts neither as accepted nor as failed.")]
pub(super) struct Args {
    /// Folder of the first evaluation
    first: PathBuf,
    /// Folder of the second
    second: PathBuf,
    /// Budgets to compare at; by default 1 and as many samples as every problem has in both
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    k: Vec<NonZeroU32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (first, second) = (read(&args.first)?, read(&args.second)?);
    let ks = ks(args, &first, &second);
    let comparison = evaluate::compare(&first, &second, &ks)?;
    if args.json {
        output::data(&serde_json::to_string_pretty(&comparison)?)?;
    } else {
        output::data(&table(args, &comparison))?;
        lines(&comparison).iter().try_for_each(|line| output::data(line))?;
    }
    Ok(Exit::Success)
}

fn read(folder: &Path) -> anyhow::Result<Vec<ProblemTally>> {
    let path = folder.join(STORE);
    if !path.is_file() {
        let text = format!("`{}` is not the folder of an evaluation: it has no `{STORE}`", folder.display());
        return Err(UsageError(text).into());
    }
    Ok(EvaluationStore::open_read_only(&path)?.tallies()?)
}

fn ks(args: &Args, first: &[ProblemTally], second: &[ProblemTally]) -> Vec<u32> {
    let mut ks: Vec<u32> = args.k.iter().map(|k| k.get()).collect();
    if ks.is_empty() {
        let least = first.iter().chain(second).map(|tally| tally.judged).min().unwrap_or(0);
        ks = vec![1, least.max(1)];
    }
    ks.sort_unstable();
    ks.dedup();
    ks
}

fn table(args: &Args, comparison: &Comparison) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let name = |path: &Path| path.display().to_string();
    table.set_header([
        "%".to_owned(),
        name(&args.first),
        name(&args.second),
        "difference, points".to_owned(),
    ]);
    for one in &comparison.pass {
        let difference = one.difference.map_or_else(
            || "–".to_owned(),
            |estimate| {
                let (low, high) = (estimate.interval.low * 100.0, estimate.interval.high * 100.0);
                format!("{:+.1} [{low:+.1}, {high:+.1}]", estimate.value * 100.0)
            },
        );
        table.add_row([format!("pass@{}", one.k), estimate(one.first), estimate(one.second), difference]);
    }
    table.to_string()
}

fn estimate(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || "–".to_owned(),
        |one| {
            let (low, high) = (one.interval.low * 100.0, one.interval.high * 100.0);
            format!("{:.1} [{low:.1}, {high:.1}]", one.value * 100.0)
        },
    )
}

fn lines(comparison: &Comparison) -> Vec<String> {
    let solved = comparison.solved;
    let mut lines = vec![format!(
        "{} problems: {} solved by both, {} only by the first, {} only by the second, {} by neither (McNemar p = {:.3e})",
        comparison.paired, solved.both, solved.only_before, solved.only_after, solved.neither, solved.p_value
    )];
    for (word, names) in [("lost", &comparison.lost), ("gained", &comparison.gained)] {
        if !names.is_empty() {
            let more = if names.len() > TOLD { ", …" } else { "" };
            let told: Vec<&str> = names.iter().take(TOLD).map(String::as_str).collect();
            lines.push(format!("{word}: {}{more}", told.join(", ")));
        }
    }
    if comparison.only_first + comparison.only_second > 0 {
        lines.push(format!(
            "not compared: {} problems that only the first has, {} that only the second has",
            comparison.only_first, comparison.only_second
        ));
    }
    if !comparison.is_even {
        lines.push("the two have different numbers of samples, which solved problems favour".to_owned());
    }
    let (first, second) = comparison.open;
    if first + second > 0 {
        lines.push(format!("without a verdict: {first} samples of the first, {second} of the second"));
    }
    lines
}
