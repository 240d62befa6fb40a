//! What the farm decides, as plain synchronous functions: no runtime, no clock, no channel.

use crate::verifier::{Lane, UnitSize};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Names a job inside one farm.
pub type JobId = u64;

/// After this many fruitless attempts a job is judged alone, and alone it gets a last one. More than the halvings
/// that lead from the largest unit to a single candidate.
const ATTEMPTS_IN_COMPANY: u32 = 14;

/// A unit that a worker is to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Which verifier.
    pub verifier: usize,
    /// The jobs, in the order of their arrival.
    pub jobs: Vec<JobId>,
}

/// What becomes of a job that got no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It is queued again.
    Queued,
    /// It had its last attempt: the farm can't say anything about it.
    GivenUp,
}

#[derive(Debug, Clone)]
struct Job {
    verifier: usize,
    lane: Lane,
    attempts: u32,
    at_most: usize,
    queued: bool,
}

/// The queue: every job that has no verdict yet.
#[derive(Debug)]
pub struct Dispatcher {
    sizes: Vec<UnitSize>,
    workers: usize,
    jobs: HashMap<JobId, Job>,
    /// Shared jobs by verifier and lane, with the limit of company under which they wait.
    shared: BTreeMap<(usize, String, usize), VecDeque<JobId>>,
    alone: VecDeque<JobId>,
}

impl Dispatcher {
    /// A queue for verifiers with these unit sizes and for this many workers.
    #[must_use]
    pub fn new(sizes: Vec<UnitSize>, workers: usize) -> Self {
        Self {
            sizes,
            workers: workers.max(1),
            jobs: HashMap::new(),
            shared: BTreeMap::new(),
            alone: VecDeque::new(),
        }
    }

    /// Adds a job.
    pub fn add(&mut self, id: JobId, verifier: usize, lane: Lane) {
        let at_most = if lane.shared { usize::MAX } else { 1 };
        self.jobs.insert(id, Job { verifier, lane, attempts: 0, at_most, queued: false });
        self.enqueue(id);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alone.is_empty() && self.shared.values().all(VecDeque::is_empty)
    }

    /// The next unit for a worker, if there is one. Shared lanes go first: they hold the most work.
    pub fn next_unit(&mut self) -> Option<Unit> {
        let unit = self.take_unit()?;
        for id in &unit.jobs {
            if let Some(job) = self.jobs.get_mut(id) {
                job.queued = false;
            }
        }
        Some(unit)
    }

    fn take_unit(&mut self) -> Option<Unit> {
        let lane = self.shared.iter().max_by_key(|(_, waiting)| waiting.len()).map(|(key, _)| key.clone());
        if let Some(key) = lane {
            let size = self.sizes[key.0];
            let waiting = self.shared.get_mut(&key)?;
            let count = unit_length(waiting.len(), self.workers, size).min(key.2);
            let jobs = waiting.drain(..count.min(waiting.len())).collect();
            if waiting.is_empty() {
                self.shared.remove(&key);
            }
            return Some(Unit { verifier: key.0, jobs });
        }
        let id = self.alone.pop_front()?;
        Some(Unit { verifier: self.jobs.get(&id)?.verifier, jobs: vec![id] })
    }

    /// Whether a job waits for a unit.
    #[must_use]
    pub fn is_queued(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|job| job.queued)
    }

    /// A job has its verdict.
    pub fn done(&mut self, id: JobId) {
        self.jobs.remove(&id);
    }

    /// A job came back without a verdict and may be judged with at most `at_most` jobs, itself included.
    pub fn again(&mut self, id: JobId, at_most: usize) -> Retry {
        let Some(job) = self.jobs.get_mut(&id) else { return Retry::GivenUp };
        if job.at_most == 1 && job.attempts > 0 {
            self.jobs.remove(&id);
            return Retry::GivenUp;
        }
        job.attempts += 1;
        job.at_most = job.at_most.min(at_most.max(1));
        if job.attempts >= ATTEMPTS_IN_COMPANY {
            job.at_most = 1;
        }
        self.enqueue(id);
        Retry::Queued
    }

    fn enqueue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.queued = true;
        if job.at_most == 1 {
            self.alone.push_back(id);
        } else {
            let key = (job.verifier, job.lane.key.clone(), job.at_most);
            self.shared.entry(key).or_default().push_back(id);
        }
    }
}

