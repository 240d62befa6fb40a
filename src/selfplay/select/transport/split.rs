//! A set of points in a few clusters: k-means on the sphere, from centres by chance (k-means++), which follows from the
//! set alone.

use std::num::NonZeroUsize;

use super::super::random::{Random, Stream};
use super::dot::{dot, products};
use super::embeddings::Embeddings;
use super::parallel;

/// Clusters are found on this many points for each of them.
const SAMPLE: usize = 64;

/// Rounds of k-means. More hardly move a centre.
const ROUNDS: usize = 6;

/// Points in a piece of work.
const CHUNK: usize = 4096;

/// A part of a set.
#[derive(Debug)]
pub(super) struct Cluster {
    /// In rising order, if the set was.
    pub(super) points: Vec<u32>,
    /// The direction of their mean.
    pub(super) centre: Vec<f32>,
}

/// The points in at most `clusters` parts, none of them empty and none of them all, if there are two points and two
/// clusters or more. The parts are much smaller than the whole if the points are not almost all the same; and if they
/// are, it does not matter which are together, and the parts are equal.
pub(super) fn split(
    embeddings: Embeddings<'_>,
    points: &[u32],
    clusters: usize,
    threads: NonZeroUsize,
) -> Vec<Cluster> {
    let centres = centres(embeddings, points, clusters);
    let chunks: Vec<&[u32]> = points.chunks(CHUNK).collect();
    let assigned = parallel::map(chunks.len(), threads, |job| assign(embeddings, chunks[job], &centres));
    let mut parts = vec![Vec::new(); clusters.max(1)];
    for (&point, part) in points.iter().zip(assigned.into_iter().flatten()) {
        parts[part].push(point);
    }
    parts.retain(|part| !part.is_empty());
    let largest = parts.iter().map(Vec::len).max().unwrap_or(0);
    if largest > points.len() / 8 * 7 {
        parts = points.chunks(points.len().div_ceil(clusters).max(1)).map(<[u32]>::to_vec).collect();
    }
    let centres = parallel::map(parts.len(), threads, |part| mean(embeddings, &parts[part]));
    parts.into_iter().zip(centres).map(|(points, centre)| Cluster { points, centre }).collect()
}

/// Centres of clusters, row after row, from a sample.
fn centres(embeddings: Embeddings<'_>, points: &[u32], clusters: usize) -> Vec<f32> {
    let sample = spread(points, clusters * SAMPLE);
    let mut centres = first_centres(embeddings, &sample, clusters);
    for _ in 0..ROUNDS {
        let mut sums = vec![0.0; centres.len()];
        for (&point, part) in sample.iter().zip(assign(embeddings, &sample, &centres)) {
            let sum = &mut sums[part * embeddings.dim()..][..embeddings.dim()];
            sum.iter_mut().zip(embeddings.row(point as usize)).for_each(|(sum, x)| *sum += x);
        }
        for (centre, sum) in
            centres.chunks_exact_mut(embeddings.dim()).zip(sums.chunks_exact_mut(embeddings.dim()))
        {
            // A cluster that nothing is near to stays where it is.
            if normalise(sum) {
                centre.copy_from_slice(sum);
            }
        }
    }
    centres
}

/// Points of the sample, each drawn with a probability that is proportional to its distance from those before it (Arthur
/// and Vassilvitskii 2007: half the squared Euclidean distance is `1 - cos`).
fn first_centres(embeddings: Embeddings<'_>, sample: &[u32], clusters: usize) -> Vec<f32> {
    let mut centres = Vec::with_capacity(clusters * embeddings.dim());
    let Some(&first) = sample.first() else { return centres };
    let mut random = Random::of_item(sample.len() as u64, Stream::Clusters, i64::from(first));
    let mut distances = vec![2.0; sample.len()];
    for _ in 0..clusters {
        let Some(chosen) = random.weighted(&distances) else { break };
        let centre = embeddings.row(sample[chosen] as usize);
        centres.extend_from_slice(centre);
        let row = |at: usize| embeddings.row(sample[at] as usize);
        products(centre, sample.len(), row, |at, similarity| {
            distances[at] = distances[at].min(f64::from(1.0 - similarity).max(0.0));
        });
        distances[chosen] = 0.0;
    }
    centres
}

