//! What a conjecture must pass before any proving budget is spent on it.
//!
//! In this order: it is one plain theorem; it is new up to renaming, white space and name; it is well-typed; no cheap
//! tactic closes it; its hypotheses contradict each other in no way that a cheap tactic sees. STP has only the second of
//! them, and compares with the name (`../shared/reference/stp.md` §1.2, step C).

use super::busy::Meter;
use super::error::{Result, SelfPlayError};
use super::judge::{Judge, Known, Work};
use super::prover::Prover;
use super::rollout::check_available;
use proofloop_datasets::store::StatementId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

/// The rules of screening. That it is one plain theorem, and well-typed, are no rules: nothing else can be judged, and what
/// the farm can't judge must stay a sign that the farm has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningSettings {
    /// Whether a conjecture must be new up to renaming; else only the same text twice in a round is refused.
    pub up_to_renaming: bool,
    /// It must not be closed by one of these; none are tried if there are none.
    pub cheap_tactics: Vec<String>,
    /// Its hypotheses must not give `False` by one of these.
    pub contradiction_tactics: Vec<String>,
}

/// What the conjecturer said, and about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) seed: StatementId,
    pub(super) lemma: String,
    /// The seed's.
    pub(super) header: String,
    /// The statement, if it could be read, else the answer.
    pub(super) text: std::result::Result<String, String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It will be proved.
    New,
    /// The answer is not one plain theorem.
    Unparsable,
    /// It is a problem, a held-out one included, or an earlier conjecture.
    Duplicate,
    /// The prover takes it for no proposition.
    IllTyped,
    /// A cheap tactic closes it.
    Trivial,
    /// Its hypotheses contradict each other.
    Contradictory,
    /// The verifier could not say.
    Unjudged,
    /// It passed, but there were more than the round takes.
    OverLimit,
}

impl Outcome {
    /// The stable name, as the store has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unparsable => "unparsable",
            Self::Duplicate => "duplicate",
            Self::IllTyped => "ill-typed",
            Self::Trivial => "trivial",
            Self::Contradictory => "contradictory",
            Self::Unjudged => "unjudged",
            Self::OverLimit => "over-limit",
        }
    }
}

/// How many conjectures fell to each rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningCounts {
    /// All of them.
    pub generated: usize,
    /// See [`Outcome`].
    pub unparsable: usize,
    /// See [`Outcome`].
    pub duplicate: usize,
    /// See [`Outcome`].
    pub ill_typed: usize,
    /// See [`Outcome`].
    pub trivial: usize,
    /// See [`Outcome`].
    pub contradictory: usize,
    /// See [`Outcome`].
    pub unjudged: usize,
    /// See [`Outcome`].
    pub over_limit: usize,
    /// See [`Outcome`].
    pub new: usize,
}

impl ScreeningCounts {
    /// Counts outcomes.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut counts = Self { generated: outcomes.len(), ..Self::default() };
        for outcome in outcomes {
            *match outcome {
                Outcome::New => &mut counts.new,
                Outcome::Unparsable => &mut counts.unparsable,
                Outcome::Duplicate => &mut counts.duplicate,
                Outcome::IllTyped => &mut counts.ill_typed,
                Outcome::Trivial => &mut counts.trivial,
                Outcome::Contradictory => &mut counts.contradictory,
                Outcome::Unjudged => &mut counts.unjudged,
                Outcome::OverLimit => &mut counts.over_limit,
            } += 1;
        }
        counts
    }
}

/// What text alone decides: [`Outcome::New`] where the prover has to be asked. `known` are the keys of all statements so far.
pub(super) fn by_text(
    raw: &[Raw],
    known: &BTreeSet<[u8; 32]>,
    prover: Prover,
    settings: &ScreeningSettings,
) -> Vec<Outcome> {
    let mut seen = known.clone();
    let mut texts = BTreeSet::new();
    let mut outcomes = Vec::with_capacity(raw.len());
    for raw in raw {
        let Ok(text) = &raw.text else {
            outcomes.push(Outcome::Unparsable);
            continue;
        };
        let key = prover.key(&raw.header, text);
        let is_new_text = texts.insert((&raw.header, text));
        let is_new = if settings.up_to_renaming { seen.insert(key) } else { !known.contains(&key) };
        outcomes.push(if is_new && is_new_text { Outcome::New } else { Outcome::Duplicate });
    }
    outcomes
}

