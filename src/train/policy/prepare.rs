//! From trajectories to what the loss needs of each: units, advantages, returns.

use super::super::error::Result;
use super::ppo::Granularity;
use super::settings::{Algorithm, LeaveOneOut, PolicySettings, Ppo};
use super::trajectory::Trajectory;
use super::{advantage, kl, leave_one_out, segments};

/// A trajectory that is learnt from.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) trajectory: &'a Trajectory,
    /// The unit of each action, from 0.
    pub(super) units: Vec<u32>,
    /// Of each unit.
    pub(super) advantages: Vec<f64>,
    /// What the value head learns.
    pub(super) values: Option<Values>,
}

/// Old values and returns, one of each for each action.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) old: Vec<f32>,
    pub(super) returns: Vec<f64>,
}

impl Item<'_> {
    /// Whether it has a gradient: without a value head and an entropy bonus, it has none where its advantage is 0.
    pub(super) fn teaches(&self, settings: &PolicySettings) -> bool {
        let has_advantage = self.advantages.iter().any(|advantage| advantage.abs() > 0.0);
        has_advantage || self.values.is_some() || settings.entropy_coefficient > 0.0
    }
}

/// Those that are learnt from, in their order. `values` are the old policy's, if there is a value head.
pub(super) fn prepare<'a>(
    trajectories: &'a [Trajectory],
    settings: &PolicySettings,
    values: Option<&[Vec<f32>]>,
) -> Result<Vec<Item<'a>>> {
    let penalties = trajectories.iter().map(|trajectory| penalties(trajectory, settings.kl_coefficient));
    let penalties = penalties.collect::<Result<Vec<_>>>()?;
    match &settings.algorithm {
        Algorithm::Ppo(ppo) => by_values(trajectories, &penalties, ppo, values.unwrap_or_default()),
        Algorithm::LeaveOneOut(leave_one_out) => by_groups(trajectories, &penalties, leave_one_out),
    }
}

/// A trajectory with advantages and returns that are as good as any.
pub(super) fn probe(trajectory: &Trajectory, has_head: bool) -> Item<'_> {
    let count = trajectory.actions().count();
    let values = has_head.then(|| Values { old: vec![0.0; count], returns: vec![1.0; count] });
    Item { trajectory, units: (0..count as u32).collect(), advantages: vec![1.0; count], values }
}

fn penalties(trajectory: &Trajectory, kl_coefficient: f64) -> Result<Vec<f64>> {
    let coefficients = trajectory.coefficients(kl_coefficient);
    match &trajectory.reference_log_probs {
        Some(reference) => kl::penalties(&trajectory.old_log_probs, reference, &coefficients),
        None => Ok(vec![0.0; coefficients.len()]),
    }
}

fn by_values<'a>(
    trajectories: &'a [Trajectory],
    penalties: &[Vec<f64>],
    ppo: &Ppo,
    values: &[Vec<f32>],
) -> Result<Vec<Item<'a>>> {
    super::same_length("values", values.len(), trajectories.len())?;
    let mut items = Vec::with_capacity(trajectories.len());
    for ((trajectory, penalties), old) in trajectories.iter().zip(penalties).zip(values) {
        let rewards = segments::token_rewards(penalties, &trajectory.rewards)?;
        let wide: Vec<f64> = old.iter().map(|&value| f64::from(value)).collect();
        let advantage::Advantages { advantages, returns } =
            advantage::gae(&rewards, &wide, ppo.gamma, ppo.lambda)?;
        let units = (0..advantages.len() as u32).collect();
        items.push(Item {
            trajectory,
            units,
            advantages,
            values: Some(Values { old: old.clone(), returns }),
        });
    }
    if ppo.whiten {
        let mut all: Vec<f64> = items.iter().flat_map(|item| item.advantages.iter().copied()).collect();
        advantage::whiten(&mut all);
        let mut whitened = all.into_iter();
        let places = items.iter_mut().flat_map(|item| item.advantages.iter_mut());
        places.zip(&mut whitened).for_each(|(place, whitened)| *place = whitened);
    }
    Ok(items)
}

fn by_groups<'a>(
    trajectories: &'a [Trajectory],
    penalties: &[Vec<f64>],
    settings: &LeaveOneOut,
) -> Result<Vec<Item<'a>>> {
    let mut returns = Vec::with_capacity(trajectories.len());
    for (trajectory, penalties) in trajectories.iter().zip(penalties) {
        returns.push(segments::token_rewards(penalties, &trajectory.rewards)?.iter().sum());
    }
    let groups: Vec<u64> = trajectories.iter().map(|trajectory| trajectory.group).collect();
    let advantages = leave_one_out::advantages(&returns, &groups, settings.normalise)?;
    let item = |index: usize| {
        let trajectory = &trajectories[index];
        let units = units(trajectory, settings.granularity);
        let count = units.last().map_or(0, |&last| last as usize + 1);
        Item { trajectory, units, advantages: vec![advantages[index]; count], values: None }
    };
    Ok(leave_one_out::largest(&advantages, settings.keep_fraction).into_iter().map(item).collect())
}

fn units(trajectory: &Trajectory, granularity: Granularity) -> Vec<u32> {
    let count = trajectory.actions().count();
    match granularity {
        Granularity::Token => (0..count as u32).collect(),
        Granularity::Turn => {
            let turns = (0..).zip(&trajectory.turns);
            turns.flat_map(|(turn, range)| std::iter::repeat_n(turn, range.len())).collect()
        }
        Granularity::Trajectory => vec![0; count],
    }
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
