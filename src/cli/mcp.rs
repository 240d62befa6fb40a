//! `proofloop mcp`: what judges, as tools of an agent on this machine.

use super::backend::{BackendArgs, close};
use super::exit::{Exit, UsageError};
use super::output;
use super::signals::Signals;
use crate::serve::mcp::{TalkError, talk};
use crate::serve::{App, ServeSettings};
use std::sync::Arc;

/// Arguments of `proofloop mcp`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Speaks the Model Context Protocol over standard input and output; an agent starts it. For instance, for Claude Code:

  claude mcp add proofloop -- proofloop mcp

or, in the settings of other agents: {\"mcpServers\": {\"proofloop\": {\"command\": \"proofloop\", \"args\": [\"mcp\"]}}}

Tools: `verify_lean` judges a proof, `lean_diagnostics` shows what Lean says, `run_python` runs a program. Ends when its
standard input does. The log goes to standard error (PROOFLOOP_LOG=info says more).

Exit code: 0 the client has closed its end, 2 usage, or the client speaks another protocol, 3 infrastructure failure.")]
pub(super) struct Args {
    /// Longest message of the agent
    #[arg(long, value_name = "SIZE", default_value = "32MiB")]
    body: bytesize::ByteSize,
    #[command(flatten)]
    backend: BackendArgs,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let backend = args.backend.start().await?;
    let mut signals = Signals::hear();
    // An agent's conversation leaves nothing behind.
    let state = tempfile::tempdir()?;
    let settings = ServeSettings {
        body_bytes: usize::try_from(args.body.0)?,
        longest_timeout: args.backend.longest_timeout,
        ..ServeSettings::new(state.path().to_path_buf())
    };
    let app = App::new(backend, None, settings)?;
    // Standard output is the client's from here on; everything else in this program says what it says elsewhere.
    let (read, write) = rmcp::transport::stdio_pipes();
    let ended = tokio::select! {
        ended = talk(Arc::clone(&app), "stdio", read, write) => ended,
        () = signals.next() => Ok(()),
    };
    close(app).await;
    match ended {
        Ok(()) => Ok(Exit::Success),
        Err(error @ TalkError::NoSession(_)) => {
            output::say("this is a server for agents: see `proofloop mcp --help`");
            Err(UsageError(error.to_string()).into())
        }
        Err(error @ TalkError::Broke(_)) => Err(error.into()),
    }
}
