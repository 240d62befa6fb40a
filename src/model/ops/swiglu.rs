//! The gate of the MLP (arXiv 2002.05202): `y = silu(gate) * up`, `silu(g) = g s`, `s = 1 / (1 + e^-g)`.
//!
//! Backward: `dgate = dy * up * s (1 + g (1 - s))`, `dup = dy * g s`.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::real::Real;
use super::{Read, elements, for_real, has_kernel};

const NAME: &str = "swiglu";

/// `silu(gate) * up` of two tensors of one shape.
///
/// # Errors
/// Shapes, dtypes or devices don't fit.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if gate.dims() != up.dims() {
        candle_core::bail!("{NAME}: the gate is {:?}, up {:?}", gate.shape(), up.shape());
    }
    if has_kernel(gate) { gate.contiguous()?.apply_op2(&up.contiguous()?, Fused) } else { plain(gate, up) }
}

fn plain(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.silu()? * up
}

struct Fused;

impl CustomOp2 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        gl: &Layout,
        u: &CpuStorage,
        ul: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(g);
        Ok((for_real!(dtype, forward(g, gl, u, ul))?, gl.shape().clone()))
    }

    fn bwd(
        &self,
        g: &Tensor,
        u: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dg, du) = for_real!(g.dtype(), backward(g, u, &dy.contiguous()?))?;
        Ok((Some(dg), Some(du)))
    }
}

#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    (T::one() + (-x).exp_inline()).recip()
}

fn forward<T: Real>(g: &CpuStorage, gl: &Layout, u: &CpuStorage, ul: &Layout) -> Result<CpuStorage> {
    let (g, u) = (elements::<T>(NAME, g, gl)?, elements::<T>(NAME, u, ul)?);
    let mut y = vec![T::zero(); g.len()];
    // With the processor's widest vectors; nothing is rounded otherwise by that.
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (y, (&g, &u)) in y.iter_mut().zip(g.iter().zip(u)) {
                *y = g * sigmoid(g) * u;
            }
        },
    );
    Ok(T::to_cpu_storage_owned(y))
}

fn backward<T: Real>(g: &Tensor, u: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor)> {
    let (gs, us, ds) = (Read::new(g), Read::new(u), Read::new(dy));
    let (gs, us, ds) = (gs.elements::<T>(NAME)?, us.elements::<T>(NAME)?, ds.elements::<T>(NAME)?);
    let mut dg = vec![T::zero(); gs.len()];
    let mut du = vec![T::zero(); gs.len()];
    let inputs = gs.iter().zip(us).zip(ds);
    for ((dg, du), ((&g, &u), &dy)) in dg.iter_mut().zip(&mut du).zip(inputs) {
        let s = sigmoid(g);
        *dg = dy * u * s * (T::one() + g * (T::one() - s));
        *du = dy * g * s;
    }
    Ok((Tensor::from_vec(dg, g.shape(), g.device())?, Tensor::from_vec(du, u.shape(), u.device())?))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn equals_plain_operations() {
        let (gate, up) = (check::random(&[3, 7], 1), check::random(&[3, 7], 2));
        check::same(&[&gate, &up], |t| swiglu(&t[0], &t[1]), |t| plain(&t[0], &t[1]));
        check::finite_differences(&[&gate, &up], |t| swiglu(&t[0], &t[1]));
    }
}
