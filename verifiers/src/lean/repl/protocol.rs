//! Requests and responses of the REPL as typed data. Facts: its README and test files, commit 8948401.

use serde::{Deserialize, Serialize};

/// A request. The REPL tells them apart by their fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Request {
    /// Elaborate text.
    Command(Command),
    /// Elaborate a file.
    File(File),
    /// Run a tactic on a proof state.
    ProofStep(ProofStep),
    /// Save an environment to a file.
    PickleEnvironment(PickleEnvironment),
    /// Load an environment from a file.
    UnpickleEnvironment(UnpickleEnvironment),
    /// Save a proof state to a file.
    PickleProofState(PickleProofState),
    /// Load a proof state from a file.
    UnpickleProofState(UnpickleProofState),
}

/// What to report besides messages; all off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandOptions {
    /// Report every tactic with its goals.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all_tactics: bool,
    /// Report the initial goal of every declaration among the sorries.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub root_goals: bool,
    /// Report the information tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infotree: Option<InfotreeKind>,
}

/// How much of the information tree to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InfotreeKind {
    /// Everything, with macro expansions resolved.
    Full,
    /// Tactics only.
    Tactics,
    /// Nodes that come from the text as written.
    Original,
    /// Tactics that do something.
    Substantive,
}

/// Elaborates text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The text. `import` is allowed only without `env`.
    pub cmd: String,
    /// The environment to go on from; a new one without any declaration of ours if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<u64>,
    /// What to report besides messages.
    #[serde(flatten)]
    pub options: CommandOptions,
}

/// Elaborates a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Relative to the REPL's working directory.
    pub path: String,
    /// As in [`Command`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<u64>,
    /// What to report besides messages.
    #[serde(flatten)]
    pub options: CommandOptions,
}

/// Runs a tactic on a proof state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofStep {
    /// The tactic.
    pub tactic: String,
    /// The proof state to run it on.
    pub proof_state: u64,
}

/// Saves an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PickleEnvironment {
    /// The file to write.
    pub pickle_to: String,
    /// The environment.
    pub env: u64,
}

/// Loads an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnpickleEnvironment {
    /// The file to read.
    pub unpickle_env_from: String,
}

/// Saves a proof state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PickleProofState {
    /// The file to write.
    pub pickle_to: String,
    /// The proof state.
    pub proof_state: u64,
}

/// Loads a proof state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnpickleProofState {
    /// The file to read.
    pub unpickle_proof_state_from: String,
    /// The environment to put it into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<u64>,
}

impl Request {
    /// The bytes to send: the object on one line, then exactly one blank line. The REPL ends on a second blank line,
    /// skips what begins with `#` or `--`, and dies of anything that is no object; none of these can come out here,
    /// for compact JSON has no line end and begins with `{`.
    ///
    /// # Errors
    /// None that we know of: every field is a number, a truth value or text.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.extend_from_slice(b"\n\n");
        Ok(bytes)
    }
}

/// A reply of a known shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// To [`Command`], [`File`] and the requests about environments.
    Command(CommandResponse),
    /// To [`ProofStep`] and the requests about proof states.
    ProofStep(ProofStepResponse),
    /// The REPL could not do what was asked.
    Error(ErrorResponse),
}

/// Reply about an environment. Written out, it has the fields and the order that the REPL gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandResponse {
    /// The number of the environment after the command.
    pub env: u64,
    /// What Lean said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ReplMessage>,
    /// Every `sorry` that stands in the text as such. One that is hidden by a macro or a name is not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorries: Vec<Sorry>,
    /// Every tactic, if asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tactics: Vec<Tactic>,
    /// The information tree, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infotree: Option<serde_json::Value>,
}

/// Reply about a proof state.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofStepResponse {
    /// The number of the new proof state.
    pub proof_state: u64,
    /// The goals that are left.
    pub goals: Vec<String>,
    /// For instance `Completed`. Older versions do not say it.
    #[serde(default)]
    pub proof_status: Option<String>,
    /// What Lean said.
    #[serde(default)]
    pub messages: Vec<ReplMessage>,
    /// Every `sorry` in the tactic.
    #[serde(default)]
    pub sorries: Vec<Sorry>,
    /// Trace output.
    #[serde(default)]
    pub traces: Vec<String>,
}

/// Reply that something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorResponse {
    /// Why, in words.
    pub message: String,
}

/// A message of Lean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplMessage {
    /// How bad.
    pub severity: ReplSeverity,
    /// Where it begins.
    pub pos: Pos,
    /// Where it ends, if Lean knows.
    #[serde(default)]
    pub end_pos: Option<Pos>,
    /// The text.
    pub data: String,
}

/// How bad a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplSeverity {
    /// Trace output.
    Trace,
    /// Something to know.
    Info,
    /// A warning.
    Warning,
    /// An error.
    Error,
}

/// A place in the text of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pos {
    /// 1-based; 0 where Lean knows no place.
    pub line: u32,
    /// 0-based, in code points.
    pub column: u32,
}

/// A `sorry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sorry {
    /// The proof state made for it.
    #[serde(default)]
    pub proof_state: Option<u64>,
    /// Where it begins; unknown in tactic mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pos: Option<Pos>,
    /// The goal that it stands for.
    pub goal: String,
    /// Where it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_pos: Option<Pos>,
}

/// A tactic of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tactic {
    /// Its text.
    pub tactic: String,
    /// The goals before it, as one text.
    pub goals: String,
    /// The proof state before it.
    #[serde(default)]
    pub proof_state: Option<u64>,
    /// Where it begins.
    pub pos: Pos,
    /// Where it ends.
    pub end_pos: Pos,
    /// The constants that it brought in.
    #[serde(default)]
    pub used_constants: Vec<String>,
}

impl Response {
    /// Reads one whole object; `None` if the bytes are no JSON object or one of an unknown shape. Fields that are not
    /// known are passed over (forks and newer versions add some), except in an error.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        /// The fields by which the shapes differ.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            env: Option<serde::de::IgnoredAny>,
            proof_state: Option<serde::de::IgnoredAny>,
            message: Option<serde::de::IgnoredAny>,
        }
        let is_object = bytes.trim_ascii_start().starts_with(b"{");
        let shape: Shape = is_object.then(|| serde_json::from_slice(bytes).ok())??;
        match (shape.env.is_some(), shape.proof_state.is_some(), shape.message.is_some()) {
            (true, false, false) => serde_json::from_slice(bytes).ok().map(Self::Command),
            (false, true, false) => serde_json::from_slice(bytes).ok().map(Self::ProofStep),
            (false, false, true) => serde_json::from_slice(bytes).ok().map(Self::Error),
            _ => None,
        }
    }
}
