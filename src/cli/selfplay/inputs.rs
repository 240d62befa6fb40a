//! The problems and settings of a run, from files.

use super::super::exit::UsageError;
use crate::selfplay::prover::Prover;
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

    /// All of them, of every split. A file's content says its format, where one is needed that is not Lean's.
    pub(in super::super) fn read(&self, prover: Prover) -> anyhow::Result<Vec<Problem>> {
        match self {
            Self::Bundled if prover == Prover::Isabelle => {
                let text = "no problems in Isabelle are bundled: give some to --problems".to_owned();
                Err(UsageError(text).into())
            }
            Self::Bundled => Ok([Split::Train, Split::Valid, Split::Test]
                .into_iter()
                .flat_map(workbook::problems)
                .collect()),
            Self::File(path) => {
                let format = match prover {
                    Prover::Lean => Format::LeanJsonl,
                    Prover::Isabelle => Format::detect(path)?,
                };
                let problems = readers::open(path, format, &Options::default())?;
                Ok(problems.collect::<Result<Vec<_>, _>>()?)
            }
        }
    }
}
