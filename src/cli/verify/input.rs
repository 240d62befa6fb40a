//! Reading candidates: what is wrong is reported with its place, what is right goes on.

use super::super::exit::UsageError;
use super::python_file;
use crate::records::{self, Named};
use proofloop_datasets::lines::{BoundedLines, LineProblem, MAX_LINE_BYTES};
use proofloop_datasets::{Cause, FirstUse, Kind as ProblemKind, Place, ReadError, Split, workbook};
use proofloop_verifiers::candidate::{Candidate, IsabelleCandidate, Kind, LeanCandidate};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A candidate, or what is wrong with the place where one should be.
pub(super) type Input = anyhow::Result<Named>;

/// Takes inputs; false to stop.
type Sink<'a> = &'a mut dyn FnMut(Input) -> bool;

/// Where candidates come from.
#[derive(Debug)]
pub(super) struct Inputs {
    sources: Vec<Source>,
}

#[derive(Debug)]
enum Source {
    Workbook,
    Stdin,
    Lean(PathBuf),
    Python(PathBuf),
    Isabelle(PathBuf),
    Jsonl(PathBuf),
}

impl Inputs {
    /// Sorts the inputs by what they are.
    pub(super) fn check(paths: &[PathBuf], workbook: bool) -> Result<Self, UsageError> {
        let mut sources = Vec::new();
        if workbook {
            sources.push(Source::Workbook);
        }
        for path in paths {
            let extension = path.extension().and_then(|extension| extension.to_str());
            sources.push(match extension {
                _ if path == Path::new("-") => Source::Stdin,
                Some("lean") => Source::Lean(path.clone()),
                Some("py") => Source::Python(path.clone()),
                Some("thy") => Source::Isabelle(path.clone()),
                Some(_) | None => Source::Jsonl(path.clone()),
            });
        }
        if sources.iter().filter(|source| matches!(source, Source::Stdin)).count() > 1 {
            return Err(UsageError("standard input (`-`) can be read only once".to_owned()));
        }
        Ok(Self { sources })
    }

    /// Which verifiers will be needed, as far as can be said without reading.
    pub(super) fn kinds(&self, kind: Option<Kind>) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        for source in &self.sources {
            match source {
                Source::Workbook | Source::Lean(_) => kinds.extend([Kind::Lean]),
                Source::Python(_) => kinds.extend([Kind::Python]),
                Source::Isabelle(_) => kinds.extend([Kind::Isabelle]),
                Source::Stdin | Source::Jsonl(_) => {
                    kinds.extend(kind.map_or(vec![Kind::Lean, Kind::Python], |kind| vec![kind]));
                }
            }
        }
        kinds
    }

    /// How many candidates there are, if that is known before reading.
    pub(super) fn known_count(&self) -> Option<u64> {
        self.sources
            .iter()
            .map(|source| match source {
                Source::Workbook => u64::try_from(proved().len()).ok(),
                Source::Lean(_) | Source::Python(_) | Source::Isabelle(_) => Some(1),
                Source::Stdin | Source::Jsonl(_) => None,
            })
            .sum()
    }

    /// Reads everything, in order. Blocks.
    pub(super) fn read(self, kind: Option<Kind>, sink: Sink<'_>) {
        let mut seen = Seen::default();
        for source in self.sources {
            let goes_on = match source {
                Source::Workbook => workbook_proofs(&mut seen, sink),
                Source::Stdin => jsonl(Path::new("<stdin>"), std::io::stdin().lock(), kind, &mut seen, sink),
                Source::Lean(path) => sink(seen.check(&path.as_path().into(), Place::File, lean_file(&path))),
                Source::Python(path) => {
                    sink(seen.check(&path.as_path().into(), Place::File, python_file::read(&path)))
                }
                Source::Isabelle(path) => {
                    sink(seen.check(&path.as_path().into(), Place::File, isabelle_file(&path)))
                }
                Source::Jsonl(path) => match open(&path) {
                    Ok(file) => jsonl(&path, BufReader::new(file), kind, &mut seen, sink),
                    Err(cause) => sink(Err(at(&path, Place::File, cause))),
                },
            };
            if !goes_on {
                return;
            }
        }
    }
}

