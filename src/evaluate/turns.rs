//! Later turns: whoever answered wrongly hears why and answers again.
//!
//! As with samples, a turn is in the store before it is judged, and only those that are missing are drawn.

use super::candidate::Form;
use super::error::{EvaluateError, Result};
use super::feedback::feedback;
use super::session::{Drawing, Feed, Missing, Session, problem_seed};
use super::statistics::Bootstrap;
use super::worth::{Tries, Worth, worth};
use crate::generate::{Event, FinishReason, GenerateError, Request, sample_seed};
use crate::records;
use proofloop_datasets::store::{EvaluationStore, NewLaterTurn, TurnTally, VerdictRecord, WrongAnswer};
use proofloop_datasets::{Kind, Problem, PythonProblem};
use proofloop_verifiers::candidate::{Candidate, PythonCandidate};
use proofloop_verifiers::verdict::Verdict;
use std::num::NonZeroUsize;
use tokio::sync::mpsc;

/// Later turns that are written in one transaction.
const WRITTEN_AT_ONCE: usize = 128;

/// A wrong answer that will be answered again.
struct Again {
    problem: u32,
    sample: u32,
    request: Request,
}

impl Session<'_> {
    /// Draws and judges what is missing of the turns behind the first, so many in all. First answers must have been
    /// [drawn and judged](Self::run).
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn run_turns(&self, drawing: Drawing<'_>, turns: u32) -> Result<Missing> {
        let mut missing = Missing::default();
        for turn in 1..turns {
            let wrong = self.store().wrong_before(turn)?;
            let mut again = Vec::new();
            for one in &wrong {
                again.extend(self.again(&drawing, turn, one).await?);
            }
            missing.undrawn.extend(self.draw_again(&drawing, turn, again).await?);
            let judged = self.judge(&Feed::of_all()).await?;
            missing.unavailable += judged.unavailable;
            missing.cause = judged.cause.or(missing.cause);
        }
        Ok(missing)
    }

    /// The next turn behind a wrong answer; none where nothing can be said of it.
    async fn again(&self, drawing: &Drawing<'_>, turn: u32, wrong: &WrongAnswer) -> Result<Option<Again>> {
        let problem = &self.problems[wrong.problem as usize];
        let record = match shown_tests(problem, wrong, self.family) {
            None => wrong.verdict.clone(),
            // The verdict may be on a hidden test, of which nothing is said.
            Some(shown) => match self.shown_verdict(shown).await? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        let Some(feedback) = feedback(problem, &record) else { return Ok(None) };
        let prompt = drawing.prompt(problem)?;
        let is_talked_to = drawing.as_messages || drawing.family.is_chat();
        let seed = problem_seed(drawing.seed ^ sample_seed(u64::from(turn), 0), problem);
        Ok(Some(Again {
            problem: wrong.problem,
            sample: wrong.sample,
            request: Request {
                prompt: next_prompt(problem, &prompt, &wrong.completion, &feedback, is_talked_to),
                samples: NonZeroUsize::MIN,
                seed: sample_seed(seed, wrong.sample as usize),
                sampling: drawing.sampling.clone(),
                stream: false,
            },
        }))
    }

    /// What the shown tests alone say; `None` where they pass, or nobody could judge.
    async fn shown_verdict(&self, shown: Candidate) -> Result<Option<VerdictRecord>> {
        let ticket = self.farm.submit(shown).await.map_err(|_closed| EvaluateError::FarmEnded)?;
        let judgement = ticket.judgement().await.ok_or(EvaluateError::FarmEnded)?;
        if judgement.verdict == Verdict::Cancelled {
            return Err(EvaluateError::Interrupted);
        }
        let record = records::verdict_record(&judgement);
        Ok(if record.is_accepted() { None } else { Some(record) })
    }

    /// Gives those that could not be drawn: the next time the evaluation is gone on with, they are tried once more.
    async fn draw_again(
        &self,
        drawing: &Drawing<'_>,
        turn: u32,
        again: Vec<Again>,
    ) -> Result<Vec<(u32, usize, GenerateError)>> {
        if again.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<(u32, u32)> = again.iter().map(|one| (one.problem, one.sample)).collect();
        let requests = again.into_iter().map(|one| one.request).collect();
        let (sender, mut events) = mpsc::channel(WRITTEN_AT_ONCE);
        let generating = async { Ok(drawing.generator.generate(requests, sender, self.cancel).await?) };
        let collecting = async {
            let (mut waiting, mut undrawn) = (Vec::new(), Vec::new());
            while let Some(event) = events.recv().await {
                match event {
                    Event::Piece { .. } => {}
                    Event::Failed { request, samples, error } => {
                        undrawn.push((places[request].0, samples.len(), error));
                    }
                    Event::Completed { completion, .. } if completion.finish == FinishReason::Cancelled => {}
                    Event::Completed { request, completion, .. } => {
                        waiting.push((places[request], completion));
                        if waiting.len() >= WRITTEN_AT_ONCE {
                            self.keep_turns(turn, &mut waiting)?;
                        }
                    }
                }
            }
            self.keep_turns(turn, &mut waiting)?;
            Ok::<_, EvaluateError>(undrawn)
        };
        let (_usage, undrawn) = tokio::try_join!(generating, collecting)?;
        if self.cancel.is_cancelled() { Err(EvaluateError::Interrupted) } else { Ok(undrawn) }
    }

    fn keep_turns(
        &self,
        turn: u32,
        waiting: &mut Vec<((u32, u32), crate::generate::Completion)>,
    ) -> Result<()> {
        let new = waiting.iter().map(|((problem, sample), completion)| NewLaterTurn {
            problem: *problem,
            sample: *sample,
            turn,
            form: Form::Raw.name(),
            completion: &completion.text,
            tokens: u32::try_from(completion.tokens).ok().filter(|tokens| *tokens > 0),
            read_tokens: 0,
            finish: Some(completion.finish.name()),
        });
        self.store().add_turns(&new.collect::<Vec<_>>())?;
        waiting.clear();
        Ok(())
    }
}

