//! The model that a run begins with, its tokenizer, and the files that belong to them.

use super::super::exit::UsageError;
use super::data;
use super::folder::Folder;
use super::identity::{Base, Identity};
use super::{Args, Init};
use crate::model::nano::{self, TOKENIZER_FILE as TOKENIZER};
use crate::model::{Decoder, Lora, SaveOptions, Tokenizer};
use crate::train::EncodeOptions;
use anyhow::Context;
use candle_core::Device;
use std::path::Path;

/// Where a model takes more, examples may still only be this long unless `--max-tokens` says so: memory grows with it.
const MAX_TOKENS: usize = 4096;

/// Files beside the weights that say how a model is used; the tokenizer comes first, because it must be there.
const COMPANIONS: &[&str] = &[
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
    "chat_template.jinja",
];

/// What training needs.
pub(super) struct Prepared {
    pub(super) model: Decoder,
    pub(super) tokenizer: Tokenizer,
    pub(super) encode: EncodeOptions,
}

/// Loads or makes the model.
pub(super) fn prepare(
    args: &Args,
    identity: &Identity,
    folder: &Folder,
    device: &Device,
) -> anyhow::Result<Prepared> {
    let dtype = identity.dtype.into();
    let (model, tokenizer) = match &identity.base {
        Base::Init(Init::Nano) => {
            let tokenizer = own_tokenizer(args, folder)?;
            let config = nano::config(&tokenizer)?;
            (Decoder::init(config, args.seed, dtype, device)?, tokenizer)
        }
        Base::Model { path, .. } => {
            let unusable = || UsageError(format!("cannot use the model `{}`", path.display()));
            let model = Decoder::load(path, dtype, device).with_context(unusable)?;
            let tokenizer = Tokenizer::load(&path.join(TOKENIZER)).with_context(unusable)?;
            tokenizer.check_fits(model.config().vocab_size).with_context(unusable)?;
            let model = match &identity.lora {
                Some(adapters) => adapt(model, adapters.config(path), args.seed)?,
                None => model,
            };
            (model, tokenizer)
        }
    };
    let longest = model.config().max_position_embeddings;
    let encode = EncodeOptions {
        bos: tokenizer.first_token()?,
        eos: model.config().eos_token_ids.first().copied(),
        max_tokens: identity.max_tokens.unwrap_or(longest.min(MAX_TOKENS)),
        too_long: identity.too_long.into(),
    };
    if encode.max_tokens > longest {
        let text = format!("--max-tokens {}: the model takes {longest}", encode.max_tokens);
        return Err(UsageError(text).into());
    }
    Ok(Prepared { model, tokenizer, encode })
}

fn adapt(model: Decoder, config: crate::model::LoraConfig, seed: u64) -> anyhow::Result<Decoder> {
    let refused = || UsageError("the adapters don't fit the model".to_owned());
    let lora = Lora::init(config, &model, seed).with_context(refused)?;
    model.with_lora(lora).with_context(refused)
}

/// The run's tokenizer, trained when there is none yet.
fn own_tokenizer(args: &Args, folder: &Folder) -> anyhow::Result<Tokenizer> {
    let path = folder.join(TOKENIZER);
    if path.exists() && folder.record()?.is_some() {
        return Ok(Tokenizer::load(&path)?);
    }
    data::train_tokenizer(args)
}

/// Writes it where [`own_tokenizer`] looks.
pub(super) fn keep_tokenizer(
    identity: &Identity,
    tokenizer: &Tokenizer,
    folder: &Folder,
) -> anyhow::Result<()> {
    match identity.base {
        Base::Init(Init::Nano) => Ok(tokenizer.save(&folder.join(TOKENIZER))?),
        Base::Model { .. } => Ok(()),
    }
}

/// Writes the trained model with all that it needs to be used; adapters must have been merged.
pub(super) fn save_model(
    folder: &Path,
    model: &Decoder,
    tokenizer: &Tokenizer,
    identity: &Identity,
) -> anyhow::Result<()> {
    match &identity.base {
        Base::Init(Init::Nano) => nano::save(folder, model, tokenizer)?,
        Base::Model { path, .. } => {
            model.save(folder, &SaveOptions { dtype: model.dtype(), ..SaveOptions::default() })?;
            copy_companions(path, folder)?;
        }
    }
    Ok(())
}

/// Copies the files beside the weights of `from` that are there.
fn copy_companions(from: &Path, to: &Path) -> anyhow::Result<()> {
    for name in COMPANIONS {
        let (from, to) = (from.join(name), to.join(name));
        if from.exists() {
            std::fs::copy(&from, &to).with_context(|| format!("cannot copy `{}`", from.display()))?;
        }
    }
    Ok(())
}
