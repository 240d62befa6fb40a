//! Which tokens begin and end a text: `generation_config.json` if the folder has one, else `config.json`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::generate::error::Result;
use crate::model::{ModelConfig, ModelError, files};

const FILE: &str = "generation_config.json";
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Tokens with a meaning of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpecialTokens {
    /// What stands for an empty prompt.
    pub(super) begin: Option<u32>,
    pub(super) ends: BTreeSet<u32>,
}

/// The fields of the file that are used; the others are settings of `transformers`' own sampling.
#[derive(Deserialize)]
struct GenerationConfig {
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl SpecialTokens {
    pub(super) fn of(config: &ModelConfig) -> Self {
        Self { begin: config.bos_token_id, ends: config.eos_token_ids.iter().copied().collect() }
    }

    /// Of a model folder. What `generation_config.json` does not say is as in `config.json`.
    pub(super) fn load(folder: &Path, config: &ModelConfig) -> Result<Self> {
        let mut tokens = Self::of(config);
        let path = folder.join(FILE);
        if !path.try_exists().map_err(ModelError::io("read", &path))? {
            return Ok(tokens);
        }
        let text = files::read_small(&path, MAX_FILE_BYTES)?;
        let read: GenerationConfig =
            serde_json::from_slice(&text).map_err(|source| ModelError::Json { path, source })?;
        tokens.begin = read.bos_token_id.or(tokens.begin);
        match read.eos_token_id {
            Some(OneOrMany::One(end)) => tokens.ends = BTreeSet::from([end]),
            Some(OneOrMany::Many(ends)) => tokens.ends = ends.into_iter().collect(),
            None => (),
        }
        Ok(tokens)
    }
}
