//! Without a REPL a snippet costs a process, and a process costs the imports. But most snippets are one plain theorem, and
//! of those the farm judges many in one process. So such a snippet is judged as a candidate whose statement is its own,
//! and the judgement is told as a REPL would tell it.
//!
//! A candidate stands in a namespace of its own, beside a copy of its statement. Where that could make Lean say something
//! else than it says of the snippet as a file, the snippet is not converted: names with dots, `_root_`, attributes,
//! modifiers, contexts other than `open` and `set_option`. A name that the library has already is found out by
//! [`guard`]. And where the judgement is one that the snippet as a file has no equal for, there is no answer here, and it
//! gets a process after all. What is left of a difference: no warnings of linters, at most 20 messages of at most 2,000
//! characters, and messages have no end.

use proofloop_verifiers::candidate::{Candidate, LeanCandidate};
use proofloop_verifiers::lean::header;
use proofloop_verifiers::lean::lexer::{self, Token, TokenKind};
use proofloop_verifiers::lean::policy::{self, Shape};
use proofloop_verifiers::lean::repl::protocol::{CommandResponse, Pos, ReplMessage, ReplSeverity};
use proofloop_verifiers::lean::snippet::SnippetError;
use proofloop_verifiers::verdict::{Judgement, Message, Reason, Severity, Verdict};
use std::time::Duration;

/// Words before the `:=` of a theorem that may have a `:=` of their own, or mean that the proof begins elsewhere.
const NOT_IN_A_STATEMENT: &[&str] =
    &["let", "let_fun", "have", "haveI", "letI", "show", "by", "where", "|", "fun", "λ"];

/// A snippet that is one plain theorem, as a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Converted {
    pub(super) candidate: Candidate,
    /// Where the theorem begins, for what is to be said of it as a whole.
    start: Pos,
}

/// Lines that are put before the theorem.
const LINES_ADDED: u32 = 1;

/// Fails where the library has that name already: a candidate in its namespace could not notice.
fn guard(name: &str) -> String {
    format!("example : True := by (fail_if_success (have := @_root_.{name})); trivial\n")
}

/// The snippet as a candidate; `None` if it is not one plain theorem, or could be judged otherwise than Lean judges it.
pub(super) fn convert(code: &str) -> Option<Converted> {
    let scan = policy::scan(code).ok()?;
    let split = header::split(code).ok()?;
    if scan.finding.is_some() || split.imports.iter().any(|import| import == "module" || import == "prelude")
    {
        return None;
    }
    let tokens = lexer::code_tokens(code).ok()?;
    let keyword = tokens.iter().position(|token| matches!(token.text, "theorem" | "lemma"))?;
    let imports = lexer::code_tokens(split.header).ok()?.len();
    let (before, theorem) = (tokens.get(imports..keyword)?, &tokens[keyword..]);
    let name = theorem.get(1)?;
    if !only_opens_and_options(before)
        || !is_plain_name(name)
        || tokens.iter().any(|token| token.text.split('.').any(|part| part == "_root_"))
    {
        return None;
    }
    let assignment = assignment(theorem)?;
    let start = start_of(code, theorem[0].offset)?;
    let (header, rest) = code.split_at(start);
    let (statement, completion) = rest.split_at(assignment + 2 - start);
    if policy::scan(completion).ok()?.shape != Shape::Plain || completion.trim().is_empty() {
        return None;
    }
    let line = u32::try_from(header.matches('\n').count() + 1).ok()?;
    let candidate = Candidate::Lean(LeanCandidate::Completion {
        header: format!("{header}{}", guard(name.text)),
        statement: statement.to_owned(),
        completion: completion.to_owned(),
    });
    Some(Converted { candidate, start: Pos { line, column: 0 } })
}

