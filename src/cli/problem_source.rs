//! Which problems a command works on: a data set by name, or a file, and what part of it.

use super::exit::UsageError;
use super::output;
use proofloop_datasets::errata::{self, Counts, Policy};
use proofloop_datasets::readers::{self, DuplicateNames, Format, Options};
use proofloop_datasets::registry::{Dataset, OtherHash, ReadFile, Registry, RegistryError, sha256_of};
use proofloop_datasets::{Cause, Problem, ReadError, Split};
use proofloop_verifiers::install;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A data set and what part of it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ProblemArgs {
    /// Data set, by its name (`proofloop data list`) or as a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) dataset: String,
    #[command(flatten)]
    pub(super) part: PartArgs,
}

/// What part of a data set, and how it is read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct PartArgs {
    /// Only problems of this split: train, valid, test or prompt
    #[arg(long, value_parser = split)]
    pub(super) split: Option<Split>,
    #[command(flatten)]
    pub(super) reading: ReadArgs,
    /// Statements that are known to be wrong: as they are, left out, or corrected
    #[arg(long, value_enum, default_value = "keep")]
    pub(super) errata: ErrataChoice,
    /// Only the first N problems
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Only the problem of this name; may be given several times
    #[arg(long, alias = "name", value_name = "NAME")]
    pub(super) only: Vec<String>,
}

/// Where files are found and how they are read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ReadArgs {
    /// Format of a file, instead of what its content says (`proofloop data --help` lists them)
    #[arg(long, value_parser = format)]
    pub(super) format: Option<Format>,
    /// Directory of data sets, before those of PROOFLOOP_DATA and of proofloop's home
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Read a file although its hash is not the one that its name stands for
    #[arg(long)]
    pub(super) allow_other_hash: bool,
}

/// What to do with statements that are known to be wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ErrataChoice {
    /// As they are
    #[default]
    Keep,
    /// Left out
    Exclude,
    /// Corrected, from another lineage of the data set
    Correct,
}

impl From<ErrataChoice> for Policy {
    fn from(choice: ErrataChoice) -> Self {
        match choice {
            ErrataChoice::Keep => Self::Keep,
            ErrataChoice::Exclude => Self::Exclude,
            ErrataChoice::Correct => Self::Correct,
        }
    }
}

/// Where problems come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A data set of the registry.
    Registered(&'static Dataset),
    /// A file.
    File {
        /// Where it is.
        path: PathBuf,
        /// How it is read.
        format: Format,
        /// The registered data set whose file it is, byte for byte.
        known: Option<&'static Dataset>,
    },
}

/// The problems that were asked for, and what to record of them.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) problems: Vec<Problem>,
    pub(super) record: ProblemRecord,
    /// Records that could not be read, and were reported.
    pub(super) broken: usize,
}

/// Which problems a run has worked on: enough to find the same ones again, and to see that they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProblemRecord {
    /// The registered name, or the file as it was given.
    pub(super) dataset: String,
    /// The name that is pinned to the files' content, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lineage: Option<String>,
    /// How it was read.
    pub(super) format: Format,
    /// The split that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) split: Option<Split>,
    /// The files with the hashes that were found; none for what is bundled.
    pub(super) files: Vec<ReadFile>,
    /// What was done with wrong statements.
    pub(super) errata: Policy,
    /// How many there were.
    pub(super) errata_counts: Counts,
    /// Records that are no problems, passed over.
    pub(super) no_problems: usize,
    /// Problems that were left to work on.
    pub(super) problems: usize,
}

/// The name of a split.
pub(super) fn split(name: &str) -> Result<Split, String> {
    Split::from_name(name).ok_or_else(|| "splits are train, valid, test and prompt".to_owned())
}

/// The name of a format.
pub(super) fn format(name: &str) -> Result<Format, String> {
    Format::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        format!("formats are {}", names.join(", "))
    })
}

/// Where data sets are looked for, in this order.
pub(super) fn data_directories(given: Option<&Path>) -> Vec<PathBuf> {
    let variable = std::env::var_os("PROOFLOOP_DATA");
    let of_variable =
        variable.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty());
    let own = install::home().join("data");
    given.map(Path::to_owned).into_iter().chain(of_variable).chain([own]).collect()
}

impl ProblemArgs {
    /// Reads what was asked for. A record that is broken is an error: a run over what happens to be readable would be a run
    /// over another data set.
    pub(super) fn read(&self) -> anyhow::Result<Selected> {
        Source::of(&self.dataset, &self.part.reading)?.select(&self.dataset, &self.part, Broken::Refuse)
    }
}

impl Source {
    /// A name that the registry knows, or a path. A path is what has a separator, or is there.
    pub(super) fn of(text: &str, args: &ReadArgs) -> anyhow::Result<Self> {
        let path = Path::new(text);
        let registered = Registry::known().find(text);
        match registered {
            Ok(dataset) if args.format.is_none_or(|format| format == dataset.format) => {
                Ok(Self::Registered(dataset))
            }
            Ok(dataset) => {
                let words = format!("`{text}` is of the format {}; --format is for files", dataset.format);
                Err(UsageError(words).into())
            }
            Err(unknown) if !text.contains(std::path::MAIN_SEPARATOR) && !path.exists() => {
                Err(unknown.into())
            }
            Err(_) => Self::file(path, args.format),
        }
    }

