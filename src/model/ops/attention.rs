//! Attention over whole sequences: `o = softmax(scale q k^T + mask) v`, each head by itself.
//!
//! Queries are [batch, kv_heads, group * length, d] and keys [batch, kv_heads, length, d], as [`rope`](super::rope) leaves
//! them; values [batch, length, kv_heads * d] as their projection leaves them; the result
//! [batch, length, kv_heads * group * d] is what the next projection takes.
//!
//! On a CPU queries are taken in blocks of up to 64, small enough that scores stay in the cache, and a block computes only
//! the keys that one of its queries sees: a little more than half of them where attention is causal. The weights are kept
//! for backward: `dv = p^T do`, `dp = do v^T`, `ds = scale p (dp - sum_i p_i dp_i)`, `dq = ds k`, `dk = ds^T q`.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::mask::{Mask, Span};
use super::matrix::{Matrix, Target};
use super::real::Real;
use super::vector::{dot, largest_of, sum, vectorised};
use super::{Read, elements, for_real, has_kernel, join_heads, masked_softmax, split_heads};

const NAME: &str = "attention";

/// Queries whose scores are computed together.
const BLOCK: usize = 64;

/// Attention of `heads` query heads; `mask` is over the length.
///
/// # Errors
/// Shapes, dtypes or devices don't fit.
pub fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    heads: usize,
    scale: f64,
    mask: &Mask,
) -> Result<Tensor> {
    let (batch, kv_heads, below, d) = query.dims4()?;
    let length = value.dim(1)?;
    let fits = key.dims() == [batch, kv_heads, length, d]
        && value.dims() == [batch, length, kv_heads * d]
        && below * kv_heads == heads * length
        && (mask.queries(), mask.keys()) == (length, length)
        && mask.fits(batch);
    if !fits || length == 0 || d == 0 || query.dtype() != value.dtype() || key.dtype() != value.dtype() {
        candle_core::bail!("{NAME}: query {query:?}, key {key:?}, value {value:?}, {heads} heads");
    }
    if has_kernel(query) {
        let sizes = Sizes { batch, kv_heads, group: below / length, length, d };
        let is_tracked = query.track_op() || key.track_op() || value.track_op();
        let op = Fused { sizes, scale, mask: mask.clone(), is_tracked, weights: Arc::default() };
        return query.contiguous()?.apply_op3(&key.contiguous()?, &value.contiguous()?, op);
    }
    let value = split_heads(value, kv_heads)?;
    let weights = masked_softmax(&query.matmul(&key.transpose(2, 3)?)?, scale, mask)?;
    join_heads(&weights.matmul(&value)?, heads)
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    kv_heads: usize,
    group: usize,
    length: usize,
    d: usize,
}

struct Fused {
    sizes: Sizes,
    scale: f64,
    mask: Mask,
    /// Whether there will be a backward.
    is_tracked: bool,
    /// From forward: the weights of all blocks in their order, each `queries * keys`.
    weights: Arc<OnceLock<CpuStorage>>,
}

/// Queries that are computed together, and where the numbers of their head are.
struct Block {
    /// Of the row.
    queries: Range<usize>,
    /// That one of the queries sees.
    keys: Range<usize>,
    batch: usize,
    /// First element of the block's first query, of its head's first key, and of the head in the first place of the row,
    /// in values and in the result.
    query: usize,
    key: usize,
    value: usize,
    result: usize,
}

impl Sizes {
    /// Elements of a place in values, and in the result.
    fn steps(&self) -> (usize, usize) {
        (self.kv_heads * self.d, self.kv_heads * self.group * self.d)
    }
}

impl Fused {
    fn spans(&self, block: &Block) -> &[Span] {
        self.mask.row(block.batch).get(block.queries.clone()).unwrap_or_default()
    }

    /// Calls `visit` for every block, in order.
    fn blocks(&self, mut visit: impl FnMut(&Block)) {
        let Sizes { batch, kv_heads, group, length, d } = self.sizes;
        let (value_step, result_step) = self.sizes.steps();
        for row in 0..batch {
            for head in 0..kv_heads * group {
                let kv_head = head / group;
                for first in (0..length).step_by(BLOCK) {
                    let queries = first..(first + BLOCK).min(length);
                    let spans = self.mask.row(row).get(queries.clone()).unwrap_or_default();
                    let start = spans.iter().map(|span| span.start).min().unwrap_or_default() as usize;
                    let end = spans.iter().map(|span| span.end).max().unwrap_or_default() as usize;
                    visit(&Block {
                        keys: start..end,
                        batch: row,
                        query: ((row * kv_heads * group + head) * length + first) * d,
                        key: (row * kv_heads + kv_head) * length * d,
                        value: row * length * value_step + kv_head * d,
                        result: (row * length + first) * result_step + head * d,
                        queries,
                    });
                }
            }
        }
    }

