//! Theorems in a theory's text: where their names, statements and proofs stand.

use super::commands::{Role, role};
use super::lexer::{Token, TokenKind};
use super::policy::{Finding, Goals, after_the_end, closing_arguments};
use crate::verdict::Reason;
use std::ops::Range;

/// The beginning of a theorem: `lemma foo [simp]:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its name, where it has one, in bytes.
    pub name: Option<Range<usize>>,
    /// Where a name could be put: behind the keyword.
    keyword_end: usize,
    /// Whether attributes stand where the name would.
    has_attributes: bool,
}

/// Words that go on with a theorem and are no name of it.
const CLAUSES: [&str; 12] = [
    "assumes",
    "constrains",
    "defines",
    "fixes",
    "for",
    "if",
    "includes",
    "notes",
    "obtains",
    "opening",
    "shows",
    "unfolds",
];

impl Head {
    /// Of the theorem whose keyword is the first token; `None` where it belongs to a locale, or is no theorem.
    #[must_use]
    pub fn of(tokens: &[Token<'_>]) -> Option<Self> {
        let keyword = tokens.first().filter(|token| role(token.text) == Some(Role::Theorem))?;
        let keyword_end = keyword.offset + keyword.text.len();
        let text = |at: usize| tokens.get(at).map_or("", |token: &Token<'_>| token.text);
        if text(1) == "(" {
            return None;
        }
        let is_name = tokens.get(1).is_some_and(|token| {
            matches!(token.kind, TokenKind::Word | TokenKind::Number) && !CLAUSES.contains(&token.text)
        });
        let named = is_name && matches!(text(2), ":" | "[");
        let name = named.then(|| tokens[1].offset..tokens[1].offset + tokens[1].text.len());
        Some(Self { name, keyword_end, has_attributes: !named && text(1) == "[" })
    }

    /// The text with the theorem under another name.
    #[must_use]
    pub fn rename(&self, text: &str, name: &str) -> String {
        match &self.name {
            Some(range) => format!("{}{name}{}", &text[..range.start], &text[range.end..]),
            None => {
                let colon = if self.has_attributes { "" } else { ":" };
                format!(
                    "{} {name}{colon} {}",
                    &text[..self.keyword_end],
                    text[self.keyword_end..].trim_start_matches(' ')
                )
            }
        }
    }
}

/// A theorem of a theory's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theorem {
    /// Its beginning; none in a locale.
    pub head: Option<Head>,
    /// From its keyword to the first command of its proof, in bytes.
    pub statement: Range<usize>,
    /// From there to the end of its proof.
    pub proof: Range<usize>,
}

impl Theorem {
    /// Its name in the text.
    #[must_use]
    pub fn name<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.head.as_ref()?.name.clone().map(|range| &text[range])
    }
}

/// What stands outside of theorems, by the commands that it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The theorems in order.
    pub theorems: Vec<Theorem>,
    /// Commands of the theory that are no theorem, with their places.
    pub others: Vec<(Role, usize)>,
}

/// Takes the tokens of a theory's body apart.
///
/// # Errors
/// A command stands where it can't, or the last proof has no end.
pub fn body(tokens: &[Token<'_>]) -> Result<Body, Finding> {
    let mut goals = Goals::theory();
    let mut body = Body { theorems: Vec::new(), others: Vec::new() };
    let mut open: Option<Theorem> = None;
    for (index, token) in tokens.iter().enumerate() {
        let was_done = goals.are_done();
        let role = goals.step(token)?;
        let end = token.offset + token.text.len();
        match (role, &mut open) {
            (Some(Role::Theorem), _) => {
                let here = token.offset..end;
                let head = Head::of(&tokens[index..]);
                open = Some(Theorem { head, statement: here, proof: end..end });
                continue;
            }
            (Some(Role::Step | Role::Close | Role::Goal), Some(theorem))
                if theorem.proof.start == theorem.proof.end =>
            {
                theorem.proof = token.offset..end;
            }
            (None, Some(theorem)) if theorem.proof.start == theorem.proof.end => {
                theorem.statement.end = end;
                theorem.proof = end..end;
            }
            (_, Some(theorem)) => theorem.proof.end = end,
            (Some(role), None) if was_done => body.others.push((role, token.offset)),
            (_, None) => {}
        }
        if goals.are_done() && !was_done {
            let last = index + closing_arguments(&tokens[index..]);
            if let Some(behind) = tokens.get(last + 1).filter(|token| !is_command(token)) {
                return Err(after_the_end(behind));
            }
            if let Some(mut theorem) = open.take() {
                theorem.proof.end = tokens[last].offset + tokens[last].text.len();
                body.theorems.push(theorem);
            }
        }
    }
    if goals.are_done() {
        return Ok(body);
    }
    let offset = tokens.last().map_or(0, |token| token.offset);
    Err(Finding { reason: Reason::Malformed, name: "the last proof is not finished".to_owned(), offset })
}

fn is_command(token: &Token<'_>) -> bool {
    matches!(token.kind, TokenKind::Word | TokenKind::Symbol) && role(token.text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isabelle::policy::clean_tokens;

    fn renamed(text: &str) -> Option<String> {
        Some(Head::of(&clean_tokens(text).expect("clean"))?.rename(text, "pl"))
    }

    #[test]
    fn a_theorem_gets_another_name() {
        for (text, other) in [
            ("theorem t: \"x\"", "theorem pl: \"x\""),
            ("lemma  t' [simp] : \"x\"", "lemma  pl [simp] : \"x\""),
            ("lemma [simp]: \"x\"", "lemma pl [simp]: \"x\""),
            ("lemma \"x\"", "lemma pl: \"x\""),
            ("theorem\n  fixes x shows \"x\"", "theorem pl: \n  fixes x shows \"x\""),
            ("theorem (* t *) t:\n  assumes \"x\"", "theorem (* t *) pl:\n  assumes \"x\""),
        ] {
            assert_eq!(renamed(text).as_deref(), Some(other));
        }
        assert_eq!(renamed("lemma (in monoid) t: \"x\""), None);
        assert_eq!(renamed("definition t: \"x\""), None);
    }

    #[test]
    fn a_body_is_taken_apart() {
        let text = "text \\<open>x\\<close>\ndefinition \"f = 1\"\nlemma a: \"x\" using b\n  by (simp add: c) (* d *)\n\
                    theorem \"y\"\nproof -\n  have \"z\" by auto\n  then show ?thesis ..\nqed simp\n";
        let tokens = clean_tokens(text).expect("clean");
        let body = body(&tokens).expect("well formed");
        assert_eq!(
            body.others.iter().map(|(role, _)| *role).collect::<Vec<_>>(),
            [Role::Document, Role::Theory]
        );
        let parts: Vec<(&str, &str)> = body
            .theorems
            .iter()
            .map(|theorem| (&text[theorem.statement.clone()], &text[theorem.proof.clone()]))
            .collect();
        assert_eq!(parts[0], ("lemma a: \"x\"", "using b\n  by (simp add: c)"));
        assert_eq!(parts[1].0, "theorem \"y\"");
        assert!(parts[1].1.starts_with("proof -") && parts[1].1.ends_with("qed simp"));
        assert_eq!(body.theorems[0].name(text), Some("a"));
    }

    #[test]
    fn a_body_with_a_command_in_the_wrong_place_is_none() {
        for text in [
            "by simp",
            "lemma \"x\" lemma \"y\" by simp",
            "lemma \"x\" proof -",
            "lemma \"x\" by simp end",
            "qed",
        ] {
            assert!(body(&clean_tokens(text).expect("clean")).is_err(), "{text}");
        }
    }
}
