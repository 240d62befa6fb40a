//! A `.py` file as a candidate: its top-level `assert` statements are the tests, the rest is the code.

use super::input;
use crate::records::Named;
use proofloop_datasets::Cause;
use proofloop_verifiers::candidate::{Candidate, PythonCandidate};
use std::path::Path;

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Named, Cause> {
    let (code, tests) = split(&input::text(path)?);
    if tests.is_empty() {
        let detail =
            "the file has no `assert` statement at its top level, so nothing would be tested".to_owned();
        return Err(Cause::BadValue { field: "tests", detail });
    }
    let candidate = Candidate::Python(PythonCandidate::Asserts { code, setup: String::new(), tests });
    Ok(Named { id: path.display().to_string(), candidate })
}

/// Takes the top-level asserts out; blank lines stay in their place, so that tracebacks keep their lines.
fn split(text: &str) -> (String, Vec<String>) {
    let mut code = String::new();
    let mut tests: Vec<String> = Vec::new();
    let mut state = State::default();
    let mut in_test = false;
    for line in text.split_inclusive('\n') {
        let begins = state.is_closed() && !state.continued;
        if begins {
            let word = line.strip_prefix("assert");
            in_test = word.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
            if in_test {
                tests.push(String::new());
            }
        }
        match tests.last_mut() {
            Some(test) if in_test => {
                test.push_str(line);
                code.push('\n');
            }
            Some(_) | None => code.push_str(line),
        }
        state.read(line);
    }
    (code, tests.into_iter().map(|test| test.trim_end().to_owned()).collect())
}

/// Where a line ends: inside brackets, inside a triple-quoted string, or behind a backslash.
#[derive(Debug, Default)]
struct State {
    depth: i64,
    quote: Option<String>,
    continued: bool,
}

impl State {
    fn is_closed(&self) -> bool {
        self.depth <= 0 && self.quote.is_none()
    }

    fn read(&mut self, line: &str) {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            if let Some(quote) = &self.quote {
                if c == '\\' {
                    length += rest[length..].chars().next().map_or(0, char::len_utf8);
                } else if rest.starts_with(quote.as_str()) {
                    length = quote.len();
                    self.quote = None;
                }
            } else {
                match c {
                    '#' => break,
                    '(' | '[' | '{' => self.depth += 1,
                    ')' | ']' | '}' => self.depth -= 1,
                    '"' | '\'' => {
                        let triple = String::from(c).repeat(3);
                        let quote = if rest.starts_with(&triple) { triple } else { c.to_string() };
                        length = quote.len();
                        self.quote = Some(quote);
                    }
                    _ => {}
                }
            }
            rest = &rest[length..];
        }
        self.continued = line.trim_end_matches(['\r', '\n']).ends_with('\\');
        // A plain string does not go on over a line end.
        if self.quote.as_ref().is_some_and(|quote| quote.len() == 1) && !self.continued {
            self.quote = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asserts_at_the_top_level_are_tests() {
        let text = "def f(x):\n    assert x\n    return '''\nassert no\n'''\nassert f(1) == (\n  2)\nassertion = 1\nassert f(\"(\"), '#'\n";
        let (code, tests) = split(text);
        assert_eq!(tests, ["assert f(1) == (\n  2)", "assert f(\"(\"), '#'"]);
        assert!(
            code.contains("assert no") && code.contains("    assert x") && code.contains("assertion = 1")
        );
        assert_eq!(code.lines().count(), text.lines().count());
    }
}
