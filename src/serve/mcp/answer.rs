//! What the tools give back: data, and the same in words. Bounded, because it goes into a model's context.

use proofloop_verifiers::lean::repl::protocol::{CommandResponse, Pos, ReplSeverity};
use proofloop_verifiers::python::{ProgramEnd, ProgramRun};
use proofloop_verifiers::verdict::{Assurance, Judgement, Reason, Severity, Verdict};
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write;

/// Longest text of one message or goal, in bytes.
const MESSAGE_BYTES: usize = 4 << 10;

/// Most messages, and most goals.
const MESSAGES: usize = 100;

/// Longest output of a program that is shown, in bytes, of each stream.
const OUTPUT_BYTES: usize = 32 << 10;

/// A tool's result.
pub(super) struct Answer {
    structured: Option<serde_json::Value>,
    text: String,
    is_error: bool,
}

impl Answer {
    fn new(data: &impl Serialize, text: String, is_error: bool) -> Self {
        // Texts, numbers and lists of them: nothing that has no JSON.
        Self { structured: serde_json::to_value(data).ok(), text, is_error }
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let content = vec![ContentBlock::text(self.text)];
        let mut result =
            if self.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
        result.structured_content = self.structured;
        result
    }
}

/// A message of Lean.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Message {
    /// `error`, `warning`, `info` or `trace`.
    severity: &'static str,
    /// 1-based line in the text that was given; null where Lean knows no place.
    line: Option<u32>,
    /// 0-based column in code points; null where Lean knows no place.
    column: Option<u32>,
    /// What Lean says.
    text: String,
}

/// Result of `verify_lean`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Verified {
    /// `accepted`, `rejected`, `timeout`, `memory-limit`, `output-limit`, `crashed`, `cancelled` or `unavailable`. Only
    /// `accepted` means that the proof is right; `unavailable` says nothing about it.
    verdict: &'static str,
    /// How far the evidence behind an acceptance goes: `elaborated`, `audited` or `kernel`; null otherwise.
    assurance: Option<String>,
    /// Why it was rejected, or could not be judged; null for an acceptance.
    reason: Option<String>,
    /// Lean's messages.
    messages: Vec<Message>,
    /// Messages that were left out because there are too many.
    messages_left_out: usize,
}

/// Result of `run_python`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Ran {
    /// `exited`, `timeout`, `memory-limit`, `output-limit`, `cancelled`, `crashed` or `unavailable`.
    ended: &'static str,
    /// Exit status, if it exited; 1 after an exception that nobody caught.
    exit_status: Option<i32>,
    /// Why it crashed or could not be run; null otherwise.
    detail: Option<String>,
    /// Standard output.
    stdout: String,
    /// Whether standard output was longer than is shown.
    stdout_cut: bool,
    /// Standard error, with the traceback of an exception.
    stderr: String,
    /// Whether standard error was longer than is shown.
    stderr_cut: bool,
    /// How long it ran, in milliseconds.
    wall_ms: u64,
}

/// A goal.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Goal {
    /// 1-based line of the `sorry`; null where Lean does not say it.
    line: Option<u32>,
    /// 0-based column of the `sorry`; null where Lean does not say it.
    column: Option<u32>,
    /// Hypotheses and what is to be shown; empty if this server can't tell goals.
    goal: String,
}

/// Result of `lean_diagnostics`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Diagnostics {
    /// Always true: nothing here says that a proof is right.
    not_a_verdict: bool,
    /// How many errors Lean reported.
    errors: usize,
    /// Lean's messages.
    messages: Vec<Message>,
    /// Messages that were left out because there are too many.
    messages_left_out: usize,
    /// The goal at each `sorry`.
    goals: Vec<Goal>,
    /// Goals that were left out because there are too many.
    goals_left_out: usize,
    /// Whether this server can tell goals at all.
    goals_known: bool,
}

/// A text of at most so many bytes, and whether it was longer.
fn cut(text: &str, bytes: usize) -> (String, bool) {
    if text.len() <= bytes {
        return (text.to_owned(), false);
    }
    (text[..text.floor_char_boundary(bytes)].to_owned(), true)
}

