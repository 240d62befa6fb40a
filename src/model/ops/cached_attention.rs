//! Attention of new tokens to a cache: `o = softmax(scale q k^T) v` over a prefix that rows may share and then over
//! each row's own keys, heads side by side.
//!
//! For generation on a CPU, with every element's bits independent of the other rows: a score is one dot product
//! ([`super::product`]), a softmax one line, an output one chain of sums over the keys in order, from the first of the
//! prefix to the last of the row. So a prefix changes nothing either, wherever it ends.

use std::ops::Range;

use candle_core::{Result, Tensor};
use pulp::{Arch, Simd, WithSimd};

use super::lanes::Lanes;
use super::product::Product;
use super::{Read, for_real};

const NAME: &str = "cached-attention";

/// Queries that are worked on at a time: this many lines of scores are in memory.
const LINES: usize = 64;

/// Numbers that are summed side by side within a line of scores, so that the order does not depend on the processor.
const SIDE_BY_SIDE: usize = 16;

/// Rows that continue one prefix, or none.
pub(crate) struct Sharing<'a> {
    pub(crate) rows: &'a [usize],
    /// Keys and values, [kv_heads, length, d] each.
    pub(crate) prefix: Option<(&'a Tensor, &'a Tensor)>,
}

/// What the rows have: keys and values [max_rows, kv_heads, capacity, d], and the number of own tokens of each row, the
/// new ones left out.
pub(crate) struct Stored<'a> {
    pub(crate) keys: &'a Tensor,
    pub(crate) values: &'a Tensor,
    pub(crate) lengths: &'a [usize],
}

/// Of queries [rows, kv_heads, group * length, d], `length` new tokens in each row, to [rows, length, heads * d].
///
/// # Errors
/// Shapes or dtypes don't fit, or the tensors are not contiguous on the CPU.
pub(crate) fn cached_attention(
    query: &Tensor,
    length: usize,
    stored: &Stored<'_>,
    sharing: &[Sharing<'_>],
    scale: f64,
) -> Result<Tensor> {
    let (rows, kv_heads, below, d) = query.dims4()?;
    let (max_rows, stored_heads, capacity, stored_d) = stored.keys.dims4()?;
    let fits = stored_heads == kv_heads
        && stored_d == d
        && rows <= max_rows
        && stored.lengths.len() == rows
        && stored.lengths.iter().all(|own| own + length <= capacity)
        && length > 0
        && below.is_multiple_of(length)
        && sharing.iter().map(|sharing| sharing.rows.len()).sum::<usize>() == rows
        && sharing.iter().flat_map(|sharing| sharing.rows).all(|&row| row < rows);
    if !fits {
        candle_core::bail!(
            "{NAME}: query {:?}, keys {:?}, {length} new tokens",
            query.shape(),
            stored.keys.shape()
        );
    }
    let sizes = Sizes { rows, kv_heads, below, d, length, capacity, scale };
    for_real!(query.dtype(), run(&sizes, query, stored, sharing))
}

struct Sizes {
    rows: usize,
    kv_heads: usize,
    /// Queries of a row and key head: those of each head of the group below each other.
    below: usize,
    d: usize,
    length: usize,
    capacity: usize,
    scale: f64,
}

fn run<T: Lanes>(
    sizes: &Sizes,
    query: &Tensor,
    stored: &Stored<'_>,
    sharing: &[Sharing<'_>],
) -> Result<Tensor> {
    let (qs, ks, vs) = (Read::new(query), Read::new(stored.keys), Read::new(stored.values));
    let (query_data, keys, values) =
        (qs.elements::<T>(NAME)?, ks.elements::<T>(NAME)?, vs.elements::<T>(NAME)?);
    let mut out = vec![T::zero(); query_data.len()];
    for group in sharing {
        let read = group.prefix.map(|(keys, values)| (Read::new(keys), Read::new(values)));
        let prefix = match &read {
            Some((keys, values)) => (keys.elements::<T>(NAME)?, values.elements::<T>(NAME)?),
            None => (&[][..], &[][..]),
        };
        Arch::new().dispatch(Attend {
            sizes,
            query: query_data,
            keys,
            values,
            lengths: stored.lengths,
            rows: group.rows,
            prefix,
            out: &mut out,
        });
    }
    let heads = sizes.kv_heads * sizes.below / sizes.length;
    Tensor::from_vec(out, (sizes.rows, sizes.length, heads * sizes.d), query.device())
}

/// The rows of one [`Sharing`].
struct Attend<'a, T> {
    sizes: &'a Sizes,
    query: &'a [T],
    keys: &'a [T],
    values: &'a [T],
    lengths: &'a [usize],
    rows: &'a [usize],
    prefix: (&'a [T], &'a [T]),
    out: &'a mut [T],
}

/// Lines of one row and key head: queries `first..first + count` of `below`.
#[derive(Clone, Copy)]
struct Segment {
    row: usize,
    first: usize,
    count: usize,
}

/// Buffers for a block of lines.
struct Block<T> {
    queries: Vec<T>,
    scores: Vec<T>,
    sums: Vec<T>,
    /// Keys of the prefix.
    shared: usize,
    /// Of a line of scores.
    width: usize,
    /// Of `e^score * value`, before they are divided by the sum.
    heads: Vec<T>,
}

impl<T: Lanes> WithSimd for Attend<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut block = Block {
            queries: Vec::new(),
            scores: Vec::new(),
            sums: Vec::new(),
            heads: Vec::new(),
            shared: 0,
            width: 0,
        };
        for segments in self.blocks() {
            for head in 0..self.sizes.kv_heads {
                self.attend(simd, head, &segments, &mut block);
            }
        }
    }
}

