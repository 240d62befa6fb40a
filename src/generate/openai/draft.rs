//! A sample while it comes, and what becomes of it at its end.

use std::sync::Arc;

use super::answer::{Choice, StoppedBy};
use super::cut::Cutter;
use super::error::CallError;
use crate::generate::{Completion, FinishReason, Sampling};

/// One choice of a call, put together from one piece or many.
pub(super) struct Draft {
    cutter: Cutter,
    has_stops: bool,
    max_tokens: usize,
    seen: bool,
    /// How much of the text the listener has.
    told_bytes: usize,
    /// `None` as soon as one is missing.
    log_probs: Option<Vec<f32>>,
    finish_reason: Option<String>,
    stopped_by: Option<StoppedBy>,
}

/// A sample of which nothing has come when the caller cancels.
pub(super) fn never_begun() -> Completion {
    Completion {
        text: String::new(),
        finish: FinishReason::Cancelled,
        tokens: 0,
        token_ids: None,
        log_probs: None,
    }
}

/// A sample that is no completion, though the server says that it is done.
#[derive(Debug)]
pub(super) enum NotDone {
    /// The server gave up on it; another attempt may succeed.
    GaveUp(CallError),
    /// The server withholds it.
    Withheld,
}

impl Draft {
    pub(super) fn new(sampling: &Sampling, stops: Arc<[String]>) -> Self {
        Self {
            has_stops: !stops.is_empty(),
            cutter: Cutter::new(stops),
            max_tokens: sampling.max_tokens.get(),
            seen: false,
            told_bytes: 0,
            log_probs: sampling.log_probs.then(Vec::new),
            finish_reason: None,
            stopped_by: None,
        }
    }

    pub(super) fn add(&mut self, choice: Choice) {
        self.seen = true;
        self.cutter.push(choice.text());
        if let Some(all) = &mut self.log_probs {
            match choice.log_probs().map(|more| more.into_iter().collect::<Option<Vec<f32>>>()) {
                Some(Some(more)) => all.extend(more),
                Some(None) => self.log_probs = None,
                // Events without a token have none: a role, a finish reason.
                None if choice.text().is_empty() => {}
                None => self.log_probs = None,
            }
        }
        self.stopped_by = choice.stopped_by().or(self.stopped_by);
        if let Some(reason) = choice.finish_reason {
            self.finish_reason = Some(reason);
            self.cutter.end();
        }
    }

    /// The stream has ended in order: what has no finish reason is done all the same.
    pub(super) fn end(&mut self) {
        self.cutter.end();
    }

    /// Anything of it has come.
    pub(super) fn is_seen(&self) -> bool {
        self.seen
    }

    /// The server has said that it is done.
    pub(super) fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// The listener has a part of it.
    pub(super) fn is_told(&self) -> bool {
        self.told_bytes > 0
    }

    /// Text that can be told and was not yet.
    pub(super) fn untold(&self) -> Option<&str> {
        Some(&self.cutter.safe()[self.told_bytes..]).filter(|piece| !piece.is_empty())
    }

    /// What [`Draft::untold`] gave has reached the listener.
    pub(super) fn told(&mut self) {
        self.told_bytes = self.cutter.safe().len();
    }

    /// What the caller gets if it cancels now: the text that it has been told.
    pub(super) fn cancelled(self) -> Completion {
        let mut text = self.cutter.into_text();
        text.truncate(self.told_bytes);
        Completion { text, ..never_begun() }
    }

    /// Tokens, counted in the log-probabilities.
    fn counted_tokens(&self) -> Option<usize> {
        self.log_probs.as_ref().map(Vec::len).filter(|tokens| *tokens > 0)
    }

    /// The sample. `finish` is what [`Draft::finish`] says; `tokens` is what the server says about it alone.
    pub(super) fn complete(self, finish: FinishReason, tokens: Option<usize>) -> Completion {
        let tokens = tokens.or(self.counted_tokens());
        // Of tokens after the stop string the text says nothing.
        let went_on = self.cutter.found().is_some_and(|found| found.went_on);
        let log_probs = self.log_probs.filter(|log_probs| !went_on && !log_probs.is_empty());
        Completion {
            text: self.cutter.into_text(),
            finish,
            tokens: tokens.unwrap_or(0),
            token_ids: None,
            log_probs,
        }
    }

