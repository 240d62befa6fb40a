//! From a line to its tokens.

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    Int(i64),
    Text(String),
    Mark(&'static str),
}

/// Longer marks before those that they begin with.
const MARKS: [&str; 23] = [
    "**", "//", "==", "!=", "<=", ">=", "+=", "-=", "*=", "(", ")", "[", "]", ",", ":", ".", "+", "-", "*",
    "%", "<", ">", "=",
];

/// # Errors
/// What is no token of ours.
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        let (token, length) = if first.is_ascii_digit() {
            (Token::Int(word.parse().map_err(|_not_a_number| format!("`{word}`"))?), word.len())
        } else if !word.is_empty() {
            (Token::Name(word.to_owned()), word.len())
        } else if first == '\'' {
            let end = rest[1..].find('\'').ok_or("a text without an end")?;
            (Token::Text(rest[1..=end].to_owned()), end + 2)
        } else {
            let mark = MARKS.into_iter().find(|mark| rest.starts_with(mark));
            let mark = mark.ok_or_else(|| format!("`{first}`"))?;
            (Token::Mark(mark), mark.len())
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}