impl<T: Lanes> Attend<'_, T> {
    /// All lines, in blocks of at most [`LINES`].
    fn blocks(&self) -> Vec<Vec<Segment>> {
        let (mut blocks, mut free) = (Vec::<Vec<Segment>>::new(), 0);
        for &row in self.rows {
            let mut first = 0;
            while first < self.sizes.below {
                if free == 0 {
                    blocks.push(Vec::new());
                    free = LINES;
                }
                let count = free.min(self.sizes.below - first);
                if let Some(block) = blocks.last_mut() {
                    block.push(Segment { row, first, count });
                }
                first += count;
                free -= count;
            }
        }
        blocks
    }

    /// Own keys that a line sees.
    fn visible(&self, row: usize, line: usize) -> usize {
        self.lengths[row] + line % self.sizes.length + 1
    }

    /// The most own keys that a line of a segment sees.
    fn reach(&self, segment: &Segment) -> usize {
        let lines = segment.first..segment.first + segment.count;
        lines.map(|line| self.visible(segment.row, line)).max().unwrap_or(0)
    }

    #[inline(always)]
    fn attend<S: Simd>(&mut self, simd: S, head: usize, segments: &[Segment], block: &mut Block<T>) {
        let (kv_heads, below, d) = (self.sizes.kv_heads, self.sizes.below, self.sizes.d);
        block.queries.clear();
        for segment in segments {
            let start = ((segment.row * kv_heads + head) * below + segment.first) * d;
            block.queries.extend_from_slice(&self.query[start..start + segment.count * d]);
        }
        block.shared = self.prefix.0.len() / (kv_heads * d);
        block.width = block.shared + segments.iter().map(|segment| self.reach(segment)).max().unwrap_or(0);
        self.score(simd, head, segments, block);
        self.weigh(simd, head, segments, block);
        self.finish(head, segments, block);
    }

    /// Where a prefix's and a row's own keys of a head are.
    fn places(&self, head: usize, segment: &Segment, shared: usize) -> (Range<usize>, Range<usize>) {
        let Sizes { kv_heads, d, capacity, .. } = *self.sizes;
        let own = (segment.row * kv_heads + head) * capacity * d;
        (head * shared * d..(head + 1) * shared * d, own..own + self.reach(segment) * d)
    }

    /// Exponentials of the scores, and their sums.
    #[inline(always)]
    fn score<S: Simd>(&self, simd: S, head: usize, segments: &[Segment], block: &mut Block<T>) {
        let (d, stride) = (self.sizes.d, block.width);
        block.scores.resize(block.queries.len() / d * stride, T::zero());
        block.sums.clear();
        if let Some(first) = segments.first().filter(|_| block.shared > 0) {
            let w = &self.prefix.0[self.places(head, first, block.shared).0];
            Product { x: &block.queries, w, inner: d, y: &mut block.scores, stride, column: 0 }
                .with_simd(simd);
        }
        let mut at = 0;
        for segment in segments {
            let w = &self.keys[self.places(head, segment, block.shared).1];
            let x = &block.queries[at * d..(at + segment.count) * d];
            let y = &mut block.scores[at * stride..(at + segment.count) * stride];
            Product { x, w, inner: d, y, stride, column: block.shared }.with_simd(simd);
            for (place, line) in y.chunks_exact_mut(stride).enumerate() {
                let seen = block.shared + self.visible(segment.row, segment.first + place);
                let (seen, rest) = line.split_at_mut(seen);
                block.sums.push(exponentials(seen, self.sizes.scale));
                rest.fill(T::zero());
            }
            at += segment.count;
        }
    }

    /// The values, each times its weight: the prefix's, then the row's own.
    #[inline(always)]
    fn weigh<S: Simd>(&self, simd: S, head: usize, segments: &[Segment], block: &mut Block<T>) {
        let (d, width) = (self.sizes.d, block.width);
        block.heads.clear();
        block.heads.resize(block.queries.len(), T::zero());
        if let Some(first) = segments.first() {
            let values = &self.prefix.1[self.places(head, first, block.shared).0];
            weigh(simd, &block.scores, width, 0, values, d, &mut block.heads);
        }
        let mut at = 0;
        for segment in segments {
            let values = &self.values[self.places(head, segment, block.shared).1];
            let scores = &block.scores[at * width..(at + segment.count) * width];
            let heads = &mut block.heads[at * d..(at + segment.count) * d];
            weigh(simd, scores, width, block.shared, values, d, heads);
            at += segment.count;
        }
    }

    /// Divides by the sums, and puts each line where it belongs.
    #[inline(always)]
    fn finish(&mut self, head: usize, segments: &[Segment], block: &Block<T>) {
        let Sizes { kv_heads, below, d, length, .. } = *self.sizes;
        let group = below / length;
        let lines = segments.iter().flat_map(|segment| {
            (segment.first..segment.first + segment.count).map(|line| (segment.row, line))
        });
        for ((row, line), (from, sum)) in lines.zip(block.heads.chunks_exact(d).zip(&block.sums)) {
            let (member, step) = (line / length, line % length);
            let to = (((row * length + step) * kv_heads + head) * group + member) * d;
            let share = sum.recip();
            for (to, &from) in self.out[to..to + d].iter_mut().zip(from) {
                *to = from * share;
            }
        }
    }
}

