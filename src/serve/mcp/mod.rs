//! MCP: what judges, as tools of an agent; over HTTP at `/mcp` (`http.rs`), and over standard input and output for
//! `proofloop mcp` ([`talk`]).
//!
//! What a model can mend (an argument, its pace) comes back as a tool's result with `isError`, because that is what a
//! model gets to see; only an unknown tool or a message that is none is an error of the protocol.

mod answer;
mod arguments;
mod http;
mod origin;
mod tools;

use super::App;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer, ServerInitializeError};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ServerHandler, serve_server};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) use http::routes;

/// What an agent reads before it uses a tool.
const INSTRUCTIONS: &str = "\
Judges Lean 4 proofs and runs Python programs in sandboxes. `verify_lean` is the only tool that gives a verdict: \
a proof is right only if its verdict is `accepted`. Use `lean_diagnostics` while you write a proof, to see Lean's \
messages and the goal at each `sorry`. `run_python` runs a program without files and network.";

/// The tools of one client.
#[derive(Clone)]
struct Session {
    app: Arc<App>,
    client: Arc<str>,
}

impl ServerHandler for Session {
    fn get_info(&self) -> ServerConfig {
        let this_program = Implementation::new("proofloop", env!("CARGO_PKG_VERSION"))
            .with_title("proofloop: Lean and Python, judged");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(this_program)
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::Name::of(&call.name) else {
            let names = tools::Name::ALL.map(tools::Name::text).join(", ");
            let text = format!("there is no tool of this name; there are {names}");
            return Err(ErrorData::invalid_params(text, None));
        };
        let arguments = call.arguments.unwrap_or_default();
        // A client that gives up drops what it asked for: whatever runs for it ends.
        let result = tokio::select! {
            result = tools::call(&self.app, &self.client, tool, arguments) => result,
            () = context.ct.cancelled() => Err("cancelled".to_owned()),
        };
        Ok(match result {
            Ok(answer) => answer.into_result(),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error)]),
        }
        .into())
    }
}

/// How a conversation over a pair of streams ended.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// The client did not begin as the protocol wants it.
    #[error("the client's first message is none that begins a session: {0}")]
    NoSession(String),
    /// A task of the library died.
    #[error("the conversation broke off: {0}")]
    Broke(String),
}

/// Talks with one client, one JSON message a line, until it closes its end. Lines longer than a body may be are passed
/// over, with a word in the log.
///
/// # Errors
/// [`TalkError`].
pub async fn talk<R, W>(app: Arc<App>, client: &str, read: R, write: W) -> Result<(), TalkError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let line_bytes = app.settings.body_bytes;
    let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(line_bytes);
    let session = Session { app, client: client.into() };
    let running = match serve_server(session, transport).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(TalkError::NoSession(error.to_string())),
    };
    match running.waiting().await {
        Ok(_closed) => Ok(()),
        Err(error) => Err(TalkError::Broke(error.to_string())),
    }
}
