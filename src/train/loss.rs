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
use crate::model::{Decoder, Dropout, Layout, TrainContext};

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

fn number(loss: &Tensor) -> Result<f64> {
    Ok(loss.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

/// The loss alone, one layer in memory at a time.
pub(super) fn value(model: &Decoder, batch: &MicroBatch, denominator: f64) -> Result<f64> {
    let Inputs { tokens, context, weights } = inputs(model, batch, denominator, None)?;
    let mut hidden = model.embed(&tokens)?.detach();
    for layer in model.layers() {
        hidden = layer.forward_train(&hidden, &context)?.detach();
    }
    let hidden = model.last_norm(&hidden)?.detach();
    number(&model.loss(&hidden, &batch.targets, &weights)?)
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
    let mut sums = Sums::new(model);
    let loss = if recompute {
        by_layers(model, batch, &inputs, &mut sums)?
    } else {
        let hidden = model.forward_train(&inputs.tokens, &inputs.context)?;
        let loss = model.loss(&hidden, &batch.targets, &inputs.weights)?;
        sums.backward(&loss, None)?;
        number(&loss)?
    };
    Ok(Gradients { loss, by_parameter: sums.finish()? })
}

fn by_layers(model: &Decoder, batch: &MicroBatch, inputs: &Inputs, sums: &mut Sums<'_>) -> Result<f64> {
    let embedded = model.embed(&inputs.tokens)?;
    let mut between = vec![embedded.detach()];
    for layer in model.layers() {
        let last = &between[between.len() - 1];
        between.push(layer.forward_train(last, &inputs.context)?.detach());
    }
    let top = Var::from_tensor(&between.pop().unwrap_or_else(|| embedded.detach()))?;
    let loss = model.loss(&model.last_norm(&top)?, &batch.targets, &inputs.weights)?;
    let mut above = sums.backward(&loss, Some(&top))?;
    for (layer, below) in model.layers().iter().zip(between).rev() {
        let below = Var::from_tensor(&below)?;
        let out = layer.forward_train(&below, &inputs.context)?;
        above = sums.through(&out, above, Some(&below))?;
    }
    if embedded.track_op() {
        sums.through(&embedded, above, None)?;
    }
    number(&loss)
}

/// Gradients as they come up: a parameter may get several parts, as a tied embedding does.
struct Sums<'a> {
    parameters: Vec<(&'a String, &'a Var)>,
    sums: Vec<Option<Tensor>>,
}

impl<'a> Sums<'a> {
    fn new(model: &'a Decoder) -> Self {
        let parameters: Vec<_> = model.trainable().iter().collect();
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