fn marked(text: &str, bytes: usize) -> String {
    let (text, cut) = cut(text, bytes);
    if cut { text + " […]" } else { text }
}

/// The name that a value has in JSON.
fn name(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned))
}

fn known_place(pos: Option<Pos>) -> (Option<u32>, Option<u32>) {
    let pos = pos.filter(|pos| pos.line > 0);
    (pos.map(|pos| pos.line), pos.map(|pos| pos.column))
}

impl Message {
    fn write(&self, text: &mut String) {
        let place = match (self.line, self.column) {
            (Some(line), Some(column)) => format!(" at {line}:{column}"),
            (Some(line), None) => format!(" at line {line}"),
            (None, _) => String::new(),
        };
        // Writing into a text does not fail, here and below.
        let _never_fails = writeln!(text, "{}{place}: {}", self.severity, self.text);
    }
}

fn left_out(text: &mut String, count: usize, what: &str) {
    if count > 0 {
        let _never_fails = writeln!(text, "({count} more {what} are not shown)");
    }
}

/// The reason in words, where there is one.
fn reason(verdict: &Verdict) -> Option<String> {
    let class = |reason: &Reason| name(reason);
    match verdict {
        Verdict::Rejected { reason } => class(reason),
        Verdict::Crashed { how } => Some(how.clone()),
        Verdict::Unavailable { cause } => Some(cause.clone()),
        Verdict::Accepted { .. }
        | Verdict::Timeout
        | Verdict::MemoryLimit
        | Verdict::OutputLimit
        | Verdict::Cancelled => None,
    }
}

fn meaning(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted { assurance: Assurance::Elaborated } => {
            "Lean accepts the proof without errors or `sorry`, for the statement as given."
        }
        Verdict::Accepted { .. } => "The proof is right, for the statement as given.",
        Verdict::Rejected { .. } => "This is no proof of the statement.",
        Verdict::Timeout => "It took too long: nothing is proved.",
        Verdict::MemoryLimit => "It needed too much memory: nothing is proved.",
        Verdict::OutputLimit => "It printed too much: nothing is proved.",
        Verdict::Crashed { .. } => "Lean died of it: nothing is proved.",
        Verdict::Cancelled => "It was given up: nothing is known.",
        Verdict::Unavailable { .. } => "It could not be judged, which is not the proof's fault.",
    }
}

/// A verdict.
pub(super) fn of_judgement(judgement: &Judgement) -> Answer {
    let severity = |severity: Severity| match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let messages: Vec<Message> = judgement
        .messages
        .iter()
        .take(MESSAGES)
        .map(|message| Message {
            severity: severity(message.severity),
            line: message.line,
            column: message.column,
            text: marked(&message.text, MESSAGE_BYTES),
        })
        .collect();
    let assurance = match &judgement.verdict {
        Verdict::Accepted { assurance } => name(assurance),
        Verdict::Rejected { .. }
        | Verdict::Timeout
        | Verdict::MemoryLimit
        | Verdict::OutputLimit
        | Verdict::Crashed { .. }
        | Verdict::Cancelled
        | Verdict::Unavailable { .. } => None,
    };
    let verified = Verified {
        verdict: judgement.verdict.name(),
        assurance,
        reason: reason(&judgement.verdict).map(|reason| marked(&reason, MESSAGE_BYTES)),
        messages_left_out: judgement.messages.len() - messages.len(),
        messages,
    };
    let mut text = format!("verdict: {}", verified.verdict);
    for (name, value) in [("assurance", &verified.assurance), ("reason", &verified.reason)] {
        if let Some(value) = value {
            let _never_fails = write!(text, "\n{name}: {value}");
        }
    }
    let _never_fails = writeln!(text, "\n{}", meaning(&judgement.verdict));
    verified.messages.iter().for_each(|message| message.write(&mut text));
    left_out(&mut text, verified.messages_left_out, "messages");
    let is_error = matches!(judgement.verdict, Verdict::Unavailable { .. } | Verdict::Cancelled);
    Answer::new(&verified, text, is_error)
}