/// Scores to `e^(scale * (score - largest))`, in place; gives their sum.
#[inline(always)]
fn exponentials<T: Lanes>(scores: &mut [T], scale: f64) -> T {
    let scale = T::from_f64(scale);
    let mut most = [T::neg_infinity(); SIDE_BY_SIDE];
    let larger = |a: T, b: T| if b > a { b } else { a };
    let mut chunks = scores.chunks_exact(SIDE_BY_SIDE);
    for chunk in &mut chunks {
        for (most, &score) in most.iter_mut().zip(chunk) {
            *most = larger(*most, score);
        }
    }
    let rest = chunks.remainder().iter().copied();
    let most = most.into_iter().chain(rest).fold(T::neg_infinity(), larger);
    let mut sums = [T::zero(); SIDE_BY_SIDE];
    let mut chunks = scores.chunks_exact_mut(SIDE_BY_SIDE);
    for chunk in &mut chunks {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *score = ((*score - most) * scale).exp_inline();
            *sum += *score;
        }
    }
    let mut total = sums.into_iter().fold(T::zero(), |total, sum| total + sum);
    for score in chunks.into_remainder() {
        *score = ((*score - most) * scale).exp_inline();
        total += *score;
    }
    total
}

/// Adds to each row of `to` [lines, d] the rows of `values` [n, d], each times the line's weight at `column + n`.
#[inline(always)]
fn weigh<S: Simd, T: Lanes>(
    simd: S,
    weights: &[T],
    width: usize,
    column: usize,
    values: &[T],
    d: usize,
    to: &mut [T],
) {
    let tile = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
    for (weights, to) in weights.chunks(tile * width).zip(to.chunks_mut(tile * d)) {
        match to.len() / d {
            4 => weigh_tile::<S, T, 4>(simd, weights, width, column, values, d, to),
            3 => weigh_tile::<S, T, 3>(simd, weights, width, column, values, d, to),
            2 => weigh_tile::<S, T, 2>(simd, weights, width, column, values, d, to),
            _ => weigh_tile::<S, T, 1>(simd, weights, width, column, values, d, to),
        }
    }
}

