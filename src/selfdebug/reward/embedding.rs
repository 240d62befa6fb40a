//! Explanations as vectors, so that two of them can be compared.

use std::error::Error;

/// What can go wrong with vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The embedder could not do its work.
    #[error("embedding texts")]
    Embedder(#[source] Box<dyn Error + Send + Sync>),
    /// Two vectors that should be compared are not of the same length.
    #[error("a vector of {one} numbers can't be compared with one of {other}")]
    Widths {
        /// Of the explanation's vector.
        one: usize,
        /// Of the vector that it is compared with.
        other: usize,
    },
    /// A vector is not made of finite numbers.
    #[error("a vector is not finite")]
    NotFinite,
}

/// Makes a vector of a text.
pub trait Embedder {
    /// One vector for each text, in their order, all of the same length. Only the directions of the vectors mean anything.
    ///
    /// # Errors
    /// [`EmbedError::Embedder`], whatever went wrong.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Counts of words and pairs of neighbouring words, hashed into so many buckets (the "hashing trick", Weinberger et al.
/// 2009, without signs): our stand-in for LeDex's RoBERTa, which needs no download and is the same everywhere.
///
/// A word is a run of letters, digits and underscores, in lower case. What occurs `n` times weighs `1 + ln n`. Vectors have
/// length 1, or 0 for a text without words, and no negative numbers, so cosines are in [0, 1] and much more spread out than
/// RoBERTa's 0.4 to 1: two explanations in different words are near 0. So
/// [`ExplanationScale`](super::rewards::ExplanationScale) wants other constants with it. Two texts of `n` features each that
/// share none have a cosine of about `n / buckets`.
#[derive(Debug, Clone, Copy)]
pub struct HashedNgrams {
    buckets: usize,
}

impl HashedNgrams {
    /// Vectors of `buckets` numbers, at least one.
    #[must_use]
    pub fn new(buckets: usize) -> Self {
        Self { buckets: buckets.max(1) }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let text = text.to_lowercase();
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let words: Vec<&str> =
            text.split(|character| !is_word(character)).filter(|word| !word.is_empty()).collect();
        let mut vector = vec![0.0; self.buckets];
        for gram in words.windows(1).chain(words.windows(2)) {
            vector[(hash(gram) % self.buckets as u64) as usize] += 1.0;
        }
        let weight = |count: f32| if count > 0.0 { 1.0 + count.ln() } else { 0.0 };
        vector.iter_mut().for_each(|number| *number = weight(*number));
        let length = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
        }
        vector
    }
}

impl Default for HashedNgrams {
    /// 4,096 buckets: for explanations of a hundred words, texts that share nothing are at about 0.05.
    fn default() -> Self {
        Self::new(4096)
    }
}

impl Embedder for HashedNgrams {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }
}

/// FNV-1a with 64 bits over the words, a space behind each; the standard library's hash may change with a release.
fn hash(words: &[&str]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([b' ']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::super::rewards::explanation_similarity;
    use super::*;

    fn similarity(one: &str, other: &str) -> f64 {
        let vectors = HashedNgrams::default().embed(&[one, other]).unwrap();
        explanation_similarity(&vectors[0], &vectors[1..]).unwrap().unwrap()
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // FNV-1a of "" and of "a ": the offset basis, and by hand (basis ^ 0x61) p = 0xaf63dc4c8601ec8c (the published hash of
        // "a"), then (0xaf63dc4c8601ec8c ^ 0x20) p.
        assert_eq!(hash(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(&["a"]), (0xaf63_dc4c_8601_ec8c_u64 ^ 0x20).wrapping_mul(0x0100_0000_01b3));
    }

    #[test]
    fn common_words_and_pairs_make_texts_alike() {
        // Three words and two pairs beside four and three: all three words and the pair "the loop" are common, 4 of sqrt(5 7).
        assert!((similarity("The loop ends", "ends? no: the loop") - 4.0 / 35.0_f64.sqrt()).abs() < 1e-6);
        assert!((similarity("the loop starts", "the loop ends") - 3.0 / 5.0).abs() < 1e-6);
        // "a" three times weighs 1 + ln 3, "a a" twice 1 + ln 2; beside "a", which is 1 alone.
        let (word, pair) = (1.0 + 3.0_f64.ln(), 1.0 + 2.0_f64.ln());
        assert!((similarity("a a a", "A") - word / word.hypot(pair)).abs() < 1e-6);
        assert!((similarity("an off-by-one error", "an off-by-one error") - 1.0).abs() < 1e-6);
        assert!(similarity("left", "right").abs() < 1e-6);
        assert!(similarity("", "right").abs() < 1e-6);
    }
}
