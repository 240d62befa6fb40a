//! The shape of a decoder, read from and written to a Hugging Face `config.json`.
//!
//! Only what the decoder implements is accepted: anything else that would change the logits is an error that names the
//! field. (candle-transformers reads a `rope_parameters` of transformers 5 as the default and says nothing.)

use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::{ModelError, Result};
use super::fields::Fields;
use super::files;
use super::rope_config::{RopeConfig, RopeScaling};

/// The largest `config.json` that is read.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The families, which differ in biases, in the norm of queries and keys, and in what they are called in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `LlamaForCausalLM`: biases in attention if `attention_bias`.
    Llama,
    /// `Qwen2ForCausalLM`: biases in the query, key and value projections.
    Qwen2,
    /// `Qwen3ForCausalLM`: RMS norm of each head's queries and keys, biases if `attention_bias`.
    Qwen3,
}

impl Architecture {
    const ALL: [Self; 3] = [Self::Llama, Self::Qwen2, Self::Qwen3];

    /// The class in `architectures`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }

    /// The name in `model_type`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    fn parse(config: &Fields<'_>) -> Result<Self> {
        let class = match config.get("architectures") {
            Some(Value::Array(classes)) if !classes.is_empty() => classes[0].as_str(),
            Some(_) => return Err(config.error("architectures", "must be a list that names a class")),
            None => None,
        };
        let model_type = config.text("model_type")?;
        let known = Self::ALL.into_iter();
        let found = match (class, model_type) {
            (Some(class), _) => known.into_iter().find(|known| known.class() == class),
            (None, Some(model_type)) => known.into_iter().find(|known| known.model_type() == model_type),
            (None, None) => return Err(config.error("architectures", "is missing, and so is `model_type`")),
        };
        let name = class.or(model_type).unwrap_or_default();
        found.ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|known| known.class()).collect();
            config.error("architectures", format!("`{name}` is not implemented, only {}", all.join(", ")))
        })
    }
}

/// Sizes and options of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub architecture: Architecture,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of decoder layers.
    pub layers: usize,
    /// Query heads in each layer.
    pub heads: usize,
    /// Key and value heads in each layer; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Rows of the embedding, at least the number of tokens.
    pub vocab_size: usize,
    /// Added to the mean square in every RMS norm.
    pub rms_norm_eps: f64,
    /// Whether the output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Biases in the query, key and value projections.
    pub qkv_bias: bool,
    /// A bias in the output projection of attention.
    pub output_bias: bool,
    /// RMS norm of each head's queries and keys.
    pub qk_norm: bool,
    /// The longest context that the model is meant for, in tokens.
    pub max_position_embeddings: usize,
    /// Rotary position embedding.
    pub rope: RopeConfig,
    /// First token of every text, if the model wants one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// The token that fills short rows.
    pub pad_token_id: Option<u32>,
}

