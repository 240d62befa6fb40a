//! Which facts a proof names, read off its text as for Lean: names with a dot or an underscore outside of quotation marks
//! (`add.commute`, `mult_le_mono`) that are neither methods nor declared by the proof. What a method finds by itself (`simp`)
//! is not seen, and a name is not looked up.

use proofloop_verifiers::isabelle::commands::role;
use proofloop_verifiers::isabelle::lexer::{self, TokenKind};
use proofloop_verifiers::isabelle::symbols::to_ascii;
use std::collections::BTreeSet;

/// Methods, and names that stand for many facts.
const NO_FACTS: [&str; 20] = [
    "ac_simps",
    "algebra_simps",
    "auto_tac",
    "case_tac",
    "code_simp",
    "cut_tac",
    "divide_simps",
    "field_simps",
    "fo_rule",
    "induct_tac",
    "intro_classes",
    "lexicographic_order",
    "pat_completeness",
    "rename_tac",
    "rule_format",
    "rule_tac",
    "simp_all",
    "subgoal_tac",
    "sum_of_squares",
    "unfold_locales",
];

/// The names, each once, in alphabetical order. Text that does not lex has none.
pub(in super::super) fn in_proof(proof: &str) -> Vec<String> {
    let text = to_ascii(proof);
    let Ok(mut tokens) = lexer::tokenize(&text) else { return Vec::new() };
    tokens.retain(|token| token.kind != TokenKind::Comment);
    let is_label = |index: usize| {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        text(index + 1) == ":" && text(index + 2) != ":"
    };
    let words = || tokens.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::Word);
    let own: BTreeSet<&str> =
        words().filter(|(index, _)| is_label(*index)).map(|(_, token)| token.text).collect();
    let is_fact = |name: &str| {
        let is_composed = name.contains('.') || name.trim_matches('_').contains('_');
        is_composed && !NO_FACTS.contains(&name) && !own.contains(name) && role(name).is_none()
    };
    let facts = words().map(|(_, token)| token.text).filter(|name| is_fact(name));
    facts.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_told_from_methods_and_labels() {
        let proof = "proof -\n  have my_fact: \"a_b = c\" using add.commute[of a b] by (simp_all add: mult_le_mono field_simps) (* No.fact *)\n  thus ?thesis by (metis my_fact Nat.add_0_right add.commute)\nqed";
        assert_eq!(in_proof(proof), ["Nat.add_0_right", "add.commute", "mult_le_mono"]);
        assert!(in_proof("by (rule \"open)").is_empty());
    }
}
