//! A frozen projection with a LoRA adapter: `y = x W^T + s (m * x) A^T B^T`, with `x` [..., in], `W` [out, in], `A` [rank, in],
//! `B` [out, rank], `s` the adapter's scale and `m` what its dropout keeps (arXiv 2106.09685).
//!
//! The adapter's share is added to `y` where that lies, and scaled at its narrow side: nothing of the width of `y` is kept
//! besides `y`. Backward: `t = s dy B`, `dx = dy W + m * (t A)`, `dA = t^T (m * x)`, `dB = s dy^T low`, `low = (m * x) A^T`.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, D, Device, Layout, Result, Shape, Tensor};

use super::matrix::{Matrix, Target, product};
use super::real::Real;
use super::{Read, elements, for_real, has_kernel, linear};

/// What dropout multiplies with, made again each time it is asked.
pub type Kept = Box<dyn Fn() -> Vec<f32> + Send + Sync>;

const NAME: &str = "adapted";

/// The projection by `weight`, which gets no gradient, and by the adapter `(a, b)` times `scale`. `kept` gives what dropout
/// multiplies the adapter's input with, one number for each element of `x`, the same each time.
///
/// # Errors
/// Shapes, dtypes or devices don't fit.
pub fn adapted(
    x: &Tensor,
    weight: &Tensor,
    (a, b): (&Tensor, &Tensor),
    scale: f64,
    kept: Option<Kept>,
) -> Result<Tensor> {
    let ((outputs, inputs), (rank, rank_b)) = (weight.dims2()?, (a.dim(0)?, b.dim(1)?));
    let fits = a.dims() == [rank, inputs] && b.dims() == [outputs, rank] && x.dim(D::Minus1)? == inputs;
    if !fits || inputs == 0 || rank == 0 || rank != rank_b {
        candle_core::bail!("{NAME}: x is {x:?}, the weight {weight:?}, the adapter {a:?} and {b:?}");
    }
    if has_kernel(x) && [weight, a, b].iter().all(|t| t.dtype() == x.dtype()) {
        let op = Fused { weight: weight.detach().contiguous()?, scale, kept, low: OnceLock::new() };
        return x.contiguous()?.apply_op3(&a.contiguous()?, &b.contiguous()?, op);
    }
    let dropped = match kept {
        Some(kept) => {
            let kept = Tensor::from_vec(kept(), x.shape(), &Device::Cpu)?;
            (x * kept.to_dtype(x.dtype())?.to_device(x.device())?)?
        }
        None => x.clone(),
    };
    let low = (linear(&dropped, a)? * scale)?;
    linear(x, weight)? + linear(&low, b)?
}

struct Fused {
    weight: Tensor,
    scale: f64,
    kept: Option<Kept>,
    /// From forward, for backward.
    low: OnceLock<CpuStorage>,
}

impl Fused {
    /// `m * x`; nothing without dropout.
    fn dropped<T: Real>(&self, x: &[T]) -> Option<Vec<T>> {
        let kept = self.kept.as_ref()?();
        Some(x.iter().zip(kept).map(|(&x, kept)| x * T::from_f64(f64::from(kept))).collect())
    }
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(x);
        let mut dims = xl.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.weight.dim(0)?;
        }
        Ok((for_real!(dtype, forward(self, (x, xl), (a, al), (b, bl)))?, Shape::from(dims)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        for_real!(x.dtype(), backward(self, x, a, b, &dy.contiguous()?))
    }
}

type Input<'a> = (&'a CpuStorage, &'a Layout);

fn forward<T: Real>(op: &Fused, x: Input<'_>, a: Input<'_>, b: Input<'_>) -> Result<CpuStorage> {
    let ((outputs, inputs), (rank, _)) = (op.weight.dims2()?, a.1.shape().dims2()?);
    let weight = Read::new(&op.weight);
    let weight = Matrix::new(weight.elements::<T>(NAME)?, outputs, inputs);
    let a = Matrix::new(elements::<T>(NAME, a.0, a.1)?, rank, inputs);
    let b = Matrix::new(elements::<T>(NAME, b.0, b.1)?, outputs, rank);
    let x = elements::<T>(NAME, x.0, x.1)?;
    let rows = x.len() / inputs;
    let dropped = op.dropped(x);
    let low = product(Matrix::new(dropped.as_deref().unwrap_or(x), rows, inputs), a.t(), T::one());
    let mut y = product(Matrix::new(x, rows, inputs), weight.t(), T::one());
    Target::add(&mut y, outputs).product(Matrix::new(&low, rows, rank), b.t(), T::from_f64(op.scale));
    // Forward runs once for each op; a second run would compute the same.
    drop(op.low.set(T::to_cpu_storage_owned(low)));
    Ok(T::to_cpu_storage_owned(y))
}

