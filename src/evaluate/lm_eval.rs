//! `results.json`, laid out as lm-evaluation-harness writes it, so that what reads its results reads ours
//! (`../shared/reference/datasets.md` §2.3). What it has no place for stands under `proofloop`.

use super::results::{PassAtK, Results};
use super::settings::{Settings, Source};
use serde_json::{Map, Value, json};

/// Raised when the numbers of the same samples change their meaning.
const TASK_VERSION: u32 = 1;

/// What is told besides the results.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The data set.
    pub task: &'a str,
    /// blake3 of the problems.
    pub task_hash: &'a str,
    /// What the evaluation is of.
    pub settings: &'a Settings,
    /// The checkers of the verdicts.
    pub checkers: &'a [String],
    /// Seconds since 1970, of when this is written.
    pub date_s: u64,
}

/// The file.
#[must_use]
pub fn layout(about: About<'_>, results: &Results) -> Value {
    let task = about.task;
    let scores: Map<String, Value> = results.pass.iter().flat_map(score).collect();
    let higher: Map<String, Value> =
        results.pass.iter().map(|one| (format!("pass@{}", one.k), Value::Bool(true))).collect();
    let mut scores = scores;
    scores.insert("alias".to_owned(), json!(task));
    let maker = about.settings.maker();
    json!({
        "results": { task: scores },
        "group_subtasks": { task: [] },
        "configs": { task: { "task": task, "metric_list": results.pass.iter().map(|one| json!({
            "metric": format!("pass@{}", one.k), "aggregation": "mean", "higher_is_better": true,
        })).collect::<Vec<_>>() } },
        "versions": { task: TASK_VERSION },
        "n-shot": { task: 0 },
        "higher_is_better": { task: higher },
        "n-samples": { task: { "original": results.problems, "effective": results.problems } },
        "config": config(about.settings),
        "git_hash": null,
        "date": about.date_s,
        "task_hashes": { task: about.task_hash },
        "model_source": match &about.settings.source {
            Source::Generated { generator, .. } => generator.engine.as_str(),
            Source::File { .. } => "file",
        },
        "model_name": maker,
        "model_name_sanitized": maker.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_"),
        "system_instruction": null,
        "chat_template": null,
        "proofloop": {
            "version": env!("CARGO_PKG_VERSION"),
            "checkers": about.checkers,
            "settings": about.settings,
            "results": results,
        },
    })
}

/// lm-evaluation-harness names a metric with its filter; ours has none.
fn score(one: &PassAtK) -> [(String, Value); 2] {
    let name = format!("pass@{}", one.k);
    [
        (format!("{name},none"), json!(one.estimate.map(|estimate| estimate.value))),
        (format!("{name}_stderr,none"), json!(one.estimate.map(|estimate| estimate.standard_error))),
    ]
}

fn config(settings: &Settings) -> Value {
    match &settings.source {
        Source::Generated { generator, prompt, seed, sampling, prompt_hash: _ } => json!({
            "model": generator.engine,
            "model_args": format!("pretrained={}", generator.model),
            "batch_size": null,
            "bootstrap_iters": super::results::RESAMPLES,
            "limit": null,
            "gen_kwargs": sampling,
            "random_seed": seed,
            "prompt": prompt,
        }),
        Source::File { path, .. } => json!({
            "model": "file",
            "model_args": format!("samples={path}"),
            "batch_size": null,
            "bootstrap_iters": super::results::RESAMPLES,
            "limit": null,
            "gen_kwargs": null,
            "random_seed": null,
        }),
    }
}
