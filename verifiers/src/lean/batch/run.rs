//! Runs one batch file through Lean in the sandbox and follows its messages.

use super::layout::Layout;
use super::messages::{LeanMessage, Lines};
use super::tracker::{End, Outcome, Tracker};
use crate::lean::toolchain::Toolchain;
use crate::scratch::Scratch;
use crate::verdict::Usage;
use crate::verifier::{Limits, UnitCost};
use proofloop_sandboxes::process::{
    Finished, Launcher, Outcome as ProcessOutcome, Policy, Session, Usage as ProcessUsage,
};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest line of output that can be a message; longer ones are dropped and counted as a flood.
pub(in crate::lean) const LINE_BYTES: usize = 4 << 20;

/// From the end of its output to the end of the process; then it is killed.
pub(in crate::lean) const END_ALLOWANCE: Duration = Duration::from_secs(10);

/// One candidate's outcome with its share of what the process has cost since the last ones.
#[derive(Debug)]
pub struct Judged<'a> {
    /// Position in the unit.
    pub index: usize,
    /// Its outcome.
    pub outcome: Outcome,
    /// Its share; the peak of memory is the process's.
    pub usage: Usage,
    /// The protection that was in force.
    pub protection: &'a [String],
}

/// Takes outcomes as soon as they are final, so that a kill loses as little as can be.
pub type Report<'a> = &'a mut (dyn FnMut(Judged<'_>) + Send);

/// Hands outcomes on with their share of the cost.
struct Reporter<'a> {
    report: Report<'a>,
    protection: Vec<String>,
    accounted: Usage,
}

impl Reporter<'_> {
    fn hand_on(&mut self, outcomes: Vec<(usize, Outcome)>, total: Usage) {
        if outcomes.is_empty() {
            return;
        }
        let wall = shares(total.wall_ms.saturating_sub(self.accounted.wall_ms), outcomes.len());
        let cpu = shares(total.cpu_ms.saturating_sub(self.accounted.cpu_ms), outcomes.len());
        self.accounted = total;
        for ((index, outcome), (wall_ms, cpu_ms)) in outcomes.into_iter().zip(wall.zip(cpu)) {
            let usage = Usage { wall_ms, cpu_ms, peak_memory_bytes: total.peak_memory_bytes };
            (self.report)(Judged { index, outcome, usage, protection: &self.protection });
        }
    }
}

/// `total` in `count` shares that add up to it and differ by at most 1, the larger ones first.
fn shares(total: u64, count: usize) -> impl Iterator<Item = u64> {
    let divisor = u64::try_from(count.max(1)).unwrap_or(u64::MAX);
    (0..divisor).map(move |index| total / divisor + u64::from(index < total % divisor))
}

/// Runs `layout` with `toolchain` in an empty directory and reports every candidate's outcome; returns what the
/// process has cost, however it ended.
pub async fn run(
    (launcher, scratch): (&Launcher, &Scratch),
    toolchain: &Toolchain,
    layout: &Layout,
    limits: &Limits,
    cancel: &CancellationToken,
    report: Report<'_>,
) -> UnitCost {
    let file_name = format!("{}.lean", layout.nonce);
    let mut tracker = Tracker::new(layout, &file_name);
    let mut reporter = Reporter { report, protection: Vec::new(), accounted: Usage::default() };
    let candidates = u32::try_from(layout.pins.len()).unwrap_or(u32::MAX);
    let file = (file_name.as_str(), layout.text.as_str());
    let (end, spent) = match start((launcher, scratch), toolchain, file, limits, candidates).await {
        Err(cause) => (End::Unavailable(cause), None),
        Ok((directory, mut session)) => {
            reporter.protection = session.protection().names();
            let clocks = Clocks { start: toolchain.start_allowance, candidate: limits.timeout };
            let stop = follow(&mut session, &mut tracker, clocks, cancel, &mut reporter).await;
            let closed = close(session, stop).await;
            drop(directory);
            closed
        }
    };
    let usage = spent.as_ref().map_or(reporter.accounted, measured);
    reporter.hand_on(tracker.finish(&end), usage);
    spent.map_or_else(UnitCost::default, |spent| UnitCost { cpu: spent.cpu, processes: 1 })
}

/// How long may pass without progress.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    /// Until the imports are through.
    start: Duration,
    /// Between two candidates.
    candidate: Duration,
}

fn measured(usage: &ProcessUsage) -> Usage {
    Usage::new(usage.wall, usage.cpu, usage.peak_memory_bytes)
}