/// A program's run.
pub(super) fn of_run(run: &ProgramRun) -> Answer {
    let (ended, exit_status, detail) = match &run.end {
        ProgramEnd::Exited(status) => ("exited", Some(*status), None),
        ProgramEnd::Timeout => ("timeout", None, None),
        ProgramEnd::MemoryLimit => ("memory-limit", None, None),
        ProgramEnd::OutputLimit => ("output-limit", None, None),
        ProgramEnd::Cancelled => ("cancelled", None, None),
        ProgramEnd::Crashed { how } => ("crashed", None, Some(how)),
        ProgramEnd::Unavailable { cause } => ("unavailable", None, Some(cause)),
    };
    let (stdout, stdout_cut) = cut(&run.stdout, OUTPUT_BYTES);
    let (stderr, stderr_cut) = cut(&run.stderr, OUTPUT_BYTES);
    let detail = detail.map(|detail| marked(detail, MESSAGE_BYTES));
    let wall_ms = run.usage.wall_ms;
    let ran = Ran { ended, exit_status, detail, stdout, stdout_cut, stderr, stderr_cut, wall_ms };
    let mut text = format!("ended: {ended}");
    if let Some(status) = ran.exit_status {
        let _never_fails = write!(text, ", exit status {status}");
    }
    if let Some(detail) = &ran.detail {
        let _never_fails = write!(text, " ({detail})");
    }
    for (name, output, cut) in [("stdout", &ran.stdout, stdout_cut), ("stderr", &ran.stderr, stderr_cut)] {
        if !output.is_empty() {
            let cut = if cut { " (only its beginning)" } else { "" };
            let _never_fails = write!(text, "\n--- {name}{cut}\n{output}");
        }
    }
    let is_error = matches!(run.end, ProgramEnd::Unavailable { .. } | ProgramEnd::Cancelled);
    Answer::new(&ran, text, is_error)
}

/// Lean's messages and goals.
pub(super) fn of_response(response: &CommandResponse, goals_known: bool) -> Answer {
    let severity = |severity: ReplSeverity| match severity {
        ReplSeverity::Trace => "trace",
        ReplSeverity::Info => "info",
        ReplSeverity::Warning => "warning",
        ReplSeverity::Error => "error",
    };
    let messages = response.messages.iter().take(MESSAGES).map(|message| {
        let (line, column) = known_place(Some(message.pos));
        let text = marked(&message.data, MESSAGE_BYTES);
        Message { severity: severity(message.severity), line, column, text }
    });
    let goals = response.sorries.iter().take(MESSAGES).map(|sorry| {
        let (line, column) = known_place(sorry.pos);
        Goal { line, column, goal: marked(&sorry.goal, MESSAGE_BYTES) }
    });
    let is_error = |severity: ReplSeverity| severity == ReplSeverity::Error;
    let diagnostics = Diagnostics {
        not_a_verdict: true,
        errors: response.messages.iter().filter(|message| is_error(message.severity)).count(),
        messages: messages.collect(),
        messages_left_out: response.messages.len().saturating_sub(MESSAGES),
        goals: goals.collect(),
        goals_left_out: response.sorries.len().saturating_sub(MESSAGES),
        goals_known,
    };
    let text = diagnostics.text();
    Answer::new(&diagnostics, text, false)
}

impl Diagnostics {
    fn text(&self) -> String {
        let mut text = format!(
            "{} errors. This is what Lean says, not a verdict: text can make Lean say anything, so ask `verify_lean` \
             whether a proof is right.\n",
            self.errors
        );
        self.messages.iter().for_each(|message| message.write(&mut text));
        left_out(&mut text, self.messages_left_out, "messages");
        for goal in self.goals.iter().filter(|_| self.goals_known) {
            let place = match (goal.line, goal.column) {
                (Some(line), Some(column)) => format!(" at {line}:{column}"),
                _unknown => String::new(),
            };
            let _never_fails = writeln!(text, "--- goal of `sorry`{place}\n{}", goal.goal);
        }
        left_out(&mut text, self.goals_left_out, "goals");
        if !self.goals_known {
            text.push_str(
                "(This server's Lean does not tell the goal at a `sorry`: put `trace_state` before it.)\n",
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aé", 2), ("a".to_owned(), true));
        assert_eq!(cut("aé", 3), ("aé".to_owned(), false));
        assert_eq!(marked("abc", 2), "ab […]");
    }
}