/// The answer with the shown tests alone, where a problem has hidden ones.
fn shown_tests(
    problem: &Problem,
    wrong: &WrongAnswer,
    family: Option<&super::prompt::PromptFamily>,
) -> Option<Candidate> {
    let Kind::Python(PythonProblem::Function { tests, hidden_tests, .. }) = &problem.kind else {
        return None;
    };
    if hidden_tests.is_empty() {
        return None;
    }
    let form = Form::from_name(&wrong.form).unwrap_or(Form::Raw);
    match super::candidate(problem, form, &wrong.completion, family).ok()? {
        Candidate::Python(PythonCandidate::Asserts { code, setup, .. }) => {
            Some(Candidate::Python(PythonCandidate::Asserts { code, setup, tests: tests.clone() }))
        }
        Candidate::Python(_) | Candidate::Lean(_) | Candidate::Isabelle(_) => None,
    }
}

/// Prompt, wrong answer and feedback as the next prompt. A model that is talked to is asked for another answer; one that
/// continues text sees the failed attempt with a comment, and the beginning once more.
fn next_prompt(problem: &Problem, prompt: &str, wrong: &str, feedback: &str, is_talked_to: bool) -> String {
    if is_talked_to {
        return format!(
            "{prompt}\n\nYour answer was:\n\n{wrong}\n\nIt fails: {feedback}\n\nSay in a few words what is wrong with it, then answer again in the same form."
        );
    }
    let (open, close) = match problem.kind {
        Kind::Python(_) => ("# ", ""),
        Kind::Lean(_) | Kind::LeanGaps(_) => ("-- ", ""),
        Kind::Isabelle(_) => ("(* ", " *)"),
    };
    let comment = |line: &str| format!("{open}{line}{close}\n");
    let (fails, corrected) = (comment("The above fails:"), comment("Corrected:"));
    let told: String = feedback.lines().map(comment).collect();
    format!("{prompt}{}\n{fails}{told}{corrected}{prompt}", wrong.trim_end())
}

/// What the later turns were worth; `None` where there are none, or a problem has no judged sample.
///
/// # Errors
/// The store can't be read.
pub(super) fn worth_of(store: &EvaluationStore, bootstrap: Bootstrap) -> Result<Option<Worth>> {
    let tries = |tally: &TurnTally| Tries {
        samples: tally.samples,
        accepted: tally.accepted,
        tried: tally.tried,
        refined: tally.refined,
        first_tokens: tally.first_tokens,
        later_tokens: tally.later_tokens,
        later_read_tokens: tally.later_read_tokens,
    };
    let problems: Vec<Tries> = store.turn_tallies()?.iter().map(tries).collect();
    Ok(worth(&problems, bootstrap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::prompt::sample_problems;

    #[test]
    fn the_next_prompt_has_the_wrong_answer_and_what_was_wrong() {
        let problem = sample_problems::human_eval();
        let next = |is_talked_to| {
            next_prompt(&problem, "def f(n):\n", "    return 1\n", "f(2) == 2 but got 1", is_talked_to)
        };
        insta::assert_snapshot!(next(false), @r"
        def f(n):
            return 1
        # The above fails:
        # f(2) == 2 but got 1
        # Corrected:
        def f(n):
        ");
        assert!(next(true).contains("It fails: f(2) == 2 but got 1"));
        let isabelle = sample_problems::isabelle();
        insta::assert_snapshot!(next_prompt(&isabelle, "lemma \"x\"", "\n  by simp", "goal\n 1. x", false), @r#"
        lemma "x"
          by simp
        (* The above fails: *)
        (* goal *)
        (*  1. x *)
        (* Corrected: *)
        lemma "x"
        "#);
    }
}
