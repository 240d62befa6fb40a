//! Attention weights from scores: `y_j = e^(scale s_j) / sum of e^(scale s_i) over the visible i`, and 0 where a
//! key is not visible.
//!
//! Scores are [rows, kv_heads, group * queries, keys]: the queries of the heads that share a key head stand below each
//! other, so keys and values are never repeated. Backward: `ds_j = scale y_j (g_j - sum_i g_i y_i)`.

use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor};

use super::mask::{Mask, Span};
use super::real::Real;
use super::vector::{dot, largest_of, sum, vectorised};
use super::{Read, elements, for_real, has_kernel};

const NAME: &str = "masked-softmax";

/// Softmax of `scale * scores` over the keys that `mask` shows.
///
/// # Errors
/// The mask has other sizes than the scores; shapes, dtypes or devices don't fit.
pub fn masked_softmax(scores: &Tensor, scale: f64, mask: &Mask) -> Result<Tensor> {
    let (rows, _, below, keys) = scores.dims4()?;
    if keys != mask.keys() || !below.is_multiple_of(mask.queries().max(1)) || !mask.fits(rows) {
        candle_core::bail!(
            "{NAME}: scores are {:?}, the mask is {} by {}",
            scores.shape(),
            mask.queries(),
            mask.keys()
        );
    }
    if has_kernel(scores) {
        return scores.contiguous()?.apply_op1(Fused { scale, mask: mask.clone() });
    }
    plain(scores, scale, mask)
}

/// In f32 and back, as transformers' eager attention does it.
fn plain(scores: &Tensor, scale: f64, mask: &Mask) -> Result<Tensor> {
    let (rows, heads, below, keys) = scores.dims4()?;
    let dtype = if scores.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let wide = (scores.to_dtype(dtype)? * scale)?;
    let shown = if mask.hides_nothing() {
        wide
    } else {
        let split = wide.reshape((rows, heads, below / mask.queries(), mask.queries(), keys))?;
        split.broadcast_add(&mask.additive(scores.device())?.to_dtype(dtype)?)?.reshape(scores.shape())?
    };
    let weights = if shown.track_op() {
        candle_nn::ops::softmax(&shown, D::Minus1)?
    } else {
        candle_nn::ops::softmax_last_dim(&shown.contiguous()?)?
    };
    weights.to_dtype(scores.dtype())
}

struct Fused {
    scale: f64,
    mask: Mask,
}

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, scores: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(scores);
        Ok((for_real!(dtype, forward(self, scores, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, _scores: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(for_real!(y.dtype(), backward(self, y, &dy.contiguous()?))?))
    }
}

impl Fused {
    /// Calls `line(first element, span)` for each query of scores of this shape, in order.
    fn lines(&self, shape: &Shape, mut line: impl FnMut(usize, &Span)) -> Result<()> {
        let (rows, heads, below, keys) = shape.dims4()?;
        let mut first = 0;
        for row in 0..rows {
            for _ in 0..heads * below / self.mask.queries() {
                for span in self.mask.row(row) {
                    line(first, span);
                    first += keys;
                }
            }
        }
        Ok(())
    }
}

fn visible(first: usize, span: &Span) -> std::ops::Range<usize> {
    first + span.start as usize..first + span.end as usize
}

vectorised! {
    /// Softmax of one line of scores.
    fn line_forward(from: &[T], scale: T, to: &mut [T]) {
        let most = largest_of(from);
        for (to, &score) in to.iter_mut().zip(from) {
            *to = ((score - most) * scale).exp_inline();
        }
        let share = sum(to).recip();
        for to in to {
            *to *= share;
        }
    }

    /// The gradient of one line of scores.
    fn line_backward(y: &[T], g: &[T], scale: T, ds: &mut [T]) {
        let along = dot(y, g);
        for (ds, (&y, &g)) in ds.iter_mut().zip(y.iter().zip(g)) {
            *ds = scale * y * (g - along);
        }
    }
}

fn forward<T: Real>(op: &Fused, scores: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
    let scores = elements::<T>(NAME, scores, layout)?;
    let mut weights = vec![T::zero(); scores.len()];
    let scale = T::from_f64(op.scale);
    op.lines(layout.shape(), |first, span| {
        line_forward(&scores[visible(first, span)], scale, &mut weights[visible(first, span)]);
    })?;
    Ok(T::to_cpu_storage_owned(weights))
}

fn backward<T: Real>(op: &Fused, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let (ys, gs) = (Read::new(y), Read::new(dy));
    let (ys, gs) = (ys.elements::<T>(NAME)?, gs.elements::<T>(NAME)?);
    let mut ds = vec![T::zero(); ys.len()];
    let scale = T::from_f64(op.scale);
    op.lines(y.shape(), |first, span| {
        let range = visible(first, span);
        line_backward(&ys[range.clone()], &gs[range.clone()], scale, &mut ds[range]);
    })?;
    Tensor::from_vec(ds, y.shape(), y.device())
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn equals_plain_operations() -> Result<()> {
        // 2 rows, 2 key heads, groups of 3 heads, 4 queries, 5 keys.
        let scores = check::random(&[2, 2, 12, 5], 1);
        let one_for_all = Mask::new(4, 5, vec![0..2, 0..3, 0..4, 0..5])?;
        let packed = Mask::new(4, 5, vec![0..1, 0..2, 2..3, 2..4, 1..5, 0..5, 4..5, 3..4])?;
        for mask in [one_for_all, packed] {
            let ours = |t: &[Tensor]| masked_softmax(&t[0], 0.7, &mask);
            check::same(&[&scores], ours, |t| plain(&t[0], 0.7, &mask));
            check::finite_differences(&[&scores], ours);
        }
        Ok(())
    }

    #[test]
    fn not_a_number_stays() -> Result<()> {
        let scores = Tensor::new(&[[[[f32::NAN, 0.0]]]], &candle_core::Device::Cpu)?;
        let weights = masked_softmax(&scores, 1.0, &Mask::new(1, 2, std::iter::once(0..2).collect())?)?;
        assert!(weights.flatten_all()?.to_vec1::<f32>()?.iter().all(|weight| weight.is_nan()));
        Ok(())
    }

    #[test]
    fn masks_that_do_not_fit_are_refused() {
        assert!(Mask::new(2, 3, vec![0..1, 2..2]).is_err());
        assert!(Mask::new(2, 3, vec![0..1, 2..4]).is_err());
        assert!(Mask::new(2, 3, std::iter::once(0..1).collect()).is_err());
        let scores = check::random(&[1, 1, 2, 4], 1);
        assert!(masked_softmax(&scores, 1.0, &Mask::causal(2)).is_err());
    }
}
