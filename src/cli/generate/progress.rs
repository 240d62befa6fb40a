//! What a person sees: samples done, tokens a second, and in the end a sum.

use super::super::output;
use crate::generate::{Completion, FinishReason, Usage};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Between two lines, where no bar can be drawn.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

pub(super) struct Progress {
    bar: ProgressBar,
    is_quiet: bool,
    wanted: u64,
    done: u64,
    tokens: u64,
    ended: u64,
    stopped: u64,
    cut_off: u64,
    failed: u64,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    /// Quiet where the text itself is shown while it comes.
    pub(super) fn new(is_quiet: bool) -> Self {
        let bar = if is_quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style =
            ProgressStyle::with_template("{wide_bar} {pos}/{len} samples, {msg}, {elapsed}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()));
        bar.set_message("- tokens/s");
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            is_quiet,
            wanted: 0,
            done: 0,
            tokens: 0,
            ended: 0,
            stopped: 0,
            cut_off: 0,
            failed: 0,
            started: Instant::now(),
            last_line: Instant::now(),
        }
    }

    pub(super) fn want(&mut self, samples: usize) {
        self.wanted += samples as u64;
        self.bar.set_length(self.wanted);
    }

    pub(super) fn completed(&mut self, completion: &Completion) {
        self.done += 1;
        self.tokens += completion.tokens as u64;
        match completion.finish {
            FinishReason::EndOfText => self.ended += 1,
            FinishReason::Stop => self.stopped += 1,
            FinishReason::Length => self.cut_off += 1,
            FinishReason::Cancelled => {}
        }
        let rate = self.tokens as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        self.bar.set_message(format!("{rate:.0} tokens/s"));
        self.bar.inc(1);
        if !self.is_quiet && self.bar.is_hidden() && self.last_line.elapsed() >= BETWEEN_LINES {
            output::say(&format!("{} of {} samples, {rate:.0} tokens/s", self.done, self.wanted));
            self.last_line = Instant::now();
        }
    }

    pub(super) fn failed(&mut self, samples: usize) {
        self.failed += samples as u64;
        self.bar.inc(samples as u64);
    }

    /// Writes without a bar in between.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    pub(super) fn say(&self, usage: &Usage, was_interrupted: bool) {
        self.bar.finish_and_clear();
        if self.is_quiet {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = self.tokens as f64 / seconds.max(1e-9);
        let mut line = format!(
            "{} samples in {seconds:.1} s: {} ended, {} stopped, {} cut off",
            self.done, self.ended, self.stopped, self.cut_off
        );
        if self.failed > 0 {
            line.push_str(&format!(", {} failed", self.failed));
        }
        line.push_str(&format!(
            "; {} tokens read, {} sampled ({rate:.0} tokens/s)",
            usage.prompt_tokens, usage.completion_tokens
        ));
        if usage.uncounted_completions > 0 {
            line.push_str(&format!(", those of {} samples not told", usage.uncounted_completions));
        }
        output::say(&line);
        if was_interrupted {
            let left = self.wanted.saturating_sub(self.done + self.failed);
            output::say(&format!("interrupted: {left} samples were not drawn"));
        }
    }
}
