//! The first half of the MLP (arXiv 2002.05202): `h = silu(x W_g^T) * (x W_u^T)`, with `x` [..., in], weights [out, in].
//!
//! One operation instead of two projections and [`swiglu`](super::swiglu()): their results are kept, and their gradients
//! go from one kernel to the products without a stay in candle's store, which copies what it gets. Backward: with `s` the
//! sigmoid, `dg = dh * u * s (1 + g (1 - s))`, `du = dh * g s`, `dx = dg W_g + du W_u`, `dW = d^T x`.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::matrix::{Matrix, Target, product};
use super::real::Real;
use super::swiglu::{backward_into, forward_into, swiglu};
use super::{Read, elements, for_real, has_kernel, linear};

const NAME: &str = "gated";

/// `silu(x gate^T) * (x up^T)`.
///
/// # Errors
/// Shapes, dtypes or devices don't fit.
pub fn gated(x: &Tensor, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let inputs = gate.dim(1)?;
    if x.dim(D::Minus1)? != inputs || inputs == 0 || gate.dims() != up.dims() {
        candle_core::bail!(
            "{NAME}: x is {:?}, the weights {:?} and {:?}",
            x.shape(),
            gate.shape(),
            up.shape()
        );
    }
    let is_uniform = gate.dtype() == x.dtype() && up.dtype() == x.dtype();
    if has_kernel(x) && is_uniform && gate.track_op() && up.track_op() {
        let op = Fused { projected: OnceLock::new() };
        return x.contiguous()?.apply_op3(&gate.contiguous()?, &up.contiguous()?, op);
    }
    swiglu(&linear(x, gate)?, &linear(x, up)?)
}

struct Fused {
    /// From forward, for backward: gate and up.
    projected: OnceLock<[CpuStorage; 2]>,
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
        u: &CpuStorage,
        ul: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(x);
        let mut dims = xl.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = gl.shape().dims2()?.0;
        }
        Ok((for_real!(dtype, forward(self, (x, xl), (g, gl), (u, ul)))?, Shape::from(dims)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        g: &Tensor,
        u: &Tensor,
        _h: &Tensor,
        dh: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        for_real!(x.dtype(), backward(self, x, g, u, &dh.contiguous()?))
    }
}

type Input<'a> = (&'a CpuStorage, &'a Layout);

fn forward<T: Real>(op: &Fused, x: Input<'_>, gate: Input<'_>, up: Input<'_>) -> Result<CpuStorage> {
    let (outputs, inputs) = gate.1.shape().dims2()?;
    let x = elements::<T>(NAME, x.0, x.1)?;
    let x = Matrix::new(x, x.len() / inputs, inputs);
    let project = |(storage, layout): Input<'_>| -> Result<Vec<T>> {
        let weight = Matrix::new(elements::<T>(NAME, storage, layout)?, outputs, inputs);
        Ok(product(x, weight.t(), T::one()))
    };
    let (gate, up) = (project(gate)?, project(up)?);
    let mut h = vec![T::zero(); gate.len()];
    forward_into(&gate, &up, &mut h);
    // Forward runs once for each op; a second run would compute the same.
    drop(op.projected.set([T::to_cpu_storage_owned(gate), T::to_cpu_storage_owned(up)]));
    Ok(T::to_cpu_storage_owned(h))
}

type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

fn backward<T: Real>(op: &Fused, x: &Tensor, gate: &Tensor, up: &Tensor, dh: &Tensor) -> Result<Gradients> {
    let Some([g, u]) = op.projected.get() else { candle_core::bail!("{NAME}: backward before forward") };
    let (g, u) = (T::cpu_storage_as_slice(g)?, T::cpu_storage_as_slice(u)?);
    let (xs, ghs, gates, ups) = (Read::new(x), Read::new(dh), Read::new(gate), Read::new(up));
    let (xs, ghs) = (xs.elements::<T>(NAME)?, ghs.elements::<T>(NAME)?);
    let (gates, ups) = (gates.elements::<T>(NAME)?, ups.elements::<T>(NAME)?);
    let (outputs, inputs) = gate.dims2()?;
    let rows = xs.len() / inputs;
    let (mut dg, mut du) = (vec![T::zero(); g.len()], vec![T::zero(); u.len()]);
    backward_into(g, u, ghs, &mut dg, &mut du);
    let (dg, du) = (Matrix::new(&dg, rows, outputs), Matrix::new(&du, rows, outputs));
    let xs = Matrix::new(xs, rows, inputs);
    let dx = x.track_op().then(|| {
        let mut dx = product(dg, Matrix::new(gates, outputs, inputs), T::one());
        Target::add(&mut dx, inputs).product(du, Matrix::new(ups, outputs, inputs), T::one());
        Tensor::from_vec(dx, x.shape(), x.device())
    });
    let weight = |d: Matrix<'_, T>| Tensor::from_vec(product(d.t(), xs, T::one()), gate.shape(), x.device());
    Ok((dx.transpose()?, Some(weight(dg)?), Some(weight(du)?)))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn equals_plain_operations() {
        let x = check::random(&[2, 3, 8], 1);
        let half = |dims: &[usize], seed| (check::random(dims, seed) * 0.3).expect("scaled");
        let (gate, up) = (half(&[5, 8], 2), half(&[5, 8], 3));
        let ours = |t: &[Tensor]| gated(&t[0], &t[1], &t[2]);
        let plain = |t: &[Tensor]| {
            let flat = t[0].reshape((6, 8))?;
            (flat.matmul(&t[1].t()?)?.silu()? * flat.matmul(&t[2].t()?)?)?.reshape((2, 3, 5))
        };
        check::same(&[&x, &gate, &up], ours, plain);
        check::finite_differences(&[&x, &gate, &up], ours);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = check::random(&[2, 8], 1);
        let of = |dims: &[usize]| check::random(dims, 2);
        assert!(gated(&x, &of(&[5, 7]), &of(&[5, 7])).is_err());
        assert!(gated(&x, &of(&[5, 8]), &of(&[4, 8])).is_err());
    }
}