/// How many of `waiting` jobs the next unit takes: all of them while splitting would cost more starts than it
/// is worth, else an even share for each worker.
fn unit_length(waiting: usize, workers: usize, size: UnitSize) -> usize {
    let parts = (waiting / size.worth_a_start.max(1)).clamp(1, workers);
    waiting.div_ceil(parts).min(size.most.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: UnitSize = UnitSize { worth_a_start: 10, most: 40 };

    fn lane(key: &str, shared: bool) -> Lane {
        Lane { key: key.to_owned(), shared }
    }

    #[test]
    fn little_work_is_not_split_and_much_is_shared_evenly() {
        assert_eq!(unit_length(5, 4, SIZE), 5);
        assert_eq!(unit_length(19, 4, SIZE), 19);
        assert_eq!(unit_length(20, 4, SIZE), 10);
        assert_eq!(unit_length(31, 2, SIZE), 16);
        assert_eq!(unit_length(1000, 2, SIZE), 40);
    }

    #[test]
    fn lanes_don_t_mix_and_complex_jobs_are_alone() {
        let mut dispatcher = Dispatcher::new(vec![SIZE], 1);
        for (id, key, shared) in [(1, "a", true), (2, "b", true), (3, "a", true), (4, "a", false)] {
            dispatcher.add(id, 0, lane(key, shared));
        }
        let mut units = Vec::new();
        while let Some(unit) = dispatcher.next_unit() {
            units.push(unit.jobs);
        }
        assert_eq!(units, [vec![1, 3], vec![2], vec![4]]);
    }

    #[test]
    fn a_suspect_is_judged_alone_once_and_then_given_up() {
        let mut dispatcher = Dispatcher::new(vec![SIZE], 1);
        dispatcher.add(1, 0, lane("a", true));
        dispatcher.add(2, 0, lane("a", true));
        assert_eq!(dispatcher.next_unit().expect("unit").jobs, [1, 2]);
        assert_eq!(dispatcher.again(1, 1), Retry::Queued);
        assert_eq!(dispatcher.again(2, usize::MAX), Retry::Queued);
        assert_eq!(dispatcher.next_unit().expect("unit").jobs, [2]);
        assert_eq!(dispatcher.next_unit().expect("unit").jobs, [1]);
        assert_eq!(dispatcher.again(1, 1), Retry::GivenUp);
        assert!(dispatcher.is_empty());
    }

    proptest! {
        /// Whatever the verifiers do, every job comes to an end after a bounded number of units.
        #[test]
        fn every_job_ends(answers in prop::collection::vec(0_usize..5, 1..400), jobs in 1_u64..60) {
            let mut dispatcher = Dispatcher::new(vec![SIZE], 3);
            for id in 0..jobs {
                dispatcher.add(id, 0, lane(if id % 3 == 0 { "a" } else { "b" }, id % 7 != 0));
            }
            let mut answers = answers.into_iter().cycle();
            let mut ended = 0;
            let mut units = 0;
            while let Some(unit) = dispatcher.next_unit() {
                units += 1;
                for id in unit.jobs {
                    let answer = answers.next().unwrap_or(0);
                    if answer == 0 {
                        dispatcher.done(id);
                        ended += 1;
                    } else if dispatcher.again(id, if answer == 4 { usize::MAX } else { answer }) == Retry::GivenUp {
                        ended += 1;
                    }
                }
                prop_assert!(units < 2_000);
            }
            prop_assert_eq!(ended, jobs);
            prop_assert!(dispatcher.jobs.is_empty());
        }
    }
}
