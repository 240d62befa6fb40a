//! A lexer for the parts of Lean's surface syntax that decide where comments, strings and names end.
//!
//! It knows no grammar: it splits text into names, symbols, strings, numbers and comments, so that a name
//! inside a comment is never taken for code. Where a name begins and ends follows Lean to the letter.

/// What a [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or keyword, dots included (`Nat.add_comm`, `theorem`, `h'`, `#eval`, `«odd name»`).
    Name,
    /// A numeric literal.
    Number,
    /// A string, raw string or character literal.
    Text,
    /// Any other single character.
    Symbol,
    /// A line, block or doc comment.
    Comment,
}

/// A piece of the source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// Its text, delimiters included.
    pub text: &'a str,
    /// Byte offset in the source.
    pub offset: usize,
}

/// The text ends inside a comment, a string or a quoted name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unclosed {what} that begins at byte {offset}")]
pub struct Unclosed {
    /// What is open.
    pub what: &'static str,
    /// Where it begins, in bytes.
    pub offset: usize,
}

/// Splits the text into tokens, white space left out.
///
/// # Errors
/// [`Unclosed`] where a comment, string or quoted name has no end.
pub fn tokenize(source: &str) -> Result<Vec<Token<'_>>, Unclosed> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.rest().chars().next() {
        let start = lexer.at;
        if first.is_whitespace() {
            lexer.at += first.len_utf8();
            continue;
        }
        let kind = lexer.token(first)?;
        tokens.push(Token { kind, text: &source[start..lexer.at], offset: start });
    }
    Ok(tokens)
}

/// The tokens without the comments.
///
/// # Errors
/// As [`tokenize`].
pub fn code_tokens(source: &str) -> Result<Vec<Token<'_>>, Unclosed> {
    let mut tokens = tokenize(source)?;
    tokens.retain(|token| token.kind != TokenKind::Comment);
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

    fn token(&mut self, first: char) -> Result<TokenKind, Unclosed> {
        let rest = self.rest();
        if rest.starts_with("--") {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Ok(TokenKind::Comment);
        }
        if rest.starts_with("/-") {
            self.block_comment()?;
            return Ok(TokenKind::Comment);
        }
        if first == '"' {
            self.string()?;
            return Ok(TokenKind::Text);
        }
        if first == '\'' {
            self.character();
            return Ok(TokenKind::Text);
        }
        if first == 'r' && self.raw_string()? {
            return Ok(TokenKind::Text);
        }
        if first.is_ascii_digit() {
            self.number();
            return Ok(TokenKind::Number);
        }
        if is_name_start(first) || first == '«' || (first == '#' && starts_command(rest)) {
            return self.name();
        }
        self.at += first.len_utf8();
        Ok(TokenKind::Symbol)
    }

    fn block_comment(&mut self) -> Result<(), Unclosed> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/-") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("-/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else if let Some(next) = rest.chars().next() {
                self.at += next.len_utf8();
            } else {
                return Err(Unclosed { what: "comment", offset: start });
            }
        }
    }

    fn string(&mut self) -> Result<(), Unclosed> {
        let start = self.at;
        self.at += 1;
        while let Some(next) = self.rest().chars().next() {
            self.at += next.len_utf8();
            match next {
                '"' => return Ok(()),
                '\\' => self.at += self.rest().chars().next().map_or(0, char::len_utf8),
                _ => {}
            }
        }
        Err(Unclosed { what: "string", offset: start })
    }

    /// `r"…"`, `r#"…"#`, … True if there was one.
    fn raw_string(&mut self) -> Result<bool, Unclosed> {
        let hashes = self.rest()[1..].bytes().take_while(|byte| *byte == b'#').count();
        if !self.rest()[1 + hashes..].starts_with('"') {
            return Ok(false);
        }
        let start = self.at;
        let end = format!("\"{}", "#".repeat(hashes));
        let body = self.at + 2 + hashes;
        let Some(length) = self.source[body..].find(&end) else {
            return Err(Unclosed { what: "raw string", offset: start });
        };
        self.at = body + length + end.len();
        Ok(true)
    }

    /// A character literal, or else the bare quote as a token of its own: `'` is never the start of
    /// something that can swallow the rest of the file.
    fn character(&mut self) {
        let mut chars = self.rest().char_indices().skip(1);
        let length = match chars.next() {
            Some((_, '\\')) => {
                self.rest().char_indices().skip(3).find(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
            }
            Some((_, c)) if c != '\'' => chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 1),
            Some(_) | None => None,
        };
        self.at += length.filter(|length| *length <= 14).unwrap_or(1);
    }

    /// Ends where Lean ends it: in `1native_decide` a name begins right behind the digit.
    fn number(&mut self) {
        let rest = self.rest();
        let (prefix, is_digit): (usize, fn(char) -> bool) = match rest.get(..2) {
            Some("0x" | "0X") => (2, |c| c.is_ascii_hexdigit()),
            Some("0b" | "0B") => (2, |c| matches!(c, '0' | '1')),
            Some("0o" | "0O") => (2, |c| matches!(c, '0'..='7')),
            Some(_) | None => (0, |c| c.is_ascii_digit()),
        };
        let digits = &rest[prefix..];
        self.at += prefix + digits.find(|c: char| !(is_digit(c) || c == '_')).unwrap_or(digits.len());
    }

    fn name(&mut self) -> Result<TokenKind, Unclosed> {
        let start = self.at;
        if self.rest().starts_with('#') {
            self.at += 1;
        }
        loop {
            let rest = self.rest();
            if rest.starts_with('«') {
                let Some(length) = rest.find('»') else {
                    return Err(Unclosed { what: "quoted name", offset: start });
                };
                self.at += length + '»'.len_utf8();
            } else if rest.starts_with(|c: char| c.is_ascii_digit()) {
                // A projection, `x.1`: only digits, and nothing behind them belongs to the name.
                self.at += rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                return Ok(TokenKind::Name);
            } else {
                self.at += rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
            }
            let mut next = self.rest().chars();
            let dotted = next.next() == Some('.');
            let continues = next.next().is_some_and(|c| is_name_start(c) || c == '«' || c.is_ascii_digit());
            if !(dotted && continues) {
                break;
            }
            self.at += 1;
        }
        Ok(TokenKind::Name)
    }
}

