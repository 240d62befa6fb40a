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
        let y = match (&self.adapter, mode) {
            (None, _) => mode.linear(x, &self.weight)?,
            (Some(adapter), Mode::Train(dropout)) => {
                let (weight, count) = (self.weight.tracked(), x.elem_count());
                let (a, b) = (adapter.a.tracked(), adapter.b.tracked());
                ops::adapted(x, &weight, (&a, &b), adapter.scale, adapter.dropout(count, dropout))?
            }
            (Some(Adapter { a, b, scale, .. }), Mode::Generate) => {
                let low = (mode.linear(x, a)? * *scale)?;
                (mode.linear(x, &self.weight)? + mode.linear(&low, b)?)?
            }
        };
        match &self.bias {
            Some(bias) => Ok(y.broadcast_add(&bias.view(mode))?),
            None => Ok(y),
        }
    }

    /// The weight that trains, if that is all there is.
    pub(crate) fn trained(&self, mode: Mode<'_>) -> Option<Tensor> {
        let is_bare = self.adapter.is_none() && self.bias.is_none();
        match mode {
            Mode::Train(_) if is_bare => Some(self.weight.tracked()),
            Mode::Train(_) | Mode::Generate => None,
        }
    }
}

impl Adapter {
    /// What is kept of `count` elements.
    fn dropout(&self, count: usize, dropout: Option<&Dropout>) -> Option<ops::Kept> {
        let Dropout { seed } = dropout.filter(|_| self.dropout > 0.0)?;
        let (share, seed) = (self.dropout, seed ^ self.salt);
        Some(Box::new(move || init::dropout_mask(count, share, seed)))
    }
}
