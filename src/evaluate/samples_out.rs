//! `samples.jsonl`: every sample with its verdict. human-eval's fields (`task_id`, `completion`, `result`, `passed`) with
//! ours behind them, so that what reads human-eval's results reads this.

use proofloop_datasets::store::{EvaluationStore, KeptSample, StoreError};
use serde::Serialize;
use std::io::{self, Write};

/// A line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    task_id: &'a str,
    sample: u32,
    completion: &'a str,
    /// human-eval's words; null as long as there is no verdict.
    result: Option<String>,
    /// Null as long as there is no verdict.
    passed: Option<bool>,
    verdict: Option<&'a str>,
    reason: Option<&'a str>,
    assurance: Option<&'a str>,
    message: Option<&'a str>,
    tokens: Option<u32>,
    finish: Option<&'a str>,
    wall_ms: Option<u64>,
    cpu_ms: Option<u64>,
    peak_memory_bytes: Option<u64>,
}

/// Lines that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store can't be read.
    #[error("cannot read the samples")]
    Store(#[from] StoreError),
    /// They can't be written.
    #[error("cannot write the samples")]
    Io(#[from] io::Error),
}

/// Writes every sample, by problem and number. `names` are the problems', in the order of the store.
///
/// # Errors
/// [`WriteError`].
pub fn write(store: &EvaluationStore, names: &[&str], out: &mut dyn Write) -> Result<(), WriteError> {
    store.each_sample(|sample| {
        let name = names.get(sample.problem as usize).copied().unwrap_or_default();
        serde_json::to_writer(&mut *out, &line(name, &sample)).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        Ok(())
    })
}

fn line<'a>(task_id: &'a str, sample: &'a KeptSample) -> Line<'a> {
    let verdict = sample.verdict.as_ref();
    let result = verdict.map(|record| match record.verdict.as_str() {
        "accepted" => "passed".to_owned(),
        "timeout" => "timed out".to_owned(),
        other => {
            format!("failed: {}", record.message.as_deref().or(record.reason.as_deref()).unwrap_or(other))
        }
    });
    Line {
        task_id,
        sample: sample.sample,
        completion: &sample.completion,
        result,
        passed: verdict.map(|record| record.is_accepted()),
        verdict: verdict.map(|record| record.verdict.as_str()),
        reason: verdict.and_then(|record| record.reason.as_deref()),
        assurance: verdict.and_then(|record| record.assurance.as_deref()),
        message: verdict.and_then(|record| record.message.as_deref()),
        tokens: sample.tokens,
        finish: sample.finish.as_deref(),
        wall_ms: verdict.map(|record| record.wall_ms),
        cpu_ms: verdict.map(|record| record.cpu_ms),
        peak_memory_bytes: verdict.map(|record| record.peak_memory_bytes),
    }
}
