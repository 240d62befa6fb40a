//! What a server is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where jobs are kept.
    pub state: PathBuf,
    /// A directory of runs, shown on the page.
    pub runs: Option<PathBuf>,
    /// Longest body of a request, in bytes.
    pub body_bytes: usize,
    /// Most candidates, snippets or items in one request.
    pub batch_items: usize,
    /// Items of one client that are under way or wait, at most.
    pub client_items: usize,
    /// Items a second that a client may submit in the long run; `None` for any number.
    pub client_rate: Option<u32>,
    /// Longest time that may be asked for one snippet or program.
    pub longest_timeout: Duration,
    /// How long a stopping server waits for what is under way.
    pub grace: Duration,
    /// Whether `X-Forwarded-For` says who asks: only behind a proxy that sets it.
    pub trust_forwarded: bool,
    /// Whether Kimina's endpoints add an error where a snippet uses what a proof must not (axioms, native evaluation,
    /// code of its own): without it, clients that look at messages alone take such a snippet for valid.
    pub strict: bool,
}

impl ServeSettings {
    /// The defaults for a server that keeps its state there.
    #[must_use]
    pub fn new(state: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            state,
            runs: None,
            body_bytes: 32 << 20,
            batch_items: 10_000,
            client_items: 20_000,
            client_rate: None,
            longest_timeout: Duration::from_secs(600),
            grace: Duration::from_secs(30),
            trust_forwarded: false,
            strict: true,
        }
    }
}
