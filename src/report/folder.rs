//! From the folder of a run to its page.

use super::evaluation::{self, Shown};
use super::{Facts, PageError, ReportData, html};
use crate::evaluate::{EvaluateError, Results, Settings};
use crate::folder::{FolderError, Record};
use proofloop_datasets::store::{EvaluationStore, ProblemTally, RunStore, StoreError};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The page in a run's folder.
pub const PAGE: &str = "report.html";
/// The store of a run of self-play.
const RUN: &str = "store.sqlite";
/// The store of an evaluation.
const EVALUATION: &str = "evaluation.sqlite";
const SETTINGS: &str = "run.toml";

/// What a run is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// Self-play.
    Selfplay,
    /// An evaluation.
    Evaluation,
}

impl RunKind {
    /// The kind of the run in a folder; `None` where there is none.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Self> {
        [Self::Evaluation, Self::Selfplay].into_iter().find(|kind| kind.store(folder).is_file())
    }

    /// Where a run of this kind has its store.
    #[must_use]
    pub fn store(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::Selfplay => RUN,
            Self::Evaluation => EVALUATION,
        })
    }
}

/// A run whose page can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunPageError {
    /// There is none.
    #[error("there is no run in `{}`", .0.display())]
    NoRun(PathBuf),
    /// Its store can't be read.
    #[error("the run's store failed")]
    Store(#[from] StoreError),
    /// Its settings can't be read.
    #[error("the run's settings can't be read")]
    Folder(#[from] FolderError),
    /// Its results can't be counted.
    #[error("the evaluation's results can't be counted")]
    Evaluation(#[from] EvaluateError),
    /// Its settings can't be shown.
    #[error("the run's settings can't be shown")]
    Settings(#[from] toml::ser::Error),
    /// The page itself failed.
    #[error(transparent)]
    Page(#[from] PageError),
}

/// The page of a run, made anew, with whatever the run has come to by now.
///
/// # Errors
/// [`RunPageError`].
pub fn page(folder: &Path) -> Result<String, RunPageError> {
    match RunKind::of(folder) {
        Some(RunKind::Selfplay) => {
            let data = ReportData::of(&facts(folder)?, &[]);
            Ok(html::page(&data).map_err(PageError::from)?)
        }
        Some(RunKind::Evaluation) => evaluation_page(folder),
        None => Err(RunPageError::NoRun(folder.to_path_buf())),
    }
}

/// What is read of a run of self-play.
///
/// # Errors
/// Its store can't be read.
pub fn facts(folder: &Path) -> Result<Facts, StoreError> {
    let store = RunStore::open_read_only(&RunKind::Selfplay.store(folder))?;
    // Only what is shown of it is lost with it.
    let settings = std::fs::read_to_string(folder.join(SETTINGS)).unwrap_or_default();
    Facts::read(&store, &name(folder), &settings)
}

/// The page of an evaluation, made anew.
///
/// # Errors
/// [`RunPageError`].
pub fn evaluation_page(folder: &Path) -> Result<String, RunPageError> {
    let store = EvaluationStore::open_read_only(&RunKind::Evaluation.store(folder))?;
    let record: Option<Record<Settings>> = Record::read(folder)?;
    let ks: Vec<u32> = store
        .meta("ks")?
        .map(|ks| ks.split(',').filter_map(|k| k.parse().ok()).collect())
        .unwrap_or_else(|| vec![1]);
    let wanted = store.meta("wanted")?.and_then(|wanted| wanted.parse().ok());
    let task = store.meta("task")?.unwrap_or_default();
    let (results, tallies) = Results::read(&store, &ks, wanted)?;
    page_of_evaluation(folder, &store, record.as_ref(), &task, (&results, &tallies))
}

/// The page of an evaluation whose results are known.
///
/// # Errors
/// [`RunPageError`].
pub fn page_of_evaluation(
    folder: &Path,
    store: &EvaluationStore,
    record: Option<&Record<Settings>>,
    task: &str,
    (results, tallies): (&Results, &[ProblemTally]),
) -> Result<String, RunPageError> {
    let settings = record.map(toml::to_string).transpose()?.unwrap_or_default();
    let maker = record.map_or("", |record| record.settings.maker());
    let name = name(folder);
    let shown = Shown { name: &name, task, maker, settings: &settings, results, tallies };
    Ok(evaluation::html(&shown, store)?)
}

/// What a folder is called; `.` has a name, too.
fn name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_unreadable| folder.to_path_buf());
    let name = whole.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| folder.display().to_string())
}
