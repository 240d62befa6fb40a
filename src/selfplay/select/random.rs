//! Chance from a seed: ChaCha8, a stream for each use, so that one rule's draws change no other's.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Who draws.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    SeedTrivial = 1,
    SeedOrder = 2,
    TargetConjectures = 3,
    TargetRetries = 4,
    TargetOrder = 5,
    Relabel = 6,
    TransportOrder = 7,
    ProofChoice = 8,
    Clusters = 9,
}

/// A stream of random numbers.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64, stream: Stream) -> Self {
        Self::of_item(seed, stream, 0)
    }

    /// A stream for one item alone: its numbers don't depend on which other items there are. Items that are equal in
    /// their lowest 56 bits share one.
    pub(super) fn of_item(seed: u64, stream: Stream, item: i64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream((stream as u64) << 56 | (item.cast_unsigned() & (u64::MAX >> 8)));
        Self(generator)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A place, with a probability proportional to its weight; none if no weight is above 0.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let mut rest = self.uniform() * weights.iter().sum::<f64>();
        let is_there = |&(_, &weight): &(usize, &f64)| {
            rest -= weight;
            weight > 0.0 && rest < 0.0
        };
        // Rounding can leave a rest behind the last.
        weights
            .iter()
            .enumerate()
            .find(is_there)
            .map(|(at, _)| at)
            .or_else(|| weights.iter().rposition(|&w| w > 0.0))
    }

    /// Normal to a good approximation, for tests.
    #[cfg(test)]
    pub(super) fn normal(&mut self) -> f32 {
        ((0..12).map(|_| self.uniform()).sum::<f64>() - 6.0) as f32
    }

    /// Puts the items in an order of which all are equally likely (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            // The high half of a product: uniform up to 2^-64 of a difference, and without a division.
            let chosen = (u128::from(self.0.next_u64()) * (last as u128 + 1)) >> 64;
            items.swap(last, chosen as usize);
        }
    }

    /// Leaves at most `most` of the items, each subset equally likely, in their order; says how many are gone.
    pub(super) fn cut<T>(&mut self, items: &mut Vec<T>, most: usize) -> usize {
        let over = items.len().saturating_sub(most);
        if over > 0 {
            let mut stays = vec![true; most];
            stays.resize(items.len(), false);
            self.shuffle(&mut stays);
            let mut stays = stays.into_iter();
            items.retain(|_| stays.next().unwrap_or(false));
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(seed: u64, stream: Stream) -> Vec<u32> {
        let mut items: Vec<u32> = (0..50).collect();
        Random::new(seed, stream).shuffle(&mut items);
        items
    }

    #[test]
    fn an_order_follows_from_seed_and_stream() {
        let order = shuffled(1, Stream::TargetOrder);
        assert_eq!(order, shuffled(1, Stream::TargetOrder));
        assert_ne!(order, shuffled(2, Stream::TargetOrder));
        assert_ne!(order, shuffled(1, Stream::SeedOrder));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn items_have_numbers_of_their_own() {
        let first = |item| Random::of_item(1, Stream::ProofChoice, item).0.next_u64();
        assert_eq!(first(3), first(3));
        assert_ne!(first(3), first(4));
        assert_ne!(first(-1), first(1));
    }

    #[test]
    fn a_chance_is_taken_as_often_as_it_says() {
        let mut random = Random::new(7, Stream::TargetRetries);
        let taken = (0..100_000).filter(|_| random.chance(0.05)).count();
        // Standard deviation 69.
        assert!((4_700..5_300).contains(&taken), "{taken}");
        assert!(!random.chance(0.0));
        assert!(random.chance(1.0));
    }

    #[test]
    fn weights_are_chances() {
        let mut random = Random::new(3, Stream::Clusters);
        let mut drawn = [0_u32; 4];
        for _ in 0..10_000 {
            drawn[random.weighted(&[0.0, 1.0, 0.0, 3.0]).expect("one of them")] += 1;
        }
        // Expected 2500 and 7500, standard deviation 43.
        assert!(drawn[0] == 0 && drawn[2] == 0 && (2_300..2_700).contains(&drawn[1]), "{drawn:?}");
        assert_eq!(random.weighted(&[0.0, 0.0]), None);
        assert_eq!(random.weighted(&[]), None);
    }

    #[test]
    fn a_cut_keeps_the_order_and_all_if_there_is_room() {
        let mut random = Random::new(1, Stream::Relabel);
        let mut items: Vec<u32> = (0..20).collect();
        assert_eq!(random.cut(&mut items, 20), 0);
        assert_eq!(items.len(), 20);
        assert_eq!(random.cut(&mut items, 5), 15);
        assert_eq!(items.len(), 5);
        assert!(items.is_sorted());
        assert_eq!(random.cut(&mut items, 0), 5);
        assert!(items.is_empty());
    }

    #[test]
    fn a_cut_is_fair() {
        let mut kept = [0_u32; 10];
        for seed in 0..2_000 {
            let mut items: Vec<usize> = (0..10).collect();
            Random::new(seed, Stream::Relabel).cut(&mut items, 3);
            items.iter().for_each(|&item| kept[item] += 1);
        }
        // Expected 600, standard deviation 20.
        assert!(kept.iter().all(|count| (500..700).contains(count)), "{kept:?}");
    }
}
