//! Turns: a model writes, the farm judges, and what it says is in the next turn's prompt.

use super::error::Result;
use super::prompts::{self, Answer, Ask, Failed};
use super::settings::Language;
use super::task::{self, Task, Tests};
use super::teacher;
use crate::evaluate::feedback::feedback;
use crate::generate::{Completion, Generator, Request, Sampling};
use crate::selfplay::event::Event;
use crate::selfplay::judge::{Judge, Known, Work};
use crate::selfplay::rollout::{check_available, complete};
use crate::selfplay::{Listener, SelfPlayError};
use proofloop_datasets::store::{CandidateId, NewTurn, VerdictRecord};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Candidates that may be with the farm at once.
const UNDER_WAY: usize = 2048;

/// What the store calls the verdict of what could not be judged.
pub(super) const UNAVAILABLE: &str = "unavailable";

/// Who judges.
#[derive(Clone, Copy)]
pub(super) struct Examiner<'a> {
    pub(super) judge: &'a Judge,
    pub(super) listener: &'a Listener,
}

/// How a generator is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// With the text so far, to go on from.
    Continued,
    /// In words.
    Instructed,
}

impl Manner {
    fn prompt(self, question: &Question<'_>) -> String {
        match self {
            Self::Continued => prompts::prompt(&question.task.problem, &question.failed, question.ask),
            Self::Instructed => teacher::message(&question.task.problem, &question.failed, question.ask),
        }
    }

    fn read(self, language: Language, question: &Question<'_>, text: &str) -> Option<Answer> {
        match self {
            Self::Continued => prompts::read(language, question.ask, text),
            Self::Instructed => teacher::read(&question.task.problem, question.ask, text),
        }
    }
}

/// Who writes and who judges.
pub(super) struct Talk<'a> {
    pub(super) generator: &'a dyn Generator,
    pub(super) manner: Manner,
    /// Longest answer.
    pub(super) max_tokens: NonZeroUsize,
    pub(super) examiner: Examiner<'a>,
    pub(super) cancel: &'a CancellationToken,
}

/// A prompt of a task, to be answered a number of times.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    pub(super) task: &'a Task,
    pub(super) ask: Ask,
    /// What was tried before.
    pub(super) failed: Vec<Failed>,
    /// The number of the first answer's trajectory; the others follow it.
    pub(super) first: u32,
    pub(super) samples: NonZeroUsize,
    pub(super) seed: u64,
}

/// What is known of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) candidate: CandidateId,
    pub(super) shown: Option<CandidateId>,
    /// Whether there is a verdict: where the infrastructure failed, nothing is said of it and nothing learnt.
    pub(super) is_known: bool,
    pub(super) is_accepted: bool,
    /// What can be said of it; never of a hidden test.
    pub(super) feedback: Option<String>,
}

/// A turn that was taken.
#[derive(Debug, Clone)]
pub(super) struct Taken<'a> {
    pub(super) task: &'a Task,
    pub(super) ask: Ask,
    pub(super) failed: Vec<Failed>,
    pub(super) prompt: String,
    pub(super) sample: u32,
    pub(super) completion: Completion,
    pub(super) answer: Option<Answer>,
    pub(super) judged: Option<Judged>,
    pub(super) read_tokens: u32,
}

impl Taken<'_> {
    pub(super) fn is_accepted(&self) -> bool {
        self.judged.as_ref().is_some_and(|judged| judged.is_accepted)
    }

    /// Whether it has failed or not: without an answer it has; where the infrastructure failed, nobody knows.
    pub(super) fn is_judged(&self) -> bool {
        self.answer.is_none() || self.judged.as_ref().is_some_and(|judged| judged.is_known)
    }

    /// What the next turn is told; `None` if there is nothing to be told.
    pub(super) fn failure(&self) -> Option<Failed> {
        let (answer, judged) = (self.answer.as_ref()?, self.judged.as_ref()?);
        let feedback = judged.feedback.clone().filter(|_| !judged.is_accepted)?;
        Some(Failed { answer: answer.clone(), feedback })
    }

    /// As the store keeps it.
    pub(super) fn record(&self, stage: &str, iteration: u32) -> NewTurn {
        NewTurn {
            stage: stage.to_owned(),
            iteration,
            statement: self.task.id,
            sample: self.sample,
            turn: u32::try_from(self.failed.len()).unwrap_or(u32::MAX),
            text: self.completion.text.clone(),
            candidate: self.judged.as_ref().map(|judged| judged.candidate),
            shown: self.judged.as_ref().and_then(|judged| judged.shown),
            tokens: u32::try_from(self.completion.tokens).unwrap_or(u32::MAX),
            read_tokens: self.read_tokens,
            finish: self.completion.finish.name().to_owned(),
        }
    }
}

