//! One `isabelle server` in the sandbox and the one connection to it.
//!
//! The server speaks TCP on 127.0.0.1. In the sandbox that is the loopback device of a network of its own, which nothing
//! outside can reach: a few lines of shell beside the server join its connection to the pipes that we hold.

use super::codec::{CodecError, Decoder};
use super::protocol::{
    Command, Dialogue, Event, Failure, Greeting, ProtocolError, Reply, ServerError, typed,
};
use crate::process_end::{self, LAST_WORDS};
use proofloop_sandboxes::process::{Launcher, Network, Policy, Program, Session, StartError, Usage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

pub use crate::process_end::Ended;

/// The shell beside the server.
const RELAY: &str = include_str!("relay.sh");
pub(super) const BASH: &str = "/bin/bash";

/// What the server is started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The program `isabelle`.
    pub program: PathBuf,
    /// What it needs to read besides the system's programs and libraries.
    pub read_only: Vec<PathBuf>,
    /// Heaps that were built before, instead of the installation's own.
    pub heaps: Option<PathBuf>,
    /// Its name for the content address, for instance `Isabelle2024`.
    pub identity: String,
    /// Variables of the environment that it gets besides ours.
    pub env: BTreeMap<String, String>,
}

/// Bounds of a server and what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// For JVM and prover together.
    pub memory_bytes: u64,
    /// Longest life.
    pub life: Duration,
    /// A message may have this many bytes.
    pub message_bytes: usize,
    /// Sandbox layers that may be missing.
    pub optional: std::collections::BTreeSet<proofloop_sandboxes::process::Layer>,
}

