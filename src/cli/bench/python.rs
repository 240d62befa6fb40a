//! `proofloop bench python`: the wasm guest beside a fresh native process for every check.

use super::super::exit::Exit;
use super::super::farm::{self, GuestName};
use super::super::output;
use anyhow::{Context, bail};
use proofloop_datasets::{Format, Kind as ProblemKind, Options, PythonProblem, readers};
use proofloop_sandboxes::process::{Launcher, Outcome, Policy, Program};
use proofloop_verifiers::candidate::PythonCandidate;
use proofloop_verifiers::install;
use proofloop_verifiers::python::{CancelFlag, PythonJudge, PythonLimits};
use serde::Serialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Tasks of our own in the form of HumanEval, for machines without a data set.
const TASKS: &str = include_str!("tasks.jsonl");
/// How often each check is made on both sides; the median counts.
const ROUNDS: usize = 3;
/// How many of the checks on which the guest loses most are shown.
const SHOWN: usize = 5;

/// Arguments of `proofloop bench python`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// HumanEval's JSONL (.gz); by default tasks of our own
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The guest
    #[arg(long, value_enum, default_value = "python3.12")]
    guest: GuestName,
    /// Print JSON, with the figures of every check
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    guest: String,
    native: String,
    /// CPU time of all checks together.
    total: Pair,
    /// Of the medians over the checks.
    median: Pair,
    checks: Vec<Check>,
}

/// CPU milliseconds on both sides.
#[derive(Debug, Clone, Copy, Serialize)]
struct Pair {
    guest_cpu_ms: f64,
    native_cpu_ms: f64,
    /// Native over guest: how many times the checks per CPU second the guest makes.
    ratio: f64,
}

#[derive(Debug, Serialize)]
struct Check {
    id: String,
    #[serde(flatten)]
    cost: Pair,
}

