//! Root-mean-square norm over the last dimension, or over each of the equal parts of it (heads) (arXiv 1910.07467):
//! `y_j = w_j x_j r`, with `r = 1 / sqrt(mean(x^2) + eps)`.
//!
//! Backward, with `n` the width: `dx_j = r (w_j g_j - x_j r^2 / n * sum_i w_i g_i x_i)`, `dw_j = sum over rows of
//! g_j x_j r`.

use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Tensor};

use super::real::Real;
use super::vector::{dot, vectorised};
use super::{Read, elements, for_real, has_kernel};

const NAME: &str = "rms-norm";

/// Norm of `x` [..., n], or of each head of `x` [..., heads * n], with the weights `w`, `[n]`.
///
/// # Errors
/// Shapes, dtypes or devices don't fit.
pub fn rms_norm(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    let (all, width) = (x.dim(D::Minus1)?, w.dims1()?);
    if width == 0 || !all.is_multiple_of(width) {
        candle_core::bail!("{NAME}: x is {:?}, the weight {:?}", x.shape(), w.shape());
    }
    let x = x.contiguous()?;
    if has_kernel(&x) {
        return x.apply_op2(w, Fused { eps });
    }
    let parts = if all == width { x.clone() } else { x.reshape(((), width))? };
    let normed = if x.track_op() || w.track_op() {
        plain(&parts, w, eps)?
    } else {
        candle_nn::ops::rms_norm(&parts, w, eps as f32)?
    };
    normed.reshape(x.shape())
}

/// As `LlamaRMSNorm` of transformers does it: the mean in f32, the product with the weight in `x`'s own type.
fn plain(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    let dtype = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let wide = x.to_dtype(dtype)?;
    let mean = wide.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = wide.broadcast_div(&(mean + eps)?.sqrt()?)?;
    normed.to_dtype(x.dtype())?.broadcast_mul(w)
}

struct Fused {
    eps: f64,
}

impl CustomOp2 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(x);
        let y = for_real!(dtype, forward(x, xl, w, wl, self.eps))?;
        Ok((y, xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_real!(x.dtype(), backward(x, w, &dy.contiguous()?, self.eps))
    }
}

/// `r`.
#[inline(always)]
fn scale<T: Real>(x: &[T], eps: f64) -> T {
    let mean = dot(x, x) / T::from_f64(x.len() as f64);
    (mean + T::from_f64(eps)).sqrt().recip()
}

vectorised! {
    fn forward_into(x: &[T], w: &[T], eps: f64, y: &mut [T]) {
        for (x, y) in x.chunks_exact(w.len()).zip(y.chunks_exact_mut(w.len())) {
            let r = scale(x, eps);
            for (y, (&x, &w)) in y.iter_mut().zip(x.iter().zip(w)) {
                *y = x * r * w;
            }
        }
    }

    /// Adds to the weights' gradient. `scaled` has room for one row.
    fn backward_into(x: &[T], w: &[T], g: &[T], eps: f64, scaled: &mut [T], dx: &mut [T], dw: &mut [T]) {
        let rows = x.chunks_exact(w.len()).zip(g.chunks_exact(w.len()));
        for ((x, g), dx) in rows.zip(dx.chunks_exact_mut(w.len())) {
            let r = scale(x, eps);
            for ((scaled, (&w, &g)), (dw, &x)) in scaled.iter_mut().zip(w.iter().zip(g)).zip(dw.iter_mut().zip(x)) {
                *dw += g * x * r;
                *scaled = w * g;
            }
            let along = dot(scaled, x) * r * r / T::from_f64(w.len() as f64);
            for (dx, (&scaled, &x)) in dx.iter_mut().zip(scaled.iter().zip(x)) {
                *dx = r * (scaled - x * along);
            }
        }
    }
}

fn forward<T: Real>(
    x: &CpuStorage,
    xl: &Layout,
    w: &CpuStorage,
    wl: &Layout,
    eps: f64,
) -> Result<CpuStorage> {
    let (x, w) = (elements::<T>(NAME, x, xl)?, elements::<T>(NAME, w, wl)?);
    let mut y = vec![T::zero(); x.len()];
    forward_into(x, w, eps, &mut y);
    Ok(T::to_cpu_storage_owned(y))
}

fn backward<T: Real>(
    x: &Tensor,
    w: &Tensor,
    dy: &Tensor,
    eps: f64,
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let (xs, ws, gs) = (Read::new(x), Read::new(w), Read::new(dy));
    let (xs, ws, gs) = (xs.elements::<T>(NAME)?, ws.elements::<T>(NAME)?, gs.elements::<T>(NAME)?);
    let (mut dx, mut dw) = (vec![T::zero(); xs.len()], vec![T::zero(); ws.len()]);
    let mut scaled = dw.clone();
    backward_into(xs, ws, gs, eps, &mut scaled, &mut dx, &mut dw);
    let dx = x.track_op().then(|| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
    let dw = w.track_op().then(|| Tensor::from_vec(dw, w.shape(), w.device())).transpose()?;
    Ok((dx, dw))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn equals_plain_operations() {
        let x = check::random(&[2, 3, 8], 1);
        let w = check::random(&[8], 2);
        check::same(&[&x, &w], |t| rms_norm(&t[0], &t[1], 1e-5), |t| plain(&t[0], &t[1], 1e-5));
        check::finite_differences(&[&x, &w], |t| rms_norm(&t[0], &t[1], 1e-5));
    }

    #[test]
    fn parts_are_normed_by_themselves() {
        let x = check::random(&[3, 16], 1);
        let w = check::random(&[8], 2);
        let split = |t: &[Tensor]| plain(&t[0].reshape((3, 2, 8))?, &t[1], 1e-5)?.reshape((3, 16));
        check::same(&[&x, &w], |t| rms_norm(&t[0], &t[1], 1e-5), split);
    }

    #[test]
    fn half_precision_takes_the_plain_path() -> Result<()> {
        let x = check::random(&[4, 8], 1).to_dtype(DType::BF16)?;
        let w = check::random(&[8], 2).to_dtype(DType::BF16)?;
        let y = rms_norm(&x, &w, 1e-5)?;
        let fused = rms_norm(&x.to_dtype(DType::F32)?, &w.to_dtype(DType::F32)?, 1e-5)?;
        assert_eq!(y.dtype(), DType::BF16);
        assert!(check::distance(&y, &fused) < 0.02);
        Ok(())
    }
}
