//! A Python text without its comments and docstrings, as `tokenize` of Python 3.11 sees them.
//!
//! CodeBLEU compares the syntax and the data flow of what is left. A string is taken for a docstring where it begins a
//! logical line or stands at the very left. Columns are bytes here and characters there; as only white space is ever
//! between two tokens, the difference of two of them is the same.

/// White space as Python's `str.split` and `str.strip` know it.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// `text` without comments, docstrings and empty lines; white space between tokens becomes spaces. `None` where
/// `tokenize` would raise an exception: at the end there is an open bracket or string, or the indentation is
/// inconsistent.
pub(super) fn removed(text: &str) -> Option<String> {
    let mut rest = Rest { out: String::with_capacity(text.len()), last: Last::Indent, line: 0, column: 0 };
    let mut tokens = Tokens { brackets: 0, continued: false, indents: vec![0], open: None, one_line: false };
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        tokens.line(number, line, &mut rest).ok()?;
    }
    let complete = tokens.open.is_none() && tokens.brackets == 0 && !tokens.continued;
    let lines = || rest.out.split('\n').filter(|line| !line.trim_matches(is_space).is_empty());
    complete.then(|| lines().collect::<Vec<_>>().join("\n"))
}

/// What stood before a string, as far as it makes the string a docstring.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Indent,
    EndOfStatement,
    Other,
}

/// Line, from 1, and byte in it.
type Place = (usize, usize);

/// What is left of the text.
struct Rest {
    out: String,
    last: Last,
    line: usize,
    column: usize,
}

impl Rest {
    /// Fills up to `start` with spaces and goes on behind `end`.
    fn advance(&mut self, start: Place, end: Place) {
        if start.0 > self.line {
            self.column = 0;
        }
        self.out.extend(std::iter::repeat_n(' ', start.1.saturating_sub(self.column)));
        (self.line, self.column) = end;
    }

    fn keep(&mut self, token: &str, start: Place, end: Place, last: Last) {
        self.advance(start, end);
        self.out.push_str(token);
        self.last = last;
    }

    fn leave_out(&mut self, start: Place, end: Place) {
        self.advance(start, end);
        self.last = Last::Other;
    }

    fn string(&mut self, token: &str, start: Place, end: Place) {
        if self.last == Last::Other && start.1 > 0 {
            self.keep(token, start, end, Last::Other);
        } else {
            self.leave_out(start, end);
        }
    }
}

/// A dedent to where no block began.
struct BadDedent;

/// What ends a string.
#[derive(Clone, Copy)]
enum Quote {
    Single(u8),
    Triple(u8),
}

struct OpenString {
    quote: Quote,
    start: Place,
    text: String,
}

/// The state of the tokenizer between lines.
struct Tokens {
    brackets: i32,
    /// The last line ended with a backslash.
    continued: bool,
    /// The widths of the open blocks.
    indents: Vec<usize>,
    open: Option<OpenString>,
    /// The open string must end on this line, unless that ends with a backslash. `tokenize` forgets to reset this after a
    /// string that does neither, so that it holds for the next one with three quotes as well.
    one_line: bool,
}

impl Tokens {
    fn line(&mut self, number: usize, line: &str, rest: &mut Rest) -> Result<(), BadDedent> {
        let at = if let Some(open) = self.open.take() {
            self.continue_string(open, number, line, rest)
        } else if self.brackets == 0 && !self.continued {
            self.indentation(number, line, rest)?
        } else {
            self.continued = false;
            Some(0)
        };
        if let Some(at) = at {
            self.tokens(at, number, line, rest);
        }
        Ok(())
    }

    /// Where the string ends, if it ends on this line.
    fn continue_string(
        &mut self,
        mut open: OpenString,
        number: usize,
        line: &str,
        rest: &mut Rest,
    ) -> Option<usize> {
        let end = end_of_string(line, open.quote);
        open.text.push_str(&line[..end.unwrap_or(line.len())]);
        if let Some(end) = end {
            self.one_line = false;
            rest.string(&open.text, open.start, (number, end));
        } else if self.one_line && !line.ends_with("\\\n") && !line.ends_with("\\\r\n") {
            rest.keep(&open.text, open.start, (number, line.len()), Last::Other);
        } else {
            self.open = Some(open);
        }
        end
    }

    /// Where the line's statement begins, if there is one.
    fn indentation(
        &mut self,
        number: usize,
        line: &str,
        rest: &mut Rest,
    ) -> Result<Option<usize>, BadDedent> {
        let start = line.len() - line.trim_start_matches([' ', '\t', '\x0c']).len();
        let width = line[..start].bytes().fold(0, |width, byte| match byte {
            b'\t' => (width / 8 + 1) * 8,
            b'\x0c' => 0,
            _ => width + 1,
        });
        match line[start..].chars().next() {
            None => return Ok(None),
            Some('#' | '\r' | '\n') => {
                let comment = if line[start..].starts_with('#') {
                    line.trim_end_matches(['\r', '\n']).len()
                } else {
                    start
                };
                rest.leave_out((number, start), (number, comment));
                rest.keep(&line[comment..], (number, comment), (number, line.len()), Last::Other);
                return Ok(None);
            }
            Some(_) => {}
        }
        if self.indents.last().is_some_and(|&last| width > last) {
            self.indents.push(width);
            rest.keep(&line[..start], (number, 0), (number, start), Last::Indent);
        }
        while self.indents.last().is_some_and(|&last| width < last) {
            if !self.indents.contains(&width) {
                return Err(BadDedent);
            }
            self.indents.pop();
            rest.leave_out((number, start), (number, start));
        }
        Ok(Some(start))
    }

