//! Which samples are asked for next, and what is told of those that came. Waits for nothing: the run does.

use std::collections::VecDeque;

use super::call::{Call, End, Report};
use crate::generate::error::{GenerateError, Result};
use crate::generate::{Completion, Event, FinishReason, Request, Usage};

/// After so many answers with fewer samples than asked for, no more are asked for than have ever come.
const SHORT_ANSWERS: u32 = 2;

/// What is left to do.
pub(super) struct Plan {
    requests: Vec<Left>,
    /// The first request that has samples nobody has asked for.
    current: usize,
    again: VecDeque<Call>,
    per_call: usize,
    most_given: usize,
    short_answers: u32,
    usage: Usage,
}

/// What is left of a request.
struct Left {
    samples: usize,
    next: usize,
    per_call: usize,
    has_failed: bool,
    is_prompt_counted: bool,
}

impl Plan {
    pub(super) fn new(requests: &[Request], per_call: usize) -> Self {
        let left = |request: &Request| Left {
            samples: request.samples.get(),
            next: 0,
            // vLLM refuses several samples at temperature 0, where all would be the same.
            per_call: if request.sampling.temperature > 0.0 { per_call } else { 1 },
            has_failed: false,
            is_prompt_counted: false,
        };
        Self {
            requests: requests.iter().map(left).collect(),
            current: 0,
            again: VecDeque::new(),
            per_call,
            most_given: 0,
            short_answers: 0,
            usage: Usage::default(),
        }
    }

    /// The next call, if there is one now: a call that is under way may come back with samples to ask for again.
    pub(super) fn next(&mut self) -> Option<Call> {
        if let Some(mut call) = self.again.pop_front() {
            let per_call = self.per_call.min(self.requests[call.request].per_call);
            if call.samples.len() > per_call {
                let samples = call.samples.split_off(per_call);
                self.again.push_front(Call { request: call.request, samples });
            }
            return Some(call);
        }
        let is_done = |left: &&Left| left.next == left.samples;
        self.current += self.requests[self.current..].iter().take_while(is_done).count();
        let left = self.requests.get_mut(self.current)?;
        let first = left.next;
        left.next = left.samples.min(first.saturating_add(self.per_call.min(left.per_call)));
        Some(Call { request: self.current, samples: (first..left.next).collect() })
    }

    /// What is told of a call.
    ///
    /// # Errors
    /// What ends everything.
    pub(super) fn settle(&mut self, report: Report) -> Result<Vec<Event>> {
        self.learn(&report);
        self.count(&report);
        let Report { request, completed, missing, end, .. } = report;
        let completed = completed.into_iter();
        let mut events: Vec<Event> =
            completed.map(|(sample, completion)| Event::Completed { request, sample, completion }).collect();
        if !missing.is_empty() {
            self.again.push_back(Call { request, samples: missing });
        }
        match end {
            End::Answered | End::Cancelled => {}
            End::Broken { samples, error } => events.extend(self.fail(request, samples, error)),
            End::Failed { mut samples, error } => {
                samples.extend(self.give_up(request));
                events.extend(self.fail(request, samples, error));
            }
            End::Everything(error) => return Err(error),
        }
        Ok(events)
    }

