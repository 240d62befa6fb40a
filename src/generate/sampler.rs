//! The next token from logits: exactly one uniform number for each token that is drawn and none for a greedy one, so a
//! completion depends on its seed and its logits and on nothing else.
//!
//! Steps, in this order: repetition penalty, temperature, top-k, top-p, min-p. What is left is drawn by the inverse of
//! the cumulative distribution in the order of the token ids. Nothing sorts the vocabulary: what a cut needs in order is
//! selected.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::error::{GenerateError, Result};
use super::request::Sampling;
use crate::model::ops;

/// Partial sums of weights are over so many tokens.
const BLOCK: usize = 256;

/// How many of the likeliest tokens top-p looks at first; then eight times as many, and so on.
const FIRST_LOOK: usize = 32;

/// Buffers that sequences can share one after another.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    logits: Vec<f32>,
    weights: Vec<f32>,
    tokens: Vec<u32>,
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
        let (weights, tokens) = (&scratch.weights, &mut scratch.tokens);
        let is_cut = self.top_k.is_some_and(|k| k < logits.len()) || self.top_p < 1.0 || self.min_p > 0.0;
        if !is_cut {
            return Ok(draw_all(weights, uniform));
        }
        tokens.clear();
        tokens.extend(0..logits.len() as u32);
        if let Some(k) = self.top_k {
            keep_likeliest(tokens, logits, k);
        }
        if self.top_p < 1.0 {
            keep_nucleus(tokens, logits, weights, self.top_p);
        }
        if self.min_p > 0.0 {
            // The likeliest token's weight is 1.
            tokens.retain(|&token| f64::from(weights[token as usize]) >= self.min_p);
        }
        tokens.sort_unstable();
        Ok(draw(tokens, weights, uniform))
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
    // Equal by value: a maximum is one of the numbers. Not-a-number equals nothing.
    let place = logits.iter().position(|&logit| logit >= most);
    match place {
        Some(place) if most.is_finite() && !logits.iter().any(|logit| logit.is_nan()) => {
            Ok((place as u32, most))
        }
        Some(_) | None => Err(GenerateError::NotFinite),
    }
}

/// From the likeliest to the least likely, of equal ones by id.
fn by_likelihood(logits: &[f32]) -> impl Fn(&u32, &u32) -> Ordering + '_ {
    |&left, &right| logits[right as usize].total_cmp(&logits[left as usize]).then(left.cmp(&right))
}

fn keep_likeliest(tokens: &mut Vec<u32>, logits: &[f32], count: usize) {
    if count < tokens.len() {
        tokens.select_nth_unstable_by(count - 1, by_likelihood(logits));
        tokens.truncate(count);
    }
}

/// The fewest of the likeliest whose share of the weight of all `tokens` reaches `share`.
fn keep_nucleus(tokens: &mut Vec<u32>, logits: &[f32], weights: &[f32], share: f64) {
    let weight = |&token: &u32| f64::from(weights[token as usize]);
    let wanted = share * tokens.iter().map(weight).sum::<f64>();
    let (mut sorted, mut sum, mut look) = (0, 0.0, FIRST_LOOK);
    while sorted < tokens.len() {
        let rest = &mut tokens[sorted..];
        let count = look.min(rest.len());
        if count < rest.len() {
            rest.select_nth_unstable_by(count - 1, by_likelihood(logits));
        }
        let part = &mut rest[..count];
        part.sort_unstable_by(by_likelihood(logits));
        for (index, token) in part.iter().enumerate() {
            sum += weight(token);
            if sum >= wanted {
                tokens.truncate(sorted + index + 1);
                return;
            }
        }
        sorted += count;
        look *= 8;
    }
}

/// The first token at which the sum of the weights exceeds `uniform` times their total.
fn draw(tokens: &[u32], weights: &[f32], uniform: f64) -> u32 {
    let weight = |token: u32| f64::from(weights[token as usize]);
    let wanted = uniform * tokens.iter().map(|&token| weight(token)).sum::<f64>();
    let mut sum = 0.0;
    for &token in tokens {
        sum += weight(token);
        if sum > wanted {
            return token;
        }
    }
    // Only by rounding; the last one it is.
    tokens.last().copied().unwrap_or_default()
}

/// [`draw`] among all tokens, by blocks.
fn draw_all(weights: &[f32], uniform: f64) -> u32 {
    let block_sum = |block: &[f32]| block.iter().map(|&weight| f64::from(weight)).sum::<f64>();
    let sums: Vec<f64> = weights.chunks(BLOCK).map(block_sum).collect();
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
    let sum: f64 = scratch.weights.iter().map(|&weight| f64::from(weight)).sum();
    Ok((f64::from(logits[token as usize] - most) - sum.ln()) as f32)
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
