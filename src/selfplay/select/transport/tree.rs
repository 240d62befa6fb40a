//! Nearest neighbours in a tree of clusters: the clusters nearest to a target are looked through, until enough points
//! were. Points can be removed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::num::NonZeroUsize;
use std::ops::Range;

use super::best::{Best, Neighbour};
use super::dot::products;
use super::embeddings::Embeddings;
use super::greedy::{Neighbours, Wanted};
use super::parallel;
use super::split::{Cluster, split};

/// Points in a leaf at most,
const LARGEST_LEAF: usize = 256;

/// and about.
const LEAF: usize = 128;

/// Children of a node at most.
const BRANCHES: usize = 32;

/// Clusters larger than this are split by all threads together, smaller ones by one thread each.
const LARGE: usize = 1 << 16;

/// Targets in a piece of work.
const STRIP: usize = 16;

/// A cluster of points: of smaller clusters, or a leaf.
#[derive(Debug)]
struct Node {
    /// Itself at the root.
    parent: usize,
    /// None of a leaf.
    children: Range<usize>,
    /// Where a leaf's points begin in [`Tree::order`].
    first: usize,
    /// Points below it that are left.
    left: usize,
}

/// All points, in clusters. A parent stands before its children, and these side by side.
pub(super) struct Tree<'a> {
    points: Embeddings<'a>,
    targets: Embeddings<'a>,
    /// Points that are compared with a target at least, if there are as many.
    compared: usize,
    nodes: Vec<Node>,
    /// Of the nodes, row after row.
    centres: Vec<f32>,
    /// The points, leaf after leaf; in each, those that are left come first.
    order: Vec<u32>,
    /// Where each point stands in `order`.
    place: Vec<usize>,
    /// The leaf of each point.
    leaf: Vec<usize>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(
        points: Embeddings<'a>,
        targets: Embeddings<'a>,
        compared: usize,
        threads: NonZeroUsize,
    ) -> Self {
        let count = points.count();
        let mut tree = Self {
            points,
            targets,
            compared,
            nodes: Vec::new(),
            centres: Vec::new(),
            order: Vec::with_capacity(count),
            place: vec![0; count],
            leaf: vec![0; count],
        };
        let root = Cluster { points: (0..count as u32).collect(), centre: vec![0.0; points.dim()] };
        tree.add(0, &root);
        let mut level = vec![root];
        while !level.is_empty() {
            let first = tree.nodes.len() - level.len();
            let parts = split_all(points, &level, threads);
            let mut next = Vec::new();
            for (node, (cluster, parts)) in (first..).zip(level.into_iter().zip(parts)) {
                let children = tree.nodes.len();
                parts.iter().for_each(|part| tree.add(node, part));
                tree.nodes[node].children = children..tree.nodes.len();
                if parts.is_empty() {
                    tree.settle(node, &cluster.points);
                }
                next.extend(parts);
            }
            level = next;
        }
        tree
    }

    fn add(&mut self, parent: usize, cluster: &Cluster) {
        self.nodes.push(Node { parent, children: 0..0, first: 0, left: cluster.points.len() });
        self.centres.extend_from_slice(&cluster.centre);
    }

    /// Makes a node the leaf of these points.
    fn settle(&mut self, node: usize, points: &[u32]) {
        self.nodes[node].first = self.order.len();
        for &point in points {
            self.place[point as usize] = self.order.len();
            self.leaf[point as usize] = node;
            self.order.push(point);
        }
    }

    /// The nearest of the points in the clusters that are nearest to a target.
    fn search(&self, wanted: Wanted) -> Vec<Neighbour> {
        let target = self.targets.row(wanted.target);
        let enough = self.compared.max(4 * wanted.count);
        let mut best = Best::new(wanted.count);
        let mut compared = 0;
        let mut open = BinaryHeap::from([Open { similarity: 1.0, node: 0 }]);
        while compared < enough
            && let Some(Open { node, .. }) = open.pop()
        {
            let node = &self.nodes[node];
            if node.children.is_empty() {
                let leaf = &self.order[node.first..node.first + node.left];
                let row = |at: usize| self.points.row(leaf[at] as usize);
                products(target, leaf.len(), row, |at, similarity| best.offer(similarity, leaf[at]));
                compared += leaf.len();
            } else {
                self.open(target, node.children.clone(), &mut open);
            }
        }
        best.finish()
    }

    /// A leaf that is near to a target.
    fn leaf_of(&self, wanted: Wanted) -> usize {
        let target = self.targets.row(wanted.target);
        let mut node = 0;
        while !self.nodes[node].children.is_empty() {
            let mut open = BinaryHeap::new();
            self.open(target, self.nodes[node].children.clone(), &mut open);
            match open.pop() {
                Some(nearest) => node = nearest.node,
                None => return node,
            }
        }
        node
    }

    fn open(&self, target: &[f32], children: Range<usize>, open: &mut BinaryHeap<Open>) {
        let (dim, first) = (self.points.dim(), children.start);
        let row = |at: usize| &self.centres[(first + at) * dim..(first + at + 1) * dim];
        products(target, children.len(), row, |at, similarity| {
            if self.nodes[first + at].left > 0 {
                open.push(Open { similarity, node: first + at });
            }
        });
    }
}

