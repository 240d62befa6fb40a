//! The data sets that we know by name, each pinned to one copy by hash: `registry.toml`, and how a name becomes problems.
//!
//! A file is hashed and read through one handle, so that what was checked is what is read.

use crate::error::ReadError;
use crate::problem::{Problem, Split};
use crate::readers::{self, DuplicateNames, Format, Options};
use crate::{programs, workbook};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use thiserror::Error;

static KNOWN: LazyLock<Registry> = LazyLock::new(|| {
    toml::from_str(include_str!("../registry.toml")).expect("the registry that ships is read by the tests")
});

/// The name of the programming workbook; all else that is compiled in is the Lean one.
const PROGRAMS: &str = "programs";

/// All data sets that are known by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    #[serde(rename = "dataset")]
    datasets: Vec<Dataset>,
}

/// A data set in one lineage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The name that pins it.
    pub name: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What it is, in a line.
    pub about: String,
    /// The format of its files.
    pub format: Format,
    /// The repository it comes from.
    pub source: String,
    /// The commit, tag or branch that is meant.
    pub revision: Option<String>,
    /// Its licence, as its source states it.
    pub licence: String,
    /// Whether it is compiled in; then it has no files.
    #[serde(default)]
    pub bundled: bool,
    /// Whether some of its names stand for several problems.
    #[serde(default)]
    pub repeats_names: bool,
    /// Problems of each split; empty where nobody here has counted.
    pub splits: BTreeMap<Split, u64>,
    /// Its files, in the order in which they are read.
    #[serde(default)]
    pub files: Vec<DataFile>,
}

/// A file of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Where it lies below a data directory.
    pub path: String,
    /// The records that it holds.
    pub records: Option<u64>,
    /// The hash of the file as published, in hexadecimal.
    pub sha256: Option<String>,
    /// What its records belong to that name no split.
    pub split: Option<Split>,
    /// `owner/repository/path` on GitHub.
    pub github: Option<String>,
    /// `owner/dataset/path` on Hugging Face.
    pub huggingface: Option<String>,
}

/// Where a file can be fetched: a host and a path below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// With scheme, without a path.
    pub host: &'static str,
    /// From the slash on.
    pub path: String,
}

/// What to do with a file that is not the pinned one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OtherHash {
    /// Refuse it.
    #[default]
    Refuse,
    /// Read it. Whoever asks records the hash that was found.
    Allow,
}

/// A file that was found, and which it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadFile {
    /// Where it was found.
    pub path: PathBuf,
    /// Its hash, in hexadecimal.
    pub sha256: String,
}

/// How a file of the registry lies on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Compiled in.
    Bundled,
    /// Every file is there and is the pinned one.
    Found(Vec<PathBuf>),
    /// Every file is there, and for some of them no hash is pinned.
    Unpinned(Vec<PathBuf>),
    /// A file is there and is not the pinned one.
    OtherHash(PathBuf),
    /// A file is in none of the directories.
    Missing(String),
}

/// Why a data set cannot be had by its name.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// No data set has that name.
    #[error("no data set is called `{name}`; known are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// A file is not on this machine.
    #[error("`{dataset}` is not on this machine: no `{file}` below {looked_in}")]
    Missing {
        /// The data set.
        dataset: String,
        /// The file, relative to a data directory.
        file: String,
        /// The data directories.
        looked_in: String,
    },
    /// A file is another than the pinned one.
    #[error("{} is not the `{dataset}` that is pinned: its sha256 is {found}, expected {expected}", path.display())]
    OtherHash {
        /// The data set.
        dataset: String,
        /// The file.
        path: PathBuf,
        /// The pinned hash.
        expected: String,
        /// The file's.
        found: String,
    },
    /// A file cannot be hashed.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record, or a file, cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Registry {
    /// The registry that ships.
    ///
    /// # Panics
    /// Never with the file that ships, which the tests read.
    #[must_use]
    pub fn known() -> &'static Self {
        &KNOWN
    }

    /// All data sets, in the order of the file.
    #[must_use]
    pub fn datasets(&self) -> &[Dataset] {
        &self.datasets
    }

    /// The data set of that name or alias.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], with the names that there are.
    pub fn find(&self, name: &str) -> Result<&Dataset, RegistryError> {
        let is_it =
            |dataset: &&Dataset| dataset.name == name || dataset.aliases.iter().any(|alias| alias == name);
        self.datasets.iter().find(is_it).ok_or_else(|| {
            let names: Vec<&str> = self.datasets.iter().map(|dataset| dataset.name.as_str()).collect();
            RegistryError::Unknown { name: name.to_owned(), known: names.join(", ") }
        })
    }

    /// The data set and the file of it that has this hash.
    #[must_use]
    pub fn with_hash(&self, sha256: &str) -> Option<(&Dataset, &DataFile)> {
        let files = self.datasets.iter().flat_map(|set| set.files.iter().map(move |file| (set, file)));
        files.into_iter().find(|(_, file)| file.sha256.as_deref() == Some(sha256))
    }
}

