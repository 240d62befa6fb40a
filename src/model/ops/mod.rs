//! Differentiable operations with their own backward.
//!
//! candle's fused operations (`rms_norm`, `softmax_last_dim`, `rope`) drop the gradient and say nothing, and their
//! plain equivalents are five to ten kernels each (`../shared/reference/candle.md` §1a, §1b). Each function here:
//! - on a CPU, in f32 and f64, runs one kernel forward and one backward, on the calling thread (parallelism comes from
//!   replicas, §1c);
//! - elsewhere is made of plain candle operations when a gradient is wanted, and of candle's fused ones when not.
//!
//! A tensor that is not tracked gets no graph: the same functions serve training and generation.

mod adapted;
mod attention;
mod cached_attention;
mod cross_entropy;
mod gated;
mod heads;
mod lanes;
mod linear;
mod log_probs;
mod logits;
mod mask;
mod matrix;
mod product;
mod real;
mod rms_norm;
mod rope;
mod softmax;
mod swiglu;
mod vector;

pub use adapted::{Kept, adapted};
pub use attention::attention;
pub(crate) use cached_attention::{Sharing, Stored, cached_attention};
pub use cross_entropy::cross_entropy;
pub use gated::gated;
pub use heads::{join_heads, split_heads};
pub use linear::linear;
pub use log_probs::log_probs;
pub(crate) use logits::{exponentials, largest, sum};
pub use mask::{Mask, Span};
pub(crate) use product::product;
pub use rms_norm::rms_norm;
pub use rope::{Rotation, rope};
pub use softmax::masked_softmax;
pub use swiglu::swiglu;

use candle_core::{CpuStorage, DType, Layout, Result, Storage, StorageRef, Tensor};

use real::Real;

/// Whether our kernels take this tensor.
pub(super) fn has_kernel(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && matches_real(tensor.dtype())
}

fn matches_real(dtype: DType) -> bool {
    dtype == DType::F32 || dtype == DType::F64
}

/// The elements of a contiguous CPU tensor, in order.
fn elements<'a, T: Real>(op: &'static str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => Err(candle_core::Error::RequiresContiguous { op }.bt()),
    }
}

/// Keeps a tensor's storage readable while a kernel runs.
struct Read<'a> {
    storage: StorageRef<'a>,
    layout: &'a Layout,
}

impl<'a> Read<'a> {
    fn new(tensor: &'a Tensor) -> Self {
        let (storage, layout) = tensor.storage_and_layout();
        Self { storage, layout }
    }

    fn elements<T: Real>(&self, op: &'static str) -> Result<&[T]> {
        match &*self.storage {
            Storage::Cpu(storage) => elements(op, storage, self.layout),
            Storage::Cuda(_) | Storage::Metal(_) => candle_core::bail!("{op} has kernels for the CPU only"),
        }
    }
}

/// Runs a kernel that is generic over the scalar for the scalar of `dtype`.
macro_rules! for_real {
    ($dtype:expr, $kernel:ident ( $($argument:expr),* $(,)? )) => {
        if $dtype == candle_core::DType::F64 { $kernel::<f64>($($argument),*) } else { $kernel::<f32>($($argument),*) }
    };
}
use for_real;

#[cfg(test)]
mod check;