impl ModelConfig {
    /// A decoder of 5 to 15 million parameters in the Qwen3 shape, tied embeddings, for vocabularies up to 16384.
    ///
    /// 6 layers of width 256, 4 heads over 2 key and value heads of 64, MLP 768, contexts of 1024 tokens.
    pub fn nano(vocab_size: usize) -> Self {
        Self {
            architecture: Architecture::Qwen3,
            hidden_size: 256,
            layers: 6,
            heads: 4,
            kv_heads: 2,
            head_dim: 64,
            intermediate_size: 768,
            vocab_size,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: true,
            qkv_bias: false,
            output_bias: false,
            qk_norm: true,
            max_position_embeddings: 1024,
            rope: RopeConfig { theta: 10_000.0, scaling: RopeScaling::Default },
            bos_token_id: None,
            eos_token_ids: Vec::new(),
            pad_token_id: None,
        }
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// The file cannot be read or is not JSON; a field is missing, contradicts another, or asks for something
    /// that is not implemented.
    pub fn load(path: &Path) -> Result<Self> {
        let text = files::read_small(path, MAX_CONFIG_BYTES)?;
        let value = serde_json::from_slice(&text)
            .map_err(|source| ModelError::Json { path: path.to_path_buf(), source })?;
        Self::from_json(&value)
    }

    /// Reads the content of a `config.json`.
    ///
    /// # Errors
    /// As [`ModelConfig::load`].
    pub fn from_json(value: &Value) -> Result<Self> {
        let config = Fields::new(value, "")?;
        let architecture = Architecture::parse(&config)?;
        refuse_unimplemented(&config)?;
        let size = |name: &str| config.required(name, config.size(name));
        let (hidden_size, heads) = (size("hidden_size")?, size("num_attention_heads")?);
        let max_position_embeddings = config.size("max_position_embeddings")?.unwrap_or(2048);
        let attention_bias = config.flag("attention_bias", false)?;
        let parsed = Self {
            architecture,
            hidden_size,
            layers: size("num_hidden_layers")?,
            heads,
            kv_heads: config.size("num_key_value_heads")?.unwrap_or(heads),
            head_dim: head_dim(&config, architecture, hidden_size, heads)?,
            intermediate_size: size("intermediate_size")?,
            vocab_size: size("vocab_size")?,
            rms_norm_eps: config.positive("rms_norm_eps")?.unwrap_or(1e-6),
            tie_word_embeddings: config.flag("tie_word_embeddings", false)?,
            qkv_bias: attention_bias || architecture == Architecture::Qwen2,
            output_bias: attention_bias && architecture != Architecture::Qwen2,
            qk_norm: architecture == Architecture::Qwen3,
            max_position_embeddings,
            rope: RopeConfig::parse(&config, max_position_embeddings)?,
            bos_token_id: token(&config, "bos_token_id")?.into_iter().next(),
            eos_token_ids: token(&config, "eos_token_id")?,
            pad_token_id: token(&config, "pad_token_id")?.into_iter().next(),
        };
        parsed.check()?;
        Ok(parsed)
    }

    /// Whether the sizes fit each other. Configurations that were read have been checked.
    ///
    /// # Errors
    /// They don't: the error names the field.
    pub fn check(&self) -> Result<()> {
        if !self.heads.is_multiple_of(self.kv_heads) {
            let problem = format!("{} does not divide num_attention_heads {}", self.kv_heads, self.heads);
            return Err(ModelError::config("num_key_value_heads", problem));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(ModelError::config("head_dim", format!("{} is odd", self.head_dim)));
        }
        let sizes = [
            ("hidden_size", self.hidden_size, 1 << 17),
            ("num_hidden_layers", self.layers, 1 << 12),
            ("num_attention_heads", self.heads, 1 << 12),
            ("head_dim", self.head_dim, 1 << 12),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("vocab_size", self.vocab_size, 1 << 22),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 26),
        ];
        match sizes.into_iter().find(|&(_, size, most)| size > most) {
            Some((field, size, most)) => Err(ModelError::config(field, format!("{size} is above {most}"))),
            None => Ok(()),
        }
    }

    /// The content of a `config.json` that transformers 4 and 5 read.
    pub fn to_json(&self) -> Value {
        let mut config = Map::new();
        let mut set = |name: &str, value: Value| config.insert(name.to_owned(), value);
        set("architectures", json!([self.architecture.class()]));
        set("model_type", json!(self.architecture.model_type()));
        set("hidden_size", json!(self.hidden_size));
        set("num_hidden_layers", json!(self.layers));
        set("num_attention_heads", json!(self.heads));
        set("num_key_value_heads", json!(self.kv_heads));
        set("head_dim", json!(self.head_dim));
        set("intermediate_size", json!(self.intermediate_size));
        set("vocab_size", json!(self.vocab_size));
        set("rms_norm_eps", json!(self.rms_norm_eps));
        set("tie_word_embeddings", json!(self.tie_word_embeddings));
        set("max_position_embeddings", json!(self.max_position_embeddings));
        set("hidden_act", json!("silu"));
        set("use_cache", json!(true));
        set("bos_token_id", json!(self.bos_token_id));
        set("pad_token_id", json!(self.pad_token_id));
        set(
            "eos_token_id",
            match self.eos_token_ids.as_slice() {
                [] => Value::Null,
                [one] => json!(one),
                several => json!(several),
            },
        );
        match self.architecture {
            Architecture::Llama => {
                set("attention_bias", json!(self.qkv_bias));
                set("mlp_bias", json!(false));
            }
            Architecture::Qwen2 => {
                set("use_sliding_window", json!(false));
            }
            Architecture::Qwen3 => {
                set("attention_bias", json!(self.qkv_bias));
                set("use_sliding_window", json!(false));
            }
        }
        self.rope.write(&mut config);
        Value::Object(config)
    }

