//! The loss of a micro-batch and its gradient.
//!
//! `L = sum_e w_e sum_t -log p(t) / sum_e w_e n_e`, over the examples `e` of a whole step, the tokens `t` of their
//! completions and their number `n_e`: the mean over tokens, each with its example's weight. The denominator is that of
//! the step, whatever micro-batches and replicas it is split into; each part is divided by it before its gradient is
//! computed, so that parts only need to be added up.

use candle_core::{DType, Tensor, Var};

use super::batch::MicroBatch;
use super::error::{Result, TrainError};
use super::example::Example;
use crate::model::{Decoder, Dropout, Layout, Parameters, TrainContext};

/// Part of a step's loss, and its gradient by each trainable parameter (f32, in the order of their names).
pub(super) struct Gradients {
    pub(super) loss: f64,
    pub(super) by_parameter: Vec<Tensor>,
}

/// What all examples weigh together.
pub(super) fn denominator<'a>(examples: impl Iterator<Item = &'a Example>) -> f64 {
    examples.map(|example| f64::from(example.weight) * example.predicted() as f64).sum()
}

struct Inputs {
    tokens: Tensor,
    context: TrainContext,
    weights: Vec<f32>,
}

fn inputs(model: &Decoder, batch: &MicroBatch, denominator: f64, dropout: Option<Dropout>) -> Result<Inputs> {
    let tokens = Tensor::from_slice(&batch.tokens, (batch.rows(), batch.length), model.device())?;
    let layout = batch.packed.as_deref().map_or(Layout::OneText, Layout::Packed);
    let context = model.train_context(batch.length, layout, dropout)?;
    let weights = batch.weights.iter().map(|&weight| (f64::from(weight) / denominator) as f32).collect();
    Ok(Inputs { tokens, context, weights })
}

pub(super) fn number(loss: &Tensor) -> Result<f64> {
    Ok(loss.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

/// The loss alone, one layer in memory at a time.
pub(super) fn value(model: &Decoder, batch: &MicroBatch, denominator: f64) -> Result<f64> {
    let Inputs { tokens, context, weights } = inputs(model, batch, denominator, None)?;
    number(&model.loss(&last_hidden(model, &tokens, &context)?, &batch.targets, &weights)?)
}

/// The last hidden state of the training path without its graph, one layer in memory at a time.
pub(super) fn last_hidden(model: &Decoder, tokens: &Tensor, context: &TrainContext) -> Result<Tensor> {
    let mut hidden = model.embed(tokens)?.detach();
    for layer in model.layers() {
        hidden = layer.forward_train(&hidden, context)?.detach();
    }
    Ok(model.last_norm(&hidden)?.detach())
}

/// Loss and gradient. With `recompute`, only the hidden states between layers are kept, and each layer is computed again
/// for its gradient.
pub(super) fn gradients(
    model: &Decoder,
    batch: &MicroBatch,
    denominator: f64,
    dropout: Dropout,
    recompute: bool,
) -> Result<Gradients> {
    let inputs = inputs(model, batch, denominator, Some(dropout))?;
    let pass = Pass { model, tokens: &inputs.tokens, context: &inputs.context, recompute };
    let (loss, by_parameter) = pass.gradients(model.trainable(), |hidden| {
        let loss = model.loss(hidden, &batch.targets, &inputs.weights)?;
        let number = number(&loss)?;
        Ok((loss, number))
    })?;
    Ok(Gradients { loss, by_parameter })
}

/// One way through a model and back.
pub(super) struct Pass<'a> {
    pub(super) model: &'a Decoder,
    /// [rows, length]
    pub(super) tokens: &'a Tensor,
    pub(super) context: &'a TrainContext,
    /// As for [`gradients`].
    pub(super) recompute: bool,
}

impl Pass<'_> {
    /// The gradient by each of `parameters` (f32, in the order of their names) of the scalar that `top` makes of the last
    /// hidden state [rows, length, hidden], and what else `top` gives.
    pub(super) fn gradients<T>(
        &self,
        parameters: &Parameters,
        top: impl FnOnce(&Tensor) -> Result<(Tensor, T)>,
    ) -> Result<(T, Vec<Tensor>)> {
        let mut sums = Sums::new(parameters);
        let rest = if self.recompute {
            self.by_layers(top, &mut sums)?
        } else {
            let (loss, rest) = top(&self.model.forward_train(self.tokens, self.context)?)?;
            sums.backward(&loss, None)?;
            rest
        };
        Ok((rest, sums.finish()?))
    }

    fn by_layers<T>(
        &self,
        top: impl FnOnce(&Tensor) -> Result<(Tensor, T)>,
        sums: &mut Sums<'_>,
    ) -> Result<T> {
        let (model, context) = (self.model, self.context);
        let embedded = model.embed(self.tokens)?;
        let mut between = vec![embedded.detach()];
        for layer in model.layers() {
            let last = &between[between.len() - 1];
            between.push(layer.forward_train(last, context)?.detach());
        }
        let last = Var::from_tensor(&between.pop().unwrap_or_else(|| embedded.detach()))?;
        let (loss, rest) = top(&model.last_norm(&last)?)?;
        let mut above = sums.backward(&loss, Some(&last))?;
        for (layer, below) in model.layers().iter().zip(between).rev() {
            let below = Var::from_tensor(&below)?;
            let out = layer.forward_train(&below, context)?;
            above = sums.through(&out, above, Some(&below))?;
        }
        if embedded.track_op() {
            sums.through(&embedded, above, None)?;
        }
        Ok(rest)
    }
}

/// Gradients as they come up: a parameter may get several parts, as a tied embedding does.
struct Sums<'a> {
    parameters: Vec<(&'a String, &'a Var)>,
    sums: Vec<Option<Tensor>>,
}

impl<'a> Sums<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        let parameters: Vec<_> = parameters.iter().collect();
        Self { sums: vec![None; parameters.len()], parameters }
    }

    /// Goes back from `loss`; gives the gradient of `input`. What else is in candle's store (of masks, of frozen weights)
    /// is dropped at once.
    fn backward(&mut self, loss: &Tensor, input: Option<&Var>) -> Result<Option<Tensor>> {
        let mut store = loss.backward()?;
        for ((_, var), sum) in self.parameters.iter().zip(&mut self.sums) {
            let Some(part) = store.remove(var) else { continue };
            let part = part.to_dtype(DType::F32)?;
            *sum = Some(match sum.take() {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        Ok(input.and_then(|input| store.remove(input)))
    }

    /// Goes back from `out`, whose gradient is `above`.
    fn through(
        &mut self,
        out: &Tensor,
        above: Option<Tensor>,
        input: Option<&Var>,
    ) -> Result<Option<Tensor>> {
        let Some(above) = above else { return Ok(None) };
        // The gradient of this sum by `out` is `above`; its value is of no interest.
        self.backward(&(out * above.detach())?.sum_all()?, input)
    }

    fn finish(self) -> Result<Vec<Tensor>> {
        let missing = |name: &String| TrainError::NoGradient { parameter: name.clone() };
        let pairs = self.parameters.into_iter().zip(self.sums);
        pairs.map(|((name, _), sum)| sum.ok_or_else(|| missing(name))).collect()
    }
}
