//! What the readers of Lean files share: theorems that end in `sorry`, words as comments, bare statements.

use crate::error::Cause;
use crate::rename;

/// The header that provers of 2024 and 2025 are trained and evaluated with (DeepSeek, Goedel, STP), for records that
/// bring no header of their own and were written for Mathlib.
pub const MATHLIB_HEADER: &str = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\n\
                                  open BigOperators Real Nat Topology Rat\n\n";

/// A theorem that ends in `:=`, `:= by`, `:= sorry` or `:= by sorry`, cut so that it ends in `:= by`.
pub(super) fn open_statement(text: &str) -> Option<String> {
    let start = rename::proof_start(text)?;
    let rest: Vec<&str> = text[start..].split_whitespace().collect();
    let is_open = matches!(rest[..], [] | ["by"] | ["sorry"] | ["by", "sorry"]);
    is_open.then(|| format!("{} by", text[..start].trim()))
}

/// [`open_statement`] of a field, or what is wrong with it.
pub(super) fn required_open_statement(field: &'static str, text: &str) -> Result<String, Cause> {
    let detail = "it is no theorem that ends in `:= by` or `sorry`".to_owned();
    open_statement(text).ok_or(Cause::BadValue { field, detail })
}

/// The tactics behind `:= by` in a whole theorem; `None` if it is a term, unfinished, or no theorem.
pub(super) fn tactic_proof(text: &str) -> Option<String> {
    let proof = text[rename::proof_start(text)?..].trim_start().strip_prefix("by")?.trim_end();
    let is_done = proof.starts_with(char::is_whitespace) && !mentions_sorry(proof);
    is_done.then(|| proof.to_owned())
}

/// Whether a text has `sorry` as a word of its own, comments included.
pub(super) fn mentions_sorry(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '\'').any(|word| word == "sorry")
}

/// Words as the comment that documents a theorem.
pub(super) fn comment(words: &str) -> String {
    if words.trim().is_empty() {
        return String::new();
    }
    format!("/-- {} -/\n", words.trim().replace("-/", "- /"))
}

/// Takes the documenting comment off the end of the text before a theorem.
pub(super) fn split_comment(before: &str) -> (&str, String) {
    let trimmed = before.trim_end();
    match trimmed.strip_suffix("-/").and_then(|body| body.rfind("/--")) {
        // A comment that ends inside, with another behind it, is not this theorem's.
        Some(start) if !trimmed[start..trimmed.len() - 2].contains("-/") => {
            (&before[..start], format!("{}\n", &trimmed[start..]))
        }
        Some(_) | None => (before, String::new()),
    }
}

/// Whether Lean takes a text for one plain name.
pub(super) fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        let first_is_letter = part.starts_with(|first: char| first.is_alphabetic() || first == '_');
        first_is_letter && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '\'' | '!' | '?'))
    };
    text.split('.').all(part)
}

/// Text before a statement, ended by a line end if there is any.
pub(super) fn with_line_end(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() { String::new() } else { format!("{text}\n\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_statements_end_alike() {
        for text in [
            "theorem t : p := by sorry",
            "theorem t : p :=\nsorry\n",
            "theorem t : p := by\n",
            " theorem t : p :=",
        ] {
            assert_eq!(open_statement(text).as_deref(), Some("theorem t : p := by"), "{text}");
        }
        for text in ["theorem t : p := rfl", "theorem t : p", "def t := sorry", ""] {
            assert_eq!(open_statement(text), None, "{text}");
        }
    }

    #[test]
    fn proofs_are_tactics_and_finished() {
        assert_eq!(tactic_proof("theorem t : p := by\n  simp\n").as_deref(), Some("\n  simp"));
        for text in ["theorem t : p := rfl", "theorem t : p := by sorry", "theorem t : p := bye x", "by simp"]
        {
            assert_eq!(tactic_proof(text), None, "{text}");
        }
        assert!(mentions_sorry("(sorry)") && !mentions_sorry("sorryAx sorry' notsorry"));
    }

    #[test]
    fn comments_go_both_ways() {
        assert_eq!(
            split_comment("def f := 1\n/-- Words.\n-/\n"),
            ("def f := 1\n", "/-- Words.\n-/\n".to_owned())
        );
        assert_eq!(
            split_comment("/-- a -/ def f := 1\n/- b -/\n"),
            ("/-- a -/ def f := 1\n/- b -/\n", String::new())
        );
        assert_eq!(split_comment(""), ("", String::new()));
        assert_eq!((comment(" a -/ b "), comment(" ")), ("/-- a - / b -/\n".to_owned(), String::new()));
    }

    #[test]
    fn names_are_plain() {
        for name in ["a", "lean_workbook_1", "A.b'", "π₁"] {
            assert!(is_name(name), "{name}");
        }
        for text in ["", "1a", "a b", "a.", "a-b", "t : False := by"] {
            assert!(!is_name(text), "{text}");
        }
    }
}
