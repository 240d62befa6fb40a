//! Proximal policy optimisation: the clipped surrogate and the value loss, each once over slices, for numbers, and once
//! over tensors, for gradients.
//!
//! A ratio belongs to a unit: a token (Schulman et al. 2017), a turn or a whole trajectory (LOOP, arXiv 2502.01600). That of
//! several tokens is the product of theirs, the ratio of the probabilities of all of them together.

use candle_core::{DType, Tensor};

use super::super::error::{Result, TrainError};
use super::{kl, same_length};

/// Which tokens share a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// None: each token has its own.
    Token,
    /// Those of one turn.
    Turn,
    /// All.
    Trajectory,
}

/// What [`surrogate`] finds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surrogate {
    /// `-L^CLIP`, to be made small: the mean over units.
    pub loss: f64,
    /// The share of units whose ratio is outside of `[1 - clip, 1 + clip]`.
    pub clipped_fraction: f64,
    /// `KL(old | new)` by [`kl::k1`], the mean over tokens.
    pub k1: f64,
    /// `KL(old | new)` by [`kl::k3`], the mean over tokens.
    pub k3: f64,
}

/// The clipped surrogate (Schulman et al. 2017, arXiv 1707.06347, eq. 7), negated:
/// `-mean_u min(r_u A_u, clip(r_u, 1 - e, 1 + e) A_u)`, where `r_u` is the product of `pi_new(a) / pi_old(a)` over the tokens
/// of unit `u`. `new` and `old` are log-probabilities, `units` the unit of each token, `advantages` those of the units.
///
/// # Errors
/// Not one old log-probability and unit for each token, a unit without an advantage, or no tokens.
pub fn surrogate(
    new: &[f32],
    old: &[f32],
    units: &[u32],
    advantages: &[f64],
    clip: f64,
) -> Result<Surrogate> {
    check(new.len(), old, units, advantages)?;
    let mut log_ratios = vec![0.0; advantages.len()];
    let (mut k1, mut k3) = (0.0, 0.0);
    for ((&new, &old), &unit) in new.iter().zip(old).zip(units) {
        let (new, old) = (f64::from(new), f64::from(old));
        log_ratios[unit as usize] += new - old;
        k1 += kl::k1(old, new);
        k3 += kl::k3(old, new);
    }
    let (mut sum, mut clipped) = (0.0, 0);
    for (log_ratio, advantage) in log_ratios.iter().zip(advantages) {
        let ratio = log_ratio.exp();
        clipped += usize::from((ratio - 1.0).abs() > clip);
        sum += (ratio * advantage).min(ratio.clamp(1.0 - clip, 1.0 + clip) * advantage);
    }
    let (tokens, count) = (new.len() as f64, advantages.len() as f64);
    let clipped_fraction = f64::from(clipped as u32) / count;
    Ok(Surrogate { loss: -sum / count, clipped_fraction, k1: k1 / tokens, k3: k3 / tokens })
}

/// As [`surrogate`]'s loss, but the sum over units: a scalar in the dtype of `new` [tokens], differentiable in it.
///
/// # Errors
/// As [`surrogate`], or a tensor operation failed.
pub fn surrogate_sum(
    new: &Tensor,
    old: &[f32],
    units: &[u32],
    advantages: &[f64],
    clip: f64,
) -> Result<Tensor> {
    check(new.dims1()?, old, units, advantages)?;
    let (dtype, device) = (new.dtype(), new.device());
    let old = Tensor::new(old, device)?.to_dtype(dtype)?;
    let log_ratios = (new - old)?;
    let is_by_token = units.len() == advantages.len() && (0..).zip(units).all(|(at, &unit)| at == unit);
    let log_ratios = if is_by_token {
        log_ratios
    } else {
        let sums = Tensor::zeros(advantages.len(), dtype, device)?;
        sums.index_add(&Tensor::new(units, device)?, &log_ratios, 0)?
    };
    let advantages = Tensor::new(advantages, device)?.to_dtype(dtype)?;
    let ratios = log_ratios.exp()?;
    let clipped = ratios.clamp(1.0 - clip, 1.0 + clip)?;
    let least = (ratios * &advantages)?.minimum(&(clipped * &advantages)?)?;
    Ok(least.sum_all()?.neg()?)
}

fn check(tokens: usize, old: &[f32], units: &[u32], advantages: &[f64]) -> Result<()> {
    same_length("old_log_probs", old.len(), tokens)?;
    same_length("units", units.len(), tokens)?;
    if tokens == 0 {
        return Err(TrainError::setting("actions", "there are none"));
    }
    match units.iter().find(|&&unit| unit as usize >= advantages.len()) {
        Some(unit) => Err(TrainError::setting("units", format!("{unit} of {} advantages", advantages.len()))),
        None => Ok(()),
    }
}

/// The value loss `1/2 mean_t (V_t - R_t)^2`; with `clip` the larger of it and that of the value which has moved from its
/// old one by at most `clip`: `1/2 mean_t max((V - R)^2, (V_old + clip(V - V_old, -e, e) - R)^2)` (the code of Schulman et
/// al. 2017, which LeDex's PPO takes over; their eq. 9 has no 1/2).
///
/// # Errors
/// Not one old value and return for each value, or no values.
pub fn value_loss(values: &[f32], old: &[f32], returns: &[f64], clip: Option<f64>) -> Result<f64> {
    check_values(values.len(), old, returns)?;
    let mut sum = 0.0;
    for ((&value, &old), goal) in values.iter().zip(old).zip(returns) {
        let (value, old) = (f64::from(value), f64::from(old));
        let free = (value - goal).powi(2);
        sum += clip.map_or(free, |clip| free.max((old + (value - old).clamp(-clip, clip) - goal).powi(2)));
    }
    Ok(0.5 * sum / values.len() as f64)
}

/// As [`value_loss`], but the sum: a scalar in the dtype of `values` [tokens], differentiable in it.
///
/// # Errors
/// As [`value_loss`], or a tensor operation failed.
pub fn value_loss_sum(values: &Tensor, old: &[f32], returns: &[f64], clip: Option<f64>) -> Result<Tensor> {
    check_values(values.dims1()?, old, returns)?;
    let (dtype, device) = (values.dtype(), values.device());
    let goals = Tensor::new(returns, device)?.to_dtype(dtype)?;
    let free = (values - &goals)?.sqr()?;
    let squares = match clip {
        Some(clip) => {
            let old = Tensor::new(old, device)?.to_dtype(dtype)?;
            let near = (&old + (values - &old)?.clamp(-clip, clip)?)?;
            free.maximum(&(near - &goals)?.sqr()?)?
        }
        None => free,
    };
    Ok((squares.sum_all()? * 0.5)?)
}

fn check_values(count: usize, old: &[f32], returns: &[f64]) -> Result<()> {
    same_length("values", old.len(), count)?;
    same_length("returns", returns.len(), count)?;
    if count == 0 { Err(TrainError::setting("actions", "there are none")) } else { Ok(()) }
}

/// Numbers of a tensor of any float dtype.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.to_vec1()?)
}

#[cfg(test)]
#[path = "ppo_tests.rs"]
mod tests;
