//! Shows a run while it lasts: one picture on a terminal, a line now and then elsewhere.

use super::super::output;
use super::state::{Bar, Picture, State};
use crate::selfplay::event::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Between two pictures: more often nobody sees, and it costs.
const BETWEEN_PICTURES: Duration = Duration::from_millis(100);

/// The picture has no more bars.
const BARS: usize = 2;

/// Takes every event of a run and shows it.
pub(in super::super) struct View {
    state: State,
    screen: MultiProgress,
    headline: ProgressBar,
    bars: [ProgressBar; BARS],
    results: ProgressBar,
    started: Instant,
    drawn: Option<Instant>,
}

impl View {
    /// `took` are the stages that the run has done already, each with its seconds, the last ones last.
    pub(in super::super) fn new<'a>(took: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let mut state = State::default();
        took.into_iter().for_each(|(stage, seconds)| state.remember(stage, seconds));
        let screen = MultiProgress::new();
        let line = |template: &str| {
            let bar = screen.add(ProgressBar::no_length());
            bar.set_style(style(template));
            bar
        };
        let headline = line("{spinner} {msg}");
        headline.enable_steady_tick(Duration::from_millis(200));
        let bars = std::array::from_fn(|_| line(EMPTY));
        let results = line(TEXT);
        Self { state, headline, bars, results, screen, started: Instant::now(), drawn: None }
    }

    /// Shows what an event changes.
    pub(in super::super) fn tell(&mut self, event: &Event) {
        let now = self.started.elapsed();
        let line = self.state.take(event, now);
        let is_drawn = !self.headline.is_hidden();
        let is_end = matches!(event, Event::StageFinished { .. } | Event::RunFinished { .. });
        if let Some(line) = line.filter(|_| is_end || !is_drawn) {
            self.screen.suspend(|| output::say(&line));
        }
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN_PICTURES);
        if is_drawn && (is_end || is_due || matches!(event, Event::StageStarted { .. })) {
            self.draw(&self.state.picture(now));
            self.drawn = Some(Instant::now());
        }
    }

    /// Says something else without breaking the picture.
    pub(in super::super) fn say(&self, line: &str) {
        self.screen.suspend(|| output::say(line));
    }

    fn draw(&self, picture: &Picture) {
        self.headline.set_message(picture.headline.clone());
        for (place, bar) in self.bars.iter().enumerate() {
            set(bar, picture.bars.get(place));
        }
        let template = if picture.results.is_empty() { EMPTY } else { TEXT };
        self.results.set_style(style(template));
        self.results.set_message(picture.results.clone());
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // Whatever happened, the terminal is left clean.
        [&self.headline, &self.results].into_iter().chain(&self.bars).for_each(ProgressBar::finish_and_clear);
    }
}

const EMPTY: &str = "";
const TEXT: &str = "  {msg}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_invalid| ProgressStyle::default_bar())
}

fn set(shown: &ProgressBar, bar: Option<&Bar>) {
    let template = match bar {
        None => EMPTY,
        Some(Bar { length: None, .. }) => "  {prefix:>7} {human_pos}  {msg}",
        Some(Bar { length: Some(_), .. }) => "  {prefix:>7} {wide_bar} {human_pos}/{human_len}  {msg}",
    };
    shown.set_style(style(template));
    if let Some(bar) = bar {
        shown.set_prefix(bar.label);
        shown.set_length(bar.length.unwrap_or(bar.position));
        shown.set_position(bar.position);
        shown.set_message(bar.message.clone());
    }
}
