//! What a policy's loss needs of logits: the log-probability of the token that was chosen, `z_a - lse` with
//! `lse = log sum_j e^(z_j)`, and the entropy `H = -sum_j p_j log p_j = lse - sum_j p_j z_j`.
//!
//! One pass forward and one backward, as [`super::cross_entropy`]: probabilities are never stored.
//! `dz_j = ([j = a] - p_j) dlogp - p_j (log p_j + H) dH`.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor};

use super::real::Real;
use super::vector::{largest_of, sum_of, vectorised};
use super::{Read, elements, for_real, has_kernel};

const NAME: &str = "log-probs";

/// Log-probability of `chosen` and entropy for each row of `logits` [n, vocabulary]: both [n], in f32 (f64 of f64).
///
/// # Errors
/// Not one token for each row, a token outside the vocabulary, or a tensor operation failed.
pub fn log_probs(logits: &Tensor, chosen: &[u32]) -> Result<(Tensor, Tensor)> {
    let (rows, vocabulary) = logits.dims2()?;
    if chosen.len() != rows {
        candle_core::bail!("{NAME}: {rows} rows, {} tokens", chosen.len());
    }
    if let Some(token) = chosen.iter().find(|&&token| token as usize >= vocabulary) {
        candle_core::bail!("{NAME}: token {token} in a vocabulary of {vocabulary}");
    }
    if !has_kernel(logits) {
        return plain(logits, chosen);
    }
    let op = Fused { chosen: chosen.into(), rows: OnceLock::new() };
    let both = logits.contiguous()?.apply_op1(op)?;
    Ok((both.narrow(0, 0, 1)?.squeeze(0)?, both.narrow(0, 1, 1)?.squeeze(0)?))
}

fn plain(logits: &Tensor, chosen: &[u32]) -> Result<(Tensor, Tensor)> {
    let dtype = if logits.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let wide = logits.to_dtype(dtype)?;
    let centred = wide.broadcast_sub(&wide.max_keepdim(D::Minus1)?.detach())?;
    let all = centred.broadcast_sub(&centred.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let tokens = Tensor::from_slice(chosen, (chosen.len(), 1), logits.device())?;
    let entropy = (all.exp()? * &all)?.sum(D::Minus1)?.neg()?;
    Ok((all.gather(&tokens, 1)?.squeeze(1)?, entropy))
}

struct Fused {
    chosen: Arc<[u32]>,
    /// From forward, for backward: the logarithm of the sum, and the entropy, of each row.
    rows: OnceLock<Vec<(f64, f64)>>,
}

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(logits);
        Ok((for_real!(dtype, forward(self, logits, layout))?, Shape::from((2, self.chosen.len()))))
    }

    fn bwd(&self, logits: &Tensor, _both: &Tensor, slopes: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(for_real!(logits.dtype(), backward(self, logits, &slopes.contiguous()?))?))
    }
}

vectorised! {
    /// `log sum e^z` and the entropy.
    fn summary(row: &[T]) -> (f64, f64) {
        let most = largest_of(row);
        let sum = candle_core::WithDType::to_f64(sum_of(row, row, |z, _| (z - most).exp_inline()));
        let weighted = sum_of(row, row, |z, _| (z - most) * (z - most).exp_inline());
        let entropy = sum.ln() - candle_core::WithDType::to_f64(weighted) / sum;
        (candle_core::WithDType::to_f64(most) + sum.ln(), entropy)
    }

    /// `-p (a + b (log p + H))`, all but what the chosen token has besides.
    fn slopes_of(z: &[T], log_sum: T, entropy: T, a: T, b: T, dz: &mut [T]) {
        for (dz, &z) in dz.iter_mut().zip(z) {
            let log_p = z - log_sum;
            *dz = -(log_p.exp_inline() * (a + b * (log_p + entropy)));
        }
    }
}

