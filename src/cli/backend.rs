//! What judges for others: `serve` and `mcp` are told in the same words what it is, and make the same of it.

use super::farm::{self, GuestName, JudgingArgs, Mode, Settings};
use super::{output, setup};
use crate::serve::App;
use crate::serve::backend::{Backend, Parts, ToolchainInfo};
use proofloop_sandboxes::process::Launcher;
use proofloop_verifiers::farm::Farm;
use proofloop_verifiers::install;
use proofloop_verifiers::lean::snippet::LeanSnippets;
use proofloop_verifiers::lean::toolchain::{self, ToolchainError};
use proofloop_verifiers::python::{Guest, PythonLimits, PythonWasm};
use proofloop_verifiers::verifier::Verifier;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where each start of Lean is dear, a server's farm waits so long for more candidates,
const LINGER: Duration = Duration::from_millis(20);

/// and so long at most while they keep coming: somebody waits for each of them.
const PATIENCE: Duration = Duration::from_millis(300);

/// What judges, as typed.
#[derive(Debug, clap::Args)]
pub(super) struct BackendArgs {
    /// Install what is missing first, as `proofloop setup` does
    #[arg(long)]
    setup: bool,
    /// The Python guest
    #[arg(long, value_enum, default_value = "python3.12")]
    guest: GuestName,
    /// Directory of the verdict cache; by default below proofloop's home
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Judge everything anew and remember nothing
    #[arg(long)]
    no_cache: bool,
    /// Longest time that a client may ask for one snippet or program
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = humantime::parse_duration)]
    pub(super) longest_timeout: Duration,
    #[command(flatten)]
    judging: JudgingArgs,
}

impl BackendArgs {
    /// Everything that judges and is installed.
    pub(super) async fn start(&self) -> anyhow::Result<Backend> {
        let cache = || self.cache.clone().unwrap_or_else(|| install::home().join("cache"));
        let settings = self.judging.settings(self.guest.into(), (!self.no_cache).then(cache));
        if self.setup {
            self.set_up(&settings).await?;
        }
        start(settings).await
    }

    async fn set_up(&self, settings: &Settings) -> anyhow::Result<()> {
        if self.judging.project.is_none() {
            setup::lean(&Launcher::current_exe(), &settings.home, false).await?;
        }
        setup::python(&Launcher::current_exe(), &settings.home, settings.guest).await?;
        Ok(())
    }
}

/// As [`BackendArgs::start`], from settings.
pub(super) async fn start(mut settings: Settings) -> anyhow::Result<Backend> {
    (settings.linger, settings.patience) = (LINGER, PATIENCE);
    let parts = parts(settings).await?;
    for toolchain in &parts.toolchains {
        output::say(&format!("{}: {}", toolchain.checker, toolchain.toolchain));
    }
    Ok(Backend::new(parts))
}

/// Candidates that the farm gets at once.
pub(super) fn farm_window(workers: usize, unit_size: usize) -> usize {
    (2 * workers * unit_size).max(64)
}

/// Ends what is still being judged.
pub(super) async fn close(app: Arc<App>) {
    // First: what is cancelled below is no answer to a job.
    app.jobs.stop().await;
    app.backend.cancel();
    // Requests that are still there hold the application; their processes end with this one.
    if let Some(app) = Arc::into_inner(app) {
        app.backend.close().await;
    }
}

async fn parts(mut settings: Settings) -> anyhow::Result<Parts> {
    let launcher = Launcher::current_exe();
    // A farm's worker and a snippet's each have a process.
    let workers = farm::workers(&settings, 2)?;
    let mut verifiers: Vec<Arc<dyn Verifier>> = Vec::new();
    let mut toolchains = Vec::new();
    let mut snippets = None;
    match toolchain::discover(&launcher, &settings.home, settings.project.as_deref()).await {
        Ok(toolchain) => {
            let repl = farm::repl(&toolchain).filter(|_| settings.mode != Mode::Batch);
            if repl.is_some() {
                settings.mode = Mode::Repl;
                // A start costs nothing: what comes while the workers are busy makes units by itself.
                settings.linger = Duration::ZERO;
            }
            let verifier = farm::lean(&settings, &launcher).await?;
            toolchains.push(info("lean", verifier.as_ref(), repl.is_some()));
            verifiers.push(verifier);
            snippets = Some(LeanSnippets::new(launcher, toolchain, repl, settings.limits.clone()));
        }
        Err(ToolchainError::None) => output::say("there is no Lean: run `proofloop setup`"),
        Err(error) => return Err(error.into()),
    }
    let python = match Guest::installed(settings.guest, &settings.home)? {
        Some(_) => Some(farm::python_judge(settings.guest, &settings.home).await?),
        None => {
            output::say("there is no Python guest: run `proofloop setup`");
            None
        }
    };
    if let Some(judge) = &python {
        let verifier = PythonWasm::new(judge.clone(), &settings.limits);
        toolchains.push(info("python", &verifier, false));
        verifiers.push(Arc::new(verifier));
    }
    let most = verifiers.iter().map(|verifier| verifier.unit_size().most).max().unwrap_or(1);
    let limits = PythonLimits {
        wall: settings.limits.timeout,
        memory_bytes: settings.limits.memory_bytes,
        output_bytes: settings.limits.output_bytes,
    };
    Ok(Parts {
        farm: Farm::start(verifiers, &farm::farm_settings(&settings, workers))?,
        snippets,
        python: python.map(|judge| (judge, limits)),
        toolchains,
        workers,
        farm_window: farm_window(workers, most),
        candidate_time: settings.limits.timeout,
    })
}

fn info(kind: &'static str, verifier: &dyn Verifier, repl: bool) -> ToolchainInfo {
    let checker = verifier.checker();
    ToolchainInfo {
        kind,
        checker: checker.name.clone(),
        rules: checker.version.clone(),
        toolchain: checker.toolchain.clone(),
        repl,
    }
}
