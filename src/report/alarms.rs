//! Signs that self-play collapses: the conjecturer finds statements that look hard to the rule that rewards it, and are
//! not. Long runs of STP's rule ended so: alternatives `p ∨ q` went from under 10 % to over 80 % of conclusions, and
//! conclusions grew tenfold (Bailey et al. 2026, §5.2 of `../shared/reference/stp.md`).

use super::iterations::IterationData;
use serde::Serialize;

/// A share of alternatives from here on is an alarm: healthy runs stay below 10 %, collapsed ones are above 80 %, and a
/// quarter lies between, well before the end.
const MOST_DISJUNCTIVE: f64 = 0.25;

/// … but where the problems themselves are often alternatives, only from so many times their share on.
const MOST_DISJUNCTIVE_OF_PROBLEMS: f64 = 2.0;

/// Conclusions may grow by so much over the first iteration: harder statements are somewhat longer, and the collapse is
/// tenfold.
const MOST_GROWTH: f64 = 2.0;

/// The share of new statements, and the variety of lemmas, may fall to this part of the first iteration's. Both fall by
/// themselves, the one because easy statements are soon known, the other because the prover learns what works; to less
/// than half within a run is more than that.
const LEAST_LEFT: f64 = 0.5;

/// An iteration with fewer conjectures says nothing: with 30, a share of 10 % is measured as over 25 % in one case of 100.
const FEWEST_CONJECTURES: u64 = 30;

/// An iteration with fewer proofs that name a lemma says nothing about their variety: most would be named once.
const FEWEST_PROOFS: u64 = 30;

/// What an alarm says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing to worry about.
    Quiet,
    /// Look at the conjectures.
    Raised,
    /// There is too little to tell.
    Unknown,
}

/// One thing to watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// What is watched.
    pub name: &'static str,
    /// Whether it is in order.
    pub level: Level,
    /// What was seen.
    pub seen: String,
    /// When it is raised, and why then.
    pub rule: String,
}

/// A number of one iteration.
#[derive(Clone, Copy)]
struct Measured {
    iteration: u32,
    value: f64,
}

/// All alarms. `problems` is the share of alternatives among the training problems.
pub(super) fn alarms(iterations: &[IterationData], problems: Option<f64>) -> Vec<Alarm> {
    vec![
        disjunctive(&measured(iterations, enough_conjectures, |one| one.disjunctive), problems),
        growth(&measured(iterations, enough_conjectures, |one| one.lengths.conclusion)),
        fall(
            "Distinct statements",
            "share of statements that were not known",
            CONJECTURES,
            &measured(iterations, enough_conjectures, |one| one.diversity.statement_share),
            |value| format!("{:.0} %", value * 100.0),
        ),
        fall(
            "Lemma diversity",
            "effective number of lemmas in accepted proofs",
            PROOFS,
            &measured(iterations, enough_proofs, |one| one.diversity.effective_lemmas),
            |value| format!("{value:.1}"),
        ),
    ]
}

fn enough_conjectures(iteration: &IterationData) -> bool {
    iteration.screening.is_some_and(|screening| screening.parsed() >= FEWEST_CONJECTURES)
}

fn enough_proofs(iteration: &IterationData) -> bool {
    iteration.diversity.lemma_proofs >= FEWEST_PROOFS
}

fn measured(
    iterations: &[IterationData],
    enough: impl Fn(&IterationData) -> bool,
    value: impl Fn(&IterationData) -> Option<f64>,
) -> Vec<Measured> {
    let of = |one: &IterationData| Some(Measured { iteration: one.iteration, value: value(one)? });
    iterations.iter().filter(|one| enough(one)).filter_map(of).collect()
}

fn level(is_raised: bool) -> Level {
    if is_raised { Level::Raised } else { Level::Quiet }
}

fn disjunctive(measured: &[Measured], problems: Option<f64>) -> Alarm {
    let most = MOST_DISJUNCTIVE.max(problems.unwrap_or(0.0) * MOST_DISJUNCTIVE_OF_PROBLEMS);
    let (level, seen) = match measured {
        [] => too_little(CONJECTURES, "in one iteration"),
        [first, .., last] => (
            level(last.value > most),
            format!(
                "{:.0} % in iteration {}, {:.0} % in iteration {}",
                first.value * 100.0,
                first.iteration,
                last.value * 100.0,
                last.iteration
            ),
        ),
        [only] => {
            (level(only.value > most), format!("{:.0} % in iteration {}", only.value * 100.0, only.iteration))
        }
    };
    let of_problems =
        problems.map_or_else(String::new, |share| format!(" (training problems: {:.0} %)", share * 100.0));
    let rule = format!(
        "Raised when more than {:.0} % of conclusions are alternatives p ∨ q{of_problems}: they look hard to a rule that \
         rewards low pass rates, and mean little.",
        most * 100.0
    );
    Alarm { name: "Disjunctive conclusions", level, seen, rule }
}

