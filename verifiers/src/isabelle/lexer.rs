//! Isabelle's outer syntax, as far as it decides where comments, strings, cartouches and words begin and end.
//!
//! It knows no grammar and no keywords. It reads text that [`to_ascii`](super::symbols::to_ascii) has gone over. Where
//! Isabelle's own lexer could see more words than this one, the text is refused.

use super::symbols::symbol_length;
use thiserror::Error;

/// What a [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A word with its dots: keyword or name, `by`, `Nat.add_comm`, `h'`, `x\<^sub>1`.
    Word,
    /// A type variable or schematic variable with its mark: `'a`, `?thesis`.
    Variable,
    /// A numeral.
    Number,
    /// `"…"`.
    Text,
    /// `` `…` ``.
    AltText,
    /// `\<open>…\<close>`.
    Cartouche,
    /// `.`, `..`, `(`, `\<proof>` and every other single symbol.
    Symbol,
    /// `(* … *)`.
    Comment,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// Its text, delimiters included.
    pub text: &'a str,
    /// Byte offset in the text.
    pub offset: usize,
}

impl<'a> Token<'a> {
    /// What stands between the delimiters of a string or cartouche; the text of anything else.
    #[must_use]
    pub fn content(&self) -> &'a str {
        let between = |open: &str, close: &str| {
            self.text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).unwrap_or(self.text)
        };
        match self.kind {
            TokenKind::Text => between("\"", "\""),
            TokenKind::AltText => between("`", "`"),
            TokenKind::Cartouche => between("\\<open>", "\\<close>"),
            TokenKind::Word
            | TokenKind::Variable
            | TokenKind::Number
            | TokenKind::Symbol
            | TokenKind::Comment => self.text,
        }
    }
}

/// Text that can't be read, or that Isabelle might read in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LexError {
    /// It ends inside a comment, a string or a cartouche.
    #[error("unclosed {what} that begins at byte {offset}")]
    Unclosed {
        /// What is open.
        what: &'static str,
        /// Where it begins, in bytes.
        offset: usize,
    },
    /// A character that has no place outside of comments.
    #[error("the character {character:?} at byte {offset} has no place in a theory")]
    Strange {
        /// The character.
        character: char,
        /// Where it stands, in bytes.
        offset: usize,
    },
}

impl LexError {
    /// Where, in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        match self {
            Self::Unclosed { offset, .. } | Self::Strange { offset, .. } => *offset,
        }
    }
}