/// Why a server is of no use any more.
#[derive(Debug, Error)]
pub enum Broken {
    /// The sandbox did not start it.
    #[error("no Isabelle server could be started")]
    Start(#[source] StartError),
    /// It ended, or closed its connection.
    #[error("the Isabelle server is gone ({ended})")]
    Gone {
        /// How.
        ended: Ended,
    },
    /// Its first line is not the one that a server prints.
    #[error("the Isabelle server began with {line:?}")]
    FirstLine {
        /// The line, cut.
        line: String,
    },
    /// It does not take our password.
    #[error("the Isabelle server closed the connection after the password")]
    Password,
    /// Bytes that are no message, or too many.
    #[error("the Isabelle server can't be understood")]
    Codec(#[from] CodecError),
    /// It does not keep to the protocol.
    #[error("the Isabelle server does not keep to its protocol")]
    Protocol(#[from] ProtocolError),
    /// It refuses a command of ours.
    #[error("the Isabelle server refuses {command}")]
    Refused {
        /// The command.
        command: &'static str,
        /// Its words.
        #[source]
        source: ServerError,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    session: Session,
    decoder: Decoder,
    dialogue: Dialogue,
    output_bytes: u64,
    output_has_ended: bool,
    /// Results of tasks that nobody has asked for yet.
    ended: BTreeMap<String, Result<Value, Failure>>,
}

impl Server {
    /// Starts one with `folder`, which must exist, as its home and the only place that it can write to. It has not said
    /// anything yet.
    ///
    /// # Errors
    /// [`Broken::Start`].
    pub async fn start(
        launcher: &Launcher,
        installation: &Installation,
        bounds: &Bounds,
        folder: &Path,
        name: &str,
    ) -> Result<Self, Broken> {
        let program = Program {
            path: PathBuf::from(BASH),
            args: vec![
                "-c".into(),
                RELAY.into(),
                "proofloop-isabelle".into(),
                installation.program.clone().into(),
                name.into(),
                settings(installation, bounds).into(),
            ],
            cwd: folder.to_owned(),
            stdin: Vec::new(),
        };
        let policy = policy(installation, bounds, folder);
        let session = launcher.open(&program, &policy).await.map_err(Broken::Start)?;
        Ok(Self {
            session,
            decoder: Decoder::new(bounds.message_bytes),
            dialogue: Dialogue::default(),
            output_bytes: 0,
            output_has_ended: false,
            ended: BTreeMap::new(),
        })
    }

    /// Reads its first line and gives it the password that stands there.
    ///
    /// # Errors
    /// It says something else, or nothing more.
    pub async fn shake_hands(&mut self) -> Result<Greeting, Broken> {
        let line = self.message().await?;
        let password = password(&line);
        let password = password.ok_or_else(|| Broken::FirstLine { line: line.chars().take(80).collect() })?;
        self.write(format!("{password}\n").as_bytes()).await?;
        let reply = match self.message().await {
            Ok(message) => Reply::parse(&message)?,
            Err(Broken::Gone { .. }) => return Err(Broken::Password),
            Err(other) => return Err(other),
        };
        match reply {
            Reply::Ok(value) => Ok(typed("the password", value)?),
            Reply::Error(_) | Reply::Finished(_) | Reply::Failed(_) | Reply::Note(_) => {
                Err(ProtocolError::Unasked.into())
            }
        }
    }

    /// Gives a command that answers at once.
    ///
    /// # Errors
    /// It is refused, or the server is broken.
    pub async fn ask(&mut self, command: &Command) -> Result<Value, Broken> {
        self.give(command).await?;
        loop {
            match self.event().await? {
                Event::Answer(answer) => {
                    return answer.map_err(|source| Broken::Refused { command: command.name(), source });
                }
                Event::Started { task } => {
                    let detail = format!("it has started the task {task}");
                    return Err(ProtocolError::BadForm { command: command.name(), detail }.into());
                }
                Event::Ended { task, result } => drop(self.ended.insert(task, result)),
                Event::Note(_) => {}
            }
        }
    }

    /// Gives a command that starts a task; the task.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn begin(&mut self, command: &Command) -> Result<String, Broken> {
        self.give(command).await?;
        loop {
            match self.event().await? {
                Event::Started { task } => return Ok(task),
                Event::Answer(Err(source)) => {
                    return Err(Broken::Refused { command: command.name(), source });
                }
                Event::Answer(Ok(_)) => {
                    let detail = "it has started no task".to_owned();
                    return Err(ProtocolError::BadForm { command: command.name(), detail }.into());
                }
                Event::Ended { task, result } => drop(self.ended.insert(task, result)),
                Event::Note(_) => {}
            }
        }
    }

    /// Waits for the end of a task. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The server is broken.
    pub async fn end_of(&mut self, task: &str) -> Result<Result<Value, Failure>, Broken> {
        loop {
            if let Some(result) = self.ended.remove(task) {
                return Ok(result);
            }
            match self.event().await? {
                Event::Ended { task, result } => drop(self.ended.insert(task, result)),
                Event::Note(_) => {}
                Event::Answer(_) | Event::Started { .. } => return Err(ProtocolError::Unasked.into()),
            }
        }
    }

    /// What it has written in all.
    #[must_use]
    pub fn output_bytes(&self) -> u64 {
        self.output_bytes
    }

    /// What it and everything that it runs have used so far, if that is known.
    pub async fn usage(&mut self) -> Option<Usage> {
        self.session.usage().await.ok()
    }

    /// Names of the protections in force.
    #[must_use]
    pub fn protection(&self) -> Vec<String> {
        self.session.protection().names()
    }

    /// Asks it to shut down, and kills what has not gone after `limit`.
    pub async fn shut_down(mut self, limit: Duration) {
        let asked = timeout(limit, self.ask(&Command::Shutdown)).await;
        if matches!(asked, Ok(Ok(_) | Err(Broken::Gone { .. }))) {
            // What it does not end itself is killed with it.
            drop(self.session.wait_at_most(LAST_WORDS).await);
        }
    }

    /// Kills it with everything that it runs, if it still lives, and says how it ended.
    pub async fn kill(self) -> (Ended, Option<Usage>) {
        process_end::end(self.session, self.output_has_ended).await
    }

    async fn give(&mut self, command: &Command) -> Result<(), Broken> {
        let bad = |error: serde_json::Error| ProtocolError::BadForm {
            command: command.name(),
            detail: error.to_string(),
        };
        let bytes = command.encode().map_err(bad)?;
        self.dialogue.sent(command)?;
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        // How it ended is found out when it is killed.
        self.session.write(bytes).await.map_err(|_ended| Broken::Gone { ended: Ended::Killed })
    }

    async fn event(&mut self) -> Result<Event, Broken> {
        let message = self.message().await?;
        Ok(self.dialogue.heard(Reply::parse(&message)?)?)
    }

    async fn message(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            let piece = self.session.read().await;
            self.output_has_ended |= piece.is_none();
            let piece = piece.ok_or(Broken::Gone { ended: Ended::Killed })?;
            self.output_bytes = self.output_bytes.saturating_add(piece.len() as u64);
            self.decoder.push(&piece);
        }
    }
}

/// The password in the line that a server prints when it listens.
fn password(line: &str) -> Option<&str> {
    let (_, rest) = line.strip_prefix("server \"")?.split_once("\" = 127.0.0.1:")?;
    let (port, rest) = rest.split_once(" (password \"")?;
    port.parse::<u16>().ok()?;
    rest.strip_suffix("\")").filter(|password| !password.is_empty())
}

/// Bounds for JVM and prover, over the installation's own: by default neither is bounded, and two of them share the memory.
pub(super) fn settings(installation: &Installation, bounds: &Bounds) -> String {
    let mb = bounds.memory_bytes >> 20;
    let (java, ml) = ((mb / 4).clamp(128, 4096), (mb * 5 / 8).clamp(256, 16_000));
    let mut text = format!(
        "ML_OPTIONS=\"--minheap {} --maxheap {ml}\"\n\
         ISABELLE_TOOL_JAVA_OPTIONS=\"-Djava.awt.headless=true -Xms128m -Xmx{java}m -Xss16m\"\n",
        ml.min(500)
    );
    if let Some(heaps) = &installation.heaps {
        text.push_str(&format!("ISABELLE_HEAPS_SYSTEM=\"{}\"\n", heaps.display()));
    }
    text
}

/// The strictest policy under which the parts of Isabelle can speak with each other.
pub(super) fn policy(installation: &Installation, bounds: &Bounds, folder: &Path) -> Policy {
    let mut policy = Policy {
        wall: bounds.life,
        memory_bytes: bounds.memory_bytes,
        output_bytes: 16 << 20,
        file_bytes: 4 << 30,
        processes: 512,
        writable: vec![folder.to_owned()],
        network: Network::Loopback,
        optional: bounds.optional.clone(),
        ..Policy::default()
    };
    policy.read_only.extend(installation.read_only.iter().cloned());
    policy.read_only.extend(installation.heaps.iter().cloned());
    for name in ["HOME", "USER_HOME"] {
        policy.env.insert(name.to_owned(), folder.display().to_string());
    }
    policy.env.insert("USER".to_owned(), "proofloop".to_owned());
    policy.env.extend(installation.env.clone());
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_holds_the_password() {
        let line = "server \"isabelle\" = 127.0.0.1:43083 (password \"73314e8c-1111\")";
        assert_eq!(password(line), Some("73314e8c-1111"));
        for other in [
            "",
            "server \"a\" = 10.0.0.1:43083 (password \"x\")",
            "server \"a\" = 127.0.0.1:99999 (password \"x\")",
            "server \"a\" = 127.0.0.1:1 (password \"\")",
            "Exception in thread \"main\"",
        ] {
            assert_eq!(password(other), None, "{other}");
        }
    }

    #[test]
    fn memory_is_shared_out_between_jvm_and_prover() {
        let installation = Installation {
            program: PathBuf::from("/isabelle"),
            read_only: Vec::new(),
            heaps: Some(PathBuf::from("/heaps")),
            identity: String::new(),
            env: BTreeMap::new(),
        };
        let bounds = Bounds {
            memory_bytes: 4 << 30,
            life: Duration::from_secs(1),
            message_bytes: 1,
            optional: std::collections::BTreeSet::new(),
        };
        let text = settings(&installation, &bounds);
        assert!(text.contains("--maxheap 2560") && text.contains("-Xmx1024m"), "{text}");
        assert!(text.contains("ISABELLE_HEAPS_SYSTEM=\"/heaps\""), "{text}");
        let policy = policy(&installation, &bounds, Path::new("/work"));
        assert_eq!(policy.network, Network::Loopback);
        assert!(policy.optional.is_empty());
        assert_eq!(policy.writable, [PathBuf::from("/work")]);
    }
}
