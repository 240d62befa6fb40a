//! A model folder of Hugging Face: `config.json` and `model.safetensors`, or several files and
//! `model.safetensors.index.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use serde_json::json;

use super::config::ModelConfig;
use super::decoder::Decoder;
use super::error::{ModelError, Result};
use super::files;
use super::tensor_file::{self, TensorFile};

const CONFIG_FILE: &str = "config.json";
const SINGLE_FILE: &str = "model.safetensors";
const INDEX_FILE: &str = "model.safetensors.index.json";
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// How a model is written.
#[derive(Debug, Clone, Copy)]
pub struct SaveOptions {
    /// F32, BF16 or F16.
    pub dtype: DType,
    /// A file gets no further tensor beyond this size; a tensor that is larger has a file of its own.
    pub max_shard_bytes: u64,
}

impl Default for SaveOptions {
    /// F32, 5 GB as in transformers 4.
    fn default() -> Self {
        Self { dtype: DType::F32, max_shard_bytes: 5_000_000_000 }
    }
}

impl Decoder {
    /// Reads a model folder; the weights are converted to `dtype`.
    ///
    /// # Errors
    /// The configuration is not implemented; a file is missing or damaged; a tensor is missing, too many, of another
    /// shape than the configuration says, no floating-point type, or cut off. The error names file and tensor.
    pub fn load(folder: &Path, dtype: DType, device: &Device) -> Result<Self> {
        let config = ModelConfig::load(&folder.join(CONFIG_FILE))?;
        let expected = config.parameters();
        let files = open_all(folder)?;
        let mut places: BTreeMap<&str, &TensorFile> = BTreeMap::new();
        for file in &files {
            for name in file.names() {
                if !expected.iter().any(|(known, _)| known == name) && !may_be_ignored(&config, name) {
                    return Err(ModelError::tensor(file.path(), name, "is not of this model"));
                }
                if places.insert(name, file).is_some() {
                    return Err(ModelError::tensor(file.path(), name, "is in another file too"));
                }
            }
        }
        let read = |(name, shape): (String, Vec<usize>)| -> Result<(String, Var)> {
            let Some(file) = places.get(name.as_str()) else {
                return Err(ModelError::tensor(folder, &name, "is missing"));
            };
            let tensor = file.read(&name, &shape, dtype, device)?;
            Ok((name, Var::from_tensor(&tensor)?))
        };
        let parameters = expected.into_iter().map(read).collect::<Result<_>>()?;
        Self::new(config, parameters)
    }

    /// Writes a model folder, without adapters: merge them first or save them by themselves. Each file is written
    /// beside and renamed; what an earlier model left behind is removed last. For a folder that must be whole at every
    /// moment, save to a new one and rename that.
    ///
    /// # Errors
    /// A file cannot be written, or the dtype cannot be saved.
    pub fn save(&self, folder: &Path, options: &SaveOptions) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(ModelError::io("create", folder))?;
        let tensors: Vec<_> =
            self.parameters().iter().map(|(name, var)| (name.as_str(), var.as_tensor())).collect();
        let shards = shards(&tensors, options);
        let mut written = Vec::with_capacity(shards.len() + 1);
        let mut map = serde_json::Map::new();
        for (index, shard) in shards.iter().enumerate() {
            let name = shard_name(index, shards.len());
            tensor_file::write(&folder.join(&name), shard, options.dtype)?;
            for (tensor, _) in *shard {
                map.insert((*tensor).to_owned(), json!(name));
            }
            written.push(name);
        }
        if shards.len() > 1 {
            let bytes: u64 = tensors.iter().map(|(_, tensor)| bytes(tensor, options.dtype)).sum();
            let index = json!({ "metadata": { "total_size": bytes }, "weight_map": map });
            files::write_json(&folder.join(INDEX_FILE), &index)?;
            written.push(INDEX_FILE.to_owned());
        }
        self.config().save(&folder.join(CONFIG_FILE))?;
        remove_others(folder, &written)
    }
}

/// Tensors that say nothing new: a tied head, and the frequencies that old transformers stored.
fn may_be_ignored(config: &ModelConfig, name: &str) -> bool {
    (config.tie_word_embeddings && name == "lm_head.weight") || name.ends_with(".rotary_emb.inv_freq")
}

fn open_all(folder: &Path) -> Result<Vec<TensorFile>> {
    let single = folder.join(SINGLE_FILE);
    let index = folder.join(INDEX_FILE);
    // As transformers: the single file first.
    let is_there = |path: &PathBuf| path.try_exists().map_err(ModelError::io("read", path));
    if is_there(&single)? || !is_there(&index)? {
        return Ok(vec![TensorFile::open(&single)?]);
    }
    let text = files::read_small(&index, MAX_INDEX_BYTES)?;
    let value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|source| ModelError::Json { path: index.clone(), source })?;
    let bad = |problem: String| ModelError::tensor_file(&index, problem);
    let Some(map) = value.get("weight_map").and_then(|map| map.as_object()) else {
        return Err(bad("`weight_map` is missing".to_owned()));
    };
    let mut files: BTreeMap<&str, TensorFile> = BTreeMap::new();
    for (tensor, name) in map {
        let name = name.as_str().filter(|name| !name.contains(['/', '\\']) && name.ends_with(".safetensors"));
        let Some(name) = name else { return Err(bad(format!("the file of `{tensor}` has no proper name"))) };
        if !files.contains_key(name) {
            files.insert(name, TensorFile::open(&folder.join(name))?);
        }
        if !files.get(name).is_some_and(|file| file.has(tensor)) {
            return Err(ModelError::tensor(
                &folder.join(name),
                tensor,
                "is missing, though the index names this file",
            ));
        }
    }
    Ok(files.into_values().collect())
}

fn bytes(tensor: &Tensor, dtype: DType) -> u64 {
    (tensor.elem_count() * dtype.size_in_bytes()) as u64
}

/// Consecutive parts, each as large as it may be.
fn shards<'a, 'b>(
    tensors: &'a [(&'b str, &'b Tensor)],
    options: &SaveOptions,
) -> Vec<&'a [(&'b str, &'b Tensor)]> {
    let (mut parts, mut start, mut size) = (Vec::new(), 0, 0);
    for (index, (_, tensor)) in tensors.iter().enumerate() {
        let next = bytes(tensor, options.dtype);
        if index > start && size + next > options.max_shard_bytes {
            parts.push(&tensors[start..index]);
            (start, size) = (index, 0);
        }
        size += next;
    }
    parts.push(&tensors[start..]);
    parts
}

fn shard_name(index: usize, count: usize) -> String {
    if count == 1 {
        SINGLE_FILE.to_owned()
    } else {
        format!("model-{:05}-of-{count:05}.safetensors", index + 1)
    }
}

/// Weight files of an earlier model, which a reader would take for part of this one.
fn remove_others(folder: &Path, written: &[String]) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(ModelError::io("read", folder))? {
        let entry = entry.map_err(ModelError::io("read", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_weights = name.starts_with("model") && (name.ends_with(".safetensors") || name == INDEX_FILE);
        if is_weights && !written.contains(&name) {
            std::fs::remove_file(entry.path()).map_err(ModelError::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
