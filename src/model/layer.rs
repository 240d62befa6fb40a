//! One decoder layer: `h = x + attention(norm(x))`, `y = h + mlp(norm(h))`; [batch, length, hidden] to the same.

use candle_core::Tensor;

use super::attention::Attention;
use super::cache::{LayerCache, Step};
use super::config::ModelConfig;
use super::context::TrainContext;

use super::error::Result;
use super::lora::Lora;
use super::mlp::Mlp;
use super::norm::Norm;
use super::parameter::{Mode, Source};

/// A layer, callable by itself: gradient checkpointing runs it once for its value and once more for its gradient.
#[derive(Debug, Clone)]
pub struct Layer {
    attention_norm: Norm,
    attention: Attention,
    mlp_norm: Norm,
    mlp: Mlp,
}

impl Layer {
    pub(crate) fn new(
        config: &ModelConfig,
        source: &Source<'_>,
        lora: Option<&Lora>,
        index: usize,
    ) -> Result<Self> {
        let name = format!("model.layers.{index}");
        let norm = |part: &str| {
            Norm::new(source, &format!("{name}.{part}"), config.hidden_size, config.rms_norm_eps)
        };
        Ok(Self {
            attention_norm: norm("input_layernorm")?,
            attention: Attention::new(config, source, lora, &format!("{name}.self_attn"))?,
            mlp_norm: norm("post_attention_layernorm")?,
            mlp: Mlp::new(config, source, lora, &format!("{name}.mlp"))?,
        })
    }

    /// The differentiable path. The same `x` and `context` give the same result again, dropout included.
    ///
    /// # Errors
    /// `x` is not of the context's sizes, or a tensor operation failed.
    pub fn forward_train(&self, x: &Tensor, context: &TrainContext) -> Result<Tensor> {
        let mode = context.mode();
        let normed = self.attention_norm.forward(x, mode)?;
        let attended = self.attention.forward_train(&normed, context.rotation(), context.mask(), mode)?;
        self.feed((x + attended)?, mode)
    }

    pub(crate) fn forward_cached(&self, x: &Tensor, step: &Step, cache: &mut LayerCache) -> Result<Tensor> {
        let normed = self.attention_norm.forward(x, Mode::Generate)?;
        let attended = self.attention.forward_cached(&normed, step, cache)?;
        self.feed((x + attended)?, Mode::Generate)
    }

    fn feed(&self, x: Tensor, mode: Mode<'_>) -> Result<Tensor> {
        let inner = self.mlp.forward(&self.mlp_norm.forward(&x, mode)?, mode)?;
        Ok((x + inner)?)
    }
}
