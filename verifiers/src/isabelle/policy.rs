//! What untrusted Isabelle text may contain, decided before Isabelle sees it.
//!
//! A completion is a proof and nothing else: the goals that its commands open and close are counted, and with the last one
//! the text must end. So no command of it is read outside of a proof, where it could change anything but this proof. Inside,
//! what could run ML is refused by name.

use super::commands::{Role, role};
use super::lexer::{self, Token, TokenKind};
use crate::verdict::Reason;
use serde::{Deserialize, Serialize};

/// A reason to refuse, with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The class of offence.
    pub reason: Reason,
    /// The offending text as written, or what is wrong, in words.
    pub name: String,
    /// Byte offset in the scanned text.
    pub offset: usize,
}

/// Named sets of rules about proofs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// No oracle may stand behind a proof.
    #[default]
    Strict,
    /// As strict, but the code generator may have evaluated (`eval`, `normalization`).
    Evaluation,
    /// As published evaluations of STP: besides [`Evaluation`](Self::Evaluation), `sledgehammer` stands for ten methods
    /// that are tried in order, and proofs with `mason`, `smt`, `metis` or `sos` in their text are refused.
    Stp,
}

/// What an evaluation's text is refused for under [`Rules::Stp`], wherever it stands. `sledgehammer` is replaced before.
const SLOW: [&str; 4] = ["mason", "smt", "metis", "sos"];

/// What stands for `sledgehammer` under [`Rules::Stp`]: the first method that proves the goal.
pub const INSTEAD_OF_SLEDGEHAMMER: &str = "by ((auto; fail) | (simp; fail) | (blast; fail) | (fastforce; fail) \
     | (force; fail) | (eval; fail) | (presburger; fail) | (arith; fail) | (linarith; fail) \
     | (auto simp: field_simps; fail))";

/// Oracles of evaluation.
const EVALUATION: [&str; 2] = ["Code_Generator.holds_by_evaluation", "Nbe.normalization_by_evaluation"];

impl Rules {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Evaluation => "evaluation",
            Self::Stp => "stp",
        }
    }

    /// What is wrong with a theorem that this oracle stands behind, if anything is.
    #[must_use]
    pub fn offence_of_oracle(self, oracle: &str) -> Option<Reason> {
        if oracle.contains("skip_proof") {
            return Some(Reason::Sorry);
        }
        match (EVALUATION.contains(&oracle), self) {
            (true, Self::Evaluation | Self::Stp) => None,
            (true, Self::Strict) => Some(Reason::NativeEvaluation),
            (false, Self::Strict | Self::Evaluation | Self::Stp) => Some(Reason::Axiom),
        }
    }
}

/// Names that stand for ML wherever they are written, with or without quotation marks.
const RUNS_ML: [&str; 3] = ["tactic", "raw_tactic", "ml_tactic"];

/// Options that weaken checking or reach files, in `[[…]]`.
const OPTIONS: [&str; 6] = [
    "quick_and_dirty",
    "skip_proofs",
    "smt_oracle",
    "smt_certificates",
    "smt_read_only_certificates",
    "sledgehammer_persistent_data_dir",
];

/// Control symbols that only shape what is shown. Any other could be read as more than text.
const SHAPES: [&str; 9] = [
    "\\<^sub>",
    "\\<^sup>",
    "\\<^bold>",
    "\\<^isub>",
    "\\<^isup>",
    "\\<^bsub>",
    "\\<^esub>",
    "\\<^bsup>",
    "\\<^esup>",
];

/// The text's tokens without comments, none of which is refused by itself.
///
/// # Errors
/// The first reason to refuse it.
pub fn clean_tokens(text: &str) -> Result<Vec<Token<'_>>, Finding> {
    let mut tokens = lexer::tokenize(text).map_err(|error| Finding {
        reason: Reason::Malformed,
        offset: error.offset(),
        name: error.to_string(),
    })?;
    tokens.retain(|token| token.kind != TokenKind::Comment);
    // The gravest first, so that a `sorry` before it hides nothing.
    let offences = || tokens.iter().filter_map(|token| offence(token).map(|reason| (token, reason)));
    let worst = offences().find(|(_, reason)| *reason != Reason::Sorry).or_else(|| offences().next());
    match worst {
        None => Ok(without_formal_comments(tokens)),
        Some((token, reason)) => {
            Err(Finding { reason, name: token.text.chars().take(60).collect(), offset: token.offset })
        }
    }
}

