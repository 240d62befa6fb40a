//! What is said to the server, what it answers, and which answer belongs to what. Nothing here reads or writes.

use super::codec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use thiserror::Error;

/// Options that every session is started with, whatever the user's preferences say: no way around proofs, and results
/// soon after they are there.
pub const SAFE_OPTIONS: [&str; 4] = [
    "quick_and_dirty=false",
    "skip_proofs=false",
    "headless_consolidate_delay=0.2",
    "headless_prune_delay=5",
];

/// A command of ours.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The names of all commands.
    Help,
    /// The same back.
    Echo(Value),
    /// Stops a task. The server says OK also where there is none.
    Cancel {
        /// The task.
        task: String,
    },
    /// Forgets theories.
    PurgeTheories(PurgeTheories),
    /// Builds the heap of a session and those below it.
    SessionBuild(SessionArgs),
    /// Starts a prover on a heap, building that where it is missing.
    SessionStart(SessionArgs),
    /// Ends a prover, killing it if it does not.
    SessionStop {
        /// The session.
        session_id: String,
    },
    /// Checks theories.
    UseTheories(UseTheories),
    /// Ends the server with all its sessions.
    Shutdown,
}

/// Arguments of `session_build` and `session_start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionArgs {
    /// Name of the session whose heap is wanted.
    pub session: String,
    /// The text of a preferences file. Empty, so that no file of the user's counts.
    pub preferences: String,
    /// `name=value`, over the preferences.
    pub options: Vec<String>,
    /// Further directories with ROOT or ROOTS files.
    pub dirs: Vec<String>,
    /// Further sessions whose theories can be imported by their qualified names.
    pub include_sessions: Vec<String>,
}

impl SessionArgs {
    /// With [`SAFE_OPTIONS`] and so many threads of the prover.
    #[must_use]
    pub fn safe(session: &str, dirs: Vec<String>, include_sessions: Vec<String>, threads: u32) -> Self {
        let mut options: Vec<String> = SAFE_OPTIONS.iter().map(|&option| option.to_owned()).collect();
        options.push(format!("threads={threads}"));
        Self { session: session.to_owned(), preferences: String::new(), options, dirs, include_sessions }
    }
}

/// Arguments of `use_theories`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UseTheories {
    /// The session that checks.
    pub session_id: String,
    /// Names as in `imports`, without `.thy`.
    pub theories: Vec<String>,
    /// The folder that they lie in.
    pub master_dir: String,
    /// Whether messages have Unicode symbols instead of `\<name>`.
    pub unicode_symbols: bool,
    /// Seconds between two looks at the theories' status.
    pub check_delay: f64,
    /// So many looks at most; 0 for no limit. Reaching it is no error for the server.
    pub check_limit: u32,
    /// Seconds since the last change of status after which the server answers with what it has, which is no error for it.
    pub watchdog_timeout: f64,
}

/// Arguments of `purge_theories`. The server never tells the prover, so a name that was purged must not be used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurgeTheories {
    /// The session.
    pub session_id: String,
    /// Names as in `imports`.
    pub theories: Vec<String>,
    /// The folder that they lie in.
    pub master_dir: String,
}

impl Command {
    /// The name that the server knows it by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Echo(_) => "echo",
            Self::Cancel { .. } => "cancel",
            Self::PurgeTheories(_) => "purge_theories",
            Self::SessionBuild(_) => "session_build",
            Self::SessionStart(_) => "session_start",
            Self::SessionStop { .. } => "session_stop",
            Self::UseTheories(_) => "use_theories",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether it starts a task, whose result comes later.
    #[must_use]
    pub fn starts_a_task(&self) -> bool {
        match self {
            Self::SessionBuild(_)
            | Self::SessionStart(_)
            | Self::SessionStop { .. }
            | Self::UseTheories(_) => true,
            Self::Help | Self::Echo(_) | Self::Cancel { .. } | Self::PurgeTheories(_) | Self::Shutdown => {
                false
            }
        }
    }

    /// The bytes to write.
    ///
    /// # Errors
    /// A delay is no number that JSON has.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let argument = match self {
            Self::Help | Self::Shutdown => String::new(),
            Self::Echo(value) => serde_json::to_string(value)?,
            Self::Cancel { task } => serde_json::json!({ "task": task }).to_string(),
            Self::PurgeTheories(args) => serde_json::to_string(args)?,
            Self::SessionBuild(args) | Self::SessionStart(args) => serde_json::to_string(args)?,
            Self::SessionStop { session_id } => serde_json::json!({ "session_id": session_id }).to_string(),
            Self::UseTheories(args) => serde_json::to_string(args)?,
        };
        Ok(codec::encode(format!("{} {argument}", self.name()).trim_end()))
    }
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To a command: done, or the task that was started.
    Ok(Value),
    /// To a command: it could not be understood. Bare text or an object.
    Error(Value),
    /// The result of a task.
    Finished(Value),
    /// A task's failure.
    Failed(Value),
    /// Something to know, at any time.
    Note(Value),
}

