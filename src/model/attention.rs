//! Grouped-query attention (arXiv 2305.13245) with rotary positions:
//! `o = softmax(q k^T / sqrt(d) + mask) v`, heads side by side, then the output projection.
//!
//! `heads / kv_heads` query heads share a key and value head. Their queries are put below each other,
//! [batch, kv_heads, group * length, d], so that one product serves them all and keys are never repeated.
//!
//! The two paths share the projections and differ in where keys come from: [`Attention::forward_train`] has them all at
//! hand, [`Attention::forward_cached`] adds to a cache, whose rows may continue one shared prefix. Scores against the
//! prefix are one product for all rows that share it; softmax runs over prefix and own keys together. On a CPU that is
//! one kernel, [`ops::cached_attention`].

use candle_core::Tensor;

use super::cache::{LayerCache, PrefixLayer, Run, Step};
use super::config::ModelConfig;
use super::error::Result;
use super::linear::Linear;
use super::lora::Lora;
use super::norm::Norm;
use super::ops::{self, Mask, Rotation};
use super::parameter::{Mode, Source};

#[derive(Debug, Clone)]
pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    /// Of each head's queries and keys, before they are rotated.
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
    heads: usize,
    kv_heads: usize,
    scale: f64,
}

impl Attention {
    pub(crate) fn new(
        config: &ModelConfig,
        source: &Source<'_>,
        lora: Option<&Lora>,
        name: &str,
    ) -> Result<Self> {
        let (hidden, d) = (config.hidden_size, config.head_dim);
        let (queries, keys) = (config.heads * d, config.kv_heads * d);
        let linear =
            |part: &str, sizes, bias| Linear::new(source, lora, &format!("{name}.{part}"), sizes, bias);
        let norm = |part: &str| {
            let norm = || Norm::new(source, &format!("{name}.{part}"), d, config.rms_norm_eps);
            config.qk_norm.then(norm).transpose()
        };
        Ok(Self {
            query: linear("q_proj", (hidden, queries), config.qkv_bias)?,
            key: linear("k_proj", (hidden, keys), config.qkv_bias)?,
            value: linear("v_proj", (hidden, keys), config.qkv_bias)?,
            output: linear("o_proj", (queries, hidden), config.output_bias)?,
            query_norm: norm("q_norm")?,
            key_norm: norm("k_norm")?,
            heads: config.heads,
            kv_heads: config.kv_heads,
            scale: 1.0 / (d as f64).sqrt(),
        })
    }

    /// Whole sequences, `x` [batch, length, hidden] to the same.
    pub(crate) fn forward_train(
        &self,
        x: &Tensor,
        rotation: &Rotation,
        mask: &Mask,
        mode: Mode<'_>,
    ) -> Result<Tensor> {
        let (query, key) = self.positioned(x, rotation, mode)?;
        let value = self.value.forward(x, mode)?;
        let heads = ops::attention(&query, &key, &value, self.heads, self.scale, mask)?;
        self.output.forward(&heads, mode)
    }

    /// New tokens of cached rows, `x` [rows, length, hidden] to the same. The cache gets their keys and values.
    pub(crate) fn forward_cached(&self, x: &Tensor, step: &Step, cache: &mut LayerCache) -> Result<Tensor> {
        let mode = Mode::Generate;
        let (query, key) = self.positioned(x, &step.rotation, mode)?;
        let value = ops::split_heads(&self.value.forward(x, mode)?, self.kv_heads)?;
        cache.write(&key, &value, step)?;
        if ops::has_kernel(&query) {
            let heads = cache.attend(&query, step, self.scale)?;
            return self.output.forward(&heads, Mode::Generate);
        }
        let parts =
            step.runs.iter().map(|run| self.attend(&query, run, cache)).collect::<Result<Vec<_>>>()?;
        let all = if let [one] = parts.as_slice() { one.clone() } else { Tensor::cat(&parts, 0)? };
        self.output.forward(&ops::join_heads(&all, self.heads)?, mode)
    }

    /// Queries [batch, kv_heads, group * length, d] and keys [batch, kv_heads, length, d], rotated.
    fn positioned(&self, x: &Tensor, rotation: &Rotation, mode: Mode<'_>) -> Result<(Tensor, Tensor)> {
        let normed = |x: Tensor, norm: &Option<Norm>| match norm {
            Some(norm) => norm.forward(&x, mode),
            None => Ok(x),
        };
        let query = normed(self.query.forward(x, mode)?, &self.query_norm)?;
        let key = normed(self.key.forward(x, mode)?, &self.key_norm)?;
        let query = ops::rope(&query, self.heads, self.kv_heads, rotation)?;
        Ok((query, ops::rope(&key, self.kv_heads, self.kv_heads, rotation)?))
    }

    /// The rows of one run, over the prefix that they share and what each has of its own.
    fn attend(&self, query: &Tensor, run: &Run, cache: &LayerCache) -> Result<Tensor> {
        let query = query.narrow(0, run.first, run.count)?;
        let (keys, values) = cache.own(run)?;
        let own = query.matmul(&keys.transpose(2, 3)?)?;
        let Some(prefix) = cache.prefix(run) else {
            let weights = ops::masked_softmax(&own, self.scale, &run.mask)?;
            return Ok(weights.matmul(&values)?);
        };
        let shared = shared_product(&query, &prefix.keys.transpose(1, 2)?)?;
        let scores = Tensor::cat(&[shared, own], 3)?;
        let weights = ops::masked_softmax(&scores, self.scale, &run.mask)?;
        let PrefixLayer { values: prefix_values, .. } = prefix;
        let split = prefix_values.dim(1)?;
        let shared = shared_product(&weights.narrow(3, 0, split)?, prefix_values)?;
        let own = weights.narrow(3, split, weights.dim(3)? - split)?.contiguous()?.matmul(&values)?;
        Ok((shared + own)?)
    }
}

/// `x` [rows, kv_heads, below, inner] times `shared` [kv_heads, inner, columns], as one product for each head.
fn shared_product(x: &Tensor, shared: &Tensor) -> Result<Tensor> {
    let (rows, heads, below, inner) = x.dims4()?;
    let columns = shared.dim(2)?;
    let stacked = x.transpose(0, 1)?.contiguous()?.reshape((heads, rows * below, inner))?;
    let product = stacked.matmul(shared)?.reshape((heads, rows, below, columns))?;
    Ok(product.transpose(0, 1)?.contiguous()?)
}