fn starts_command(rest: &str) -> bool {
    rest[1..].starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Lean's `isIdFirst`, with the Latin letters that newer versions add.
fn is_name_start(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic() || is_letter_like(c)
}

/// Lean's `isIdRest`.
fn is_name_char(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || matches!(c, '\'' | '!' | '?') || is_subscript(c)
}

/// Lean's `isLetterLike`: a character that is none of these ends a name, however much it looks like a letter.
fn is_letter_like(c: char) -> bool {
    match c {
        'λ' | 'Π' | 'Σ' | '×' | '÷' => false,
        '\u{c0}'..='\u{17f}'
        | '\u{391}'..='\u{3a9}'
        | '\u{3b1}'..='\u{3fb}'
        | '\u{1f00}'..='\u{1ffe}'
        | '\u{2100}'..='\u{214f}'
        | '\u{1d49c}'..='\u{1d59f}' => true,
        _ => false,
    }
}

fn is_subscript(c: char) -> bool {
    ('\u{2080}'..='\u{2089}').contains(&c)
        || ('\u{2090}'..='\u{209c}').contains(&c)
        || ('\u{1d62}'..='\u{1d6a}').contains(&c)
        || c == '\u{2c7c}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(source: &str) -> Vec<&str> {
        let tokens = code_tokens(source).expect("lexes");
        tokens.iter().filter(|token| token.kind == TokenKind::Name).map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_strings_hide_names() {
        assert_eq!(names("a -- sorry\n/- sorry /- nested -/ sorry -/ \"sorry \\\" sorry\" b"), ["a", "b"]);
        assert_eq!(names("r#\"sorry \" sorry\"# x 'a' '\\n' y' c"), ["x", "y'", "c"]);
    }

    #[test]
    fn names_keep_dots_primes_quotes_and_marks() {
        assert_eq!(
            names("Nat.add_comm h₁ «sorry» Lean.«sorryAx» exact? #eval α.β xs[0]! x.1"),
            ["Nat.add_comm", "h₁", "«sorry»", "Lean.«sorryAx»", "exact?", "#eval", "α.β", "xs", "x.1"]
        );
    }

    #[test]
    fn lambda_is_not_part_of_a_name() {
        assert_eq!(names("λx => x"), ["x", "x"]);
    }

    #[test]
    fn nothing_is_glued_to_a_number_or_a_symbol() {
        assert_eq!(
            names("1native_decide x.1run_tac aᶜsorry 0xffomega 0b1admit"),
            ["native_decide", "x.1", "run_tac", "a", "sorry", "omega", "admit"]
        );
    }

    #[test]
    fn open_ends_are_errors() {
        for (source, what) in
            [("a /- b", "comment"), ("\"a", "string"), ("r#\"a\"", "raw string"), ("«a", "quoted name")]
        {
            assert_eq!(tokenize(source).expect_err("open").what, what);
        }
    }

    proptest! {
        #[test]
        fn tokens_are_slices_in_order_with_only_white_space_between(source in "\\PC{0,80}") {
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