impl Talk<'_> {
    pub(super) fn sampling(&self, temperature: f64) -> Sampling {
        Sampling { temperature, max_tokens: self.max_tokens, ..Sampling::default() }
    }

    /// Answers every question and judges the answers. In the order of the questions and their samples.
    pub(super) async fn take<'a>(
        &self,
        language: Language,
        questions: Vec<Question<'a>>,
        sampling: &Sampling,
        count_tokens: &dyn Fn(&str) -> u32,
    ) -> Result<Vec<Taken<'a>>> {
        let ask = |question: &Question<'_>| Request {
            prompt: self.manner.prompt(question),
            samples: question.samples,
            seed: question.seed,
            sampling: sampling.clone(),
            stream: false,
        };
        let requests: Vec<Request> = questions.iter().map(ask).collect();
        let texts: Vec<String> = requests.iter().map(|request| request.prompt.clone()).collect();
        let completions = complete(self.generator, requests, self.examiner.listener, self.cancel).await?;
        if self.cancel.is_cancelled() {
            return Err(SelfPlayError::Interrupted.into());
        }
        let mut taken = Vec::new();
        for ((question, prompt), completions) in questions.into_iter().zip(texts).zip(completions) {
            let read_tokens = count_tokens(&prompt);
            for (sample, completion) in (question.first..).zip(completions) {
                taken.push(Taken {
                    task: question.task,
                    ask: question.ask,
                    failed: question.failed.clone(),
                    prompt: prompt.clone(),
                    sample,
                    answer: self.manner.read(language, &question, &completion.text),
                    completion,
                    judged: None,
                    read_tokens,
                });
            }
        }
        let answers =
            taken.iter().map(|one| one.answer.as_ref().map(|answer| (one.task, answer.code.as_str())));
        let judged = self.examiner.judge(answers).await?;
        taken.iter_mut().zip(judged).for_each(|(one, judged)| one.judged = judged);
        Ok(taken)
    }
}

