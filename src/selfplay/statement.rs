//! Statements as text: what a conjecturer may say, what makes two the same, and the checks that are made of one.
//!
//! A conjecture is a model's text that will stand where the verifier expects a trusted statement. So only one plain
//! theorem is let through here: whatever could run code, open or close a scope, or go on behind the statement is not.

use proofloop_datasets::rename;
use proofloop_verifiers::lean::lexer::{self, Token, TokenKind};
use proofloop_verifiers::lean::policy::{self, Shape};
use proofloop_verifiers::lean::statement::Statement;

/// A conjecture has at most so many characters; the longest of the bundled workbook has 156.
pub(super) const MOST_CHARS: usize = 600;

/// Words that end a statement, or mean that it declares more than a theorem.
const GOES_ON: &[&str] =
    &["where", "termination_by", "decreasing_by", "deriving", "by", "|", ";", "calc", "sorry"];

/// Why an answer is no conjecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unparsable {
    /// It does not begin with a theorem.
    #[error("no theorem")]
    NoTheorem,
    /// Nothing, or too much.
    #[error("{0} characters")]
    Length(usize),
    /// A comment, a string or a bracket is not closed, or closed twice.
    #[error("brackets, strings or comments do not match")]
    Unbalanced,
    /// It has no `:` with a proposition behind it.
    #[error("no proposition")]
    NoProposition,
    /// Something other than a binder in brackets stands before the `:`.
    #[error("`{0}` among the binders")]
    Binder(String),
    /// It may not stand in a statement that others are judged beside.
    #[error("`{0}` in a statement")]
    Forbidden(String),
}

/// The parts of a statement behind its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// `(a b : Nat) (h : a = b)`; may be empty.
    pub binders: &'a str,
    /// `b = a`.
    pub conclusion: &'a str,
}

/// The statement that a conjecturer meant by `binders : conclusion`, perhaps followed by `:=` or `:= by`; its name follows
/// from its content.
///
/// # Errors
/// [`Unparsable`] if that is not one plain theorem.
pub fn conjecture(answer: &str) -> Result<String, Unparsable> {
    let text = cut_assignment(answer).split_whitespace().collect::<Vec<_>>().join(" ");
    let length = text.chars().count();
    if length == 0 || length > MOST_CHARS {
        return Err(Unparsable::Length(length));
    }
    let tokens = lexer::tokenize(&text).map_err(|_unclosed| Unparsable::Unbalanced)?;
    check_tokens(&text, &tokens)?;
    let colon = proposition(&tokens)?;
    let parts = split_at(&text, colon);
    if parts.conclusion.is_empty() {
        return Err(Unparsable::NoProposition);
    }
    let hash = rename::canonical_hash(&format!("theorem t {text}")).to_string();
    Ok(format!("theorem conjecture_{} {text} := by", &hash[..12]))
}

/// What stands before the first `:=`.
fn cut_assignment(text: &str) -> &str {
    text.split(":=").next().unwrap_or(text).trim()
}

fn check_tokens(text: &str, tokens: &[Token<'_>]) -> Result<(), Unparsable> {
    let odd = |token: &&Token<'_>| {
        matches!(token.kind, TokenKind::Comment | TokenKind::Text) || GOES_ON.contains(&token.text)
    };
    if let Some(token) = tokens.iter().find(odd) {
        return Err(Unparsable::Forbidden(token.text.to_owned()));
    }
    let scan = policy::scan(text).map_err(|_unclosed| Unparsable::Unbalanced)?;
    if let Some(finding) = scan.finding {
        return Err(Unparsable::Forbidden(finding.name));
    }
    match scan.shape {
        Shape::Plain => Ok(()),
        Shape::Complex => Err(Unparsable::Forbidden("a command".to_owned())),
    }
}