fn at(path: &Path, place: Place, cause: Cause) -> anyhow::Error {
    ReadError { path: path.to_path_buf(), place, cause }.into()
}

/// The ids that were used, each with the file and place of its first use.
#[derive(Debug, Default)]
struct Seen {
    first: HashMap<String, (Arc<Path>, Place)>,
}

impl Seen {
    fn check(&mut self, path: &Arc<Path>, place: Place, named: Result<Named, Cause>) -> Input {
        let named = named.map_err(|cause| at(path, place, cause))?;
        let first = match self.first.entry(named.id.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert((Arc::clone(path), place));
                return Ok(named);
            }
            Entry::Occupied(occupied) => match occupied.get() {
                (file, Place::Line(number) | Place::Item(number)) if file == path => {
                    FirstUse::Record(*number)
                }
                (file, place) => FirstUse::Elsewhere { path: file.to_path_buf(), place: *place },
            },
        };
        Err(at(path, place, Cause::DuplicateName { name: named.id, first }))
    }
}

fn workbook_proofs(seen: &mut Seen, sink: Sink<'_>) -> bool {
    let path: Arc<Path> = Path::new("the bundled workbook").into();
    let places = (1..).map(Place::Item);
    proved().into_iter().zip(places).all(|(named, place)| sink(seen.check(&path, place, Ok(named))))
}

fn jsonl(path: &Path, reader: impl BufRead, kind: Option<Kind>, seen: &mut Seen, sink: Sink<'_>) -> bool {
    let path: &Arc<Path> = &path.into();
    let mut empty = true;
    for line in BoundedLines::new(reader) {
        let input = match line {
            Ok(line) if line.text.trim().is_empty() => continue,
            Ok(line) => seen.check(path, Place::Line(line.number), records::parse(&line.text, kind)),
            Err(error) => Err(at(path, Place::Line(error.number), Cause::Line(error.problem))),
        };
        empty = false;
        if !sink(input) {
            return false;
        }
    }
    !empty || sink(Err(at(path, Place::File, Cause::Empty)))
}

pub(in super::super) fn open(path: &Path) -> Result<File, Cause> {
    let file = File::open(path).map_err(Cause::Open)?;
    if file.metadata().map_err(Cause::Open)?.is_dir() {
        return Err(Cause::Directory);
    }
    Ok(file)
}

/// A whole source file as text, within the bound of a line.
pub(in super::super) fn text(path: &Path) -> Result<String, Cause> {
    let limit_bytes = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    open(path)?
        .take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Cause::Line(LineProblem::Io(error)))?;
    if bytes.len() > MAX_LINE_BYTES {
        return Err(Cause::FileTooLong { limit_bytes });
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| Cause::FileNotUtf8 { byte: error.utf8_error().valid_up_to() + 1 })?;
    if text.trim().is_empty() {
        return Err(Cause::Empty);
    }
    Ok(text)
}

fn lean_file(path: &Path) -> Result<Named, Cause> {
    let candidate = Candidate::Lean(LeanCandidate::File { code: text(path)?, statement: None });
    Ok(Named { id: path.display().to_string(), candidate })
}

fn isabelle_file(path: &Path) -> Result<Named, Cause> {
    let candidate = Candidate::Isabelle(IsabelleCandidate::File { code: text(path)?, pinned: None });
    Ok(Named { id: path.display().to_string(), candidate })
}

/// The workbook's problems with their own proofs.
fn proved() -> Vec<Named> {
    let problems = [Split::Train, Split::Valid, Split::Test].into_iter().flat_map(workbook::problems);
    let proved = problems.filter_map(|problem| match (problem.kind, problem.known) {
        (ProblemKind::Lean(lean), Some(completion)) => Some(Named {
            id: problem.name,
            candidate: Candidate::Lean(LeanCandidate::Completion {
                header: lean.header,
                statement: lean.statement,
                completion,
            }),
        }),
        (
            ProblemKind::Lean(_)
            | ProblemKind::LeanGaps(_)
            | ProblemKind::Isabelle(_)
            | ProblemKind::Python(_),
            _,
        ) => None,
    });
    proved.collect()
}
