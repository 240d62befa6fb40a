//! The MLP: `y = W_down (silu(W_gate x) * W_up x)` (arXiv 2002.05202), [batch, length, hidden] to the same.

use candle_core::Tensor;

use super::config::ModelConfig;
use super::error::Result;
use super::linear::Linear;
use super::lora::Lora;
use super::ops;
use super::parameter::{Mode, Source};

#[derive(Debug, Clone)]
pub(crate) struct Mlp {
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Mlp {
    pub(crate) fn new(
        config: &ModelConfig,
        source: &Source<'_>,
        lora: Option<&Lora>,
        name: &str,
    ) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let linear = |part: &str, sizes| Linear::new(source, lora, &format!("{name}.{part}"), sizes, false);
        Ok(Self {
            gate: linear("gate_proj", (hidden, inner))?,
            up: linear("up_proj", (hidden, inner))?,
            down: linear("down_proj", (inner, hidden))?,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        let inner = match (self.gate.trained(mode), self.up.trained(mode)) {
            (Some(gate), Some(up)) => ops::gated(x, &gate, &up)?,
            (_, _) => ops::swiglu(&self.gate.forward(x, mode)?, &self.up.forward(x, mode)?)?,
        };
        self.down.forward(&inner, mode)
    }
}