/// `\<comment> \<open>…\<close>` is a comment, whose content was looked at.
fn without_formal_comments(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let mut kept: Vec<Token<'_>> = Vec::with_capacity(tokens.len());
    for token in tokens {
        match kept.last() {
            Some(mark) if mark.text == "\\<comment>" && token.kind == TokenKind::Cartouche => {
                kept.truncate(kept.len() - 1);
            }
            Some(_) | None => kept.push(token),
        }
    }
    kept
}

fn offence(token: &Token<'_>) -> Option<Reason> {
    let content = token.content();
    let by_name = |name: &str| {
        let last = name.rsplit('.').next().unwrap_or(name);
        if RUNS_ML.contains(&last) {
            return Some(Reason::MetaCode);
        }
        OPTIONS.contains(&last).then_some(Reason::ForbiddenOption)
    };
    match token.kind {
        TokenKind::Word | TokenKind::Symbol => match role(content) {
            Some(Role::Refused(reason)) => Some(reason),
            Some(_) => None,
            None if content.starts_with("ML_") => Some(Reason::ForbiddenOption),
            None if content.starts_with("\\<^") && !SHAPES.contains(&content) => Some(Reason::MetaCode),
            None => by_name(content),
        },
        TokenKind::Text | TokenKind::AltText | TokenKind::Cartouche => {
            let has_code = content
                .match_indices('\\')
                .any(|(at, _)| content[at + 1..].starts_with(|next: char| next.is_ascii_digit()));
            let has_control = content
                .match_indices("\\<^")
                .any(|(at, _)| !SHAPES.iter().any(|shape| content[at..].starts_with(shape)));
            if has_code || has_control || content.contains("@{") {
                return Some(Reason::MetaCode);
            }
            by_name(content.trim())
        }
        TokenKind::Variable | TokenKind::Number | TokenKind::Comment => None,
    }
}

/// What a completion may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The proof itself: the completion up to the end of its last command, with what the rules put in place of
    /// `sledgehammer`.
    pub text: String,
}

/// Looks through a completion: the proof of one goal, and perhaps the `end` of the theory behind it.
///
/// # Errors
/// The reason to refuse it.
pub fn completion(text: &str, rules: Rules) -> Result<Proof, Finding> {
    let replaced = match rules {
        Rules::Strict | Rules::Evaluation => text.to_owned(),
        Rules::Stp => without_sledgehammer(text),
    };
    if let (Rules::Stp, Some((offset, word))) = (rules, slow(&replaced)) {
        return Err(Finding { reason: Reason::ForbiddenTactic, name: word.to_owned(), offset });
    }
    let tokens = clean_tokens(&replaced)?;
    let mut goals = Goals::proof();
    for (index, token) in tokens.iter().enumerate() {
        goals.step(token)?;
        if goals.are_done() {
            let behind = index + 1 + closing_arguments(&tokens[index..]);
            return match tokens.get(behind) {
                None => Ok(Proof { text: replaced }),
                Some(end) if end.text == "end" && behind + 1 == tokens.len() => {
                    Ok(Proof { text: replaced[..end.offset].trim_end().to_owned() })
                }
                Some(other) => Err(after_the_end(other)),
            };
        }
    }
    Err(Finding {
        reason: Reason::Malformed,
        name: "the proof is not finished".to_owned(),
        offset: text.len(),
    })
}