/// Splits the text into tokens, white space left out.
///
/// # Errors
/// As [`LexError`] says.
pub fn tokenize(source: &str) -> Result<Vec<Token<'_>>, LexError> {
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if let Some((offset, character)) = source.char_indices().find(|(_, c)| is_control(*c)) {
        return Err(LexError::Strange { character, offset });
    }
    let half = source.match_indices("\\<").find(|(at, _)| symbol_length(&source[*at..]) == 1);
    if let Some((offset, _)) = half {
        return Err(LexError::Strange { character: '\\', offset });
    }
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.rest().chars().next() {
        let start = lexer.at;
        if matches!(first, ' ' | '\n' | '\t') {
            lexer.at += 1;
            continue;
        }
        let kind = lexer.token(first)?;
        tokens.push(Token { kind, text: &source[start..lexer.at], offset: start });
    }
    Ok(tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn token(&mut self, first: char) -> Result<TokenKind, LexError> {
        let rest = self.rest();
        if rest.starts_with("(*") {
            self.nested("comment", "(*", "*)")?;
            return Ok(TokenKind::Comment);
        }
        if rest.starts_with("\\<open>") {
            self.nested("cartouche", "\\<open>", "\\<close>")?;
            self.only_ascii(rest)?;
            return Ok(TokenKind::Cartouche);
        }
        match first {
            '"' | '`' => {
                self.string(first)?;
                self.only_ascii(rest)?;
                Ok(if first == '"' { TokenKind::Text } else { TokenKind::AltText })
            }
            // Old Isabelles begin a verbatim text with it, newer ones two keywords.
            '{' if rest.starts_with("{*") => Err(LexError::Strange { character: '*', offset: self.at + 1 }),
            '?' | '\'' if starts_name(&rest[1..]) => {
                self.at += 1;
                self.name_without_dots();
                Ok(TokenKind::Variable)
            }
            '0'..='9' => {
                self.at += rest.bytes().take_while(u8::is_ascii_digit).count();
                Ok(TokenKind::Number)
            }
            _ if starts_name(rest) => {
                self.name();
                Ok(TokenKind::Word)
            }
            _ if first.is_ascii() => {
                self.at += if rest.starts_with("..") { 2 } else { symbol_length(rest) };
                Ok(TokenKind::Symbol)
            }
            character => Err(LexError::Strange { character, offset: self.at }),
        }
    }

    /// What was read since `rest` may have no character whose decoding could close it.
    fn only_ascii(&self, rest: &str) -> Result<(), LexError> {
        let start = self.source.len() - rest.len();
        let strange = self.source[start..self.at].char_indices().find(|(_, c)| !c.is_ascii());
        strange.map_or(Ok(()), |(at, character)| Err(LexError::Strange { character, offset: start + at }))
    }

    fn nested(&mut self, what: &'static str, open: &str, close: &str) -> Result<(), LexError> {
        let offset = self.at;
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with(open) {
                depth += 1;
                self.at += open.len();
            } else if rest.starts_with(close) {
                depth -= 1;
                self.at += close.len();
                if depth == 0 {
                    return Ok(());
                }
            } else if rest.is_empty() {
                return Err(LexError::Unclosed { what, offset });
            } else {
                self.at += symbol_length(rest);
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<(), LexError> {
        let offset = self.at;
        self.at += 1;
        loop {
            let rest = self.rest();
            match rest.chars().next() {
                None => return Err(LexError::Unclosed { what: "string", offset }),
                Some(character) if character == quote => {
                    self.at += 1;
                    return Ok(());
                }
                // `\"`, `\\`, or the first digit of `\065`.
                Some('\\') if symbol_length(rest) == 1 => {
                    self.at += 1;
                    self.at += self.rest().chars().next().map_or(0, char::len_utf8);
                }
                Some(_) => self.at += symbol_length(rest),
            }
        }
    }

    fn name_without_dots(&mut self) {
        while name_part(self.rest()) > 0 {
            self.at += name_part(self.rest());
        }
    }

    /// A name with its dots; a dot that no name follows is none of it.
    fn name(&mut self) {
        loop {
            self.name_without_dots();
            let mut behind = self.rest().chars();
            if behind.next() == Some('.') && starts_name(behind.as_str()) {
                self.at += 1;
            } else {
                return;
            }
        }
    }
}

/// Greek letters without the one that binds.
const GREEK: [&str; 33] = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
    "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
];

/// The letter that a symbol stands for: `\<alpha>`, `\<A>`, `\<AA>`.
fn is_letter_symbol(symbol: &str) -> bool {
    let name = symbol.strip_prefix("\\<").and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
    let doubled = matches!(name.as_bytes(), [one] if one.is_ascii_alphabetic())
        || matches!(name.as_bytes(), [one, two] if one == two && one.is_ascii_alphabetic());
    doubled || GREEK.contains(&name)
}

fn starts_name(rest: &str) -> bool {
    rest.starts_with(|first: char| first.is_ascii_alphabetic())
        || is_letter_symbol(&rest[..symbol_length(rest)])
}

/// Length of the part of a name that the text goes on with: a letter, digit, `_`, `'`, or a subscript; 0 for none.
fn name_part(rest: &str) -> usize {
    let symbol = symbol_length(rest);
    if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '\'')) {
        return 1;
    }
    if is_letter_symbol(&rest[..symbol]) {
        return symbol;
    }
    let subscript = &rest[symbol..];
    let is_subscript =
        &rest[..symbol] == "\\<^sub>" && subscript.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_subscript { symbol + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(kind: TokenKind, source: &str) -> Vec<&str> {
        let tokens = tokenize(source).expect("lexes");
        tokens.iter().filter(|token| token.kind == kind).map(|token| token.text).collect()
    }

    #[test]
    fn comments_strings_and_cartouches_hide_words() {
        let source = "a (* sorry (* nested *) sorry *) \"sorry \\\" sorry \\\\\" b `sorry` c \
                      \\<open>sorry \\<open>sorry\\<close> \" (* \\<close> d";
        assert_eq!(of(TokenKind::Word, source), ["a", "b", "c", "d"]);
        assert_eq!(
            of(TokenKind::Cartouche, source),
            ["\\<open>sorry \\<open>sorry\\<close> \" (* \\<close>"]
        );
    }

    #[test]
    fn words_end_where_isabelle_ends_them() {
        assert_eq!(
            of(
                TokenKind::Word,
                "by(simp) qed. x.y 1sorry h'sorry ?x 'a x\\<^sub>1 a\\<^bold>sorry \\<alpha>b..c sorry\\<forall>x _by"
            ),
            [
                "by",
                "simp",
                "qed",
                "x.y",
                "sorry",
                "h'sorry",
                "x\\<^sub>1",
                "a",
                "sorry",
                "\\<alpha>b",
                "c",
                "sorry",
                "x",
                "by"
            ]
        );
        assert_eq!(of(TokenKind::Variable, "?x 'a ?\\<alpha>.1 ? ' ?x.y"), ["?x", "'a", "?\\<alpha>", "?x"]);
        assert_eq!(of(TokenKind::Word, "'a.sorry ?x.sorry"), ["sorry", "sorry"]);
        assert_eq!(of(TokenKind::Symbol, ". .. ... \\<proof>"), [".", "..", "..", ".", "\\<proof>"]);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (source, what) in
            [("a (* b", "comment"), ("\"a", "string"), ("\"a\\\"", "string"), ("\\<open>a", "cartouche")]
        {
            let error = tokenize(source).expect_err("open");
            assert!(error.to_string().contains(what), "{error}");
        }
        for source in [
            "日",
            "\"日\"",
            "\\<open>日\\<close>",
            "a\u{5}b",
            "(* \u{6} *)",
            "{* a *}",
            "a\u{a0}b",
            "a\rb",
            "(* \\<a *)",
            "\"\\<\"",
        ] {
            assert!(matches!(tokenize(source), Err(LexError::Strange { .. })), "{source:?}");
        }
        assert!(tokenize("(* 日本 *)").is_ok());
    }

    proptest! {
        #[test]
        fn tokens_are_slices_in_order_with_only_white_space_between(
            source in "([a-z.'?0-9\" `(*)_{}]|\\\\<open>|\\\\<close>|\\\\<\\^sub>|\\\\<alpha>|\\\\|日){0,40}"
        ) {
            if let Ok(tokens) = tokenize(&source) {
                let mut at = 0;
                for token in tokens {
                    prop_assert!(source[at..token.offset].chars().all(char::is_whitespace));
                    prop_assert_eq!(&source[token.offset..token.offset + token.text.len()], token.text);
                    prop_assert!(!token.text.is_empty());
                    at = token.offset + token.text.len();
                }
                prop_assert!(source[at..].chars().all(char::is_whitespace));
            }
        }
    }
}
