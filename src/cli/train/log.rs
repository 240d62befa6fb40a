//! `log.jsonl`: a line for each step and each evaluation, also of those before a resumption.

use super::folder::Folder;
use crate::model::files;
use crate::train::StepReport;
use anyhow::Context;
use proofloop_datasets::lines::BoundedLines;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

const NAME: &str = "log.jsonl";
const MAX_LINE_BYTES: usize = 1 << 16;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Entry {
    Step {
        step: u64,
        epoch: u64,
        /// In nats for each token learnt.
        loss: f64,
        gradient_norm: f64,
        learning_rate: f64,
        /// Read, without padding.
        tokens: usize,
        /// Learnt.
        predicted: usize,
        seconds: f64,
    },
    Evaluation {
        step: u64,
        loss: f64,
    },
}

impl From<&StepReport> for Entry {
    fn from(report: &StepReport) -> Self {
        Self::Step {
            step: report.step,
            epoch: report.epoch,
            loss: report.loss,
            gradient_norm: report.gradient_norm,
            learning_rate: report.learning_rate,
            tokens: report.tokens,
            predicted: report.predicted,
            seconds: report.elapsed.as_secs_f64(),
        }
    }
}

/// What is drawn: (step, loss).
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curves {
    pub(super) training: Vec<(u64, f64)>,
    pub(super) evaluation: Vec<(u64, f64)>,
}

impl Curves {
    fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Step { step, loss, .. } => self.training.push((*step, *loss)),
            Entry::Evaluation { step, loss } => self.evaluation.push((*step, *loss)),
        }
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    curves: Curves,
}

impl Log {
    /// Keeps the lines of the first `steps` steps: a run that goes on from a checkpoint takes later ones again.
    pub(super) fn open(folder: &Folder, steps: u64) -> anyhow::Result<Self> {
        let path = folder.join(NAME);
        let mut curves = Curves::default();
        let kept = if path.exists() { kept(&path, steps, &mut curves)? } else { Vec::new() };
        files::write_renamed(&path, |file| file.write_all(&kept))?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        Ok(Self { path, file, curves })
    }

    pub(super) fn add(&mut self, entry: &Entry) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.curves.add(entry);
        self.file.write_all(&line).with_context(|| format!("cannot write `{}`", self.path.display()))
    }

    pub(super) fn curves(&self) -> &Curves {
        &self.curves
    }
}

/// The whole lines of the first `steps` steps; a line that was cut off is left out.
fn kept(path: &Path, steps: u64, curves: &mut Curves) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read `{}`", path.display());
    let file = BufReader::new(File::open(path).with_context(cannot)?);
    let mut kept = Vec::new();
    for line in BoundedLines::with_limit(file, MAX_LINE_BYTES) {
        let Ok(entry) = serde_json::from_str::<Entry>(&line.with_context(cannot)?.text) else { continue };
        let (Entry::Step { step, .. } | Entry::Evaluation { step, .. }) = entry;
        if step <= steps {
            curves.add(&entry);
            serde_json::to_writer(&mut kept, &entry)?;
            kept.push(b'\n');
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> Entry {
        let (loss, gradient_norm, learning_rate, seconds) = (1.5, 0.1, 1e-3, 0.25);
        Entry::Step { step, epoch: 0, loss, gradient_norm, learning_rate, tokens: 3, predicted: 2, seconds }
    }

    #[test]
    fn going_on_keeps_what_the_checkpoint_has_seen() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        let folder = Folder::open(directory.path())?;
        let mut log = Log::open(&folder, 0)?;
        for number in 1..=4 {
            log.add(&step(number))?;
            log.add(&Entry::Evaluation { step: number, loss: 2.0 })?;
        }
        log.file.write_all(b"{\"kind\":\"step\",\"st")?;
        let log = Log::open(&folder, 3)?;
        assert_eq!(log.curves().training, [(1, 1.5), (2, 1.5), (3, 1.5)]);
        assert_eq!(log.curves().evaluation.len(), 3);
        assert_eq!(std::fs::read_to_string(folder.join(NAME))?.lines().count(), 6);
        assert_eq!(Log::open(&folder, 0)?.curves(), &Curves::default());
        Ok(())
    }
}