/// [`weigh`] for `R` lines.
#[inline(always)]
fn weigh_tile<S: Simd, T: Lanes, const R: usize>(
    simd: S,
    weights: &[T],
    width: usize,
    column: usize,
    values: &[T],
    d: usize,
    to: &mut [T],
) {
    let count = values.len() / d;
    let weights: [&[T]; R] = std::array::from_fn(|r| &weights[r * width + column..][..count]);
    let lanes = size_of::<T::Vector<S>>() / size_of::<T>();
    let mut at = 0;
    while at + 4 * lanes <= d {
        weigh_columns::<S, T, R, 4>(simd, weights, values, d, at, to);
        at += 4 * lanes;
    }
    while at + lanes <= d {
        weigh_columns::<S, T, R, 1>(simd, weights, values, d, at, to);
        at += lanes;
    }
    if at < d {
        for (r, weights) in weights.iter().enumerate() {
            let to = &mut to[r * d + at..(r + 1) * d];
            let mut sum = T::load_part(simd, to);
            for (value, &weight) in values.chunks_exact(d).zip(*weights) {
                let value = T::load_part(simd, &value[at..]);
                sum = T::multiply_add(simd, T::splat(simd, weight), value, sum);
            }
            T::store_part(simd, to, sum);
        }
    }
}