/// At most so many of the items, at equal distances.
fn spread(items: &[u32], most: usize) -> Vec<u32> {
    let count = most.min(items.len());
    (0..count).map(|at| items[at * items.len() / count]).collect()
}

/// The nearest centre of each point; of equally near ones the first.
fn assign(embeddings: Embeddings<'_>, points: &[u32], centres: &[f32]) -> Vec<usize> {
    let dim = embeddings.dim();
    let nearest = |&point: &u32| {
        let (mut nearest, mut most) = (0, f32::NEG_INFINITY);
        let row = |at: usize| &centres[at * dim..(at + 1) * dim];
        products(embeddings.row(point as usize), centres.len() / dim, row, |at, similarity| {
            if similarity > most {
                (nearest, most) = (at, similarity);
            }
        });
        nearest
    };
    points.iter().map(nearest).collect()
}

fn mean(embeddings: Embeddings<'_>, points: &[u32]) -> Vec<f32> {
    let mut sum = vec![0.0; embeddings.dim()];
    for &point in points {
        sum.iter_mut().zip(embeddings.row(point as usize)).for_each(|(sum, x)| *sum += x);
    }
    normalise(&mut sum);
    sum
}

/// Makes it of length one, unless it is 0.
fn normalise(vector: &mut [f32]) -> bool {
    let length = dot(vector, vector).sqrt();
    let is_direction = length > 1e-6;
    if is_direction {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    is_direction
}

#[cfg(test)]
mod tests {
    use super::super::tests::clustered;
    use super::*;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    fn parts(rows: &[f32], dim: usize, clusters: usize) -> Vec<Vec<u32>> {
        let embeddings = Embeddings::new(rows, dim).expect("rows");
        let all: Vec<u32> = (0..embeddings.count() as u32).collect();
        let parts = split(embeddings, &all, clusters, ONE);
        let mut together: Vec<u32> = parts.iter().flat_map(|part| part.points.clone()).collect();
        together.sort_unstable();
        assert_eq!(together, all, "every point is in one part");
        assert!(parts.iter().all(|part| !part.points.is_empty() && part.points.len() < all.len()));
        parts.into_iter().map(|part| part.points).collect()
    }

    #[test]
    fn clusters_that_lie_apart_are_found() {
        // Four directions of eight, fifty points each, one after the other.
        let rows: Vec<f32> = (0..200_u16)
            .flat_map(|n| {
                let mut row = [0.0_f32; 8];
                row[usize::from(n % 4)] = 0.999;
                row[4 + usize::from(n % 3)] = (1.0_f32 - 0.999 * 0.999).sqrt();
                row
            })
            .collect();
        let mut parts = parts(&rows, 8, 4);
        parts.sort();
        assert_eq!(parts.len(), 4);
        for (n, part) in (0..).zip(parts) {
            assert!(part.iter().all(|point| point % 4 == n), "{part:?}");
        }
    }

    #[test]
    fn equal_points_make_equal_parts() {
        let rows = [0.6_f32, 0.8].repeat(100);
        let sizes: Vec<usize> = parts(&rows, 2, 8).iter().map(Vec::len).collect();
        assert_eq!(sizes, [13, 13, 13, 13, 13, 13, 13, 9]);
        assert_eq!(parts(&[0.6, 0.8, 0.6, 0.8], 2, 2).len(), 2);
    }

    #[test]
    fn threads_change_nothing() {
        let rows = clustered(9_000, 16, 1);
        let embeddings = Embeddings::new(&rows, 16).expect("rows");
        let all: Vec<u32> = (0..9_000).collect();
        let of = |threads| {
            let parts = split(embeddings, &all, 12, NonZeroUsize::new(threads).expect("not 0"));
            parts
                .into_iter()
                .map(|part| (part.points, part.centre.iter().map(|x| x.to_bits()).collect::<Vec<_>>()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(3));
    }
}
