//! `proofloop serve`: what judges, behind HTTP.

use super::exit::{Exit, UsageError};
use super::farm::{self, GuestName, JudgingArgs, Mode, Settings};
use super::{output, setup, signals};
use crate::serve::backend::{Backend, Parts, ToolchainInfo};
use crate::serve::keys::Keys;
use crate::serve::listen::{self, Stopped};
use crate::serve::{App, ServeSettings};
use anyhow::Context;
use proofloop_sandboxes::process::Launcher;
use proofloop_verifiers::farm::Farm;
use proofloop_verifiers::install;
use proofloop_verifiers::lean::snippet::LeanSnippets;
use proofloop_verifiers::lean::toolchain::{self, ToolchainError};
use proofloop_verifiers::python::{Guest, PythonLimits, PythonWasm};
use proofloop_verifiers::verifier::Verifier;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Arguments of `proofloop serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Addresses: `/` a page, `/docs` the API, `/api/check` and `/verify` for clients of Kimina Lean Server, `/run_code` for
clients of SandboxFusion, `/v1/…` our own, `/mcp` for agents, `/metrics`, `/healthz`, `/readyz`.

Without --keys everybody who reaches the address may ask: by default that is this machine. TLS is a proxy's work.
SIGTERM or SIGINT stops it in order; a second one at once.

Exit code: 0 stopped in order, 2 usage, 3 infrastructure failure, or requests were left unanswered at the end.")]
pub(super) struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", env = "PROOFLOOP_LISTEN")]
    listen: SocketAddr,
    /// Install what is missing first, as `proofloop setup` does
    #[arg(long)]
    setup: bool,
    /// File of API keys: who may ask
    #[arg(long, value_name = "FILE", env = "PROOFLOOP_KEYS")]
    keys: Option<PathBuf>,
    /// Make a key for this client, print it and its line for the file of keys, and end
    #[arg(long, value_name = "NAME", value_parser = client_name)]
    new_key: Option<String>,
    /// Where jobs are kept; by default below proofloop's home
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Show the runs in this directory on the page
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// The Python guest
    #[arg(long, value_enum, default_value = "python3.12")]
    guest: GuestName,
    #[command(flatten)]
    judging: JudgingArgs,
    /// Directory of the verdict cache; by default below proofloop's home
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Judge everything anew and remember nothing
    #[arg(long)]
    no_cache: bool,
    /// Most items in one request
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one)]
    batch_items: usize,
    /// Most items of one client under way at once; beyond it, 429
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = at_least_one)]
    client_items: usize,
    /// Most items a second of one client in the long run; beyond it, 429
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    client_rate: Option<u32>,
    /// Longest body of a request
    #[arg(long, value_name = "SIZE", default_value = "32MiB")]
    body: bytesize::ByteSize,
    /// Longest time that a client may ask for one snippet or program
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = humantime::parse_duration)]
    longest_timeout: Duration,
    /// How long to wait, when stopping, for what is under way
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Believe `X-Forwarded-For`: only behind a proxy that sets it
    #[arg(long)]
    trust_forwarded: bool,
    /// What Kimina's addresses say of axioms, native evaluation and code that runs inside Lean
    #[arg(long, value_enum, default_value = "strict")]
    kimina: KiminaMessages,
    /// Log one JSON object a line
    #[arg(long)]
    log_json: bool,
}

/// What Kimina's addresses say of what a proof must not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum KiminaMessages {
    /// An error message, so that clients that look at messages alone don't take it for valid
    Strict,
    /// What Lean says and nothing else
    Faithful,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn client_name(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if !name.is_empty() && name.chars().all(plain) {
        Ok(name.to_owned())
    } else {
        Err("letters, digits and `-_.@` only".to_owned())
    }
}

impl Args {
    /// Whether the log is JSON.
    pub(super) fn logs_json(&self) -> bool {
        self.log_json
    }

    fn settings(&self, workers: usize) -> anyhow::Result<ServeSettings> {
        let body_bytes = usize::try_from(self.body.0).context("the longest body")?;
        let state = self.state.clone().unwrap_or_else(|| install::home().join("serve"));
        Ok(ServeSettings {
            listen: self.listen,
            keys: self.keys.clone(),
            runs: self.runs.clone(),
            body_bytes,
            batch_items: self.batch_items,
            client_items: self.client_items,
            client_rate: self.client_rate,
            longest_timeout: self.longest_timeout,
            grace: self.grace,
            trust_forwarded: self.trust_forwarded,
            strict: self.kimina == KiminaMessages::Strict,
            ..ServeSettings::new(state, workers)
        })
    }
}

/// Where each start of Lean is dear, a server's farm waits so long for more candidates,
const LINGER: Duration = Duration::from_millis(20);

/// and so long at most while they keep coming: somebody waits for each of them.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    if let Some(name) = &args.new_key {
        return new_key(name);
    }
    let keys = args.keys.as_deref().map(Keys::read).transpose()?;
    if let Some(runs) = args.runs.as_deref().filter(|runs| !runs.is_dir()) {
        let text = format!("there is no directory of runs `{}`", runs.display());
        return Err(UsageError(text).into());
    }
    let cache = || args.cache.clone().unwrap_or_else(|| install::home().join("cache"));
    let settings = patient(args.judging.settings(args.guest.into(), (!args.no_cache).then(cache)));
    if args.setup {
        set_up(&args, &settings).await?;
    }
    let parts = parts(settings).await?;
    let serve_settings = args.settings(parts.workers)?;
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the address is not known")?;
    let app = App::new(Backend::new(parts), keys, serve_settings)?;
    for toolchain in app.backend.toolchains() {
        output::say(&format!("{}: {}", toolchain.checker, toolchain.toolchain));
    }
    // The line that scripts wait for.
    output::data(&format!("listening on http://{address}"))?;
    let stopped = tokio::select! {
        stopped = listen::serve(listener, Arc::clone(&app), signals::interrupted()) => stopped,
        () = interrupted_twice() => Stopped::Hurried,
    };
    let in_order = close(app, stopped).await;
    Ok(if in_order { Exit::Success } else { Exit::Infrastructure })
}

/// Whoever asks a second time does not want to wait.
async fn interrupted_twice() {
    signals::interrupted().await;
    signals::interrupted().await;
}

/// Ends what is still being judged; whether everything was answered.
async fn close(app: Arc<App>, stopped: Stopped) -> bool {
    // First: what is cancelled below is no answer to a job.
    app.jobs.stop().await;
    app.backend.cancel();
    // Requests that are still there hold the application; their processes end with this one.
    if let Some(app) = Arc::into_inner(app) {
        app.backend.close().await;
    }
    stopped == Stopped::InOrder
}

fn new_key(name: &str) -> anyhow::Result<Exit> {
    let (key, hash) = Keys::generate()?;
    output::say(&format!("the key of {name}; it is shown this once:"));
    output::data(&key)?;
    output::say("the line for the file of keys:");
    output::data(&format!("{name} {hash}"))?;
    Ok(Exit::Success)
}

async fn set_up(args: &Args, settings: &Settings) -> anyhow::Result<()> {
    if args.judging.project.is_none() {
        setup::lean(&Launcher::current_exe(), &settings.home, false).await?;
    }
    setup::python(&Launcher::current_exe(), &settings.home, settings.guest).await?;
    Ok(())
}

/// A server's candidates come when they come.
pub(super) fn patient(settings: Settings) -> Settings {
    Settings { linger: LINGER, patience: PATIENCE, ..settings }
}

/// Candidates that the farm gets at once.
pub(super) fn farm_window(workers: usize, unit_size: usize) -> usize {
    (2 * workers * unit_size).max(64)
}

/// Everything that judges and is installed.
pub(super) async fn parts(mut settings: Settings) -> anyhow::Result<Parts> {
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
