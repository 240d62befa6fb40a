//! Which sample starts when, and where: decisions alone, without a clock, a thread or a tensor.
//!
//! Samples start in order. The first that waits starts at a worker that asks as soon as rows and budget allow; one that
//! needs too much holds up those behind it, so none is passed over for ever. Keys and values of a worker's batch are a
//! rectangle, so a worker counts `rows * longest`, with the longest that there was since its batch was last empty; a
//! prompt counts once from before it is read until its last sample ends. A lone sample always fits
//! ([`super::plan`] refuses others), and samples of equal prompts stand together, so prompts of samples that wait are
//! never what fills the budget: something can always go on.

use std::collections::VecDeque;

use super::options::Limits;
use super::plan::{Plan, Prompt, Sample};

/// What a worker is to do next. `P` is a prompt that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next<P> {
    /// Begin a sample.
    Start(Sample, P),
    /// Read this prompt, then tell [`Queue::has_read`] and ask again.
    Read(usize),
    /// There is no room, or another worker reads the prompt. Go on with what there is, ask again later.
    Later,
    /// Every sample has started.
    Nothing,
}

/// What a worker has in progress.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    rows: usize,
    /// The most tokens of a sample since it was last empty.
    longest: usize,
}

impl Load {
    fn tokens(self) -> usize {
        self.rows * self.longest
    }

    fn with(self, sample: &Sample) -> Self {
        Self { rows: self.rows + 1, longest: self.longest.max(sample.max_tokens) }
    }
}

#[derive(Debug)]
enum State<P> {
    Unread,
    BeingRead,
    Read(P),
    Done,
}

#[derive(Debug)]
pub(super) struct Queue<P> {
    limits: Limits,
    prompts: Vec<(Prompt, State<P>)>,
    waiting: VecDeque<Sample>,
    loads: Vec<Load>,
    prompt_tokens: usize,
}

impl<P: Clone> Queue<P> {
    pub(super) fn new(plan: Plan, limits: Limits) -> Self {
        let prompts = plan.prompts.into_iter().map(|prompt| (prompt, State::Unread)).collect();
        let loads = vec![Load::default(); limits.workers];
        Self { limits, prompts, waiting: plan.samples, loads, prompt_tokens: 0 }
    }

    pub(super) fn next(&mut self, worker: usize) -> Next<P> {
        let Some(&sample) = self.waiting.front() else { return Next::Nothing };
        if !self.has_row(worker) {
            return Next::Later;
        }
        let rows = self.tokens() - self.loads[worker].tokens() + self.loads[worker].with(&sample).tokens();
        let (prompt, state) = &mut self.prompts[sample.prompt];
        match state {
            State::Unread if rows + prompt.tokens.len() <= self.limits.token_budget => {
                self.prompt_tokens += prompt.tokens.len();
                *state = State::BeingRead;
                Next::Read(sample.prompt)
            }
            State::Read(read) if rows <= self.limits.token_budget => {
                self.loads[worker] = self.loads[worker].with(&sample);
                self.waiting.pop_front();
                Next::Start(sample, read.clone())
            }
            State::Unread | State::BeingRead | State::Read(_) | State::Done => Next::Later,
        }
    }

    /// Whether samples wait.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The tokens of a prompt.
    pub(super) fn prompt(&self, prompt: usize) -> &[u32] {
        &self.prompts[prompt].0.tokens
    }

    /// A prompt that [`Queue::next`] asked for has been read.
    pub(super) fn has_read(&mut self, prompt: usize, read: P) {
        self.prompts[prompt].1 = State::Read(read);
    }

    /// A sample that had started has ended.
    pub(super) fn end(&mut self, worker: usize, sample: &Sample) {
        let load = &mut self.loads[worker];
        load.rows -= 1;
        if load.rows == 0 {
            load.longest = 0;
        }
        let (prompt, state) = &mut self.prompts[sample.prompt];
        prompt.samples -= 1;
        if prompt.samples == 0 {
            self.prompt_tokens -= prompt.tokens.len();
            *state = State::Done;
        }
    }

    /// What will not start any more.
    pub(super) fn drain(&mut self) -> VecDeque<Sample> {
        std::mem::take(&mut self.waiting)
    }

    /// Tokens that there are, or may come to be, keys and values for.
    pub(super) fn tokens(&self) -> usize {
        self.prompt_tokens + self.loads.iter().map(|load| load.tokens()).sum::<usize>()
    }

    /// Whether `worker` may have another row. What is left is divided evenly: the last samples would else be one
    /// worker's, and the others idle.
    fn has_row(&self, worker: usize) -> bool {
        let running: usize = self.loads.iter().map(|load| load.rows).sum();
        let share = (running + self.waiting.len()).min(self.limits.max_rows).div_ceil(self.limits.workers);
        running < self.limits.max_rows && self.loads[worker].rows < share
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
