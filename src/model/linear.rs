//! A projection, `y = x W^T + b`, with an optional LoRA adapter beside it, `+ s (dropout(x) A^T) B^T`.
//!
//! `x` is [..., in], `W` [out, in], `b` [out], `A` [rank, in], `B` [out, rank]; `s` is `alpha / rank`, or
//! `alpha / sqrt(rank)` for rsLoRA (arXiv 2106.09685, 2312.03732).

use candle_core::Tensor;

use super::error::Result;
use super::init;
use super::lora::Lora;
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
        let mut y = mode.linear(x, &self.weight)?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(&bias.view(mode))?;
        }
        let Some(adapter) = &self.adapter else { return Ok(y) };
        let dropped = adapter.drop(x, mode)?;
        let low = mode.linear(&dropped, &adapter.a)?;
        let delta = mode.linear(&low, &adapter.b)?;
        Ok((y + (delta * adapter.scale)?)?)
    }
}

impl Adapter {
    fn drop(&self, x: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        match mode {
            Mode::Train(Some(Dropout { seed })) if self.dropout > 0.0 => {
                let kept = init::dropout_mask(x.elem_count(), self.dropout, seed ^ self.salt);
                let kept = Tensor::from_vec(kept, x.shape(), &candle_core::Device::Cpu)?;
                Ok((x * kept.to_dtype(x.dtype())?.to_device(x.device())?)?)
            }
            Mode::Train(_) | Mode::Generate => Ok(x.clone()),
        }
    }
}
