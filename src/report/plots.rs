//! Which charts a report has.

use super::ReportError;
use super::chart::{self, Axes, Layer, Series, Size};
use super::data::{ReportData, SolvedCurve};
use super::iterations::IterationData;
use serde::Serialize;
use std::collections::BTreeMap;

/// Time is stacked in this order; stages that it does not know come last.
const STAGES: &[&str] =
    &["problems", "sft", "conjecture", "prove", "select", "final-select", "train", "before", "after"];

/// More kinds of verdicts have no colours: the rest is one.
const MOST_KINDS: usize = 7;

/// A chart with what its colours mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Plot {
    /// What it shows.
    pub(super) title: &'static str,
    /// SVG, safe to stand in a page.
    pub(super) svg: String,
    /// Colour (CSS) and name of each curve or layer; empty for a single one.
    pub(super) legend: Vec<(String, String)>,
}

/// All charts that there is something to show in, by place on the page.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Plots {
    pub(super) solved: Vec<Plot>,
    pub(super) pass_rates: Vec<Plot>,
    pub(super) diversity: Vec<Plot>,
    pub(super) shape: Vec<Plot>,
    pub(super) work: Vec<Plot>,
}

pub(super) fn plots(data: &ReportData) -> Result<Plots, ReportError> {
    let all = &data.iterations;
    Ok(Plots {
        solved: some([solved(&data.solved)?]),
        pass_rates: some([pass_rates(data)?]),
        diversity: diversity(all)?,
        shape: shape(all)?,
        work: some([stage_seconds(all)?, throughput(all)?, busy(all)?, verdicts(all)?]),
    })
}

fn some<const N: usize>(plots: [Option<Plot>; N]) -> Vec<Plot> {
    plots.into_iter().flatten().collect()
}

fn plot<'a>(title: &'static str, svg: Option<String>, names: impl Iterator<Item = &'a str>) -> Option<Plot> {
    let legend = names.enumerate().map(|(place, name)| (chart::color(place), name.to_owned()));
    let mut legend: Vec<(String, String)> = legend.collect();
    if legend.len() == 1 {
        legend.clear();
    }
    svg.map(|svg| Plot { title, svg, legend })
}

fn curves(title: &'static str, axes: Axes<'_>, series: &[Series]) -> Result<Option<Plot>, ReportError> {
    let series: Vec<Series> = series.iter().filter(|one| !one.points.is_empty()).cloned().collect();
    let svg = chart::curves(axes, &series)?;
    Ok(plot(title, svg, series.iter().map(|one| one.name.as_str())))
}

fn bars(
    title: &'static str,
    axes: Axes<'_>,
    labels: &[String],
    layers: &[Layer],
) -> Result<Option<Plot>, ReportError> {
    let svg = chart::bars(axes, labels, layers)?;
    Ok(plot(title, svg, layers.iter().map(|layer| layer.name.as_str())))
}

fn solved(all: &[SolvedCurve]) -> Result<Option<Plot>, ReportError> {
    let series = all.iter().filter(|curve| curve.points.len() > 1).map(|curve| Series {
        name: curve.name.clone(),
        points: curve.points.iter().map(|point| (point.verified as f64, point.solved as f64)).collect(),
    });
    let axes = Axes { x: "verified candidates", y: "solved training problems", size: Size::Wide, top: None };
    curves("Solved training problems over verified candidates", axes, &series.collect::<Vec<_>>())
}

fn pass_rates(data: &ReportData) -> Result<Option<Plot>, ReportError> {
    let labels: Vec<String> = data.pass_rates.iter().map(|bin| bin.label.clone()).collect();
    let heights = data.pass_rates.iter().map(|bin| bin.count as f64).collect();
    let axes = Axes { x: "pass rate", y: "conjectures", size: Size::Wide, top: None };
    bars("Pass rates of conjectures", axes, &labels, &[Layer { name: "conjectures".to_owned(), heights }])
}

/// A number of each iteration that has it.
fn series(name: &str, all: &[IterationData], value: impl Fn(&IterationData) -> Option<f64>) -> Series {
    let point = |one: &IterationData| Some((f64::from(one.iteration), value(one)?));
    Series { name: name.to_owned(), points: all.iter().filter_map(point).collect() }
}

fn small(y: &str) -> Axes<'_> {
    Axes { x: "iteration", y, size: Size::Small, top: None }
}

fn percent(y: &str) -> Axes<'_> {
    Axes { top: Some(105.0), ..small(y) }
}

/// Counts of proofs mean nothing in an iteration that found none.
fn with_proofs(one: &IterationData, value: f64) -> Option<f64> {
    (one.diversity.proofs > 0).then_some(value)
}