/// What the prover decides of those that text did not; the others keep their outcome.
pub(super) async fn by_prover(
    raw: &[Raw],
    mut outcomes: Vec<Outcome>,
    (prover, settings): (Prover, &ScreeningSettings),
    judge: &Judge,
    busy: &Meter,
) -> Result<Vec<Outcome>> {
    let mut checks = JoinSet::new();
    for (index, (raw, outcome)) in raw.iter().zip(&outcomes).enumerate() {
        if let (Ok(text), Outcome::New) = (&raw.text, outcome) {
            let (header, text) = (raw.header.clone(), text.clone());
            let check = Check { prover, header, text, settings: settings.clone() };
            let (judge, busy) = (judge.clone(), busy.begin());
            checks.spawn(async move {
                let found = check.run(&judge).await;
                drop(busy);
                (index, found)
            });
        }
    }
    let mut typings = Vec::new();
    while let Some(found) = checks.join_next().await {
        let (index, found) = found.map_err(|error| SelfPlayError::Worker(error.to_string()))?;
        let (outcome, typing) = found?;
        outcomes[index] = outcome;
        typings.extend(typing);
    }
    // Only these: they pin a statement of ours, so if one can't be judged, it is the farm's fault.
    check_available(typings.iter())?;
    Ok(outcomes)
}

struct Check {
    prover: Prover,
    header: String,
    text: String,
    settings: ScreeningSettings,
}

impl Check {
    /// The outcome, and what was said to its type.
    async fn run(&self, judge: &Judge) -> Result<(Outcome, Option<Known>)> {
        let Some((statement, proof)) = self.prover.typing_check(&self.text) else {
            return Ok((Outcome::Unparsable, None));
        };
        let typed = judge.judge(self.work(&statement, &proof)).await?;
        let outcome = typing(&typed);
        if outcome != Outcome::New {
            return Ok((outcome, Some(typed)));
        }
        // Tried where no tactic is, because then, too, the prover must be able to pin the statement.
        let none = [self.prover.no_tactic().to_owned()];
        let cheap = &self.settings.cheap_tactics;
        let cheap = self.tried(judge, Some(&self.text), if cheap.is_empty() { &none } else { cheap });
        let contradiction = self.prover.contradiction_check(&self.text);
        let contradicts = self.tried(judge, contradiction.as_deref(), &self.settings.contradiction_tactics);
        let (cheap, contradicts) = tokio::try_join!(cheap, contradicts)?;
        Ok((conclude(cheap.as_ref(), contradicts.as_ref()), Some(typed)))
    }

    /// Whether one of the tactics proves it; nothing without statement or tactics.
    async fn tried(
        &self,
        judge: &Judge,
        statement: Option<&str>,
        tactics: &[String],
    ) -> Result<Option<Known>> {
        match statement {
            Some(statement) if !tactics.is_empty() => {
                Ok(Some(judge.judge(self.work(statement, &self.prover.try_each(tactics))).await?))
            }
            Some(_) | None => Ok(None),
        }
    }

    fn work(&self, statement: &str, proof: &str) -> Work {
        self.prover.work(self.header.clone(), statement.to_owned(), proof.to_owned())
    }
}

/// A check that ended for want of time or memory says nothing about the type.
fn typing(known: &Known) -> Outcome {
    match known {
        Known::Judged(_, record) if record.is_accepted() => Outcome::New,
        Known::Judged(_, record) if record.verdict == "rejected" => Outcome::IllTyped,
        Known::Judged(..) | Known::Unavailable(_) => Outcome::Unjudged,
    }
}

