//! Checkpoints: a folder with one folder for each, `step-00000042`, of
//!
//! - `model/` as Hugging Face has it, in the model's dtype; or `adapter/` as PEFT has it, if only adapters train,
//! - `optimizer.safetensors`: moments and master weights in f32,
//! - `state.json`: version, step, cursor, seed, and what tells the examples apart. Order and dropout follow from seed,
//!   cursor and step, so there is no other state of a random generator.
//!
//! Each is written to `step-….partial`, synced, and renamed: a folder without `.partial` is whole.

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::batch::Cursor;
use super::error::{Result, TrainError};
use super::example::Example;
use super::optimizer::AdamW;
use crate::model::files;
use crate::model::tensor_file::{self, TensorFile};
use crate::model::{Decoder, Lora, Parameters, SaveOptions};

const VERSION: u32 = 1;
const STATE_FILE: &str = "state.json";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const MODEL_FOLDER: &str = "model";
const ADAPTER_FOLDER: &str = "adapter";
const PREFIX: &str = "step-";
const PARTIAL: &str = ".partial";
const MAX_STATE_BYTES: u64 = 1 << 16;

/// What must be the same for a run to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    seed: u64,
    batch_examples: usize,
    examples: usize,
    /// Of tokens, borders and weights.
    fingerprint: String,
}

/// FNV-1a, 64 bits.
pub(super) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Fingerprint {
    pub(super) fn add(&mut self, number: u32) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    /// Hexadecimal, which no JSON reader rounds.
    pub(super) fn digits(&self) -> String {
        format!("{:016x}", self.0)
    }
}

impl Identity {
    pub(super) fn new(seed: u64, batch_examples: usize, examples: &[Example]) -> Self {
        let mut hash = Fingerprint::default();
        for Example { tokens, completion, weight } in examples {
            // Lengths first, so that no two lists of examples read alike.
            hash.add(tokens.len() as u32);
            hash.add(*completion as u32);
            hash.add(weight.to_bits());
            tokens.iter().for_each(|&token| hash.add(token));
        }
        Self { seed, batch_examples, examples: examples.len(), fingerprint: hash.digits() }
    }

    /// The first difference.
    fn difference(&self, now: &Self) -> Option<String> {
        let differs = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            Some(format!("it was made with {what} {then}, now it is {now}"))
        };
        if self.seed != now.seed {
            differs("seed", &self.seed, &now.seed)
        } else if self.batch_examples != now.batch_examples {
            differs("batch_examples", &self.batch_examples, &now.batch_examples)
        } else if self.examples != now.examples {
            differs("a number of examples of", &self.examples, &now.examples)
        } else if self.fingerprint != now.fingerprint {
            Some("it was made with other examples".to_owned())
        } else {
            None
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    step: u64,
    epoch: u64,
    used: usize,
    identity: Identity,
}

/// A folder of checkpoints.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: NonZeroUsize,
}

impl Checkpoints {
    /// Makes the folder if it is not there. After a checkpoint was written, only the newest `keep` are kept.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path, keep: NonZeroUsize) -> Result<Self> {
        fs::create_dir_all(folder).map_err(TrainError::io("create", folder))?;
        Ok(Self { folder: folder.to_path_buf(), keep })
    }

    /// The newest.
    ///
    /// # Errors
    /// The folder cannot be read, or the newest checkpoint is damaged.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        self.list()?.pop().map(|(_, path)| Checkpoint::open(&path)).transpose()
    }

    /// Whole ones, by step.
    pub(super) fn list(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(TrainError::io("read", &self.folder))? {
            let entry = entry.map_err(TrainError::io("read", &self.folder))?;
            let name = entry.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            found.extend(step.map(|step| (step, entry.path())));
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn save(
        &self,
        identity: &Identity,
        model: &Decoder,
        optimizer: &AdamW,
        cursor: Cursor,
    ) -> Result<PathBuf> {
        let step = optimizer.steps();
        let state = State {
            version: VERSION,
            step,
            epoch: cursor.epoch,
            used: cursor.used,
            identity: identity.clone(),
        };
        self.write(step, |folder| {
            write_weights(folder, model)?;
            write_optimizer(folder, optimizer)?;
            write_state(&folder.join(STATE_FILE), &state)
        })
    }

    /// A folder for `step`, filled by `fill` beside its place, synced and renamed; then old ones go.
    pub(super) fn write(&self, step: u64, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let failed = |source| TrainError::Save { step, source: Box::new(source) };
        let earlier = self.list().map_err(failed)?;
        if let Some((_, path)) = earlier.last().filter(|(last, _)| *last >= step) {
            return Err(failed(TrainError::checkpoint(path, "it is in the way: go on from it, or move it")));
        }
        let path = self.folder.join(format!("{PREFIX}{step:08}"));
        let partial = self.folder.join(format!("{PREFIX}{step:08}{PARTIAL}"));
        let written = new_folder(&partial).and_then(|()| fill(&partial)).and_then(|()| {
            sync_folder(&partial)?;
            fs::rename(&partial, &path).map_err(TrainError::io("rename", &partial))?;
            sync_folder(&self.folder)
        });
        if let Err(error) = written {
            // The first error is the one to report; what is left is overwritten by the next attempt.
            drop(fs::remove_dir_all(&partial));
            return Err(failed(error));
        }
        let surplus = (earlier.len() + 1).saturating_sub(self.keep.get());
        for (_, old) in &earlier[..surplus.min(earlier.len())] {
            fs::remove_dir_all(old).map_err(TrainError::io("remove", old))?;
        }
        Ok(path)
    }
}

fn new_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(TrainError::io("remove", folder))?;
    }
    fs::create_dir(folder).map_err(TrainError::io("create", folder))
}