    /// The numbers of weights of all blocks.
    fn weight_count(&self) -> usize {
        let mut count = 0;
        self.blocks(|block| count += block.queries.len() * block.keys.len());
        count
    }
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        k: &CpuStorage,
        kl: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(q);
        let Sizes { batch, length, .. } = self.sizes;
        let shape = Shape::from((batch, length, self.sizes.steps().1));
        Ok((for_real!(dtype, forward(self, (q, ql), (k, kl), (v, vl)))?, shape))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _o: &Tensor,
        d_o: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dq, dk, dv] = for_real!(q.dtype(), backward(self, q, k, v, &d_o.contiguous()?))?;
        Ok((Some(dq), Some(dk), Some(dv)))
    }
}

vectorised! {
    /// Softmax of each line of `scores`, `keys` wide, over the keys in its span; 0 elsewhere. Keys are counted from `first`.
    fn softmax(scores: &mut [T], keys: usize, first: usize, spans: &[Span]) {
        for (line, span) in scores.chunks_exact_mut(keys).zip(spans) {
            let (start, end) = (span.start as usize - first, span.end as usize - first);
            line[..start].fill(T::zero());
            line[end..].fill(T::zero());
            let seen = &mut line[start..end];
            let most = largest_of(seen);
            for score in seen.iter_mut() {
                *score = (*score - most).exp_inline();
            }
            let share = sum(seen).recip();
            for score in seen {
                *score *= share;
            }
        }
    }

    /// From the gradients of weights to those of scores, in place; weights are 0 where a key is not seen.
    fn softmax_backward(weights: &[T], gradients: &mut [T], keys: usize) {
        for (weights, gradients) in weights.chunks_exact(keys).zip(gradients.chunks_exact_mut(keys)) {
            let along = dot(weights, gradients);
            for (gradient, &weight) in gradients.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - along);
            }
        }
    }
}

type Input<'a> = (&'a CpuStorage, &'a Layout);

fn forward<T: Real>(op: &Fused, q: Input<'_>, k: Input<'_>, v: Input<'_>) -> Result<CpuStorage> {
    let (q, k) = (elements::<T>(NAME, q.0, q.1)?, elements::<T>(NAME, k.0, k.1)?);
    let v = elements::<T>(NAME, v.0, v.1)?;
    let Sizes { batch, length, d, .. } = op.sizes;
    let (value_step, result_step) = op.sizes.steps();
    let mut o = vec![T::zero(); batch * length * result_step];
    let mut kept = Vec::with_capacity(if op.is_tracked { op.weight_count() } else { BLOCK * length });
    op.blocks(|block| {
        let (queries, keys) = (block.queries.len(), block.keys.len());
        if !op.is_tracked {
            kept.clear();
        }
        let start = kept.len();
        kept.resize(start + queries * keys, T::zero());
        let scores = &mut kept[start..];
        let query = Matrix::new(&q[block.query..], queries, d);
        let key = Matrix::new(&k[block.key + block.keys.start * d..], keys, d);
        let value = Matrix::spaced(&v[block.value + block.keys.start * value_step..], keys, d, value_step);
        Target::set(scores, keys).product(query, key.t(), T::from_f64(op.scale));
        softmax(scores, keys, block.keys.start, op.spans(block));
        let weights = Matrix::new(scores, queries, keys);
        Target::set(&mut o[block.result..], result_step).product(weights, value, T::one());
    });
    if op.is_tracked {
        // Forward runs once for each op; a second run would compute the same.
        drop(op.weights.set(T::to_cpu_storage_owned(kept)));
    }
    Ok(T::to_cpu_storage_owned(o))
}

