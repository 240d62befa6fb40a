//! Where completions go, and which of them are there already.

use super::super::exit::UsageError;
use super::super::output;
use crate::generate::{Completion, FinishReason};
use anyhow::Context;
use proofloop_datasets::lines::MAX_LINE_BYTES;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A line.
#[derive(Debug, Serialize)]
pub(super) struct Sample<'a> {
    pub(super) id: &'a str,
    pub(super) sample: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt: Option<&'a str>,
    completion: &'a str,
    finish: FinishReason,
    tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_probs: Option<&'a [f32]>,
}

impl<'a> Sample<'a> {
    pub(super) fn new(
        id: &'a str,
        sample: usize,
        prompt: Option<&'a str>,
        completion: &'a Completion,
    ) -> Self {
        Self {
            id,
            sample,
            prompt,
            completion: &completion.text,
            finish: completion.finish,
            tokens: completion.tokens,
            log_probs: completion.log_probs.as_deref(),
        }
    }
}

/// What of a line that is there tells which sample it is.
#[derive(Debug, Deserialize)]
struct Known {
    id: String,
    sample: usize,
}

/// Samples that need not be drawn.
#[derive(Debug, Default)]
pub(super) struct Done(HashMap<String, BTreeSet<usize>>);

impl Done {
    /// The samples of the first `samples` that are missing, as ranges.
    pub(super) fn missing(&self, id: &str, samples: usize) -> Vec<Range<usize>> {
        let none = BTreeSet::new();
        let done = self.0.get(id).unwrap_or(&none);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for sample in (0..samples).filter(|sample| !done.contains(sample)) {
            match ranges.last_mut() {
                Some(range) if range.end == sample => range.end += 1,
                Some(_) | None => ranges.push(sample..sample + 1),
            }
        }
        ranges
    }
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Output {
    /// Pieces of one text, on standard output.
    Text,
    Stdout,
    File {
        path: PathBuf,
        file: File,
        done: Done,
    },
}

impl Output {
    pub(super) fn open(path: &Path, resume: bool) -> anyhow::Result<Self> {
        let shown = path.display();
        if path == Path::new("-") {
            return match resume {
                true => Err(UsageError("--resume needs a file: give one to --out".to_owned()).into()),
                false => Ok(Self::Stdout),
            };
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let opened =
            if resume { options.create(true).open(path) } else { options.create_new(true).open(path) };
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let text =
                    format!("`{shown}` is there already: give --resume to go on with it, or another name");
                return Err(UsageError(text).into());
            }
            Err(error) => return Err(error).with_context(|| UsageError(format!("cannot write `{shown}`"))),
        };
        let done = if resume { read(path, &mut file)? } else { Done::default() };
        Ok(Self::File { path: path.to_path_buf(), file, done })
    }

    pub(super) fn missing(&self, id: &str, samples: usize) -> Vec<Range<usize>> {
        match self {
            Self::File { done, .. } => done.missing(id, samples),
            Self::Text | Self::Stdout => std::iter::once(0..samples).collect(),
        }
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: &str) -> anyhow::Result<()> {
        match self {
            Self::Text => Ok(()),
            Self::Stdout => Ok(output::data(line)?),
            Self::File { path, file, .. } => {
                let cannot = || format!("cannot write `{}`", path.display());
                file.write_all(format!("{line}\n").as_bytes()).with_context(cannot)
            }
        }
    }

    /// Writes a piece of the text.
    pub(super) fn piece(&mut self, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Text => Ok(output::piece(text)?),
            Self::Stdout | Self::File { .. } => Ok(()),
        }
    }

    /// Makes sure that it is on the disk.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        match self {
            Self::File { path, file, .. } => {
                file.sync_all().with_context(|| format!("cannot write `{}`", path.display()))
            }
            Self::Text | Self::Stdout => Ok(()),
        }
    }
}

/// Reads what is there; a last line that was cut off is cut off whole.
fn read(path: &Path, file: &mut File) -> anyhow::Result<Done> {
    let cannot = || format!("cannot read `{}`", path.display());
    let mut reader = BufReader::new(file.try_clone().with_context(cannot)?);
    let (mut done, mut line, mut end) = (Done::default(), Vec::new(), 0);
    for number in 1.. {
        line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        let length = reader.by_ref().take(limit).read_until(b'\n', &mut line).with_context(cannot)?;
        if line.last() != Some(&b'\n') && (length as u64) < limit {
            break;
        }
        let known: Known = serde_json::from_slice(&line).map_err(|error| {
            UsageError(format!("cannot go on with {}, line {number}: {error}", path.display()))
        })?;
        done.0.entry(known.id).or_default().insert(known.sample);
        end += length as u64;
    }
    file.set_len(end).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missing_and_a_cut_line_is_dropped() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("out.jsonl");
        let whole = "{\"id\":\"a\",\"sample\":0,\"completion\":\"x\"}\n{\"id\":\"a\",\"sample\":2}\n";
        std::fs::write(&path, format!("{whole}{{\"id\":\"a\",\"sam"))?;
        let mut output = Output::open(&path, true)?;
        assert_eq!(output.missing("a", 5), [1..2, 3..5]);
        assert_eq!(output.missing("b", 2), std::iter::once(0..2).collect::<Vec<_>>());
        assert!(output.missing("a", 1).is_empty());
        output.line("{}")?;
        assert_eq!(std::fs::read_to_string(&path)?, format!("{whole}{{}}\n"));
        let error = Output::open(&path, true).expect_err("no sample").to_string();
        assert!(error.ends_with("out.jsonl, line 3: missing field `id` at line 1 column 2"), "{error}");
        assert!(Output::open(&path, false).is_err());
        Ok(())
    }
}
