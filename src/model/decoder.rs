//! The decoder: embedding, layers, a last norm, the output head; one set of weights and two ways through it.
//!
//! - **Training**, differentiable in every trainable parameter: [`Decoder::forward_train`], or its parts
//!   [`Decoder::embed`], [`Layer::forward_train`], [`Decoder::last_norm`] one by one for gradient checkpointing, then
//!   [`Decoder::loss`], [`Decoder::log_probs`] or [`Decoder::logits`].
//! - **Generation**, on detached weights with a [`KvCache`]: [`Decoder::prefill`], [`Decoder::forward_cached`].
//!
//! `tests/model.rs` proves that both give the same logits. Shapes: tokens [batch, length], hidden
//! [batch, length, hidden], logits [.., vocabulary].

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};

use super::cache::{KvCache, Prefix};
use super::config::ModelConfig;
use super::context::TrainContext;
use super::error::{ModelError, Result};
use super::layer::Layer;
use super::lora::Lora;
use super::norm::Norm;
use super::ops;
use super::parameter::{Mode, Parameter, Parameters, Source, placement};

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// Prompts are read in pieces of this many tokens, which bounds the memory for scores.
const PREFILL_TOKENS: usize = 512;

/// A decoder with its weights.
#[derive(Debug, Clone)]
pub struct Decoder {
    config: ModelConfig,
    parameters: Parameters,
    lora: Option<Lora>,
    embedding: Parameter,
    layers: Vec<Layer>,
    norm: Norm,
    /// The embedding where they are tied.
    head: Parameter,
    dtype: DType,
    device: Device,
}

impl Decoder {
    /// A decoder all of whose `parameters` train. They are [`ModelConfig::parameters`], of one dtype on one device.
    ///
    /// # Errors
    /// A parameter is missing, too many, or of another shape, dtype or device.
    pub fn new(config: ModelConfig, parameters: Parameters) -> Result<Self> {
        Self::assemble(config, parameters, None)
    }

    fn assemble(config: ModelConfig, parameters: Parameters, lora: Option<Lora>) -> Result<Self> {
        config.check()?;
        let (dtype, device) = placement(&parameters)?;
        let expected = config.parameters();
        if let Some(name) = parameters.keys().find(|&name| !expected.iter().any(|(known, _)| known == name)) {
            return Err(ModelError::input("parameters", format!("`{name}` is not of this model")));
        }
        let source = Source::new(&parameters, lora.is_none());
        let shape = [config.vocab_size, config.hidden_size];
        let embedding = source.get(EMBEDDING, &shape)?;
        let head = if config.tie_word_embeddings { embedding.clone() } else { source.get(HEAD, &shape)? };
        let layer = |index| Layer::new(&config, &source, lora.as_ref(), index);
        let layers = (0..config.layers).map(layer).collect::<Result<_>>()?;
        let norm = Norm::new(&source, "model.norm", config.hidden_size, config.rms_norm_eps)?;
        Ok(Self { config, parameters, lora, embedding, layers, norm, head, dtype, device })
    }

    /// The same weights, frozen, with adapters that train. Earlier adapters are dropped: merge them first.
    ///
    /// # Errors
    /// The adapters don't fit the model.
    pub fn with_lora(self, lora: Lora) -> Result<Self> {
        lora.check(&self.config)?;
        Self::assemble(self.config, self.parameters, Some(lora))
    }

