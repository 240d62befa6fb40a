//! What a careful person would do by hand: one file with everything in it, one plain `lean --json` process.

use anyhow::{Context, bail};
use proofloop_sandboxes::process::{Launcher, Policy};
use proofloop_verifiers::lean::batch::messages::{LeanMessage, LeanSeverity};
use proofloop_verifiers::lean::toolchain::Toolchain;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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
    pub cpu: Duration,
    pub wall: Duration,
}

/// Runs the hand-made file: each candidate in a namespace, nothing pinned, nothing checked besides the messages.
pub(super) async fn run(launcher: &Launcher, toolchain: &Toolchain, texts: &[Text]) -> anyhow::Result<Baseline> {
    let mut file = String::new();
    let mut first_lines = Vec::new();
    let mut line = 1;
    for (number, text) in texts.iter().enumerate() {
        let part = format!(
            "namespace N{number}\n{}\n{}{}\nend N{number}\n",
            text.header, text.statement, text.completion
        );
        first_lines.push(line);
        line += part.matches('\n').count();
        file.push_str(&part);
    }
    file.push_str("#print \"end of file\"\n");
    let directory = tempfile::tempdir().context("cannot make a working directory")?;
    std::fs::write(directory.path().join("plain.lean"), &file).context("cannot write the file")?;
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
    let finished = launcher.run(&program, &policy, &CancellationToken::new()).await?;
    if finished.stdout.is_truncated() {
        bail!("the plain process printed more than can be kept");
    }
    let output = finished.stdout.to_string_lossy();
    let mut accepted = vec![true; texts.len()];
    let mut ended = false;
    for message in output.lines().filter_map(|line| LeanMessage::from_line(line.as_bytes())) {
        ended |= message.data == "end of file";
        if message.severity == LeanSeverity::Error || message.has_sorry() {
            let at = usize::try_from(message.pos.line)?;
            let index = first_lines.partition_point(|first| *first <= at).saturating_sub(1);
            accepted[index] = false;
        }
    }
    if !ended {
        bail!("the plain process did not get to the end of its file ({:?})", finished.outcome);
    }
    Ok(Baseline { accepted, cpu: finished.usage.cpu, wall: finished.usage.wall })
}
