//! What is known of a run from its events: counts, rates, the time that is left, and the lines for where nobody draws.
//!
//! The clock is an argument: `now` is the time since any one moment before the first event.

use crate::selfplay::event::{Event, PlannedStage};
use indicatif::HumanCount;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Between two plain lines of one stage.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// Rates are of this last while.
const RATE_WINDOW: Duration = Duration::from_secs(30);

/// So many of the last stages of a kind tell how long the next one will take: sizes change slowly over iterations.
const STAGES_REMEMBERED: usize = 3;

/// Counts something, and how fast it came of late.
#[derive(Debug, Default)]
struct Meter {
    total: u64,
    /// When how many were there; at most one a second.
    marks: VecDeque<(Duration, u64)>,
}

impl Meter {
    fn begin(now: Duration) -> Self {
        Self { total: 0, marks: VecDeque::from([(now, 0)]) }
    }

    fn add(&mut self, count: u64, now: Duration) {
        self.total += count;
        if self.marks.back().is_none_or(|(last, _)| now.saturating_sub(*last) >= Duration::from_secs(1)) {
            self.marks.push_back((now, self.total));
        }
        while self.marks.len() > 2 && self.marks.get(1).is_some_and(|(at, _)| *at + RATE_WINDOW < now) {
            self.marks.pop_front();
        }
    }

    fn per_second(&self, now: Duration) -> f64 {
        let Some((since, before)) = self.marks.front() else { return 0.0 };
        (self.total - before) as f64 / now.saturating_sub(*since).as_secs_f64().max(1e-3)
    }
}

/// The stage that runs.
#[derive(Debug)]
struct Stage {
    planned: PlannedStage,
    since: Duration,
    total_samples: Option<u64>,
    sampled: Meter,
    judged: Meter,
    accepted: u64,
    trained: Option<(u64, u64, f64)>,
}

impl Stage {
    /// The share that is done, if that can be said.
    fn done(&self) -> Option<f64> {
        if let Some((step, steps, _)) = self.trained {
            return Some(step as f64 / steps.max(1) as f64);
        }
        // A stage may draw more than was known at its start. Then nobody knows how much more.
        let total = self.total_samples.filter(|total| *total >= self.sampled.total)?;
        // Screening that goes on meanwhile has verdicts, too.
        let (sampled, judged) = (self.sampled.total, self.judged.total.min(self.sampled.total));
        // Where samples are judged, a sample without its verdict is half done.
        let finished =
            if judged == 0 { sampled as f64 } else { f64::midpoint(sampled as f64, judged as f64) };
        Some(finished / total.max(1) as f64)
    }
}

/// How far something is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) label: &'static str,
    pub(super) position: u64,
    pub(super) length: Option<u64>,
    pub(super) message: String,
}

/// What a terminal shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Picture {
    pub(super) headline: String,
    pub(super) bars: Vec<Bar>,
    pub(super) results: String,
}

/// Everything that the events have said.
#[derive(Debug, Default)]
pub(super) struct State {
    iterations: u32,
    plan: VecDeque<PlannedStage>,
    /// Those that run, in the order in which they began: one may go on while the next one runs already.
    running: Vec<Stage>,
    /// When the last stage was finished.
    last_end: Duration,
    /// How long the last stages of each kind took, in seconds; time that two stages share is counted for the first.
    took: BTreeMap<String, VecDeque<f64>>,
    solved: Option<(u64, u64)>,
    conjectures: Option<(u64, u64)>,
    last_line: Duration,
}

impl State {
    /// Remembers how long a stage took: of an earlier part of the run, for instance.
    pub(super) fn remember(&mut self, stage: &str, seconds: f64) {
        let last = self.took.entry(stage.to_owned()).or_default();
        last.push_back(seconds);
        if last.len() > STAGES_REMEMBERED {
            last.pop_front();
        }
    }

