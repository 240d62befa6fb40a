//! What became of conjectures: the counts of screening, the funnel, and how hard those are that were kept.

use super::facts::Facts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The outputs of a conjecturer, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Screening {
    /// All of them.
    pub generated: u64,
    /// No statement.
    pub unparsable: u64,
    /// Known already, up to renaming.
    pub duplicate: u64,
    /// Lean does not understand it.
    pub ill_typed: u64,
    /// A cheap tactic closes it.
    pub trivial: u64,
    /// Its hypotheses contradict each other.
    pub contradictory: u64,
    /// The verifier could not say.
    pub unjudged: u64,
    /// More than were wanted.
    pub over_limit: u64,
    /// Worth proving.
    pub new: u64,
}

impl Screening {
    fn count(&mut self, outcome: &str) {
        self.generated += 1;
        match outcome {
            "unparsable" => self.unparsable += 1,
            "duplicate" => self.duplicate += 1,
            "ill-typed" => self.ill_typed += 1,
            "trivial" => self.trivial += 1,
            "contradictory" => self.contradictory += 1,
            "unjudged" => self.unjudged += 1,
            "over-limit" => self.over_limit += 1,
            "new" => self.new += 1,
            // A newer version's: generated, and no more is known.
            _ => {}
        }
    }

    /// Those that are statements.
    #[must_use]
    pub fn parsed(&self) -> u64 {
        self.generated.saturating_sub(self.unparsable)
    }

    /// Those that are statements, and not known already.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.parsed().saturating_sub(self.duplicate)
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            generated: self.generated + other.generated,
            unparsable: self.unparsable + other.unparsable,
            duplicate: self.duplicate + other.duplicate,
            ill_typed: self.ill_typed + other.ill_typed,
            trivial: self.trivial + other.trivial,
            contradictory: self.contradictory + other.contradictory,
            unjudged: self.unjudged + other.unjudged,
            over_limit: self.over_limit + other.over_limit,
            new: self.new + other.new,
        }
    }
}

/// By iteration: from the records, or where there are none from the stage's own counts.
pub(super) fn screenings(facts: &Facts) -> BTreeMap<u32, Screening> {
    let mut by_iteration: BTreeMap<u32, Screening> = BTreeMap::new();
    for record in &facts.conjectures {
        by_iteration.entry(record.iteration).or_default().count(&record.outcome);
    }
    for stage in facts.stages.iter().filter(|stage| stage.stage == "conjecture") {
        let counts = stage.detail.get("screening").map(Screening::deserialize);
        if let Some(Ok(counts)) = counts {
            by_iteration.entry(stage.iteration).or_insert(counts);
        }
    }
    by_iteration
}

/// One step of the way from an output to a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunnelStep {
    /// What got so far.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// Why others did not; empty if none was lost.
    pub lost: String,
}

/// From what was generated to what was proved, over the whole run. `attempted` and `proved` count conjectures.
pub(super) fn funnel(all: &BTreeMap<u32, Screening>, attempted: u64, proved: u64) -> Vec<FunnelStep> {
    if all.is_empty() {
        return Vec::new();
    }
    let sum = all.values().fold(Screening::default(), Screening::plus);
    let mut left = sum.generated;
    let mut steps = vec![FunnelStep { name: "generated", count: left, lost: String::new() }];
    for (name, count, why) in [
        ("parsed", sum.unparsable, "no statement"),
        ("new", sum.duplicate, "known already"),
        ("well-typed", sum.ill_typed, "not understood by the prover"),
        ("not trivial", sum.trivial, "closed by a cheap tactic"),
        ("not contradictory", sum.contradictory, "hypotheses prove False"),
    ] {
        left = left.saturating_sub(count);
        steps.push(FunnelStep { name, count: left, lost: lost(&[(count, why)]) });
    }
    let unsampled = sum.new.saturating_sub(attempted);
    let why_not_attempted = [
        (sum.unjudged, "without a verdict"),
        (sum.over_limit, "over the limit"),
        (unsampled, "not sampled, or not yet"),
    ];
    steps.push(FunnelStep { name: "attempted", count: attempted, lost: lost(&why_not_attempted) });
    let unproved = attempted.saturating_sub(proved);
    steps.push(FunnelStep { name: "proved", count: proved, lost: lost(&[(unproved, "no proof found")]) });
    steps
}

fn lost(reasons: &[(u64, &str)]) -> String {
    let some = reasons.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, why)| format!("{count} {why}")).collect::<Vec<_>>().join(", ")
}

/// How many conjectures have a pass rate in a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bin {
    /// The range: above what is before the dash, up to what is behind it.
    pub label: String,
    /// How many.
    pub count: u64,
}

/// Bins above 0. Eighths, so that STP's window (0, 1/4] is two of them.
const BINS: u32 = 8;

/// The pass rates of conjectures: those that were never proved, then bins of equal width. `rates` are (accepted, samples).
pub(super) fn histogram(rates: impl IntoIterator<Item = (u32, u32)>) -> Vec<Bin> {
    let mut counts = vec![0_u64; BINS as usize + 1];
    for (accepted, samples) in rates {
        // In whole numbers: the bounds belong to the bin below them.
        let bin = (u64::from(accepted) * u64::from(BINS)).div_ceil(u64::from(samples.max(1)));
        if let Some(count) = counts.get_mut(bin as usize) {
            *count += 1;
        }
    }
    let label = |bin: u32| match bin {
        0 => "0".to_owned(),
        _ => format!("{}–{}", eighths(bin - 1), eighths(bin)),
    };
    (0..).zip(counts).map(|(bin, count)| Bin { label: label(bin), count }).collect()
}

fn eighths(count: u32) -> String {
    match count {
        0 | BINS => (count / BINS).to_string(),
        4 => "1/2".to_owned(),
        even if even % 2 == 0 => format!("{}/4", even / 2),
        odd => format!("{odd}/8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_the_window_are_bounds_of_bins() {
        let bins = histogram([(0, 32), (1, 32), (4, 32), (5, 32), (8, 32), (9, 32), (32, 32), (0, 0)]);
        let counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [2, 2, 2, 1, 0, 0, 0, 0, 1]);
        let labels: Vec<&str> = bins.iter().map(|bin| bin.label.as_str()).collect();
        assert_eq!(
            labels,
            ["0", "0–1/8", "1/8–1/4", "1/4–3/8", "3/8–1/2", "1/2–5/8", "5/8–3/4", "3/4–7/8", "7/8–1"]
        );
    }

    #[test]
    fn the_funnel_loses_no_conjecture_unseen() {
        let one = Screening {
            generated: 100,
            unparsable: 10,
            duplicate: 20,
            ill_typed: 15,
            trivial: 5,
            contradictory: 4,
            unjudged: 1,
            over_limit: 5,
            new: 40,
        };
        let steps = funnel(&BTreeMap::from([(1, one), (2, one)]), 75, 30);
        let counts: Vec<u64> = steps.iter().map(|step| step.count).collect();
        assert_eq!(counts, [200, 180, 140, 110, 100, 92, 75, 30]);
        assert_eq!(steps[6].lost, "2 without a verdict, 10 over the limit, 5 not sampled, or not yet");
        assert!(funnel(&BTreeMap::new(), 0, 0).is_empty());
    }
}
