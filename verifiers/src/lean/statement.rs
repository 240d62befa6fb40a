//! The pinned statement: trusted text that says which theorem has to be proved.

use super::lexer::{self, Token, TokenKind, Unclosed};

/// A statement taken apart as far as pinning needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The theorem's name as written.
    pub name: String,
    /// The declaration from its keyword up to, not including, `:=`. Attributes are left out: a pinned statement that
    /// were a `simp` lemma would prove itself.
    pub signature: String,
    /// Whether it has attributes, which would act on whatever stands behind it in the same file.
    pub has_attributes: bool,
}

/// The text is not a statement that can be pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A comment or string is left open.
    #[error("the statement does not lex")]
    Lex(#[from] Unclosed),
    /// It is not a theorem or lemma.
    #[error("the statement declares no `theorem` or `lemma`")]
    NoTheorem,
    /// Nothing stands where the name should.
    #[error("the statement's theorem has no name")]
    NoName,
    /// It places its theorem at the root, where two candidates would collide.
    #[error("the statement's name begins with `_root_`")]
    RootName,
    /// It goes on after its own `:=`, so where the proof begins is unclear.
    #[error("the statement has text after `:=` other than `by`")]
    TextAfterAssignment,
}

impl Statement {
    /// Takes a statement apart: `[doc] [attributes] [modifiers] theorem NAME … : TYPE [:= [by]]`.
    ///
    /// # Errors
    /// [`StatementError`] if it is not one theorem that ends where its proof begins.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        let tokens = lexer::code_tokens(text)?;
        let keyword = tokens
            .iter()
            .position(|token| matches!(token.text, "theorem" | "lemma"))
            .ok_or(StatementError::NoTheorem)?;
        let name = tokens
            .get(keyword + 1)
            .filter(|token| token.kind == TokenKind::Name)
            .ok_or(StatementError::NoName)?;
        if name.text.starts_with("_root_.") {
            return Err(StatementError::RootName);
        }
        let end = match assignment(&tokens[keyword..]) {
            Some(at) => {
                let rest = &tokens[keyword + at + 2..];
                if !(rest.is_empty() || (rest.len() == 1 && rest[0].text == "by")) {
                    return Err(StatementError::TextAfterAssignment);
                }
                tokens[keyword + at].offset
            }
            None => tokens.last().map_or(text.len(), |token| token.offset + token.text.len()),
        };
        let has_attributes =
            tokens[..keyword].iter().any(|token| token.text == "@" || token.text == "attribute");
        let signature = text[tokens[keyword].offset..end].trim_end().to_owned();
        Ok(Self { name: name.text.to_owned(), signature, has_attributes })
    }
}

/// Index of the last `:=` outside brackets, as the index of its `:`.
fn assignment(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_i64;
    let mut found = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" | "⟨" | "⦃" => depth += 1,
            ")" | "]" | "}" | "⟩" | "⦄" => depth -= 1,
            ":" if depth == 0 => {
                let next = tokens.get(index + 1);
                if next.is_some_and(|next| next.text == "=" && next.offset == token.offset + 1) {
                    found = Some(index);
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        for ending in [" := by", " := by\n", " :=", "", " := -- so\n  by  "] {
            let statement =
                Statement::parse(&format!("theorem t (a : Nat := 3) : a = a{ending}")).expect("parses");
            assert_eq!(statement.name, "t");
            assert_eq!(statement.signature, "theorem t (a : Nat := 3) : a = a");
        }
    }

    #[test]
    fn modifiers_and_let_in_the_type() {
        let statement = Statement::parse(
            "/-- theorem no -/\n@[simp] protected theorem A.b.{u} : let x := 1; x = 1 := by",
        )
        .expect("parses");
        assert_eq!(statement.name, "A.b");
        assert_eq!(statement.signature, "theorem A.b.{u} : let x := 1; x = 1");
        assert!(statement.has_attributes);
    }

    #[test]
    fn what_is_no_statement() {
        assert_eq!(Statement::parse("def x := 1"), Err(StatementError::NoTheorem));
        assert_eq!(Statement::parse("theorem : True"), Err(StatementError::NoName));
        assert_eq!(Statement::parse("theorem t : True := trivial"), Err(StatementError::TextAfterAssignment));
        assert!(matches!(Statement::parse("theorem t : True /-"), Err(StatementError::Lex(_))));
    }
}
