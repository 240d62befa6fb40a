//! `proofloop bench verify`: what the farm costs beside one hand-made file with the same content.

use super::super::exit::Exit;
use super::super::farm::{self, Mode, Settings};
use super::super::output;
use super::baseline::{self, Text};
use anyhow::Context;
use proofloop_datasets::{Format, Kind as ProblemKind, Options, Problem, Split, readers, workbook};
use proofloop_sandboxes::process::Launcher;
use proofloop_verifiers::candidate::{Candidate, Kind, LeanCandidate};
use proofloop_verifiers::install;
use proofloop_verifiers::lean::toolchain;
use proofloop_verifiers::python::Guest;
use proofloop_verifiers::verifier::Limits;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Arguments of `proofloop bench verify`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// Problems with proofs, in DeepSeek-Prover's JSONL with a `proof` field; by default the bundled workbook
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Besides the proofs, try `sorry`, `admit`, an unknown tactic and another problem's proof on every problem
    #[arg(long)]
    variants: bool,
    /// Workers; by default one per core
    #[arg(long)]
    jobs: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    toolchain: String,
    candidates: usize,
    baseline: Cost,
    baseline_processes: usize,
    farm: Cost,
    /// CPU time of the farm over that of the hand-made file.
    cpu_ratio: f64,
    /// Candidates on which the two disagree.
    disagreements: Vec<String>,
    /// Accepted and all, by kind of completion.
    accepted: BTreeMap<String, (usize, usize)>,
}

#[derive(Debug, Serialize)]
struct Cost {
    cpu_s: f64,
    wall_s: f64,
    candidates_per_cpu_s: f64,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let problems = match &args.data {
        Some(path) => {
            readers::open(path, Format::LeanJsonl, &Options::default())?.collect::<Result<Vec<_>, _>>()?
        }
        None => [Split::Train, Split::Valid, Split::Test].into_iter().flat_map(workbook::problems).collect(),
    };
    let texts = candidates(&problems, args.variants);
    let home = install::home();
    let launcher = Launcher::current_exe();
    let toolchain = toolchain::discover(&launcher, &home, None).await?;
    let plain = baseline::run(&launcher, &toolchain, &texts).await.context("the hand-made file failed")?;
    let (judged, cpu, wall) = judge(&texts, args.jobs, home).await?;
    let mut accepted: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (text, ours) in texts.iter().zip(&judged) {
        let (variant, _) = text.id.split_once('/').unwrap_or(("", ""));
        let entry = accepted.entry(variant.to_owned()).or_default();
        entry.0 += usize::from(*ours);
        entry.1 += 1;
    }
    let differ =
        texts.iter().zip(judged.iter().zip(&plain.accepted)).filter(|(_, (ours, plain))| ours != plain);
    let results = Results {
        toolchain: toolchain.identity.clone(),
        candidates: texts.len(),
        baseline: cost(texts.len(), plain.cpu, plain.wall),
        baseline_processes: plain.processes,
        farm: cost(texts.len(), cpu, wall),
        cpu_ratio: cpu.as_secs_f64() / plain.cpu.as_secs_f64(),
        disagreements: differ.map(|(text, (ours, _))| format!("{}: ours {ours}", text.id)).collect(),
        accepted,
    };
    if args.json {
        output::data(&serde_json::to_string_pretty(&results)?)?;
    } else {
        print(&results)?;
    }
    Ok(Exit::Success)
}

fn print(results: &Results) -> std::io::Result<()> {
    output::data(&results.toolchain)?;
    for (name, cost) in [("hand-made file", &results.baseline), ("farm", &results.farm)] {
        output::data(&format!(
            "{name:<15} {:7.1} CPU s {:7.1} s wall {:7.1} candidates per CPU s",
            cost.cpu_s, cost.wall_s, cost.candidates_per_cpu_s
        ))?;
    }
    output::data(&format!("hand-made file: {} process(es)", results.baseline_processes))?;
    output::data(&format!("CPU ratio       {:7.2}", results.cpu_ratio))?;
    for (variant, (accepted, all)) in &results.accepted {
        output::data(&format!("{variant:<15} {accepted} of {all} accepted by the farm"))?;
    }
    output::data(&format!("disagreements   {}", results.disagreements.len()))?;
    results.disagreements.iter().try_for_each(|line| output::data(&format!("  {line}")))
}

fn cost(candidates: usize, cpu: Duration, wall: Duration) -> Cost {
    let count = f64::from(u32::try_from(candidates).unwrap_or(u32::MAX));
    Cost {
        cpu_s: cpu.as_secs_f64(),
        wall_s: wall.as_secs_f64(),
        candidates_per_cpu_s: count / cpu.as_secs_f64(),
    }
}

fn candidates(problems: &[Problem], variants: bool) -> Vec<Text> {
    let proofs: Vec<&String> = problems.iter().filter_map(|problem| problem.known.as_ref()).collect();
    let mut texts = Vec::new();
    for (number, problem) in problems.iter().enumerate() {
        let ProblemKind::Lean(lean) = &problem.kind else { continue };
        let mut add = |variant: &str, completion: &str| {
            texts.push(Text {
                id: format!("{variant}/{}", problem.name),
                header: lean.header.clone(),
                statement: lean.statement.clone(),
                completion: completion.to_owned(),
            });
        };
        if let Some(proof) = &problem.known {
            add("proof", proof);
        }
        if variants {
            add("sorry", "\n  sorry");
            add("admit", "\n  admit");
            add("unknown", "\n  no_such_tactic");
            // The next proof that is not its own.
            let other = (1..proofs.len()).map(|step| proofs[(number + step) % proofs.len()]);
            if let Some(proof) = other.into_iter().find(|proof| Some(*proof) != problem.known.as_ref()) {
                add("swapped", proof);
            }
        }
    }
    texts
}

/// Judges everything without a cache. The CPU time is that of all the processes that judged.
async fn judge(
    texts: &[Text],
    jobs: Option<usize>,
    home: PathBuf,
) -> anyhow::Result<(Vec<bool>, Duration, Duration)> {
    let settings = Settings {
        home,
        project: None,
        mode: Mode::Batch,
        guest: Guest::default(),
        limits: Limits::default(),
        jobs,
        cache: None,
    };
    let started = Instant::now();
    let before = children_cpu()?;
    let farm = farm::start(&settings, &[Kind::Lean].into()).await?;
    let mut tickets = Vec::new();
    for text in texts {
        let candidate = LeanCandidate::Completion {
            header: text.header.clone(),
            statement: text.statement.clone(),
            completion: text.completion.clone(),
        };
        tickets.push(farm.submit(Candidate::Lean(candidate)).await?);
    }
    let mut accepted = Vec::new();
    for ticket in tickets {
        let judgement = ticket.judgement().await.context("the farm died")?;
        accepted.push(judgement.verdict.is_accepted());
    }
    farm.close().await;
    let wall = started.elapsed();
    Ok((accepted, children_cpu()?.saturating_sub(before), wall))
}

/// CPU time of ended children and of this process, in which the sandbox's helpers and our own work are counted,
/// too: the honest price of the farm, not only Lean's part of it.
fn children_cpu() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    // Fields behind the command's name, which may hold spaces: utime, stime, cutime, cstime are 14 to 17.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    // The kernel's user interface counts in hundredths of a second on every Linux that we run on.
    Ok(Duration::from_millis(ticks * 10))
}