    /// Why it ends where it does.
    ///
    /// # Errors
    /// It does not: the server has given it up.
    pub(super) fn finish(&self, tokens: Option<usize>) -> Result<FinishReason, NotDone> {
        if self.cutter.found().is_some() {
            return Ok(FinishReason::Stop);
        }
        let ended = match (self.stopped_by, self.has_stops) {
            (Some(StoppedBy::StopString), _) | (None, true) => FinishReason::Stop,
            (Some(StoppedBy::Token), _) | (None, false) => FinishReason::EndOfText,
        };
        let gave_up = |reason: &str| {
            let message = format!("finish reason `{reason}`");
            NotDone::GaveUp(CallError::GaveUp { message })
        };
        match self.finish_reason.as_deref() {
            Some("length" | "max_tokens") => Ok(FinishReason::Length),
            Some("stop_sequence") => Ok(FinishReason::Stop),
            Some("eos" | "eos_token") => Ok(FinishReason::EndOfText),
            Some(reason @ ("abort" | "cancelled" | "error")) => Err(gave_up(reason)),
            Some("content_filter") => Err(NotDone::Withheld),
            None if tokens.or(self.counted_tokens()).is_some_and(|tokens| tokens >= self.max_tokens) => {
                Ok(FinishReason::Length)
            }
            // `stop`; also what only other uses of the API have, such as `tool_calls`: the model has ended it.
            Some(_) | None => Ok(ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn draft(stops: &[&str], log_probs: bool, choices: &[Value]) -> Draft {
        let stop: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let max_tokens = const { std::num::NonZeroUsize::new(4).expect("not 0") };
        let sampling = Sampling { stop: stop.clone(), log_probs, max_tokens, ..Sampling::default() };
        let mut draft = Draft::new(&sampling, stop.into());
        for choice in choices {
            draft.add(serde_json::from_value(choice.clone()).expect("a choice"));
        }
        draft.end();
        draft
    }

    #[test]
    fn finish_reasons_are_told_apart() {
        use FinishReason::{EndOfText, Length, Stop};
        let no_stops: &[&str] = &[];
        let cases = [
            (no_stops, json!({"finish_reason": "stop"}), None, EndOfText),
            (&["\n"], json!({"finish_reason": "stop"}), None, Stop),
            (&["\n"], json!({"finish_reason": "stop", "stop_reason": null}), None, EndOfText),
            (&["\n"], json!({"finish_reason": "stop", "stop_reason": "\n"}), None, Stop),
            (&["\n"], json!({"finish_reason": "stop", "matched_stop": 2}), None, EndOfText),
            (&["\n"], json!({"finish_reason": "length"}), None, Length),
            (&["\n"], json!({"finish_reason": "length", "text": "a\nb"}), None, Stop),
            (no_stops, json!({"finish_reason": "eos_token"}), None, EndOfText),
            (no_stops, json!({"finish_reason": null}), Some(3), EndOfText),
            (no_stops, json!({}), Some(4), Length),
            (no_stops, json!({"finish_reason": "tool_calls"}), None, EndOfText),
        ];
        for (stops, choice, tokens, expected) in cases {
            let finish = draft(stops, false, std::slice::from_ref(&choice)).finish(tokens);
            assert_eq!(finish.expect("done"), expected, "{choice}");
        }
        let gave_up = draft(no_stops, false, &[json!({"finish_reason": "abort"})]).finish(None);
        assert!(matches!(gave_up, Err(NotDone::GaveUp(_))), "{gave_up:?}");
        let withheld = draft(no_stops, false, &[json!({"finish_reason": "content_filter"})]).finish(None);
        assert!(matches!(withheld, Err(NotDone::Withheld)), "{withheld:?}");
    }

    #[test]
    fn log_probs_are_whole_or_none() {
        let piece =
            |text: &str, log_probs: Value| json!({"text": text, "logprobs": {"token_logprobs": log_probs}});
        let cases = [
            (vec![piece("a", json!([-0.5])), piece("b", json!([-1.5]))], Some(vec![-0.5, -1.5]), 2),
            (vec![piece("a", json!([-0.5])), json!({"text": ""})], Some(vec![-0.5]), 1),
            (vec![piece("a", json!([-0.5])), json!({"text": "b"})], None, 0),
            (vec![piece("a", json!([null]))], None, 0),
            (vec![json!({"text": ""})], None, 0),
            (vec![piece("a", json!([-0.5])), piece("\n", json!([-1.0]))], Some(vec![-0.5, -1.0]), 2),
            (vec![piece("a", json!([-0.5])), piece("\nb", json!([-1.0, -2.0]))], None, 3),
        ];
        for (choices, expected, tokens) in cases {
            let completion = draft(&["\n"], true, &choices).complete(FinishReason::Stop, None);
            assert_eq!((completion.log_probs, completion.tokens), (expected, tokens), "{choices:?}");
        }
    }

    #[test]
    fn a_cancelled_sample_is_what_was_told() {
        let mut draft = draft(&[], false, &[json!({"text": "ab"})]);
        assert_eq!(draft.untold(), Some("ab"));
        draft.told();
        assert_eq!((draft.untold(), draft.is_told()), (None, true));
        draft.add(Choice::default());
        let completion = draft.cancelled();
        assert_eq!((completion.text.as_str(), completion.finish), ("ab", FinishReason::Cancelled));
    }
}
