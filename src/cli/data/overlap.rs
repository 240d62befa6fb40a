//! `proofloop data overlap`.

use super::super::exit::Exit;
use super::super::output;
use super::super::problem_source::{Broken, PartArgs, ReadArgs, Source};
use comfy_table::{Table, presets};
use proofloop_datasets::overlap::{self, DEFAULT_NGRAM, DEFAULT_SHARE, How, Pair, Settings};
use proofloop_datasets::{Problem, Split};
use serde_json::json;
use std::collections::BTreeMap;

/// Arguments of `proofloop data overlap`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Compared is what is asked: names, words, solutions, splits, imports and options stay out. `exact` is letter by letter,
`equivalent` up to white space and (Lean) the names of bound variables, `n-gram` that --share percent of one's pieces of N tokens stand in the other.

Exit code: 0 nothing is shared, 1 something is, 2 a data set cannot be read.")]
pub(super) struct Args {
    /// First data set, by its name (`proofloop data list`) or as a file
    #[arg(value_name = "NAME|FILE")]
    first: String,
    /// Second data set
    #[arg(value_name = "NAME|FILE")]
    second: String,
    /// Length of shared pieces in tokens; 0 looks for none
    #[arg(long, value_name = "N", default_value_t = DEFAULT_NGRAM)]
    n: usize,
    /// Shared pieces must be this part of one problem's pieces, in percent; 0 tells of a single one
    #[arg(long, value_name = "PERCENT", default_value_t = DEFAULT_SHARE)]
    share: usize,
    /// Only problems of this split of the first data set
    #[arg(long, value_name = "SPLIT", value_parser = super::super::problem_source::split)]
    first_split: Option<Split>,
    /// Only problems of this split of the second data set
    #[arg(long, value_name = "SPLIT", value_parser = super::super::problem_source::split)]
    second_split: Option<Split>,
    #[command(flatten)]
    reading: ReadArgs,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let first = read(&args.first, args.first_split, &args.reading)?;
    let second = read(&args.second, args.second_split, &args.reading)?;
    let found = overlap::find(&first, &second, Settings { ngram: args.n, share: args.share });
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["how", args.first.as_str(), args.second.as_str(), "shared pieces"]);
    for pair in &found.pairs {
        let (one, other) = (&first[pair.first], &second[pair.second]);
        if args.json {
            output::data(&object(args, pair, one, other).to_string())?;
        }
        let shared = shared(pair.how).unwrap_or_default();
        table.add_row([pair.how.name(), &one.name, &other.name, &shared]);
    }
    if !args.json && !found.pairs.is_empty() {
        output::data(&table.to_string())?;
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    found.pairs.iter().for_each(|pair| *kinds.entry(pair.how.name()).or_default() += 1);
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let kinds = if kinds.is_empty() { "no overlap".to_owned() } else { kinds.join(", ") };
    output::say(&format!("{} problems beside {}: {kinds}", first.len(), second.len()));
    if found.boilerplate > 0 {
        output::say(&format!(
            "{} pieces stand in so many problems that they were passed over",
            found.boilerplate
        ));
    }
    Ok(if found.pairs.is_empty() { Exit::Success } else { Exit::NotAccepted })
}

fn read(text: &str, split: Option<Split>, reading: &ReadArgs) -> anyhow::Result<Vec<Problem>> {
    let part = PartArgs { split, reading: reading.clone(), ..PartArgs::default() };
    Ok(Source::of(text, reading)?.select(text, &part, Broken::Refuse)?.problems)
}

fn shared(how: How) -> Option<String> {
    match how {
        How::Pieces { shared, of } => Some(format!("{shared} of {of}")),
        How::Exact | How::Equivalent => None,
    }
}

fn object(args: &Args, pair: &Pair, one: &Problem, other: &Problem) -> serde_json::Value {
    let side = |dataset: &str, problem: &Problem| json!({"dataset": dataset, "name": problem.name, "split": problem.split});
    json!({
        "how": pair.how.name(), "first": side(&args.first, one), "second": side(&args.second, other),
        "shared": shared(pair.how),
    })
}
