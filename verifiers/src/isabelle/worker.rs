//! A worker: one server at a time, one session in it, a theory of a fresh name for each check.

use super::judge::{self, Outcome};
use super::policy::Rules;
use super::protocol::{
    Command, Failure, PurgeTheories, SessionArgs, SessionBuilt, SessionStarted, SessionStopped, Theories,
    UseTheories, typed,
};
use super::server::{Bounds, Broken, Ended, Installation, Server};
use super::theory::{Layout, NoTheory, Pinned};
use crate::scratch::Scratch;
use crate::verdict::{Message, Reason, Verdict};
use proofloop_sandboxes::process::{Launcher, Usage};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

/// What a worker runs, and for how long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The session whose heap proofs are checked on, for instance `HOL`.
    pub session: String,
    /// Further directories with ROOT files.
    pub dirs: Vec<PathBuf>,
    /// Further sessions whose theories can be imported.
    pub include_sessions: Vec<String>,
    /// Threads of the prover.
    pub threads: u32,
    /// For the server's first line and the handshake.
    pub start_timeout: Duration,
    /// For the session, heaps to be built included.
    pub session_timeout: Duration,
    /// For one theory.
    pub check_timeout: Duration,
    /// For everything that should be done at once: stopping a session, forgetting a theory.
    pub short_timeout: Duration,
    /// A server that has checked so many theories is replaced: they are never quite forgotten.
    pub max_uses: u32,
    /// A server whose peak memory has passed this many bytes is replaced before the next check.
    pub max_memory_bytes: u64,
    /// A server that has written so much is replaced before the next check.
    pub max_output_bytes: u64,
    /// Which rules decide about oracles.
    pub rules: Rules,
}

impl Settings {
    /// For a session, with a time for each theory.
    #[must_use]
    pub fn new(session: &str, check_timeout: Duration, memory_bytes: u64) -> Self {
        Self {
            session: session.to_owned(),
            dirs: Vec::new(),
            include_sessions: Vec::new(),
            threads: 1,
            start_timeout: Duration::from_secs(60),
            session_timeout: Duration::from_secs(600),
            check_timeout,
            short_timeout: Duration::from_secs(10),
            max_uses: 100,
            max_memory_bytes: memory_bytes / 4 * 3,
            max_output_bytes: 512 << 20,
            rules: Rules::Strict,
        }
    }
}

/// Where servers come from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Starts them.
    pub launcher: Launcher,
    /// From what.
    pub installation: Installation,
    /// Within which bounds.
    pub bounds: Bounds,
    /// Where their folders lie.
    pub scratch: Arc<Scratch>,
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// Messages about the candidate.
    pub messages: Vec<Message>,
    /// What it has cost.
    pub ran: Ran,
}

/// What one call has cost, and what the server was confined by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// CPU time of server and prover since the account before; the first check bears the start.
    pub cpu: Duration,
    /// The most memory that they have used so far.
    pub peak_memory_bytes: u64,
    /// Names of the protections in force.
    pub protection: Vec<String>,
    /// Servers that were started for it.
    pub servers: u64,
}

