//! From similarities and test results to rewards (LeDex, the section on reinforcement learning).
//!
//! An output of the policy is an explanation `e` and a refinement `r`, and each has its own reward, so that a good
//! explanation isn't punished for the refinement behind it.
//!
//! | | range | without anything to compare with |
//! |---|---|---|
//! | `S_ut(r)`: [`tests_passed`] | [0, 1] | `None`: no tests |
//! | `S_cb(r)`: [`refinement_similarity`] | [0, 1] | `None`: no correct refinement of the problem |
//! | `R(r)`: [`refinement_reward`] | [-5, 5] | |
//! | `S_ex(e)`: [`explanation_similarity`] | [-1, 1] | `None`: no correct explanation of the problem |
//! | `R(e)`: [`ExplanationScale::reward`] | [-85/3, 5] | |
//!
//! `None` is no reward of 0, which would be a middling one: what to do with such a problem is the caller's to decide. A
//! refinement that is itself among the correct ones is like them; whoever doesn't want that leaves it out of them.

use std::borrow::Borrow;

use super::codebleu::{CodeBleu, Matches, Parsed};
use super::embedding::EmbedError;

/// `S_ut(r) = |T_passed(r)| / |T|`: the share of the problem's tests that the refinement passes. `None` without tests, and
/// where more are said to have passed than there are.
#[must_use]
pub fn tests_passed(passed: usize, tests: usize) -> Option<f64> {
    (tests > 0 && passed <= tests).then(|| passed as f64 / tests as f64)
}

/// `S_cb(r) = 1/|C| sum over c in C of CodeBLEU(r, c)`, where `C` are the correct refinements of the problem: the mean of
/// the scores, each with one reference. `None` where there are none.
#[must_use]
pub fn refinement_similarity<R: Borrow<Parsed>>(
    settings: &CodeBleu,
    refinement: &Parsed,
    correct: &[R],
) -> Option<f64> {
    let score =
        |one| Matches::between(refinement, std::slice::from_ref(one)).map(|found| settings.score(&found));
    let scores: Option<Vec<f64>> = correct.iter().map(score).collect();
    scores.and_then(|scores| mean(&scores))
}

/// `R(r) = 5 (S_cb(r) + S_ut(r)) - 5`, in [-5, 5] for two numbers in [0, 1]. 0 is, for example, half of the tests at a
/// similarity of one half.
#[must_use]
pub fn refinement_reward(similarity: f64, tests_passed: f64) -> f64 {
    5.0 * (similarity + tests_passed) - 5.0
}

/// `S_ex(e) = 1/|C| sum over c in C of cos(E(e), E(c))`, where `C` are the correct explanations of the problem and `E` is
/// an [`Embedder`](super::embedding::Embedder). `None` where there are none. In [-1, 1]; at least 0 for vectors without
/// negative numbers.
///
/// # Errors
/// [`EmbedError::Widths`] if the vectors are not all of one length, [`EmbedError::NotFinite`] if a number in them is not
/// finite or too large to be squared.
pub fn explanation_similarity<V: AsRef<[f32]>>(
    explanation: &[f32],
    correct: &[V],
) -> Result<Option<f64>, EmbedError> {
    let cosines: Result<Vec<f64>, EmbedError> =
        correct.iter().map(|one| cosine(explanation, one.as_ref())).collect();
    Ok(mean(&cosines?))
}

/// From [`explanation_similarity`] to a reward: `R(e) = slope S_ex(e) - offset`.
///
/// The default is the paper's `R(e) = (50 S_ex(e) - 35) / 3`, made for RoBERTa: there the similarities lie in [0.4, 1],
/// which becomes [-5, 5], and 0.7 becomes 0. Other embeddings lie elsewhere, so with them these are settings;
/// [`ExplanationScale::between`] has them from two similarities that were seen. Nothing is cut off: a similarity of 0 is
/// worth -35/3 by default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplanationScale {
    /// What a similarity that is greater by 1 adds.
    pub slope: f64,
    /// What is taken off.
    pub offset: f64,
}

impl Default for ExplanationScale {
    fn default() -> Self {
        Self { slope: 50.0 / 3.0, offset: 35.0 / 3.0 }
    }
}

impl ExplanationScale {
    /// The scale on which `low` is worth -5 and `high` 5. `None` unless `low < high` and both are finite.
    #[must_use]
    pub fn between(low: f64, high: f64) -> Option<Self> {
        let slope = 10.0 / (high - low);
        let scale = Self { slope, offset: slope * high - 5.0 };
        (low < high && slope.is_finite() && slope > 0.0).then_some(scale)
    }