    /// Takes an event, and gives the plain line that is due, if one is.
    pub(super) fn take(&mut self, event: &Event, now: Duration) -> Option<String> {
        match event {
            Event::RunStarted { name, iterations, plan } => {
                self.iterations = *iterations;
                self.plan = plan.iter().cloned().collect();
                return Some(format!("run {name}: {}", counted(u64::from(*iterations), "iteration")));
            }
            Event::StageStarted { iteration, stage, total_samples } => {
                let planned = PlannedStage { iteration: *iteration, stage: stage.clone() };
                self.start(planned, *total_samples, now);
                return None;
            }
            Event::StageFinished { iteration, stage, seconds, summary } => {
                let planned = PlannedStage { iteration: *iteration, stage: stage.clone() };
                return Some(self.finish(&planned, *seconds, summary, now));
            }
            Event::RunFinished { seconds, summary } => {
                self.running.clear();
                self.plan.clear();
                return Some(format!("finished in {}{}", rough(*seconds), after_colon(summary)));
            }
            Event::Solved { total, of } => self.solved = Some((*total, *of)),
            Event::Conjectures { kept, of } => self.conjectures = Some((*kept, *of)),
            Event::Sampled { .. } | Event::Judged { .. } | Event::Trained { .. } => self.count(event, now),
        }
        self.line_now_and_then(now)
    }

    fn start(&mut self, planned: PlannedStage, total_samples: Option<u64>, now: Duration) {
        if planned.stage == "conjecture" {
            self.conjectures = None;
        }
        self.last_line = now;
        self.running.push(Stage {
            planned,
            since: now,
            total_samples,
            sampled: Meter::begin(now),
            judged: Meter::begin(now),
            accepted: 0,
            trained: None,
        });
    }

    fn finish(&mut self, planned: &PlannedStage, seconds: f64, summary: &str, now: Duration) -> String {
        let line = format!("{} done in {}{}", self.place(planned), rough(seconds), after_colon(summary));
        let place = self.running.iter().position(|stage| stage.planned == *planned);
        let stage = place.map(|place| self.running.remove(place));
        let alone = stage.map(|stage| self.alone(&stage, now));
        self.remember(&planned.stage, alone.unwrap_or(seconds));
        self.leave_behind(planned);
        self.last_end = now;
        self.last_line = now;
        line
    }

    /// How long a stage has run without an earlier one, in seconds.
    fn alone(&self, stage: &Stage, now: Duration) -> f64 {
        now.saturating_sub(stage.since.max(self.last_end)).as_secs_f64()
    }

    /// What was planned up to this stage is over, done or not.
    fn leave_behind(&mut self, stage: &PlannedStage) {
        if let Some(at) = self.plan.iter().position(|planned| planned == stage) {
            self.plan.drain(..=at);
        }
    }

    fn count(&mut self, event: &Event, now: Duration) {
        let Some(stage) = self.running.last_mut() else { return };
        if let Event::Sampled { count } = event {
            stage.sampled.add(*count, now);
        }
        if let Event::Judged { count, accepted } = event {
            stage.judged.add(*count, now);
            stage.accepted += accepted;
        }
        if let Event::Trained { step, steps, loss } = event {
            stage.trained = Some((*step, *steps, *loss));
        }
    }

    fn line_now_and_then(&mut self, now: Duration) -> Option<String> {
        let stage = self.running.last()?;
        if now.saturating_sub(self.last_line) < BETWEEN_LINES {
            return None;
        }
        self.last_line = now;
        let bars = bars(stage, now).into_iter().map(|bar| {
            let of = bar.length.map(|length| format!(" of {}", HumanCount(length))).unwrap_or_default();
            format!("{}{of} {} ({})", HumanCount(bar.position), bar.label, bar.message)
        });
        let parts = bars.chain([self.results(), self.left_text(now)]).filter(|part| !part.is_empty());
        Some(format!("{}: {}", self.place(&stage.planned), parts.collect::<Vec<_>>().join(", ")))
    }

    /// What a terminal shows now.
    pub(super) fn picture(&self, now: Duration) -> Picture {
        let Some(stage) = self.running.last() else {
            return Picture { results: self.results(), ..Picture::default() };
        };
        let since = rough(now.saturating_sub(stage.since).as_secs_f64());
        let parts = [self.place(&stage.planned), since, self.left_text(now)];
        let headline = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
        Picture { headline, bars: bars(stage, now), results: self.results() }
    }

    fn place(&self, stage: &PlannedStage) -> String {
        if stage.iteration == 0 || stage.iteration > self.iterations {
            return stage.stage.clone();
        }
        format!("iteration {}/{} {}", stage.iteration, self.iterations, stage.stage)
    }

