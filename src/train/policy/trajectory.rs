//! What a policy wrote, and what is known about it.

use std::ops::Range;

use super::super::checkpoint::Fingerprint;
use super::super::error::{Result, TrainError};
use super::segments::Segment;
use crate::model::Decoder;

/// A text and the places in it where the policy wrote.
#[derive(Debug, Clone, Copy)]
pub struct Actions<'a> {
    /// The whole text.
    pub tokens: &'a [u32],
    /// The policy's turns in it: in order, none empty, none from index 0 on, which nothing precedes. All else (the prompt,
    /// feedback between turns) is read and not learnt.
    pub turns: &'a [Range<usize>],
}

impl Actions<'_> {
    /// How many tokens the policy wrote.
    #[must_use]
    pub fn count(&self) -> usize {
        self.turns.iter().map(ExactSizeIterator::len).sum()
    }

    /// How many tokens the model reads: those in front of the last action.
    pub(super) fn inputs(&self) -> usize {
        self.turns.last().map_or(0, |turn| turn.end - 1)
    }

    /// What is wrong with it for this model.
    pub(super) fn problem(&self, model: &Decoder) -> Option<String> {
        let (vocabulary, longest) = (model.config().vocab_size, model.config().max_position_embeddings);
        let length = self.tokens.len();
        let mut before = 1;
        for Range { start, end } in self.turns {
            if *start < before || end <= start || *end > length {
                return Some(format!("a turn from {start} to {end}, behind {before}, of {length} tokens"));
            }
            before = *end;
        }
        if self.turns.is_empty() {
            Some("no turn".to_owned())
        } else if length > longest {
            Some(format!("{length} tokens, the model takes {longest}"))
        } else {
            let foreign = self.tokens.iter().find(|&&token| token as usize >= vocabulary)?;
            Some(format!("token {foreign} in a vocabulary of {vocabulary}"))
        }
    }
}

/// What a policy wrote in answer to a prompt, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// Prompt, the policy's turns, and what stood between them, as the model read it.
    pub tokens: Vec<u32>,
    /// The policy's turns in it, as [`Actions::turns`]. The prompt is what is in front of the first.
    pub turns: Vec<Range<usize>>,
    /// The log-probability of each action (of the turns' tokens, in order) under the policy that took it, at temperature 1
    /// and by [`super::log_probs`].
    pub old_log_probs: Vec<f32>,
    /// The same under the reference; needed only where a KL coefficient is above 0.
    pub reference_log_probs: Option<Vec<f32>>,
    /// What it was paid, and where.
    pub rewards: Vec<Segment>,
    /// For each turn, instead of [`super::PolicySettings::kl_coefficient`]: [`super::score`] has others for each.
    pub kl_coefficients: Option<Vec<f64>>,
    /// The same number for trajectories that are to be compared: those of one prompt.
    pub group: u64,
}

