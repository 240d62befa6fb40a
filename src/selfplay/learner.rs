//! Examples to the weights of a round.

use super::error::{Result, SelfPlayError};
use super::event::Event;
use super::listener::Listener;
use crate::folder::FolderError;
use crate::model::nano::{self, TOKENIZER_FILE};
use crate::model::{Decoder, SaveOptions, Tokenizer, files};
use crate::train::{
    AdamWConfig, Batching, Checkpoints, Decay, EncodeOptions, Example, Examples, Finish, Plan, Schedule,
    Settings, TooLong, Trainer, part_tokens,
};
use candle_core::{DType, Device};
use proofloop_datasets::store::ExampleRecord;
use serde::{Deserialize, Serialize};
use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Steps between checkpoints of a round that is being learnt.
const SAVE_EVERY: u64 = 50;

/// How a round learns. The optimizer starts anew each time (`../shared/reference/stp.md` §1.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnSettings {
    /// Passes over the examples.
    pub epochs: u32,
    /// At least so many steps, whatever the epochs.
    pub min_steps: u64,
    /// Examples in each step.
    pub batch: NonZeroUsize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps over which it rises, if there are more.
    pub warmup_steps: u64,
    /// Where a cosine ends, as a share of the highest rate; constant after the warm-up if `None`.
    pub cosine_floor: Option<f64>,
    /// AdamW's.
    pub weight_decay: f64,
    /// Longer gradients are scaled down to it.
    pub max_gradient_norm: Option<f64>,
    /// Prompt and completion together; longer examples are left out.
    pub max_tokens: usize,
}

/// What the weights were before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// Random ones of the nano shape, from this seed.
    Nano { seed: u64 },
    /// A Hugging Face folder.
    Folder(PathBuf),
}

/// Where and in which numbers models compute.
#[derive(Debug, Clone)]
pub struct Compute {
    /// The device.
    pub device: Device,
    /// What weights are kept in.
    pub dtype: DType,
    /// Threads that compute at the same time.
    pub threads: NonZeroUsize,
}

/// What was learnt; also a file beside the model, so that a model that is there is not learnt again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Learnt {
    pub(crate) steps: u64,
    pub(crate) examples: usize,
    /// Examples that were too long.
    pub(crate) dropped: usize,
    pub(crate) tokens: u64,
}

/// The file of a [`Learnt`] in a round's folder.
pub const LEARNT_FILE: &str = "learnt.json";
const MAX_LEARNT_BYTES: u64 = 1 << 16;

impl Learnt {
    /// What an earlier process has learnt to its end here: the file is written first, and the model renamed into place.
    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(LEARNT_FILE);
        if !path.exists() || !folder.join("model").is_dir() {
            return Ok(None);
        }
        let text = files::read_small(&path, MAX_LEARNT_BYTES)?;
        let bad = |error: serde_json::Error| {
            FolderError::folder(folder, format!("has a damaged `{LEARNT_FILE}`: {error}")).into()
        };
        serde_json::from_slice(&text).map(Some).map_err(bad)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let value = serde_json::to_value(self).map_err(|error| SelfPlayError::Worker(error.to_string()))?;
        Ok(files::write_json(&folder.join(LEARNT_FILE), &value)?)
    }
}

/// Teaches models, each in a folder of its own.
pub(crate) struct Learner<'a> {
    pub(crate) compute: &'a Compute,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) seed: u64,
    pub(crate) listener: &'a Listener,
    pub(crate) cancel: &'a CancellationToken,
}