fn forward<T: Real>(op: &Fused, logits: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
    let (count, vocabulary) = layout.shape().dims2()?;
    let logits = elements::<T>(NAME, logits, layout)?;
    let rows: Vec<(f64, f64)> = logits.chunks_exact(vocabulary).map(summary).collect();
    let chosen = logits.chunks_exact(vocabulary).zip(op.chosen.iter()).zip(&rows);
    let mut both: Vec<T> = Vec::with_capacity(2 * count);
    both.extend(chosen.map(|((row, &token), (log_sum, _))| {
        T::from_f64(candle_core::WithDType::to_f64(row[token as usize]) - log_sum)
    }));
    both.extend(rows.iter().map(|&(_, entropy)| T::from_f64(entropy)));
    // Forward runs once for each op; a second run would compute the same.
    drop(op.rows.set(rows));
    Ok(T::to_cpu_storage_owned(both))
}

fn backward<T: Real>(op: &Fused, logits: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    let vocabulary = logits.dim(1)?;
    let (zs, slopes) = (Read::new(logits), Read::new(slopes));
    let (zs, slopes) = (zs.elements::<T>(NAME)?, slopes.elements::<T>(NAME)?);
    let Some(rows) = op.rows.get() else { candle_core::bail!("{NAME}: backward before forward") };
    let (of_log_probs, of_entropies) = slopes.split_at(op.chosen.len());
    let mut dz = vec![T::zero(); zs.len()];
    let lines = dz.chunks_exact_mut(vocabulary).zip(zs.chunks_exact(vocabulary));
    for (index, (dz, z)) in lines.enumerate() {
        let (a, b) = (of_log_probs[index], of_entropies[index]);
        let (log_sum, entropy) = rows[index];
        slopes_of(z, T::from_f64(log_sum), T::from_f64(entropy), a, b, dz);
        dz[op.chosen[index] as usize] += a;
    }
    Tensor::from_vec(dz, logits.shape(), logits.device())
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn equal_plain_operations() {
        let logits = check::random(&[4, 37], 1);
        let chosen = [3, 0, 36, 2];
        // Each by itself, and a mixture in which every row counts differently.
        type Part = fn((Tensor, Tensor)) -> Result<Tensor>;
        let alone: [Part; 3] = [
            |(log_probs, _)| Ok(log_probs),
            |(_, entropy)| Ok(entropy),
            |(log_probs, entropy)| log_probs * (entropy + 0.5)?,
        ];
        for part in alone {
            let ours = |t: &[Tensor]| part(log_probs(&t[0], &chosen)?);
            check::same(&[&logits], ours, |t| part(plain(&t[0], &chosen)?));
            check::finite_differences(&[&logits], ours);
        }
    }

    #[test]
    fn uniform_logits_have_the_logarithm_of_the_vocabulary_as_entropy() -> Result<()> {
        let logits = Tensor::new(&[[7.0_f32; 16]], &candle_core::Device::Cpu)?;
        let (log_probs, entropy) = log_probs(&logits, &[5])?;
        assert!((log_probs.to_vec1::<f32>()?[0] + 16.0_f32.ln()).abs() < 1e-6);
        assert!((entropy.to_vec1::<f32>()?[0] - 16.0_f32.ln()).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn not_a_number_shows_and_bad_tokens_are_refused() -> Result<()> {
        let logits = Tensor::new(&[[f32::NAN, 0.0], [0.0, 0.0]], &candle_core::Device::Cpu)?;
        let (found, entropy) = log_probs(&logits, &[1, 0])?;
        assert!(found.to_vec1::<f32>()?[0].is_nan() && entropy.to_vec1::<f32>()?[0].is_nan());
        assert!((found.to_vec1::<f32>()?[1] + std::f32::consts::LN_2).abs() < 1e-6);
        assert!(log_probs(&logits, &[1, 2]).is_err());
        assert!(log_probs(&logits, &[1]).is_err());
        Ok(())
    }
}
