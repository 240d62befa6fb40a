//! What a careful person would do by hand: one file with everything in it, one plain `lean --json` process; and what
//! a patient one would do: a process for each candidate.

use anyhow::{Context, bail};
use proofloop_sandboxes::process::{Finished, Launcher, Outcome, Policy};
use proofloop_verifiers::lean::batch::messages::{LeanMessage, LeanSeverity};
use proofloop_verifiers::lean::toolchain::Toolchain;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The npm build overflows its main thread's stack on files of more than about 28,000 commands, so a careful person
/// would make several: four commands and the header's for each candidate.
const FILE_CANDIDATES: usize = 4_000;

/// One candidate as text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub id: String,
    pub header: String,
    pub statement: String,
    pub completion: String,
}

/// What the plain process said and cost.
#[derive(Debug)]
pub(super) struct Baseline {
    /// Without an error and without `sorry`, in order.
    pub accepted: Vec<bool>,
    /// How many processes it took: one for each file, and one more for each candidate that killed one.
    pub processes: usize,
    pub cpu: Duration,
    pub wall: Duration,
}

/// Runs the hand-made file: each candidate in a namespace with a marker behind it, nothing pinned, nothing checked
/// besides the messages. A candidate that kills the process is noted, and the file goes on behind it.
pub(super) async fn run(
    launcher: &Launcher,
    toolchain: &Toolchain,
    texts: &[Text],
) -> anyhow::Result<Baseline> {
    let mut baseline =
        Baseline { accepted: Vec::new(), processes: 0, cpu: Duration::ZERO, wall: Duration::ZERO };
    while baseline.accepted.len() < texts.len() {
        let rest = &texts[baseline.accepted.len()..];
        let rest = &rest[..rest.len().min(FILE_CANDIDATES)];
        let finished = process(launcher, toolchain, &file(rest)).await?;
        if let Outcome::TimedOut | Outcome::MemoryLimit | Outcome::OutputLimit = finished.outcome {
            bail!("the plain process ended with {:?}", finished.outcome);
        }
        baseline.processes += 1;
        baseline.cpu += finished.usage.cpu;
        baseline.wall += finished.usage.wall;
        if finished.stdout.is_truncated() {
            bail!("the plain process printed more than can be kept");
        }
        let (mut accepted, passed) = read(&finished.stdout.to_string_lossy(), rest);
        if passed < rest.len() {
            accepted.truncate(passed);
            accepted.push(false);
        }
        baseline.accepted.extend(accepted);
    }
    Ok(baseline)
}

/// Whether a fresh process accepts the candidate as it stands, with nothing else in its file; and its CPU time.
pub(super) async fn alone(
    launcher: &Launcher,
    toolchain: &Toolchain,
    text: &Text,
) -> anyhow::Result<(bool, Duration)> {
    let Text { header, statement, completion, .. } = text;
    let file = format!("{header}\n{statement}{completion}\n#print \"passed\"\n");
    let finished = process(launcher, toolchain, &file).await?;
    let output = finished.stdout.to_string_lossy();
    let messages: Vec<_> =
        output.lines().filter_map(|line| LeanMessage::from_line(line.as_bytes())).collect();
    let is_clean =
        !messages.iter().any(|message| message.severity == LeanSeverity::Error || message.has_sorry());
    let is_passed = messages.iter().any(|message| message.data == "passed");
    let is_accepted = finished.outcome == (Outcome::Exited { code: 0 }) && is_clean && is_passed;
    Ok((is_accepted, finished.usage.cpu))
}

fn part(number: usize, text: &Text) -> String {
    let Text { header, statement, completion, .. } = text;
    format!(
        "namespace N{number}\n{header}\n{statement}{completion}\nend N{number}\n#print \"passed {number}\"\n"
    )
}

fn file(texts: &[Text]) -> String {
    texts.iter().enumerate().map(|(number, text)| part(number, text)).collect()
}

async fn process(launcher: &Launcher, toolchain: &Toolchain, file: &str) -> anyhow::Result<Finished> {
    let directory = tempfile::tempdir().context("cannot make a working directory")?;
    std::fs::write(directory.path().join("plain.lean"), file).context("cannot write the file")?;
    let program = toolchain.program(directory.path(), std::path::Path::new("plain.lean"));
    let mut policy = Policy {
        wall: Duration::from_secs(3600),
        memory_bytes: 8 << 30,
        output_bytes: 64 << 20,
        processes: 128,
        ..Policy::default()
    };
    policy.read_only.extend(toolchain.read_only.iter().cloned());
    policy.read_only.push(directory.path().to_path_buf());
    policy.env.extend(toolchain.env.clone());
    Ok(launcher.run(&program, &policy, &CancellationToken::new()).await?)
}

/// Which candidates have neither an error nor `sorry`, and how many were passed.
fn read(output: &str, texts: &[Text]) -> (Vec<bool>, usize) {
    let mut first_lines = Vec::new();
    let mut line = 1;
    for (number, text) in texts.iter().enumerate() {
        first_lines.push(line);
        line += part(number, text).matches('\n').count();
    }
    let mut accepted = vec![true; texts.len()];
    let mut passed = 0;
    for message in output.lines().filter_map(|line| LeanMessage::from_line(line.as_bytes())) {
        let at = usize::try_from(message.pos.line).unwrap_or(usize::MAX);
        let index = first_lines.partition_point(|first| *first <= at).saturating_sub(1);
        if message.severity == LeanSeverity::Error || message.has_sorry() {
            accepted[index] = false;
        }
        if message.data == format!("passed {index}") {
            passed = passed.max(index + 1);
        }
    }
    (accepted, passed)
}