/// Whether these tokens are nothing but `open NAMESPACE …` and `set_option NAME VALUE`.
fn only_opens_and_options(tokens: &[Token<'_>]) -> bool {
    let mut at = 0;
    while let Some(command) = tokens.get(at) {
        let rest = &tokens[at + 1..];
        let taken = match command.text {
            "open" => rest.iter().take_while(|token| !matches!(token.text, "open" | "set_option")).count(),
            "set_option" => 2,
            _ => return false,
        };
        let operands = rest.get(..taken).unwrap_or_default();
        let plain = |token: &Token<'_>| token.kind == TokenKind::Name && token.text != "in";
        let good = match (command.text, operands) {
            ("open", namespaces) => !namespaces.is_empty() && namespaces.iter().all(plain),
            (_, [option, value]) => {
                plain(option)
                    && matches!(value.kind, TokenKind::Name | TokenKind::Number)
                    && value.text != "in"
            }
            (_, _) => false,
        };
        // What stands behind one is a command, not the `in` that would make it part of the theorem.
        if !good {
            return false;
        }
        at += 1 + taken;
    }
    true
}

/// A name in whose body the same names are known as in any other's: one without a namespace.
fn is_plain_name(name: &Token<'_>) -> bool {
    name.kind == TokenKind::Name && !name.text.contains(['.', '«', '#', '!', '?'])
}

/// Offset of the `:=` behind a theorem's type.
fn assignment(theorem: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_i64;
    for (index, token) in theorem.iter().enumerate().skip(2) {
        match token.text {
            "(" | "[" | "{" | "⟨" | "⦃" => depth += 1,
            ")" | "]" | "}" | "⟩" | "⦄" => depth -= 1,
            word if NOT_IN_A_STATEMENT.contains(&word) => return None,
            ":" if depth == 0 => {
                let next = theorem.get(index + 1)?;
                if next.text == "=" && next.offset == token.offset + 1 {
                    return Some(token.offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the theorem begins, a doc comment of its own included; `None` if that is not at the beginning of a line.
fn start_of(code: &str, keyword: usize) -> Option<usize> {
    let comment = lexer::tokenize(code).ok()?.into_iter().rfind(|token| token.offset < keyword);
    let doc = comment.filter(|token| token.kind == TokenKind::Comment && token.text.starts_with("/--"));
    let start = doc.map_or(keyword, |doc| doc.offset);
    (start == 0 || code.as_bytes().get(start - 1) == Some(&b'\n')).then_some(start)
}

/// How much time a snippet has, and how much a candidate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) snippet: Duration,
    pub(super) candidate: Duration,
}

/// The judgement as a REPL would tell it; `None` where it could tell something else.
pub(super) fn answer(
    converted: &Converted,
    judgement: &Judgement,
    times: Times,
) -> Option<Result<CommandResponse, SnippetError>> {
    let messages = || judgement.messages.iter().map(own_message).collect::<Option<Vec<_>>>();
    let errors = || judgement.messages.iter().any(|message| message.severity == Severity::Error);
    let response = |messages| {
        let (sorries, tactics, infotree) = (Vec::new(), Vec::new(), None);
        Some(Ok(CommandResponse { env: 0, messages, sorries, tactics, infotree }))
    };
    match &judgement.verdict {
        Verdict::Accepted { .. } => response(messages()?).filter(|_| !errors()),
        Verdict::Rejected { reason: Reason::ElaborationError } => response(messages()?).filter(|_| errors()),
        // None is written in it, so this is one that no client would find.
        Verdict::Rejected { reason: Reason::Sorry } => {
            let mut messages = messages()?;
            messages
                .push(converted.error("proofloop: the proof rests on a `sorry` that is not written in it"));
            response(messages)
        }
        Verdict::Rejected { reason: Reason::Axiom } => {
            let mut messages = messages()?;
            let axioms = "propext, Classical.choice and Quot.sound";
            messages
                .push(converted.error(&format!("proofloop: the proof rests on an axiom besides {axioms}")));
            response(messages)
        }
        Verdict::Timeout if times.candidate >= times.snippet => {
            Some(Err(SnippetError::Timeout { limit: times.snippet, in_header: false }))
        }
        Verdict::MemoryLimit => Some(Err(SnippetError::MemoryLimit)),
        Verdict::OutputLimit => Some(Err(SnippetError::OutputLimit)),
        Verdict::Crashed { how } => Some(Err(SnippetError::Crashed { how: how.clone() })),
        Verdict::Cancelled => {
            Some(Err(SnippetError::Unavailable { cause: "the server is stopping".to_owned() }))
        }
        // The snippet as a file is another matter: Lean says of it what it says.
        Verdict::Timeout | Verdict::Unavailable { .. } => None,
        Verdict::Rejected {
            reason:
                Reason::NativeEvaluation
                | Reason::MetaCode
                | Reason::ForbiddenOption
                | Reason::ForbiddenTactic
                | Reason::StatementMismatch
                | Reason::MissingDeclaration
                | Reason::Malformed
                | Reason::SyntaxError
                | Reason::Exception
                | Reason::EarlyExit
                | Reason::WrongAnswer
                | Reason::MissingEntryPoint
                | Reason::VacuousTest,
        } => None,
    }
}

impl Converted {
    fn error(&self, text: &str) -> ReplMessage {
        ReplMessage { severity: ReplSeverity::Error, pos: self.start, end_pos: None, data: text.to_owned() }
    }
}

/// A message in the snippet's own lines; `None` if it has no place there, or speaks of what stands around the candidate.
fn own_message(message: &Message) -> Option<ReplMessage> {
    let line = message.line?.checked_sub(LINES_ADDED).filter(|line| *line > 0)?;
    let around = ["_pl", "unexpected token 'end'"];
    if around.iter().any(|text| message.text.contains(text)) {
        return None;
    }
    Some(ReplMessage {
        severity: match message.severity {
            Severity::Info => ReplSeverity::Info,
            Severity::Warning => ReplSeverity::Warning,
            Severity::Error => ReplSeverity::Error,
        },
        pos: Pos { line, column: message.column? },
        end_pos: None,
        data: message.text.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofloop_verifiers::verdict::{Assurance, Checker, Usage};

    fn parts(code: &str) -> Option<(String, String, String)> {
        let candidate = convert(code)?.candidate;
        let Candidate::Lean(LeanCandidate::Completion { header, statement, completion }) = candidate else {
            panic!("{candidate:?} is no completion");
        };
        Some((header, statement, completion))
    }

    #[test]
    fn one_plain_theorem_is_converted() {
        let code = "import A\n-- why\nopen Nat Real\nset_option maxHeartbeats 400000\n\n/-- doc -/\ntheorem t' (a : Nat := 3) :\n    a = a := by\n  rfl\n";
        let (header, statement, completion) = parts(code).expect("plain");
        let (header, guard) = header.split_at(header.find("example").expect("the guard"));
        assert_eq!(format!("{header}{statement}{completion}"), code, "nothing is lost");
        assert_eq!(guard, "example : True := by (fail_if_success (have := @_root_.t')); trivial\n");
        assert_eq!((statement.lines().next(), completion.as_str()), (Some("/-- doc -/"), " by\n  rfl\n"));
        assert_eq!(guard.matches('\n').count(), LINES_ADDED as usize);
        for code in [
            "theorem t : 1 = 1 := rfl",
            "lemma t : 1 = 1 :=\n  by simp; have h : 1 = 1 := rfl; exact h",
            "import A\ntheorem t : ∀ n : Nat, n = n := by\n  intro n\n  cases n with\n  | zero => rfl\n  | succ n => rfl",
        ] {
            assert!(convert(code).is_some(), "{code}");
        }
    }

    #[test]
    fn what_lean_could_judge_otherwise_is_not_converted() {
        for code in [
            "",
            "#check Nat",
            "def f := 1",
            "theorem t : 1 = 2 := by sorry",
            "theorem t : 1 = 1 := by native_decide",
            "theorem t : 1 = 1 := rfl\ntheorem u : 1 = 1 := rfl",
            "def f := 1\ntheorem t : 1 = 1 := rfl",
            "namespace A\ntheorem t : 1 = 1 := rfl\nend A",
            "variable (n : Nat)\ntheorem t : n = n := rfl",
            "open Nat in\ntheorem t : 1 = 1 := rfl",
            "set_option maxHeartbeats 1 in\ntheorem t : 1 = 1 := rfl",
            "open Nat (succ)\ntheorem t : 1 = 1 := rfl",
            "@[simp] theorem t : 1 = 1 := rfl",
            "private theorem t : 1 = 1 := rfl",
            "  theorem t : 1 = 1 := rfl",
            "theorem Nat.t : 1 = 1 := rfl",
            "theorem «t» : 1 = 1 := rfl",
            "theorem t : 1 = 1 := _root_.rfl",
            "open _root_.Nat\ntheorem t : 1 = 1 := rfl",
            "theorem t : let x := 1; x = 1 := rfl",
            "theorem t : ∀ n : Nat, n = n\n  | 0 => rfl\n  | n + 1 => rfl",
            "theorem t : 1 = 1",
            "theorem t : 1 = 1 :=",
            "theorem t : 1 = 1 := by exact?",
            "theorem t : 1 = 1 := by rfl /-",
            "module\ntheorem t : 1 = 1 := rfl",
            "theorem t (n : Nat) : n = n := by rfl\nend",
        ] {
            assert_eq!(convert(code), None, "{code}");
        }
    }

    const TIMES: Times = Times { snippet: Duration::from_secs(30), candidate: Duration::from_secs(60) };

    fn judged(verdict: Verdict, messages: Vec<Message>) -> Option<Result<CommandResponse, SnippetError>> {
        let converted = convert("open Nat\ntheorem t : 1 = 1 := by\n  simp").expect("plain");
        let checker = Checker { name: String::new(), version: String::new(), toolchain: String::new() };
        let (usage, protection) = (Usage::default(), Vec::new());
        let judgement = Judgement { verdict, messages, usage, checker, protection, cached: false };
        answer(&converted, &judgement, TIMES)
    }

    fn message(severity: Severity, line: Option<u32>, text: &str) -> Message {
        Message { severity, line, column: line.map(|_| 2), text: text.to_owned() }
    }

    #[test]
    fn what_is_accepted_has_no_error_and_what_is_rejected_has_one() {
        let accepted = Verdict::Accepted { assurance: Assurance::Elaborated };
        let info = || message(Severity::Info, Some(4), "Try this");
        let told = judged(accepted, vec![info()]).expect("an answer").expect("a response");
        let expected = ReplMessage {
            severity: ReplSeverity::Info,
            pos: Pos { line: 3, column: 2 },
            end_pos: None,
            data: "Try this".to_owned(),
        };
        assert_eq!(told.messages, [expected], "in the snippet's own lines");
        for reason in [Reason::ElaborationError, Reason::Sorry, Reason::Axiom] {
            let error = message(Severity::Error, Some(4), "no");
            let messages = if reason == Reason::ElaborationError { vec![error] } else { vec![info()] };
            let told =
                judged(Verdict::Rejected { reason }, messages).expect("an answer").expect("a response");
            let errors = told.messages.iter().filter(|message| message.severity == ReplSeverity::Error);
            assert_eq!(errors.count(), 1, "{reason:?}");
        }
    }

    #[test]
    fn where_the_file_could_be_judged_otherwise_there_is_no_answer() {
        let rejected = |reason| Verdict::Rejected { reason };
        let error = |line, text: &str| vec![message(Severity::Error, line, text)];
        for (verdict, messages) in [
            (rejected(Reason::ElaborationError), Vec::new()),
            (rejected(Reason::ElaborationError), error(None, "no place")),
            (rejected(Reason::ElaborationError), error(Some(4), "unexpected token 'end'; expected ')'")),
            (rejected(Reason::ElaborationError), error(Some(4), "unknown constant '_pl00._g0_00.t'")),
            (rejected(Reason::StatementMismatch), Vec::new()),
            (rejected(Reason::Malformed), Vec::new()),
            (Verdict::Unavailable { cause: "the header does not elaborate".to_owned() }, Vec::new()),
        ] {
            assert_eq!(judged(verdict.clone(), messages), None, "{verdict:?}");
        }
    }

    #[test]
    fn limits_are_errors() {
        let told = judged(Verdict::Timeout, Vec::new()).expect("an answer");
        assert_eq!(told, Err(SnippetError::Timeout { limit: TIMES.snippet, in_header: false }));
        let told = judged(Verdict::MemoryLimit, Vec::new()).expect("an answer");
        assert_eq!(told, Err(SnippetError::MemoryLimit));
    }
}
