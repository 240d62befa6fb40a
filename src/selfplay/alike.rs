//! Which statements are alike, by their text.

use proofloop_verifiers::lean::lexer;
use std::collections::BTreeSet;

/// The share of words and pairs of neighbouring words that two statements have in common (Jaccard's index, from 0 to 1).
/// Text that does not lex is like nothing.
#[derive(Debug)]
pub(super) struct Alike<'a> {
    features: Vec<Features<'a>>,
}

type Features<'a> = BTreeSet<(&'a str, Option<&'a str>)>;

impl<'a> Alike<'a> {
    /// Prepares to compare `statements`, which should have no names.
    pub(super) fn new(statements: impl IntoIterator<Item = &'a str>) -> Self {
        Self { features: statements.into_iter().map(features).collect() }
    }

    /// The `count` of `among` that are most like `index`, itself left out, the most alike first; ties go to the earlier
    /// one. Takes time in proportion to `among`.
    pub(super) fn nearest(&self, index: usize, among: &[usize], count: usize) -> Vec<usize> {
        let own = &self.features[index];
        let mut others: Vec<(f64, usize)> = among
            .iter()
            .filter(|&&other| other != index)
            .map(|&other| (similarity(own, &self.features[other]), other))
            .collect();
        others.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        others.truncate(count);
        others.into_iter().map(|(_, other)| other).collect()
    }
}

fn features(statement: &str) -> Features<'_> {
    let Ok(tokens) = lexer::code_tokens(statement) else { return BTreeSet::new() };
    let words: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let pairs = words.windows(2).map(|pair| (pair[0], Some(pair[1])));
    words.iter().map(|&word| (word, None)).chain(pairs).collect()
}

fn similarity(one: &Features<'_>, other: &Features<'_>) -> f64 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    if all == 0 { 0.0 } else { common as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_come_first_and_nobody_is_beside_himself() {
        let texts =
            ["(a b : Nat) : a + b = b + a", "(P : Prop) : P → P", "(a b : Nat) : a * b = b * a", "\"open"];
        let alike = Alike::new(texts);
        let all = [0, 1, 2, 3];
        assert_eq!(alike.nearest(0, &all, 2), [2, 1]);
        assert_eq!(alike.nearest(0, &all, 9), [2, 1, 3]);
        assert_eq!(alike.nearest(2, &[1, 2], 1), [1]);
        let half = Alike::new(["a b", "a c"]);
        // Of {a, b, a b} and {a, c, a c} one of five is common.
        assert!((similarity(&half.features[0], &half.features[1]) - 0.2).abs() < 1e-12);
    }
}
