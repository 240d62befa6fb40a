//! From what the instances said and how they ended to a verdict with its messages.

use super::wire::{self, Value};
use crate::verdict::{Message, Reason, Severity, Verdict};
use proofloop_sandboxes::wasm::{Outcome, Running, WasmError};

/// Longest message, in bytes.
const MAX_MESSAGE_BYTES: usize = 4096;

/// How a check ended.
pub(super) struct Ended {
    verdict: Verdict,
    messages: Vec<Message>,
}

impl Ended {
    pub(super) fn new(verdict: Verdict, messages: Vec<Message>) -> Self {
        Self { verdict, messages }
    }

    pub(super) fn into_parts(self) -> (Verdict, Vec<Message>) {
        let mut messages = self.messages;
        messages.iter_mut().for_each(|message| cut(&mut message.text));
        (self.verdict, messages)
    }

    /// The sandbox could not run the check.
    pub(super) fn unavailable(error: &WasmError) -> Self {
        Self::new(Verdict::Unavailable { cause: crate::chain(error) }, Vec::new())
    }

    /// The test itself is at fault: nothing is known about the candidate.
    pub(super) fn broken(cause: &str) -> Self {
        let mut cause = cause.to_owned();
        cut(&mut cause);
        Self::new(Verdict::Unavailable { cause }, Vec::new())
    }

    /// The candidate's instance ended where it should have answered.
    pub(super) fn of_candidate(outcome: &Outcome, candidate: &Running) -> Self {
        let verdict = match outcome {
            Outcome::Exited(status) => {
                let text = format!("the program ended itself with status {status}");
                return Self::rejected(Reason::EarlyExit, text, None);
            }
            Outcome::Returned(_) => {
                let text = "the candidate's side stopped answering".to_owned();
                return Self::rejected(Reason::Exception, text, None);
            }
            Outcome::Trap { .. } if candidate.usage().memory_refused => Verdict::MemoryLimit,
            Outcome::Trap { kind } => Verdict::Crashed { how: kind.clone() },
            Outcome::Timeout
            | Outcome::FuelLimit
            | Outcome::Cancelled
            | Outcome::OutputLimit
            | Outcome::MessageLimit
            | Outcome::NotStarted { .. } => limit_of(outcome),
        };
        let printed = candidate.stderr().to_text();
        let messages = if printed.trim().is_empty() { Vec::new() } else { vec![info(printed)] };
        Self::new(verdict, messages)
    }

    /// The test's instance ended without returning.
    pub(super) fn of_tester(outcome: &Outcome, requests: u64, memory_refused: bool) -> Self {
        match outcome {
            Outcome::Trap { .. } if memory_refused => Self::new(Verdict::MemoryLimit, Vec::new()),
            Outcome::Trap { kind } if requests > 0 => {
                Self::new(Verdict::Crashed { how: format!("the test program: {kind}") }, Vec::new())
            }
            Outcome::Trap { kind } => Self::broken(&format!("the test program crashed: {kind}")),
            Outcome::Exited(status) => {
                Self::broken(&format!("the test program ended itself with status {status}"))
            }
            Outcome::Timeout
            | Outcome::FuelLimit
            | Outcome::Cancelled
            | Outcome::OutputLimit
            | Outcome::MessageLimit
            | Outcome::NotStarted { .. }
            | Outcome::Returned(_) => Self::new(limit_of(outcome), Vec::new()),
        }
    }
}

/// The outcomes that mean the same on either side.
fn limit_of(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Timeout | Outcome::FuelLimit => Verdict::Timeout,
        Outcome::Cancelled => Verdict::Cancelled,
        Outcome::OutputLimit | Outcome::MessageLimit => Verdict::OutputLimit,
        Outcome::NotStarted { why } => Verdict::Unavailable { cause: why.clone() },
        Outcome::Trap { kind } => Verdict::Crashed { how: kind.clone() },
        Outcome::Returned(_) => Verdict::Unavailable { cause: "an instance returned out of turn".to_owned() },
        Outcome::Exited(status) => Verdict::Crashed { how: format!("exit status {status}") },
    }
}

fn info(text: String) -> Message {
    Message { severity: Severity::Info, line: None, column: None, text }
}

