//! Programming tasks drawn from a grammar, each with bugs planted in its solution: what a model learns to repair programs
//! from where there is no data set.
//!
//! A task follows from a seed. Its tests are true by construction: the solution is evaluated by `python`, and so is
//! every bug, which counts as one only if a shown test refutes it. About half of the families leave something open that only
//! the tests say: what an empty list gives, whether a bound counts. Their docstring is the same whatever was chosen, and
//! the first shown test tells the choices apart; the other choices are among the bugs.

mod assemble;
mod draft;
mod families;
mod inputs;
mod python;
mod question;
mod rng;
mod vocabulary;

use crate::problem::{ContentHash, Kind, Metadata, Problem, PythonProblem, Split};
use crate::programs;
use assemble::Assembled;
use families::Family;
pub use question::Question;
use rng::Rng;
use serde_json::json;
use std::collections::HashSet;

/// A task with its solution and wrong ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedTask {
    /// What is asked: a [`PythonProblem::Function`] of the split `train`, with the solution as what is known.
    pub problem: Problem,
    /// The family that drew it.
    pub family: &'static str,
    /// The right body, indented, with a line break at its end; `prompt + solution` passes all tests.
    pub solution: String,
    /// Wrong bodies: at least one, each another, each refuted by a test that is shown.
    pub bugs: Vec<Bug>,
}

/// A wrong solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bug {
    /// The wrong body, in the form of [`PlantedTask::solution`].
    pub completion: String,
    /// What is wrong and what it must be, in one short sentence.
    pub explanation: String,
    /// The kind of bug; `convention` for another choice that the docstring allows as well.
    pub kind: &'static str,
}

/// The questions of the programming workbook that nothing may be trained on: those of its splits `valid` and `test`.
#[must_use]
pub fn held_out() -> HashSet<Question> {
    let problems = [Split::Valid, Split::Test].into_iter().flat_map(programs::problems);
    problems.filter_map(|problem| prompt(&problem).map(Question::of)).collect()
}

fn prompt(problem: &Problem) -> Option<&str> {
    match &problem.kind {
        Kind::Python(PythonProblem::Function { prompt, .. }) => Some(prompt),
        Kind::Python(_) | Kind::Lean(_) | Kind::LeanGaps(_) | Kind::Isabelle(_) => None,
    }
}

/// So many draws may fail in a row before there is nothing new to be had.
const MAX_DRAWS: usize = 2_000;

/// The first `count` tasks of a seed whose question is none of `exclude`. No two have one content hash. A larger count gives
/// the same tasks first. Fewer come only where thousands of draws in a row give nothing new.
#[must_use]
pub fn tasks<S: std::hash::BuildHasher>(
    seed: u64,
    count: usize,
    exclude: &HashSet<Question, S>,
) -> Vec<PlantedTask> {
    let families = families::all();
    let lots: Vec<&Family> =
        families.iter().flat_map(|family| std::iter::repeat_n(family, family.weight)).collect();
    let mut rng = Rng::new(seed);
    let (mut tasks, mut seen, mut failed) = (Vec::new(), HashSet::<ContentHash>::new(), 0);
    while tasks.len() < count && failed < MAX_DRAWS {
        failed += 1;
        let family = *rng.pick(&lots);
        let draft = (family.draft)(&mut rng);
        let Some(assembled) = assemble::assemble(draft, &mut rng) else { continue };
        if exclude.contains(&Question::of(&assembled.prompt)) {
            continue;
        }
        let task = labelled(format!("planted_{seed}_{}", tasks.len()), family, assembled);
        if seen.insert(task.problem.content_hash()) {
            tasks.push(task);
            failed = 0;
        }
    }
    tasks
}

fn labelled(name: String, family: &Family, assembled: Assembled) -> PlantedTask {
    let Assembled { prompt, entry_point, solution, tests, hidden_tests, bugs } = assembled;
    let is_short =
        solution.lines().count() == 1 && bugs.iter().all(|bug| bug.kind != draft::kind::CONVENTION);
    PlantedTask {
        problem: Problem {
            name,
            split: Split::Train,
            source: "planted".to_owned(),
            kind: Kind::Python(PythonProblem::Function { prompt, entry_point, tests, hidden_tests }),
            known: Some(solution.clone()),
            informal: String::new(),
            metadata: Metadata {
                topic: Some(family.topic.to_owned()),
                difficulty: Some(if is_short { 1 } else { 2 }),
                ..Metadata::default()
            },
        },
        family: family.name,
        solution,
        bugs,
    }
}

/// Tasks as JSONL in the form of the programming workbook ([`Format::Functions`](crate::Format::Functions)), with `family` and
/// `bugs` (`completion`, `explanation`, `kind`) besides, which readers pass over.
#[must_use]
pub fn jsonl(tasks: &[PlantedTask]) -> String {
    let line = |task: &PlantedTask| {
        let bug = |bug: &Bug| json!({ "completion": bug.completion, "explanation": bug.explanation, "kind": bug.kind });
        let mut fields = crate::write::function(&task.problem).unwrap_or_default();
        fields["family"] = json!(task.family);
        fields["bugs"] = task.bugs.iter().map(bug).collect();
        format!("{fields}\n")
    };
    tasks.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