fn growth(measured: &[Measured]) -> Alarm {
    let (level, seen) = match measured {
        [first, .., last] if first.value > 0.0 => {
            let ratio = last.value / first.value;
            let seen = format!(
                "{ratio:.2} times as long in iteration {} ({:.0} characters) as in iteration {} ({:.0})",
                last.iteration, last.value, first.iteration, first.value
            );
            (level(ratio > MOST_GROWTH), seen)
        }
        _ => too_little(CONJECTURES, "in two iterations"),
    };
    let rule = format!(
        "Raised when conclusions are more than {MOST_GROWTH:.0} times as long as in the first iteration: length is the \
         cheapest way to be hard."
    );
    Alarm { name: "Conclusion length", level, seen, rule }
}

/// What a number must rest on: how many of what.
type Fewest = (u64, &'static str);
const CONJECTURES: Fewest = (FEWEST_CONJECTURES, "conjectures");
const PROOFS: Fewest = (FEWEST_PROOFS, "accepted proofs that name lemmas");

fn fall(
    name: &'static str,
    what: &str,
    fewest: Fewest,
    measured: &[Measured],
    shown: impl Fn(f64) -> String,
) -> Alarm {
    let (level, seen) = match measured {
        [first, .., last] => (
            level(last.value < first.value * LEAST_LEFT),
            format!(
                "{} in iteration {}, {} in iteration {}",
                shown(first.value),
                first.iteration,
                shown(last.value),
                last.iteration
            ),
        ),
        _ => too_little(fewest, "in two iterations"),
    };
    let rule =
        format!("Raised when the {what} falls below {:.0} % of the first iteration's.", LEAST_LEFT * 100.0);
    Alarm { name, level, seen, rule }
}

fn too_little((count, what): Fewest, wherein: &str) -> (Level, String) {
    (Level::Unknown, format!("Too little to tell: it takes {count} {what} {wherein}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Screening;

    fn iteration(
        number: u32,
        disjunctive: f64,
        conclusion: f64,
        distinct: f64,
        lemmas: f64,
    ) -> IterationData {
        let mut one = IterationData { iteration: number, ..IterationData::default() };
        one.screening = Some(Screening { generated: 100, ..Screening::default() });
        one.disjunctive = Some(disjunctive);
        one.lengths.conclusion = Some(conclusion);
        one.diversity.statement_share = Some(distinct);
        one.diversity.effective_lemmas = Some(lemmas);
        one.diversity.lemma_proofs = 50;
        one
    }

    fn levels(iterations: &[IterationData], problems: Option<f64>) -> Vec<Level> {
        alarms(iterations, problems).iter().map(|alarm| alarm.level).collect()
    }

    #[test]
    fn a_run_that_collapses_raises_all_alarms() {
        let healthy = iteration(1, 0.08, 30.0, 0.9, 20.0);
        let later = iteration(5, 0.2, 45.0, 0.6, 12.0);
        let collapsed = iteration(9, 0.8, 300.0, 0.2, 3.0);
        assert_eq!(levels(&[healthy.clone(), later.clone()], Some(0.05)), [Level::Quiet; 4]);
        let all = [healthy, later, collapsed];
        assert_eq!(levels(&all, Some(0.05)), [Level::Raised; 4]);
        let alarms = alarms(&all, Some(0.05));
        assert_eq!(alarms[0].seen, "8 % in iteration 1, 80 % in iteration 9");
        assert_eq!(
            alarms[1].seen,
            "10.00 times as long in iteration 9 (300 characters) as in iteration 1 (30)"
        );
        assert!(alarms[0].rule.contains("(training problems: 5 %)"));
    }

    #[test]
    fn problems_that_are_alternatives_make_room_for_more() {
        let all = [iteration(1, 0.4, 30.0, 0.9, 20.0), iteration(2, 0.45, 30.0, 0.9, 20.0)];
        assert_eq!(levels(&all, Some(0.05))[0], Level::Raised);
        assert_eq!(levels(&all, Some(0.3))[0], Level::Quiet);
    }

    #[test]
    fn few_conjectures_say_nothing() {
        let mut small = iteration(2, 1.0, 300.0, 0.1, 1.0);
        small.screening = Some(Screening { generated: 29, ..Screening::default() });
        small.diversity.lemma_proofs = 29;
        assert_eq!(levels(&[], None), [Level::Unknown; 4]);
        assert_eq!(levels(std::slice::from_ref(&small), None), [Level::Unknown; 4]);
        let with_first = [iteration(1, 0.0, 30.0, 0.9, 20.0), small];
        assert_eq!(levels(&with_first, None)[0], Level::Quiet);
        assert_eq!(levels(&with_first, None)[1..], [Level::Unknown; 3]);
    }
}
