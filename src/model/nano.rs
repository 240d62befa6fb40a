//! The small decoder that is made from nothing: its tokenizer, its shape, and the folder that it is kept in.

use std::path::Path;

use serde_json::{Value, json};

use super::config::ModelConfig;
use super::decoder::Decoder;
use super::error::{ModelError, Result};
use super::files;
use super::tokenizer::Tokenizer;
use super::weights::SaveOptions;

/// In front of every prompt.
const BEGIN: &str = "<|begin|>";
/// Behind every completion.
const END: &str = "<|end|>";
/// Where a row has nothing.
const PAD: &str = "<|pad|>";

/// The file of a tokenizer in a model's folder.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// Tokens of a new tokenizer, its special tokens included.
const VOCAB: std::ops::RangeInclusive<usize> = 1280..=8192;

/// A token for each so many bytes of text, so that most tokens are met a few dozen times.
const BYTES_FOR_EACH_TOKEN: usize = 128;

/// The decoder has 5 million parameters only with at least this many rows in its embedding.
const LEAST_ROWS: usize = 1280;

/// Trains a byte-level tokenizer whose texts begin with a special token. `vocab` counts its special tokens; by default
/// it is from 1280 to 8192, as many as the texts feed.
///
/// # Errors
/// The vocabulary is too small for bytes and special tokens.
pub fn train_tokenizer(texts: &[&str], vocab: Option<usize>) -> Result<Tokenizer> {
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let vocab = vocab.unwrap_or_else(|| (bytes / BYTES_FOR_EACH_TOKEN).clamp(*VOCAB.start(), *VOCAB.end()));
    Tokenizer::train(texts.iter().copied(), vocab, &[BEGIN, END, PAD])?.starting_with(BEGIN)
}

/// The shape of 5 to 15 million parameters for such a tokenizer.
///
/// # Errors
/// The tokenizer lacks one of the special tokens.
pub fn config(tokenizer: &Tokenizer) -> Result<ModelConfig> {
    let id = |token: &str| {
        let missing = || ModelError::input("tokenizer", format!("it has no token `{token}`"));
        tokenizer.id(token).ok_or_else(missing)
    };
    let rows = tokenizer.largest_id().map_or(0, |largest| largest as usize + 1);
    Ok(ModelConfig {
        bos_token_id: Some(id(BEGIN)?),
        eos_token_ids: vec![id(END)?],
        pad_token_id: Some(id(PAD)?),
        ..ModelConfig::nano(rows.next_multiple_of(64).max(LEAST_ROWS))
    })
}

/// Writes model, tokenizer, and what transformers reads beside them.
///
/// # Errors
/// A file cannot be written.
pub fn save(folder: &Path, model: &Decoder, tokenizer: &Tokenizer) -> Result<()> {
    model.save(folder, &SaveOptions { dtype: model.dtype(), ..SaveOptions::default() })?;
    save_beside_weights(folder, model.config(), tokenizer)
}

/// Writes the tokenizer, and what transformers reads beside it, into a folder that has the weights.
///
/// # Errors
/// A file cannot be written.
pub fn save_beside_weights(folder: &Path, config: &ModelConfig, tokenizer: &Tokenizer) -> Result<()> {
    tokenizer.save(&folder.join(TOKENIZER_FILE))?;
    for (name, value) in descriptions(config) {
        files::write_json(&folder.join(name), &value)?;
    }
    Ok(())
}

fn descriptions(config: &ModelConfig) -> [(&'static str, Value); 2] {
    let tokenizer = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": false,
        "model_max_length": config.max_position_embeddings,
    });
    let generation = json!({
        "bos_token_id": config.bos_token_id,
        "eos_token_id": config.eos_token_ids,
        "pad_token_id": config.pad_token_id,
    });
    [("tokenizer_config.json", tokenizer), ("generation_config.json", generation)]
}
