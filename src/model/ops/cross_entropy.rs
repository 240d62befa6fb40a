//! Weighted cross entropy over logits: `L = sum_i w_i (log sum_j e^(z_ij) - z_i,target_i)`.
//!
//! One pass forward, which keeps only `log sum e^z` of each row, and one backward, `dz_ij = w_i (e^(z_ij - lse_i) - [j =
//! target_i]) dL`: the probabilities are never stored. Rows of weight 0 (prompts, padding) cost nothing.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor};

use super::real::Real;
use super::vector::{largest_of, sum_of, vectorised};
use super::{Read, elements, for_real, has_kernel};

const NAME: &str = "cross-entropy";

/// The weighted sum of `-log p(target)` over the rows of `logits` [n, vocabulary], a scalar in f32 (f64 of f64).
///
/// Divide by the sum of the weights for a mean: over the whole batch, not over its parts.
///
/// # Errors
/// Not one target and weight for each row, a target outside the vocabulary, or a tensor operation failed.
pub fn cross_entropy(logits: &Tensor, targets: &[u32], weights: &[f32]) -> Result<Tensor> {
    let (rows, vocabulary) = logits.dims2()?;
    if targets.len() != rows || weights.len() != rows {
        candle_core::bail!("{NAME}: {rows} rows, {} targets, {} weights", targets.len(), weights.len());
    }
    if let Some(target) = targets.iter().find(|&&target| target as usize >= vocabulary) {
        candle_core::bail!("{NAME}: target {target} in a vocabulary of {vocabulary}");
    }
    if !has_kernel(logits) {
        return plain(logits, targets, weights);
    }
    let op = Fused { targets: targets.into(), weights: weights.into(), log_sums: OnceLock::new() };
    logits.contiguous()?.apply_op1(op)
}

fn plain(logits: &Tensor, targets: &[u32], weights: &[f32]) -> Result<Tensor> {
    let dtype = if logits.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let wide = logits.to_dtype(dtype)?;
    let most = wide.max_keepdim(D::Minus1)?.detach();
    let log_sums = (wide.broadcast_sub(&most)?.exp()?.sum_keepdim(D::Minus1)?.log()? + most)?;
    let targets = Tensor::from_slice(targets, (targets.len(), 1), logits.device())?;
    let weights = Tensor::from_slice(weights, (weights.len(), 1), logits.device())?.to_dtype(dtype)?;
    ((log_sums - wide.gather(&targets, 1)?)? * weights)?.sum_all()
}

struct Fused {
    targets: Arc<[u32]>,
    weights: Arc<[f32]>,
    /// From forward, for backward: one for each row.
    log_sums: OnceLock<Vec<f64>>,
}

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(logits);
        Ok((for_real!(dtype, forward(self, logits, layout))?, Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, dl: &Tensor) -> Result<Option<Tensor>> {
        let dl = dl.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        Ok(Some(for_real!(logits.dtype(), backward(self, logits, dl))?))
    }
}

vectorised! {
    fn log_sum(row: &[T]) -> f64 {
        let most = largest_of(row);
        let sum = sum_of(row, row, |z, _| (z - most).exp_inline());
        candle_core::WithDType::to_f64(most) + candle_core::WithDType::to_f64(sum).ln()
    }

    /// `factor e^(z - log_sum)`.
    fn shares(z: &[T], log_sum: T, factor: T, dz: &mut [T]) {
        for (dz, &z) in dz.iter_mut().zip(z) {
            *dz = factor * (z - log_sum).exp_inline();
        }
    }
}

fn forward<T: Real>(op: &Fused, logits: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
    let (_, vocabulary) = layout.shape().dims2()?;
    let logits = elements::<T>(NAME, logits, layout)?;
    let mut log_sums = Vec::with_capacity(op.targets.len());
    let mut loss = 0.0;
    for ((row, &target), &weight) in
        logits.chunks_exact(vocabulary).zip(op.targets.iter()).zip(op.weights.iter())
    {
        let log_sum = if weight.abs() > 0.0 { log_sum(row) } else { 0.0 };
        if weight.abs() > 0.0 {
            loss += f64::from(weight) * (log_sum - candle_core::WithDType::to_f64(row[target as usize]));
        }
        log_sums.push(log_sum);
    }
    // Forward runs once for each op; a second run would compute the same.
    drop(op.log_sums.set(log_sums));
    Ok(T::to_cpu_storage_owned(vec![T::from_f64(loss)]))
}

fn backward<T: Real>(op: &Fused, logits: &Tensor, dl: f64) -> Result<Tensor> {
    let vocabulary = logits.dim(1)?;
    let zs = Read::new(logits);
    let zs = zs.elements::<T>(NAME)?;
    let Some(log_sums) = op.log_sums.get() else { candle_core::bail!("{NAME}: backward before forward") };
    let mut dz = vec![T::zero(); zs.len()];
    let rows = dz.chunks_exact_mut(vocabulary).zip(zs.chunks_exact(vocabulary));
    for (index, (dz, z)) in rows.enumerate() {
        let weight = f64::from(op.weights[index]);
        if weight.abs() > 0.0 {
            let (factor, log_sum) = (T::from_f64(weight * dl), T::from_f64(log_sums[index]));
            shares(z, log_sum, factor, dz);
            dz[op.targets[index] as usize] -= factor;
        }
    }
    Tensor::from_vec(dz, logits.shape(), logits.device())
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn equals_plain_operations() {
        let logits = check::random(&[4, 7], 1);
        let (targets, weights) = ([3, 0, 6, 2], [1.0, 0.0, 0.25, 3.0]);
        let ours = |t: &[Tensor]| cross_entropy(&t[0], &targets, &weights);
        check::same(&[&logits], ours, |t| plain(&t[0], &targets, &weights));
        check::finite_differences(&[&logits], ours);
    }

    #[test]
    fn uniform_logits_cost_the_logarithm_of_the_vocabulary() -> Result<()> {
        let logits = Tensor::zeros((3, 16), DType::F32, &candle_core::Device::Cpu)?;
        let loss = cross_entropy(&logits, &[0, 1, 2], &[1.0, 1.0, 0.0])?.to_scalar::<f32>()?;
        assert!((loss - 2.0 * 16.0_f32.ln()).abs() < 1e-5);
        Ok(())
    }

    #[test]
    fn not_a_number_shows_and_bad_targets_are_refused() -> Result<()> {
        let logits = Tensor::new(&[[f32::NAN, 0.0], [0.0, 0.0]], &candle_core::Device::Cpu)?;
        assert!(cross_entropy(&logits, &[1, 0], &[1.0, 1.0])?.to_scalar::<f32>()?.is_nan());
        assert!(cross_entropy(&logits, &[1, 2], &[1.0, 1.0]).is_err());
        assert!(cross_entropy(&logits, &[1], &[1.0]).is_err());
        Ok(())
    }
}