    /// Writes `config.json`, beside and renamed.
    ///
    /// # Errors
    /// The file cannot be written; what stood there is then untouched.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::write_json(path, &self.to_json())
    }

    /// Query heads that share one key and value head.
    pub fn group_size(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Name and shape of every tensor, as Hugging Face calls them.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut all = vec![
            ("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden]),
            ("model.norm.weight".to_owned(), vec![hidden]),
        ];
        if !self.tie_word_embeddings {
            all.push(("lm_head.weight".to_owned(), vec![self.vocab_size, hidden]));
        }
        for layer in 0..self.layers {
            let mut add = |name: &str, shape: &[usize]| {
                all.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
            };
            add("input_layernorm.weight", &[hidden]);
            add("post_attention_layernorm.weight", &[hidden]);
            add("self_attn.q_proj.weight", &[queries, hidden]);
            add("self_attn.k_proj.weight", &[keys, hidden]);
            add("self_attn.v_proj.weight", &[keys, hidden]);
            add("self_attn.o_proj.weight", &[hidden, queries]);
            if self.qkv_bias {
                add("self_attn.q_proj.bias", &[queries]);
                add("self_attn.k_proj.bias", &[keys]);
                add("self_attn.v_proj.bias", &[keys]);
            }
            if self.output_bias {
                add("self_attn.o_proj.bias", &[hidden]);
            }
            if self.qk_norm {
                add("self_attn.q_norm.weight", &[self.head_dim]);
                add("self_attn.k_norm.weight", &[self.head_dim]);
            }
            add("mlp.gate_proj.weight", &[inner, hidden]);
            add("mlp.up_proj.weight", &[inner, hidden]);
            add("mlp.down_proj.weight", &[hidden, inner]);
        }
        all
    }

    /// The number of scalars in all tensors.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

fn head_dim(config: &Fields<'_>, architecture: Architecture, hidden: usize, heads: usize) -> Result<usize> {
    if let Some(head_dim) = config.size("head_dim")? {
        return Ok(head_dim);
    }
    match architecture {
        // Qwen3Config's own default, not hidden / heads.
        Architecture::Qwen3 => Ok(128),
        Architecture::Llama | Architecture::Qwen2 if hidden.is_multiple_of(heads) => Ok(hidden / heads),
        Architecture::Llama | Architecture::Qwen2 => {
            Err(config.error("num_attention_heads", format!("{heads} does not divide hidden_size {hidden}")))
        }
    }
}

/// What would change the logits and is not implemented.
fn refuse_unimplemented(config: &Fields<'_>) -> Result<()> {
    if let Some(activation) = config.text("hidden_act")?.filter(|&activation| activation != "silu") {
        return Err(config.error("hidden_act", format!("`{activation}` is not implemented, only `silu`")));
    }
    if config.flag("mlp_bias", false)? {
        return Err(config.error("mlp_bias", "biases in the MLP are not implemented"));
    }
    if config.flag("use_sliding_window", false)? {
        return Err(config.error("use_sliding_window", "sliding-window attention is not implemented"));
    }
    let kinds = config.get("layer_types").and_then(Value::as_array);
    if let Some(kind) = kinds.into_iter().flatten().find(|kind| kind.as_str() != Some("full_attention")) {
        return Err(config.error("layer_types", format!("{kind} is not implemented, only `full_attention`")));
    }
    if config.get("quantization_config").is_some() {
        return Err(config.error("quantization_config", "quantised weights are not implemented"));
    }
    Ok(())
}

/// One token id or a list of them.
fn token(config: &Fields<'_>, name: &str) -> Result<Vec<u32>> {
    let id = |value: &Value| {
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| config.error(name, format!("must be a token id, got `{value}`")))
    };
    match config.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(id).collect(),
        // Some published files say -1 for "none".
        Some(value) if value.as_i64() == Some(-1) => Ok(Vec::new()),
        Some(value) => Ok(vec![id(value)?]),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