/// `V` vectors of columns from `at` on.
#[inline(always)]
fn weigh_columns<S: Simd, T: Lanes, const R: usize, const V: usize>(
    simd: S,
    weights: [&[T]; R],
    values: &[T],
    d: usize,
    at: usize,
    to: &mut [T],
) {
    let size = V * size_of::<T::Vector<S>>() / size_of::<T>();
    let mut sums = [[T::splat(simd, T::zero()); V]; R];
    for r in 0..R {
        let (vectors, _) = T::split::<S>(&to[r * d + at..][..size]);
        sums[r].copy_from_slice(vectors);
    }
    for (index, value) in values.chunks_exact(d).enumerate() {
        let (value, _) = T::split::<S>(&value[at..at + size]);
        let value = &value[..V];
        for r in 0..R {
            let weight = T::splat(simd, weights[r][index]);
            for v in 0..V {
                sums[r][v] = T::multiply_add(simd, weight, value[v], sums[r][v]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let (vectors, _) = T::split_mut::<S>(&mut to[r * d + at..][..size]);
        vectors.copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::super::{Mask, check, masked_softmax};
    use super::*;

    const D: usize = 20;
    const CAPACITY: usize = 9;

    fn bits(tensor: &Tensor) -> Vec<u32> {
        let numbers: Vec<f32> = tensor.flatten_all().and_then(|t| t.to_vec1()).expect("readable");
        numbers.into_iter().map(f32::to_bits).collect()
    }

    /// One row, two heads for each of two key heads, by plain operations.
    fn plain(
        query: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        prefix: &Tensor,
        own: usize,
        length: usize,
    ) -> Result<Tensor> {
        let all = |own_part: &Tensor| Tensor::cat(&[prefix.clone(), own_part.narrow(1, 0, own + length)?], 1);
        let (keys, values) = (all(keys)?, all(values)?);
        let seen = prefix.dim(1)? + own;
        let spans = (0..length).map(|query| 0..(seen + query + 1) as u32).collect();
        let mask = Mask::new(length, seen + length, spans)?;
        let scores = query.matmul(&keys.t()?.contiguous()?)?.unsqueeze(0)?;
        let heads = masked_softmax(&scores, 0.3, &mask)?.squeeze(0)?.matmul(&values)?;
        heads.reshape((4, length, D))?.transpose(0, 1)?.reshape((length, 4 * D))
    }

    #[test]
    fn equals_plain_operations_in_any_company() -> Result<()> {
        let (keys, values) = (check::random(&[3, 2, CAPACITY, D], 1), check::random(&[3, 2, CAPACITY, D], 2));
        // 70 queries of a row: more than are worked on at a time.
        for (length, lengths) in [(1, [4, 0, 8]), (3, [6, 2, 0])] {
            let query = check::random(&[3, 2, 2 * length, D], 3);
            let prefix = check::random(&[2, 5, D], 4);
            for dtype in [DType::F32, DType::F64] {
                let to = |tensor: &Tensor| tensor.to_dtype(dtype);
                let (query, keys, values, prefix) = (to(&query)?, to(&keys)?, to(&values)?, to(&prefix)?);
                let stored = Stored { keys: &keys, values: &values, lengths: &lengths };
                let shared = Sharing { rows: &[2, 0], prefix: Some((&prefix, &prefix)) };
                let alone = Sharing { rows: &[1], prefix: None };
                let out = cached_attention(&query, length, &stored, &[shared, alone], 0.3)?;
                for (row, &own) in lengths.iter().enumerate() {
                    let before = if row == 1 { prefix.narrow(1, 0, 0)? } else { prefix.clone() };
                    let (k, v) = (keys.get(row)?, values.get(row)?);
                    let wanted = plain(&query.get(row)?, &k, &v, &before, own, length)?;
                    assert!(check::distance(&out.get(row)?, &wanted) < 1e-5, "row {row}, {dtype:?}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_prefix_changes_no_bit() -> Result<()> {
        let (keys, values) = (check::random(&[1, 2, 150, D], 1), check::random(&[1, 2, 150, D], 2));
        let query = check::random(&[1, 2, 140, D], 3);
        let all = Sharing { rows: &[0], prefix: None };
        let stored = Stored { keys: &keys, values: &values, lengths: &[80] };
        let whole = cached_attention(&query, 70, &stored, &[all], 0.3)?;
        for split in [1, 17, 80] {
            let part = |tensor: &Tensor| tensor.get(0)?.narrow(1, 0, split)?.contiguous();
            let rest = |tensor: &Tensor| tensor.narrow(2, split, 150 - split)?.contiguous();
            let prefix = (part(&keys)?, part(&values)?);
            let own = (rest(&keys)?, rest(&values)?);
            let stored = Stored { keys: &own.0, values: &own.1, lengths: &[80 - split] };
            let sharing = Sharing { rows: &[0], prefix: Some((&prefix.0, &prefix.1)) };
            let out = cached_attention(&query, 70, &stored, &[sharing], 0.3)?;
            assert_eq!(bits(&out), bits(&whole), "split at {split}");
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let keys = check::random(&[1, 2, CAPACITY, D], 1);
        let attend = |dims: &[usize], length: usize, own: usize, rows: &[usize]| {
            let stored = Stored { keys: &keys, values: &keys, lengths: &[own] };
            let sharing = Sharing { rows, prefix: None };
            cached_attention(&check::random(dims, 1), length, &stored, &[sharing], 1.0)
        };
        assert!(attend(&[1, 2, 4, D], 1, 3, &[0]).is_ok());
        assert!(attend(&[1, 2, 4, D], 1, CAPACITY, &[0]).is_err(), "no room");
        assert!(attend(&[1, 2, 4, D], 3, 0, &[0]).is_err(), "no multiple");
        assert!(attend(&[1, 2, 4, D], 1, 0, &[1]).is_err(), "no such row");
        assert!(attend(&[1, 2, 4, D], 1, 0, &[]).is_err(), "a row without a group");
        assert!(attend(&[1, 1, 4, D], 1, 0, &[0]).is_err(), "other heads");
    }
}
