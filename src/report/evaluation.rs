//! The page of an evaluation: `evaluation.html` filled in.

use super::ReportError;
use super::chart::{self, Axes, Banded, Size};
use super::html;
use crate::evaluate::{PassAtK, Results};
use minijinja::value::Serde;
use minijinja::{Value, context};
use proofloop_datasets::store::{EvaluationStore, KeptSample, ProblemTally, StoreError};
use serde::Serialize;
use std::collections::BTreeMap;

const NAME: &str = "evaluation.html";
const TEMPLATE: &str = include_str!("evaluation.html");

/// More of each would make a page that nobody opens: `samples.jsonl` has all.
const MOST_PROBLEMS: usize = 2_000;
const MOST_CELLS: usize = 128;
const MOST_EXAMPLES: usize = 3;
const MOST_CHARS: usize = 4_000;

/// What the page is about.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The folder's name.
    pub name: &'a str,
    /// The data set's.
    pub task: &'a str,
    /// Who made the samples.
    pub maker: &'a str,
    /// `run.toml`.
    pub settings: &'a str,
    /// The numbers.
    pub results: &'a Results,
    /// In the order of the store.
    pub tallies: &'a [ProblemTally],
}

/// A problem with its samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct ProblemRow {
    name: String,
    text: String,
    category: Option<String>,
    samples: u32,
    accepted: u32,
    open: u32,
    tokens: u64,
    cpu_s: f64,
    /// For each sample: what a style sheet calls its verdict, and the verdict in words.
    cells: Vec<(&'static str, String)>,
    /// The shortest accepted answer.
    answer: Option<String>,
}

/// A way to fail.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Failure {
    verdict: String,
    reason: Option<String>,
    samples: u64,
    /// Different messages of different problems, each behind its problem.
    examples: Vec<(String, String)>,
}

/// The whole page.
///
/// # Errors
/// [`ReportError`]; the store can't be read.
pub fn html(shown: &Shown<'_>, store: &EvaluationStore) -> Result<String, PageError> {
    let (problems, failures) = rows(shown, store)?;
    let solved = shown.results.solved.map_or(0, |solved| solved.count);
    let per_solved = |total: f64| (solved > 0).then(|| total / solved as f64);
    let page = context! {
        name => shown.name,
        task => shown.task,
        maker => shown.maker,
        settings => shown.settings,
        version => env!("CARGO_PKG_VERSION"),
        results => Value::from(Serde(shown.results)),
        curve => curve(&shown.results.curve)?.map(Value::from_safe_string),
        problems => Value::from(Serde(&problems)),
        left_out => shown.tallies.len().saturating_sub(problems.len()),
        failures => Value::from(Serde(&failures)),
        tokens_per_solved => per_solved(shown.results.tokens as f64),
        cpu_per_solved => per_solved(shown.results.verify_cpu_s),
    };
    let mut environment = html::environment().map_err(ReportError::from)?;
    environment.add_template(NAME, TEMPLATE).map_err(ReportError::from)?;
    let template = environment.get_template(NAME).map_err(ReportError::from)?;
    Ok(template.render(page).map_err(ReportError::from)?)
}

/// A page that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The samples can't be read.
    #[error("cannot read the samples")]
    Store(#[from] StoreError),
    /// The page itself failed.
    #[error(transparent)]
    Report(#[from] ReportError),
}

fn curve(points: &[PassAtK]) -> Result<Option<String>, ReportError> {
    let banded = |one: &PassAtK| {
        let estimate = one.estimate?;
        let percent = |share: f64| share * 100.0;
        Some(Banded {
            x: one.k.into(),
            low: percent(estimate.interval.low),
            value: percent(estimate.value),
            high: percent(estimate.interval.high),
        })
    };
    let points: Vec<Banded> = points.iter().filter_map(banded).collect();
    let axes = Axes { x: "samples of each problem, k", y: "pass@k, %", size: Size::Wide, top: None };
    chart::band(axes, &points)
}

fn rows(shown: &Shown<'_>, store: &EvaluationStore) -> Result<(Vec<ProblemRow>, Vec<Failure>), StoreError> {
    let row = |tally: &ProblemTally| ProblemRow {
        name: tally.problem.name.clone(),
        text: cut(&tally.problem.text),
        category: tally.problem.category.clone(),
        samples: tally.samples,
        accepted: tally.accepted,
        open: tally.samples - tally.judged,
        tokens: tally.tokens,
        cpu_s: tally.cpu_ms as f64 / 1e3,
        ..ProblemRow::default()
    };
    let mut problems: Vec<ProblemRow> = shown.tallies.iter().take(MOST_PROBLEMS).map(row).collect();
    let mut failures: BTreeMap<(String, Option<String>), Failure> = BTreeMap::new();
    store.each_sample(|sample| {
        let name = shown.tallies.get(sample.problem as usize).map_or("", |tally| &tally.problem.name);
        fail(&mut failures, name, &sample);
        if let Some(problem) = problems.get_mut(sample.problem as usize) {
            add(problem, &sample);
        }
        Ok::<(), StoreError>(())
    })?;
    let mut failures: Vec<Failure> = failures.into_values().collect();
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.samples));
    Ok((problems, failures))
}

fn add(problem: &mut ProblemRow, sample: &KeptSample) {
    let verdict = sample.verdict.as_ref();
    if problem.cells.len() < MOST_CELLS {
        let class = match verdict.map(|record| record.verdict.as_str()) {
            None => "open",
            Some("accepted") => "accepted",
            Some("rejected") => "rejected",
            Some(_) => "limit",
        };
        let words = verdict.map_or_else(
            || "no verdict yet".to_owned(),
            |record| match &record.reason {
                Some(reason) => format!("{}: {reason}", record.verdict),
                None => record.verdict.clone(),
            },
        );
        problem.cells.push((class, words));
    }
    let is_shorter = problem.answer.as_ref().is_none_or(|shortest| sample.completion.len() < shortest.len());
    if verdict.is_some_and(|record| record.is_accepted()) && is_shorter {
        problem.answer = Some(cut(&sample.completion));
    }
}

fn fail(failures: &mut BTreeMap<(String, Option<String>), Failure>, name: &str, sample: &KeptSample) {
    let Some(record) = sample.verdict.as_ref().filter(|record| !record.is_accepted()) else { return };
    let key = (record.verdict.clone(), record.reason.clone());
    let failure = failures.entry(key).or_insert_with(|| Failure {
        verdict: record.verdict.clone(),
        reason: record.reason.clone(),
        ..Failure::default()
    });
    failure.samples += 1;
    let message = record.message.as_deref().unwrap_or_default();
    let is_other = |(problem, there): &(String, String)| problem != name && there != message;
    let is_new = !message.is_empty() && failure.examples.iter().all(is_other);
    if is_new && failure.examples.len() < MOST_EXAMPLES {
        failure.examples.push((name.to_owned(), message.to_owned()));
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} …", &text[..end]),
    }
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