    fn file(path: &Path, format: Option<Format>) -> anyhow::Result<Self> {
        let known = if path.is_file() { Registry::known().with_hash(&sha256_of(path)?) } else { None };
        let known = known.map(|(dataset, _)| dataset);
        let format = match (format, known) {
            (Some(format), _) => format,
            (None, Some(dataset)) => dataset.format,
            (None, None) => Format::detect(path)?,
        };
        let known = known.filter(|dataset| dataset.format == format);
        Ok(Self::File { path: path.to_owned(), format, known })
    }

    /// The format of the records.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Registered(dataset) => dataset.format,
            Self::File { format, .. } => *format,
        }
    }

    fn lineage(&self) -> Option<&'static Dataset> {
        match self {
            Self::Registered(dataset) => Some(dataset),
            Self::File { known, .. } => *known,
        }
    }

    /// Begins to read, and says which files.
    pub(super) fn open(&self, args: &ReadArgs) -> Result<(Records, Vec<ReadFile>), RegistryError> {
        match self {
            Self::Registered(dataset) => {
                let other = if args.allow_other_hash { OtherHash::Allow } else { OtherHash::Refuse };
                let opened = dataset.open(&data_directories(args.data_dir.as_deref()), other)?;
                let files = opened.files.clone();
                Ok((Box::new(opened), files))
            }
            Self::File { path, format, known } => {
                let problems = readers::open(path, *format, &file_options(*format, *known))?;
                let files = vec![ReadFile { path: path.clone(), sha256: sha256_of(path)? }];
                Ok((Box::new(problems), files))
            }
        }
    }

    /// The part that was asked for. `text` is what the user calls it.
    pub(super) fn select(&self, text: &str, part: &PartArgs, broken: Broken) -> anyhow::Result<Selected> {
        let (records, files) = self.open(&part.reading)?;
        let Sound { mut problems, no_problems, broken } = sound(records, broken)?;
        let policy = Policy::from(part.errata);
        let lineage = self.lineage().map(|dataset| dataset.name.clone());
        problems.retain(|problem| part.split.is_none_or(|split| problem.split == split));
        let named = lineage.as_deref().unwrap_or_default();
        let (mut problems, errata_counts) =
            errata::apply(named, problems, policy, |name| corrected(name, &part.reading))?;
        keep_only(&mut problems, &part.only)?;
        problems.truncate(part.limit.unwrap_or(usize::MAX));
        if problems.is_empty() {
            let of_split = part.split.map(|split| format!(" of the split {split}")).unwrap_or_default();
            return Err(UsageError(format!("`{text}` has no problem{of_split}")).into());
        }
        let record = ProblemRecord {
            dataset: text.to_owned(),
            lineage,
            format: self.format(),
            split: part.split,
            files,
            errata: policy,
            errata_counts,
            no_problems,
            problems: problems.len(),
        };
        Ok(Selected { problems, record, broken })
    }
}

/// What to do with a record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is an error.
    Refuse,
    /// It is reported, and the others are taken.
    Report,
}

/// The records that can be read.
struct Sound {
    problems: Vec<Problem>,
    no_problems: usize,
    broken: usize,
}

/// What a source delivers.
pub(super) type Records = Box<dyn Iterator<Item = Result<Problem, ReadError>> + Send>;

/// How a file is read: as the data set that it is, if it is one; otherwise with the split that its format stands for where
/// a record names none.
pub(super) fn file_options(format: Format, known: Option<&Dataset>) -> Options {
    let repeats_names = known.is_some_and(|dataset| dataset.repeats_names);
    Options {
        source: known.map(|dataset| dataset.name.clone()),
        duplicate_names: if repeats_names { DuplicateNames::Allow } else { DuplicateNames::Reject },
        // A Lean file is asked for its place before its format.
        split: (format != Format::LeanFile).then(|| format.default_split()),
        header: None,
    }
}

fn sound(records: Records, broken: Broken) -> Result<Sound, ReadError> {
    let mut sound = Sound { problems: Vec::new(), no_problems: 0, broken: 0 };
    for record in records {
        match record {
            Ok(problem) => sound.problems.push(problem),
            Err(ReadError { cause: Cause::NoProblem { .. }, .. }) => sound.no_problems += 1,
            Err(error) if broken == Broken::Refuse => return Err(error),
            Err(error) => {
                output::error(&error.into());
                sound.broken += 1;
            }
        }
    }
    Ok(sound)
}

fn corrected(name: &str, args: &ReadArgs) -> Result<Vec<Problem>, RegistryError> {
    let (records, _files) = Source::Registered(Registry::known().find(name)?).open(args)?;
    Ok(sound(records, Broken::Refuse)?.problems)
}

fn keep_only(problems: &mut Vec<Problem>, only: &[String]) -> anyhow::Result<()> {
    if only.is_empty() {
        return Ok(());
    }
    let wanted: BTreeSet<&str> = only.iter().map(String::as_str).collect();
    problems.retain(|problem| wanted.contains(problem.name.as_str()));
    let found: BTreeSet<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
    match wanted.iter().find(|name| !found.contains(**name)) {
        Some(missing) => Err(UsageError(format!("no problem is called `{missing}`")).into()),
        None => Ok(()),
    }
}