fn conclude(cheap: Option<&Known>, contradicts: Option<&Known>) -> Outcome {
    let is_unknown = |known: Option<&Known>| matches!(known, Some(Known::Unavailable(_)));
    if cheap.is_some_and(Known::is_accepted) {
        Outcome::Trivial
    } else if contradicts.is_some_and(Known::is_accepted) {
        Outcome::Contradictory
    } else if is_unknown(cheap) || is_unknown(contradicts) {
        // Also where the statement is pinned differently than it is typed: nothing that is said of it would hold.
        Outcome::Unjudged
    } else {
        Outcome::New
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement;
    use super::*;
    use proofloop_datasets::store::VerdictRecord;

    fn raw(text: Option<&str>) -> Raw {
        let text =
            text.map(|text| statement::conjecture(text).expect("parses")).ok_or_else(|| "?".to_owned());
        Raw { seed: 1, lemma: String::new(), header: String::new(), text }
    }

    fn rules() -> ScreeningSettings {
        ScreeningSettings {
            up_to_renaming: true,
            cheap_tactics: vec!["rfl".to_owned()],
            contradiction_tactics: vec!["omega".to_owned()],
        }
    }

    fn known(verdict: &str) -> Known {
        let record = VerdictRecord {
            verdict: verdict.to_owned(),
            reason: None,
            assurance: None,
            message: None,
            wall_ms: 0,
            cpu_ms: 0,
            peak_memory_bytes: 0,
        };
        if verdict == "unavailable" { Known::Unavailable(record) } else { Known::Judged(1, record) }
    }

    #[test]
    fn new_means_new_up_to_renaming_against_all_that_there_is() {
        use Outcome::{Duplicate, New, Unparsable};
        let problem = statement::key("", "theorem add_comm (m n : Nat) : m + n = n + m := by");
        let raw = [
            raw(Some("(a b : Nat) : a + b = b + a")),
            raw(Some("(a : Nat) : a * 1 = a")),
            raw(Some("(x : Nat) : x * 1 = x")),
            raw(None),
            raw(Some("(a : Nat) : a * 1 = a")),
        ];
        let known = BTreeSet::from([problem]);
        assert_eq!(
            by_text(&raw, &known, Prover::Lean, &rules()),
            [Duplicate, New, Duplicate, Unparsable, Duplicate]
        );
        let by_the_letter = ScreeningSettings { up_to_renaming: false, ..rules() };
        assert_eq!(
            by_text(&raw, &known, Prover::Lean, &by_the_letter),
            [Duplicate, New, New, Unparsable, Duplicate]
        );
    }

    #[test]
    fn what_each_answer_means() {
        assert_eq!(typing(&known("accepted")), Outcome::New);
        assert_eq!(typing(&known("rejected")), Outcome::IllTyped);
        assert_eq!(typing(&known("timeout")), Outcome::Unjudged);
        assert_eq!(typing(&known("unavailable")), Outcome::Unjudged);
        let outcome =
            |cheap: &str, contradicts: &str| conclude(Some(&known(cheap)), Some(&known(contradicts)));
        assert_eq!(outcome("accepted", "accepted"), Outcome::Trivial);
        assert_eq!(outcome("rejected", "accepted"), Outcome::Contradictory);
        assert_eq!(outcome("timeout", "rejected"), Outcome::New);
        assert_eq!(outcome("unavailable", "rejected"), Outcome::Unjudged);
        assert_eq!(conclude(None, None), Outcome::New);
    }

    #[test]
    fn every_outcome_is_counted() {
        use Outcome::{Contradictory, Duplicate, IllTyped, New, OverLimit, Trivial, Unjudged, Unparsable};
        let all = [New, Unparsable, Duplicate, IllTyped, Trivial, Contradictory, Unjudged, OverLimit, New];
        let counts = ScreeningCounts::of(&all);
        assert_eq!((counts.generated, counts.new, counts.ill_typed, counts.over_limit), (9, 2, 1, 1));
        let sum =
            counts.unparsable + counts.duplicate + counts.trivial + counts.contradictory + counts.unjudged;
        assert_eq!(sum, 5);
    }
}
