//! What the server's result means for the candidate. An acceptance rests on the status of our theory and on what our own
//! commands have answered at their places, and on nothing else: not on the server's `ok`, which is true of a proof by `sorry`
//! and of a theory that was cut short.

use super::policy::Rules;
use super::protocol::{self, Node, Theories};
use super::theory::{Evidence, Layout, Region};
use crate::verdict::{Assurance, Message, Reason, Severity, Verdict};

/// Kept of each message.
const MESSAGE_CHARS: usize = 2000;
/// Kept of all messages.
const MESSAGES: usize = 50;

/// What is known after the server has said that it has finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A verdict.
    Judged {
        /// The verdict.
        verdict: Verdict,
        /// Messages about the candidate.
        messages: Vec<Message>,
    },
    /// It had not finished: a limit was reached, or the prover has died. For the server, neither is an error.
    Unfinished {
        /// Messages about the candidate.
        messages: Vec<Message>,
    },
}

/// Reads the server's result about `layout`, whose file is `file`.
#[must_use]
pub fn judge(layout: &Layout, file: &str, theories: &Theories, rules: Rules) -> Outcome {
    let unavailable =
        |cause: String| Outcome::Judged { verdict: Verdict::Unavailable { cause }, messages: Vec::new() };
    let (ours, others): (Vec<&Node>, Vec<&Node>) =
        theories.nodes.iter().partition(|node| is_ours(node, layout, file));
    let [node] = ours[..] else {
        return unavailable(format!("the server speaks of {} theories of our name", ours.len()));
    };
    let messages = for_people(layout, node);
    if others.iter().any(|node| !node.status.is_complete()) {
        return Outcome::Unfinished { messages };
    }
    if let Some(import) = others.iter().find(|node| !node.status.is_sound()) {
        return unavailable(format!("the imported theory {} has errors", import.theory_name));
    }
    if !node.status.is_complete() {
        return Outcome::Unfinished { messages };
    }
    let verdict = verdict(layout, node, file, rules);
    Outcome::Judged { verdict, messages }
}

fn is_ours(node: &Node, layout: &Layout, file: &str) -> bool {
    node.node_name == file && node.theory_name.rsplit('.').next() == Some(&layout.name)
}

fn verdict(layout: &Layout, node: &Node, file: &str, rules: Rules) -> Verdict {
    let rejected = |reason| Verdict::Rejected { reason };
    let errors = node.messages.iter().filter(|message| message.kind == "error");
    // Where one command fails, those behind it may fail for that alone.
    let first = errors.min_by_key(|message| offset(message).unwrap_or(0));
    if let Some(error) = first {
        let text = layout.for_people(&protocol_text(error));
        return match offset(error).map(|offset| layout.region(offset)) {
            Some(Region::Trusted) => Verdict::Unavailable {
                cause: format!("the pinned text has an error: {}", shortened(&text, 300)),
            },
            Some(Region::Header) => Verdict::Unavailable {
                cause: format!("the theory's header has an error: {}", shortened(&text, 300)),
            },
            Some(Region::Ours) if layout.evidence.iter().any(|evidence| is_at(error, evidence, file)) => {
                rejected(Reason::MissingDeclaration)
            }
            Some(Region::Candidate | Region::Ours) | None => rejected(Reason::ElaborationError),
        };
    }
    if !node.status.is_sound() {
        return rejected(Reason::ElaborationError);
    }
    let mut offence = None;
    for evidence in &layout.evidence {
        let answers: Vec<&protocol::Message> =
            node.messages.iter().filter(|message| is_at(message, evidence, file)).collect();
        let [answer] = answers[..] else {
            let cause = format!("{} answers to what stands behind the theorem", answers.len());
            return Verdict::Unavailable { cause };
        };
        let Some(oracles) = oracles(answer) else {
            return Verdict::Unavailable { cause: "what stands behind the theorem was not said".to_owned() };
        };
        offence = offence.or_else(|| oracles.iter().find_map(|oracle| rules.offence_of_oracle(oracle)));
    }
    match offence {
        Some(reason) => rejected(reason),
        None if layout.evidence.is_empty() => rejected(Reason::MissingDeclaration),
        None => Verdict::Accepted { assurance: Assurance::Elaborated },
    }
}

/// Whether the message is one of our command's own, at its very place.
fn is_at(message: &protocol::Message, evidence: &Evidence, file: &str) -> bool {
    message.pos.as_ref().is_some_and(|pos| {
        pos.file.as_deref() == Some(file)
            && pos.line == Some(evidence.line)
            && pos.offset == Some(evidence.offset)
            && pos.end_offset == Some(evidence.end_offset)
    })
}

fn offset(message: &protocol::Message) -> Option<u64> {
    message.pos.as_ref().and_then(|pos| pos.offset)
}

/// The oracles that `thm_oracles` lists, one a line; `None` if this is no such list.
fn oracles(message: &protocol::Message) -> Option<Vec<String>> {
    let text = protocol_text(message);
    let mut lines = text.lines();
    if message.kind != "writeln" || lines.next().map(str::trim_end) != Some("oracles:") {
        return None;
    }
    let name =
        |line: &str| line.split_whitespace().next().unwrap_or_default().trim_end_matches(':').to_owned();
    Some(lines.map(name).filter(|name| !name.is_empty()).collect())
}

fn protocol_text(message: &protocol::Message) -> String {
    super::codec::plain(&message.message)
}

fn for_people(layout: &Layout, node: &Node) -> Vec<Message> {
    let wanted = node.messages.iter().filter_map(|message| {
        let severity = match message.kind.as_str() {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            "writeln" => Severity::Info,
            _ => return None,
        };
        let is_ours = layout.evidence.iter().any(|evidence| offset(message) == Some(evidence.offset));
        let line = message.pos.as_ref().and_then(|pos| pos.line).and_then(|line| layout.candidate_line(line));
        let text = shortened(&layout.for_people(&protocol_text(message)), MESSAGE_CHARS);
        (!is_ours || severity == Severity::Error).then_some(Message { severity, line, column: None, text })
    });
    let mut messages: Vec<Message> = wanted.collect();
    // Errors are never crowded out.
    messages.sort_by_key(|message| message.severity != Severity::Error);
    messages.truncate(MESSAGES);
    messages.sort_by_key(|message| message.line);
    messages
}

fn shortened(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
