//! `proofloop bench verify`: what the farm costs beside one hand-made file with the same content.

use super::super::exit::Exit;
use super::super::farm::{self, Mode, Settings};
use super::super::isabelle::IsabelleArgs;
use super::super::output;
use super::baseline::{self, Text};
use anyhow::Context;
use proofloop_datasets::{Format, Kind as ProblemKind, Options, Problem, Split, readers, workbook};
use proofloop_sandboxes::process::{Launcher, own_cpu};
use proofloop_verifiers::candidate::{Candidate, Kind, LeanCandidate};
use proofloop_verifiers::farm::FarmStats;
use proofloop_verifiers::install;
use proofloop_verifiers::lean::toolchain::{self, Toolchain};
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
    /// Of the completions that the farm accepts for a problem that isn't theirs, give this many to a plain process each
    #[arg(long, value_name = "COUNT", default_value_t = 0, requires = "variants")]
    fresh_accepted: usize,
    /// The same for those that it rejects
    #[arg(long, value_name = "COUNT", default_value_t = 0, requires = "variants")]
    fresh_rejected: usize,
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
    farm_processes: u64,
    /// Candidates that the farm refused by their text, without Lean; the hand-made file holds them, too.
    refused_without_lean: usize,
    /// Attempts of the farm that came to no verdict.
    farm_retries: u64,
    /// The part of the farm's CPU time that this process spent itself.
    farm_own_cpu_s: f64,
    /// CPU time of the farm over that of the hand-made file.
    cpu_ratio: f64,
    /// Candidates on which the two disagree.
    disagreements: Vec<String>,
    /// Candidates that got a plain process each.
    fresh: Fresh,
    /// Accepted and all, by kind of completion.
    accepted: BTreeMap<String, (usize, usize)>,
}

#[derive(Debug, Default, Serialize)]
struct Fresh {
    /// Accepted by the farm, and all of them.
    accepted: (usize, usize),
    /// Rejected by the farm, and all of them.
    rejected: (usize, usize),
    cpu_s: f64,
    /// On these the two disagree.
    disagreements: Vec<String>,
}

/// What the farm said and cost.
struct Farmed {
    accepted: Vec<bool>,
    refused_without_lean: usize,
    stats: FarmStats,
    own_cpu: Duration,
    wall: Duration,
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
    let Farmed { accepted: judged, refused_without_lean, stats, own_cpu, wall } =
        judge(&texts, args.jobs, home).await?;
    let cpu = stats.cpu + own_cpu;
    let fresh = fresh(&args, &launcher, &toolchain, &texts, &judged).await?;
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
        farm_processes: stats.processes,
        refused_without_lean,
        farm_retries: stats.retries,
        farm_own_cpu_s: own_cpu.as_secs_f64(),
        cpu_ratio: cpu.as_secs_f64() / plain.cpu.as_secs_f64(),
        disagreements: differ.map(|(text, (ours, _))| format!("{}: ours {ours}", text.id)).collect(),
        fresh,
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
    output::data(&format!("hand-made file  {} process(es)", results.baseline_processes))?;
    output::data(&format!(
        "farm            {} process(es), {} attempts without a verdict, {:.1} CPU s in proofloop itself",
        results.farm_processes, results.farm_retries, results.farm_own_cpu_s
    ))?;
    output::data(&format!(
        "farm            {} of {} refused by their text, without Lean",
        results.refused_without_lean, results.candidates
    ))?;
    output::data(&format!("CPU ratio       {:7.2}", results.cpu_ratio))?;
    for (variant, (accepted, all)) in &results.accepted {
        output::data(&format!("{variant:<15} {accepted} of {all} accepted by the farm"))?;
    }
    output::data(&format!("disagreements   {}", results.disagreements.len()))?;
    results.disagreements.iter().try_for_each(|line| output::data(&format!("  {line}")))?;
    print_fresh(&results.fresh)
}

fn print_fresh(fresh: &Fresh) -> std::io::Result<()> {
    let Fresh { accepted, rejected, cpu_s, disagreements } = fresh;
    if accepted.0 + rejected.0 == 0 {
        return Ok(());
    }
    output::data(&format!(
        "a process each  {} of {} accepted, {} of {} rejected swapped proofs, {cpu_s:.1} CPU s; disagreements {}",
        accepted.0,
        accepted.1,
        rejected.0,
        rejected.1,
        disagreements.len()
    ))?;
    disagreements.iter().try_for_each(|line| output::data(&format!("  {line}")))
}

/// Gives swapped proofs a plain process each, evenly spread over those that the farm accepts and rejects.
async fn fresh(
    args: &Args,
    launcher: &Launcher,
    toolchain: &Toolchain,
    texts: &[Text],
    judged: &[bool],
) -> anyhow::Result<Fresh> {
    let mut fresh = Fresh::default();
    for (ours, wanted) in [(true, args.fresh_accepted), (false, args.fresh_rejected)] {
        let all: Vec<&Text> = texts
            .iter()
            .zip(judged)
            .filter(|(text, judged)| **judged == ours && text.id.starts_with("swapped/"))
            .map(|(text, _)| text)
            .collect();
        let count = wanted.min(all.len());
        for index in 0..count {
            let text = all[index * all.len() / count];
            let (theirs, cpu) = baseline::alone(launcher, toolchain, text).await?;
            fresh.cpu_s += cpu.as_secs_f64();
            if theirs != ours {
                fresh.disagreements.push(format!("{}: ours {ours}", text.id));
            }
        }
        let done = (count, all.len());
        if ours { fresh.accepted = done } else { fresh.rejected = done }
    }
    Ok(fresh)
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

/// Judges everything without a cache.
async fn judge(texts: &[Text], jobs: Option<usize>, home: PathBuf) -> anyhow::Result<Farmed> {
    let settings = Settings {
        home,
        project: None,
        mode: Mode::Batch,
        guest: Guest::default(),
        limits: Limits::default(),
        isabelle: IsabelleArgs::default(),
        jobs,
        cache: None,
        linger: farm::LINGER,
        patience: farm::LINGER,
        fresh_processes: false,
    };
    let started = Instant::now();
    // The farm's own work belongs to its price. What the sandboxed processes use is told by the sandbox; the kernel's
    // account of this process's children misses those whose helper was killed.
    let before = own_cpu()?;
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
    let (mut accepted, mut refused_without_lean) = (Vec::new(), 0);
    for ticket in tickets {
        let judgement = ticket.judgement().await.context("the farm died")?;
        accepted.push(judgement.verdict.is_accepted());
        // What no sandbox protected has not run.
        refused_without_lean += usize::from(judgement.protection.is_empty());
    }
    let stats = farm.close().await;
    let wall = started.elapsed();
    Ok(Farmed { accepted, refused_without_lean, stats, own_cpu: own_cpu()?.saturating_sub(before), wall })
}
