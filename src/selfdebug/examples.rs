//! Trajectories to supervised examples: the answer is learnt, and what it answers (the wrong code too) is only read.

use super::collect::Repaired;
use super::dialogue::Taken;
use super::prompts::{Answer, Ask, Failed, prompt, taught};
use super::task::Task;
use crate::train::policy::rise;
use proofloop_datasets::store::ExampleRecord;
use std::collections::HashSet;

/// Examples of a round, each pair of prompt and completion once.
pub(super) struct Examples {
    iteration: u32,
    all: Vec<ExampleRecord>,
    seen: HashSet<(String, String)>,
}

impl Examples {
    pub(super) fn of_round(iteration: u32) -> Self {
        Self { iteration, all: Vec::new(), seen: HashSet::new() }
    }

    pub(super) fn into_records(self) -> Vec<ExampleRecord> {
        self.all
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    fn push(&mut self, task: &Task, ask: Ask, (failed, answer): (&[Failed], &Answer), weight: f64) {
        let (prompt, completion) = (prompt(&task.problem, failed, ask), taught(ask, answer));
        if !self.seen.insert((prompt.clone(), completion.clone())) {
            return;
        }
        self.all.push(ExampleRecord {
            iteration: self.iteration,
            ordinal: u32::try_from(self.all.len()).unwrap_or(u32::MAX),
            role: ask.role().to_owned(),
            statement: task.id,
            prompt,
            completion,
            weight,
        });
    }

    /// A published solution.
    pub(super) fn solution(&mut self, task: &Task) {
        if let Some(known) = &task.problem.known {
            let answer = Answer { explanation: None, code: known.clone() };
            self.push(task, Ask::Write, (&[], &answer), 1.0);
        }
    }

    /// Repairs of planted bugs. LeDex's two instructions, to refine and to explain and refine, take turns: that shows twice as
    /// many bugs for the same work as teaching each bug with both.
    pub(super) fn repairs(&mut self, repaired: &[Repaired<'_>], explain: bool) {
        for (place, one) in repaired.iter().enumerate() {
            let ask = if explain && place % 2 == 0 { Ask::Explain } else { Ask::Refine };
            self.push(one.task, ask, (std::slice::from_ref(&one.failed), &one.answer), 1.0);
        }
    }

    /// A turn that the verifier has accepted: a first try as it is, a refinement with both instructions.
    pub(super) fn accepted(&mut self, taken: &Taken<'_>) {
        if taken.is_accepted() {
            self.turn(taken, 1.0);
        }
    }

    /// RISE's weighting of the refinements of a turn, right or wrong: `exp(r / tau)` with r = 1 for accepted ones and 0 for
    /// others, divided by their mean (see [`rise::weights`]). What could not be judged is left out.
    pub(super) fn weighted(&mut self, taken: &[Taken<'_>], tau: f64) {
        let judged: Vec<&Taken<'_>> = taken.iter().filter(|one| one.is_judged()).collect();
        let rewards: Vec<f64> = judged.iter().map(|one| f64::from(u8::from(one.is_accepted()))).collect();
        let weights = rise::weights(&rewards, tau, true);
        judged.into_iter().zip(weights).for_each(|(one, weight)| self.turn(one, weight));
    }

    fn turn(&mut self, taken: &Taken<'_>, weight: f64) {
        let Some(answer) = &taken.answer else { return };
        self.push(taken.task, taken.ask, (&taken.failed, answer), weight);
        if taken.ask == Ask::Explain {
            self.push(taken.task, Ask::Refine, (&taken.failed, answer), weight);
        }
    }
}