/// `model/` or `adapter/`, whichever trains.
pub(super) fn write_weights(folder: &Path, model: &Decoder) -> Result<()> {
    let weights = match model.lora() {
        Some(lora) => {
            let weights = folder.join(ADAPTER_FOLDER);
            lora.save(&weights)?;
            weights
        }
        None => {
            let weights = folder.join(MODEL_FOLDER);
            model.save(&weights, &SaveOptions { dtype: model.dtype(), ..SaveOptions::default() })?;
            weights
        }
    };
    sync_folder(&weights)
}

pub(super) fn write_optimizer(folder: &Path, optimizer: &AdamW) -> Result<()> {
    let tensors = optimizer.state();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), *tensor)).collect();
    Ok(tensor_file::write(&folder.join(OPTIMIZER_FILE), &tensors, DType::F32)?)
}

pub(super) fn write_state(path: &Path, state: &impl Serialize) -> Result<()> {
    let value =
        serde_json::to_value(state).map_err(|error| TrainError::checkpoint(path, error.to_string()))?;
    Ok(files::write_json(path, &value)?)
}

/// What `write_state` wrote to `file` of the checkpoint at `path`, if it is of this version.
pub(super) fn read_state<T: DeserializeOwned>(path: &Path, file: &str, version: u32) -> Result<T> {
    let bad = |problem: String| TrainError::checkpoint(path, problem);
    let text = files::read_small(&path.join(file), MAX_STATE_BYTES)?;
    let value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| bad(format!("`{file}` is not valid JSON: {error}")))?;
    let found = value.get("version").and_then(serde_json::Value::as_u64);
    if found != Some(u64::from(version)) {
        let found = found.map_or("none".to_owned(), |found| found.to_string());
        return Err(bad(format!("its version is {found}, only {version} can be read")));
    }
    serde_json::from_value(value).map_err(|error| bad(format!("`{file}` does not say what it must: {error}")))
}

/// The saved values of what trains in `model`, and perhaps more.
pub(super) fn read_weights(path: &Path, model: &Decoder) -> Result<Parameters> {
    let (folder, other) = match model.lora() {
        Some(_) => (ADAPTER_FOLDER, MODEL_FOLDER),
        None => (MODEL_FOLDER, ADAPTER_FOLDER),
    };
    if path.join(other).exists() {
        let problem = format!("it has `{other}/`, this run trains what is in `{folder}/`");
        return Err(TrainError::checkpoint(path, problem));
    }
    let folder = path.join(folder);
    Ok(match model.lora() {
        Some(_) => Lora::load(&folder, model)?.parameters,
        None => Decoder::load(&folder, model.dtype(), &Device::Cpu)?.parameters().clone(),
    })
}

/// Gives `saved` to `trained` and the moments of the checkpoint at `path` to `optimizer`. Everything is read before a
/// weight is changed.
pub(super) fn restore(
    path: &Path,
    step: u64,
    saved: &Parameters,
    trained: &Parameters,
    optimizer: &mut AdamW,
) -> Result<()> {
    let file = TensorFile::open(&path.join(OPTIMIZER_FILE))?;
    for (name, var) in trained {
        let fits = saved.get(name).is_some_and(|saved| saved.shape() == var.shape());
        if !fits {
            let problem = format!("it has no `{name}` of shape {:?}", var.dims());
            return Err(TrainError::checkpoint(path, problem));
        }
    }
    let Some(device) = trained.values().next().map(|var| var.device().clone()) else { return Ok(()) };
    let read = |name: &str, shape: &[usize]| Ok(file.read(name, shape, DType::F32, &device)?);
    optimizer.restore(step, read)?;
    for (name, var) in trained {
        if let Some(saved) = saved.get(name) {
            var.set(&saved.as_detached_tensor().to_device(&device)?)?;
        }
    }
    Ok(())
}

/// A name is on the disk only when its folder is.
fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(TrainError::io("sync", folder))
}

/// A checkpoint that can be resumed from.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    state: State,
}

impl Checkpoint {
    /// Reads what it says of itself.
    ///
    /// # Errors
    /// It is none, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self> {
        let state: State = read_state(path, STATE_FILE, VERSION)?;
        if state.used >= state.identity.examples.max(1) {
            let problem = format!("it has used {} of {} examples", state.used, state.identity.examples);
            return Err(TrainError::checkpoint(path, problem));
        }
        Ok(Self { path: path.to_path_buf(), state })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.state.step
    }

    /// Gives its weights to `model` and its moments to `optimizer`.
    pub(super) fn restore(&self, now: &Identity, model: &Decoder, optimizer: &mut AdamW) -> Result<Cursor> {
        if let Some(difference) = self.state.identity.difference(now) {
            return Err(TrainError::checkpoint(&self.path, difference));
        }
        let saved = read_weights(&self.path, model)?;
        restore(&self.path, self.state.step, &saved, model.trainable(), optimizer)?;
        Ok(Cursor { epoch: self.state.epoch, used: self.state.used })
    }
}
