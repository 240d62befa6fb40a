//! `proofloop bench selfplay`: self-play beside its baselines and its ablations, from the same model and with as many
//! candidates.

use super::super::compute::DeviceName;
use super::super::equipment::{compute, proof_judging};
use super::super::exit::{Exit, UsageError};
use super::super::farm::JudgingArgs;
use super::super::output;
use super::super::selfplay::{inputs::Source, play};
use crate::selfplay::presets::Preset;
use crate::selfplay::prover::Prover;
use crate::selfplay::results::{Results, Solved};
use crate::selfplay::settings::{Ablation, Settings};
use crate::selfplay::{self, LEARNT_FILE, Record, RunFolder};
use anyhow::Context;
use clap::ValueEnum as _;
use comfy_table::Table;
use proofloop_datasets::Problem;
use serde::Serialize;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Arguments of `proofloop bench selfplay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every run lies in a folder of its own below DIR, and is gone on with where it was: the same command again does only what is
left. Baselines get as many candidates in each round as self-play of the same seed has sampled. What is compared are the
training problems without a shown proof that have one at the end.")]
pub(in super::super) struct Args {
    /// Where the runs go
    #[arg(long, value_name = "DIR", default_value = "runs/bench")]
    folder: PathBuf,
    /// Problems, in DeepSeek-Prover's JSONL; by default the bundled workbook
    #[arg(long, value_name = "FILE.jsonl")]
    problems: Option<PathBuf>,
    /// One run of each method for each of these
    #[arg(long, value_delimiter = ',', default_value = "0,1,2")]
    seeds: Vec<u64>,
    /// The methods
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "nano-stp,nano,expert-iteration,parallel-sampling"
    )]
    methods: Vec<Preset>,
    /// Also switch rules of the first method off, each alone, with the first seed: these, or all
    #[arg(long, value_enum, value_delimiter = ',', num_args = 0.., value_name = "RULES")]
    ablations: Option<Vec<Ablation>>,
    /// Rounds of each run
    #[arg(long, default_value = "3")]
    iterations: u32,
    /// Proofs of each statement in a round of self-play
    #[arg(long, default_value = "4")]
    samples: NonZeroUsize,
    /// Proofs of each held-out problem before and after; 0 for no evaluation
    #[arg(long, default_value = "0")]
    eval_samples: usize,
    /// Train on so many of the problems only, by chance
    #[arg(long)]
    limit: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    judging: JudgingArgs,
}

/// What came of a run.
#[derive(Debug, Serialize)]
struct Row {
    method: String,
    seed: u64,
    solved_by_round: Vec<Solved>,
    /// Difference of held-out pass@1, in percentage points, with its 95 % interval.
    held_out: Option<(f64, f64, f64)>,
}

impl Row {
    fn solved(&self) -> usize {
        self.solved_by_round.last().map_or(0, |last| last.solved)
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let first =
        *args.methods.first().ok_or_else(|| UsageError("give at least one of --methods".to_owned()))?;
    let problems = Source::given(args.problems.as_deref())?;
    let bench = Bench { problems: problems.read(Prover::Lean)?, source: problems.name(), args: &args };
    let mut rows = Vec::new();
    for (place, &seed) in args.seeds.iter().enumerate() {
        bench.initial(seed).await?;
        let mut budgets = Vec::new();
        for &method in &args.methods {
            let mut settings = bench.settings(method, seed);
            if settings.conjecturing.is_none() {
                settings.round_budgets.clone_from(&budgets);
            }
            let row = bench.row(method.name(), settings).await?;
            if method == first {
                budgets = samples_by_round(&row.solved_by_round);
            }
            rows.push(row);
        }
        let ablations = match args.ablations.as_deref() {
            Some([]) => Ablation::value_variants(),
            Some(some) => some,
            None => &[],
        };
        for &ablation in ablations.iter().filter(|_| place == 0) {
            let plain = bench.settings(first, seed);
            let mut settings = plain.clone();
            settings.ablate(ablation);
            let name = settings.ablated.iter().map(ablation_name).collect::<String>();
            let is_other = Settings { ablated: Vec::new(), ..settings.clone() } != plain
                || ablation == Ablation::ConjecturerLearning;
            if is_other {
                rows.push(bench.row(&format!("{}-without-{name}", first.name()), settings).await?);
            }
        }
    }
    tell(&args, &rows)?;
    Ok(Exit::Success)
}

fn ablation_name(ablation: &Ablation) -> String {
    ablation.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn samples_by_round(solved: &[Solved]) -> Vec<u32> {
    let mut before = 0;
    let mut rounds = Vec::new();
    for round in solved {
        rounds.push(u32::try_from(round.samples - before).unwrap_or(u32::MAX));
        before = round.samples;
    }
    rounds
}

struct Bench<'a> {
    problems: Vec<Problem>,
    source: String,
    args: &'a Args,
}

impl Bench<'_> {
    fn settings(&self, method: Preset, seed: u64) -> Settings {
        let mut settings = method.settings(seed);
        settings.iterations = self.args.iterations;
        settings.sampling.first_round = self.args.samples;
        settings.sampling.samples = self.args.samples;
        settings.evaluation.samples = self.args.eval_samples;
        settings.evaluation.ks.retain(|&k| k as usize <= self.args.eval_samples);
        settings.problems.limit = self.args.limit;
        settings
    }

    /// The model that all methods of a seed begin with.
    async fn initial(&self, seed: u64) -> anyhow::Result<()> {
        let mut settings = self.settings(Preset::Nano, seed);
        settings.iterations = 0;
        settings.evaluation.samples = 0;
        let folder = self.open("initial", settings)?;
        self.play(&folder).await
    }

    async fn row(&self, name: &str, settings: Settings) -> anyhow::Result<Row> {
        let seed = settings.seed;
        let folder = self.open(name, settings)?;
        self.lend_initial(&folder)?;
        self.play(&folder).await?;
        let results = Results::read(&selfplay::read_store(folder.path())?, folder.settings())?;
        let difference = results.held_out.first().and_then(|one| one.difference);
        let held_out =
            difference.map(|one| (100.0 * one.value, 100.0 * one.interval.low, 100.0 * one.interval.high));
        Ok(Row { method: name.to_owned(), seed, solved_by_round: results.solved, held_out })
    }

    fn folder(&self, name: &str, seed: u64) -> PathBuf {
        self.args.folder.join(format!("{name}-seed{seed}"))
    }

    fn open(&self, name: &str, settings: Settings) -> anyhow::Result<RunFolder> {
        let path = self.folder(name, settings.seed);
        output::say(&format!("== {}", path.display()));
        Ok(RunFolder::open(&path, Record::new(settings, &self.problems, &self.source))?)
    }

    /// Puts the initial model where the run would learn it: it would be the same, because it follows from the seed.
    fn lend_initial(&self, folder: &RunFolder) -> anyhow::Result<()> {
        let from = self.folder("initial", folder.settings().seed).join("checkpoints/000");
        let to = folder.path().join("checkpoints/000");
        if to.join("model").exists() {
            return Ok(());
        }
        let partial = to.join("model.partial");
        let copy = || -> std::io::Result<()> {
            fs::create_dir_all(&partial)?;
            copy_files(&from.join("model"), &partial)?;
            fs::copy(from.join(LEARNT_FILE), to.join(LEARNT_FILE))?;
            fs::rename(&partial, to.join("model"))
        };
        copy().with_context(|| format!("cannot copy the initial model to `{}`", to.display()))
    }

    /// A run to its end.
    async fn play(&self, folder: &RunFolder) -> anyhow::Result<()> {
        let device: DeviceName = "cpu".parse().map_err(UsageError)?;
        let judging = proof_judging(&self.args.judging);
        play(folder, &self.problems, &judging, compute(device, None)?).await
    }
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn tell(args: &Args, rows: &[Row]) -> anyhow::Result<()> {
    if args.json {
        output::data(&serde_json::to_string_pretty(rows)?)?;
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header([
        "method",
        "seed",
        "samples",
        "solved after each round",
        "of",
        "held-out pass@1, points",
    ]);
    for row in rows {
        let rounds: Vec<String> = row.solved_by_round.iter().map(|round| round.solved.to_string()).collect();
        let last = row.solved_by_round.last();
        let held_out = row
            .held_out
            .map_or_else(String::new, |(value, low, high)| format!("{value:+.1} [{low:+.1}, {high:+.1}]"));
        table.add_row([
            row.method.clone(),
            row.seed.to_string(),
            last.map_or(0, |last| last.samples).to_string(),
            rounds.join(" "),
            last.map_or(0, |last| last.of).to_string(),
            held_out,
        ]);
    }
    output::data(&table.to_string())?;
    for line in ratios(args, rows) {
        output::data(&line)?;
    }
    Ok(())
}

/// Newly solved of the first method over those of each other, over all seeds.
fn ratios(args: &Args, rows: &[Row]) -> Vec<String> {
    let total = |name: &str| -> usize { rows.iter().filter(|row| row.method == name).map(Row::solved).sum() };
    let Some(first) = args.methods.first().map(|method| method.name()) else { return Vec::new() };
    let others = args.methods.iter().skip(1).map(|method| method.name());
    let line = |other: &str| {
        let (ours, theirs) = (total(first), total(other));
        let ratio = ours as f64 / theirs.max(1) as f64;
        format!("{first} solved {ours}, {other} {theirs} over {} seeds: {ratio:.2} times", args.seeds.len())
    };
    others.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_gets_what_self_play_sampled_in_each_round() {
        let solved = |iteration, samples| Solved { iteration, samples, solved: 0, of: 9 };
        assert_eq!(samples_by_round(&[solved(1, 100), solved(2, 250), solved(3, 260)]), [100, 150, 10]);
    }
}
