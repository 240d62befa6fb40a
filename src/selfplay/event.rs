//! What a run tells while it lasts. The terminal draws it; all but the counts is kept in `events.jsonl`, one a line.

use serde::{Deserialize, Serialize};

/// A stage that a run has still to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// 0 before the first iteration, one more than the last for what comes after it.
    pub iteration: u32,
    /// The stage's name in the store, for instance `prove`.
    pub stage: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run began, or goes on.
    RunStarted {
        /// The run's name.
        name: String,
        /// How many iterations it has in all.
        iterations: u32,
        /// The stages that are to be done, in order. Where it is not known, empty: then no time is foretold.
        #[serde(default)]
        plan: Vec<PlannedStage>,
    },
    /// A stage began.
    StageStarted {
        /// See [`PlannedStage::iteration`].
        iteration: u32,
        /// See [`PlannedStage::stage`].
        stage: String,
        /// How many samples it will draw, if that is known.
        total_samples: Option<u64>,
    },
    /// The generator finished samples.
    Sampled {
        /// How many since the last such event.
        count: u64,
    },
    /// The verifier gave verdicts.
    Judged {
        /// How many since the last such event.
        count: u64,
        /// How many of these were accepted.
        accepted: u64,
    },
    /// Training statements have a proof.
    Solved {
        /// How many by now.
        total: u64,
        /// How many there are.
        of: u64,
    },
    /// Conjectures were screened.
    Conjectures {
        /// How many of this iteration's are worth proving, by now.
        kept: u64,
        /// How many were screened.
        of: u64,
    },
    /// The trainer took a step.
    Trained {
        /// Steps taken in this stage.
        step: u64,
        /// Steps of this stage.
        steps: u64,
        /// Of this step, in nats per token.
        loss: f64,
    },
    /// A stage is finished and in the store.
    StageFinished {
        /// See [`PlannedStage::iteration`].
        iteration: u32,
        /// See [`PlannedStage::stage`].
        stage: String,
        /// How long it took by the clock.
        seconds: f64,
        /// What came of it, in a few words for people.
        summary: String,
    },
    /// The run is finished.
    RunFinished {
        /// How long it took by the clock, since it was last started.
        seconds: f64,
        /// What came of it, in a few words for people.
        summary: String,
    },
}

impl Event {
    /// Whether it belongs into `events.jsonl`: counts come too often, and the store has them anyhow.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self {
            Self::Sampled { .. } | Self::Judged { .. } => false,
            Self::RunStarted { .. }
            | Self::StageStarted { .. }
            | Self::Solved { .. }
            | Self::Conjectures { .. }
            | Self::Trained { .. }
            | Self::StageFinished { .. }
            | Self::RunFinished { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_tagged_lines() {
        let started =
            Event::StageStarted { iteration: 2, stage: "prove".to_owned(), total_samples: Some(64) };
        let line = serde_json::to_string(&started).expect("serialisable");
        let expected = r#"{"event":"stage-started","iteration":2,"stage":"prove","total_samples":64}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<Event>(&line).expect("the same format"), started);
        let older = r#"{"event":"run-started","name":"a","iterations":3}"#;
        let run = Event::RunStarted { name: "a".to_owned(), iterations: 3, plan: Vec::new() };
        assert_eq!(serde_json::from_str::<Event>(older).expect("without a plan"), run);
    }

    #[test]
    fn counts_are_not_kept() {
        assert!(!Event::Sampled { count: 1 }.is_kept());
        assert!(!Event::Judged { count: 1, accepted: 0 }.is_kept());
        assert!(Event::Solved { total: 1, of: 2 }.is_kept());
    }
}
