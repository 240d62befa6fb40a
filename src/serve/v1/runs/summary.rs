//! A run in a few numbers.

use super::directory::Found;
use crate::evaluate::{self, Results};
use crate::folder::Record;
use crate::report::folder::RunKind;
use crate::selfplay;
use proofloop_datasets::store::{EvaluationStore, RunStore, StageKey};
use serde::Serialize;
use std::path::PathBuf;
use std::time::SystemTime;
use utoipa::ToSchema;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RunInfo {
    /// The folder's name.
    pub(super) name: String,
    /// `selfplay` or `evaluation`.
    #[schema(value_type = String)]
    kind: RunKind,
    /// Whether somebody works on it.
    state: RunState,
    /// When its store changed last, in seconds since 1970.
    pub(super) changed_s: u64,
    /// The preset of self-play, or the data set of an evaluation.
    about: Option<String>,
    /// What began it, or who made the samples.
    model: Option<String>,
    /// Self-play: stages that are finished, of all.
    stages: Option<Part>,
    /// Self-play: iterations whose proofs are in the store, of all.
    iterations: Option<Part>,
    /// Problems with an accepted answer, of all: of self-play's training problems those without a shown proof.
    solved: Option<Part>,
    /// Samples with a verdict, of those that are there.
    samples: Option<Part>,
    /// Evaluations: pass@k.
    pass: Vec<Pass>,
    /// Why there are no numbers.
    problem: Option<&'static str>,
}

/// Whether somebody works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RunState {
    /// A process holds its folder.
    Running,
    /// Everything that was asked for is there.
    Finished,
    /// Neither: the same command goes on with it.
    Stopped,
}

/// Some of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Part {
    /// How many.
    count: u64,
    /// Of so many.
    of: u64,
}

/// pass@k with its 95 % interval.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Pass {
    /// Samples.
    k: u32,
    /// The estimate, of 1.
    value: f64,
    /// From here …
    low: f64,
    /// … to here.
    high: f64,
}

/// What changes when a store does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When.
    pub(super) changed: SystemTime,
    bytes: u64,
}

impl Stamp {
    /// Of a store and what SQLite has beside it.
    pub(super) fn of(found: &Found) -> Option<Self> {
        let store = found.store();
        let mut beside = store.clone().into_os_string();
        beside.push("-wal");
        let files = [store, PathBuf::from(beside)];
        let known: Vec<(SystemTime, u64)> = files
            .iter()
            .filter_map(|file| file.metadata().ok())
            .filter_map(|metadata| Some((metadata.modified().ok()?, metadata.len())))
            // A reader makes an empty one.
            .filter(|(_, bytes)| *bytes > 0)
            .collect();
        let changed = known.iter().map(|(changed, _)| *changed).max()?;
        Some(Self { changed, bytes: known.iter().map(|(_, bytes)| *bytes).sum() })
    }
}

impl RunInfo {
    /// Reads a run; one that can't be read says so.
    pub(super) fn read(found: &Found, stamp: Option<&Stamp>) -> Self {
        let since = stamp.and_then(|stamp| stamp.changed.duration_since(SystemTime::UNIX_EPOCH).ok());
        let empty = Self {
            name: found.name().to_owned(),
            kind: found.kind(),
            state: RunState::Stopped,
            changed_s: since.map_or(0, |since| since.as_secs()),
            about: None,
            model: None,
            stages: None,
            iterations: None,
            solved: None,
            samples: None,
            pass: Vec::new(),
            problem: None,
        };
        let read = match found.kind() {
            RunKind::Selfplay => self_play(found, empty.clone()),
            RunKind::Evaluation => evaluation(found, empty.clone()),
        };
        read.unwrap_or_else(|error| {
            tracing::warn!(run = found.name(), error = &*error, "a run can't be read");
            Self { problem: Some("it can't be read; the server's log says why"), ..empty }
        })
    }

    /// With what changes without the store.
    pub(super) fn with_state(mut self, found: &Found) -> Self {
        if found.is_going_on() {
            self.state = RunState::Running;
        }
        self
    }
}

fn self_play(found: &Found, empty: RunInfo) -> Result<RunInfo> {
    let store = RunStore::open_read_only(&found.store())?;
    let solved = selfplay::results::solved(&store)?;
    let last = solved.last();
    let part = |count: usize, of: usize| Part { count: count as u64, of: of as u64 };
    let info = RunInfo {
        solved: last.map(|last| part(last.solved, last.of)),
        samples: last.map(|last| Part { count: last.samples, of: last.samples }),
        ..empty
    };
    // Runs of other versions may have settings that this one does not know: their numbers are shown all the same.
    let Ok(Some(record)) = selfplay::Record::read(found.path()) else { return Ok(info) };
    let settings = record.settings;
    let all = selfplay::stages(&settings);
    let mut finished = 0;
    for one in &all {
        let key = StageKey { iteration: one.iteration, stage: &one.stage };
        finished += usize::from(store.stage(key)?.is_some());
    }
    let iterations = last.map_or(0, |last| last.iteration.into());
    Ok(RunInfo {
        state: if finished == all.len() { RunState::Finished } else { RunState::Stopped },
        about: Some(settings.preset),
        model: settings.initial.model.map(|model| {
            // Where it lies is nobody's business.
            model.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        }),
        stages: Some(part(finished, all.len())),
        iterations: Some(Part { count: iterations, of: settings.iterations.into() }),
        ..info
    })
}

fn evaluation(found: &Found, empty: RunInfo) -> Result<RunInfo> {
    let store = EvaluationStore::open_read_only(&found.store())?;
    let ks: Vec<u32> = store
        .meta("ks")?
        .map(|ks| ks.split(',').filter_map(|k| k.parse().ok()).collect())
        .unwrap_or_default();
    let wanted = store.meta("wanted")?;
    // What was asked for is only known at the end of the first `proofloop eval`.
    let is_told = wanted.is_some();
    let (results, _) = Results::read(&store, &ks, wanted.and_then(|wanted| wanted.parse().ok()))?;
    let record: Option<Record<evaluate::Settings>> = Record::read(found.path()).ok().flatten();
    let pass = results.pass.iter().filter_map(|one| {
        let estimate = one.estimate?;
        let interval = estimate.interval;
        Some(Pass { k: one.k, value: estimate.value, low: interval.low, high: interval.high })
    });
    Ok(RunInfo {
        state: if is_told && results.is_complete { RunState::Finished } else { RunState::Stopped },
        about: store.meta("task")?,
        model: record.map(|record| {
            let maker = record.settings.maker();
            maker.rsplit('/').next().unwrap_or(maker).to_owned()
        }),
        solved: results.solved.map(|share| Part { count: share.count, of: share.of }),
        samples: Some(Part { count: results.samples - results.open, of: results.samples }),
        pass: pass.collect(),
        ..empty
    })
}
