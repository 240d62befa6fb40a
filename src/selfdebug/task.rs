//! Problems as a run has them, and what is judged of an answer.

use super::error::{Result, SelfDebugError};
use super::settings::{Language, Settings};
use crate::evaluate::{Form, candidate};
use crate::selfplay::chance;
use crate::selfplay::judge::{Language as Judged, Work};
use proofloop_datasets::planted::{self, PlantedTask, Question};
use proofloop_datasets::store::{Origin, Statement, StatementId};
use proofloop_datasets::{Kind, Problem, PythonProblem, Split};
use proofloop_verifiers::candidate::{Candidate, PythonCandidate};
use std::collections::HashSet;

/// A problem with its number in the store.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) id: StatementId,
    pub(super) problem: Problem,
    /// Wrong answers that were planted, with what is wrong with them.
    pub(super) bugs: Vec<planted::Bug>,
}

/// What a run learns from, and what it is evaluated on.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) training: Vec<Task>,
    /// Tasks of the grammar whose bugs are repaired, one each.
    pub(super) repairs: Vec<Task>,
    pub(super) held_out: Vec<Task>,
}

impl Tasks {
    /// Chosen from these problems and drawn from the grammar; the same for the same settings.
    pub(super) fn choose(settings: &Settings, problems: &[Problem]) -> Result<Self> {
        let is_of = |problem: &&Problem| match (&problem.kind, settings.language) {
            (Kind::Python(_), Language::Python) | (Kind::Lean(_), Language::Lean) => true,
            (Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_), _) => false,
        };
        let of_split = |split: Split| problems.iter().filter(is_of).filter(move |one| one.split == split);
        let held_out: Vec<&Problem> = of_split(settings.tasks.held_out).collect();
        let is_new: HashSet<_> = held_out.iter().map(|problem| problem.content_hash()).collect();
        let mut training: Vec<&Problem> =
            of_split(Split::Train).filter(|problem| !is_new.contains(&problem.content_hash())).collect();
        if let Some(limit) = settings.tasks.limit {
            let chosen = chance::choose(settings.seed, "debug-limit", 0, training.len(), limit);
            training = chosen.into_iter().map(|index| training[index]).collect();
        }
        let planted = Planted::draw(settings, &held_out);
        let mut tasks = Self::default();
        let mut id = 0;
        let mut add = |list: &mut Vec<Task>, problem: Problem, bugs: Vec<planted::Bug>| {
            id += 1;
            list.push(Task { id, problem, bugs });
        };
        training.into_iter().for_each(|problem| add(&mut tasks.training, problem.clone(), Vec::new()));
        planted.training.into_iter().for_each(|task| add(&mut tasks.training, task.problem, task.bugs));
        planted.repairs.into_iter().for_each(|task| add(&mut tasks.repairs, task.problem, task.bugs));
        held_out.into_iter().for_each(|problem| add(&mut tasks.held_out, problem.clone(), Vec::new()));
        planted.held_out.into_iter().for_each(|task| add(&mut tasks.held_out, task.problem, task.bugs));
        if tasks.training.is_empty() || (settings.evaluation.samples > 0 && tasks.held_out.is_empty()) {
            let problem = "have none to train on, or none that is held out".to_owned();
            return Err(SelfDebugError::Problems { problem });
        }
        Ok(tasks)
    }

    /// As the store keeps them.
    pub(super) fn statements(&self, settings: &Settings) -> Vec<Statement> {
        let statement = |task: &Task, split: Split| {
            let (header, text) = match &task.problem.kind {
                Kind::Lean(lean) => (lean.header.clone(), lean.statement.clone()),
                other @ (Kind::Python(_) | Kind::LeanGaps(_) | Kind::Isabelle(_)) => {
                    (String::new(), serde_json::to_string(other).unwrap_or_default())
                }
            };
            Statement {
                id: task.id,
                key: *task.problem.content_hash().as_bytes(),
                name: task.problem.name.clone(),
                header,
                text,
                origin: Origin::Problem,
                split: Some(split),
                known: task.problem.known.clone(),
                lineage: None,
            }
        };
        let training = self.training.iter().chain(&self.repairs).map(|task| statement(task, Split::Train));
        let held_out = self.held_out.iter().map(|task| statement(task, settings.tasks.held_out));
        training.chain(held_out).collect()
    }
}