    fn tokens(&mut self, mut at: usize, number: usize, line: &str, rest: &mut Rest) {
        while at < line.len() {
            let start = line.len() - line[at..].trim_start_matches([' ', '\t', '\x0c']).len();
            let Some((kind, length)) = token(&line[start..]) else {
                // Not a token: one character, which may be the space before what can't be read.
                let length = line[at..].chars().next().map_or(1, char::len_utf8);
                rest.keep(&line[at..at + length], (number, at), (number, at + length), Last::Other);
                at += length;
                continue;
            };
            at = start + length;
            let (text, place, end) = (&line[start..at], (number, start), (number, at));
            match kind {
                Kind::Nothing => {}
                Kind::Continuation => self.continued = true,
                Kind::Comment => rest.leave_out(place, end),
                Kind::EndOfLine => {
                    let last = if self.brackets > 0 { Last::Other } else { Last::EndOfStatement };
                    rest.keep(text, place, end, last);
                }
                Kind::Bracket(change) => {
                    self.brackets += change;
                    rest.keep(text, place, end, Last::Other);
                }
                Kind::Other => rest.keep(text, place, end, Last::Other),
                Kind::String => rest.string(text, place, end),
                Kind::Opening(quote @ Quote::Single(_)) => {
                    self.one_line = true;
                    self.open = Some(OpenString { quote, start: place, text: text.to_owned() });
                }
                Kind::Opening(quote @ Quote::Triple(_)) => match end_of_string(&line[at..], quote) {
                    Some(more) => {
                        at += more;
                        rest.string(&line[start..at], place, (number, at));
                    }
                    None => {
                        at = line.len();
                        self.open = Some(OpenString { quote, start: place, text: line[start..].to_owned() });
                    }
                },
            }
        }
    }
}

enum Kind {
    /// The end of a text that ends without a newline.
    Nothing,
    Continuation,
    Comment,
    EndOfLine,
    Bracket(i32),
    /// Words, numbers and operators.
    Other,
    /// A whole string.
    String,
    /// A string that may go on: with three quotes only these, else the rest of the line.
    Opening(Quote),
}

/// The token at the beginning of `rest`, which has no white space before it, and its length. `None` if there is none.
fn token(rest: &str) -> Option<(Kind, usize)> {
    let Some(first) = rest.chars().next() else { return Some((Kind::Nothing, 0)) };
    let end_of_line = |rest: &str| match rest.as_bytes() {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    };
    match first {
        '\\' => end_of_line(&rest[1..]).map(|length| (Kind::Continuation, length + 1)),
        '\r' | '\n' => end_of_line(rest).map(|length| (Kind::EndOfLine, length)),
        '#' => Some((Kind::Comment, rest.find(['\r', '\n']).unwrap_or(rest.len()))),
        '(' | '[' | '{' => Some((Kind::Bracket(1), 1)),
        ')' | ']' | '}' => Some((Kind::Bracket(-1), 1)),
        '!' => rest.starts_with("!=").then_some((Kind::Other, 2)),
        '%' | '&' | '*' | '+' | ',' | '-' | '.' | '/' | ':' | ';' | '<' | '=' | '>' | '@' | '^' | '|'
        | '~' => Some((Kind::Other, 1)),
        _ => {
            let is_word = |character: char| character.is_alphanumeric() || character == '_';
            let word = rest.len() - rest.trim_start_matches(is_word).len();
            let prefix = ["", "b", "r", "u", "f", "br", "rb", "fr", "rf"];
            let is_prefix = prefix.iter().any(|prefix| prefix.eq_ignore_ascii_case(&rest[..word]));
            let string = if is_prefix { string(&rest[word..]) } else { None };
            let string = string.map(|(kind, length)| (kind, word + length));
            string.or_else(|| (word > 0).then_some((Kind::Other, word)))
        }
    }
}

/// The string that begins with the quote at the beginning of `rest`.
fn string(rest: &str) -> Option<(Kind, usize)> {
    let quote = *rest.as_bytes().first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    if rest.as_bytes().starts_with(&[quote; 3]) {
        return Some((Kind::Opening(Quote::Triple(quote)), 3));
    }
    let mut bytes = (1..).zip(rest.bytes().skip(1));
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'\n' => return None,
            b'\\' if matches!(&rest.as_bytes()[index + 1..], [b'\n', ..] | [b'\r', b'\n', ..]) => {
                return Some((Kind::Opening(Quote::Single(quote)), rest.len()));
            }
            b'\\' => {
                bytes.next();
            }
            byte if byte == quote => return Some((Kind::String, index + 1)),
            _ => {}
        }
    }
    None
}

/// Where a string ends that is open at the beginning of `line`, if it ends there. A backslash before the newline escapes
/// nothing.
fn end_of_string(line: &str, quote: Quote) -> Option<usize> {
    let (closing, length) = match quote {
        Quote::Single(byte) => ([byte; 3], 1),
        Quote::Triple(byte) => ([byte; 3], 3),
    };
    let mut bytes = line.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        if byte == b'\\' {
            let escaped = bytes.next();
            if escaped.is_none_or(|(_, escaped)| escaped == b'\n') {
                return None;
            }
        } else if line.as_bytes()[index..].starts_with(&closing[..length]) {
            return Some(index + length);
        }
    }
    None
}
