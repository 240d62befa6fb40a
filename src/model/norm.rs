//! The weights of one RMS norm; the formula is in [`super::ops::rms_norm`].

use candle_core::Tensor;

use super::error::Result;
use super::ops;
use super::parameter::{Mode, Parameter, Source};

/// A norm over the last dimension.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    weight: Parameter,
    eps: f64,
}

impl Norm {
    pub(crate) fn new(source: &Source<'_>, name: &str, width: usize, eps: f64) -> Result<Self> {
        Ok(Self { weight: source.get(&format!("{name}.weight"), &[width])?, eps })
    }

    pub(crate) fn forward(&self, x: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        Ok(ops::rms_norm(x, &self.weight.view(mode), self.eps)?)
    }
}