impl Reply {
    /// Reads a message: a name, blanks, and a JSON value or nothing.
    ///
    /// # Errors
    /// [`ProtocolError::NotAReply`].
    pub fn parse(message: &str) -> Result<Self, ProtocolError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        let end = message.bytes().position(|byte| !is_name(byte)).unwrap_or(message.len());
        let (name, argument) = (&message[..end], message[end..].trim());
        let bad = || ProtocolError::NotAReply { beginning: message.chars().take(80).collect() };
        let value = if argument.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(argument).map_err(|_no_json| bad())?
        };
        match name {
            "OK" => Ok(Self::Ok(value)),
            "ERROR" => Ok(Self::Error(value)),
            "FINISHED" => Ok(Self::Finished(value)),
            "FAILED" => Ok(Self::Failed(value)),
            "NOTE" => Ok(Self::Note(value)),
            _ => Err(bad()),
        }
    }
}

/// The server does not keep to its protocol, as far as we know it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A message of no known form.
    #[error("the server said what is no reply: {beginning:?}")]
    NotAReply {
        /// How it begins.
        beginning: String,
    },
    /// An answer to a command that was not given.
    #[error("the server answered a question that nobody had asked")]
    Unasked,
    /// A result of a task that is not under way.
    #[error("the server ended a task that was not under way: {task}")]
    UnknownTask {
        /// Its identity, as the server gave it.
        task: String,
    },
    /// A reply without what its kind must have.
    #[error("a reply of the server to {command} has another form than it should: {detail}")]
    BadForm {
        /// The command.
        command: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A second command before the answer to the first: a bug of ours.
    #[error("a command was given before the one before it was answered")]
    Overtaken,
}

/// What a message means for the one who waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer to the command that was given last.
    Answer(Result<Value, ServerError>),
    /// The command given last has started this task.
    Started {
        /// Its identity.
        task: String,
    },
    /// A task has ended.
    Ended {
        /// Its identity.
        task: String,
        /// Its result, or why there is none.
        result: Result<Value, Failure>,
    },
    /// A note: nothing that decides anything.
    Note(Value),
}

/// A command could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the server refuses: {message}")]
pub struct ServerError {
    /// Its words.
    pub message: String,
}

/// A task's failure.
#[derive(Debug, Clone, PartialEq, Eq, Error, Deserialize)]
#[error("the server failed: {message}")]
pub struct Failure {
    /// Its words.
    pub message: String,
    /// Of the process that failed, if one did.
    #[serde(default)]
    pub return_code: Option<i64>,
}

/// Which message belongs to which command: answers alternate with commands, tasks are told apart by their identity, and
/// notes come at any time.
#[derive(Debug, Default)]
pub struct Dialogue {
    /// The command that has no answer yet, and whether it starts a task.
    open: Option<bool>,
    tasks: BTreeSet<String>,
}

impl Dialogue {
    /// To be told of every command before it is written.
    ///
    /// # Errors
    /// [`ProtocolError::Overtaken`].
    pub fn sent(&mut self, command: &Command) -> Result<(), ProtocolError> {
        match self.open.replace(command.starts_a_task()) {
            None => Ok(()),
            Some(_) => Err(ProtocolError::Overtaken),
        }
    }

    /// What a message means.
    ///
    /// # Errors
    /// It can't come now.
    pub fn heard(&mut self, reply: Reply) -> Result<Event, ProtocolError> {
        match reply {
            Reply::Note(note) => Ok(Event::Note(note)),
            Reply::Ok(value) => match self.open.take() {
                None => Err(ProtocolError::Unasked),
                Some(false) => Ok(Event::Answer(Ok(value))),
                Some(true) => {
                    let task = task_of(&value)?;
                    self.tasks.insert(task.clone());
                    Ok(Event::Started { task })
                }
            },
            Reply::Error(value) => match self.open.take() {
                None => Err(ProtocolError::Unasked),
                Some(_) => Ok(Event::Answer(Err(ServerError { message: words(&value) }))),
            },
            Reply::Finished(value) => {
                let task = self.end(&value)?;
                Ok(Event::Ended { task, result: Ok(value) })
            }
            Reply::Failed(value) => {
                let task = self.end(&value)?;
                let mut failure: Failure = typed("a task", value)?;
                failure.message = codec::plain(&failure.message);
                Ok(Event::Ended { task, result: Err(failure) })
            }
        }
    }

