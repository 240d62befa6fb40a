//! What an evaluation is made from: its problems, who makes its samples, and those of a file.

use super::super::exit::{Exit, UsageError};
use super::super::output;
use super::super::problem_source::ProblemRecord;
use super::{Args, STORE};
use crate::evaluate::prompt::PromptFamily;
use crate::evaluate::{Settings, Source, samples_file};
use crate::folder::RunFolder;
use crate::generate::Sampling;
use anyhow::Context;
use proofloop_datasets::store::{EvaluatedProblem, EvaluationStore, NewSample};
use proofloop_datasets::{Kind as ProblemKind, Place, Problem, PythonProblem, Split};
use proofloop_verifiers::candidate::Kind;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Samples of a file that are kept in one transaction.
const KEPT_AT_ONCE: usize = 1024;

/// So many bad records are told one by one.
const TOLD: u64 = 20;

/// Of a file that was taken in whole: how many of its records were bad, and how many are of other problems.
const TAKEN: &str = "samples-taken";

/// Who judges a problem; nobody, if we have no checker for it.
pub(super) fn judge(kind: &ProblemKind) -> Option<Kind> {
    match kind {
        ProblemKind::Lean(_) => Some(Kind::Lean),
        ProblemKind::Python(_) => Some(Kind::Python),
        ProblemKind::Isabelle(_) => Some(Kind::Isabelle),
        ProblemKind::LeanGaps(_) => None,
    }
}

/// Whether it is a task with a handful of tests, as human-eval's, MBPP's and our own are. EvalPlus has hundreds, APPS sets limits of
/// its own.
pub(super) fn is_short(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::Python(
            PythonProblem::HumanEval { .. } | PythonProblem::Function { .. } | PythonProblem::Asserts { .. }
        )
    )
}

/// Whether all can be judged.
pub(super) fn check_problems(problems: &[Problem]) -> Result<(), UsageError> {
    match problems.iter().find(|problem| judge(&problem.kind).is_none()) {
        None => Ok(()),
        Some(problem) => {
            let (name, language) = (&problem.name, problem.language());
            Err(UsageError(format!("nothing here judges {language} problems like `{name}`")))
        }
    }
}

/// The family that was asked for, or the usual one for problems of this kind.
pub(super) fn family(args: &Args, problems: &[Problem]) -> anyhow::Result<Option<PromptFamily>> {
    let usual = || match problems.first().map(|problem| &problem.kind) {
        Some(ProblemKind::Python(PythonProblem::Asserts { .. })) => "mbpp-few-shot",
        Some(ProblemKind::Python(_)) => "humaneval",
        Some(ProblemKind::Isabelle(_)) => "isabelle",
        Some(ProblemKind::Lean(_) | ProblemKind::LeanGaps(_)) | None => "plain",
    };
    let name = match (&args.prompts, &args.samples_from) {
        (Some(name), _) => name,
        // What a file has may be judged as it is.
        (None, Some(_)) => return Ok(None),
        (None, None) => usual(),
    };
    let cannot = || UsageError(format!("cannot use the prompts `{name}`"));
    Ok(Some(PromptFamily::named(name).with_context(cannot)?))
}

/// Where samples come from, as `run.toml` says it.
pub(super) fn source(
    args: &Args,
    family: Option<&PromptFamily>,
    sampling: &Sampling,
) -> anyhow::Result<Source> {
    if let Some(path) = &args.samples_from {
        return Ok(Source::File {
            path: path.display().to_string(),
            hash: hash(path)?,
            prompt: family.map(|family| family.name().to_owned()),
        });
    }
    let family = family.ok_or_else(|| UsageError("nothing says what a model is asked".to_owned()))?;
    Ok(Source::Generated {
        generator: args.generator.identity()?,
        prompt: family.name().to_owned(),
        prompt_hash: family.fingerprint().to_owned(),
        seed: args.seed,
        sampling: sampling.clone(),
    })
}

/// What the data set is called in results.
pub(super) fn task(of: &ProblemRecord) -> String {
    let name = of.lineage.clone().unwrap_or_else(|| {
        let stem = Path::new(&of.dataset).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        stem.unwrap_or_else(|| of.dataset.clone())
    });
    of.split.map_or_else(|| name.clone(), |split| format!("{name}-{split}"))
}

/// Where the problems come from, for `run.toml`.
pub(super) fn words(of: &ProblemRecord) -> String {
    let lineage = of.lineage.as_ref().filter(|lineage| **lineage != of.dataset);
    let lineage = lineage.map(|lineage| format!(" ({lineage})")).unwrap_or_default();
    let split = of.split.map(|split| format!(", split {split}")).unwrap_or_default();
    format!("{}{lineage}{split}", of.dataset)
}

/// What was done to the data set before it is evaluated on.
pub(super) fn notes(of: &ProblemRecord) -> Vec<String> {
    let counts = of.errata_counts;
    let mut notes = Vec::new();
    if counts.listed > 0 {
        notes.push(format!(
            "{} statements are known to be wrong: {} left out, {} corrected",
            counts.listed, counts.excluded, counts.corrected
        ));
    }
    if of.no_problems > 0 {
        notes.push(format!("{} records of the data set ask nothing", of.no_problems));
    }
    notes
}

/// Solved problems that a prompt may show: those that the data set keeps for it (MBPP), if it does and the family shows any.
pub(super) fn few_shot(args: &Args, family: Option<&PromptFamily>) -> Vec<Problem> {
    if family.is_none_or(|family| family.settings().few_shot.is_none()) {
        return Vec::new();
    }
    let mut of = args.problems.clone();
    of.part.split = Some(Split::Prompt);
    of.part.limit = None;
    of.part.only.clear();
    // A data set without any is no fault.
    of.read().map(|selected| selected.problems).unwrap_or_default()
}

