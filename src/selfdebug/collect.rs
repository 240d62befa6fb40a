//! Trajectories to learn from: wrong answers, what was said of them, and refinements that the verifier has seen.

use super::dialogue::{Examiner, Question, Taken, Talk};
use super::error::Result;
use super::prompts::{Answer, Ask, Failed};
use super::settings::{Language, Settings};
use super::task::Task;
use crate::selfplay::chance;
use proofloop_datasets::planted::Bug;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// How many numbers a first try has for the trajectories that go on from it.
pub(super) const STRIDE: u32 = 1000;

/// What a stage draws with.
pub(super) struct Draw<'a> {
    pub(super) settings: &'a Settings,
    /// Of the seeds.
    pub(super) purpose: &'a str,
    pub(super) iteration: u32,
    pub(super) count_tokens: &'a dyn Fn(&str) -> u32,
}

impl Draw<'_> {
    fn language(&self) -> Language {
        self.settings.language
    }

    fn seed(&self, what: &str, item: i64) -> u64 {
        chance::seed(self.settings.seed, &format!("{}-{what}", self.purpose), self.iteration, item)
    }

    /// What refinements are asked for.
    pub(super) fn ask(&self) -> Ask {
        if self.settings.explain { Ask::Explain } else { Ask::Refine }
    }

    /// First tries of tasks. The numbers of their trajectories are [`STRIDE`] apart.
    pub(super) async fn write<'t>(
        &self,
        talk: &Talk<'_>,
        tasks: &[&'t Task],
        samples: NonZeroUsize,
        temperature: f64,
    ) -> Result<Vec<Taken<'t>>> {
        let question = |task: &&'t Task| Question {
            task,
            ask: Ask::Write,
            failed: Vec::new(),
            first: 0,
            samples,
            seed: self.seed("write", task.id),
        };
        let questions = tasks.iter().map(question).collect();
        let sampling = talk.sampling(temperature);
        let mut taken = talk.take(self.language(), questions, &sampling, self.count_tokens).await?;
        taken.iter_mut().for_each(|one| one.sample *= STRIDE);
        Ok(taken)
    }

    /// Refinements of wrong turns. The seed depends on the trajectory, so that other wrong turns change nothing.
    pub(super) async fn refine<'t>(
        &self,
        talk: &Talk<'_>,
        wrong: &[&Taken<'t>],
        (ask, samples, temperature): (Ask, NonZeroUsize, f64),
    ) -> Result<Vec<Taken<'t>>> {
        let question = |one: &&Taken<'t>| {
            let mut failed = one.failed.clone();
            failed.push(one.failure()?);
            let item = one.task.id * i64::from(STRIDE) * 64 + i64::from(one.sample);
            let seed = self.seed(&format!("{}-{}", ask.role(), failed.len()), item);
            let first = one.sample / STRIDE * STRIDE;
            Some(Question { task: one.task, ask, failed, first, samples, seed })
        };
        let questions = wrong.iter().filter_map(question).collect();
        talk.take(self.language(), questions, &talk.sampling(temperature), self.count_tokens).await
    }
}

/// Those that failed and can be told why; of equal answers to a task only the first, and of a task at most so many.
pub(super) fn different_wrong<'a, 't>(taken: &'a [Taken<'t>], most: usize) -> Vec<&'a Taken<'t>> {
    let mut seen = BTreeSet::new();
    let mut counts = std::collections::BTreeMap::<i64, usize>::new();
    let mut wrong = Vec::new();
    for one in taken {
        let Some(failure) = one.failure() else { continue };
        let count = counts.entry(one.task.id).or_default();
        if *count < most && seen.insert((one.task.id, failure.answer.code)) {
            *count += 1;
            wrong.push(one);
        }
    }
    wrong
}

/// First tries, and their refinements turn by turn: what fails again goes on with the first of its refinements that can be
/// told why. All turns, in the order of turns.
pub(super) async fn collect<'t>(
    draw: &Draw<'_>,
    writer: &Talk<'_>,
    teacher: &Talk<'_>,
    tasks: &[&'t Task],
) -> Result<Vec<Vec<Taken<'t>>>> {
    let rules = &draw.settings.collect;
    let mut turns = vec![draw.write(writer, tasks, rules.samples, rules.temperature).await?];
    for _turn in 0..rules.turns {
        let last = turns.last().map_or(&[][..], Vec::as_slice);
        let wrong = if turns.len() == 1 { different_wrong(last, rules.wrong) } else { unmended(last) };
        if wrong.is_empty() {
            break;
        }
        let how = (draw.ask(), rules.refinements, rules.refine_temperature);
        let refined = draw.refine(teacher, &wrong, how).await?;
        turns.push(refined);
    }
    Ok(turns)
}

/// The first failed refinement of each wrong try that none has mended.
fn unmended<'a, 't>(taken: &'a [Taken<'t>]) -> Vec<&'a Taken<'t>> {
    let family = |one: &Taken<'_>| (one.task.id, one.sample / STRIDE);
    let mended: BTreeSet<_> = taken.iter().filter(|one| one.is_accepted()).map(family).collect();
    let mut seen = BTreeSet::new();
    let is_first = |one: &&Taken<'_>| {
        one.failure().is_some() && !mended.contains(&family(one)) && seen.insert(family(one))
    };
    taken.iter().filter(is_first).collect()
}

/// A planted bug with the verifier's word on it and on the solution.
#[derive(Debug, Clone)]
pub(super) struct Repaired<'t> {
    pub(super) task: &'t Task,
    pub(super) failed: Failed,
    /// The solution, with what was wrong with the bug.
    pub(super) answer: Answer,
}

/// Planted bugs as trajectories, one of each task; only those whose bug the verifier rejects and whose solution it accepts.
pub(super) async fn planted<'t>(examiner: &Examiner<'_>, tasks: &'t [Task]) -> Result<Vec<Repaired<'t>>> {
    let chosen =
        |(place, task): (usize, &'t Task)| Some((task, task.problem.known.as_deref()?, bug(task, place)?));
    let chosen: Vec<(&Task, &str, &Bug)> = tasks.iter().enumerate().filter_map(chosen).collect();
    let solutions: Vec<(&Task, &str)> = chosen.iter().map(|(task, solution, _)| (*task, *solution)).collect();
    let are_right = examiner.accepts(&solutions).await?;
    let bugs = chosen.iter().map(|(task, _, bug)| Some((*task, bug.completion.as_str())));
    let bugs = examiner.judge(bugs).await?;
    let mut repaired = Vec::new();
    for (((task, solution, bug), is_right), of_bug) in chosen.into_iter().zip(are_right).zip(bugs) {
        let feedback =
            of_bug.filter(|of_bug| is_right && !of_bug.is_accepted).and_then(|of_bug| of_bug.feedback);
        let Some(feedback) = feedback else { continue };
        let wrong = Answer { explanation: None, code: bug.completion.clone() };
        repaired.push(Repaired {
            task,
            failed: Failed { answer: wrong, feedback },
            answer: Answer { explanation: Some(bug.explanation.clone()), code: solution.to_owned() },
        });
    }
    Ok(repaired)
}

/// Half of them are a task's first bug, which is another reading of its docstring where there is one: that is what a model
/// that can write gets wrong. The other half are any.
fn bug(task: &Task, place: usize) -> Option<&Bug> {
    let index = if place % 4 < 2 { 0 } else { place / 4 % task.bugs.len().max(1) };
    task.bugs.get(index)
}
