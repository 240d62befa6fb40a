//! What an evaluation has come to: on the terminal and in its folder.

use super::super::exit::Exit;
use super::super::output;
use super::{Args, Evaluation};
use crate::evaluate::lm_eval::{self, About};
use crate::evaluate::statistics::Estimate;
use crate::evaluate::{Missing, PassAtK, Results, Settings, Share, samples_out};
use crate::folder::Record;
use crate::model::files;
use crate::report::folder::{PAGE, page_of_evaluation};
use anyhow::Context;
use comfy_table::{Table, presets};
use proofloop_datasets::store::{EvaluationStore, ProblemTally};
use std::io::Write as _;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

/// The files of a folder that are written at the end.
const RESULTS: &str = "results.json";
const SAMPLES: &str = "samples.jsonl";

/// Writes the files, and says what came out.
pub(super) fn tell(evaluation: &Evaluation, args: &Args, missing: &Missing) -> anyhow::Result<Exit> {
    let mut store = evaluation.store.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = args.samples_from.is_none().then_some(args.samples.get());
    let ks = ks(args, wanted, &store)?;
    store.set_meta("ks", &ks.iter().map(u32::to_string).collect::<Vec<_>>().join(","))?;
    store.set_meta("wanted", &wanted.map_or_else(String::new, |wanted| wanted.to_string()))?;
    store.set_meta("task", &evaluation.task)?;
    let folder = evaluation.folder.path();
    let (results, tallies) = Results::read(&store, &ks, wanted)?;
    let written = write(folder, &store, evaluation.folder.record(), &evaluation.task, (&results, &tallies))?;
    if args.json {
        output::data(&written)?;
    } else {
        output::data(&table(&results))?;
        evaluation.notes.iter().try_for_each(|line| output::data(line))?;
        notes(&results).iter().try_for_each(|line| output::data(line))?;
    }
    for (problem, samples, error) in missing.undrawn.iter().take(10) {
        let name = &evaluation.problems[*problem as usize].name;
        output::say(&format!("{samples} samples of `{name}` could not be drawn: {error}"));
    }
    if let Some(cause) = &missing.cause {
        output::say(&format!("{} candidates could not be judged: {cause}", missing.unavailable));
    }
    output::say(&format!("the whole evaluation on one page: {}", folder.join(PAGE).display()));
    if results.is_complete {
        return Ok(Exit::Success);
    }
    output::say("the evaluation is incomplete: the same command goes on with it");
    Ok(Exit::Infrastructure)
}

/// Those that were asked for; else 1 and as many as every problem has.
fn ks(args: &Args, wanted: Option<u32>, store: &EvaluationStore) -> anyhow::Result<Vec<u32>> {
    let mut ks: Vec<u32> = args.k.iter().map(|k| k.get()).collect();
    if ks.is_empty() {
        let least = store.tallies()?.iter().map(|tally| tally.samples).min().unwrap_or(0);
        ks = vec![1, wanted.unwrap_or(least).max(1)];
    }
    ks.sort_unstable();
    ks.dedup();
    Ok(ks)
}

/// Gives `results.json` as it was written.
fn write(
    folder: &Path,
    store: &EvaluationStore,
    record: &Record<Settings>,
    task: &str,
    (results, tallies): (&Results, &[ProblemTally]),
) -> anyhow::Result<String> {
    let checkers = ["checker-lean", "checker-python"].map(|key| store.meta(key));
    let checkers: Vec<String> =
        checkers.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let date_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (settings, task_hash) = (&record.settings, record.problems_hash.as_str());
    let about = About { task, task_hash, settings, checkers: &checkers, date_s };
    let text = serde_json::to_string_pretty(&lm_eval::layout(about, results))?;
    let cannot = |name: &str| format!("cannot write `{}`", folder.join(name).display());
    files::write_renamed(&folder.join(RESULTS), |file| file.write_all(text.as_bytes()))
        .with_context(|| cannot(RESULTS))?;
    let names: Vec<&str> = tallies.iter().map(|tally| tally.problem.name.as_str()).collect();
    files::write_renamed(&folder.join(SAMPLES), |file| {
        samples_out::write(store, &names, file).map_err(std::io::Error::other)
    })
    .with_context(|| cannot(SAMPLES))?;
    let page = page_of_evaluation(folder, store, Some(record), task, (results, tallies))?;
    files::write_renamed(&folder.join(PAGE), |file| file.write_all(page.as_bytes()))
        .with_context(|| cannot(PAGE))?;
    Ok(text)
}

fn table(results: &Results) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "%", "95 % interval", "standard error", "of it sampling", "of it problems"]);
    for one in &results.pass {
        table.add_row(row(one));
    }
    if let Some(Share { count, of, interval }) = results.solved {
        table.add_row([
            format!("solved, {count} of {of}"),
            percent(count as f64 / of as f64),
            format!("[{}, {}]", percent(interval.low), percent(interval.high)),
        ]);
    }
    table.to_string()
}

fn row(one: &PassAtK) -> Vec<String> {
    let name = format!("pass@{}", one.k);
    let Some(estimate) = one.estimate else { return vec![name, "–".to_owned()] };
    let interval = estimate.interval;
    let mut row = vec![
        name,
        percent(estimate.value),
        format!("[{}, {}]", percent(interval.low), percent(interval.high)),
        percent(estimate.standard_error),
    ];
    if let Some(noise) = one.noise {
        row.extend([percent(noise.sampling), percent(noise.problems)]);
    }
    row
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// What the numbers do not say themselves.
fn notes(results: &Results) -> Vec<String> {
    let mut lines = vec![format!(
        "{} samples of {} problems: {} accepted{}",
        results.samples,
        results.problems,
        results.accepted,
        if results.open > 0 { format!(", {} without a verdict", results.open) } else { String::new() }
    )];
    let without: Vec<String> =
        results.pass.iter().filter(|one| one.estimate.is_none()).map(|one| one.k.to_string()).collect();
    if !without.is_empty() {
        let why = if results.unsampled > 0 {
            format!("{} problems have no sample", results.unsampled)
        } else {
            "some problem has fewer judged samples".to_owned()
        };
        lines.push(format!("no estimate for k = {}: {why}", without.join(", ")));
    }
    if let Some(turns) = &results.turns {
        let told = |what: &str, estimate: &Estimate| {
            let Estimate { value, interval, .. } = estimate;
            let [value, low, high] = [*value, interval.low, interval.high].map(percent);
            format!("{what}: {value} % [{low}, {high}]")
        };
        lines.push(format!(
            "{} wrong answers were tried again with feedback, {} of them were mended",
            turns.total.tried, turns.total.refined
        ));
        lines.push(told("pass@1 with later turns", &turns.after));
        lines.push(told("its gain over first answers", &turns.gain));
        lines.push(told("further samples for as many tokens instead", &turns.resampling));
        lines.push(told("what feedback is worth over them", &turns.over_resampling));
    }
    lines
}
