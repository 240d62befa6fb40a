//! `proofloop serve`: what judges, behind HTTP.

use super::backend::{BackendArgs, close};
use super::exit::{Exit, UsageError};
use super::output;
use super::signals::Signals;
use crate::serve::keys::Keys;
use crate::serve::listen::{self, Stopped};
use crate::serve::{App, ServeSettings};
use anyhow::Context;
use proofloop_verifiers::install;
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
    #[command(flatten)]
    backend: BackendArgs,
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

    fn settings(&self) -> anyhow::Result<ServeSettings> {
        let body_bytes = usize::try_from(self.body.0).context("the longest body")?;
        let state = self.state.clone().unwrap_or_else(|| install::home().join("serve"));
        Ok(ServeSettings {
            listen: self.listen,
            runs: self.runs.clone(),
            body_bytes,
            batch_items: self.batch_items,
            client_items: self.client_items,
            client_rate: self.client_rate,
            longest_timeout: self.backend.longest_timeout,
            grace: self.grace,
            trust_forwarded: self.trust_forwarded,
            strict: self.kimina == KiminaMessages::Strict,
            ..ServeSettings::new(state)
        })
    }
}

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
    let backend = args.backend.start().await?;
    let serve_settings = args.settings()?;
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the address is not known")?;
    let app = App::new(backend, keys, serve_settings)?;
    // Before the line that scripts wait for: from there on they may send a signal.
    let (mut first, mut both) = (Signals::hear(), Signals::hear());
    output::data(&format!("listening on http://{address}"))?;
    let stopped = tokio::select! {
        stopped = listen::serve(listener, Arc::clone(&app), async move { first.next().await }) => stopped,
        // Whoever asks a second time does not want to wait.
        () = async { both.next().await; both.next().await } => Stopped::Hurried,
    };
    close(app).await;
    Ok(if stopped == Stopped::InOrder { Exit::Success } else { Exit::Infrastructure })
}

fn new_key(name: &str) -> anyhow::Result<Exit> {
    let (key, hash) = Keys::generate()?;
    output::say(&format!("the key of {name}; it is shown this once:"));
    output::data(&key)?;
    output::say("the line for the file of keys:");
    output::data(&format!("{name} {hash}"))?;
    Ok(Exit::Success)
}
