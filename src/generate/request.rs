//! What is asked for.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::error::{GenerateError, Result};

/// How tokens are chosen. The steps, in this order: repetition penalty, temperature, top-k, top-p, min-p.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token (of equal ones, the one with the least id).
    pub temperature: f64,
    /// Only the likeliest tokens whose probabilities reach this sum (nucleus sampling, arXiv 1904.09751); 1 is all.
    pub top_p: f64,
    /// Only so many of the likeliest.
    pub top_k: Option<NonZeroUsize>,
    /// Only tokens at least this times as likely as the likeliest (arXiv 2407.01082); 0 is all.
    pub min_p: f64,
    /// Positive logits of tokens that have occurred, in the prompt or since, are divided by it and negative ones
    /// multiplied (CTRL, arXiv 1909.05858 §4.1); 1 is none.
    pub repetition_penalty: f64,
    /// The most tokens that are sampled.
    pub max_tokens: NonZeroUsize,
    /// Strings that end a completion, and are not part of it.
    pub stop: Vec<String>,
    /// Whether log-probabilities are wanted.
    pub log_probs: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: None,
            min_p: 0.0,
            repetition_penalty: 1.0,
            max_tokens: const { NonZeroUsize::new(512).expect("not 0") },
            stop: Vec::new(),
            log_probs: false,
        }
    }
}

impl Sampling {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<()> {
        let ranges = [
            ("temperature", self.temperature, self.temperature >= 0.0, "0 or more"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "from 0 to 1"),
            ("repetition_penalty", self.repetition_penalty, self.repetition_penalty > 0.0, "above 0"),
        ];
        for (setting, value, is_in_range, range) in ranges {
            if !(value.is_finite() && is_in_range) {
                return Err(GenerateError::setting(setting, format!("must be {range}, got {value}")));
            }
        }
        if self.stop.iter().any(String::is_empty) {
            return Err(GenerateError::setting("stop", "an empty string would end everything at once"));
        }
        Ok(())
    }
}

/// A prompt, and how often it is to be completed.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is completed. A generator that talks to a chat model makes it the user's message.
    pub prompt: String,
    /// Completions wanted.
    pub samples: NonZeroUsize,
    /// Sample `i` is drawn with [`sample_seed`]`(seed, i)`, so more samples of a request change none of the first.
    pub seed: u64,
    /// How.
    pub sampling: Sampling,
    /// Whether to tell text as it comes ([`Event::Piece`](super::Event::Piece)).
    pub stream: bool,
}

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The seed of one sample: SplitMix64's finaliser (Steele, Lea, Flood 2014) over both numbers.
pub fn sample_seed(seed: u64, sample: usize) -> u64 {
    let mut z = seed.wrapping_add((sample as u64).wrapping_add(1).wrapping_mul(GOLDEN));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The seed of a request for the samples behind the first `samples` of one with `seed`: its sample `i` is sample
/// `samples + i` of that, so that a request can be gone on with.
pub fn seed_behind(seed: u64, samples: usize) -> u64 {
    seed.wrapping_add((samples as u64).wrapping_mul(GOLDEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = [
            Sampling { temperature: -1.0, ..Sampling::default() },
            Sampling { temperature: f64::NAN, ..Sampling::default() },
            Sampling { top_p: 0.0, ..Sampling::default() },
            Sampling { min_p: 1.5, ..Sampling::default() },
            Sampling { repetition_penalty: 0.0, ..Sampling::default() },
            Sampling { stop: vec![String::new()], ..Sampling::default() },
        ];
        let named = ["temperature", "temperature", "top_p", "min_p", "repetition_penalty", "stop"];
        for (sampling, name) in wrong.iter().zip(named) {
            let error = sampling.check().expect_err("out of range").to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
        Sampling::default().check().expect("in range");
    }

    #[test]
    fn samples_of_neighbouring_seeds_differ() {
        let seeds: std::collections::BTreeSet<u64> =
            (0..50).flat_map(|seed| (0..50).map(move |sample| sample_seed(seed, sample))).collect();
        assert_eq!(seeds.len(), 2500);
    }

    #[test]
    fn a_request_can_be_gone_on_with() {
        for (seed, behind) in [(0, 0), (7, 1), (u64::MAX, 5)] {
            for sample in 0..4 {
                let seed_there = sample_seed(seed_behind(seed, behind), sample);
                assert_eq!(seed_there, sample_seed(seed, behind + sample));
            }
        }
    }
}
