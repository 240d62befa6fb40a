//! Words and their n-grams: BLEU (Papineni et al. 2002) and its sibling that weighs keywords (CodeBLEU, section 3.1).

use std::hash::{DefaultHasher, Hash, Hasher};

use super::comments;

/// n-grams of one to this many words.
const ORDERS: usize = 4;

/// What an order without a match counts (smoothing method 1 of Chen and Cherry 2014).
const EPSILON: f64 = 0.1;

/// What a word weighs that is no keyword.
const OTHER_WORDS: f64 = 0.2;

/// Python's keywords, the three soft ones among them that can begin a statement.
const KEYWORDS: [&str; 38] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "case", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "match", "nonlocal", "not", "or", "pass", "raise", "return", "try", "type", "while", "with",
    "yield",
];

/// A text's n-grams, counted.
#[derive(Debug, Clone)]
pub(super) struct NGrams {
    words: usize,
    /// By order; in each, by hash.
    orders: [Vec<Gram>; ORDERS],
}

#[derive(Debug, Clone, Copy)]
struct Gram {
    hash: u64,
    count: u32,
    keyword: bool,
}

impl NGrams {
    pub(super) fn new(text: &str) -> Self {
        let words: Vec<&str> = text.split(comments::is_space).filter(|word| !word.is_empty()).collect();
        let orders = std::array::from_fn(|index| count(words.windows(index + 1)));
        Self { words: words.len(), orders }
    }
}

fn count<'a>(grams: impl Iterator<Item = &'a [&'a str]>) -> Vec<Gram> {
    let gram = |words: &[&str]| {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        let keyword = matches!(words, [word] if KEYWORDS.binary_search(word).is_ok());
        Gram { hash: hasher.finish(), count: 1, keyword }
    };
    let mut grams: Vec<Gram> = grams.map(gram).collect();
    grams.sort_unstable_by_key(|gram| gram.hash);
    grams.dedup_by(|next, first| {
        let same = next.hash == first.hash;
        first.count += u32::from(same);
        same
    });
    grams
}

/// The n-gram's count in a sorted list.
fn count_of(grams: &[Gram], hash: u64) -> u32 {
    grams.binary_search_by_key(&hash, |gram| gram.hash).map_or(0, |index| grams[index].count)
}

/// BLEU-4: the geometric mean of the shares of the candidate's n-grams that one of the references has as often, times the
/// penalty for being shorter than the reference of the nearest length. `references` are not empty.
pub(super) fn precision(candidate: &NGrams, references: &[&NGrams]) -> f64 {
    let of_order = |order: usize| {
        let most = |hash| references.iter().map(|reference| count_of(&reference.orders[order], hash)).max();
        let grams = &candidate.orders[order];
        let matched: u32 = grams.iter().map(|gram| gram.count.min(most(gram.hash).unwrap_or(0))).sum();
        let all: u32 = grams.iter().map(|gram| gram.count).sum();
        (f64::from(matched), f64::from(all.max(1)))
    };
    let nearest = references.iter().map(|reference| reference.words);
    let nearest = nearest.min_by_key(|&words| (words.abs_diff(candidate.words), words)).unwrap_or(0);
    brevity(candidate.words, nearest) * mean(std::array::from_fn(of_order))
}

/// The same for the shares of the references' n-grams that the candidate has as often, summed over the references, with
/// weights for single words.
///
/// The package takes each reference for two words long when it penalizes brevity (it counts the pair of words and
/// weights), and so does this.
pub(super) fn weighted_recall(candidate: &NGrams, references: &[&NGrams]) -> f64 {
    let of_order = |order: usize| {
        let sums = references.iter().map(|reference| {
            let (mut matched, mut all) = (0.0, 0.0);
            for gram in &reference.orders[order] {
                let weight = if order > 0 || gram.keyword { 1.0 } else { OTHER_WORDS };
                matched += weight * f64::from(gram.count.min(count_of(&candidate.orders[order], gram.hash)));
                all += weight * f64::from(gram.count);
            }
            (matched, f64::max(all, 1.0))
        });
        sums.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    };
    brevity(candidate.words, 2) * mean(std::array::from_fn(of_order))
}

fn brevity(candidate: usize, reference: usize) -> f64 {
    match candidate {
        0 => 0.0,
        longer if longer > reference => 1.0,
        shorter => (1.0 - reference as f64 / shorter as f64).exp(),
    }
}

/// The geometric mean of the orders' (matched, all), 0 where no word matches.
fn mean(orders: [(f64, f64); ORDERS]) -> f64 {
    if orders[0].0 <= 0.0 {
        return 0.0;
    }
    let logarithm = |(matched, all): (f64, f64)| (if matched > 0.0 { matched } else { EPSILON } / all).ln();
    (orders.into_iter().map(logarithm).sum::<f64>() / ORDERS as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn a_word_counts_as_often_as_one_reference_has_it() {
        let candidate = NGrams::new("a a a b");
        let references = [NGrams::new("a a c"), NGrams::new("a b d e")];
        // Words: a twice of three (the first reference), b once: 3/4. Pairs: "a a" once of two, "a b" once: 2/3.
        // Triples and quadruples: none of 2 and none of 1, which count 0.1 each. The second reference is as long.
        let expected = (3.0 / 4.0 * 2.0 / 3.0 * 0.1 / 2.0 * 0.1_f64).powf(0.25);
        close(precision(&candidate, &[&references[0], &references[1]]), expected);
    }

    #[test]
    fn being_short_is_penalized_by_the_nearest_length() {
        let reference = NGrams::new("a b c d e f");
        let penalty = (1.0_f64 - 6.0 / 4.0).exp();
        close(precision(&NGrams::new("a b c d"), &[&reference]), penalty);
        let shorter = NGrams::new("a b");
        close(precision(&NGrams::new("a b c d"), &[&reference, &shorter]), 1.0);
        close(precision(&NGrams::new(""), &[&reference]), 0.0);
        close(precision(&NGrams::new("x y"), &[&reference]), 0.0);
    }

    #[test]
    fn keywords_weigh_five_times_as_much() {
        let reference = NGrams::new("return a + b");
        // Words: return weighs 1, a, + and b 0.2 each; the candidate lacks b and +: 1.2 / 1.6. Pairs: "return a" of three.
        // Triples: none of two. Quadruples: none of one.
        let expected = (1.2 / 1.6 * 1.0 / 3.0 * 0.1 / 2.0 * 0.1_f64).powf(0.25);
        close(weighted_recall(&NGrams::new("return a - c"), &[&reference]), expected);
        // Two references: (1.2 + 0.2) / (1.6 + 1), where a lone a weighs 0.2 and a denominator at least 1; likewise
        // (1 + 0) / (3 + 1), 0.1 / (2 + 1) and 0.1 / (1 + 1).
        let expected = (1.4 / 2.6 * 1.0 / 4.0 * 0.1 / 3.0 * 0.1 / 2.0_f64).powf(0.25);
        close(weighted_recall(&NGrams::new("return a - c"), &[&reference, &NGrams::new("a")]), expected);
    }

    #[test]
    fn keywords_can_be_searched() {
        assert!(KEYWORDS.is_sorted());
    }
}
