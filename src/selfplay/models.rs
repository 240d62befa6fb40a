//! The models of a run, one for each round that has learnt: where they lie, how they are opened, and the stage that makes one.

use super::chance;
use super::error::Result;
use super::folder;
use super::learner::{self, Base, Compute, LearnSettings, Learner, Learnt};
use super::run::Equipment;
use super::stage::Stages;
use crate::folder::FolderError;
use crate::generate::{CandleGenerator, EngineOptions};
use crate::model::nano::{self, TOKENIZER_FILE};
use crate::model::{Decoder, Tokenizer};
use proofloop_datasets::store::StageWrites;
use serde_json::Value;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Samples in progress in the generator.
const ROWS: NonZeroUsize = NonZeroUsize::new(64).expect("not 0");

/// The models of a run, in its folder.
pub(crate) struct Models<'a> {
    /// The run's folder.
    pub(crate) folder: &'a Path,
    /// The Hugging Face folder to begin with; random weights of the nano shape if `None`.
    pub(crate) given: Option<&'a Path>,
    /// The run's.
    pub(crate) seed: u64,
    pub(crate) equipment: &'a Equipment,
}

impl Models<'_> {
    /// The model before anything was learnt.
    pub(crate) fn base(&self) -> Base {
        match self.given {
            Some(given) => Base::Folder(given.to_path_buf()),
            None => Base::Nano { seed: self.seed },
        }
    }

    /// Everything of a round.
    pub(crate) fn round(&self, round: u32) -> PathBuf {
        folder::round(self.folder, round)
    }

    /// The model of a round: the newest at or before it.
    pub(crate) fn at(&self, round: u32) -> Result<PathBuf> {
        let there = (0..=round).rev().map(|round| self.round(round).join("model")).find(|path| path.is_dir());
        there
            .or_else(|| self.given.map(Path::to_path_buf))
            .ok_or_else(|| FolderError::folder(self.folder, "has lost the model that it goes on with").into())
    }

    /// The one that all models of the run share.
    pub(crate) fn tokenizer(&self) -> Result<Tokenizer> {
        Ok(Tokenizer::load(&self.given.unwrap_or(self.folder).join(TOKENIZER_FILE))?)
    }

    /// Makes the tokenizer of a run that begins with random weights.
    pub(crate) fn train_tokenizer(&self, texts: &[&str]) -> Result<()> {
        Ok(nano::train_tokenizer(texts, None)?.save(&self.folder.join(TOKENIZER_FILE))?)
    }

    pub(crate) fn decoder(&self, round: u32) -> Result<Decoder> {
        let Compute { device, dtype, .. } = &self.equipment.compute;
        Ok(Decoder::load(&self.at(round)?, *dtype, device)?)
    }

    pub(crate) fn generator(&self, round: u32) -> Result<CandleGenerator> {
        let Compute { device, dtype, threads } = &self.equipment.compute;
        let options = EngineOptions { max_rows: ROWS, workers: Some(*threads), ..EngineOptions::default() };
        Ok(CandleGenerator::load(&self.at(round)?, None, *dtype, device, options)?)
    }

    /// Teaches the examples of a round, unless that was done. `purpose` names its chance.
    pub(crate) fn train(
        &self,
        stages: &Stages<'_>,
        (round, purpose): (u32, &str),
        base: &Base,
        settings: &LearnSettings,
    ) -> Result<()> {
        let Some(stage) = stages.begin(round, "train", None)? else { return Ok(()) };
        let examples = stages.store().examples(round)?;
        let folder = self.round(round);
        let tokenizer = self.tokenizer()?;
        let learner = Learner {
            compute: &self.equipment.compute,
            tokenizer: &tokenizer,
            seed: chance::seed(self.seed, purpose, round, 0),
            listener: &self.equipment.listener,
            cancel: &self.equipment.cancel,
        };
        let learnt = tokio::task::block_in_place(|| learner.learn(base, &examples, settings, &folder))?;
        let Learnt { steps, examples, .. } = learnt;
        let summary = format!("{steps} steps on {examples} examples");
        let detail = serde_json::to_value(&learnt).unwrap_or(Value::Null);
        stages.finish(&stage, StageWrites { detail, ..StageWrites::default() }, summary)?;
        // No later stage reads them.
        learner::forget_steps(&folder)
    }
}