fn backward<T: Real>(op: &Fused, q: &Tensor, k: &Tensor, v: &Tensor, d_o: &Tensor) -> Result<[Tensor; 3]> {
    let (qs, ks, vs, gs) = (Read::new(q), Read::new(k), Read::new(v), Read::new(d_o));
    let (qs, ks) = (qs.elements::<T>(NAME)?, ks.elements::<T>(NAME)?);
    let (vs, gs) = (vs.elements::<T>(NAME)?, gs.elements::<T>(NAME)?);
    let Some(kept) = op.weights.get() else { candle_core::bail!("{NAME}: backward before forward") };
    let mut kept = T::cpu_storage_as_slice(kept)?;
    let (d, scale) = (op.sizes.d, T::from_f64(op.scale));
    let (value_step, result_step) = op.sizes.steps();
    let mut dq = vec![T::zero(); qs.len()];
    let mut dk = vec![T::zero(); ks.len()];
    let mut dv = vec![T::zero(); vs.len()];
    let mut scratch = vec![T::zero(); BLOCK * op.sizes.length];
    op.blocks(|block| {
        let (queries, keys) = (block.queries.len(), block.keys.len());
        let (weights, rest) = kept.split_at(queries * keys);
        kept = rest;
        let (k_at, v_at) = (block.key + block.keys.start * d, block.value + block.keys.start * value_step);
        let query = Matrix::new(&qs[block.query..], queries, d);
        let (key, value) =
            (Matrix::new(&ks[k_at..], keys, d), Matrix::spaced(&vs[v_at..], keys, d, value_step));
        let gradient = Matrix::spaced(&gs[block.result..], queries, d, result_step);
        let scores = &mut scratch[..queries * keys];
        Target::add(&mut dv[v_at..], value_step).product(
            Matrix::new(weights, queries, keys).t(),
            gradient,
            T::one(),
        );
        Target::set(scores, keys).product(gradient, value.t(), T::one());
        softmax_backward(weights, scores, keys);
        let scores = Matrix::new(scores, queries, keys);
        Target::set(&mut dq[block.query..], d).product(scores, key, scale);
        Target::add(&mut dk[k_at..], d).product(scores.t(), query, scale);
    });
    let tensor = |values: Vec<T>, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
    Ok([tensor(dq, q)?, tensor(dk, k)?, tensor(dv, v)?])
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    /// 2 rows, 2 key heads, groups of 3, width 4.
    fn inputs(length: usize) -> [Tensor; 3] {
        let of = |dims: &[usize], seed| (check::random(dims, seed) * 0.5).expect("scaled");
        [of(&[2, 2, 3 * length, 4], 1), of(&[2, 2, length, 4], 2), of(&[2, length, 8], 3)]
    }

    fn plain(t: &[Tensor], mask: &Mask) -> Result<Tensor> {
        let value = split_heads(&t[2], 2)?;
        let weights = masked_softmax(&t[0].matmul(&t[1].transpose(2, 3)?)?, 0.7, mask)?;
        join_heads(&weights.matmul(&value)?, 6)
    }

    #[test]
    fn equals_plain_operations() -> Result<()> {
        let [query, key, value] = inputs(5);
        let packed = vec![0..1, 0..2, 2..3, 2..4, 1..5, 0..5, 4..5, 3..4, 2..5, 1..3];
        for mask in [Mask::causal(5), Mask::new(5, 5, packed)?] {
            let ours = |t: &[Tensor]| attention(&t[0], &t[1], &t[2], 6, 0.7, &mask);
            check::same(&[&query, &key, &value], ours, |t| plain(t, &mask));
            check::finite_differences(&[&query, &key, &value], ours);
        }
        Ok(())
    }

    #[test]
    fn blocks_join() -> Result<()> {
        let length = BLOCK + 7;
        let [query, key, value] = inputs(length);
        let texts = |query: u32| if query < 30 { 0..query + 1 } else { 30..query + 1 };
        let packed = (0..length as u32).map(texts).collect();
        for mask in [Mask::causal(length), Mask::new(length, length, packed)?] {
            let ours = |t: &[Tensor]| attention(&t[0], &t[1], &t[2], 6, 0.7, &mask);
            check::same(&[&query, &key, &value], ours, |t| plain(t, &mask));
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let [query, key, value] = inputs(5);
        let mask = Mask::causal(5);
        assert!(attention(&query, &key, &value, 4, 1.0, &mask).is_err());
        assert!(attention(&query, &key, &value, 6, 1.0, &Mask::causal(6)).is_err());
        assert!(attention(&query, &value, &value, 6, 1.0, &mask).is_err());
    }
}