    fn end(&mut self, value: &Value) -> Result<String, ProtocolError> {
        let task = task_of(value)?;
        if self.tasks.remove(&task) { Ok(task) } else { Err(ProtocolError::UnknownTask { task }) }
    }
}

fn task_of(value: &Value) -> Result<String, ProtocolError> {
    let task = value.get("task").and_then(Value::as_str).map(str::to_owned);
    task.ok_or_else(|| ProtocolError::BadForm { command: "a task", detail: "it names none".to_owned() })
}

/// An error is bare text or has a message.
fn words(value: &Value) -> String {
    let text = value.as_str().or_else(|| value.get("message").and_then(Value::as_str));
    codec::plain(text.unwrap_or("(no words)"))
}

/// A result of a known form.
///
/// # Errors
/// [`ProtocolError::BadForm`].
pub fn typed<T: serde::de::DeserializeOwned>(
    command: &'static str,
    value: Value,
) -> Result<T, ProtocolError> {
    serde_json::from_value(value)
        .map_err(|error| ProtocolError::BadForm { command, detail: error.to_string() })
}

/// What the server says to a right password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Greeting {
    /// Identity of the sources.
    pub isabelle_id: String,
    /// For instance `Isabelle2024`.
    pub isabelle_name: String,
}

/// Result of `session_start`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionStarted {
    /// The session.
    pub session_id: String,
    /// Its folder for temporary files.
    pub tmp_dir: String,
}

/// Result of `session_build`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionBuilt {
    /// Whether all that was asked for is there.
    pub ok: bool,
    /// Of the build.
    pub return_code: i64,
}

/// Result of `session_stop`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionStopped {
    /// Whether the prover ended well.
    pub ok: bool,
    /// Of the prover.
    pub return_code: i64,
}

/// Result of `purge_theories`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Purged {
    /// Forgotten.
    pub purged: Vec<NodeName>,
    /// Still known.
    pub retained: Vec<NodeName>,
}

/// Names of a theory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeName {
    /// Its file.
    pub node_name: String,
    /// Its qualified name.
    pub theory_name: String,
}

/// Result of `use_theories`. That it came says nothing about the theories: `ok` is true also for what was cut short, and
/// for a proof by `sorry`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Theories {
    /// Whether no command of any theory has failed so far, and nothing else.
    pub ok: bool,
    /// Every theory that was asked for, and every one that it needs and the heap has not.
    pub nodes: Vec<Node>,
}

/// A theory that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Its file.
    pub node_name: String,
    /// Its qualified name.
    pub theory_name: String,
    /// How far it has come.
    pub status: NodeStatus,
    /// What its commands have said.
    pub messages: Vec<Message>,
}

/// How far a theory has come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeStatus {
    /// `failed` is 0.
    pub ok: bool,
    /// All commands.
    pub total: u64,
    /// Not begun.
    pub unprocessed: u64,
    /// Under way.
    pub running: u64,
    /// Done, with a warning.
    pub warned: u64,
    /// Done, with an error.
    pub failed: u64,
    /// Done.
    pub finished: u64,
    /// Given up.
    pub canceled: bool,
    /// Done with to the last, forks included.
    pub consolidated: bool,
    /// 100 if, and only if, it is consolidated.
    pub percentage: u64,
}

impl NodeStatus {
    /// Whether it was checked to the end, with whatever result.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.consolidated
            && self.percentage == 100
            && !self.canceled
            && self.unprocessed == 0
            && self.running == 0
    }

    /// Whether it was checked to the end without an error.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.is_complete() && self.ok && self.failed == 0
    }
}

/// A message of a command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// `writeln`, `warning`, `error`, `state` and others.
    pub kind: String,
    /// Its text.
    pub message: String,
    /// Its command's place.
    #[serde(default)]
    pub pos: Option<Position>,
}

/// A place in a theory's text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Position {
    /// 1-based.
    #[serde(default)]
    pub line: Option<u64>,
    /// 1-based, in symbols of Isabelle.
    #[serde(default)]
    pub offset: Option<u64>,
    /// Where it ends.
    #[serde(default)]
    pub end_offset: Option<u64>,
    /// The theory's file.
    #[serde(default)]
    pub file: Option<String>,
}