impl Learner<'_> {
    /// Teaches `base` these examples and writes `folder/model`. What is left in `folder` of an attempt that was
    /// interrupted is gone on with, to the bit on a CPU.
    pub(crate) fn learn(
        &self,
        base: &Base,
        records: &[ExampleRecord],
        settings: &LearnSettings,
        folder: &Path,
    ) -> Result<Learnt> {
        if let Some(learnt) = Learnt::read(folder)? {
            return Ok(learnt);
        }
        let model = self.base(base)?;
        let read = self.encode(&model, records, settings)?;
        let steps = steps(read.examples.len(), settings);
        let one = const { NonZeroUsize::new(1).expect("not 0") };
        let checkpoints = Checkpoints::open(folder, one)?;
        let latest = checkpoints.latest()?;
        let plan_settings = self.settings(settings, steps, &read.examples);
        let mut trainer = match &latest {
            Some(latest) => Trainer::resume(model, &read.examples, plan_settings, latest)?,
            None => Trainer::new(model, &read.examples, plan_settings)?,
        };
        let plan = Plan { steps, evaluate_every: None, save_every: NonZeroU64::new(SAVE_EVERY) };
        let finish = trainer.run(&plan, &[], Some(&checkpoints), self.cancel, &mut |progress| {
            if let crate::train::Progress::Step(report) = progress {
                self.listener.tell(Event::Trained { step: report.step, steps, loss: report.loss });
            }
        })?;
        match finish {
            Finish::Cancelled => return Err(SelfPlayError::Interrupted),
            Finish::Complete => {}
        }
        let learnt = Learnt {
            steps,
            examples: read.examples.len(),
            dropped: read.dropped,
            tokens: read.examples.iter().map(|example| example.tokens.len() as u64).sum(),
        };
        learnt.write(folder)?;
        save_model(base, trainer.model(), Some(self.tokenizer), folder)?;
        Ok(learnt)
    }

    /// The model with these weights.
    pub(crate) fn base(&self, base: &Base) -> Result<Decoder> {
        let Compute { device, dtype, .. } = self.compute;
        Ok(match base {
            Base::Nano { seed } => Decoder::init(nano::config(self.tokenizer)?, *seed, *dtype, device)?,
            Base::Folder(folder) => Decoder::load(folder, *dtype, device)?,
        })
    }

    fn encode(
        &self,
        model: &Decoder,
        records: &[ExampleRecord],
        settings: &LearnSettings,
    ) -> Result<Examples> {
        let options = EncodeOptions {
            bos: self.tokenizer.first_token()?,
            eos: model.config().eos_token_ids.first().copied(),
            max_tokens: settings.max_tokens.min(model.config().max_position_embeddings),
            too_long: TooLong::Drop,
        };
        let mut read = Examples::default();
        for record in records {
            let texts = (record.prompt.as_str(), record.completion.as_str());
            let pushed = read.push(texts, record.weight as f32, self.tokenizer, &options);
            pushed.map_err(|cause| SelfPlayError::Worker(format!("an example cannot be learnt: {cause}")))?;
        }
        if read.examples.is_empty() {
            return Err(SelfPlayError::setting("max_tokens", "no example of this round fits into it"));
        }
        Ok(read)
    }

    fn settings(&self, settings: &LearnSettings, steps: u64, examples: &[Example]) -> Settings {
        let tokens: u64 = examples.iter().map(|example| example.tokens.len() as u64).sum();
        let count = examples.len() as u64;
        let in_step = tokens * (settings.batch.get() as u64).min(count) / count.max(1);
        let warmup_steps = settings.warmup_steps.min(steps.saturating_sub(1));
        let decay = match settings.cosine_floor {
            Some(floor) => Decay::Cosine { total_steps: steps, floor },
            None => Decay::Constant,
        };
        Settings {
            seed: self.seed,
            batch_examples: settings.batch,
            micro_batch_tokens: part_tokens(in_step),
            batching: Batching::Bucketed,
            replicas: self.compute.threads,
            recompute_layers: false,
            optimizer: AdamWConfig { weight_decay: settings.weight_decay, ..AdamWConfig::default() },
            schedule: Schedule { learning_rate: settings.learning_rate, warmup_steps, decay },
            max_gradient_norm: settings.max_gradient_norm,
        }
    }
}

/// Puts a round's model in its place, with its tokenizer (which a nano model's must be given) and what else sampling needs.
pub(crate) fn save_model(
    base: &Base,
    model: &Decoder,
    tokenizer: Option<&Tokenizer>,
    folder: &Path,
) -> Result<()> {
    let (path, partial) = (folder.join("model"), folder.join("model.partial"));
    remove(&partial)?;
    fs::create_dir_all(&partial).map_err(SelfPlayError::io("create", &partial))?;
    model.save(&partial, &SaveOptions { dtype: model.dtype(), ..SaveOptions::default() })?;
    match (base, tokenizer) {
        (Base::Nano { .. }, Some(tokenizer)) => {
            nano::save_beside_weights(&partial, model.config(), tokenizer)?;
        }
        (Base::Nano { .. }, None) => {}
        (Base::Folder(from), _) => copy_companions(from, &partial)?,
    }
    remove(&path)?;
    fs::rename(&partial, &path).map_err(SelfPlayError::io("rename", &partial))?;
    Ok(())
}

/// Steps of a round.
fn steps(examples: usize, settings: &LearnSettings) -> u64 {
    let in_epoch = (examples as u64).div_ceil(settings.batch.get() as u64);
    (in_epoch * u64::from(settings.epochs)).max(settings.min_steps).max(1)
}

/// The files beside the weights that sampling needs.
fn copy_companions(from: &Path, to: &Path) -> Result<()> {
    for name in [TOKENIZER_FILE, "tokenizer_config.json", "generation_config.json"] {
        let path = from.join(name);
        if path.exists() {
            fs::copy(&path, to.join(name)).map_err(SelfPlayError::io("copy", &path))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(SelfPlayError::io("remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes everything of a round.
pub(crate) fn forget(folder: &Path) -> Result<()> {
    remove(folder)
}

/// Removes the checkpoints inside a round whose model is in its place.
pub(crate) fn forget_steps(folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(SelfPlayError::io("read", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(SelfPlayError::io("read", folder))?;
        if entry.file_name().to_string_lossy().starts_with("step-") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}
