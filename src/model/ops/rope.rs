//! Rotary position embedding (arXiv 2104.09864) in the layout of Hugging Face, where the pair of element `i` is `i + d/2`:
//! `y_i = x_i c_i - x_(i+d/2) s_i`, `y_(i+d/2) = x_(i+d/2) c_i + x_i s_i`, with `c = a cos(p f_i)`, `s = a sin(p f_i)`,
//! `p` the position, `f` and `a` from [`RopeConfig`].
//!
//! Takes [batch, length, heads * d] as a projection leaves it and gives [batch, heads, length, d] as attention wants it,
//! with the heads of one group below each other, so that neither splitting nor transposing costs a pass of its own.
//! Backward is the opposite turn.

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor};

use super::heads::Sizes;
use super::real::Real;
use super::vector::vectorised;
use super::{Read, elements, for_real, has_kernel};
use crate::model::rope_config::RopeConfig;

const NAME: &str = "rope";

/// cos and sin for the positions of a batch; cheap to clone.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// [rows or 1, length, d / 2], in the type of the activations.
    cos: Tensor,
    sin: Tensor,
}

impl Rotation {
    /// For `positions`, row after row, `length` in each; one row holds for the whole batch.
    ///
    /// # Errors
    /// The number of positions is no multiple of `length`, or the device has no memory.
    pub fn new(
        config: &RopeConfig,
        head_dim: usize,
        positions: &[u32],
        length: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        if length == 0 || positions.is_empty() || !positions.len().is_multiple_of(length) {
            candle_core::bail!("{NAME}: {} positions in rows of {length}", positions.len());
        }
        // The angle is an f32 product, as in transformers: at large positions its rounding shows.
        let frequencies: Vec<f32> = config.frequencies(head_dim).into_iter().map(|f| f as f32).collect();
        let angle = |&position: &u32| frequencies.iter().map(move |&f| f64::from(position as f32 * f));
        let angles: Vec<f64> = positions.iter().flat_map(angle).collect();
        let shape = (positions.len() / length, length, head_dim / 2);
        let table = |turn: fn(f64) -> f64| {
            let factor = config.attention_factor();
            let values: Vec<f64> = angles.iter().map(|&angle| factor * turn(angle)).collect();
            // By way of f32: CUDA has no direct cast from f64 to every type.
            let table = Tensor::from_vec(values, shape, &Device::Cpu)?;
            let table =
                if dtype == DType::F64 { table } else { table.to_dtype(DType::F32)?.to_dtype(dtype)? };
            table.to_device(device)
        };
        Ok(Self { cos: table(f64::cos)?, sin: table(f64::sin)? })
    }
}

/// Turns the `heads` of `x` [batch, length, heads * d] and gives [batch, groups, heads / groups * length, d].
///
/// # Errors
/// Shapes, dtypes or devices don't fit.
pub fn rope(x: &Tensor, heads: usize, groups: usize, rotation: &Rotation) -> Result<Tensor> {
    let (batch, length, _) = x.dims3()?;
    let (rows, steps, pairs) = rotation.cos.dims3()?;
    let fits = (rows == 1 || rows == batch) && steps == length && heads * pairs * 2 == x.dim(2)?;
    if !fits || groups == 0 || !heads.is_multiple_of(groups) || rotation.cos.dtype() != x.dtype() {
        candle_core::bail!("{NAME}: x is {x:?}, the rotation {:?}, {heads} heads in {groups}", rotation.cos);
    }
    if has_kernel(x) {
        return x.contiguous()?.apply_op1(Fused { rotation: rotation.clone(), heads, groups });
    }
    let x = x.reshape((batch, length, heads, pairs * 2))?.transpose(1, 2)?.contiguous()?;
    let y = if x.track_op() {
        plain(&x, rotation)?
    } else {
        let flat = |table: &Tensor| if rows == 1 { table.squeeze(0) } else { table.contiguous() };
        candle_nn::rotary_emb::rope(&x, &flat(&rotation.cos)?, &flat(&rotation.sin)?)?
    };
    y.reshape((batch, groups, heads / groups * length, pairs * 2))
}

/// Of `x` [batch, heads, length, d].
fn plain(x: &Tensor, rotation: &Rotation) -> Result<Tensor> {
    let half = x.dim(3)? / 2;
    let (cos, sin) = (rotation.cos.unsqueeze(1)?, rotation.sin.unsqueeze(1)?);
    let (low, high) = (x.narrow(3, 0, half)?, x.narrow(3, half, half)?);
    let first = (low.broadcast_mul(&cos)? - high.broadcast_mul(&sin)?)?;
    let second = (high.broadcast_mul(&cos)? + low.broadcast_mul(&sin)?)?;
    Tensor::cat(&[first, second], 3)
}