/// Offset of the `:` between binders and proposition; brackets must match.
fn proposition(tokens: &[Token<'_>]) -> Result<usize, Unparsable> {
    let mut open: Vec<&str> = Vec::new();
    let mut colon = None;
    let is_cons = |index: usize| {
        let next = tokens.get(index + 1);
        next.is_some_and(|next| next.text == ":" && next.offset == tokens[index].offset + 1)
    };
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            "⟨" => open.push("⟩"),
            "⦃" => open.push("⦄"),
            closing @ (")" | "]" | "}" | "⟩" | "⦄") if open.pop() != Some(closing) => {
                return Err(Unparsable::Unbalanced);
            }
            ")" | "]" | "}" | "⟩" | "⦄" => {}
            ":" if open.is_empty() && colon.is_none() && is_cons(index) => {
                return Err(Unparsable::Binder("::".to_owned()));
            }
            ":" if open.is_empty() && colon.is_none() => colon = Some(token.offset),
            other if open.is_empty() && colon.is_none() => {
                return Err(Unparsable::Binder(other.to_owned()));
            }
            _ => {}
        }
    }
    if open.is_empty() { colon.ok_or(Unparsable::NoProposition) } else { Err(Unparsable::Unbalanced) }
}

fn split_at(text: &str, colon: usize) -> Parts<'_> {
    Parts { binders: text[..colon].trim(), conclusion: text[colon + 1..].trim() }
}

/// The parts of a theorem, `None` if it cannot be taken apart.
#[must_use]
pub fn parts(statement: &str) -> Option<(String, String)> {
    let rest = behind_name(statement)?;
    let tokens = lexer::code_tokens(&rest).ok()?;
    let colon = proposition(&tokens).ok()?;
    let Parts { binders, conclusion } = split_at(&rest, colon);
    Some((binders.to_owned(), conclusion.to_owned()))
}

/// What stands between a theorem's name and its `:=`.
fn behind_name(statement: &str) -> Option<String> {
    let parsed = Statement::parse(statement).ok()?;
    // Behind the keyword, which may contain the name: `theorem t`.
    let behind_keyword = parsed.signature.split_once(char::is_whitespace)?.1;
    let at = behind_keyword.find(&parsed.name)? + parsed.name.len();
    Some(behind_keyword[at..].trim_start().to_owned())
}

/// The statement without its name, attributes and comments: `theorem (a : Nat) : a = a := by`. One that cannot be taken
/// apart stays as it is.
#[must_use]
pub fn without_name(statement: &str) -> String {
    behind_name(statement).map_or_else(|| statement.to_owned(), |rest| format!("theorem {rest} := by"))
}

/// The statement without its `:= by`.
#[must_use]
pub fn without_assignment(statement: &str) -> &str {
    let text = statement.trim_end();
    let text = text.strip_suffix("by").map_or(text, str::trim_end);
    text.strip_suffix(":=").map_or(text, str::trim_end)
}

/// What makes two statements the same: the header, and the text up to renaming, white space and the theorem's name.
#[must_use]
pub fn key(header: &str, statement: &str) -> [u8; 32] {
    hash(header, rename::canonical_hash(statement).as_bytes())
}

/// Of a header and what a statement says: no other split of the two gives the same bytes.
pub(super) fn hash(header: &str, said: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(header.len() as u64).to_le_bytes());
    hasher.update(header.as_bytes());
    hasher.update(said);
    *hasher.finalize().as_bytes()
}

/// A theorem and its proof, which Lean accepts only if `conjecture` is well-typed. Nothing is pinned that a model wrote.
#[must_use]
pub fn typing_check(conjecture: &str) -> Option<(String, String)> {
    let (binders, conclusion) = parts(conjecture)?;
    let quantifier = if binders.is_empty() { String::new() } else { format!("∀ {binders}, ") };
    let proof = format!("\n  have _proposition : Prop := {quantifier}({conclusion})\n  trivial");
    Some(("theorem well_typed : True := by".to_owned(), proof))
}

/// The statement that the hypotheses contradict each other; `None` if there are none.
#[must_use]
pub fn contradiction_check(conjecture: &str) -> Option<String> {
    let (binders, _) = parts(conjecture)?;
    (!binders.is_empty()).then(|| format!("theorem contradictory {binders} : False := by"))
}

