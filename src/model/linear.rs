//! A projection, `y = x W^T + b`, with an optional LoRA adapter beside it, `+ s (dropout(x) A^T) B^T`.
//!
//! `x` is [..., in], `W` [out, in], `b` [out], `A` [rank, in], `B` [out, rank]; `s` is `alpha / rank`, or
//! `alpha / sqrt(rank)` for rsLoRA (arXiv 2106.09685, 2312.03732).

use candle_core::Tensor;

use super::error::Result;
use super::init;
use super::lora::Lora;
use super::ops;
use super::parameter::{Dropout, Mode, Parameter, Source};

/// One projection of a layer.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    weight: Parameter,
    bias: Option<Parameter>,
    adapter: Option<Adapter>,
}

#[derive(Debug, Clone)]
struct Adapter {
    a: Parameter,
    b: Parameter,
    scale: f64,
    dropout: f32,
    /// Distinguishes this projection's dropout from the others'.
    salt: u64,
}

impl Linear {
    /// The projection `name`, from `inputs` to `outputs`.
    pub(crate) fn new(
        source: &Source<'_>,
        lora: Option<&Lora>,
        name: &str,
        (inputs, outputs): (usize, usize),
        has_bias: bool,
    ) -> Result<Self> {
        let weight = source.get(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = if has_bias { Some(source.get(&format!("{name}.bias"), &[outputs])?) } else { None };
        let adapter = match lora.filter(|lora| lora.config.adapts(name)) {
            Some(lora) => {
                let (source, rank) = (Source::new(&lora.parameters, true), lora.config.rank);
                Some(Adapter {
                    a: source.get(&Lora::name_a(name), &[rank, inputs])?,
                    b: source.get(&Lora::name_b(name), &[outputs, rank])?,
                    scale: lora.config.scale(),
                    dropout: lora.config.dropout,
                    salt: init::salt(name),
                })
            }
            None => None,
        };
        Ok(Self { weight, bias, adapter })
    }

    pub(crate) fn forward(&self, x: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        let weight = self.weight.view(mode);
        let y = match &self.adapter {
            Some(adapter) => adapter.forward(x, &weight, mode)?,
            None => ops::linear(x, &weight)?,
        };
        match &self.bias {
            Some(bias) => Ok(y.broadcast_add(&bias.view(mode))?),
            None => Ok(y),
        }
    }

    /// The weight, if that is all there is.
    pub(crate) fn bare(&self, mode: Mode<'_>) -> Option<Tensor> {
        (self.adapter.is_none() && self.bias.is_none()).then(|| self.weight.view(mode))
    }
}

impl Adapter {
    fn forward(&self, x: &Tensor, weight: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        let (a, b) = (self.a.view(mode), self.b.view(mode));
        Ok(ops::adapted(x, weight, (&a, &b), self.scale, self.dropout(x.elem_count(), mode))?)
    }

    fn dropout(&self, count: usize, mode: Mode<'_>) -> Option<ops::Kept> {
        match mode {
            Mode::Train(Some(Dropout { seed })) if self.dropout > 0.0 => {
                let (share, seed) = (self.dropout, seed ^ self.salt);
                Some(Box::new(move || init::dropout_mask(count, share, seed)))
            }
            Mode::Train(_) | Mode::Generate => None,
        }
    }
}