fn hash(path: &Path) -> anyhow::Result<String> {
    let cannot = || UsageError(format!("cannot read the samples `{}`", path.display()));
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).with_context(cannot)?;
    hasher.update_reader(file).with_context(cannot)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The store of the folder, made if there is none yet.
pub(super) fn store(folder: &RunFolder<Settings>, problems: &[Problem]) -> anyhow::Result<EvaluationStore> {
    let path = folder.path().join(STORE);
    let mut store =
        if path.exists() { EvaluationStore::open(&path)? } else { EvaluationStore::create(&path)? };
    store.add_problems(&problems.iter().map(shown).collect::<Vec<_>>())?;
    Ok(store)
}

fn shown(problem: &Problem) -> EvaluatedProblem {
    let text = match &problem.kind {
        ProblemKind::Lean(lean) => lean.statement.clone(),
        ProblemKind::LeanGaps(gaps) => gaps.text.clone(),
        ProblemKind::Isabelle(isabelle) => isabelle.statement.clone(),
        ProblemKind::Python(
            PythonProblem::HumanEval { prompt, .. }
            | PythonProblem::InputsAndOracle { prompt, .. }
            | PythonProblem::Function { prompt, .. },
        ) => prompt.clone(),
        ProblemKind::Python(PythonProblem::Asserts { tests, .. }) => {
            format!("{}\n{}", problem.informal, tests.join("\n"))
        }
        ProblemKind::Python(PythonProblem::StdinStdout { .. } | PythonProblem::Calls { .. }) => {
            problem.informal.clone()
        }
    };
    let difficulty = problem.metadata.difficulty.map(|level| format!("difficulty {level}"));
    EvaluatedProblem {
        name: problem.name.clone(),
        split: problem.split.name().to_owned(),
        category: problem.metadata.topic.clone().or_else(|| problem.metadata.origin.clone()).or(difficulty),
        text,
    }
}

/// Puts the samples of a file into the store, in its order. A bad record costs itself and makes the exit code 2; samples of
/// problems that are not evaluated are counted and left out. Done again, it adds nothing.
pub(super) fn take_samples(
    store: &Mutex<EvaluationStore>,
    problems: &[Problem],
    path: &Path,
) -> anyhow::Result<Exit> {
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(counts) = store.meta(TAKEN)? {
        let (bad, foreign) = counts.split_once(' ').unwrap_or(("0", "0"));
        return Ok(said(bad.parse().unwrap_or(0), foreign.parse().unwrap_or(0)));
    }
    let names = Names::new(problems);
    let mut taking = Taking { store: &mut store, next: vec![0; problems.len()], waiting: Vec::new() };
    let (mut bad, mut foreign) = (0_u64, 0_u64);
    for record in samples_file::open(path)? {
        match record {
            Ok(samples) => match names.find(&samples.problem) {
                Some(problem) => taking.take(problem, samples)?,
                None => foreign += 1,
            },
            Err(error) => {
                if matches!(error.place, Place::File) {
                    return Err(error.into());
                }
                bad += 1;
                if bad <= TOLD {
                    output::error(&error.into());
                }
            }
        }
    }
    taking.write()?;
    store.set_meta(TAKEN, &format!("{bad} {foreign}"))?;
    Ok(said(bad, foreign))
}

fn said(bad: u64, foreign: u64) -> Exit {
    if foreign > 0 {
        output::say(&format!("{foreign} records are of problems that are not evaluated here"));
    }
    if bad == 0 {
        return Exit::Success;
    }
    output::say(&format!("{bad} records could not be read"));
    Exit::Input
}

struct Taking<'a> {
    store: &'a mut EvaluationStore,
    /// The next sample's number, for each problem.
    next: Vec<u32>,
    waiting: Vec<(u32, u32, &'static str, String)>,
}

impl Taking<'_> {
    fn take(&mut self, problem: u32, samples: samples_file::Samples) -> anyhow::Result<()> {
        for text in samples.texts {
            let next = &mut self.next[problem as usize];
            self.waiting.push((problem, *next, samples.form.name(), text));
            *next += 1;
        }
        if self.waiting.len() >= KEPT_AT_ONCE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let samples: Vec<NewSample<'_>> = self
            .waiting
            .iter()
            .map(|(problem, sample, form, completion)| NewSample {
                problem: *problem,
                sample: *sample,
                form,
                completion,
                tokens: None,
                finish: None,
            })
            .collect();
        self.store.add_samples(&samples)?;
        self.waiting.clear();
        Ok(())
    }
}

/// The names under which files know a problem: its own; without regard to case (evalplus writes `Mbpp/2`); and the number
/// alone where names are made of one (MBPP).
struct Names(HashMap<String, u32>);

impl Names {
    fn new(problems: &[Problem]) -> Self {
        let mut names: HashMap<String, u32> = HashMap::new();
        for (number, problem) in (0_u32..).zip(problems) {
            names.insert(problem.name.clone(), number);
        }
        for (number, problem) in (0_u32..).zip(problems) {
            let lower = problem.name.to_lowercase();
            let digits =
                lower.rsplit('/').next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            let digits = digits.map(str::to_owned);
            for alias in [Some(lower), digits].into_iter().flatten() {
                names.entry(alias).or_insert(number);
            }
        }
        Self(names)
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.0.get(name).or_else(|| self.0.get(&name.to_lowercase())).copied()
    }
}
