//! Algorithm 4 over any search for neighbours.

use std::num::NonZeroUsize;

use super::best::Neighbour;

/// Targets whose neighbours are looked for together, at the beginning and at most.
const FIRST_BLOCK: usize = 256;
const LARGEST_BLOCK: usize = 4096;

/// A target gets at least so many neighbours more than it takes, because targets before it in the block may take some.
const SPARE: usize = 64;

/// A target and how many neighbours it gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) target: usize,
    pub(super) count: usize,
}

/// A search for the nearest points, from which points can be removed.
pub(super) trait Neighbours {
    /// For each of the targets the nearest points that are left, nearest first; fewer than wanted only if there are no
    /// more.
    fn nearest(&self, targets: &[Wanted], threads: NonZeroUsize) -> Vec<Vec<Neighbour>>;

    /// Takes out a point that is there.
    fn remove(&mut self, point: u32);

    /// How many points there were at the beginning.
    fn points(&self) -> usize;
}

/// What was matched so far.
#[derive(Debug)]
pub(super) struct Tally {
    /// How often each point was taken.
    pub(super) taken: Vec<u64>,
    /// All of that together.
    pub(super) made: u64,
    /// Sum of the similarities.
    pub(super) similarity: f64,
    pub(super) masked: usize,
}

impl Tally {
    pub(super) fn new(points: usize) -> Self {
        Self { taken: vec![0; points], made: 0, similarity: 0.0, masked: 0 }
    }

    pub(super) fn add(&mut self, neighbour: Neighbour, times: u64) {
        self.taken[neighbour.point as usize] += times;
        self.made += times;
        self.similarity += f64::from(neighbour.similarity) * times as f64;
    }
}

/// What is to be matched.
#[derive(Debug)]
pub(super) struct Matches<'a> {
    /// The targets in the order in which they take.
    pub(super) order: &'a [usize],
    /// How many points each takes, by target.
    pub(super) wanted: &'a [u32],
    /// A point that was taken more often is masked.
    pub(super) limit: Option<f64>,
}

impl Matches<'_> {
    pub(super) fn make(&self, neighbours: &mut impl Neighbours, threads: NonZeroUsize) -> Tally {
        let mut tally = Tally::new(neighbours.points());
        let (mut rest, mut block) = (self.order, FIRST_BLOCK);
        while !rest.is_empty() {
            let count = block.min(rest.len());
            let targets: Vec<Wanted> = rest[..count].iter().map(|&target| self.ask(target)).collect();
            let lists = neighbours.nearest(&targets, threads);
            let answered = targets.iter().zip(lists);
            let served =
                answered.take_while(|(target, list)| self.serve(target, list, neighbours, &mut tally));
            // The first of a block is always served: no point of its list is full.
            let served = served.count().max(1);
            rest = &rest[served..];
            // Where a block went too far, the next will not go much farther.
            block = if served < count { served } else { (2 * block).min(LARGEST_BLOCK) };
        }
        tally
    }

    fn ask(&self, target: usize) -> Wanted {
        let takes = self.wanted[target] as usize;
        Wanted { target, count: takes + takes.max(SPARE) }
    }

    fn is_full(&self, taken: u64) -> bool {
        self.limit.is_some_and(|limit| taken as f64 > limit)
    }

    /// Matches a target, unless its list is used up and there may be more neighbours.
    fn serve(
        &self,
        target: &Wanted,
        list: &[Neighbour],
        neighbours: &mut impl Neighbours,
        tally: &mut Tally,
    ) -> bool {
        let takes = self.wanted[target.target] as usize;
        let is_free = |one: &&Neighbour| !self.is_full(tally.taken[one.point as usize]);
        let chosen: Vec<Neighbour> = list.iter().filter(is_free).take(takes).copied().collect();
        if chosen.len() < takes && list.len() >= target.count {
            return false;
        }
        for one in chosen {
            tally.add(one, 1);
            if self.is_full(tally.taken[one.point as usize]) {
                neighbours.remove(one.point);
                tally.masked += 1;
            }
        }
        true
    }
}
