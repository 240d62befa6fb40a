//! Snippets without a REPL: a `lean --json` process for each.

use super::{Answer, Elaborated, Parts, Snippet, SnippetError, has_error};
use crate::lean::batch::layout::PADDING;
use crate::lean::batch::messages::{LeanMessage, LeanSeverity, Lines, Position};
use crate::lean::batch::run::{END_ALLOWANCE, LINE_BYTES, start};
use crate::lean::lexer::{self, TokenKind};
use crate::lean::repl::protocol::{CommandResponse, Pos, ReplMessage, ReplSeverity, Sorry};
use crate::lean::toolchain::Toolchain;
use crate::nonce;
use crate::scratch::Scratch;
use crate::verdict::Usage;
use crate::verifier::Limits;
use proofloop_sandboxes::process::{Finished, Launcher, Outcome, Session};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

pub(super) struct Processes {
    launcher: Launcher,
    toolchain: Toolchain,
    limits: Limits,
    scratch: Scratch,
    count: AtomicU64,
}

/// What was read from one process.
struct Reading {
    /// When the sentinel behind the imports was seen.
    started: Option<Instant>,
    messages: Vec<LeanMessage>,
    stop: Stop,
}

/// Why reading ended.
enum Stop {
    EndOfOutput,
    TimeIsOver { in_header: bool, limit: Duration },
    Flood,
}

impl Processes {
    pub(super) fn new(launcher: Launcher, toolchain: Toolchain, limits: Limits) -> Self {
        let scratch = Scratch::new(std::env::temp_dir());
        Self { launcher, toolchain, limits, scratch, count: AtomicU64::new(0) }
    }

    pub(super) async fn elaborate(
        &self,
        snippet: &Snippet,
        parts: &Parts<'_>,
    ) -> Result<Elaborated, SnippetError> {
        let unavailable = |cause: String| SnippetError::Unavailable { cause };
        let nonce =
            nonce().map_err(|error| unavailable(format!("the system gives no random numbers: {error}")))?;
        let sentinel = format!("{nonce} start");
        let newline = if parts.imports.is_empty() { "" } else { "\n" };
        let preamble = format!("{PADDING}{}{newline}#print \"{sentinel}\"\n", parts.imports);
        let text = format!("{preamble}{}", parts.body);
        let file_name = format!("{nonce}.lean");
        let limits = Limits { timeout: snippet.timeout, ..self.limits.clone() };
        let place = (&self.launcher, &self.scratch);
        let (directory, mut session) =
            start(place, &self.toolchain, (&file_name, &text), &limits, 1).await.map_err(unavailable)?;
        let protection = session.protection().names();
        let reading = self.read(&mut session, &sentinel, &file_name, snippet.timeout).await;
        let ended = match reading.stop {
            Stop::EndOfOutput => session.wait_at_most(END_ALLOWANCE).await,
            Stop::TimeIsOver { .. } | Stop::Flood => session.kill().await,
        };
        let ended = ended.map_err(|error| unavailable(crate::chain(&error)))?;
        drop(directory);
        let usage = Usage::new(ended.usage.wall, ended.usage.cpu, ended.usage.peak_memory_bytes);
        let elapsed = reading.started.map_or(Duration::ZERO, |started| started.elapsed());
        let preamble_lines = u32::try_from(preamble.matches('\n').count()).unwrap_or(u32::MAX);
        let answer = answer(reading, &ended, parts, preamble_lines)?;
        let process = self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Elaborated { answer, elapsed, usage, protection, process })
    }

    async fn read(
        &self,
        session: &mut Session,
        sentinel: &str,
        file_name: &str,
        timeout: Duration,
    ) -> Reading {
        let mut lines = Lines::new(LINE_BYTES);
        let mut reading = Reading { started: None, messages: Vec::new(), stop: Stop::EndOfOutput };
        let mut limit = self.toolchain.start_allowance;
        let mut deadline = Instant::now() + limit;
        loop {
            let chunk = match timeout_at(deadline, session.read()).await {
                Err(_elapsed) => {
                    reading.stop = Stop::TimeIsOver { in_header: reading.started.is_none(), limit };
                    return reading;
                }
                Ok(None) => return reading,
                Ok(Some(chunk)) => chunk,
            };
            for message in lines.push(&chunk).iter().filter_map(|line| LeanMessage::from_line(line)) {
                if message.file_name != file_name && !message.file_name.is_empty() {
                    continue;
                }
                if message.data == sentinel && reading.started.is_none() {
                    let now = Instant::now();
                    reading.started = Some(now);
                    (limit, deadline) = (timeout, now + timeout);
                } else {
                    reading.messages.push(message);
                }
            }
            if lines.overflowed() {
                reading.stop = Stop::Flood;
                return reading;
            }
        }
    }
}

