//! What tells one run from another: model, examples, seed, and all else that cannot change while a run lasts.

use super::super::compute::DtypeName;
use super::super::exit::UsageError;
use super::{Args, Init, TooLongName};
use crate::model::LoraConfig;
use anyhow::Context;
use proofloop_datasets::{Cause, Place, ReadError};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Files by their content; the model by its small files, and its weights by name and size: they may have 100 GB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) base: Base,
    pub(super) data: Vec<FileId>,
    pub(super) eval_data: Vec<FileId>,
    pub(super) eval_fraction: Option<f64>,
    pub(super) batch: usize,
    pub(super) seed: u64,
    pub(super) vocab: Option<usize>,
    pub(super) max_tokens: Option<usize>,
    pub(super) too_long: TooLongName,
    pub(super) dtype: DtypeName,
    pub(super) lora: Option<Adapters>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Base {
    Init(Init),
    Model { path: PathBuf, files: Vec<FileId>, weights: Vec<WeightFile> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileId {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Hexadecimal digits.
    pub(super) blake3: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightFile {
    name: String,
    bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adapters {
    rank: usize,
    alpha: f64,
    dropout: f32,
    targets: Vec<String>,
}

impl Adapters {
    pub(super) fn config(&self, base: &Path) -> LoraConfig {
        LoraConfig {
            rank: self.rank,
            alpha: self.alpha,
            dropout: self.dropout,
            target_modules: self.targets.clone(),
            rank_stabilized: false,
            base_model: Some(base.display().to_string()),
        }
    }
}

impl Identity {
    /// Reads all files once.
    pub(super) fn of(args: &Args) -> anyhow::Result<Self> {
        let lora = args.lora.lora.map(|rank| {
            let all = LoraConfig::all_projections(rank);
            let targets = &args.lora.lora_targets;
            Adapters {
                rank,
                alpha: args.lora.lora_alpha.unwrap_or(all.alpha),
                dropout: args.lora.lora_dropout,
                targets: if targets.is_empty() { all.target_modules } else { targets.clone() },
            }
        });
        let base = match (args.init, &args.model) {
            (Some(init), _) => Base::Init(init),
            (None, Some(folder)) => model(folder)?,
            (None, None) => return Err(UsageError("give --model or --init".to_owned()).into()),
        };
        Ok(Self {
            base,
            data: examples(&args.data)?,
            eval_data: examples(&args.eval_data)?,
            eval_fraction: args.eval_fraction,
            batch: args.batch.get(),
            seed: args.seed,
            vocab: args.vocab,
            max_tokens: args.max_tokens.map(std::num::NonZero::get),
            too_long: args.too_long,
            dtype: args.dtype.unwrap_or_else(|| args.device.default_dtype()),
            lora,
        })
    }
}

fn examples(paths: &[PathBuf]) -> anyhow::Result<Vec<FileId>> {
    let id = |path: &PathBuf| {
        file(path).map_err(|cause| ReadError { path: path.clone(), place: Place::File, cause }.into())
    };
    paths.iter().map(id).collect()
}

fn file(path: &Path) -> Result<FileId, Cause> {
    let file = File::open(path).map_err(Cause::Open)?;
    if file.metadata().map_err(Cause::Open)?.is_dir() {
        return Err(Cause::Directory);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(Cause::Open)?;
    Ok(FileId {
        path: path.to_path_buf(),
        bytes: hasher.count(),
        blake3: hasher.finalize().to_hex().to_string(),
    })
}

fn model(folder: &Path) -> anyhow::Result<Base> {
    let unusable = || UsageError(format!("cannot use the model `{}`", folder.display()));
    let (mut files, mut weights) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).with_context(unusable)? {
        let entry = entry.with_context(unusable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".safetensors") {
            weights.push(WeightFile { name, bytes: entry.metadata().with_context(unusable)?.len() });
        } else if name == "config.json" || name == "tokenizer.json" {
            files.push(file(&entry.path()).with_context(unusable)?);
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    weights.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Base::Model { path: folder.to_path_buf(), files, weights })
}
