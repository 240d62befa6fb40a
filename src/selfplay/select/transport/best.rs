//! The nearest of many points.

use std::cmp::Ordering;

/// A point and its similarity to a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Neighbour {
    pub(super) similarity: f32,
    pub(super) point: u32,
}

impl Neighbour {
    /// The nearer first, of equally near ones the first point.
    fn order(&self, other: &Self) -> Ordering {
        other.similarity.total_cmp(&self.similarity).then(self.point.cmp(&other.point))
    }
}

/// Keeps the nearest of what it is offered, in whatever order that comes.
#[derive(Debug)]
pub(super) struct Best {
    most: usize,
    /// Twice as many as are kept at most.
    some: Vec<Neighbour>,
    /// What is farther is not among the nearest.
    floor: f32,
}

impl Best {
    pub(super) fn new(most: usize) -> Self {
        Self { most, some: Vec::new(), floor: f32::NEG_INFINITY }
    }

    #[inline]
    pub(super) fn offer(&mut self, similarity: f32, point: u32) {
        if similarity < self.floor {
            return;
        }
        self.some.push(Neighbour { similarity, point });
        if self.some.len() >= 2 * self.most {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.some.len() <= self.most {
            return;
        }
        if let Some(last) = self.most.checked_sub(1) {
            let (_, last, _) = self.some.select_nth_unstable_by(last, Neighbour::order);
            self.floor = last.similarity;
        }
        self.some.truncate(self.most);
    }

    /// The nearest first.
    pub(super) fn finish(mut self) -> Vec<Neighbour> {
        self.cut();
        self.some.sort_unstable_by(Neighbour::order);
        self.some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best(offers: &[(u8, u32)], most: usize) -> Vec<(u32, u32)> {
        let mut best = Best::new(most);
        offers.iter().for_each(|&(similarity, point)| best.offer(f32::from(similarity), point));
        best.finish().into_iter().map(|one| (one.similarity as u32, one.point)).collect()
    }

    #[test]
    fn ties_go_to_the_first() {
        assert_eq!(best(&[(1, 4), (2, 9), (2, 3), (1, 0), (2, 5)], 2), [(2, 3), (2, 5)]);
        assert_eq!(best(&[(1, 4)], 2), [(1, 4)]);
        assert!(best(&[(1, 4)], 0).is_empty());
    }

    proptest! {
        #[test]
        fn it_is_the_head_of_the_sorted_list(similarities in prop::collection::vec(0..9_u8, 0..60), most in 0..20_usize) {
            let offers: Vec<(u8, u32)> = similarities.into_iter().zip(0..).collect();
            let mut sorted: Vec<(u32, u32)> = offers.iter().map(|&(s, point)| (u32::from(s), point)).collect();
            sorted.sort_by_key(|&(similarity, point)| (std::cmp::Reverse(similarity), point));
            sorted.truncate(most);
            prop_assert_eq!(best(&offers, most), sorted);
        }
    }
}
