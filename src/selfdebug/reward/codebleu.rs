//! CodeBLEU for Python: `alpha BLEU + beta BLEU_weight + gamma Match_ast + delta Match_df` (Ren et al. 2020, arXiv
//! 2009.10297, equation 1).
//!
//! The paper leaves much open, so the conventions are those of the package `codebleu` 0.7.0 on PyPI, with Python 3.11's
//! `tokenize`, which every part agrees with (`tests/selfdebug/make_codebleu.py`). Three of them surprise:
//!
//! - A data-flow match of 0 counts as 1 in the sum, whatever the reason for it is ([`ZeroDataFlow`]).
//! - With several references, syntax and data flow are not matched with the best of them, but summed over all.
//! - Code that is shorter than four words has no 4-gram, and so is not worth 1 even beside itself.
//!
//! In one thing this differs: where the package iterates over Python's sets of names, whose order is another one in every
//! process, here it is the order of appearance.

use std::borrow::Borrow;

use super::data_flow::{self, Flows};
use super::ngram::NGrams;
use super::syntax::{self, Subtrees};
use super::tree::SyntaxTree;
use super::{comments, ngram};

/// How often comments are removed from a candidate at most. See [`Parsed::form`].
const MAX_FORMS: usize = 8;

/// A text with all that comparing it takes: read once, compared often. Any text will do; what is no Python has a syntax
/// tree with errors in it.
#[derive(Debug, Clone)]
pub struct Parsed {
    words: NGrams,
    forms: Vec<Form>,
}

/// A text without comments and docstrings.
#[derive(Debug, Clone)]
struct Form {
    subtrees: Subtrees,
    flows: Flows,
}

impl Parsed {
    /// Reads `text`, in time and memory about proportional to its length.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim_matches(comments::is_space);
        let mut current = comments::removed(text).unwrap_or_else(|| text.to_owned());
        let mut forms = vec![Form::new(&current)];
        while let Some(next) = comments::removed(&current)
            && next != current
            && forms.len() < MAX_FORMS
        {
            forms.push(Form::new(&next));
            current = next;
        }
        Self { words: NGrams::new(text), forms }
    }

    /// The candidate's form for the reference at `index`: the package removes comments from the candidate once more for
    /// each reference, which now and then changes it again.
    fn form(&self, index: usize) -> &Form {
        &self.forms[index.min(self.forms.len() - 1)]
    }
}

impl Form {
    fn new(text: &str) -> Self {
        let tree = SyntaxTree::new(text);
        Self { subtrees: Subtrees::new(&tree), flows: Flows::new(&tree, text) }
    }
}

/// The four parts of CodeBLEU, each in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matches {
    /// BLEU-4 over words between white space; orders without a match count 0.1 matches.
    pub ngram: f64,
    /// The share of the references' n-grams that the candidate has; single words that are no keywords weigh 0.2.
    pub weighted_ngram: f64,
    /// The share of the references' subtrees that are a subtree of the candidate (equation 4).
    pub syntax: f64,
    /// The share of the references' data-flow edges that the candidate has (equation 5); 0 where they have none.
    pub data_flow: f64,
    /// Data-flow edges of all references together.
    pub expected_flows: usize,
}

impl Matches {
    /// Compares a candidate with its references. `None` without a reference.
    #[must_use]
    pub fn between<R: Borrow<Parsed>>(candidate: &Parsed, references: &[R]) -> Option<Self> {
        if references.is_empty() {
            return None;
        }
        let words: Vec<&NGrams> = references.iter().map(|reference| &reference.borrow().words).collect();
        let pairs = || {
            let forms = references.iter().map(|reference| &reference.borrow().forms[0]);
            forms.enumerate().map(|(index, reference)| (candidate.form(index), reference))
        };
        let expected_flows = pairs().map(|(_, reference)| reference.flows.len()).sum();
        Some(Self {
            ngram: ngram::precision(&candidate.words, &words),
            weighted_ngram: ngram::weighted_recall(&candidate.words, &words),
            syntax: syntax::recall(
                pairs().map(|(candidate, reference)| (&candidate.subtrees, &reference.subtrees)),
            ),
            data_flow: data_flow::recall(
                pairs().map(|(candidate, reference)| (&candidate.flows, &reference.flows)),
            ),
            expected_flows,
        })
    }
}