impl Examiner<'_> {
    /// Judges answers, `None` for none: the shown tests first, and the hidden ones of what passes them.
    pub(super) async fn judge<'t>(
        &self,
        answers: impl Iterator<Item = Option<(&'t Task, &'t str)>>,
    ) -> Result<Vec<Option<Judged>>> {
        let answers: Vec<Option<(&Task, &str)>> = answers.collect();
        let works = |which: Tests, is_wanted: &dyn Fn(usize) -> bool| -> Vec<(usize, Work)> {
            let wanted = answers.iter().enumerate().filter(|(index, _)| is_wanted(*index));
            let work = |(index, answer): (usize, &Option<(&Task, &str)>)| {
                let (task, code) = (*answer)?;
                task::work(&task.problem, code, which).map(|work| (index, work))
            };
            wanted.filter_map(work).collect()
        };
        let hides = |index: usize| answers[index].is_some_and(|(task, _)| task::hides_tests(&task.problem));
        let shown = self.ask(works(Tests::Shown, &|_| true)).await?;
        let passes = |index: usize| hides(index) && shown.get(&index).is_some_and(Known::is_accepted);
        let all = self.ask(works(Tests::All, &passes)).await?;
        check_available(shown.values().chain(all.values()))?;
        let one = |index: usize| -> Result<Option<Judged>> {
            let (Some((task, code)), Some(known)) = (answers[index], shown.get(&index)) else {
                return Ok(None);
            };
            let first = self.kept(task, code, Tests::Shown, known)?;
            let last = match all.get(&index) {
                Some(known) => self.kept(task, code, Tests::All, known)?,
                None => first.clone(),
            };
            let shown = hides(index).then_some(first.0);
            let feedback = feedback(&task.problem, &first.1);
            let is_known = last.1.verdict != UNAVAILABLE;
            Ok(Some(Judged {
                candidate: last.0,
                shown,
                is_known,
                is_accepted: last.1.is_accepted(),
                feedback,
            }))
        };
        (0..answers.len()).map(one).collect()
    }

    /// Whether answers pass all tests, where nothing need be said of those that don't; `false` also where it is not known.
    pub(super) async fn accepts(&self, answers: &[(&Task, &str)]) -> Result<Vec<bool>> {
        let work = |(index, (task, code)): (usize, &(&Task, &str))| {
            task::work(&task.problem, code, Tests::All).map(|work| (index, work))
        };
        let known = self.ask(answers.iter().enumerate().filter_map(work).collect()).await?;
        check_available(known.values())?;
        Ok((0..answers.len()).map(|index| known.get(&index).is_some_and(Known::is_accepted)).collect())
    }

    /// A candidate as the store has it; one that could not be judged is kept as such.
    fn kept(
        &self,
        task: &Task,
        code: &str,
        which: Tests,
        known: &Known,
    ) -> Result<(CandidateId, VerdictRecord)> {
        Ok(match (known, task::work(&task.problem, code, which)) {
            (Known::Judged(id, record), _) => (*id, record.clone()),
            (Known::Unavailable(record), Some(work)) => (self.judge.keep(&work, record)?, record.clone()),
            (Known::Unavailable(_), None) => return Err(SelfPlayError::FarmEnded.into()),
        })
    }

    /// The share of the tests that an answer passes, each judged by itself; `None` where a problem has no tests to count, or
    /// one could not be judged.
    pub(super) async fn pass_rates<'t>(&self, answers: &[(&'t Task, &'t str)]) -> Result<Vec<Option<f64>>> {
        let mut works = Vec::new();
        let mut places = Vec::new();
        for (index, (task, code)) in answers.iter().enumerate() {
            for place in 0..task::test_count(&task.problem) {
                if let Some(work) = task::work(&task.problem, code, Tests::One(place)) {
                    works.push((works.len(), work));
                    places.push(index);
                }
            }
        }
        let known = self.ask(works).await?;
        check_available(known.values())?;
        let mut counts = vec![(0_u32, 0_u32, false); answers.len()];
        for (number, &index) in places.iter().enumerate() {
            let (passed, all, is_open) = &mut counts[index];
            *all += 1;
            match known.get(&number) {
                Some(known @ Known::Judged(..)) => *passed += u32::from(known.is_accepted()),
                Some(Known::Unavailable(_)) | None => *is_open = true,
            }
        }
        let rate = |(passed, all, is_open): (u32, u32, bool)| {
            (all > 0 && !is_open).then(|| f64::from(passed) / f64::from(all))
        };
        Ok(counts.into_iter().map(rate).collect())
    }

    /// What the farm says of each, equal ones asked once.
    async fn ask(&self, works: Vec<(usize, Work)>) -> Result<BTreeMap<usize, Known>> {
        let mut numbers: HashMap<(String, String, String), Vec<usize>> = HashMap::new();
        let mut distinct = Vec::new();
        for (index, work) in works {
            let key = (work.header.clone(), work.statement.clone(), work.completion.clone());
            let same = numbers.entry(key.clone()).or_default();
            if same.is_empty() {
                distinct.push((key, work));
            }
            same.push(index);
        }
        let mut known = BTreeMap::new();
        let mut judging = JoinSet::new();
        let mut left = distinct.into_iter();
        loop {
            while judging.len() < UNDER_WAY
                && let Some((key, work)) = left.next()
            {
                let judge = self.judge.clone();
                judging.spawn(async move { (key, judge.judge(work).await) });
            }
            let Some(judged) = judging.join_next().await else { break };
            let (key, one) = judged.map_err(|error| SelfPlayError::Worker(error.to_string()))?;
            let one = one?;
            let same = numbers.remove(&key).unwrap_or_default();
            let (count, accepted) =
                (same.len() as u64, if one.is_accepted() { same.len() as u64 } else { 0 });
            self.listener.tell(Event::Judged { count, accepted });
            known.extend(same.into_iter().map(|index| (index, one.clone())));
        }
        Ok(known)
    }
}