/// Tasks of the grammar: no question of the held-out ones, nor of the other held-out problems, is among the rest.
#[derive(Default)]
struct Planted {
    training: Vec<PlantedTask>,
    repairs: Vec<PlantedTask>,
    held_out: Vec<PlantedTask>,
}

impl Planted {
    fn draw(settings: &Settings, held_out: &[&Problem]) -> Self {
        let counts = &settings.tasks;
        let repairs = settings.collect.planted_bugs;
        if counts.planted + counts.planted_held_out + repairs == 0 {
            return Self::default();
        }
        let mut exclude: HashSet<Question> = planted::held_out();
        exclude.extend(held_out.iter().filter_map(|problem| question(problem)));
        let draw = |purpose: &str, count: usize, exclude: &HashSet<Question>| {
            planted::tasks(chance::seed(settings.seed, purpose, 0, 0), count, exclude)
        };
        // Each from a seed of its own: more of one kind change none of the others.
        let held_out = draw("planted-held-out", counts.planted_held_out, &exclude);
        exclude.extend(held_out.iter().filter_map(|task| question(&task.problem)));
        let training = draw("planted", counts.planted, &exclude);
        Self { training, repairs: draw("planted-bugs", repairs, &exclude), held_out }
    }
}

fn question(problem: &Problem) -> Option<Question> {
    match &problem.kind {
        Kind::Python(PythonProblem::Function { prompt, .. }) => Some(Question::of(prompt)),
        Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_) => None,
    }
}

/// Which tests judge an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tests {
    /// All of them: the verdict.
    All,
    /// Those that may be quoted; the same as all where a problem hides none.
    Shown,
    /// One of all, by its place.
    One(usize),
}

/// What is judged of an answer; `None` where the problem has no such tests.
pub(super) fn work(problem: &Problem, code: &str, which: Tests) -> Option<Work> {
    match (&problem.kind, which) {
        (Kind::Python(PythonProblem::Function { prompt, tests, hidden_tests, .. }), which) => {
            let tests = match which {
                Tests::All => tests.iter().chain(hidden_tests).cloned().collect(),
                Tests::Shown => tests.clone(),
                Tests::One(place) => vec![tests.iter().chain(hidden_tests).nth(place)?.clone()],
            };
            let program = format!("{prompt}{code}");
            let statement = serde_json::to_string(&tests).unwrap_or_default();
            let python = PythonCandidate::Asserts { code: program.clone(), setup: String::new(), tests };
            Some(Work {
                header: String::new(),
                statement,
                completion: program,
                language: Judged::Python(python),
            })
        }
        (_, Tests::One(_)) => None,
        (Kind::Lean(lean), _) => {
            Some(Work::lean(lean.header.clone(), lean.statement.clone(), code.to_owned()))
        }
        (Kind::Python(_) | Kind::LeanGaps(_) | Kind::Isabelle(_), _) => {
            match candidate(problem, Form::Completion, code, None).ok()? {
                Candidate::Python(python) => Some(Work {
                    header: String::new(),
                    statement: serde_json::to_string(&problem.kind).unwrap_or_default(),
                    completion: code.to_owned(),
                    language: Judged::Python(python),
                }),
                Candidate::Lean(_) | Candidate::Isabelle(_) => None,
            }
        }
    }
}

/// Whether a problem has tests that are not shown.
pub(super) fn hides_tests(problem: &Problem) -> bool {
    matches!(&problem.kind, Kind::Python(PythonProblem::Function { hidden_tests, .. }) if !hidden_tests.is_empty())
}

/// How many tests judge it one by one; 0 where they can't.
pub(super) fn test_count(problem: &Problem) -> usize {
    match &problem.kind {
        Kind::Python(PythonProblem::Function { tests, hidden_tests, .. }) => tests.len() + hidden_tests.len(),
        Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_) => 0,
    }
}
