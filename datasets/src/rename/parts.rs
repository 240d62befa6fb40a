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

/// Byte offset behind the `:=` that ends the last statement of a text: there its proof begins. `None` for text without
/// a statement, or whose statement has no `:=`.
#[must_use]
pub fn proof_start(text: &str) -> Option<usize> {
    let tokens = lex::lex(text);
    let end = canon::statement_end(&tokens, canon::declaration(&tokens)?);
    tokens.get(end).filter(|token| token.text == ":=").map(|token| token.start + token.text.len())
}

/// Byte offsets at which the theorems and lemmas of a file begin, with the attributes and modifiers before them.
#[must_use]
pub fn theorem_starts(text: &str) -> Vec<usize> {
    let tokens = lex::lex(text);
    canon::top_level(&tokens, 0..tokens.len())
        .filter(|at| matches!(tokens[*at].text, "theorem" | "lemma"))
        .map(|keyword| tokens[canon::modifiers_start(&tokens, keyword)].start)
        .collect()
}

/// A statement with the name of its theorem left out, white space and all, and cut before its `:=`; and that name.
#[must_use]
pub fn without_name(statement: &str) -> (String, Option<&str>) {
    let tokens = lex::lex(statement);
    let Some(keyword) = canon::declaration(&tokens) else { return (statement.trim().to_owned(), None) };
    let end = canon::statement_end(&tokens, keyword);
    let stop = tokens.get(end).map_or(statement.len(), |token| token.start);
    let name = tokens[..end]
        .get(keyword + 1)
        .filter(|token| token.kind == lex::Kind::Ident && tokens[keyword].text != "example");
    match name {
        Some(name) => {
            let rest = &statement[name.start + name.text.len()..stop];
            (format!("{}{}", &statement[..name.start], rest.trim_end()), Some(name.text))
        }
        None => (statement[..stop].trim_end().to_owned(), None),
    }
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
    fn the_proof_begins_behind_the_assignment_that_is_no_default() {
        for (text, proof) in [
            ("theorem t : 1 = 1 := by sorry", Some(" by sorry")),
            ("theorem t : 1 = 1 :=\nsorry", Some("\nsorry")),
            (
                "theorem t (a := 1) : let x := a; x = a := by\n  let y := 1\n  rfl",
                Some(" by\n  let y := 1\n  rfl"),
            ),
            ("def f := 1\ntheorem t (a : A := by simp) : p :=", Some("")),
            ("theorem t : p", None),
            ("def f := 1", None),
        ] {
            assert_eq!(proof_start(text).map(|start| &text[start..]), proof, "{text}");
        }
    }

    #[test]
    fn theorems_are_found_where_they_begin() {
        let text = "import A\n/-- theorem -/\n@[simp] private lemma a : p := by\n  simp\ntheorem b : (theorem) := x\n";
        let starts = theorem_starts(text);
        assert_eq!(
            starts.iter().map(|start| &text[*start..*start + 9]).collect::<Vec<_>>(),
            ["@[simp] p", "theorem b"]
        );
    }

    #[test]
    fn a_name_is_left_out_with_nothing_else() {
        for (statement, rest, name) in [
            ("theorem t (n : Nat) : n = n := by", "theorem  (n : Nat) : n = n", Some("t")),
            ("lemma  A.b: p :=\n", "lemma  : p", Some("A.b")),
            ("example : p := by", "example : p", None),
            ("∀ n, n = n", "∀ n, n = n", None),
        ] {
            assert_eq!(without_name(statement), (rest.to_owned(), name), "{statement}");
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