/// How many tokens behind the command that ends a proof are its methods: two of `by`, one of `qed`. What follows them is a
/// command, known to us or not.
#[must_use]
pub fn closing_arguments(tokens: &[Token<'_>]) -> usize {
    let methods = match tokens.first().map(|token| token.text) {
        Some("by") => 2,
        Some("qed") => 1,
        Some(_) | None => 0,
    };
    let mut at = 1;
    for _ in 0..methods {
        at += method(&tokens[at..]);
    }
    at - 1
}

/// Length of the method that the tokens begin with: a name or something in parentheses, perhaps `+`, `?` or `[n]` behind it.
fn method(tokens: &[Token<'_>]) -> usize {
    let Some(first) = tokens.first() else { return 0 };
    let mut length = match (first.kind, first.text) {
        (TokenKind::Symbol, "(") => bracketed(tokens, "(", ")"),
        (TokenKind::Symbol, "-") => 1,
        (TokenKind::Word, word) if role(word).is_none() => 1,
        (TokenKind::Text, _) => 1,
        _ => return 0,
    };
    while let Some(suffix) = tokens.get(length) {
        length += match suffix.text {
            "+" | "?" => 1,
            "[" => bracketed(&tokens[length..], "[", "]"),
            _ => break,
        };
    }
    length.min(tokens.len())
}

/// Length of the bracket that the tokens begin with; all of them where it has no end.
fn bracketed(tokens: &[Token<'_>], open: &str, close: &str) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        if token.text == open {
            depth += 1;
        } else if token.text == close {
            depth -= 1;
            if depth == 0 {
                return index + 1;
            }
        }
    }
    tokens.len()
}

/// What stands behind the end of a proof, and is no part of it.
#[must_use]
pub fn after_the_end(token: &Token<'_>) -> Finding {
    let name = format!("`{}` stands after the end of the proof", token.text);
    Finding { reason: Reason::Malformed, name, offset: token.offset }
}

fn without_sledgehammer(text: &str) -> String {
    let Ok(tokens) = lexer::tokenize(text) else { return text.to_owned() };
    let mut replaced = String::with_capacity(text.len());
    let mut at = 0;
    for token in tokens.iter().filter(|token| token.text == "sledgehammer") {
        replaced.push_str(&text[at..token.offset]);
        replaced.push_str(INSTEAD_OF_SLEDGEHAMMER);
        at = token.offset + token.text.len();
    }
    replaced.push_str(&text[at..]);
    replaced
}

/// Published evaluations look for these words in the whole text, comments and names included.
fn slow(text: &str) -> Option<(usize, &'static str)> {
    SLOW.into_iter().filter_map(|word| text.find(word).map(|at| (at, word))).min()
}

/// How many goals are open, command by command.
#[derive(Debug)]
pub struct Goals {
    open: usize,
}

impl Goals {
    /// One goal, stated by somebody else.
    #[must_use]
    pub fn proof() -> Self {
        Self { open: 1 }
    }

    /// None: outside of proofs.
    #[must_use]
    pub fn theory() -> Self {
        Self { open: 0 }
    }

    /// Whether none is open.
    #[must_use]
    pub fn are_done(&self) -> bool {
        self.open == 0
    }

    /// Goes past a token; what it is, if it is a command.
    ///
    /// # Errors
    /// A command that can't stand here.
    pub fn step(&mut self, token: &Token<'_>) -> Result<Option<Role>, Finding> {
        let is_command = matches!(token.kind, TokenKind::Word | TokenKind::Symbol);
        let Some(role) = role(token.text).filter(|_| is_command) else { return Ok(None) };
        let misplaced = |place: &str| {
            let name = format!("`{}` can't stand {place}", token.text);
            Err(Finding { reason: Reason::Malformed, name, offset: token.offset })
        };
        match (role, self.open) {
            (Role::Refused(reason), _) => {
                return Err(Finding { reason, name: token.text.to_owned(), offset: token.offset });
            }
            (Role::Document | Role::Look, _) => {}
            (Role::Theorem | Role::TheoryGoal, 0) => self.open = 1,
            (Role::Theory, 0) => {}
            (Role::Goal, 1..) => self.open += 1,
            (Role::Close, 1..) => self.open -= 1,
            (Role::Step, 1..) => {}
            (Role::Theorem | Role::TheoryGoal | Role::Theory | Role::End, 1..) => {
                return misplaced("inside a proof");
            }
            (Role::Goal | Role::Close | Role::Step, 0) => return misplaced("outside of a proof"),
            (Role::End, 0) => return misplaced("here"),
        }
        Ok(Some(role))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
