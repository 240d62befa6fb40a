//! Where a Lean file's header ends: `module`, `prelude`, imports with all their modifiers, comments between.

use super::lexer::{self, Token, TokenKind, Unclosed};

/// A Lean text split into its header and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split<'a> {
    /// The imports as they stand, comments left out, one a line; `module` and `prelude` first.
    pub imports: Vec<String>,
    /// Everything up to the first token that is not part of the header.
    pub header: &'a str,
    /// The rest. A doc comment directly before the first declaration belongs to it.
    pub body: &'a str,
}

/// Splits `source` after its last import.
///
/// # Errors
/// [`Unclosed`] if a comment or string is left open.
pub fn split(source: &str) -> Result<Split<'_>, Unclosed> {
    let tokens = lexer::code_tokens(source)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let mut imports = Vec::new();
    for keyword in ["module", "prelude"] {
        if parser.eat(keyword) {
            imports.push(keyword.to_owned());
        }
    }
    while let Some(import) = parser.import() {
        imports.push(import);
    }
    let end = parser.at.checked_sub(1).map_or(0, |last| tokens[last].offset + tokens[last].text.len());
    let (header, body) = source.split_at(end);
    Ok(Split { imports, header, body })
}

struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
}

impl Parser<'_, '_> {
    fn eat(&mut self, keyword: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|token| token.text == keyword);
        self.at += usize::from(found);
        found
    }

    /// `[public] [meta] import [all] Name`; the cursor stays where it was if there is none.
    fn import(&mut self) -> Option<String> {
        let start = self.at;
        let mut words = Vec::new();
        for (keyword, needed) in [("public", false), ("meta", false), ("import", true), ("all", false)] {
            if self.eat(keyword) {
                words.push(keyword);
            } else if needed {
                self.at = start;
                return None;
            }
        }
        let Some(name) = self.tokens.get(self.at).filter(|token| token.kind == TokenKind::Name) else {
            self.at = start;
            return None;
        };
        self.at += 1;
        words.push(name.text);
        Some(words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_modifiers_and_several_imports_on_a_line() {
        let source = "/- import No -/ module\n\npublic import A.B -- x\nimport all C import D\n\n/-- doc -/\ntheorem t : True := trivial";
        let split = split(source).expect("lexes");
        assert_eq!(split.imports, ["module", "public import A.B", "import all C", "import D"]);
        assert_eq!(split.body, "\n\n/-- doc -/\ntheorem t : True := trivial");
        assert_eq!(format!("{}{}", split.header, split.body), source);
    }

    #[test]
    fn no_header() {
        let split = split("open Nat in\ntheorem t : True := trivial").expect("lexes");
        assert!(split.imports.is_empty());
        assert_eq!(split.header, "");
    }

    #[test]
    fn a_public_declaration_is_not_an_import() {
        let split = split("module\npublic theorem t : True := trivial").expect("lexes");
        assert_eq!(split.imports, ["module"]);
        assert_eq!(split.body.trim_start(), "public theorem t : True := trivial");
    }
}