type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

fn backward<T: Real>(op: &Fused, x: &Tensor, a: &Tensor, b: &Tensor, dy: &Tensor) -> Result<Gradients> {
    let Some(low) = op.low.get() else { candle_core::bail!("{NAME}: backward before forward") };
    let (weights, xs, gs) = (Read::new(&op.weight), Read::new(x), Read::new(dy));
    let (xs, gs) = (xs.elements::<T>(NAME)?, gs.elements::<T>(NAME)?);
    let (a_read, b_read) = (Read::new(a), Read::new(b));
    let ((outputs, inputs), rank) = (op.weight.dims2()?, a.dim(0)?);
    let (rows, scale) = (xs.len() / inputs, T::from_f64(op.scale));
    let weight = Matrix::new(weights.elements::<T>(NAME)?, outputs, inputs);
    let a_matrix = Matrix::new(a_read.elements::<T>(NAME)?, rank, inputs);
    let b_matrix = Matrix::new(b_read.elements::<T>(NAME)?, outputs, rank);
    let gs = Matrix::new(gs, rows, outputs);
    let dropped = op.dropped(xs);
    let narrow = product(gs, b_matrix, scale);
    let narrow = Matrix::new(&narrow, rows, rank);
    let da = product(narrow.t(), Matrix::new(dropped.as_deref().unwrap_or(xs), rows, inputs), T::one());
    let db = product(gs.t(), Matrix::new(T::cpu_storage_as_slice(low)?, rows, rank), scale);
    let dx = x.track_op().then(|| {
        let mut dx = product(gs, weight, T::one());
        match &op.kept {
            None => Target::add(&mut dx, inputs).product(narrow, a_matrix, T::one()),
            Some(kept) => {
                let through = product(narrow, a_matrix, T::one());
                for ((dx, &through), kept) in dx.iter_mut().zip(&through).zip(kept()) {
                    *dx += through * T::from_f64(f64::from(kept));
                }
            }
        }
        Tensor::from_vec(dx, x.shape(), x.device())
    });
    let tensor = |values: Vec<T>, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device());
    Ok((dx.transpose()?, Some(tensor(da, a)?), Some(tensor(db, b)?)))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    fn inputs() -> [Tensor; 4] {
        let of = |dims: &[usize], seed| (check::random(dims, seed) * 0.5).expect("scaled");
        [of(&[2, 3, 8], 1), of(&[3, 8], 2), of(&[5, 3], 3), of(&[5, 8], 4)]
    }

    /// Drops every third element.
    fn kept() -> Vec<f32> {
        (0..48).map(|index| if index % 3 == 0 { 0.0 } else { 1.5 }).collect()
    }

    #[test]
    fn equals_plain_operations() {
        let [x, a, b, weight] = inputs();
        for drops in [false, true] {
            let dropout = || drops.then(|| Box::new(kept) as Kept);
            let ours = |t: &[Tensor]| {
                let weight = weight.to_dtype(t[0].dtype())?;
                adapted(&t[0], &weight, (&t[1], &t[2]), 1.5, dropout())
            };
            let plain = |t: &[Tensor]| {
                let mask = if drops { kept() } else { vec![1.0; 48] };
                let mask = Tensor::from_vec(mask, (6, 8), &Device::Cpu)?.to_dtype(t[0].dtype())?;
                let flat = t[0].reshape((6, 8))?;
                let delta = (flat.clone() * mask)?.matmul(&t[1].t()?)?.matmul(&t[2].t()?)?;
                (flat.matmul(&weight.to_dtype(t[0].dtype())?.t()?)? + (delta * 1.5)?)?.reshape((2, 3, 5))
            };
            check::same(&[&x, &a, &b], ours, plain);
            check::finite_differences(&[&x, &a, &b], ours);
        }
    }

    #[test]
    fn the_frozen_weight_gets_no_gradient() -> Result<()> {
        let [x, a, b, weight] = inputs();
        let weight = candle_core::Var::from_tensor(&weight)?;
        let a = candle_core::Var::from_tensor(&a)?;
        let gradients = adapted(&x, &weight, (&a, &b), 1.0, None)?.sum_all()?.backward()?;
        assert!(gradients.get(&a).is_some() && gradients.get(&weight).is_none());
        assert!(adapted(&x, &weight, (&b, &a), 1.0, None).is_err());
        Ok(())
    }
}
