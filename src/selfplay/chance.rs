//! Chance that follows from the run's seed: a stream of its own for each purpose, iteration and item, so that no draw
//! changes another and a stage that is done again draws the same.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The seed of one purpose.
pub(crate) fn seed(run: u64, purpose: &str, iteration: u32, item: i64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&run.to_le_bytes());
    hasher.update(&iteration.to_le_bytes());
    hasher.update(&item.to_le_bytes());
    hasher.update(purpose.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// `count` of `0..total`, or all, in rising order.
pub(crate) fn choose(run: u64, purpose: &str, iteration: u32, total: usize, count: usize) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed(run, purpose, iteration, 0));
    let mut all: Vec<usize> = (0..total).collect();
    let count = count.min(total);
    // The first steps of Fisher and Yates' shuffle. A remainder of 64 random bits is even enough.
    for place in 0..count {
        let other = place + (random.next_u64() % (total - place) as u64) as usize;
        all.swap(place, other);
    }
    all.truncate(count);
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_draw_apart_and_each_the_same_again() {
        assert_eq!(seed(1, "prove", 2, 3), seed(1, "prove", 2, 3));
        let others =
            [seed(2, "prove", 2, 3), seed(1, "provf", 2, 3), seed(1, "prove", 3, 3), seed(1, "prove", 2, 4)];
        assert!(others.iter().all(|&other| other != seed(1, "prove", 2, 3)));
        assert_eq!(choose(1, "x", 0, 5, 9), [0, 1, 2, 3, 4]);
        let chosen = choose(1, "x", 0, 100, 10);
        assert_eq!(chosen, choose(1, "x", 0, 100, 10));
        assert_eq!(chosen.len(), 10);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
