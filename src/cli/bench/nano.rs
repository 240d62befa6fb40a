//! The model that is measured: random weights from a seed, in a shape that both sides know.

use crate::model::{Architecture, Decoder, ModelConfig, SaveOptions};
use candle_core::{DType, Device};
use std::path::{Path, PathBuf};

/// Shapes of 5 to 6 million parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Family {
    /// What `--init nano` makes: grouped heads, norms of queries and keys, tied embeddings
    Qwen3,
    /// As many key as query heads, an output head of its own
    Llama,
}

impl Family {
    pub(super) fn config(self, vocab_size: usize) -> ModelConfig {
        let nano = ModelConfig::nano(vocab_size);
        match self {
            Self::Qwen3 => nano,
            Self::Llama => ModelConfig {
                architecture: Architecture::Llama,
                qk_norm: false,
                kv_heads: nano.heads,
                intermediate_size: 688,
                tie_word_embeddings: false,
                ..nano
            },
        }
    }
}

/// A model of this shape, written where the other side can read it; with the folder's path.
pub(super) fn make(config: ModelConfig, seed: u64, folder: &Path) -> anyhow::Result<(Decoder, PathBuf)> {
    let model = Decoder::init(config, seed, DType::F32, &Device::Cpu)?;
    let path = folder.join("model");
    model.save(&path, &SaveOptions::default())?;
    Ok((model, path))
}

/// A line that says what it is.
pub(super) fn describe(model: &Decoder, seed: u64) -> String {
    let config = model.config();
    format!(
        "model    {} shape, {} layers of width {}, vocabulary {}, {} parameters, f32, random (seed {seed})",
        config.architecture.model_type(),
        config.layers,
        config.hidden_size,
        config.vocab_size,
        config.parameter_count()
    )
}