    /// `R(e)`.
    #[must_use]
    pub fn reward(&self, similarity: f64) -> f64 {
        self.slope * similarity - self.offset
    }
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// The cosine of the angle between two vectors. 0 if one of them is all zeros: the embedding of a text without words is
/// like no other.
fn cosine(one: &[f32], other: &[f32]) -> Result<f64, EmbedError> {
    if one.len() != other.len() {
        return Err(EmbedError::Widths { one: one.len(), other: other.len() });
    }
    let product = |left: &[f32], right: &[f32]| -> f64 {
        left.iter().zip(right).map(|(&left, &right)| f64::from(left) * f64::from(right)).sum()
    };
    let lengths = (product(one, one) * product(other, other)).sqrt();
    let product = product(one, other);
    if !(lengths.is_finite() && product.is_finite()) {
        return Err(EmbedError::NotFinite);
    }
    Ok(if lengths > 0.0 { (product / lengths).clamp(-1.0, 1.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn rewards_of_refinements() {
        close(tests_passed(3, 4).unwrap(), 0.75);
        assert_eq!((tests_passed(0, 0), tests_passed(2, 1)), (None, None));
        // 5 (0.6 + 0.75) - 5 = 6.75 - 5.
        close(refinement_reward(0.6, 0.75), 1.75);
        close(refinement_reward(0.0, 0.0), -5.0);
        close(refinement_reward(1.0, 1.0), 5.0);
    }

    #[test]
    fn refinements_are_compared_one_by_one() {
        let refinement = Parsed::new("def f(a):\n    b = a + 1\n    return b");
        let correct = [refinement.clone(), Parsed::new("x = 1")];
        // With itself 1. With `x = 1`: BLEU has of 9 words only `=` and `1` (two of the 9), of 8 pairs none, of 7 triples and
        // 6 quadruples none: (2/9 0.1/8 0.1/7 0.1/6)^(1/4). The weighted one: `=` and `1` of three words that weigh 0.2 are
        // 0.4 of at least 1; none of two pairs, of one triple, and of no quadruple, which counts as one: (0.4 0.05 0.1 0.1)^(1/4).
        // Subtrees: module, expression_statement and assignment, of which the first two have the third's shape in them, and
        // `b = a + 1` assigns no integer: 0 of 3. Data flow: variable 1 is computed from 0, and 0 comes from nothing. The latter
        // is there (the parameter), the former is not (`b` is computed from two): 1 of 2.
        let bleu = (2.0 / 9.0 * 0.1 / 8.0 * 0.1 / 7.0 * 0.1 / 6.0_f64).powf(0.25);
        let weighted = (0.4 * 0.05 * 0.1 * 0.1_f64).powf(0.25);
        let found = Matches::between(&refinement, &correct[1..]).unwrap();
        close(found.ngram, bleu);
        close(found.weighted_ngram, weighted);
        close(found.syntax, 0.0);
        close(found.data_flow, 0.5);
        let other = CodeBleu::default().score(&found);
        close(
            refinement_similarity(&CodeBleu::default(), &refinement, &correct).unwrap(),
            f64::midpoint(1.0, other),
        );
        assert_eq!(refinement_similarity::<Parsed>(&CodeBleu::default(), &refinement, &[]), None);
    }

    #[test]
    fn similarities_of_explanations() {
        // cos((3, 4), (4, 3)) = 24/25, cos((3, 4), (-3, -4)) = -1, cos((3, 4), (0, 0)) = 0 by definition: a third of -0.04.
        let similarity = explanation_similarity(&[3.0, 4.0], &[[4.0, 3.0], [-3.0, -4.0], [0.0, 0.0]]);
        close(similarity.unwrap().unwrap(), -0.04 / 3.0);
        let none: [Vec<f32>; 0] = [];
        assert_eq!(explanation_similarity(&[1.0], &none).unwrap(), None);
        let widths = explanation_similarity(&[1.0], &[[1.0, 2.0]]);
        assert!(matches!(widths, Err(EmbedError::Widths { one: 1, other: 2 })));
        assert!(matches!(explanation_similarity(&[f32::NAN], &[[1.0]]), Err(EmbedError::NotFinite)));
    }

    #[test]
    fn rewards_of_explanations() {
        let paper = ExplanationScale::default();
        // (50 0.4 - 35) / 3 = -15/3; (35 - 35) / 3; (50 - 35) / 3; (40 - 35) / 3.
        close(paper.reward(0.4), -5.0);
        close(paper.reward(0.7), 0.0);
        close(paper.reward(1.0), 5.0);
        close(paper.reward(0.8), 5.0 / 3.0);
        let same = ExplanationScale::between(0.4, 1.0).unwrap();
        close(same.slope, paper.slope);
        close(same.offset, paper.offset);
        // From 0.1 to 0.6: 20 for each unit, and 20 0.6 - 5 = 7 are taken off.
        let other = ExplanationScale::between(0.1, 0.6).unwrap();
        close(other.slope, 20.0);
        close(other.offset, 7.0);
        assert_eq!(ExplanationScale::between(0.5, 0.5), None);
        assert_eq!(ExplanationScale::between(f64::NAN, 0.5), None);
    }
}