impl Pair {
    fn new(guest: Duration, native: Duration) -> Self {
        let (guest_cpu_ms, native_cpu_ms) = (guest.as_secs_f64() * 1e3, native.as_secs_f64() * 1e3);
        Self { guest_cpu_ms, native_cpu_ms, ratio: native_cpu_ms / guest_cpu_ms }
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let candidates = candidates(args.data.as_deref())?;
    let judge = farm::python_judge(args.guest.into(), &install::home()).await?;
    let native = Native::find()?;
    let mut costs = Vec::new();
    for (id, candidate) in candidates {
        let mut guest_rounds = Vec::new();
        let mut native_rounds = Vec::new();
        for _ in 0..ROUNDS {
            guest_rounds.push(guest_check(&judge, &id, &candidate).await?);
            native_rounds.push(
                native
                    .check(&candidate)
                    .await
                    .with_context(|| format!("{id} in {}", native.python.display()))?,
            );
        }
        costs.push((id, median(guest_rounds), median(native_rounds)));
    }
    let results = results(&judge, &native, costs);
    if args.json {
        output::data(&serde_json::to_string_pretty(&results)?)?;
    } else {
        print(&results)?;
    }
    Ok(Exit::Success)
}

fn results(judge: &PythonJudge, native: &Native, costs: Vec<(String, Duration, Duration)>) -> Results {
    let guest: Vec<Duration> = costs.iter().map(|(_, guest, _)| *guest).collect();
    let process: Vec<Duration> = costs.iter().map(|(_, _, native)| *native).collect();
    Results {
        guest: judge.checker().toolchain,
        native: format!("{} -I -S", native.python.display()),
        total: Pair::new(guest.iter().sum(), process.iter().sum()),
        median: Pair::new(median(guest), median(process)),
        checks: costs
            .into_iter()
            .map(|(id, guest, native)| Check { id, cost: Pair::new(guest, native) })
            .collect(),
    }
}

fn print(results: &Results) -> std::io::Result<()> {
    let Results { guest, native, total, median, checks } = results;
    output::data(&format!("guest   {guest}\nnative  {native}, one fresh process for each check"))?;
    output::data(&format!("{:<16} {:>12} {:>12} {:>7}", "", "guest CPU ms", "native CPU ms", "ratio"))?;
    let row = |name: &str, pair: &Pair| {
        output::data(&format!(
            "{name:<16} {:>12.2} {:>13.2} {:>7.1}",
            pair.guest_cpu_ms, pair.native_cpu_ms, pair.ratio
        ))
    };
    row(&format!("{} checks", checks.len()), total)?;
    row("median check", median)?;
    let mut worst: Vec<&Check> = checks.iter().collect();
    let loss = |check: &Check| check.cost.guest_cpu_ms - check.cost.native_cpu_ms;
    worst.sort_by(|a, b| loss(b).total_cmp(&loss(a)));
    worst
        .iter()
        .take(SHOWN)
        .filter(|check| loss(check) > 0.0)
        .try_for_each(|check| row(&check.id, &check.cost))
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

fn candidates(data: Option<&Path>) -> anyhow::Result<Vec<(String, PythonCandidate)>> {
    let options = Options::default();
    let problems = match data {
        Some(path) => readers::open(path, Format::HumanEval, &options)?,
        None => readers::from_reader(Path::new("tasks.jsonl"), TASKS.as_bytes(), Format::HumanEval, &options),
    };
    let mut candidates = Vec::new();
    for problem in problems {
        let problem = problem?;
        if let (
            ProblemKind::Python(PythonProblem::HumanEval { prompt, test, entry_point }),
            Some(completion),
        ) = (problem.kind, problem.known)
        {
            let candidate = PythonCandidate::HumanEval { prompt, completion, test, entry_point };
            candidates.push((problem.name, candidate));
        }
    }
    Ok(candidates)
}

/// The CPU time of one check in fresh instances.
async fn guest_check(judge: &PythonJudge, id: &str, candidate: &PythonCandidate) -> anyhow::Result<Duration> {
    let limits = PythonLimits { wall: Duration::from_secs(60), ..PythonLimits::default() };
    let (judge, candidate) = (judge.clone(), candidate.clone());
    let (judgement, cpu) = tokio::task::spawn_blocking(move || {
        let before = thread_cpu();
        let judgement = judge.judge(&candidate, &limits, &CancelFlag::default());
        (judgement, thread_cpu().saturating_sub(before))
    })
    .await?;
    if !judgement.verdict.is_accepted() {
        bail!(
            "the known solution of {id} was not accepted: {:?} {:?}",
            judgement.verdict,
            judgement.messages
        );
    }
    Ok(cpu)
}

/// A native interpreter in the process sandbox.
struct Native {
    python: PathBuf,
    launcher: Launcher,
    policy: Policy,
}

impl Native {
    /// The first `python3` on the PATH that is a program: a version manager's shell script would cost several times
    /// what the interpreter does.
    fn find() -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let python = std::env::split_paths(&path)
            .filter_map(|directory| directory.join("python3").canonicalize().ok())
            .find(|file| is_elf(file))
            .context("there is no native `python3` on the PATH")?;
        let mut policy = Policy::default();
        let prefix = python.parent().and_then(Path::parent).filter(|prefix| prefix.parent().is_some());
        policy.read_only.extend(prefix.map(Path::to_path_buf));
        Ok(Self { python, launcher: Launcher::current_exe(), policy })
    }

    /// The CPU time of one fresh process that runs the check as HumanEval's own harness does.
    async fn check(&self, candidate: &PythonCandidate) -> anyhow::Result<Duration> {
        let PythonCandidate::HumanEval { prompt, completion, test, entry_point } = candidate else {
            bail!("not a HumanEval task");
        };
        let source = format!("{prompt}{completion}\n{test}\ncheck({entry_point})\n");
        let program = Program {
            path: self.python.clone(),
            args: ["-I", "-S", "-"].map(Into::into).to_vec(),
            cwd: PathBuf::from("/usr"),
            stdin: source.into_bytes(),
        };
        let finished = self.launcher.run(&program, &self.policy, &CancellationToken::new()).await?;
        if finished.outcome != (Outcome::Exited { code: 0 }) {
            bail!("the native check failed: {}", finished.stderr.to_string_lossy());
        }
        Ok(finished.usage.cpu)
    }
}

fn is_elf(file: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

/// CPU time of the calling thread, from the kernel's nanosecond counter.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanoseconds)
}
