//! What a statement claims, and what kind of claim it is.

use super::canon;
use super::lex;

/// The text of what a statement claims: behind the colon that ends its binders, before its proof. `None` for text
/// without such a colon.
#[must_use]
pub fn conclusion(statement: &str) -> Option<&str> {
    let tokens = lex::lex(statement);
    let keyword = canon::declaration(&tokens)?;
    let end = canon::statement_end(&tokens, keyword);
    // Binders stand in brackets, so the first colon outside of them is the one; a later one is the claim's own.
    let colon = canon::top_level(&tokens, keyword..end).find(|at| tokens[*at].text == ":")?;
    let (first, last) = (tokens[..end].get(colon + 1)?, &tokens[end - 1]);
    Some(&statement[first.start..last.start + last.text.len()])
}

/// Whether a proposition is an alternative, as far as its text tells: the last of its connectives to be read, past
/// quantifiers and hypotheses and brackets that enclose all of it, is `∨` (or `\/`, or an application of `Or`).
#[must_use]
pub fn is_disjunction(proposition: &str) -> bool {
    let tokens = lex::lex(proposition);
    let mut range = 0..tokens.len();
    while range.len() > 1
        && tokens[range.start].text == "("
        && tokens[range.start].partner == Some(range.end - 1)
    {
        range = range.start + 1..range.end - 1;
    }
    let mut alternative = tokens.get(range.start).is_some_and(|token| token.text == "Or");
    for at in canon::top_level(&tokens, range) {
        match tokens[at].text {
            "∨" | "\\/" => alternative = true,
            // Weaker than `∨`: what stood before was a hypothesis.
            "→" | "->" => alternative = false,
            // Weaker than all others.
            "↔" | "<->" => return false,
            // Reaches to the end: whatever follows is inside the right side.
            "∀" | "∃" | "∃!" | "fun" | "λ" if alternative => return true,
            _ => {}
        }
    }
    alternative
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conclusion_stands_behind_the_binders() {
        let conclusions = [
            ("theorem t : 1 + 1 = 2 := by", "1 + 1 = 2"),
            ("theorem t (a b : Nat) (h : a < b) :\n  a ≤ b := by sorry", "a ≤ b"),
            ("theorem t.{u} {α : Type u} [Inhabited α] : ∃ x : α, x = x :=", "∃ x : α, x = x"),
            ("@[simp] lemma t : ∀ n : Nat, (n : Int) ≥ 0 := by\n  omega", "∀ n : Nat, (n : Int) ≥ 0"),
            ("open Nat in\nexample (s : String := \":\") : p /- : -/ ∧ q", "p /- : -/ ∧ q"),
            ("theorem t : let x := 2; x = 2 := by", "let x := 2; x = 2"),
        ];
        for (statement, expected) in conclusions {
            assert_eq!(conclusion(statement), Some(expected), "{statement}");
        }
        for none in ["", "theorem t", "theorem t :", "theorem t : := by", "no Lean: at all"] {
            assert_eq!(conclusion(none), None, "{none}");
        }
    }

    #[test]
    fn alternatives_are_seen_outside_of_brackets() {
        for yes in [
            "a ∨ b",
            "(a ∨ b)",
            "((a = 1) ∨ b)",
            "∀ n : Nat, p n → n = 0 ∨ q n",
            "a \\/ b",
            "Or a b",
            "a → ¬b ∨ c",
            "a ∨ ∀ x, p x → q x",
            "∃ x, p x ∨ q x",
        ] {
            assert!(is_disjunction(yes), "{yes}");
        }
        for no in [
            "",
            "a ∧ b",
            "(a ∨ b) ∧ c",
            "¬(a ∨ b)",
            "(a ∨ b) = (b ∨ a)",
            "x = Order",
            "a ∨ b → c",
            "a ↔ b ∨ c",
            "a ∨ b ↔ c",
            "{x | p x ∨ q x} = s",
        ] {
            assert!(!is_disjunction(no), "{no}");
        }
    }
}