impl Trajectory {
    /// Its text and turns.
    #[must_use]
    pub fn actions(&self) -> Actions<'_> {
        Actions { tokens: &self.tokens, turns: &self.turns }
    }

    /// How many actions were taken in front of the token with this index: where a [`Segment`] ends whose last action is
    /// the token before it.
    #[must_use]
    pub fn actions_before(&self, token: usize) -> usize {
        let before = |turn: &Range<usize>| token.clamp(turn.start, turn.end) - turn.start;
        self.turns.iter().map(before).sum()
    }

    /// How many tokens are in front of the first turn.
    #[must_use]
    pub fn prompt_len(&self) -> usize {
        self.turns.first().map_or(self.tokens.len(), |turn| turn.start)
    }

    /// The sum of its rewards.
    #[must_use]
    pub fn reward(&self) -> f64 {
        self.rewards.iter().map(|segment| segment.reward).sum()
    }

    /// The KL coefficient of each action.
    pub(super) fn coefficients(&self, common: f64) -> Vec<f64> {
        let of_turn = |turn: usize| self.kl_coefficients.as_ref().map_or(common, |own| own[turn]);
        let turns = self.turns.iter().enumerate();
        turns.flat_map(|(turn, range)| range.clone().map(move |_| of_turn(turn))).collect()
    }

    pub(super) fn check(&self, model: &Decoder, kl_coefficient: f64) -> Result<(), String> {
        if let Some(problem) = self.actions().problem(model) {
            return Err(problem);
        }
        let count = self.actions().count();
        let log_probs = |what: &str, numbers: &[f32]| match numbers.iter().find(|x| !x.is_finite()) {
            _ if numbers.len() != count => Err(format!("{} {what} for {count} actions", numbers.len())),
            Some(number) => Err(format!("{number} among the {what}")),
            None => Ok(()),
        };
        log_probs("old log-probs", &self.old_log_probs)?;
        if let Some(reference) = &self.reference_log_probs {
            log_probs("reference log-probs", reference)?;
        }
        let is_bad = |s: &&Segment| s.end == 0 || s.end > count || !s.reward.is_finite();
        if let Some(Segment { end, reward }) = self.rewards.iter().find(is_bad) {
            return Err(format!("a reward of {reward} at the end of {end} of {count} actions"));
        }
        let coefficients = self.kl_coefficients.as_deref().unwrap_or_default();
        if self.kl_coefficients.is_some() && coefficients.len() != self.turns.len() {
            return Err(format!("{} KL coefficients for {} turns", coefficients.len(), self.turns.len()));
        }
        if let Some(bad) = coefficients.iter().find(|c| !(c.is_finite() && **c >= 0.0)) {
            return Err(format!("a KL coefficient of {bad}, must be 0 or more"));
        }
        let needs_reference = self.coefficients(kl_coefficient).iter().any(|&c| c > 0.0);
        if needs_reference && self.reference_log_probs.is_none() {
            return Err("no reference log-probs, and a KL coefficient above 0".to_owned());
        }
        Ok(())
    }

    fn add_to(&self, hash: &mut Fingerprint) {
        let pieces = [self.tokens.len(), self.turns.len(), self.rewards.len()];
        pieces.into_iter().for_each(|length| hash.add(length as u32));
        self.tokens.iter().for_each(|&token| hash.add(token));
        self.turns.iter().flat_map(|turn| [turn.start, turn.end]).for_each(|place| hash.add(place as u32));
        self.old_log_probs.iter().for_each(|number| hash.add(number.to_bits()));
        hash.add(u32::from(self.reference_log_probs.is_some()));
        self.reference_log_probs.iter().flatten().for_each(|number| hash.add(number.to_bits()));
        let mut wide =
            |bits: u64| [bits as u32, (bits >> 32) as u32].into_iter().for_each(|half| hash.add(half));
        for Segment { end, reward } in &self.rewards {
            wide(*end as u64);
            wide(reward.to_bits());
        }
        self.kl_coefficients.iter().flatten().for_each(|number| wide(number.to_bits()));
        wide(self.group);
    }
}

/// Tells lists of trajectories apart.
pub(super) fn fingerprint(trajectories: &[Trajectory]) -> String {
    let mut hash = Fingerprint::default();
    trajectories.iter().for_each(|trajectory| trajectory.add_to(&mut hash));
    hash.digits()
}

/// All fit the model and themselves.
pub(super) fn check(model: &Decoder, trajectories: &[Trajectory], kl_coefficient: f64) -> Result<()> {
    if trajectories.is_empty() {
        return Err(TrainError::setting("trajectories", "there are none"));
    }
    for (index, trajectory) in trajectories.iter().enumerate() {
        let named =
            |problem| TrainError::setting("trajectories", format!("trajectory {}: {problem}", index + 1));
        trajectory.check(model, kl_coefficient).map_err(named)?;
    }
    Ok(())
}
