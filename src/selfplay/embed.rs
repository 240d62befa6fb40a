//! Statements as points: what transport measures distances between.
//!
//! The last hidden state of the current model, averaged over the tokens of the statement alone, of length one
//! (`../shared/reference/stp.md` §1.3).

use super::error::Result;
use crate::model::{Decoder, Layout, Tokenizer};
use candle_core::{DType, Tensor};

/// Longer statements are cut.
const MOST_TOKENS: usize = 512;

/// Places that go through the model together, padding included.
const BATCH_TOKENS: usize = 4096;

/// A row of `dimension` numbers for each text, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Embeddings {
    pub(crate) values: Vec<f32>,
    pub(crate) dimension: usize,
}

/// Embeds texts. An empty text is an error of the model's.
pub(crate) fn embed(model: &Decoder, tokenizer: &Tokenizer, texts: &[&str]) -> Result<Embeddings> {
    let dimension = model.config().hidden_size;
    let encode = |text: &&str| {
        tokenizer.encode(text, false).map(|mut tokens| {
            tokens.truncate(MOST_TOKENS);
            tokens
        })
    };
    let tokens = texts.iter().map(encode).collect::<crate::model::Result<Vec<_>>>()?;
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&index| tokens[index].len());
    let mut values = vec![0.0; texts.len() * dimension];
    let mut rest = order.as_slice();
    while let Some((batch, left)) = next_batch(rest, &tokens) {
        rest = left;
        let rows: Vec<&[u32]> = batch.iter().map(|&index| tokens[index].as_slice()).collect();
        for (&index, mean) in batch.iter().zip(means(model, &rows)?) {
            values[index * dimension..][..dimension].copy_from_slice(&mean);
        }
    }
    Ok(Embeddings { values, dimension })
}

/// As many of the shortest as go together, and the others.
fn next_batch<'a>(order: &'a [usize], tokens: &[Vec<u32>]) -> Option<(&'a [usize], &'a [usize])> {
    if order.is_empty() {
        return None;
    }
    let fits = |count: &usize| tokens[order[count - 1]].len() * count <= BATCH_TOKENS;
    let count = (1..=order.len()).take_while(fits).last().unwrap_or(1);
    Some(order.split_at(count))
}

fn means(model: &Decoder, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
    let length = rows.iter().map(|row| row.len()).max().unwrap_or(1).max(1);
    let padded =
        rows.iter().flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0, length - row.len())));
    let padded: Vec<u32> = padded.collect();
    let tensor = Tensor::from_vec(padded, (rows.len(), length), model.device())
        .map_err(crate::model::ModelError::from)?;
    let context = model.train_context(length, Layout::OneText, None)?;
    let mut hidden = model.embed(&tensor)?.detach();
    for layer in model.layers() {
        hidden = layer.forward_train(&hidden, &context)?.detach();
    }
    let hidden = model.last_norm(&hidden)?.detach();
    let hidden = hidden.to_dtype(DType::F32).and_then(|hidden| hidden.to_vec3::<f32>());
    let hidden = hidden.map_err(crate::model::ModelError::from)?;
    Ok(rows.iter().zip(hidden).map(|(row, places)| direction(&places[..row.len()])).collect())
}

/// The mean of the rows, of length one; any direction where it has none.
fn direction(places: &[Vec<f32>]) -> Vec<f32> {
    let dimension = places.first().map_or(0, Vec::len);
    let mut sum = vec![0.0_f64; dimension];
    for place in places {
        sum.iter_mut().zip(place).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm > 0.0 {
        sum.iter().map(|value| (value / norm) as f32).collect()
    } else {
        let mut unit = vec![0.0; dimension];
        unit.iter_mut().take(1).for_each(|first| *first = 1.0);
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelConfig, nano};
    use candle_core::Device;

    #[test]
    fn a_text_has_its_embedding_in_any_company() {
        let texts = ["theorem : 1 = 1", "theorem (a b : Nat) : a + b = b + a", "x"];
        let tokenizer = nano::train_tokenizer(&texts, Some(300)).expect("a tokenizer");
        let config = ModelConfig { layers: 2, ..nano::config(&tokenizer).expect("a shape") };
        let model = Decoder::init(config, 1, DType::F32, &Device::Cpu).expect("a model");
        let all = embed(&model, &tokenizer, &texts).expect("embeds");
        for (index, text) in texts.iter().enumerate() {
            let one = embed(&model, &tokenizer, &[text]).expect("embeds");
            let together = &all.values[index * all.dimension..][..all.dimension];
            let product: f32 = one.values.iter().zip(together).map(|(a, b)| a * b).sum();
            assert!((product - 1.0).abs() < 1e-5, "{text}: {product}");
            let norm: f32 = one.values.iter().map(|value| value * value).sum();
            assert!((norm - 1.0).abs() < 1e-5);
        }
    }
}
