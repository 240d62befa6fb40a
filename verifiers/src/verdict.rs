//! What a checker says about a candidate.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The closed set of outcomes. Matched without `_`, so that a new one is looked at everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The checker gave positive evidence that the candidate is right, to this degree.
    Accepted {
        /// How far the evidence goes.
        assurance: Assurance,
    },
    /// The checker looked at the candidate and found it wanting.
    Rejected {
        /// Why.
        reason: Reason,
    },
    /// The wall-clock or CPU limit ended the check.
    Timeout,
    /// The memory limit ended the check.
    MemoryLimit,
    /// The candidate printed more than it may.
    OutputLimit,
    /// The checker died while judging this candidate alone.
    Crashed {
        /// Signal, trap or exit status, in words.
        how: String,
    },
    /// The caller gave up before a verdict was reached.
    Cancelled,
    /// The infrastructure failed: nothing is known about the candidate.
    Unavailable {
        /// What failed, in words.
        cause: String,
    },
}

/// The degree of evidence behind an acceptance (`../shared/design.md`, "Words").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// Python: every test passed in an interpreter that the candidate's code never entered.
    Tested,
    /// Lean: no error, no `sorry`, and the named theorem is there with the pinned statement's type.
    Elaborated,
    /// Besides, the axioms it rests on are within the policy, computed outside the candidate's reach.
    Audited,
    /// Besides, the exported terms were re-checked by another kernel in another process.
    Kernel,
}

/// Why a candidate was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Lean reported an error.
    ElaborationError,
    /// The proof rests on `sorry`, or names it.
    Sorry,
    /// It declares or names an axiom outside the policy.
    Axiom,
    /// It asks for native evaluation (`native_decide` and relatives), or a theorem rests on the code generator.
    NativeEvaluation,
    /// It can run code of its own inside the checker, so nothing that process prints is evidence.
    MetaCode,
    /// It sets an option that weakens checking.
    ForbiddenOption,
    /// It uses a tactic that the rules asked for leave out.
    ForbiddenTactic,
    /// The theorem that it proves is not the pinned one.
    StatementMismatch,
    /// The named theorem, or any declaration at all, is missing.
    MissingDeclaration,
    /// The text is not one well-formed unit: an unclosed comment, string or bracket, a stray `end`.
    Malformed,
    /// Python: the program does not compile.
    SyntaxError,
    /// Python: it raised where a value was expected.
    Exception,
    /// Python: it ended the program (exit, `os._exit`, `SystemExit`).
    EarlyExit,
    /// Python: a test failed or the output differs.
    WrongAnswer,
    /// Python: the entry point is not defined or not callable.
    MissingEntryPoint,
    /// Python: the tests passed without asking for anything of the candidate's, so they say nothing about it.
    VacuousTest,
}

/// A message of the checker about the candidate's text. Shown to people and models, never parsed for the verdict
/// of a candidate that could have printed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How bad.
    pub severity: Severity,
    /// 1-based line in the candidate's own text (header + statement + completion, or the code), if known.
    pub line: Option<u32>,
    /// 0-based column in code points, if known.
    pub column: Option<u32>,
    /// The text, capped.
    pub text: String,
}

/// Severity of a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something to know.
    Info,
    /// Something that does not decide the verdict by itself.
    Warning,
    /// Something that rejects.
    Error,
}

/// What the check of one candidate cost. In a shared process, the candidate's share of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall-clock milliseconds.
    pub wall_ms: u64,
    /// CPU milliseconds, user and system.
    pub cpu_ms: u64,
    /// Peak memory of the process or instance, in bytes.
    pub peak_memory_bytes: u64,
}

impl Usage {
    /// From durations, rounded to milliseconds.
    #[must_use]
    pub fn new(wall: Duration, cpu: Duration, peak_memory_bytes: u64) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self { wall_ms: ms(wall), cpu_ms: ms(cpu), peak_memory_bytes }
    }
}

/// Who judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checker {
    /// For instance `lean-batch`, `lean-repl`, `python-wasm`.
    pub name: String,
    /// Version of our checking rules and program; part of the content address.
    pub version: String,
    /// The toolchain or guest, with its hash.
    pub toolchain: String,
}

impl Checker {
    /// The identity that goes into the content address.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{} {} {}", self.name, self.version, self.toolchain)
    }
}

/// A verdict with everything that stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Messages about the candidate, in order of position.
    pub messages: Vec<Message>,
    /// What it cost.
    pub usage: Usage,
    /// Who judged.
    pub checker: Checker,
    /// The protection that was in force, by name.
    pub protection: Vec<String>,
    /// Whether it was read from the verdict cache.
    pub cached: bool,
}

impl Judgement {
    /// A verdict that no checker stands behind: the infrastructure failed, or whoever asked gave up.
    #[must_use]
    pub fn of_nobody(verdict: Verdict) -> Self {
        let checker = Checker { name: "none".to_owned(), version: String::new(), toolchain: String::new() };
        let (messages, usage, protection) = (Vec::new(), Usage::default(), Vec::new());
        Self { verdict, messages, usage, checker, protection, cached: false }
    }
}

impl Verdict {
    /// The stable name used in JSONL output.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Timeout => "timeout",
            Self::MemoryLimit => "memory-limit",
            Self::OutputLimit => "output-limit",
            Self::Crashed { .. } => "crashed",
            Self::Cancelled => "cancelled",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// Whether it is an acceptance.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// Whether the same candidate would get the same verdict again whatever the clock and the load:
    /// only those may be cached.
    #[must_use]
    pub fn is_reproducible(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Rejected { .. } => true,
            Self::Timeout
            | Self::MemoryLimit
            | Self::OutputLimit
            | Self::Crashed { .. }
            | Self::Cancelled
            | Self::Unavailable { .. } => false,
        }
    }
}
