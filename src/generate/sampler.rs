//! The next token from logits: exactly one uniform number for each token that is drawn and none for a greedy one, so a
//! completion depends on its seed and its logits and on nothing else.
//!
//! Steps, in this order: repetition penalty, temperature, top-k, top-p, min-p. What is left is drawn by the inverse of
//! the cumulative distribution in the order of the token ids. Nothing sorts the vocabulary: what a cut needs in order is
//! selected.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::error::{GenerateError, Result};
use super::request::Sampling;
use crate::model::ops;

/// Partial sums of weights are over so many tokens.
const BLOCK: usize = 256;

/// So few tokens are sorted.
const SORTED: usize = 32;

/// Buffers that sequences can share one after another.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    logits: Vec<f32>,
    weights: Vec<f32>,
    keys: Vec<u64>,
}

/// What a sequence needs to go on: its random numbers, and what has occurred in it.
#[derive(Debug)]
pub(super) struct Sampler {
    random: ChaCha8Rng,
    temperature: f64,
    top_k: Option<usize>,
    top_p: f64,
    min_p: f64,
    penalty: f32,
    log_probs: bool,
    /// Tokens of the prompt and of the completion, if there is a penalty for them.
    seen: BTreeSet<u32>,
}

/// A token, and its log-probability under the model as it is, if it was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    pub(super) token: u32,
    pub(super) log_prob: Option<f32>,
}

impl Sampler {
    pub(super) fn new(sampling: &Sampling, seed: u64, prompt: &[u32]) -> Self {
        let penalty = sampling.repetition_penalty as f32;
        let mut sampler = Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            temperature: sampling.temperature,
            top_k: sampling.top_k.map(std::num::NonZeroUsize::get),
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            penalty,
            log_probs: sampling.log_probs,
            seen: BTreeSet::new(),
        };
        if sampler.penalizes() {
            sampler.seen.extend(prompt);
        }
        sampler
    }

    /// The next token.
    ///
    /// # Errors
    /// A logit is not a number, or none is finite.
    pub(super) fn choose(&mut self, logits: &[f32], scratch: &mut Scratch) -> Result<Choice> {
        let token = if self.penalizes() {
            let mut penalized = std::mem::take(&mut scratch.logits);
            penalized.clear();
            penalized.extend_from_slice(logits);
            penalize(&mut penalized, &self.seen, self.penalty);
            let token = self.pick(&penalized, scratch);
            scratch.logits = penalized;
            token?
        } else {
            self.pick(logits, scratch)?
        };
        if self.penalizes() {
            self.seen.insert(token);
        }
        let log_prob = self.log_probs.then(|| log_prob(logits, token, scratch)).transpose()?;
        Ok(Choice { token, log_prob })
    }

    fn penalizes(&self) -> bool {
        (self.penalty - 1.0).abs() > 0.0
    }

    fn pick(&mut self, logits: &[f32], scratch: &mut Scratch) -> Result<u32> {
        let (likeliest, most) = likeliest(logits)?;
        if self.temperature <= 0.0 {
            return Ok(likeliest);
        }
        let scale = (1.0 / self.temperature).min(f64::from(f32::MAX)) as f32;
        ops::exponentials(logits, most, scale, &mut scratch.weights);
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let (weights, keys) = (&scratch.weights, &mut scratch.keys);
        let is_cut = self.top_k.is_some_and(|k| k < logits.len()) || self.top_p < 1.0 || self.min_p > 0.0;
        if !is_cut {
            return Ok(draw_all(weights, uniform));
        }
        keys.clear();
        keys.extend((0..).zip(logits).map(|(token, &logit)| key(logit, token)));
        if let Some(k) = self.top_k {
            keep_likeliest(keys, k);
        }
        if self.top_p < 1.0 {
            keep_nucleus(keys, weights, self.top_p);
        }
        if self.min_p > 0.0 {
            // The likeliest token's weight is 1.
            keys.retain(|&key| f64::from(weights[token(key) as usize]) >= self.min_p);
        }
        keys.sort_unstable_by_key(|&key| token(key));
        Ok(draw(keys, weights, uniform))
    }
}