fn cut(text: &mut String) {
    if text.len() > MAX_MESSAGE_BYTES {
        let end = (0..=MAX_MESSAGE_BYTES - 4).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
}

fn line_of(value: Option<&Value>) -> Option<u32> {
    if let Some(Value::Int(line)) = value { u32::try_from(*line).ok().filter(|line| *line > 0) } else { None }
}

/// An exception that ended the candidate's own text: told by the candidate's side, so only good for rejecting.
pub(super) struct Failure {
    names: Vec<String>,
    /// Its first argument, where that is a small whole number.
    number: Option<i32>,
    text: String,
    frames: String,
    line: Option<u32>,
}

impl Failure {
    pub(super) fn parse(message: &[u8]) -> Self {
        let value = message.strip_prefix(b"E").and_then(|body| wire::decode(body).ok());
        let parts = value.as_ref().and_then(Value::tuple).unwrap_or_default();
        let text = |index: usize| parts.get(index).and_then(Value::text).unwrap_or_default();
        let names = parts.first().and_then(Value::tuple).unwrap_or_default();
        let argument = parts.get(1).and_then(Value::tuple).and_then(<[Value]>::first);
        let number = if let Some(Value::Int(number)) = argument { Some(*number) } else { None };
        Self {
            names: names.iter().filter_map(Value::text).collect(),
            number,
            text: text(2),
            frames: text(3),
            line: line_of(parts.get(4)),
        }
    }

    /// Whether it is an exception of this class, or of one below it.
    pub(super) fn is(&self, name: &str) -> bool {
        self.names.iter().any(|found| found == name)
    }

    /// The exit status that Python ends with after it.
    pub(super) fn status(&self) -> i32 {
        self.number.filter(|_| self.is("SystemExit")).unwrap_or(1)
    }

    /// What Python prints of it when nobody catches it.
    pub(super) fn traceback(&self) -> String {
        let name = self.names.first().map_or("an exception", String::as_str);
        match (self.is("SystemExit"), self.number) {
            (true, Some(_)) => String::new(),
            (true, None) => format!("{}\n", self.text),
            (false, _) if self.frames.is_empty() => format!("{name}: {}\n", self.text),
            (false, _) => {
                format!("Traceback (most recent call last):\n{}\n{name}: {}\n", self.frames, self.text)
            }
        }
    }

    /// `in_text`: whether a SyntaxError is one of the candidate's text.
    pub(super) fn ended(&self, in_text: bool, memory_refused: bool) -> Ended {
        let is = |name: &str| self.is(name);
        if is("MemoryError") && memory_refused {
            return Ended::new(Verdict::MemoryLimit, Vec::new());
        }
        let reason = if in_text && is("SyntaxError") {
            Reason::SyntaxError
        } else if is("SystemExit") || is("KeyboardInterrupt") {
            Reason::EarlyExit
        } else {
            Reason::Exception
        };
        let name = self.names.first().map_or("an exception", String::as_str);
        let text = format!("{name}: {}\n{}", self.text, self.frames);
        Ended::rejected(reason, text.trim_end().to_owned(), self.line)
    }
}

/// What the test program reports about itself: trusted, though it quotes values of the candidate.
pub(super) struct Report {
    kind: String,
    text: String,
    line: Option<u32>,
}

impl Report {
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let value = wire::decode(message.strip_prefix(b"Z")?).ok()?;
        let parts = value.tuple()?;
        Some(Self { kind: parts.first()?.text()?, text: parts.get(1)?.text()?, line: line_of(parts.get(2)) })
    }

    pub(super) fn passed(&self) -> bool {
        self.kind == "pass"
    }

    /// The verdict of a check that did not pass.
    pub(super) fn ended(&self, memory_refused: bool) -> Ended {
        let text = self.text.clone();
        match self.kind.as_str() {
            _ if memory_refused => Ended::new(Verdict::MemoryLimit, vec![info(text)]),
            "exception" | "protocol" => Ended::rejected(Reason::Exception, text, self.line),
            "exit" => Ended::rejected(Reason::EarlyExit, text, self.line),
            "absent" => Ended::rejected(Reason::MissingEntryPoint, text, None),
            "wrong" => Ended::rejected(Reason::WrongAnswer, text, None),
            _ => Ended::broken(&text),
        }
    }
}