fn diversity(all: &[IterationData]) -> Result<Vec<Plot>, ReportError> {
    let statements = series("new statements", all, |one| one.diversity.statements.map(|count| count as f64));
    let lemmas = [
        series("distinct", all, |one| with_proofs(one, one.diversity.lemmas as f64)),
        series("effective number", all, |one| one.diversity.effective_lemmas),
    ];
    let tactics = series("tactics", all, |one| with_proofs(one, one.diversity.first_tactics as f64));
    let proofs = series("proofs", all, |one| one.diversity.proofs_per_statement);
    Ok(some([
        curves("Distinct new statements", small("statements"), &[statements])?,
        curves("Lemmas named in accepted proofs", small("lemmas"), &lemmas)?,
        curves("Distinct first tactics", small("tactics"), &[tactics])?,
        curves("Distinct proofs of a proved statement, mean", small("proofs"), &[proofs])?,
    ]))
}

fn shape(all: &[IterationData]) -> Result<Vec<Plot>, ReportError> {
    let statements = [
        series("statement", all, |one| one.lengths.statement),
        series("conclusion", all, |one| one.lengths.conclusion),
    ];
    let proofs = series("proof", all, |one| one.lengths.proof);
    let share = series("disjunctive", all, |one| one.disjunctive.map(|share| share * 100.0));
    let new = series("new", all, |one| one.diversity.statement_share.map(|share| share * 100.0));
    Ok(some([
        curves("Length of conjectures, mean", small("characters"), &statements)?,
        curves("Length of accepted proofs, mean", small("characters"), &[proofs])?,
        curves("Disjunctive conclusions", percent("% of conclusions"), &[share])?,
        curves("Statements that were not known", percent("% of parsed conjectures"), &[new])?,
    ]))
}

fn labels(all: &[IterationData]) -> Vec<String> {
    all.iter().map(|one| one.iteration.to_string()).collect()
}

fn stage_seconds(all: &[IterationData]) -> Result<Option<Plot>, ReportError> {
    let mut names: Vec<&str> =
        all.iter().flat_map(|one| one.stage_seconds.keys().map(String::as_str)).collect();
    let place = |name: &str| STAGES.iter().position(|stage| *stage == name).unwrap_or(STAGES.len());
    names.sort_unstable_by_key(|name| (place(name), *name));
    names.dedup();
    let longest = all.iter().map(|one| one.stage_seconds.values().sum::<f64>()).fold(0.0, f64::max);
    let (unit, y) = match longest {
        long if long >= 7200.0 => (3600.0, "hours"),
        long if long >= 120.0 => (60.0, "minutes"),
        _ => (1.0, "seconds"),
    };
    let layer = |name: &&str| Layer {
        name: (*name).to_owned(),
        heights: all.iter().map(|one| one.stage_seconds.get(*name).copied().unwrap_or(0.0) / unit).collect(),
    };
    bars("Time by stage", small(y), &labels(all), &names.iter().map(layer).collect::<Vec<_>>())
}

fn throughput(all: &[IterationData]) -> Result<Option<Plot>, ReportError> {
    let verdicts = series("verdicts", all, |one| one.verdicts_per_second);
    curves("Verifier throughput", small("verdicts per second"), &[verdicts])
}

fn busy(all: &[IterationData]) -> Result<Option<Plot>, ReportError> {
    let shares = [
        series("generator", all, |one| one.generator_busy.map(|share| share * 100.0)),
        series("verifier farm", all, |one| one.farm_busy.map(|share| share * 100.0)),
    ];
    curves("Busy while conjecturing and proving", percent("% of the time"), &shares)
}

fn verdicts(all: &[IterationData]) -> Result<Option<Plot>, ReportError> {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, count) in all.iter().flat_map(|one| &one.verdicts) {
        *totals.entry(kind).or_default() += count;
    }
    let mut kinds: Vec<(&str, u64)> = totals.into_iter().collect();
    // What is accepted lies at the bottom, where it can be compared.
    kinds.sort_by_key(|(kind, count)| (*kind != "accepted", std::cmp::Reverse(*count), *kind));
    let (shown, rest) = kinds.split_at(kinds.len().min(MOST_KINDS));
    let share = |one: &IterationData, count: u64| count as f64 / (one.samples.max(1) as f64) * 100.0;
    let of_kind = |one: &IterationData, kind: &str| one.verdicts.get(kind).copied().unwrap_or(0);
    let mut layers: Vec<Layer> = shown
        .iter()
        .map(|(kind, _)| Layer {
            name: (*kind).to_owned(),
            heights: all.iter().map(|one| share(one, of_kind(one, kind))).collect(),
        })
        .collect();
    if !rest.is_empty() {
        let sum = |one: &IterationData| rest.iter().map(|(kind, _)| of_kind(one, kind)).sum();
        let heights = all.iter().map(|one| share(one, sum(one))).collect();
        layers.push(Layer { name: "other".to_owned(), heights });
    }
    let axes = Axes { top: Some(100.0), ..small("% of samples") };
    bars("Verdicts on sampled proofs", axes, &labels(all), &layers)
}
