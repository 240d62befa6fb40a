//! The problems and settings of a run, from files.

use super::super::exit::UsageError;
use crate::selfplay::settings::Settings;
use anyhow::Context;
use proofloop_datasets::{Format, Options, Problem, Split, readers, workbook};
use std::path::{Path, PathBuf};

/// What `run.toml` calls the problems that ship with us.
const BUNDLED: &str = "the bundled workbook";

/// Where problems come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Source {
    Bundled,
    File(PathBuf),
}

impl Source {
    /// What the user gave; a path is kept whole, so that the run can be gone on with from elsewhere.
    pub(in super::super) fn given(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::Bundled) };
        let cannot = || UsageError(format!("cannot read the problems `{}`", path.display()));
        Ok(Self::File(path.canonicalize().with_context(cannot)?))
    }

    /// What a run's record names.
    pub(super) fn named(name: &str) -> Self {
        if name == BUNDLED { Self::Bundled } else { Self::File(name.into()) }
    }

    pub(in super::super) fn name(&self) -> String {
        match self {
            Self::Bundled => BUNDLED.to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// All of them, of every split.
    pub(in super::super) fn read(&self) -> anyhow::Result<Vec<Problem>> {
        match self {
            Self::Bundled => Ok([Split::Train, Split::Valid, Split::Test]
                .into_iter()
                .flat_map(workbook::problems)
                .collect()),
            Self::File(path) => {
                let problems = readers::open(path, Format::LeanJsonl, &Options::default())?;
                Ok(problems.collect::<Result<Vec<_>, _>>()?)
            }
        }
    }
}

/// The settings in a TOML file.
pub(super) fn read_settings(path: &Path) -> anyhow::Result<Settings> {
    let bad = || UsageError(format!("cannot use the settings `{}`", path.display()));
    let text = std::fs::read_to_string(path).with_context(bad)?;
    toml::from_str(&text).with_context(bad)
}