impl Dataset {
    /// How the data set lies on this machine: the first directory that has a file counts.
    ///
    /// # Errors
    /// A file cannot be hashed.
    pub fn presence(&self, directories: &[PathBuf]) -> Result<Presence, RegistryError> {
        if self.bundled {
            return Ok(Presence::Bundled);
        }
        let mut paths = Vec::new();
        for file in &self.files {
            let Some(path) = file.find(directories) else { return Ok(Presence::Missing(file.path.clone())) };
            if let Some(expected) = &file.sha256
                && sha256_of(&path)? != *expected
            {
                return Ok(Presence::OtherHash(path));
            }
            paths.push(path);
        }
        let pinned = self.files.iter().all(|file| file.sha256.is_some());
        Ok(if pinned { Presence::Found(paths) } else { Presence::Unpinned(paths) })
    }

    /// Finds the files, checks their hashes, and begins to read them.
    ///
    /// # Errors
    /// [`RegistryError`]: a file is missing, or is another one and `other_hash` refuses that.
    pub fn open(&self, directories: &[PathBuf], other_hash: OtherHash) -> Result<Opened, RegistryError> {
        let mut opened = Opened { files: Vec::new(), readers: Vec::new() };
        if self.bundled {
            let splits = [Split::Train, Split::Valid, Split::Test].into_iter();
            let problems = if self.name == PROGRAMS { programs::problems } else { workbook::problems };
            opened.readers.push(Box::new(splits.flat_map(problems).map(Ok)));
        }
        for data in &self.files {
            let path = data.find(directories).ok_or_else(|| self.missing(data, directories))?;
            let fail = |source| RegistryError::Io { path: path.clone(), source };
            let mut file = File::open(&path).map_err(fail)?;
            let found = sha256(&file).map_err(fail)?;
            if let Some(expected) = data.sha256.clone().filter(|expected| *expected != found)
                && other_hash == OtherHash::Refuse
            {
                return Err(RegistryError::OtherHash { dataset: self.name.clone(), path, expected, found });
            }
            file.rewind().map_err(fail)?;
            let reader = BufReader::new(file);
            let problems = readers::from_reader(&path, reader, self.format, &self.options(data));
            opened.files.push(ReadFile { path, sha256: found });
            opened.readers.push(Box::new(problems));
        }
        // The first file is read first.
        opened.readers.reverse();
        Ok(opened)
    }

    /// How a file of it is read.
    #[must_use]
    pub fn options(&self, file: &DataFile) -> Options {
        Options {
            source: Some(self.name.clone()),
            duplicate_names: if self.repeats_names { DuplicateNames::Allow } else { DuplicateNames::Reject },
            split: file.split,
            header: None,
        }
    }

    fn missing(&self, file: &DataFile, directories: &[PathBuf]) -> RegistryError {
        let looked_in: Vec<String> = directories.iter().map(|path| path.display().to_string()).collect();
        RegistryError::Missing {
            dataset: self.name.clone(),
            file: file.path.clone(),
            looked_in: if looked_in.is_empty() { "any directory".to_owned() } else { looked_in.join(", ") },
        }
    }
}

impl DataFile {
    /// The file in the first directory that has it.
    #[must_use]
    pub fn find(&self, directories: &[PathBuf]) -> Option<PathBuf> {
        directories.iter().map(|directory| directory.join(&self.path)).find(|path| path.is_file())
    }

    /// Where it is published, byte for byte; `None` where it was put together from other files.
    #[must_use]
    pub fn origin(&self, revision: Option<&str>) -> Option<Origin> {
        let split = |text: &str| {
            let mut parts = text.splitn(3, '/').map(str::to_owned);
            Some((parts.next()?, parts.next()?, parts.next()?))
        };
        let revision = revision.unwrap_or("main");
        match (&self.github, &self.huggingface) {
            (Some(github), _) => split(github).map(|(owner, repository, path)| Origin {
                host: "https://raw.githubusercontent.com",
                path: format!("/{owner}/{repository}/{revision}/{path}"),
            }),
            (None, Some(place)) => split(place).map(|(owner, dataset, path)| Origin {
                host: "https://huggingface.co",
                path: format!("/datasets/{owner}/{dataset}/resolve/{revision}/{path}"),
            }),
            (None, None) => None,
        }
    }
}

/// The problems of a data set, file after file.
pub struct Opened {
    /// The files with their hashes; none for what is bundled.
    pub files: Vec<ReadFile>,
    readers: Vec<Box<dyn Iterator<Item = Result<Problem, ReadError>> + Send>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Opened").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Iterator for Opened {
    type Item = Result<Problem, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(reader) = self.readers.last_mut() {
            if let Some(problem) = reader.next() {
                return Some(problem);
            }
            self.readers.pop();
        }
        None
    }
}

/// The sha256 of a file, in hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn sha256_of(path: &Path) -> Result<String, RegistryError> {
    let fail = |source| RegistryError::Io { path: path.to_owned(), source };
    sha256(&File::open(path).map_err(fail)?).map_err(fail)
}

fn sha256(mut file: &File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes in hexadecimal, as `sha256sum` writes them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
