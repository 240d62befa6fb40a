//! Statements, proofs and embeddings that are made up from a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What stands before every statement.
pub(super) const HEADER: &str = "import Mathlib\nopen BigOperators Real Nat\n";

/// One statement in so many is an earlier one under other names.
const REPEATS: usize = 10;

/// A Lean statement; two whose numbers have the same [`original`] differ in names alone.
pub(super) fn statement(number: usize) -> String {
    let original = original(number);
    let (x, y) = [("x", "y"), ("a", "b"), ("n", "m")][number % 3];
    let (sum, factor) = (original / 7, original % 7 + 2);
    format!(
        "theorem conjecture_{number} ({x} {y} : Nat) (h{number} : {x} + {sum} ≤ {y} * {factor}) (hz : 0 < {y}) :\n    \
         ∃ k, {x} * {factor} + {original} + k ≤ {y} * {factor} * {factor} + {original} * {y} := by"
    )
}

/// The number of the statement that this one repeats, or its own.
pub(super) fn original(number: usize) -> usize {
    if number % REPEATS == REPEATS - 1 { number - REPEATS / 2 } else { number }
}

/// A proof for such a statement.
pub(super) fn proof(number: usize, sample: usize) -> String {
    let steps = (number * 7 + sample * 3) % 11;
    let mut proof = format!("\n  refine ⟨{sample}, ?_⟩\n  have h0 := Nat.mul_le_mul_right {steps} hz");
    for step in 0..steps {
        proof.push_str(&format!("\n  have h{} := Nat.le_trans h{step} (by omega)", step + 1));
    }
    proof.push_str("\n  nlinarith");
    proof
}

/// Numbers from which an embedding is made, as many as real ones seem to have free.
const LATENT: usize = 24;

/// Clusters, which lie in [`TOPICS`].
const CLUSTERS: usize = 1000;
const TOPICS: usize = 50;

/// A place to make embeddings in: rows of length one in clusters.
pub(super) struct Space {
    dim: usize,
    /// `LATENT` rows.
    projection: Vec<f32>,
    clusters: Vec<[f32; LATENT]>,
}

impl Space {
    pub(super) fn new(dim: usize, seed: u64) -> Self {
        let mut random = generator(seed, 0);
        let topics: Vec<_> = (0..TOPICS).map(|_| around(&[0.0; LATENT], 1.0, &mut random)).collect();
        let cluster = |at: usize| around(&topics[at % TOPICS], 0.7, &mut random);
        let clusters = (0..CLUSTERS).map(cluster).collect();
        let scale = (dim as f32).sqrt().recip();
        let projection = (0..LATENT * dim).map(|_| normal(&mut random) * scale).collect();
        Self { dim, projection, clusters }
    }

    /// So many rows. The more `skewed`, the more are in the first clusters; 1 is as many in all.
    pub(super) fn rows(&self, count: usize, skewed: i32, seed: u64) -> Vec<f32> {
        let mut random = generator(seed, 1);
        let mut rows = vec![0.0_f32; count * self.dim];
        for row in rows.chunks_exact_mut(self.dim) {
            let cluster = uniform(&mut random).powi(skewed) * CLUSTERS as f32;
            let latent = around(&self.clusters[(cluster as usize).min(CLUSTERS - 1)], 0.4, &mut random);
            for (x, direction) in latent.iter().zip(self.projection.chunks_exact(self.dim)) {
                row.iter_mut().zip(direction).for_each(|(sum, part)| *sum += x * part);
            }
            // What no cluster explains: about a tenth of the length.
            let noise = (LATENT as f32 / self.dim as f32).sqrt();
            row.iter_mut().for_each(|x| *x += (uniform(&mut random) - 0.5) * noise);
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|x| *x /= length);
        }
        rows
    }
}

fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream);
    generator
}

fn around(centre: &[f32; LATENT], deviation: f32, random: &mut ChaCha8Rng) -> [f32; LATENT] {
    centre.map(|x| x + deviation * normal(random))
}

fn uniform(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1_u32 << 24) as f32
}

/// Normal to a good approximation.
fn normal(random: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| uniform(random)).sum::<f32>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofloop_datasets::rename::equivalent;

    #[test]
    fn repeats_are_equivalent_and_others_are_not() {
        for number in 0..60 {
            for other in 0..number {
                let same = original(number) == original(other);
                assert_eq!(equivalent(&statement(number), &statement(other)), same, "{number} {other}");
            }
        }
    }

    #[test]
    fn embeddings_follow_from_the_seed() {
        let space = Space::new(32, 1);
        let rows = space.rows(100, 2, 5);
        assert_eq!(rows, Space::new(32, 1).rows(100, 2, 5));
        assert_ne!(rows, space.rows(100, 2, 6));
        assert!(rows.chunks_exact(32).all(|row| (row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4));
    }
}