/// What a data-flow match of 0 counts as in the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroDataFlow {
    /// 1, as in the package. So a candidate that has no data flow at all, the empty text for one, is paid for it.
    #[default]
    One,
    /// 1 if the references have no data flow, so that there was nothing to match, else 0.
    OneIfNoneExpected,
}

/// How the parts are put together. The default is the package's: each part weighs 1/4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodeBleu {
    /// Of [`Matches::ngram`], `weighted_ngram`, `syntax` and `data_flow`. The score is in [0, 1] if they add up to 1.
    pub weights: [f64; 4],
    /// What a data-flow match of 0 counts as.
    pub zero_data_flow: ZeroDataFlow,
}

impl Default for CodeBleu {
    fn default() -> Self {
        Self { weights: [0.25; 4], zero_data_flow: ZeroDataFlow::default() }
    }
}

impl CodeBleu {
    /// The weighted sum of the parts.
    #[must_use]
    pub fn score(&self, matches: &Matches) -> f64 {
        let counts_as_one = match self.zero_data_flow {
            ZeroDataFlow::One => matches.data_flow <= 0.0,
            ZeroDataFlow::OneIfNoneExpected => matches.expected_flows == 0,
        };
        let data_flow = if counts_as_one { 1.0 } else { matches.data_flow };
        let parts = [matches.ngram, matches.weighted_ngram, matches.syntax, data_flow];
        self.weights.iter().zip(parts).map(|(weight, part)| weight * part).sum()
    }
}

/// CodeBLEU of a candidate with the default settings, in [0, 1]. `None` without a reference.
#[must_use]
pub fn codebleu<R: Borrow<Parsed>>(candidate: &Parsed, references: &[R]) -> Option<f64> {
    Matches::between(candidate, references).map(|matches| CodeBleu::default().score(&matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(candidate: &str, reference: &str) -> Matches {
        Matches::between(&Parsed::new(candidate), &[Parsed::new(reference)]).unwrap()
    }

    #[test]
    fn nothing_is_not_like_code_but_the_package_pays_for_it() {
        // Six edges: to each parameter, to `total`, and to the three uses of a name.
        let nothing = matches("", "def add(a, b):\n    total = a + b\n    return total");
        let expected =
            Matches { ngram: 0.0, weighted_ngram: 0.0, syntax: 0.0, data_flow: 0.0, expected_flows: 6 };
        assert_eq!(nothing, expected);
        let package = CodeBleu::default();
        assert!((package.score(&nothing) - 0.25).abs() < 1e-12);
        let strict = CodeBleu { zero_data_flow: ZeroDataFlow::OneIfNoneExpected, ..package };
        assert!(strict.score(&nothing).abs() < 1e-12);
        let without_flow = matches("pass # all there is", "pass # all there is");
        assert_eq!(without_flow.expected_flows, 0);
        assert!((strict.score(&without_flow) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn weights_weigh() {
        let matches =
            Matches { ngram: 0.1, weighted_ngram: 0.2, syntax: 0.3, data_flow: 0.4, expected_flows: 1 };
        let settings = CodeBleu { weights: [0.4, 0.3, 0.2, 0.1], ..CodeBleu::default() };
        // 0.04 + 0.06 + 0.06 + 0.04.
        assert!((settings.score(&matches) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn there_is_no_score_without_a_reference() {
        let none: [Parsed; 0] = [];
        assert_eq!(codebleu(&Parsed::new("x = 1"), &none), None);
    }
}
