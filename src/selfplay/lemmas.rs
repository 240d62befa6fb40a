//! Which lemmas a proof names.
//!
//! STP reads them from Lean's environment (the constants that an elaborated proof refers to). The npm Lean gives no access
//! to it, so here they are read off the text: the dotted names that a proof spells out (`Nat.add_comm`). What a tactic
//! finds by itself (`simp`, `omega`) is not seen, and a name is not looked up.

use proofloop_verifiers::lean::lexer::{self, TokenKind};
use std::collections::BTreeSet;

/// The lemma that stands for none.
pub const TRIVIAL: &str = "";

/// The dotted names of a proof that begin with a capital letter, each once, in alphabetical order. Text that does not lex
/// has none.
#[must_use]
pub fn in_proof(proof: &str) -> Vec<String> {
    let Ok(tokens) = lexer::code_tokens(proof) else { return Vec::new() };
    let names = tokens.iter().filter(|token| token.kind == TokenKind::Name && is_constant(token.text));
    names.map(|token| token.text.to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// `Nat.add_comm`, but neither `h.1` nor `x.succ`, whose first part is a variable.
fn is_constant(name: &str) -> bool {
    let mut parts = name.split('.');
    let starts = parts.next().is_some_and(|first| first.starts_with(|c: char| c.is_ascii_uppercase()));
    let more: Vec<&str> = parts.collect();
    starts
        && !more.is_empty()
        && more.iter().all(|part| part.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_told_from_variables_and_words() {
        let proof = "\n  rw [Nat.add_comm, ← h.2, Nat.add_comm a b]\n  exact List.Sublist.refl xs.tail -- Int.neg_neg\n  simp [Foo]";
        assert_eq!(in_proof(proof), ["List.Sublist.refl", "Nat.add_comm"]);
        assert!(in_proof("\n  exact \"open").is_empty());
    }
}