    /// A decoder whose weights have the adapters added in, and all train: `W + s B A`. Without adapters, the same.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn merge_lora(self) -> Result<Self> {
        let Some(lora) = &self.lora else { return Ok(self) };
        let merged = lora.merge(&self.parameters)?;
        Self::assemble(self.config, merged, None)
    }

    /// Sizes and options.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The weights, without adapters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The adapters.
    pub fn lora(&self) -> Option<&Lora> {
        self.lora.as_ref()
    }

    /// What training changes: the adapters' parameters if there are adapters, else all.
    pub fn trainable(&self) -> &Parameters {
        self.lora.as_ref().map_or(&self.parameters, |lora| &lora.parameters)
    }

    /// What the weights are stored in and computed with.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The layers in order, to be run one by one between [`Decoder::embed`] and [`Decoder::last_norm`].
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The first hidden state of `tokens` [batch, length], u32.
    ///
    /// # Errors
    /// A token is outside the vocabulary, or a tensor operation failed.
    pub fn embed(&self, tokens: &Tensor) -> Result<Tensor> {
        Self::look_up(&self.embedding.tracked(), tokens)
    }

    /// The last hidden state, which the head reads, from that of the last layer.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn last_norm(&self, hidden: &Tensor) -> Result<Tensor> {
        self.norm.forward(hidden, Mode::Train(None))
    }

    /// The last hidden state [batch, length, hidden] of `tokens` [batch, length], differentiable.
    ///
    /// # Errors
    /// The tokens are not of the context's length or outside the vocabulary, or a tensor operation failed.
    pub fn forward_train(&self, tokens: &Tensor, context: &TrainContext) -> Result<Tensor> {
        let mut hidden = self.embed(tokens)?;
        for layer in &self.layers {
            hidden = layer.forward_train(&hidden, context)?;
        }
        self.last_norm(&hidden)
    }

    /// Logits of hidden states [.., hidden], differentiable.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(ops::linear(hidden, &self.head.tracked())?)
    }

    /// The weighted sum of `-log p(target)` over all places of `hidden` [batch, length, hidden]; `targets` and `weights`
    /// are `batch * length`, row after row. Only places of nonzero weight reach the head.
    ///
    /// Divide by the sum of the weights of the whole batch, replicas included.
    ///
    /// # Errors
    /// Not one target and weight for each place, no weight but 0, a target outside the vocabulary, or a tensor
    /// operation failed.
    pub fn loss(&self, hidden: &Tensor, targets: &[u32], weights: &[f32]) -> Result<Tensor> {
        let places = hidden.elem_count() / self.config.hidden_size;
        if targets.len() != places || weights.len() != places {
            let problem = format!("{} targets, {} weights, {places} places", targets.len(), weights.len());
            return Err(ModelError::input("targets", problem));
        }
        let counted: Vec<usize> = (0..places).filter(|&place| weights[place].abs() > 0.0).collect();
        if counted.is_empty() {
            return Err(ModelError::input("weights", "all are 0, so there is nothing to learn"));
        }
        let flat = hidden.reshape((places, self.config.hidden_size))?;
        let (flat, targets, weights) = if counted.len() == places {
            (flat, targets.to_vec(), weights.to_vec())
        } else {
            let indices: Vec<u32> = counted.iter().map(|&place| place as u32).collect();
            let indices = Tensor::new(indices, hidden.device())?;
            let chosen = (
                counted.iter().map(|&p| targets[p]).collect(),
                counted.iter().map(|&p| weights[p]).collect(),
            );
            (flat.index_select(&indices, 0)?, chosen.0, chosen.1)
        };
        Ok(ops::cross_entropy(&self.logits(&flat)?, &targets, &weights)?)
    }

    /// Log-probability of `tokens`, and entropy, behind chosen hidden states [n, hidden], one for each token: both [n], in
    /// f32 (f64 of f64), differentiable. Whatever else reads the hidden states (a value head) shares the pass that made
    /// them.
    ///
    /// # Errors
    /// Not one token for each, a token outside the vocabulary, or a tensor operation failed.
    pub fn log_probs(&self, hidden: &Tensor, tokens: &[u32]) -> Result<(Tensor, Tensor)> {
        Ok(ops::log_probs(&self.logits(hidden)?, tokens)?)
    }

    /// Reads new tokens of every row of `cache`, one or more each, and gives the logits behind the last token of
    /// each row, [rows, vocabulary]. Rows of other lengths than the longest are padded: the padding costs time, and
    /// room in the cache, but changes nothing.
    ///
    /// # Errors
    /// Not one text for each row, an empty text, a token outside the vocabulary, no room in the cache, or a tensor
    /// operation failed. The cache keeps its lengths then, so the step can be tried again.
    pub fn forward_cached(&self, rows: &[&[u32]], cache: &mut KvCache) -> Result<Tensor> {
        let length = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        if rows.len() != cache.rows() || rows.is_empty() || rows.iter().any(|row| row.is_empty()) {
            let problem = format!("{} texts for {} rows, each needs a token", rows.len(), cache.rows());
            return Err(ModelError::input("tokens", problem));
        }
        self.check_tokens(rows)?;
        let padded =
            rows.iter().flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0, length - row.len())));
        let padded = Tensor::from_vec(padded.collect::<Vec<u32>>(), (rows.len(), length), &self.device)?;
        let step = cache.prepare(&self.config, length)?;
        let mut hidden = Self::look_up(&self.embedding.detached(), &padded)?;
        for (layer, cache) in self.layers.iter().zip(cache.layers_mut()) {
            hidden = layer.forward_cached(&hidden, &step, cache)?;
        }
        let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
        let last = self.last_places(&hidden, &lengths)?;
        let normed = self.norm.forward(&last, Mode::Generate)?;
        let logits = Mode::Generate.linear(&normed, &self.head)?;
        cache.advance(&lengths);
        Ok(logits)
    }

    /// Reads a text that many rows will continue, and gives it with the logits behind its last token, `[vocabulary]`.
    ///
    /// # Errors
    /// As [`Decoder::forward_cached`].
    pub fn prefill(&self, tokens: &[u32]) -> Result<(Arc<Prefix>, Tensor)> {
        let mut cache = KvCache::new(&self.config, 1, tokens.len().max(1), self.dtype, &self.device)?;
        cache.push_row(None)?;
        let mut logits = None;
        for piece in tokens.chunks(PREFILL_TOKENS) {
            logits = Some(self.forward_cached(&[piece], &mut cache)?);
        }
        let Some(logits) = logits else { return Err(ModelError::input("tokens", "there are none")) };
        Ok((cache.into_prefix()?, logits.squeeze(0)?))
    }

    fn check_tokens(&self, rows: &[&[u32]]) -> Result<()> {
        let vocabulary = self.config.vocab_size;
        match rows.iter().flat_map(|row| row.iter()).find(|&&token| token as usize >= vocabulary) {
            Some(token) => {
                Err(ModelError::input("tokens", format!("{token} in a vocabulary of {vocabulary}")))
            }
            None => Ok(()),
        }
    }

    fn look_up(embedding: &Tensor, tokens: &Tensor) -> Result<Tensor> {
        let (batch, length) = tokens.dims2()?;
        let found = embedding.index_select(&tokens.flatten_all()?, 0)?;
        let hidden = found.dim(D::Minus1)?;
        Ok(found.reshape((batch, length, hidden))?)
    }

    /// [rows, length, hidden] → [rows, hidden] at the last real token of each row.
    fn last_places(&self, hidden: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let (rows, length, width) = hidden.dims3()?;
        let flat = hidden.reshape((rows * length, width))?;
        if length == 1 {
            return Ok(flat);
        }
        let last = lengths.iter().enumerate().map(|(row, &own)| (row * length + own - 1) as u32);
        Ok(flat.index_select(&Tensor::new(last.collect::<Vec<_>>(), &self.device)?, 0)?)
    }
}
