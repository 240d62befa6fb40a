//! `proofloop bench python`: the wasm guest beside a fresh native process for every check.

use super::super::exit::Exit;
use super::super::farm::{self, GuestName};
use super::super::output;
use anyhow::{Context, bail};
use proofloop_datasets::{Format, Kind as ProblemKind, Options, PythonProblem, readers};
use proofloop_sandboxes::process::{Launcher, Outcome, Policy, Program};
use proofloop_verifiers::candidate::PythonCandidate;
use proofloop_verifiers::install;
use proofloop_verifiers::python::{CancelFlag, PythonLimits};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A few tasks of our own in the form of HumanEval, for machines without a data set.
const TASKS: &str = include_str!("tasks.jsonl");

/// Arguments of `proofloop bench python`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// HumanEval's JSONL (.gz); by default a few tasks of our own
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The guest
    #[arg(long, value_enum, default_value = "python3.12")]
    guest: GuestName,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Results {
    guest: String,
    native: String,
    checks: usize,
    guest_cpu_ms_per_check: f64,
    native_cpu_ms_per_check: f64,
    /// Checks per CPU second in the guest over those of native processes.
    ratio: f64,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let candidates = candidates(args.data.as_deref())?;
    let home = install::home();
    let judge = farm::python_judge(args.guest.into(), &home).await?;
    let python = install::on_path("python3").context("`python3` is not on the PATH")?;
    let launcher = Launcher::current_exe();
    let mut in_guest = Duration::ZERO;
    let mut native = Duration::ZERO;
    for candidate in &candidates {
        let limits = PythonLimits { wall: Duration::from_secs(60), ..PythonLimits::default() };
        // Twice, so that pages of the snapshot that nobody has touched before are not charged to a check.
        let judge = judge.clone();
        let task = candidate.clone();
        let judgements = tokio::task::spawn_blocking(move || {
            let flag = CancelFlag::default();
            let before = thread_cpu();
            let first = judge.judge(&task, &limits, &flag);
            let second = judge.judge(&task, &limits, &flag);
            (first, second, thread_cpu().saturating_sub(before))
        });
        let (first, second, cpu) = judgements.await?;
        if !(first.verdict.is_accepted() && second.verdict.is_accepted()) {
            bail!("a canonical solution was not accepted: {:?} {:?}", first.verdict, first.messages);
        }
        in_guest += cpu / 2;
        native += native_check(&launcher, &python, candidate).await?;
    }
    let count = f64::from(u32::try_from(candidates.len())?);
    let results = Results {
        guest: judge.checker().toolchain,
        native: format!("{} -I -S", python.display()),
        checks: candidates.len(),
        guest_cpu_ms_per_check: in_guest.as_secs_f64() * 1e3 / count,
        native_cpu_ms_per_check: native.as_secs_f64() * 1e3 / count,
        ratio: native.as_secs_f64() / in_guest.as_secs_f64(),
    };
    if args.json {
        output::data(&serde_json::to_string_pretty(&results)?)?;
    } else {
        output::data(&format!("{} checks", results.checks))?;
        output::data(&format!(
            "{:<34} {:8.2} CPU ms per check",
            results.guest, results.guest_cpu_ms_per_check
        ))?;
        output::data(&format!(
            "{:<34} {:8.2} CPU ms per check",
            results.native, results.native_cpu_ms_per_check
        ))?;
        output::data(&format!("checks per CPU second: {:.1} times as many", results.ratio))?;
    }
    Ok(Exit::Success)
}

fn candidates(data: Option<&Path>) -> anyhow::Result<Vec<PythonCandidate>> {
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
            candidates.push(PythonCandidate::HumanEval { prompt, completion, test, entry_point });
        }
    }
    Ok(candidates)
}

/// The CPU time of one fresh process that runs the check as HumanEval's own harness does.
async fn native_check(
    launcher: &Launcher,
    python: &Path,
    candidate: &PythonCandidate,
) -> anyhow::Result<Duration> {
    let PythonCandidate::HumanEval { prompt, completion, test, entry_point } = candidate else {
        bail!("not a HumanEval task");
    };
    let source = format!("{prompt}{completion}\n{test}\ncheck({entry_point})\n");
    let program = Program {
        path: python.to_path_buf(),
        args: ["-I", "-S", "-"].map(Into::into).to_vec(),
        cwd: PathBuf::from("/"),
        stdin: source.into_bytes(),
    };
    let mut policy = Policy::default();
    let real = python.canonicalize().context("cannot resolve `python3`")?;
    policy.read_only.extend(real.parent().and_then(Path::parent).map(Path::to_path_buf));
    policy.read_only.extend(python.parent().and_then(Path::parent).map(Path::to_path_buf));
    let finished = launcher.run(&program, &policy, &CancellationToken::new()).await?;
    if finished.outcome != (Outcome::Exited { code: 0 }) {
        bail!("the native check failed: {}", finished.stderr.to_string_lossy());
    }
    Ok(finished.usage.cpu)
}

/// CPU time of the calling thread, from the kernel's nanosecond counter.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanoseconds)
}