struct Fused {
    rotation: Rotation,
    heads: usize,
    groups: usize,
}

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Sizes { batch, length, heads, width } = Sizes::of(layout.shape(), self.heads)?;
        let dtype = candle_core::backend::BackendStorage::dtype(x);
        let shape = Shape::from((batch, self.groups, heads / self.groups * length, width));
        Ok((for_real!(dtype, forward(self, x, layout))?, shape))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(for_real!(x.dtype(), backward(self, x, &dy.contiguous()?))?))
    }
}

vectorised! {
    /// One head at one position; `sign` is -1 for the opposite turn.
    fn turn(from: &[T], to: &mut [T], cos: &[T], sin: &[T], sign: T) {
        let half = cos.len();
        let (low, high) = from.split_at(half);
        let (to_low, to_high) = to.split_at_mut(half);
        let (sin, high, to_low, to_high) = (&sin[..half], &high[..half], &mut to_low[..half], &mut to_high[..half]);
        for i in 0..half {
            let s = sign * sin[i];
            to_low[i] = low[i] * cos[i] - high[i] * s;
            to_high[i] = high[i] * cos[i] + low[i] * s;
        }
    }
}

fn forward<T: Real>(op: &Fused, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
    let sizes = Sizes::of(layout.shape(), op.heads)?;
    let (cos, sin) = (Read::new(&op.rotation.cos), Read::new(&op.rotation.sin));
    let (cos, sin) = (cos.elements::<T>(NAME)?, sin.elements::<T>(NAME)?);
    let x = elements::<T>(NAME, x, layout)?;
    let mut y = vec![T::zero(); x.len()];
    let (width, half) = (sizes.width, sizes.width / 2);
    let (rows, length) = (op.rotation.cos.dim(0)?, sizes.length);
    sizes.each(|outer, inner, row, step| {
        let table = (if rows == 1 { 0 } else { row * length } + step) * half;
        let (cos, sin) = (&cos[table..table + half], &sin[table..table + half]);
        turn(&x[outer..outer + width], &mut y[inner..inner + width], cos, sin, T::one());
    });
    Ok(T::to_cpu_storage_owned(y))
}

fn backward<T: Real>(op: &Fused, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let sizes = Sizes::of(x.shape(), op.heads)?;
    let (cos, sin, gs) = (Read::new(&op.rotation.cos), Read::new(&op.rotation.sin), Read::new(dy));
    let (cos, sin, gs) = (cos.elements::<T>(NAME)?, sin.elements::<T>(NAME)?, gs.elements::<T>(NAME)?);
    let mut dx = vec![T::zero(); gs.len()];
    let (width, half) = (sizes.width, sizes.width / 2);
    let (rows, length) = (op.rotation.cos.dim(0)?, sizes.length);
    sizes.each(|outer, inner, row, step| {
        let table = (if rows == 1 { 0 } else { row * length } + step) * half;
        let (cos, sin) = (&cos[table..table + half], &sin[table..table + half]);
        turn(&gs[inner..inner + width], &mut dx[outer..outer + width], cos, sin, -T::one());
    });
    Tensor::from_vec(dx, x.shape(), x.device())
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use crate::model::rope_config::RopeScaling;

    #[test]
    fn equals_plain_operations() -> Result<()> {
        let config = RopeConfig { theta: 100.0, scaling: RopeScaling::Default };
        let x = check::random(&[2, 3, 32], 1);
        for positions in [vec![0, 1, 2], vec![5, 6, 7, 100, 101, 102]] {
            let rotation = |x: &Tensor| Rotation::new(&config, 8, &positions, 3, x.dtype(), &Device::Cpu);
            let ours = |t: &[Tensor]| rope(&t[0], 4, 2, &rotation(&t[0])?);
            check::same(&[&x], ours, |t| {
                let heads = t[0].reshape((2, 3, 4, 8))?.transpose(1, 2)?.contiguous()?;
                plain(&heads, &rotation(&t[0])?)?.reshape((2, 2, 6, 8))
            });
            check::finite_differences(&[&x], ours);
            let fused = rotation(&x)?;
            let half = x.to_dtype(DType::BF16)?;
            let off = check::distance(&rope(&half, 4, 2, &rotation(&half)?)?, &rope(&x, 4, 2, &fused)?);
            assert!(off < 0.05);
        }
        Ok(())
    }
}