/// The parts of each cluster of a level; none of one that is small enough for a leaf.
fn split_all(points: Embeddings<'_>, level: &[Cluster], threads: NonZeroUsize) -> Vec<Vec<Cluster>> {
    let parts_of = |cluster: &Cluster, threads| {
        let count = cluster.points.len();
        if count <= LARGEST_LEAF {
            return Vec::new();
        }
        split(points, &cluster.points, (count / LEAF).clamp(2, BRANCHES), threads)
    };
    let is_large = |cluster: &Cluster| cluster.points.len() > LARGE;
    let mut parts = parallel::map(level.len(), threads, |at| {
        if is_large(&level[at]) { Vec::new() } else { parts_of(&level[at], NonZeroUsize::MIN) }
    });
    for (parts, cluster) in parts.iter_mut().zip(level).filter(|(_, cluster)| is_large(cluster)) {
        *parts = parts_of(cluster, threads);
    }
    parts
}

impl Neighbours for Tree<'_> {
    fn nearest(&self, targets: &[Wanted], threads: NonZeroUsize) -> Vec<Vec<Neighbour>> {
        // Targets near to each other one after the other, because they look through the same points.
        let strips: Vec<&[Wanted]> = targets.chunks(STRIP).collect();
        let leaves = |job: usize| strips[job].iter().map(|&wanted| self.leaf_of(wanted)).collect::<Vec<_>>();
        let leaves = parallel::map(strips.len(), threads, leaves).into_iter().flatten();
        let mut order: Vec<(usize, usize)> = leaves.zip(0..).collect();
        order.sort_unstable();
        let strips: Vec<&[(usize, usize)]> = order.chunks(STRIP).collect();
        let found = |job: usize| {
            strips[job].iter().map(|&(_, at)| (at, self.search(targets[at]))).collect::<Vec<_>>()
        };
        let mut found: Vec<_> = parallel::map(strips.len(), threads, found).into_iter().flatten().collect();
        found.sort_unstable_by_key(|&(at, _)| at);
        found.into_iter().map(|(_, list)| list).collect()
    }

    fn remove(&mut self, point: u32) {
        let (mut node, place) = (self.leaf[point as usize], self.place[point as usize]);
        let last = self.nodes[node].first + self.nodes[node].left - 1;
        let other = self.order[last];
        self.order.swap(place, last);
        (self.place[point as usize], self.place[other as usize]) = (last, place);
        loop {
            self.nodes[node].left -= 1;
            if self.nodes[node].parent == node {
                return;
            }
            node = self.nodes[node].parent;
        }
    }

    fn points(&self) -> usize {
        self.points.count()
    }
}

/// A node that was not looked into yet; the greatest is the next.
#[derive(Debug)]
struct Open {
    similarity: f32,
    node: usize,
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity.total_cmp(&other.similarity).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Open {}

#[cfg(test)]
mod tests {
    use super::super::tests::clustered;
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not 0");

    #[test]
    fn every_point_is_in_a_leaf_and_every_parent_counts_it() {
        let rows = clustered(5_000, 16, 3);
        let points = Embeddings::new(&rows, 16).expect("rows");
        let tree = Tree::new(points, points, 10, TWO);
        let mut order = tree.order.clone();
        order.sort_unstable();
        assert_eq!(order, (0..5_000).collect::<Vec<_>>());
        assert_eq!(tree.centres.len(), tree.nodes.len() * 16);
        for node in tree.nodes.iter().filter(|node| !node.children.is_empty()) {
            let left: usize = tree.nodes[node.children.clone()].iter().map(|child| child.left).sum();
            assert_eq!(left, node.left);
        }
        let leaves = tree.nodes.iter().filter(|node| node.children.is_empty());
        assert!(leaves.clone().all(|leaf| leaf.left <= LARGEST_LEAF));
        assert!((20..300).contains(&leaves.count()));
    }

    #[test]
    fn what_is_removed_is_not_found_and_all_else_is() {
        let rows = clustered(2_000, 8, 4);
        let points = Embeddings::new(&rows, 8).expect("rows");
        let mut tree = Tree::new(points, points, usize::MAX, TWO);
        let found = |tree: &Tree<'_>, target| {
            let mut list: Vec<u32> =
                tree.search(Wanted { target, count: 5_000 }).iter().map(|one| one.point).collect();
            list.sort_unstable();
            list
        };
        assert_eq!(found(&tree, 7), (0..2_000).collect::<Vec<_>>());
        (0..2_000).filter(|point| point % 3 > 0).for_each(|point| tree.remove(point));
        assert_eq!(found(&tree, 7), (0..2_000).filter(|point| point % 3 == 0).collect::<Vec<_>>());
        (0..2_000).filter(|point| point % 3 == 0).for_each(|point| tree.remove(point));
        assert!(found(&tree, 7).is_empty());
    }

    #[test]
    fn no_points_are_a_tree_too() {
        let (none, rows) = (Embeddings::new(&[], 8).expect("none"), clustered(1, 8, 1));
        let target = Embeddings::new(&rows, 8).expect("a row");
        assert!(Tree::new(none, target, 10, TWO).search(Wanted { target: 0, count: 3 }).is_empty());
    }
}