/// A proof that tries each of these tactics in turn.
#[must_use]
pub fn try_each(tactics: &[String]) -> String {
    let lines: String = tactics.iter().map(|tactic| format!("\n  | {tactic}")).collect();
    format!("\n  first{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(answer: &str) -> Unparsable {
        conjecture(answer).expect_err(answer)
    }

    #[test]
    fn one_plain_theorem_is_a_conjecture() {
        let text = conjecture("(a b :  Nat)\n  (h : a = b) : b = a := by\n  simp").expect("parses");
        assert_eq!(without_name(&text), "theorem (a b : Nat) (h : a = b) : b = a := by");
        assert!(text.starts_with("theorem conjecture_"), "{text}");
        let renamed = conjecture("(x y : Nat) (k : x = y) : y = x").expect("parses");
        assert_eq!(text.split_whitespace().nth(1), renamed.split_whitespace().nth(1), "named by content");
        assert_eq!(key("", &text), key("", &renamed));
        assert_ne!(key("", &text), key("open Nat", &text));
        assert!(conjecture(": 1 = 1").expect("parses").ends_with(" : 1 = 1 := by"));
    }

    #[test]
    fn what_could_reach_beyond_the_statement_is_refused() {
        assert_eq!(refused(""), Unparsable::Length(0));
        assert_eq!(refused("(a : Nat) a = a"), Unparsable::Binder("a".to_owned()));
        assert_eq!(refused("(a : Nat) : "), Unparsable::NoProposition);
        assert_eq!(refused("(a : Nat"), Unparsable::Unbalanced);
        assert_eq!(refused("(a : Nat]) : a = a"), Unparsable::Unbalanced);
        // Found by the property below: to Lean that is one token.
        assert_eq!(refused("::()«»"), Unparsable::Binder("::".to_owned()));
        assert_eq!(refused("(a : Nat) : a = a end"), Unparsable::Forbidden("a command".to_owned()));
        for answer in [
            ": True theorem u : False",
            ": by exact True",
            ": True -- comment",
            ": True /- comment -/",
            ": (sorry : Prop)",
            ": \"a\" = \"a\"",
            ": True | x => y",
            ": True where x := 1",
            ": #eval 1",
            ": (fun | 0 => True) 1",
        ] {
            assert!(matches!(refused(answer), Unparsable::Forbidden(_)), "{answer}");
        }
    }

    #[test]
    fn the_checks_that_are_made_of_a_conjecture() {
        let text = conjecture("(a b : Nat) (h : a < b) : b ≠ 0").expect("parses");
        let (statement, proof) = typing_check(&text).expect("parts");
        assert_eq!(statement, "theorem well_typed : True := by");
        assert_eq!(proof, "\n  have _proposition : Prop := ∀ (a b : Nat) (h : a < b), (b ≠ 0)\n  trivial");
        let check = contradiction_check(&text).expect("has hypotheses");
        assert_eq!(check, "theorem contradictory (a b : Nat) (h : a < b) : False := by");
        let closed = conjecture(": 1 = 1").expect("parses");
        assert_eq!(contradiction_check(&closed), None);
        assert!(typing_check(&closed).expect("parts").1.contains("Prop := (1 = 1)"));
        assert_eq!(try_each(&["rfl".to_owned(), "omega".to_owned()]), "\n  first\n  | rfl\n  | omega");
    }

    #[test]
    fn names_and_assignments_come_off() {
        let text = "/-- doc -/ @[simp] theorem a.b (n : Nat) : n = n :=  by";
        assert_eq!(without_name(text), "theorem (n : Nat) : n = n := by");
        assert_eq!(without_assignment("theorem t : a = by := by"), "theorem t : a = by");
        assert_eq!(without_name("no theorem"), "no theorem");
        // Names that the keyword contains.
        for name in ["t", "or", "theorem'"] {
            assert_eq!(without_name(&format!("theorem {name} : True := by")), "theorem : True := by");
        }
    }

    proptest! {
        /// Whatever a model says, a conjecture that is let through is one statement that can be pinned, and is read
        /// back as itself.
        #[test]
        fn what_is_let_through_can_be_pinned(answer in "[(){}\\[\\]:=, a-cA-C0-2∀→|.\n«»'\"-]{0,40}") {
            if let Ok(text) = conjecture(&answer) {
                let parsed = Statement::parse(&text).expect("pins");
                prop_assert!(!parsed.has_attributes);
                let (binders, conclusion) = parts(&text).expect("parts");
                let again = conjecture(&format!("{binders} : {conclusion}")).expect("reads back");
                prop_assert_eq!(key("", &again), key("", &text));
            }
        }
    }
}
