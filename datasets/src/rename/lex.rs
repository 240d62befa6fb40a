//! A small lexer for Lean 4 text: comments and white space go, identifiers stay whole, symbols are split by the
//! longest match. It never fails; what it does not know becomes a symbol of one character.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, perhaps with dots, or a keyword.
    Ident,
    /// A number, string or character.
    Literal,
    /// Anything else.
    Symbol,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) kind: Kind,
    /// Whether it follows the token before it without white space or comment.
    pub(super) glued: bool,
    /// Byte offset in the text.
    pub(super) start: usize,
    /// Index of the matching bracket, for a bracket that has one.
    pub(super) partner: Option<usize>,
}

/// Symbols of several characters; the longest that fits is taken.
const SYMBOLS: &[&str] = &[
    "<|>", "<;>", "<$>", "<*>", "|||", "&&&", "^^^", "<<<", ">>>", ">>=", "==>", "...", "<->", "∃!", "∑'",
    "∏'", "∀ᶠ", "∃ᶠ", "Σ'", ":=", "=>", "->", "<-", "==", "!=", "<=", ">=", "&&", "||", "++", "|>", "<|",
    "..", "::", "/\\", "\\/", "$>", "<$", "<*", "*>", "=<", "?_", "//",
];

/// Splits a text into tokens and finds the partner of every bracket.
pub(super) fn lex(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut glued = false;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let skipped = if first.is_whitespace() { first.len_utf8() } else { comment_length(rest) };
        if skipped > 0 {
            at += skipped;
            glued = false;
            continue;
        }
        let (kind, length) = token(rest, first);
        let text = &rest[..length];
        tokens.push(Token { text, kind, glued, start: at, partner: None });
        at += length;
        glued = true;
    }
    pair_brackets(&mut tokens);
    tokens
}

fn token(rest: &str, first: char) -> (Kind, usize) {
    if is_ident_start(first) {
        (Kind::Ident, ident_length(rest))
    } else if first.is_ascii_digit() {
        (Kind::Literal, number_length(rest))
    } else if first == '"' {
        (Kind::Literal, string_length(rest))
    } else if let Some(length) = char_literal_length(rest) {
        (Kind::Literal, length)
    } else {
        let known =
            SYMBOLS.iter().filter(|symbol| rest.starts_with(**symbol)).map(|symbol| symbol.len()).max();
        (Kind::Symbol, known.unwrap_or(first.len_utf8()))
    }
}

