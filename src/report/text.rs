//! What can be read off a proof's text.

use std::collections::BTreeMap;

/// The word that a proof begins with: `simp`, `rw`, `omega`. Comments, bullets and brackets before it are passed over;
/// `None` if nothing is left.
pub(super) fn first_tactic(proof: &str) -> Option<&str> {
    let mut rest =
        proof.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '·' | '.' | '(' | '{'));
    while let Some(comment) = comment(rest) {
        rest = rest[comment..].trim_start();
    }
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '\'' | '?' | '!');
    let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
    (!word.is_empty()).then_some(word)
}

/// Length of the comment that a text begins with.
fn comment(text: &str) -> Option<usize> {
    let (start, end) = if text.starts_with("--") { ("--", "\n") } else { ("/-", "-/") };
    let inside = text.strip_prefix(start)?;
    Some(inside.find(end).map_or(text.len(), |at| start.len() + at + end.len()))
}

/// Without blank lines around it, and without the indentation that all its lines share.
pub(super) fn dedented(proof: &str) -> String {
    let blank = |line: &&str| line.trim().is_empty();
    let lines: Vec<&str> = proof.lines().skip_while(blank).collect();
    let spaces = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let shared = lines.iter().filter(|line| !blank(line)).map(spaces).min().unwrap_or(0);
    let lines = lines.iter().map(|line| line.get(shared..).unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// In how many things as evenly spread there would be as much variety: `exp` of the entropy of the counts (Hill's number
/// of order 1, Hill 1973). Unlike the number of different things it hardly grows with the number of all.
pub(super) fn effective_number(counts: &BTreeMap<String, u64>) -> Option<f64> {
    let total = counts.values().sum::<u64>() as f64;
    let share = |count: &u64| *count as f64 / total;
    let entropy: f64 = counts.values().map(share).map(|share| -share * share.ln()).sum();
    (total > 0.0).then(|| entropy.exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_begins_with_a_tactic() {
        for (proof, tactic) in [
            ("\n  simp [foo]", "simp"),
            ("  · rw [h]", "rw"),
            ("\n  -- easy\n  /- really -/ exact?", "exact?"),
            ("(norm_num)", "norm_num"),
            ("rfl", "rfl"),
        ] {
            assert_eq!(first_tactic(proof), Some(tactic), "{proof}");
        }
        assert_eq!(first_tactic("\n  -- nothing"), None);
        assert_eq!(first_tactic(" /- open"), None);
        assert_eq!(first_tactic("⟨a, b⟩"), None);
    }

    #[test]
    fn shared_indentation_goes() {
        assert_eq!(dedented("\n  rintro h\n    simp\n\n  grind\n\n"), "rintro h\n  simp\n\ngrind");
        assert_eq!(dedented("  \n  grind"), "grind");
        assert_eq!(dedented(" ∎\nrfl"), " ∎\nrfl");
        assert_eq!(dedented("\n \n"), "");
    }

    #[test]
    fn variety_counts_what_is_evenly_spread() {
        let number = |counts: &[u64]| {
            let named = counts.iter().enumerate().map(|(place, count)| (place.to_string(), *count));
            effective_number(&named.collect())
        };
        assert_eq!(number(&[]), None);
        assert!(number(&[5, 5, 5, 5]).is_some_and(|number| (number - 4.0).abs() < 1e-9));
        assert!(number(&[1000, 1, 1]).is_some_and(|number| number < 1.05));
    }
}