/// No server that can check.
#[derive(Debug, Error)]
enum Unready {
    #[error("an Isabelle server broke")]
    Broken(#[from] Broken),
    #[error("no answer within {limit:?} while {what}")]
    Late { what: &'static str, limit: Duration },
    #[error("{what} failed")]
    Failed {
        what: &'static str,
        #[source]
        source: Failure,
    },
    #[error("the session's heap could not be built (return code {0})")]
    Heap(i64),
    #[error("this Isabelle is not to be trusted: {0}")]
    Canary(String),
    #[error("no folder for the server")]
    Folder(#[source] std::io::Error),
}

/// Checks theories one after the other.
#[derive(Debug)]
pub struct Worker {
    source: Source,
    settings: Settings,
    live: Option<Live>,
    started: u64,
}

/// A server that runs.
#[derive(Debug)]
struct Live {
    server: Server,
    /// The session, unless it was stopped and none is there yet.
    session: Option<String>,
    /// Its home, in which the theories lie; gone when the server is.
    folder: TempDir,
    uses: u32,
    used: Usage,
}

impl Worker {
    /// A worker without a server yet.
    #[must_use]
    pub fn new(source: Source, settings: Settings) -> Self {
        Self { source, settings, live: None, started: 0 }
    }

    /// How many servers were started so far.
    #[must_use]
    pub fn servers_started(&self) -> u64 {
        self.started
    }

    /// Checks a theory. What a server that others have used before did not survive is checked once more in a fresh one.
    ///
    /// Dropping the future kills the server with everything that it runs.
    pub async fn check(&mut self, layout: &Layout) -> Checked {
        let servers_before = self.started;
        let first = self.attempt(layout).await;
        let mut checked = match first {
            Attempted::Checked(checked) => checked,
            Attempted::Broken { checked, uses: 0 } => checked,
            Attempted::Broken { checked: lost, uses: 1.. } => {
                let mut again = match self.attempt(layout).await {
                    Attempted::Checked(checked) | Attempted::Broken { checked, .. } => checked,
                };
                again.ran.cpu += lost.ran.cpu;
                again
            }
        };
        checked.ran.servers = self.started - servers_before;
        checked
    }

    /// Ends the server, if there is one.
    pub async fn close(&mut self) {
        if let Some(live) = self.live.take() {
            live.server.shut_down(self.settings.short_timeout).await;
        }
    }

    async fn attempt(&mut self, layout: &Layout) -> Attempted {
        // Taken out, so that a call that is dropped half-way drops the server as well.
        let mut live = match self.ready().await {
            Ok(live) => live,
            Err(unready) => {
                let (error, ran) = *unready;
                let verdict = Verdict::Unavailable { cause: crate::chain(&error) };
                return Attempted::Checked(Checked { verdict, messages: Vec::new(), ran });
            }
        };
        let uses = live.uses;
        live.uses += 1;
        match live.check(layout, &self.settings).await {
            Ok((verdict, messages)) => {
                let ran = live.account().await;
                self.live = Some(live);
                Attempted::Checked(Checked { verdict, messages, ran })
            }
            Err(error) => {
                let (ended, ran) = live.end().await;
                let verdict = verdict_of(error, ended);
                let checked = Checked { verdict, messages: Vec::new(), ran };
                Attempted::Broken { checked, uses }
            }
        }
    }

    /// A server with a session, the last one if it is fit.
    async fn ready(&mut self) -> Result<Live, Box<(Unready, Ran)>> {
        if let Some(mut live) = self.live.take() {
            let is_fit = live.uses < self.settings.max_uses
                && live.used.peak_memory_bytes <= self.settings.max_memory_bytes
                && live.server.output_bytes() < self.settings.max_output_bytes;
            if is_fit && (live.session.is_some() || live.open(&self.settings).await.is_ok()) {
                return Ok(live);
            }
            live.server.shut_down(self.settings.short_timeout).await;
        }
        let mut live = self.start().await.map_err(|error| Box::new((error, Ran::default())))?;
        match live.begin(&self.settings).await {
            Ok(()) => Ok(live),
            Err(error) => {
                let (ended, ran) = live.end().await;
                Err(Box::new((explained(error, ended), ran)))
            }
        }
    }

    async fn start(&mut self) -> Result<Live, Unready> {
        let folder = self.source.scratch.directory().map_err(Unready::Folder)?;
        self.started += 1;
        let name = format!("proofloop-{}-{}", std::process::id(), self.started);
        let Source { launcher, installation, bounds, .. } = &self.source;
        let server = Server::start(launcher, installation, bounds, folder.path(), &name).await?;
        Ok(Live { server, session: None, folder, uses: 0, used: Usage::default() })
    }
}

enum Attempted {
    Checked(Checked),
    /// The server did not survive it; so many theories it had checked before.
    Broken {
        checked: Checked,
        uses: u32,
    },
}

impl Live {
    async fn begin(&mut self, settings: &Settings) -> Result<(), Unready> {
        let limit = settings.start_timeout;
        let late = |_| Unready::Late { what: "the server was starting", limit };
        timeout(limit, self.server.shake_hands()).await.map_err(late)??;
        self.open(settings).await
    }

    /// Builds what is missing of the heap, starts a session and tries it out.
    async fn open(&mut self, settings: &Settings) -> Result<(), Unready> {
        let limit = settings.session_timeout;
        let dirs = settings.dirs.iter().map(|dir| dir.display().to_string()).collect();
        let args =
            SessionArgs::safe(&settings.session, dirs, settings.include_sessions.clone(), settings.threads);
        let started = async {
            let built = self.run(&Command::SessionBuild(args.clone()), "building the session").await?;
            let built: SessionBuilt = typed("session_build", built).map_err(Broken::from)?;
            if !built.ok {
                return Err(Unready::Heap(built.return_code));
            }
            let started = self.run(&Command::SessionStart(args), "starting the session").await?;
            let started: SessionStarted = typed("session_start", started).map_err(Broken::from)?;
            Ok(started.session_id)
        };
        let late = |_| Unready::Late { what: "the session was starting", limit };
        self.session = Some(timeout(limit, started).await.map_err(late)??);
        for canary in canaries(self.uses) {
            let (theory, expected) = canary.map_err(|error| Unready::Canary(error.to_string()))?;
            match self.check(&theory, settings).await {
                Ok((verdict, _)) if verdict_kind(&verdict) == expected => {}
                Ok((verdict, messages)) => {
                    let said = messages.first().map_or("", |message| message.text.as_str());
                    return Err(Unready::Canary(format!("{verdict:?} instead of {expected:?} ({said})")));
                }
                Err(Lost::Broken(broken)) => return Err(broken.into()),
                Err(Lost::Late | Lost::Silent) => {
                    return Err(Unready::Late {
                        what: "a canary was checked",
                        limit: settings.check_timeout,
                    });
                }
                Err(Lost::File(error)) => return Err(Unready::Folder(error)),
            }
        }
        Ok(())
    }

    async fn run(&mut self, command: &Command, what: &'static str) -> Result<serde_json::Value, Unready> {
        let task = self.server.begin(command).await?;
        self.server.end_of(&task).await?.map_err(|source| Unready::Failed { what, source })
    }

    /// Checks a theory in the session, which is stopped if that does not come to an end.
    async fn check(&mut self, layout: &Layout, settings: &Settings) -> Result<(Verdict, Vec<Message>), Lost> {
        let Some(session_id) = self.session.clone() else {
            return Ok((Verdict::Unavailable { cause: "there is no session".to_owned() }, Vec::new()));
        };
        let file = self.folder.path().join(format!("{}.thy", layout.name));
        std::fs::write(&file, &layout.text).map_err(Lost::File)?;
        let master_dir = self.folder.path().display().to_string();
        let theories = vec![layout.name.clone()];
        let command = Command::UseTheories(UseTheories {
            session_id: session_id.clone(),
            theories: theories.clone(),
            master_dir: master_dir.clone(),
            unicode_symbols: false,
            check_delay: 0.1,
            check_limit: 0,
            watchdog_timeout: settings.check_timeout.as_secs_f64(),
        });
        let deadline = Instant::now() + settings.check_timeout;
        let Ok(begun) = timeout_at(deadline, self.server.begin(&command)).await else {
            return Err(Lost::Silent);
        };
        let task = begun?;
        let (outcome, is_running) = match timeout_at(deadline, self.server.end_of(&task)).await {
            Err(_elapsed) => (Outcome::Unfinished { messages: Vec::new() }, true),
            Ok(ended) => (read(layout, &file.display().to_string(), ended?, settings.rules)?, false),
        };
        match outcome {
            Outcome::Judged { verdict, messages } => {
                let purge = Command::PurgeTheories(PurgeTheories { session_id, theories, master_dir });
                let purged = timeout(settings.short_timeout, self.server.ask(&purge)).await;
                purged.map_err(|_elapsed| Lost::Silent)??;
                std::fs::remove_file(&file).map_err(Lost::File)?;
                Ok((verdict, messages))
            }
            Outcome::Unfinished { messages } => {
                let cancelled = is_running.then_some(task);
                Ok((self.stop(session_id, cancelled, settings).await?, messages))
            }
        }
    }

    /// Stops a session that has not finished: a prover in a tight loop hears nothing else, and one that has died says so only
    /// now.
    async fn stop(
        &mut self,
        session_id: String,
        task: Option<String>,
        settings: &Settings,
    ) -> Result<Verdict, Lost> {
        self.session = None;
        let stopped = async {
            if let Some(task) = task {
                self.server.ask(&Command::Cancel { task }).await?;
            }
            let task = self.server.begin(&Command::SessionStop { session_id }).await?;
            self.server.end_of(&task).await
        };
        match timeout(settings.short_timeout, stopped).await.map_err(|_elapsed| Lost::Late)?? {
            Ok(value) => {
                let stopped: SessionStopped = typed("session_stop", value).map_err(Broken::from)?;
                Ok(if stopped.ok {
                    Verdict::Timeout
                } else {
                    Verdict::Crashed { how: died(stopped.return_code) }
                })
            }
            Err(Failure { return_code: Some(code), .. }) => Ok(Verdict::Crashed { how: died(code) }),
            Err(failure) => Ok(Verdict::Unavailable { cause: crate::chain(&failure) }),
        }
    }

    async fn account(&mut self) -> Ran {
        let before = self.used;
        self.used = self.server.usage().await.unwrap_or(before);
        ran(before, self.used, self.server.protection())
    }

    async fn end(self) -> (Ended, Ran) {
        let (used, protection) = (self.used, self.server.protection());
        let (ended, usage) = self.server.kill().await;
        (ended, ran(used, usage.unwrap_or(used), protection))
    }
}

/// The server did not survive a check.
#[derive(Debug, Error)]
enum Lost {
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The candidate's time was over, and the session that it had could not be stopped.
    #[error("the session can't be stopped")]
    Late,
    /// A command was not even begun.
    #[error("the server does not answer")]
    Silent,
    #[error("a theory's file could not be written or removed")]
    File(#[source] std::io::Error),
}

fn read(
    layout: &Layout,
    file: &str,
    ended: Result<serde_json::Value, Failure>,
    rules: Rules,
) -> Result<Outcome, Lost> {
    match ended {
        Ok(value) => {
            let theories: Theories = typed("use_theories", value).map_err(Broken::from)?;
            Ok(judge::judge(layout, file, &theories, rules))
        }
        // Headers and imports are ours, or checked to be well formed: whatever is wrong with them is no proof's fault.
        Err(failure) => {
            let verdict = Verdict::Unavailable { cause: layout.for_people(&crate::chain(&failure)) };
            Ok(Outcome::Judged { verdict, messages: Vec::new() })
        }
    }
}

fn died(code: i64) -> String {
    format!("the prover died with return code {code}")
}

fn verdict_of(lost: Lost, ended: Ended) -> Verdict {
    match (lost, ended) {
        (Lost::Broken(Broken::Gone { .. }), Ended::MemoryLimit) => Verdict::MemoryLimit,
        (Lost::Broken(Broken::Gone { .. }), Ended::OutputLimit)
        | (Lost::Broken(Broken::Codec(super::codec::CodecError::TooLong { .. })), _) => Verdict::OutputLimit,
        (
            Lost::Broken(Broken::Gone { .. }),
            ended @ (Ended::Exited { .. } | Ended::Signaled { .. } | Ended::Killed),
        ) => Verdict::Crashed { how: Broken::Gone { ended }.to_string() },
        // Deaf also to the command that stops the session.
        (Lost::Late, _) => Verdict::Timeout,
        (lost, _) => Verdict::Unavailable { cause: crate::chain(&lost) },
    }
}

/// A death gets its cause.
fn explained(error: Unready, ended: Ended) -> Unready {
    match error {
        Unready::Broken(Broken::Gone { .. }) => Broken::Gone { ended }.into(),
        Unready::Broken(_)
        | Unready::Late { .. }
        | Unready::Failed { .. }
        | Unready::Heap(_)
        | Unready::Canary(_)
        | Unready::Folder(_) => error,
    }
}

fn ran(before: Usage, after: Usage, protection: Vec<String>) -> Ran {
    let cpu = after.cpu.saturating_sub(before.cpu);
    Ran { cpu, peak_memory_bytes: after.peak_memory_bytes, protection, servers: 0 }
}

/// What a canary must come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Accepted,
    Sorry,
    Other,
}

pub(super) fn verdict_kind(verdict: &Verdict) -> Expected {
    match verdict {
        Verdict::Accepted { .. } => Expected::Accepted,
        Verdict::Rejected { reason: Reason::Sorry } => Expected::Sorry,
        Verdict::Rejected { .. }
        | Verdict::Timeout
        | Verdict::MemoryLimit
        | Verdict::OutputLimit
        | Verdict::Crashed { .. }
        | Verdict::Cancelled
        | Verdict::Unavailable { .. } => Expected::Other,
    }
}

/// Theories that show whether a session can be trusted: a proof that is one must be accepted, and `sorry` must leave its trace.
/// Their names are not used again in the same server.
pub(super) fn canaries(uses: u32) -> [Result<(Layout, Expected), NoTheory>; 2] {
    let imports = ["Pure".to_owned()];
    let theory = |name: &str, statement, proof| {
        Layout::of_proof(
            Pinned { imports: &imports, header: "", statement },
            "",
            proof,
            &format!("canary{name}{uses}"),
        )
    };
    [
        theory("good", "theorem canary: \"PROP A \\<Longrightarrow> PROP A\"", ".")
            .map(|layout| (layout, Expected::Accepted)),
        theory("sorry", "theorem canary: \"PROP A \\<Longrightarrow> PROP B\"", "sorry")
            .map(|layout| (layout, Expected::Sorry)),
    ]
}