/// Starts Lean on a file of this name and text, which holds so many candidates. The directory must outlive the session.
pub(in crate::lean) async fn start(
    (launcher, scratch): (&Launcher, &Scratch),
    toolchain: &Toolchain,
    (file_name, text): (&str, &str),
    limits: &Limits,
    candidates: u32,
) -> Result<(tempfile::TempDir, Session), String> {
    let directory =
        scratch.directory().map_err(|error| format!("cannot make a working directory: {error}"))?;
    tokio::fs::write(directory.path().join(file_name), text)
        .await
        .map_err(|error| format!("cannot write the batch file: {error}"))?;
    let program = toolchain.program(directory.path(), Path::new(file_name));
    let policy = policy(toolchain, directory.path(), limits, candidates);
    let mut session = launcher.open(&program, &policy).await.map_err(|error| crate::chain(&error))?;
    // Lean reads the file, not its input.
    let _closed_or_already_gone = session.close_stdin().await;
    Ok((directory, session))
}

/// The sandbox's clock is only the last line of defence: candidates are timed by their sentinels.
fn policy(toolchain: &Toolchain, directory: &Path, limits: &Limits, candidates: u32) -> Policy {
    let wall = toolchain.start_allowance + limits.timeout.saturating_mul(candidates.max(1));
    let mut policy = Policy {
        wall,
        cpu: Some(wall.saturating_mul(2)),
        memory_bytes: limits.memory_bytes,
        output_bytes: limits.output_bytes,
        processes: 128,
        optional: limits.optional_layers.clone(),
        ..Policy::default()
    };
    policy.read_only.extend(toolchain.read_only.iter().cloned());
    policy.read_only.push(directory.to_path_buf());
    policy.env.extend(toolchain.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    policy
}

/// Why we stopped reading.
#[derive(Debug)]
enum Stop {
    EndOfOutput,
    Stalled,
    Flood,
    Cancelled,
}

async fn follow(
    session: &mut Session,
    tracker: &mut Tracker<'_>,
    clocks: Clocks,
    cancel: &CancellationToken,
    reporter: &mut Reporter<'_>,
) -> Stop {
    let mut lines = Lines::new(LINE_BYTES);
    let mut deadline = tokio::time::Instant::now() + clocks.start;
    let mut progress = (false, 0);
    loop {
        let chunk = tokio::select! {
            () = cancel.cancelled() => return Stop::Cancelled,
            chunk = tokio::time::timeout_at(deadline, session.read()) => chunk,
        };
        let chunk = match chunk {
            Err(_elapsed) => return Stop::Stalled,
            Ok(None) => return Stop::EndOfOutput,
            Ok(Some(chunk)) => chunk,
        };
        let messages = lines.push(&chunk).into_iter().filter_map(|line| LeanMessage::from_line(&line));
        let outcomes: Vec<_> = messages.flat_map(|message| tracker.message(&message)).collect();
        if !outcomes.is_empty() {
            let total = session.usage().await.map_or(reporter.accounted, |usage| measured(&usage));
            reporter.hand_on(outcomes, total);
        }
        if lines.overflowed() {
            return Stop::Flood;
        }
        let now = (tracker.started(), tracker.reached());
        if now != progress {
            progress = now;
            deadline = tokio::time::Instant::now() + clocks.candidate;
        }
    }
}

async fn close(session: Session, stop: Stop) -> (End, Option<ProcessUsage>) {
    let finished = match stop {
        Stop::EndOfOutput => session.wait_at_most(END_ALLOWANCE).await,
        Stop::Stalled | Stop::Flood | Stop::Cancelled => session.kill().await,
    };
    match finished {
        Ok(finished) => (end_of(&stop, &finished), Some(finished.usage)),
        Err(error) => (End::Unavailable(crate::chain(&error)), None),
    }
}

fn end_of(stop: &Stop, finished: &Finished) -> End {
    match (stop, finished.outcome) {
        // A limit that the sandbox hit explains a silence better than our own clock does.
        (_, ProcessOutcome::MemoryLimit) => End::MemoryLimit,
        (_, ProcessOutcome::OutputLimit) | (Stop::Flood, _) => End::OutputLimit,
        (Stop::Cancelled, _) => End::Cancelled,
        (Stop::Stalled, _) | (_, ProcessOutcome::TimedOut | ProcessOutcome::CpuLimit) => End::Stalled,
        (Stop::EndOfOutput, ProcessOutcome::Exited { .. }) => End::Exited,
        (Stop::EndOfOutput, ProcessOutcome::Signaled { signal }) => End::Died(format!("signal {signal}")),
        (Stop::EndOfOutput, ProcessOutcome::Cancelled) => {
            End::Unavailable("the program closed its output and did not end".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_in_shares() {
        assert_eq!(shares(11, 4).collect::<Vec<_>>(), [3, 3, 3, 2]);
        assert_eq!(shares(2, 3).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(shares(7, 1).collect::<Vec<_>>(), [7]);
    }
}
