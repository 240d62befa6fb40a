//! Which examples a step learns from, and how they are laid out in rows.
//!
//! A step has a fixed number of examples (the last of an epoch has what is left). An epoch's order is a permutation that
//! follows from seed and epoch alone, so a [`Cursor`] of two numbers says where a run is. Within a step examples are
//! sorted by length and cut into micro-batches, which changes the cost of the step and not what it computes.

use std::num::NonZeroUsize;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::example::Example;

/// A step is cut into at most this many parts, so that so many cores have something to do.
const PARTS: u64 = 16;
/// But into none of fewer tokens, which would take longer than they need.
const LEAST_PART_TOKENS: u64 = 256;
/// And into none of more, which would take memory.
const MOST_PART_TOKENS: u64 = 8192;

/// How many tokens should go through the model together where a step has `in_step` of them.
#[must_use]
pub fn part_tokens(in_step: u64) -> NonZeroUsize {
    let parts = (in_step / LEAST_PART_TOKENS).clamp(1, PARTS);
    let part = in_step.div_ceil(parts).clamp(1, MOST_PART_TOKENS);
    NonZeroUsize::new(part as usize).unwrap_or(NonZeroUsize::MIN)
}

/// How the examples of a step share rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// One example in each row, rows of like length together; short ones are padded.
    Bucketed,
    /// Examples behind each other in rows of this many tokens (longer only for an example that is longer), none seeing
    /// another.
    Packed {
        /// Of each row.
        row_tokens: NonZeroUsize,
    },
}

/// Where a run is in its examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// From 0.
    pub epoch: u64,
    /// Examples of this epoch's order that were learnt.
    pub used: usize,
}

/// Rows that go through the model together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MicroBatch {
    /// `rows * length`, row after row; 0 where nothing is.
    pub(super) tokens: Vec<u32>,
    /// What each place predicts; 0 where its weight is.
    pub(super) targets: Vec<u32>,
    /// 0 for prompts and padding.
    pub(super) weights: Vec<f32>,
    pub(super) length: usize,
    /// The lengths of the texts in each row, if rows have several.
    pub(super) packed: Option<Vec<Vec<usize>>>,
}

impl MicroBatch {
    pub(super) fn rows(&self) -> usize {
        self.tokens.len() / self.length
    }
}

impl Cursor {
    /// The indices of the next `count` examples of `total`, and where that leads. Never none if there are examples.
    pub(super) fn next(self, seed: u64, total: usize, count: usize) -> (Vec<usize>, Self) {
        let order = order(seed, self.epoch, total);
        let end = self.used.saturating_add(count).min(total);
        let chosen = order.get(self.used..end).unwrap_or_default().to_vec();
        let next = if end == total {
            Self { epoch: self.epoch + 1, used: 0 }
        } else {
            Self { epoch: self.epoch, used: end }
        };
        (chosen, next)
    }
}

/// The permutation of an epoch: Fisher and Yates's shuffle with ChaCha8, one stream for each epoch.
pub(super) fn order(seed: u64, epoch: u64, total: usize) -> Vec<usize> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(epoch);
    let mut order: Vec<usize> = (0..total).collect();
    for last in (1..total).rev() {
        // The high half of a product: uniform up to 2^-64 of a difference, and without a division.
        let chosen = (u128::from(generator.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, chosen as usize);
    }
    order
}

/// Rows of `examples`, longest first, in micro-batches of at most `max_tokens` places (or one row).
pub(super) fn lay_out(
    examples: &[&Example],
    batching: Batching,
    max_tokens: NonZeroUsize,
) -> Vec<MicroBatch> {
    let mut sorted = examples.to_vec();
    sorted.sort_by_key(|example| std::cmp::Reverse(example.inputs()));
    let (rows, is_packed) = match batching {
        Batching::Bucketed => (sorted.into_iter().map(|example| vec![example]).collect(), false),
        Batching::Packed { row_tokens } => (pack(&sorted, row_tokens.get()), true),
    };
    let mut parts: Vec<Vec<Vec<&Example>>> = Vec::new();
    let mut longest = 0;
    for row in rows {
        let length = row_length(&row);
        match parts.last_mut() {
            Some(part) if (part.len() + 1) * length.max(longest) <= max_tokens.get() => part.push(row),
            Some(_) | None => {
                longest = 0;
                parts.push(vec![row]);
            }
        }
        longest = longest.max(length);
    }
    parts.iter().map(|rows| fill(rows, is_packed)).collect()
}