    fn results(&self) -> String {
        let solved =
            self.solved.map(|(total, of)| format!("{} of {} solved", HumanCount(total), HumanCount(of)));
        let kept = self
            .conjectures
            .map(|(kept, of)| format!("{} of {} conjectures kept", HumanCount(kept), HumanCount(of)));
        solved.into_iter().chain(kept).collect::<Vec<_>>().join(", ")
    }

    fn left_text(&self, now: Duration) -> String {
        self.left_seconds(now).map(|left| format!("{} left", rough(left))).unwrap_or_default()
    }

    /// How long the run will still take, if every kind of stage that is to come was measured before.
    fn left_seconds(&self, now: Duration) -> Option<f64> {
        let this = match self.running.as_slice() {
            [] if self.plan.is_empty() => return None,
            [] => 0.0,
            [only] => self.left_of(only, now)?,
            [first, others @ ..] => {
                let others = others.iter().map(|stage| self.usual_seconds(&stage.planned.stage));
                self.left_by_kind(first, now)? + others.sum::<Option<f64>>()?
            }
        };
        // Without a plan nobody knows what is to come.
        let place = |stage: &Stage| self.plan.iter().position(|planned| *planned == stage.planned);
        let places = self.running.iter().map(place).collect::<Option<Vec<usize>>>()?;
        let rest = self.plan.range(places.iter().max().map_or(0, |last| last + 1)..);
        Some(this + rest.map(|planned| self.usual_seconds(&planned.stage)).sum::<Option<f64>>()?)
    }

    /// By what is done of it, the more the further it is; before that, by what such stages took.
    fn left_of(&self, stage: &Stage, now: Duration) -> Option<f64> {
        let elapsed = now.saturating_sub(stage.since).as_secs_f64();
        let done = stage.done().filter(|done| *done > 0.0);
        let by_progress = done.map(|done| (done, elapsed / done - elapsed));
        match (self.left_by_kind(stage, now), by_progress) {
            (Some(by_kind), Some((done, left))) => Some(by_kind + (left - by_kind) * done),
            (Some(left), None) | (None, Some((_, left))) => Some(left),
            (None, None) => None,
        }
    }

    fn left_by_kind(&self, stage: &Stage, now: Duration) -> Option<f64> {
        self.usual_seconds(&stage.planned.stage).map(|usual| (usual - self.alone(stage, now)).max(0.0))
    }

    fn usual_seconds(&self, stage: &str) -> Option<f64> {
        // What runs only at the end is like what ran before.
        let alike = match stage {
            "after" => "before",
            "final-select" => "select",
            other => other,
        };
        let last = self.took.get(stage).or_else(|| self.took.get(alike))?;
        Some(last.iter().sum::<f64>() / last.len() as f64)
    }
}

fn bars(stage: &Stage, now: Duration) -> Vec<Bar> {
    if let Some((step, steps, loss)) = stage.trained {
        let message = format!("loss {loss:.4}");
        return vec![Bar { label: "steps", position: step, length: Some(steps), message }];
    }
    let mut bars = Vec::new();
    if stage.total_samples.is_some() || stage.sampled.total > 0 {
        let message = format!("{:.1}/s", stage.sampled.per_second(now));
        let length = stage.total_samples.filter(|total| *total >= stage.sampled.total);
        bars.push(Bar { label: "sampled", position: stage.sampled.total, length, message });
    }
    if stage.judged.total > 0 {
        let share = stage.accepted as f64 / stage.judged.total as f64 * 100.0;
        let message = format!("{:.1}/s, {share:.1} % accepted", stage.judged.per_second(now));
        // Screening may ask for more than one verdict on a sample, or for none.
        let length = stage.total_samples.filter(|total| *total >= stage.judged.total);
        bars.push(Bar { label: "judged", position: stage.judged.total, length, message });
    }
    bars
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}

fn after_colon(summary: &str) -> String {
    if summary.is_empty() { String::new() } else { format!(": {summary}") }
}

/// A time for people: no seconds behind hours, no fractions behind seconds.
fn rough(seconds: f64) -> String {
    let unit = if seconds >= 3600.0 { 60.0 } else { 1.0 };
    let whole = (seconds.max(0.0) / unit).round() * unit;
    humantime::format_duration(Duration::from_secs(whole as u64)).to_string()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
