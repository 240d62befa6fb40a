//! Nearest neighbours by looking at all points, blocks of targets against blocks of points.

use std::num::NonZeroUsize;

use super::best::{Best, Neighbour};
use super::dot::products;
use super::embeddings::Embeddings;
use super::greedy::{Neighbours, Wanted};
use super::parallel;

/// Targets in a piece of work: they stay in the cache while the points go by.
const STRIP: usize = 32;

/// Points in a piece of work.
const CHUNK: usize = 8192;

/// Targets whose lists are there at the same time.
const BLOCK: usize = 4096;

/// All points, and which of them are left.
pub(super) struct Exact<'a> {
    points: Embeddings<'a>,
    targets: Embeddings<'a>,
    is_left: Vec<bool>,
}

impl<'a> Exact<'a> {
    pub(super) fn new(points: Embeddings<'a>, targets: Embeddings<'a>) -> Self {
        Self { points, targets, is_left: vec![true; points.count()] }
    }

    /// The nearest points of one chunk for each target of a strip.
    fn of_chunk(&self, strip: &[Wanted], chunk: usize) -> Vec<Vec<Neighbour>> {
        let mut best: Vec<Best> = strip.iter().map(|wanted| Best::new(wanted.count)).collect();
        let rows: Vec<&[f32]> = strip.iter().map(|wanted| self.targets.row(wanted.target)).collect();
        let end = (chunk + 1) * CHUNK;
        for point in chunk * CHUNK..end.min(self.points.count()) {
            if self.is_left[point] {
                products(
                    self.points.row(point),
                    rows.len(),
                    |at| rows[at],
                    |at, similarity| {
                        best[at].offer(similarity, point as u32);
                    },
                );
            }
        }
        best.into_iter().map(Best::finish).collect()
    }
}

impl Neighbours for Exact<'_> {
    fn nearest(&self, targets: &[Wanted], threads: NonZeroUsize) -> Vec<Vec<Neighbour>> {
        let chunks = self.points.count().div_ceil(CHUNK);
        let strips: Vec<&[Wanted]> = targets.chunks(STRIP).collect();
        let work = |job: usize| self.of_chunk(strips[job / chunks], job % chunks);
        let mut pieces = parallel::map(strips.len() * chunks, threads, work).into_iter();
        let mut lists = Vec::with_capacity(targets.len());
        for strip in strips {
            let mut best: Vec<Best> = strip.iter().map(|wanted| Best::new(wanted.count)).collect();
            for piece in pieces.by_ref().take(chunks) {
                for (best, list) in best.iter_mut().zip(piece) {
                    list.iter().for_each(|one| best.offer(one.similarity, one.point));
                }
            }
            lists.extend(best.into_iter().map(Best::finish));
        }
        lists
    }

    fn remove(&mut self, point: u32) {
        self.is_left[point as usize] = false;
    }

    fn points(&self) -> usize {
        self.points.count()
    }
}

/// The nearest point of each target; `None` if there are no points.
pub(super) fn nearest(
    points: Embeddings<'_>,
    targets: Embeddings<'_>,
    order: &[usize],
    threads: NonZeroUsize,
) -> Vec<Option<Neighbour>> {
    let search = Exact::new(points, targets);
    let mut nearest = Vec::with_capacity(order.len());
    for block in order.chunks(BLOCK) {
        let wanted: Vec<Wanted> = block.iter().map(|&target| Wanted { target, count: 1 }).collect();
        nearest.extend(search.nearest(&wanted, threads).into_iter().map(|list| list.first().copied()));
    }
    nearest
}
