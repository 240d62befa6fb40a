//! What a run tells while it lasts: a bar for people, lines now and then where nobody draws, the log, the plot.

use super::super::output;
use super::folder::Folder;
use super::log::{Entry, Log};
use super::plot;
use super::record::Record;
use crate::train::{Progress, StepReport};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two lines, where no bar can be drawn.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// What older steps still count for in the rate that is shown, by step.
const MEMORY: f64 = 0.95;

/// Takes everything that the trainer tells.
pub(super) struct Reporter<'a> {
    log: Log,
    plot: PathBuf,
    bar: ProgressBar,
    all_steps: u64,
    rate: Rate,
    last_line: Instant,
    cancel: &'a CancellationToken,
    failed: Option<anyhow::Error>,
}

/// Sums in which older steps count less.
#[derive(Debug, Default)]
struct Rate {
    tokens: f64,
    seconds: f64,
    steps: f64,
}

impl Rate {
    fn add(&mut self, report: &StepReport) {
        self.tokens = self.tokens * MEMORY + report.tokens as f64;
        self.seconds = self.seconds * MEMORY + report.elapsed.as_secs_f64();
        self.steps = self.steps * MEMORY + 1.0;
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens / self.seconds.max(1e-9)
    }

    /// In whole seconds.
    fn time_for(&self, steps: u64) -> Duration {
        Duration::from_secs((self.seconds / self.steps.max(1.0) * steps as f64).round() as u64)
    }
}

impl<'a> Reporter<'a> {
    /// Behind `steps` steps that were taken before. When something cannot be written, it cancels the run.
    pub(super) fn new(
        log: Log,
        folder: &Folder,
        record: &Record,
        steps: u64,
        cancel: &'a CancellationToken,
    ) -> Self {
        let all_steps = record.resolved.steps;
        let bar = ProgressBar::new(all_steps).with_position(steps);
        let style =
            ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {msg}, {elapsed}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()));
        bar.set_message("loss -");
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            log,
            plot: folder.join("loss.svg"),
            bar,
            all_steps,
            rate: Rate::default(),
            last_line: Instant::now(),
            cancel,
            failed: None,
        }
    }

    /// Never fails itself: [`Reporter::finish`] says what did.
    pub(super) fn tell(&mut self, progress: &Progress) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = self.take(progress) {
            self.failed = Some(error);
            self.cancel.cancel();
        }
    }

    fn take(&mut self, progress: &Progress) -> anyhow::Result<()> {
        match progress {
            Progress::Step(report) => {
                self.log.add(&Entry::from(report))?;
                self.rate.add(report);
                self.show(report);
            }
            Progress::Evaluated { step, loss } => {
                self.log.add(&Entry::Evaluation { step: *step, loss: *loss })?;
                let line = format!("step {step} of {}: evaluation loss {loss:.4}", self.all_steps);
                self.bar.suspend(|| output::say(&line));
            }
            Progress::Saved { .. } => plot::write(&self.plot, self.log.curves())?,
        }
        Ok(())
    }

    fn show(&mut self, report: &StepReport) {
        let text = format!("loss {:.4}, {:.0} tokens/s", report.loss, self.rate.tokens_per_second());
        if self.bar.is_hidden() && self.last_line.elapsed() >= BETWEEN_LINES {
            let left = self.rate.time_for(self.all_steps.saturating_sub(report.step));
            let left = humantime::format_duration(left);
            output::say(&format!("step {} of {}: {text}, {left} left", report.step, self.all_steps));
            self.last_line = Instant::now();
        }
        self.bar.set_position(report.step);
        self.bar.set_message(text);
    }

    /// Draws what there is, and gives the last loss and the last evaluation's.
    pub(super) fn finish(self) -> anyhow::Result<(Option<f64>, Option<f64>)> {
        self.bar.finish_and_clear();
        if let Some(error) = self.failed {
            return Err(error);
        }
        let curves = self.log.curves();
        plot::write(&self.plot, curves)?;
        let last = |curve: &[(u64, f64)]| curve.last().map(|(_, loss)| *loss);
        Ok((last(&curves.training), last(&curves.evaluation)))
    }
}