/// An answer takes positive evidence: Lean got past the imports and ended by itself, or said what is wrong.
fn answer(
    reading: Reading,
    ended: &Finished,
    parts: &Parts<'_>,
    preamble_lines: u32,
) -> Result<Answer, SnippetError> {
    let started = reading.started.is_some();
    match (reading.stop, ended.outcome) {
        (_, Outcome::MemoryLimit) => return Err(SnippetError::MemoryLimit),
        (_, Outcome::OutputLimit) | (Stop::Flood, _) => return Err(SnippetError::OutputLimit),
        (Stop::TimeIsOver { in_header, limit }, _) => {
            return Err(SnippetError::Timeout { limit, in_header });
        }
        (Stop::EndOfOutput, Outcome::TimedOut | Outcome::CpuLimit) => {
            return Err(SnippetError::Timeout { limit: ended.usage.wall, in_header: !started });
        }
        (Stop::EndOfOutput, Outcome::Signaled { signal }) => {
            return Err(SnippetError::Crashed { how: format!("signal {signal}") });
        }
        (Stop::EndOfOutput, Outcome::Cancelled) => {
            let cause = "Lean closed its output and did not end".to_owned();
            return Err(SnippetError::Unavailable { cause });
        }
        (Stop::EndOfOutput, Outcome::Exited { .. }) => {}
    }
    let messages: Vec<ReplMessage> = reading
        .messages
        .into_iter()
        .filter_map(|message| own_message(message, parts, preamble_lines, started))
        .collect();
    if !started && !has_error(&messages) {
        let detail = ended.stderr.to_string_lossy();
        let last = detail.lines().last().unwrap_or_default();
        return Err(SnippetError::Crashed { how: format!("{:?}: {last}", ended.outcome) });
    }
    let sorries = sorries(&messages, parts);
    Ok(Answer::Elaborated(CommandResponse { env: 0, messages, sorries, tactics: Vec::new(), infotree: None }))
}

/// A message in the snippet's own lines. Lean's sentinel apart, what stands above the body is about the imports.
fn own_message(
    message: LeanMessage,
    parts: &Parts<'_>,
    preamble_lines: u32,
    started: bool,
) -> Option<ReplMessage> {
    let place = |position: Position| match position.line.checked_sub(preamble_lines) {
        Some(line) if line > 0 => parts.place(Pos { line, column: position.column }),
        Some(_) | None => Pos { line: 1, column: 0 },
    };
    let is_error = message.severity == LeanSeverity::Error;
    // Lean goes on after imports that fail, and then nothing else that it says means anything.
    if !started && !is_error {
        return None;
    }
    Some(ReplMessage {
        severity: match message.severity {
            LeanSeverity::Error => ReplSeverity::Error,
            LeanSeverity::Warning => ReplSeverity::Warning,
            LeanSeverity::Information => ReplSeverity::Info,
        },
        pos: place(message.pos),
        end_pos: message.end_pos.map(place),
        data: message.data,
    })
}

/// The `sorry`s that stand in the text as such, if Lean says that a declaration rests on one. Their goals are not known.
fn sorries(messages: &[ReplMessage], parts: &Parts<'_>) -> Vec<Sorry> {
    let rests_on_sorry = |message: &ReplMessage| message.data.starts_with("declaration uses ");
    if !messages.iter().any(rests_on_sorry) {
        return Vec::new();
    }
    let tokens = lexer::code_tokens(parts.body).unwrap_or_default();
    let words = tokens.iter().filter(|token| token.kind == TokenKind::Name && token.text == "sorry");
    words
        .map(|token| {
            let before = &parts.body[..token.offset];
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            let pos = Pos {
                line: u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX),
                column: u32::try_from(column).unwrap_or(u32::MAX),
            };
            let end = Pos { column: pos.column.saturating_add(5), ..pos };
            Sorry {
                proof_state: None,
                pos: Some(parts.place(pos)),
                goal: String::new(),
                end_pos: Some(parts.place(end)),
            }
        })
        .collect()
}