/// Length of the comment that the text begins with, or 0. An unclosed one reaches to the end.
fn comment_length(rest: &str) -> usize {
    if rest.starts_with("--") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if !rest.starts_with("/-") {
        return 0;
    }
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (2, 1_usize);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'-')) => {
                depth += 1;
                at += 2;
            }
            (b'-', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn ident_length(rest: &str) -> usize {
    let mut at = 0;
    loop {
        at += component_length(&rest[at..]);
        let mut after = rest[at..].chars();
        if after.next() != Some('.') || !after.next().is_some_and(is_ident_start) {
            return at;
        }
        at += 1;
    }
}

fn component_length(rest: &str) -> usize {
    if rest.starts_with('«') {
        return rest.find('»').map_or(rest.len(), |end| end + '»'.len_utf8());
    }
    rest.char_indices().find(|(_, character)| !is_ident_rest(*character)).map_or(rest.len(), |(end, _)| end)
}

fn number_length(rest: &str) -> usize {
    let digits = |text: &str| {
        text.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .unwrap_or(text.len())
    };
    let whole = digits(rest);
    let fraction = &rest[whole..];
    let is_fraction =
        fraction.strip_prefix('.').is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    if is_fraction { whole + 1 + digits(&fraction[1..]) } else { whole }
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn char_literal_length(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let mut characters = inside.chars();
    let length = match characters.next()? {
        '\\' => inside.get(2..)?.find('\'')? + 2,
        '\'' => return None,
        other => other.len_utf8(),
    };
    // The longest escape is `\u{10ffff}`-like; anything longer is no character.
    (length <= 12 && inside.get(length..)?.starts_with('\'')).then_some(length + 2)
}

fn is_ident_start(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_' || character == '«' || is_letter_like(character)
}

fn is_ident_rest(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '_' | '\'' | '!' | '?')
        || is_letter_like(character)
        || is_subscript(character)
}

/// Lean's `isLetterLike`.
fn is_letter_like(character: char) -> bool {
    matches!(character,
        'α'..='ω' | 'Α'..='Ω' | '\u{3ca}'..='\u{3fb}' | '\u{1f00}'..='\u{1ffe}'
        | '\u{2100}'..='\u{214f}' | '\u{1d49c}'..='\u{1d59f}')
        && !matches!(character, 'λ' | 'Π' | 'Σ')
}

/// Lean's `isSubScriptAlnum`.
fn is_subscript(character: char) -> bool {
    matches!(character,
        '\u{2080}'..='\u{2089}' | '\u{2090}'..='\u{209c}' | '\u{1d62}'..='\u{1d6a}' | '\u{2c7c}')
}

fn pair_brackets(tokens: &mut [Token<'_>]) {
    let mut open = Vec::new();
    for index in 0..tokens.len() {
        if closing(tokens[index].text).is_some() {
            open.push(index);
        } else if is_closing(tokens[index].text) {
            // A bracket that closes nothing, or the wrong one, stays a plain symbol.
            let matches = |start: &usize| closing(tokens[*start].text) == Some(tokens[index].text);
            if open.last().is_some_and(matches)
                && let Some(start) = open.pop()
            {
                tokens[start].partner = Some(index);
                tokens[index].partner = Some(start);
            }
        }
    }
}

fn closing(open: &str) -> Option<&'static str> {
    match open {
        "(" => Some(")"),
        "[" => Some("]"),
        "{" => Some("}"),
        "⟨" => Some("⟩"),
        "⦃" => Some("⦄"),
        "⌊" => Some("⌋"),
        "⌈" => Some("⌉"),
        _ => None,
    }
}

fn is_closing(text: &str) -> bool {
    matches!(text, ")" | "]" | "}" | "⟩" | "⦄" | "⌋" | "⌉")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        lex(text).iter().map(|token| token.text).collect()
    }

    #[test]
    fn names_numbers_strings_and_symbols() {
        assert_eq!(texts("h₀.symm'.x x.1 «a b».c"), ["h₀.symm'.x", "x", ".", "1", "«a b».c"]);
        assert_eq!(texts("3.14+2..5 0x1F"), ["3.14", "+", "2", "..", "5", "0x1F"]);
        assert_eq!(texts(r#""a\"--b" 'x' '\n' f'"#), [r#""a\"--b""#, "'x'", r"'\n'", "f'"]);
        assert_eq!(texts("a≤b∧¬c:=fun x=>x"), ["a", "≤", "b", "∧", "¬", "c", ":=", "fun", "x", "=>", "x"]);
        assert_eq!(texts("λα:ℕ,∃!x"), ["λ", "α", ":", "ℕ", ",", "∃!", "x"]);
    }

    #[test]
    fn comments_nest_and_vanish() {
        assert_eq!(texts("a /- x /- y -/ z -/ b -- c\n d /-- open"), ["a", "b", "d"]);
        assert_eq!(texts("a-1 -b"), ["a", "-", "1", "-", "b"]);
    }

    #[test]
    fn brackets_find_their_partners() {
        let partners: Vec<_> = lex("(a [b) c] )").iter().map(|token| token.partner).collect();
        assert_eq!(partners.iter().filter(|partner| partner.is_some()).count(), 4);
        let tokens = lex("(a {b} ⟨c⟩)");
        assert_eq!(tokens[0].partner, Some(tokens.len() - 1));
    }
}