fn row_length(row: &[&Example]) -> usize {
    row.iter().map(|example| example.inputs()).sum()
}

/// First fit: each example goes to the first row with room.
fn pack<'a>(sorted: &[&'a Example], row_tokens: usize) -> Vec<Vec<&'a Example>> {
    let mut rows: Vec<(usize, Vec<&Example>)> = Vec::new();
    for example in sorted {
        let room = rows.iter_mut().find(|(used, _)| used + example.inputs() <= row_tokens);
        match room {
            Some((used, row)) => {
                *used += example.inputs();
                row.push(example);
            }
            None => rows.push((example.inputs(), vec![example])),
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

fn fill(rows: &[Vec<&Example>], is_packed: bool) -> MicroBatch {
    let length = rows.iter().map(|row| row_length(row)).max().unwrap_or(0);
    let places = rows.len() * length;
    let (mut tokens, mut targets, mut weights) = (vec![0; places], vec![0; places], vec![0.0; places]);
    for (index, row) in rows.iter().enumerate() {
        let mut place = index * length;
        for example in row {
            for (at, pair) in example.tokens.windows(2).enumerate() {
                tokens[place] = pair[0];
                if at + 1 >= example.completion {
                    (targets[place], weights[place]) = (pair[1], example.weight);
                }
                place += 1;
            }
        }
    }
    let lengths = |row: &Vec<&Example>| row.iter().map(|example| example.inputs()).collect();
    let packed = is_packed.then(|| rows.iter().map(lengths).collect());
    MicroBatch { tokens, targets, weights, length, packed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(length: usize, completion: usize) -> Example {
        Example { tokens: (1..=length as u32).collect(), completion, weight: 1.0 }
    }

    const ROOM: NonZeroUsize = NonZeroUsize::new(12).expect("not 0");

    #[test]
    fn an_epoch_has_every_example_once_in_an_order_of_its_own() {
        let mut cursor = Cursor::default();
        let mut epochs = vec![Vec::new(), Vec::new()];
        while cursor.epoch < 2 {
            let (chosen, next) = cursor.next(7, 10, 4);
            assert!(!chosen.is_empty());
            epochs[cursor.epoch as usize].extend(chosen);
            cursor = next;
        }
        assert_ne!(epochs[0], epochs[1]);
        assert_ne!(epochs[0], order(8, 0, 10));
        for epoch in &mut epochs {
            epoch.sort_unstable();
            assert_eq!(*epoch, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn only_completions_count() {
        let (short, long) = (example(3, 0), example(5, 3));
        let batch = &lay_out(&[&short, &long], Batching::Bucketed, ROOM)[0];
        assert_eq!((batch.length, batch.rows()), (4, 2));
        assert_eq!(batch.tokens, [1, 2, 3, 4, 1, 2, 0, 0]);
        assert_eq!(batch.targets, [0, 0, 4, 5, 2, 3, 0, 0]);
        assert_eq!(batch.weights, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        for one in [&short, &long] {
            let counted = |batch: &MicroBatch| batch.weights.iter().filter(|&&w| w > 0.0).count();
            assert_eq!(counted(&lay_out(&[one], Batching::Bucketed, ROOM)[0]), one.predicted());
        }
    }

    #[test]
    fn packed_rows_hold_the_same_pairs() {
        let examples: Vec<_> = [3, 9, 4, 2, 20, 5].map(|length| example(length, 1)).into();
        let all: Vec<_> = examples.iter().collect();
        let pairs = |batches: &[MicroBatch]| {
            let mut pairs: Vec<_> = batches
                .iter()
                .flat_map(|b| b.tokens.iter().zip(&b.targets).zip(&b.weights))
                .filter(|&(_, &weight)| weight > 0.0)
                .map(|((&token, &target), _)| (token, target))
                .collect();
            pairs.sort_unstable();
            pairs
        };
        let packed = lay_out(&all, Batching::Packed { row_tokens: ROOM }, ROOM);
        let bucketed = lay_out(&all, Batching::Bucketed, ROOM);
        assert_eq!(pairs(&packed), pairs(&bucketed));
        assert!(packed.iter().all(|b| b.rows() == 1 || b.tokens.len() <= ROOM.get()));
        let places = |batches: &[MicroBatch]| batches.iter().map(|b| b.tokens.len()).sum::<usize>();
        assert!(places(&packed) < places(&bucketed));
        let texts: usize = packed.iter().flat_map(|b| b.packed.iter().flatten()).map(Vec::len).sum();
        assert_eq!(texts, examples.len());
    }
}
