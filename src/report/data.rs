//! Everything that a report shows.

use super::alarms::{self, Alarm};
use super::conjectures::{self, Bin, FunnelStep};
use super::facts::Facts;
use super::hardest::{self, HardStatement};
use super::held_out::{self, Evaluation};
use super::iterations::{self, IterationData};
use crate::evaluate::Share;
use proofloop_datasets::store::{Origin, Statement, StatementId};
use proofloop_datasets::{Split, rename};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A run in numbers, ready to be drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportData {
    /// The run's name.
    pub name: String,
    /// Its settings as text; may be empty.
    pub settings: String,
    /// The k of pass@k that the settings ask for.
    pub ks: Vec<u32>,
    /// The settings that people ask for first: name and value.
    pub highlights: Vec<(String, String)>,
    /// The run in a line.
    pub summary: Summary,
    /// Held-out problems before and after, for each split.
    pub held_out: Vec<Evaluation>,
    /// Held-out problems after each baseline and after the run.
    pub against: Vec<Evaluation>,
    /// Solved training problems: the run, then the baselines.
    pub solved: Vec<SolvedCurve>,
    /// From what the conjecturer said to what was proved.
    pub funnel: Vec<FunnelStep>,
    /// Pass rates of conjectures.
    pub pass_rates: Vec<Bin>,
    /// One by one.
    pub iterations: Vec<IterationData>,
    /// Proved statements, the hardest first.
    pub hardest: Vec<HardStatement>,
    /// How many proved statements are not among them.
    pub hardest_left_out: usize,
    /// Signs of collapse.
    pub alarms: Vec<Alarm>,
}

/// A run in a few numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Iterations that have begun.
    pub iterations: u32,
    /// Training problems without a shown proof that were proved, of all.
    pub solved: Option<Share>,
    /// Problems whose published proof was shown to the run: they are not among these.
    pub shown: u64,
    /// Conjectures that were worth proving.
    pub conjectures: u64,
    /// How many of them were proved.
    pub conjectures_proved: u64,
    /// Proofs that were sampled.
    pub samples: u64,
    /// Distinct accepted proofs, over iterations and statements.
    pub proofs: u64,
    /// Time of all finished stages by the clock, in seconds.
    pub seconds: f64,
}

/// Solved training problems (without a shown proof) over the candidates that it took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SolvedCurve {
    /// The run.
    pub name: String,
    /// How many training problems there are.
    pub of: u64,
    /// After each iteration; the first one is before all.
    pub points: Vec<SolvedPoint>,
}

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SolvedPoint {
    /// Proofs that were sampled and judged so far, also of conjectures.
    pub verified: u64,
    /// Training problems that are solved.
    pub solved: u64,
}

impl ReportData {
    /// Computes a report.
    #[must_use]
    pub fn of(facts: &Facts, baselines: &[Facts]) -> Self {
        let screenings = conjectures::screenings(facts);
        let iterations = iterations::iterations(facts, &screenings);
        let rates = conjecture_rates(facts);
        let proved = rates.values().filter(|(accepted, _)| *accepted > 0).count() as u64;
        let (hardest, hardest_left_out) = hardest::hardest(facts);
        let funnel = conjectures::funnel(&screenings, rates.len() as u64, proved);
        let kept = screenings.values().map(|screening| screening.new).sum();
        Self {
            name: facts.name.clone(),
            settings: facts.settings.text.clone(),
            ks: facts.settings.ks.clone(),
            highlights: facts.settings.highlights.clone(),
            summary: summary(facts, &iterations, kept, proved),
            held_out: held_out::of_run(facts),
            against: baselines.iter().flat_map(|baseline| held_out::against(facts, baseline)).collect(),
            solved: std::iter::once(facts).chain(baselines).map(solved_curve).collect(),
            funnel,
            pass_rates: if rates.is_empty() {
                Vec::new()
            } else {
                conjectures::histogram(rates.into_values())
            },
            alarms: alarms::alarms(&iterations, disjunctive_problems(facts)),
            iterations,
            hardest,
            hardest_left_out,
        }
    }
}

/// Accepted and all samples of each conjecture that was sampled.
fn conjecture_rates(facts: &Facts) -> BTreeMap<StatementId, (u32, u32)> {
    let is_conjecture = |statement: &&Statement| statement.origin == Origin::Conjecture;
    let ids: BTreeSet<StatementId> =
        facts.statements.iter().filter(is_conjecture).map(|statement| statement.id).collect();
    let mut rates: BTreeMap<StatementId, (u32, u32)> = BTreeMap::new();
    let all = facts.proving.values().flat_map(|proving| &proving.rates);
    for rate in all.filter(|rate| ids.contains(&rate.statement)) {
        let (accepted, samples) = rates.entry(rate.statement).or_default();
        *accepted += rate.accepted;
        *samples += rate.samples;
    }
    rates
}

/// What is to be solved: problems without a shown proof, of the training split or sampled to be proved anyhow.
fn training_problems(facts: &Facts) -> impl Iterator<Item = &Statement> {
    let rates = facts.proving.values().flat_map(|proving| &proving.rates);
    let sampled: BTreeSet<StatementId> = rates.map(|rate| rate.statement).collect();
    let is_one = move |statement: &&Statement| {
        let is_training = statement.split == Some(Split::Train) || sampled.contains(&statement.id);
        statement.origin == Origin::Problem && statement.known.is_none() && is_training
    };
    facts.statements.iter().filter(is_one)
}

fn disjunctive_problems(facts: &Facts) -> Option<f64> {
    let conclusions: Vec<&str> =
        training_problems(facts).filter_map(|problem| rename::conclusion(&problem.text)).collect();
    iterations::disjunctive_share(&conclusions)
}

fn summary(facts: &Facts, iterations: &[IterationData], conjectures: u64, proved: u64) -> Summary {
    let curve = solved_curve(facts);
    let solved = curve.points.last().map_or(0, |last| last.solved);
    let distinct: BTreeSet<(StatementId, &str)> = facts
        .proving
        .values()
        .flat_map(|proving| &proving.proofs)
        .map(|proof| (proof.statement, proof.completion.as_str()))
        .collect();
    Summary {
        iterations: iterations.last().map_or(0, |last| last.iteration),
        solved: Share::new(solved, curve.of),
        shown: facts.statements.iter().filter(|statement| statement.known.is_some()).count() as u64,
        conjectures,
        conjectures_proved: proved,
        samples: iterations.iter().map(|one| one.samples).sum(),
        proofs: distinct.len() as u64,
        seconds: facts.stages.iter().map(|stage| stage.wall_ms).sum::<u64>() as f64 / 1000.0,
    }
}

fn solved_curve(facts: &Facts) -> SolvedCurve {
    let problems: BTreeSet<StatementId> = training_problems(facts).map(|problem| problem.id).collect();
    let mut solved = BTreeSet::new();
    let mut verified = 0;
    let mut points = vec![SolvedPoint { verified: 0, solved: 0 }];
    for proving in facts.proving.values() {
        let proved = proving.rates.iter().filter(|rate| rate.accepted > 0).map(|rate| rate.statement);
        solved.extend(proved.filter(|statement| problems.contains(statement)));
        verified += proving.tally.samples;
        points.push(SolvedPoint { verified, solved: solved.len() as u64 });
    }
    SolvedCurve { name: facts.name.clone(), of: problems.len() as u64, points }
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
