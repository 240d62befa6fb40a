//! A statement word by word, for comparing pieces of two statements.

use super::{canon, lex};

/// A token of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word<'t> {
    /// Text that means the same everywhere: a keyword, a symbol, a number, a constant.
    Plain(&'t str),
    /// A name that the statement binds, and what follows its first dot (`.symm`).
    Bound(&'t str, &'t str),
}

/// The words of a statement, in their order: its theorem's name and its proof left out, comments and white space too.
#[must_use]
pub fn words(statement: &str) -> Vec<Word<'_>> {
    let tokens = lex::lex(statement);
    let bound = canon::bound(&tokens);
    let keyword = canon::declaration(&tokens);
    let end = canon::statement_end(&tokens, keyword.unwrap_or(0));
    let from = keyword.map_or(0, |keyword| {
        let is_named = tokens[keyword].text != "example"
            && tokens.get(keyword + 1).is_some_and(|token| token.kind == lex::Kind::Ident);
        keyword + 1 + usize::from(is_named)
    });
    let word = |token: &lex::Token<'_>| {
        let (first, rest) = match token.text.find('.') {
            Some(dot) if token.kind == lex::Kind::Ident && !token.text.starts_with('«') => (
                &statement[token.start..token.start + dot],
                &statement[token.start + dot..][..token.text.len() - dot],
            ),
            Some(_) | None => (&statement[token.start..token.start + token.text.len()], ""),
        };
        let is_bound = bound.contains(first) || (rest.is_empty() && canon::is_automatic(first));
        if token.kind == lex::Kind::Ident && is_bound {
            Word::Bound(first, rest)
        } else {
            Word::Plain(canon::spelling(&statement[token.start..token.start + token.text.len()]))
        }
    };
    tokens.get(from..end).unwrap_or_default().iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_names_are_told_from_the_others() {
        let found =
            words("theorem add (n : Nat) (h : n = 1) : h.symm = Nat.add n z ∧ ∀ k, k -> n := by simp");
        use Word::{Bound, Plain};
        assert_eq!(found[..5], [Plain("("), Bound("n", ""), Plain(":"), Plain("Nat"), Plain(")")]);
        for word in [Bound("h", ".symm"), Plain("Nat.add"), Bound("z", ""), Bound("k", ""), Plain("→")] {
            assert!(found.contains(&word), "{word:?}: {found:?}");
        }
        assert_eq!(found.last(), Some(&Bound("n", "")));
        assert_eq!(words("1 = 1"), [Plain("1"), Plain("="), Plain("1")]);
        assert!(words("").is_empty());
    }
}
