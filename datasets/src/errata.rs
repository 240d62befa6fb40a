//! Statements that are known to be wrong: which they are, why, and how a set of problems does without them.

use crate::problem::Problem;
use crate::registry::RegistryError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::LazyLock;
use thiserror::Error;

static KNOWN: LazyLock<Errata> = LazyLock::new(|| {
    toml::from_str(include_str!("../errata.toml")).expect("the list that ships is read by the tests")
});

/// All statements that are known to be wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errata {
    #[serde(rename = "lineage")]
    lineages: Vec<Lineage>,
}

/// Those of one data set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The registered name of the data set that has them.
    pub dataset: String,
    /// The registered name of the data set that has them corrected.
    pub corrected_by: Option<String>,
    /// The statements.
    #[serde(rename = "statement")]
    pub statements: Vec<Erratum>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erratum {
    /// The problem's name.
    pub name: String,
    /// The sort of fault, in a word: `false`, `under-determined`, `parse`, `division`, `notation`.
    pub fault: String,
    /// What is wrong.
    pub cause: String,
}

/// What to do with statements that are known to be wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Leave them as they are: what most published numbers do.
    #[default]
    Keep,
    /// Leave them out.
    Exclude,
    /// Put the corrected statement in their place.
    Correct,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Problems among those given that are known to be wrong.
    pub listed: usize,
    /// Of these, left out.
    pub excluded: usize,
    /// Of these, corrected.
    pub corrected: usize,
}

/// Why wrong statements could not be corrected.
#[derive(Debug, Error)]
pub enum ErrataError {
    /// The list names no corrected lineage.
    #[error("no corrected statements are known for `{dataset}`")]
    NoCorrections {
        /// The data set.
        dataset: String,
    },
    /// The corrected lineage lacks a name.
    #[error("`{corrected_by}`, which corrects `{dataset}`, has no `{name}`")]
    NotThere {
        /// The data set.
        dataset: String,
        /// Where the correction was looked for.
        corrected_by: String,
        /// The problem.
        name: String,
    },
    /// The corrected lineage cannot be had.
    #[error("cannot correct the statements of `{dataset}` that are known to be wrong")]
    Unavailable {
        /// The data set.
        dataset: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Errata {
    /// The list that ships.
    ///
    /// # Panics
    /// Never with the file that ships, which the tests read.
    #[must_use]
    pub fn known() -> &'static Self {
        &KNOWN
    }

    /// The list for a data set, by its registered name.
    #[must_use]
    pub fn of(&self, dataset: &str) -> Option<&Lineage> {
        self.lineages.iter().find(|lineage| lineage.dataset == dataset)
    }

    /// All lists.
    #[must_use]
    pub fn lineages(&self) -> &[Lineage] {
        &self.lineages
    }
}

/// Applies the list for `dataset` to problems of it. `corrected` reads the data set of that name; it is called only for
/// [`Policy::Correct`], and only where something is to be corrected. A corrected problem keeps its split and its source.
///
/// # Errors
/// [`ErrataError`], only for [`Policy::Correct`].
pub fn apply(
    dataset: &str,
    problems: Vec<Problem>,
    policy: Policy,
    corrected: impl FnOnce(&str) -> Result<Vec<Problem>, RegistryError>,
) -> Result<(Vec<Problem>, Counts), ErrataError> {
    let mut counts = Counts::default();
    let Some(lineage) = Errata::known().of(dataset) else { return Ok((problems, counts)) };
    let is_listed = |problem: &Problem| lineage.statements.iter().any(|erratum| erratum.name == problem.name);
    counts.listed = problems.iter().filter(|problem| is_listed(problem)).count();
    match policy {
        Policy::Exclude => {
            counts.excluded = counts.listed;
            Ok((problems.into_iter().filter(|problem| !is_listed(problem)).collect(), counts))
        }
        Policy::Correct if counts.listed > 0 => {
            counts.corrected = counts.listed;
            let replace = Replacements::read(lineage, corrected)?;
            let problems = problems.into_iter().map(|problem| match is_listed(&problem) {
                true => replace.corrected(problem),
                false => Ok(problem),
            });
            Ok((problems.collect::<Result<_, _>>()?, counts))
        }
        Policy::Keep | Policy::Correct => Ok((problems, counts)),
    }
}

struct Replacements<'a> {
    lineage: &'a Lineage,
    corrected_by: &'a str,
    by_name: HashMap<String, Problem>,
}

impl<'a> Replacements<'a> {
    fn read(
        lineage: &'a Lineage,
        read: impl FnOnce(&str) -> Result<Vec<Problem>, RegistryError>,
    ) -> Result<Self, ErrataError> {
        let dataset = || lineage.dataset.clone();
        let corrected_by = lineage
            .corrected_by
            .as_deref()
            .ok_or_else(|| ErrataError::NoCorrections { dataset: dataset() })?;
        let problems = read(corrected_by)
            .map_err(|source| ErrataError::Unavailable { dataset: dataset(), source: Box::new(source) })?;
        let by_name = problems.into_iter().map(|problem| (problem.name.clone(), problem)).collect();
        Ok(Self { lineage, corrected_by, by_name })
    }

    fn corrected(&self, problem: Problem) -> Result<Problem, ErrataError> {
        let not_there = || ErrataError::NotThere {
            dataset: self.lineage.dataset.clone(),
            corrected_by: self.corrected_by.to_owned(),
            name: problem.name.clone(),
        };
        let right = self.by_name.get(&problem.name).ok_or_else(not_there)?;
        // A proof of the wrong statement is none of the right one.
        Ok(Problem { kind: right.kind.clone(), known: right.known.clone(), ..problem })
    }
}
