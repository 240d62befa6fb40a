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
/// How many samples of each problem the guest judges: the first one costs most, since what the tests say to values that
/// they have seen is remembered.
const SAMPLES: usize = 8;
/// Samples per problem for which the ratio is shown, as pass@k draws them.
const RATIOS_AT: [u32; 3] = [1, 8, 32];
/// How often the native process is run for each problem; the median counts.
const NATIVE_ROUNDS: usize = 3;
/// How many of the problems on which the guest costs more are shown.
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
    /// Print JSON, with the figures of every problem
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    guest: String,
    native: String,
    /// Of all problems together.
    total: Cost,
    /// Of the medians over the problems.
    median: Cost,
    problems: Vec<Problem>,
}

/// CPU milliseconds per check.
#[derive(Debug, Clone, Copy, Serialize)]
struct Cost {
    /// The first sample of a problem.
    guest_first_cpu_ms: f64,
    /// The mean over further samples that behave like it.
    guest_further_cpu_ms: f64,
    native_cpu_ms: f64,
    /// How many times the checks per CPU second the guest makes, with 1, 8 and 32 samples of each problem.
    ratios: [f64; RATIOS_AT.len()],
}

#[derive(Debug, Serialize)]
struct Problem {
    id: String,
    #[serde(flatten)]
    cost: Cost,
}

impl Cost {
    fn new(guest_first_cpu_ms: f64, guest_further_cpu_ms: f64, native_cpu_ms: f64) -> Self {
        let ratios = RATIOS_AT.map(f64::from).map(|samples| {
            samples * native_cpu_ms / (guest_first_cpu_ms + (samples - 1.0) * guest_further_cpu_ms)
        });
        Self { guest_first_cpu_ms, guest_further_cpu_ms, native_cpu_ms, ratios }
    }

    fn over(problems: &[Problem], summary: impl Fn(Vec<f64>) -> f64) -> Self {
        let of =
            |field: fn(&Self) -> f64| summary(problems.iter().map(|problem| field(&problem.cost)).collect());
        Self::new(
            of(|cost| cost.guest_first_cpu_ms),
            of(|cost| cost.guest_further_cpu_ms),
            of(|cost| cost.native_cpu_ms),
        )
    }
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let candidates = candidates(args.data.as_deref())?;
    let judge = farm::python_judge(args.guest.into(), &install::home()).await?;
    let native = Native::find()?;
    let mut problems = Vec::new();
    for (id, candidate) in candidates {
        let mut guest_cpu_ms = Vec::new();
        for _ in 0..SAMPLES {
            guest_cpu_ms.push(guest_check(&judge, &id, &candidate).await?.as_secs_f64() * 1e3);
        }
        let mut native_cpu_ms = Vec::new();
        for _ in 0..NATIVE_ROUNDS {
            let cpu = native.check(&candidate).await.with_context(|| format!("{id} in the native Python"))?;
            native_cpu_ms.push(cpu.as_secs_f64() * 1e3);
        }
        problems.push(Problem {
            id,
            cost: Cost::new(guest_cpu_ms[0], mean(&guest_cpu_ms[1..]), median(native_cpu_ms)),
        });
    }
    let results = Results {
        guest: judge.checker().toolchain,
        native: format!("{} -I -S", native.python.display()),
        total: Cost::over(&problems, |values| values.iter().sum()),
        median: Cost::over(&problems, median),
        problems,
    };
    if args.json {
        output::data(&serde_json::to_string_pretty(&results)?)?;
    } else {
        print(&results)?;
    }
    Ok(Exit::Success)
}

fn print(results: &Results) -> std::io::Result<()> {
    let Results { guest, native, total, median, problems } = results;
    output::data(&format!(
        "guest   {guest}\n\
         native  {native}, a fresh process for each check\n\
         CPU milliseconds per check, and how many times the checks per CPU second the guest makes at k samples a problem"
    ))?;
    let [k1, k8, k32] = RATIOS_AT.map(|samples| format!("k = {samples}"));
    output::data(&format!(
        "{:<20} {:>12} {:>15} {:>9} {k1:>7} {k8:>7} {k32:>7}",
        "", "first sample", "further samples", "native"
    ))?;
    let row = |name: &str, cost: &Cost| {
        let Cost { guest_first_cpu_ms: first, guest_further_cpu_ms: further, native_cpu_ms: native, ratios } =
            cost;
        let [k1, k8, k32] = ratios;
        output::data(&format!(
            "{name:<20} {first:>12.2} {further:>15.2} {native:>9.2} {k1:>7.1} {k8:>7.1} {k32:>7.1}"
        ))
    };
    row(&format!("sum of {} problems", problems.len()), total)?;
    row("median problem", median)?;
    let loss = |problem: &Problem| problem.cost.guest_further_cpu_ms - problem.cost.native_cpu_ms;
    let mut worst: Vec<&Problem> = problems.iter().filter(|problem| loss(problem) > 0.0).collect();
    worst.sort_by(|a, b| loss(b).total_cmp(&loss(a)));
    worst.iter().take(SHOWN).try_for_each(|problem| row(&problem.id, &problem.cost))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
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
