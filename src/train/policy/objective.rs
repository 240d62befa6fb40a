//! The loss of a minibatch and its gradient, micro-batch by micro-batch.
//!
//! `L = -1/U sum_u min(r_u A_u, clip(r_u) A_u) + c_V 1/(2 T) sum_t (V_t - R_t)^2 - c_H 1/T sum_t H_t`
//! (Schulman et al. 2017, arXiv 1707.06347, eq. 9) over the units `u` and actions `t` of a minibatch. `U` and `T` are those
//! of the whole minibatch: each part is divided by them before its gradient is computed, so that parts only need to be
//! added up.

use candle_core::Tensor;

use super::super::error::Result;
use super::super::loss::{Pass, number};
use super::kl;
use super::ppo::{self, numbers};
use super::prepare::Item;
use super::rows::Rows;
use super::settings::{Algorithm, PolicySettings};
use super::value_head::ValueHead;
use crate::model::{Decoder, Parameters};

/// What a minibatch has, whatever parts it is split into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    pub(super) units: f64,
    pub(super) actions: f64,
}

impl Totals {
    pub(super) fn of(items: &[&Item<'_>]) -> Self {
        let units: usize = items.iter().map(|item| item.advantages.len()).sum();
        let actions: usize = items.iter().map(|item| item.units.len()).sum();
        Self { units: units as f64, actions: actions as f64 }
    }
}

/// Part of a minibatch's loss, and sums over its actions and units.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measures {
    /// Of everything.
    pub(super) loss: f64,
    /// These two are divided by the minibatch's totals, as they are in the loss.
    pub(super) policy_loss: f64,
    pub(super) value_loss: f64,
    /// The rest are sums.
    pub(super) clipped: f64,
    pub(super) k1: f64,
    pub(super) k3: f64,
    pub(super) reference_k3: f64,
    pub(super) entropy: f64,
    pub(super) units: f64,
    pub(super) actions: f64,
}

impl Measures {
    pub(super) fn add(&mut self, part: &Self) {
        let Self { loss, policy_loss, value_loss, clipped, k1, k3, reference_k3, entropy, units, actions } =
            part;
        self.loss += loss;
        self.policy_loss += policy_loss;
        self.value_loss += value_loss;
        self.clipped += clipped;
        self.k1 += k1;
        self.k3 += k3;
        self.reference_k3 += reference_k3;
        self.entropy += entropy;
        self.units += units;
        self.actions += actions;
    }
}

/// The policy, its value head if it has one, and what of both trains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learner<'a> {
    pub(super) model: &'a Decoder,
    pub(super) head: Option<&'a ValueHead>,
    pub(super) parameters: &'a Parameters,
}

impl Learner<'_> {
    /// The part of `rows`, which hold `items` by their index, and its gradient by each parameter.
    pub(super) fn gradients(
        &self,
        items: &[&Item<'_>],
        rows: &Rows,
        settings: &PolicySettings,
        totals: Totals,
    ) -> Result<(Measures, Vec<Tensor>)> {
        let (tokens, context) = rows.inputs(self.model)?;
        let recompute = settings.recompute_layers;
        let pass = Pass { model: self.model, tokens: &tokens, context: &context, recompute };
        let columns = Columns::new(items, rows);
        pass.gradients(self.parameters, |hidden| {
            self.loss(&rows.chosen(hidden)?, &columns, &rows.actions, settings, totals)
        })
    }

    fn loss(
        &self,
        chosen: &Tensor,
        columns: &Columns,
        actions: &[u32],
        settings: &PolicySettings,
        totals: Totals,
    ) -> Result<(Tensor, Measures)> {
        let Columns { old, reference, units, advantages, old_values, returns } = columns;
        let clip = settings.algorithm.clip();
        let (new, entropy) = self.model.log_probs(chosen, actions)?;
        let mut loss = (ppo::surrogate_sum(&new, old, units, advantages, clip)? / totals.units)?;
        let mut value_loss = 0.0;
        if let (Some(head), Algorithm::Ppo(ppo)) = (self.head, &settings.algorithm) {
            let values = head.forward(chosen)?;
            let sum = ppo::value_loss_sum(&values, old_values, returns, ppo.value_clip)?;
            let mean = (sum / totals.actions)?.to_dtype(loss.dtype())?;
            value_loss = number(&mean)?;
            loss = (loss + (mean * ppo.value_coefficient)?)?;
        }
        if settings.entropy_coefficient > 0.0 {
            let worth = settings.entropy_coefficient / totals.actions;
            loss = (loss - (entropy.sum_all()? * worth)?)?;
        }
        let (new, entropy) = (numbers(&new)?, numbers(&entropy)?);
        let found = ppo::surrogate(&new, old, units, advantages, clip)?;
        let (own_units, own_actions) = (advantages.len() as f64, new.len() as f64);
        let divergences = new.iter().zip(reference);
        // A minimum passes over what is not a number; a sum doesn't.
        let measures = Measures {
            loss: if found.k1.is_finite() { number(&loss)? } else { f64::NAN },
            policy_loss: found.loss * own_units / totals.units,
            value_loss,
            clipped: found.clipped_fraction * own_units,
            k1: found.k1 * own_actions,
            k3: found.k3 * own_actions,
            reference_k3: divergences.map(|(&new, &old)| kl::k3(f64::from(new), f64::from(old))).sum(),
            entropy: entropy.iter().map(|&entropy| f64::from(entropy)).sum(),
            units: own_units,
            actions: own_actions,
        };
        Ok((loss, measures))
    }
}

/// What the items of rows have, behind each other in the order of the rows.
struct Columns {
    old: Vec<f32>,
    /// Empty where one of them has none.
    reference: Vec<f32>,
    units: Vec<u32>,
    advantages: Vec<f64>,
    old_values: Vec<f32>,
    returns: Vec<f64>,
}

impl Columns {
    fn new(items: &[&Item<'_>], rows: &Rows) -> Self {
        let (mut old, mut reference, mut units, mut advantages) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut old_values, mut returns) = (Vec::new(), Vec::new());
        let mut all_have_one = true;
        for item in rows.members.iter().map(|&index| items[index]) {
            old.extend_from_slice(&item.trajectory.old_log_probs);
            match &item.trajectory.reference_log_probs {
                Some(own) => reference.extend_from_slice(own),
                None => all_have_one = false,
            }
            let first = advantages.len() as u32;
            units.extend(item.units.iter().map(|unit| first + unit));
            advantages.extend_from_slice(&item.advantages);
            if let Some(values) = &item.values {
                old_values.extend_from_slice(&values.old);
                returns.extend_from_slice(&values.returns);
            }
        }
        if !all_have_one {
            reference.clear();
        }
        Self { old, reference, units, advantages, old_values, returns }
    }
}

#[cfg(test)]
#[path = "objective_tests.rs"]
mod tests;
