//! From a projection's layout, [batch, length, heads * d], to that of attention, [batch, heads, length, d], and back.
//!
//! The same with plain operations is a reshape, a transposition and a copy, and backward takes three passes.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::real::Real;
use super::{Read, elements, for_real, has_kernel};

const NAME: &str = "heads";

/// [batch, length, heads * d] → [batch, heads, length, d].
///
/// # Errors
/// `heads` does not divide the width.
pub fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, length, width) = x.dims3()?;
    if heads == 0 || !width.is_multiple_of(heads) {
        candle_core::bail!("{NAME}: {heads} in a width of {width}");
    }
    if has_kernel(x) {
        return x.contiguous()?.apply_op1(Split { heads });
    }
    x.reshape((batch, length, heads, width / heads))?.transpose(1, 2)?.contiguous()
}

/// [batch, groups, heads / groups * length, d] → [batch, length, heads * d].
///
/// # Errors
/// The sizes don't fit.
pub fn join_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, groups, below, d) = x.dims4()?;
    if heads == 0 || !(groups * below).is_multiple_of(heads) {
        candle_core::bail!("{NAME}: {heads} in {:?}", x.shape());
    }
    if has_kernel(x) {
        return x.contiguous()?.apply_op1(Join { heads });
    }
    let length = groups * below / heads;
    x.reshape((batch, heads, length, d))?.transpose(1, 2)?.reshape((batch, length, heads * d))
}

/// Sizes of a tensor that has heads in it.
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) length: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
}

impl Sizes {
    /// Of [batch, length, heads * width].
    pub(super) fn of(shape: &Shape, heads: usize) -> Result<Self> {
        let (batch, length, all) = shape.dims3()?;
        Ok(Self { batch, length, heads, width: all / heads })
    }

    /// Calls `visit(start at [batch, length, heads, d], start at [batch, heads, length, d], row, step)`.
    pub(super) fn each(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        for row in 0..self.batch {
            for step in 0..self.length {
                for head in 0..self.heads {
                    let outer = ((row * self.length + step) * self.heads + head) * self.width;
                    let inner = ((row * self.heads + head) * self.length + step) * self.width;
                    visit(outer, inner, row, step);
                }
            }
        }
    }
}

struct Split {
    heads: usize,
}

struct Join {
    heads: usize,
}

/// `from` at [batch, length, heads, d] to [batch, heads, length, d].
fn split<T: Real>(sizes: &Sizes, from: &[T]) -> Vec<T> {
    let mut to = vec![T::zero(); from.len()];
    let width = sizes.width;
    sizes.each(|outer, inner, _, _| to[inner..inner + width].copy_from_slice(&from[outer..outer + width]));
    to
}

fn join<T: Real>(sizes: &Sizes, from: &[T]) -> Vec<T> {
    let mut to = vec![T::zero(); from.len()];
    let width = sizes.width;
    sizes.each(|outer, inner, _, _| to[outer..outer + width].copy_from_slice(&from[inner..inner + width]));
    to
}

/// Of [batch, groups, heads / groups * length, d].
fn joined_sizes(shape: &Shape, heads: usize) -> Result<Sizes> {
    let (batch, groups, below, width) = shape.dims4()?;
    Ok(Sizes { batch, length: groups * below / heads, heads, width })
}

impl CustomOp1 for Split {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(sizes: &Sizes, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            Ok(T::to_cpu_storage_owned(split(sizes, elements::<T>(NAME, x, layout)?)))
        }
        let sizes = Sizes::of(layout.shape(), self.heads)?;
        let y = for_real!(candle_core::backend::BackendStorage::dtype(x), run(&sizes, x, layout))?;
        Ok((y, Shape::from((sizes.batch, sizes.heads, sizes.length, sizes.width))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(sizes: &Sizes, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
            let read = Read::new(dy);
            Tensor::from_vec(join(sizes, read.elements::<T>(NAME)?), x.shape(), x.device())
        }
        let sizes = Sizes::of(x.shape(), self.heads)?;
        Ok(Some(for_real!(x.dtype(), run(&sizes, x, &dy.contiguous()?))?))
    }
}

impl CustomOp1 for Join {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<T: Real>(sizes: &Sizes, x: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
            Ok(T::to_cpu_storage_owned(join(sizes, elements::<T>(NAME, x, layout)?)))
        }
        let sizes = joined_sizes(layout.shape(), self.heads)?;
        let y = for_real!(candle_core::backend::BackendStorage::dtype(x), run(&sizes, x, layout))?;
        Ok((y, Shape::from((sizes.batch, sizes.length, sizes.heads * sizes.width))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        fn run<T: Real>(sizes: &Sizes, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
            let read = Read::new(dy);
            Tensor::from_vec(split(sizes, read.elements::<T>(NAME)?), x.shape(), x.device())
        }
        let sizes = joined_sizes(x.shape(), self.heads)?;
        Ok(Some(for_real!(x.dtype(), run(&sizes, x, &dy.contiguous()?))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn equals_plain_operations() {
        let x = check::random(&[2, 3, 32], 1);
        let plain = |t: &[Tensor]| t[0].reshape((2, 3, 4, 8))?.transpose(1, 2)?.contiguous();
        check::same(&[&x], |t| split_heads(&t[0], 4), plain);
        check::finite_differences(&[&x], |t| split_heads(&t[0], 4));
        let y = check::random(&[2, 2, 6, 8], 2);
        let plain = |t: &[Tensor]| t[0].reshape((2, 4, 3, 8))?.transpose(1, 2)?.reshape((2, 3, 32));
        check::same(&[&y], |t| join_heads(&t[0], 4), plain);
        check::finite_differences(&[&y], |t| join_heads(&t[0], 4));
    }
}