fn penalize(logits: &mut [f32], seen: &BTreeSet<u32>, penalty: f32) {
    for &token in seen {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
        }
    }
}

/// The token with the largest logit, of equal ones the first, and that logit.
fn likeliest(logits: &[f32]) -> Result<(u32, f32)> {
    let most = ops::largest(logits);
    match logits.iter().position(|&logit| logit >= most) {
        Some(place) if most.is_finite() => Ok((place as u32, most)),
        Some(_) | None => Err(GenerateError::NotFinite),
    }
}

/// A number that sorts tokens from the likeliest to the least likely, of equal ones by id, and says which one it is.
fn key(logit: f32, token: u32) -> u64 {
    // One zero only; then the bits of positive numbers ascend and those of negative ones descend.
    let bits = (logit + 0.0).to_bits();
    let ascending = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!ascending) << 32 | u64::from(token)
}

fn token(key: u64) -> u32 {
    (key & u64::from(u32::MAX)) as u32
}

fn keep_likeliest(keys: &mut Vec<u64>, count: usize) {
    if count < keys.len() {
        keys.select_nth_unstable(count - 1);
        keys.truncate(count);
    }
}

/// The fewest of the likeliest whose share of the weight of all `keys` reaches `share`: found by halves, of which only
/// the one with the border in it is looked at again.
fn keep_nucleus(keys: &mut Vec<u64>, weights: &[f32], share: f64) {
    let weight = |&key: &u64| f64::from(weights[token(key) as usize]);
    let wanted = share * keys.iter().map(weight).sum::<f64>();
    let (mut start, mut end, mut sum) = (0, keys.len(), 0.0);
    while end - start > SORTED {
        let half = (end - start) / 2;
        keys[start..end].select_nth_unstable(half);
        let likelier = keys[start..start + half].iter().map(weight).sum::<f64>();
        if sum + likelier >= wanted {
            end = start + half;
        } else {
            sum += likelier;
            start += half;
        }
    }
    keys[start..end].sort_unstable();
    let reaches = |key: &u64| {
        sum += weight(key);
        sum >= wanted
    };
    let last = keys[start..end].iter().position(reaches);
    keys.truncate(last.map_or(end, |place| start + place + 1));
}

/// The first token at which the sum of the weights exceeds `uniform` times their total.
fn draw(keys: &[u64], weights: &[f32], uniform: f64) -> u32 {
    let weight = |key: u64| f64::from(weights[token(key) as usize]);
    let wanted = uniform * keys.iter().map(|&key| weight(key)).sum::<f64>();
    let mut sum = 0.0;
    for &key in keys {
        sum += weight(key);
        if sum > wanted {
            return token(key);
        }
    }
    // Only by rounding; the last one it is.
    keys.last().map_or(0, |&key| token(key))
}

/// [`draw`] among all tokens, by blocks.
fn draw_all(weights: &[f32], uniform: f64) -> u32 {
    let sums: Vec<f64> = weights.chunks(BLOCK).map(ops::sum).collect();
    let mut rest = uniform * sums.iter().sum::<f64>();
    for (index, sum) in sums.iter().enumerate() {
        if *sum > rest || index + 1 == sums.len() {
            let first = index * BLOCK;
            let block = &weights[first..weights.len().min(first + BLOCK)];
            for (place, &weight) in block.iter().enumerate() {
                rest -= f64::from(weight);
                if rest < 0.0 {
                    return (first + place) as u32;
                }
            }
            return (first + block.len() - 1) as u32;
        }
        rest -= sum;
    }
    0
}

/// `ln p(token)` at temperature 1.
fn log_prob(logits: &[f32], token: u32, scratch: &mut Scratch) -> Result<f32> {
    let (_, most) = likeliest(logits)?;
    ops::exponentials(logits, most, 1.0, &mut scratch.weights);
    let sum: f64 = scratch.weights.chunks(BLOCK).map(ops::sum).sum();
    Ok((f64::from(logits[token as usize] - most) - sum.ln()) as f32)
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