    /// Every sample that nobody has asked for, as the caller gets it when it cancels.
    pub(super) fn cancel(&mut self) -> impl Iterator<Item = Event> {
        let again = std::mem::take(&mut self.again);
        let again = again
            .into_iter()
            .flat_map(|call| call.samples.into_iter().map(move |sample| (call.request, sample)));
        let unasked = |(request, left): (usize, &mut Left)| {
            let samples = std::mem::replace(&mut left.next, left.samples)..left.samples;
            samples.map(move |sample| (request, sample))
        };
        let unasked = self.requests.iter_mut().enumerate().flat_map(unasked);
        again.chain(unasked).map(|(request, sample)| Event::Completed {
            request,
            sample,
            completion: super::draft::never_begun(),
        })
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Learns from an answer how many samples the server gives at once.
    fn learn(&mut self, report: &Report) {
        self.most_given = self.most_given.max(report.given);
        if matches!(report.end, End::Answered) && report.given < report.asked {
            self.short_answers += 1;
        }
        if self.short_answers >= SHORT_ANSWERS && self.most_given < self.per_call {
            tracing::debug!(
                samples = self.most_given,
                "the server gives fewer samples a call than asked for"
            );
            self.per_call = self.most_given.max(1);
        }
        if report.refuses_n {
            self.per_call = 1;
        }
    }

    fn count(&mut self, report: &Report) {
        let is_whole = |completion: &&Completion| completion.finish != FinishReason::Cancelled;
        let whole = report.completed.iter().map(|(_, completion)| completion).filter(is_whole);
        let (samples, sum, uncounted) = whole.fold((0, 0, 0), |(samples, sum, uncounted), completion| {
            let tokens = completion.tokens as u64;
            (samples + 1, sum + tokens, uncounted + u64::from(tokens == 0))
        });
        self.usage.completions += samples;
        match report.usage.and_then(|usage| usage.completion_tokens) {
            Some(tokens) => self.usage.completion_tokens += tokens,
            None => {
                self.usage.completion_tokens += sum;
                self.usage.uncounted_completions += uncounted;
            }
        }
        if let Some(tokens) = report.usage.and_then(|usage| usage.prompt_tokens) {
            let left = &mut self.requests[report.request];
            if !std::mem::replace(&mut left.is_prompt_counted, true) {
                self.usage.prompt_tokens += tokens;
            }
        }
    }

    fn fail(&mut self, request: usize, samples: Vec<usize>, error: GenerateError) -> Option<Event> {
        if samples.is_empty() {
            return None;
        }
        if !std::mem::replace(&mut self.requests[request].has_failed, true) {
            self.usage.failed_requests += 1;
        }
        Some(Event::Failed { request, samples, error })
    }

    /// The samples of a request that will not be asked for any more.
    fn give_up(&mut self, request: usize) -> Vec<usize> {
        let left = &mut self.requests[request];
        let unasked = std::mem::replace(&mut left.next, left.samples)..left.samples;
        let again = self.again.iter().filter(|call| call.request == request);
        let samples = again.flat_map(|call| call.samples.iter().copied()).chain(unasked).collect();
        self.again.retain(|call| call.request != request);
        samples
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::answer;
    use super::*;
    use crate::generate::Sampling;

    fn plan(samples: &[usize], per_call: usize) -> Plan {
        let request = |samples: &usize| Request {
            prompt: String::new(),
            samples: NonZeroUsize::new(*samples).expect("not 0"),
            seed: 0,
            sampling: Sampling::default(),
            stream: false,
        };
        Plan::new(&samples.iter().map(request).collect::<Vec<_>>(), per_call)
    }

    /// The call was answered with its first `given` samples.
    fn answered(call: &Call, given: usize) -> Report {
        let completion = Completion { finish: FinishReason::Stop, ..super::super::draft::never_begun() };
        Report {
            request: call.request,
            completed: call.samples[..given].iter().map(|sample| (*sample, completion.clone())).collect(),
            missing: call.samples[given..].to_vec(),
            end: End::Answered,
            asked: call.samples.len(),
            given,
            refuses_n: false,
            usage: None,
        }
    }

    fn call(request: usize, samples: &[usize]) -> Call {
        Call { request, samples: samples.to_vec() }
    }

    #[test]
    fn samples_are_asked_for_in_order() {
        let mut plan = plan(&[5, 1, 4], 2);
        let calls: Vec<Call> = std::iter::from_fn(|| plan.next()).collect();
        let expected = [
            call(0, &[0, 1]),
            call(0, &[2, 3]),
            call(0, &[4]),
            call(1, &[0]),
            call(2, &[0, 1]),
            call(2, &[2, 3]),
        ];
        assert_eq!(calls, expected);
    }

    #[test]
    fn at_temperature_0_each_sample_is_a_call() {
        let mut plan = plan(&[2], 8);
        plan.requests[0].per_call = 1;
        assert_eq!([plan.next(), plan.next(), plan.next()], [Some(call(0, &[0])), Some(call(0, &[1])), None]);
    }

    #[test]
    fn what_is_missing_comes_first_and_twice_is_a_habit() {
        let mut plan = plan(&[8, 8], 8);
        let first = plan.next().expect("a call");
        assert_eq!(plan.settle(answered(&first, 3)).expect("an answer").len(), 3);
        let rest = plan.next().expect("a call");
        assert_eq!(rest, call(0, &[3, 4, 5, 6, 7]));
        plan.settle(answered(&rest, 1)).expect("an answer");
        assert_eq!(plan.next(), Some(call(0, &[4, 5, 6])), "three is the most that ever came");
        assert_eq!(plan.next(), Some(call(0, &[7])));
        assert_eq!(plan.next(), Some(call(1, &[0, 1, 2])));
    }

    #[test]
    fn a_request_that_fails_takes_what_was_not_asked_for_along() {
        let mut plan = plan(&[6, 1], 2);
        let (first, second) = (plan.next().expect("a call"), plan.next().expect("a call"));
        plan.settle(answered(&first, 1)).expect("an answer");
        let error = GenerateError::Rejected { status: 400, message: String::new() };
        let end = End::Failed { samples: second.samples.clone(), error };
        let report = Report { completed: vec![], missing: vec![], end, ..answered(&second, 0) };
        let events = plan.settle(report).expect("no end of everything");
        let [Event::Failed { request: 0, samples, .. }] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(samples, &[2, 3, 1, 4, 5]);
        assert_eq!(plan.next(), Some(call(1, &[0])));
        assert_eq!((plan.next(), plan.usage().failed_requests), (None, 1));
    }

    #[test]
    fn tokens_are_counted_once_and_never_made_up() {
        let mut plan = plan(&[6], 2);
        let calls: Vec<Call> = std::iter::from_fn(|| plan.next()).collect();
        let usage =
            |prompt_tokens, completion_tokens| Some(answer::Usage { prompt_tokens, completion_tokens });
        for (call, usage) in calls.iter().zip([usage(Some(7), Some(20)), usage(Some(7), None), None]) {
            plan.settle(Report { usage, ..answered(call, 2) }).expect("an answer");
        }
        let expected = Usage {
            prompt_tokens: 7,
            completion_tokens: 20,
            completions: 6,
            failed_requests: 0,
            uncounted_completions: 4,
        };
        assert_eq!(plan.usage(), expected);
    }

    #[test]
    fn a_cancellation_leaves_no_sample_out() {
        let mut plan = plan(&[3, 2], 2);
        let first = plan.next().expect("a call");
        plan.settle(answered(&first, 1)).expect("an answer");
        let told: Vec<(usize, usize)> = plan
            .cancel()
            .map(|event| match event {
                Event::Completed { request, sample, completion } => {
                    assert_eq!(completion.finish, FinishReason::Cancelled);
                    (request, sample)
                }
                Event::Piece { .. } | Event::Failed { .. } => panic!("{event:?}"),
            })
            .collect();
        assert_eq!(told, [(0, 1), (0, 2), (1, 0), (1, 1)]);
        assert_eq!(plan.next(), None);
    }
}
