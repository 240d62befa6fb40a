//! What a person sees: samples drawn and judged, a line now and then where no bar can be drawn.

use super::super::output;
use crate::evaluate::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines, where no bar can be drawn.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// Both bars.
pub(super) struct Shown {
    drawn: ProgressBar,
    judged: ProgressBar,
    counts: Mutex<Counts>,
}

struct Counts {
    judged: u64,
    accepted: u64,
    last_line: Instant,
}

impl Shown {
    /// `undrawn` samples are to be drawn, `open` candidates are there already.
    pub(super) fn new(undrawn: u64, open: u64) -> Self {
        let screen = MultiProgress::new();
        let bar = |length: u64, what: &str| {
            let bar = screen.add(ProgressBar::new(length));
            let template = format!("{{wide_bar}} {{human_pos}}/{{human_len}} {what}, {{elapsed}} {{msg}}");
            let style = ProgressStyle::with_template(&template);
            bar.set_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        };
        let counts = Counts { judged: 0, accepted: 0, last_line: Instant::now() };
        Self {
            drawn: bar(undrawn, "samples drawn"),
            judged: bar(open, "different ones judged"),
            counts: Mutex::new(counts),
        }
    }

    pub(super) fn tell(&self, progress: Progress) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Drawn(count) => {
                self.drawn.inc(count);
                // An upper bound: equal ones are judged once.
                self.judged.inc_length(count);
            }
            Progress::Judged { count, accepted } => {
                counts.judged += count;
                counts.accepted += accepted;
                self.judged.inc(count);
                self.judged.set_message(format!("{} accepted", counts.accepted));
            }
        }
        if self.judged.is_hidden() && counts.last_line.elapsed() >= BETWEEN_LINES {
            counts.last_line = Instant::now();
            output::say(&format!(
                "{} samples drawn, {} different ones judged, {} of these accepted",
                self.drawn.position(),
                counts.judged,
                counts.accepted
            ));
        }
    }

    /// Leaves the terminal clean.
    pub(super) fn finish(&self) {
        self.drawn.finish_and_clear();
        self.judged.finish_and_clear();
    }
}
