//! What a policy thinks of actions, without a gradient.

use std::num::NonZeroUsize;

use tokio_util::sync::CancellationToken;

use super::super::error::{Result, TrainError};
use super::super::{loss, replicas};
use super::ppo::numbers;
use super::rows::{self, Rows};
use super::trajectory::Actions;
use super::value_head::ValueHead;
use crate::model::Decoder;

/// How [`log_probs`] goes through texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogProbOptions {
    /// As [`super::PolicySettings::micro_batch_tokens`].
    pub micro_batch_tokens: NonZeroUsize,
    /// As [`super::PolicySettings::replicas`].
    pub replicas: NonZeroUsize,
}

/// `log pi(a)` of every action of each text, in order, at temperature 1, or `None` if it was cancelled: what
/// [`super::Trajectory::old_log_probs`] and [`super::Trajectory::reference_log_probs`] are.
///
/// They come from the training path, layer by layer and without a graph, and not from the sampler: that one has the
/// log-probabilities of a tempered and cut-off distribution, and other kernels, whose rounding would make ratios of a
/// policy with itself differ from 1. The reference of a model with adapters is often the model without: a
/// [`Decoder::new`] of the same parameters, which shares them.
///
/// # Errors
/// A text does not fit the model or has no turn; a tensor operation failed.
pub fn log_probs(
    model: &Decoder,
    texts: &[Actions<'_>],
    options: LogProbOptions,
    cancel: &CancellationToken,
) -> Result<Option<Vec<Vec<f32>>>> {
    let problem = texts.iter().enumerate().find_map(|(i, text)| text.problem(model).map(|p| (i, p)));
    if let Some((index, problem)) = problem {
        return Err(TrainError::setting("texts", format!("text {}: {problem}", index + 1)));
    }
    by_action(model, texts, options, cancel, |rows, hidden| {
        numbers(&model.log_probs(&rows.chosen(hidden)?, &rows.actions)?.0)
    })
}

/// The values of the states in which every action of each text was chosen.
pub(super) fn values(
    model: &Decoder,
    head: &ValueHead,
    texts: &[Actions<'_>],
    options: LogProbOptions,
    cancel: &CancellationToken,
) -> Result<Option<Vec<Vec<f32>>>> {
    by_action(model, texts, options, cancel, |rows, hidden| numbers(&head.forward(&rows.chosen(hidden)?)?))
}

/// What `top` makes of the last hidden states, one number for each action of the rows, sorted by texts.
fn by_action(
    model: &Decoder,
    texts: &[Actions<'_>],
    options: LogProbOptions,
    cancel: &CancellationToken,
    top: impl Fn(&Rows, &candle_core::Tensor) -> Result<Vec<f32>> + Sync,
) -> Result<Option<Vec<Vec<f32>>>> {
    let all: Vec<usize> = (0..texts.len()).collect();
    let parts = rows::lay_out(texts, &all, options.micro_batch_tokens);
    let compute = |part: usize| {
        let (tokens, context) = parts[part].inputs(model)?;
        Ok((part, top(&parts[part], &loss::last_hidden(model, &tokens, &context)?)?))
    };
    let mut found = vec![Vec::new(); texts.len()];
    let add = |(part, numbers): (usize, Vec<f32>)| {
        let mut rest = numbers.as_slice();
        for &text in &parts[part].members {
            let (own, others) = rest.split_at(texts[text].count());
            found[text] = own.to_vec();
            rest = others;
        }
        Ok(())
    };
    let is_complete = replicas::in_order(parts.len(), options.replicas, cancel, compute, add)?;
    Ok(is_complete.then_some(found))
}
