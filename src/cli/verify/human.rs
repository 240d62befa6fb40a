//! What people see: a progress bar, the first error of each failure, and a table.

use super::super::exit::Exit;
use super::super::output;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use proofloop_verifiers::verdict::{Judgement, Message, Severity, Verdict};
use std::collections::BTreeMap;
use std::time::Instant;

/// Counts verdicts and shows them.
pub(super) struct Summary {
    human: bool,
    bar: ProgressBar,
    counts: BTreeMap<(&'static str, String), u64>,
    cached: u64,
    cpu_ms: u64,
    exit: Exit,
    started: Instant,
}

impl Summary {
    pub(super) fn new(human: bool, known_count: Option<u64>) -> Self {
        let bar = match known_count {
            _ if !human => ProgressBar::hidden(),
            Some(count) => ProgressBar::new(count),
            None => ProgressBar::no_length(),
        };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} judged, {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()));
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self {
            human,
            bar,
            counts: BTreeMap::new(),
            cached: 0,
            cpu_ms: 0,
            exit: Exit::Success,
            started: Instant::now(),
        }
    }

    /// Counts a judgement; for people, prints what is wrong with the candidate.
    pub(super) fn add(&mut self, id: &str, judgement: &Judgement) -> std::io::Result<()> {
        let (exit, why) = match &judgement.verdict {
            Verdict::Accepted { assurance } => (Exit::Success, word(assurance)),
            Verdict::Rejected { reason } => (Exit::NotAccepted, word(reason)),
            Verdict::Timeout | Verdict::MemoryLimit | Verdict::OutputLimit => {
                (Exit::NotAccepted, String::new())
            }
            Verdict::Crashed { how } => (Exit::NotAccepted, how.clone()),
            Verdict::Cancelled => (Exit::Interrupted, String::new()),
            Verdict::Unavailable { .. } => (Exit::Infrastructure, String::new()),
        };
        self.exit = self.exit.max(exit);
        self.cached += u64::from(judgement.cached);
        if !judgement.cached {
            self.cpu_ms += judgement.usage.cpu_ms;
        }
        self.bar.inc(1);
        if self.human && exit != Exit::Success {
            let line = failure(id, judgement, &why);
            self.bar.suspend(|| output::data(&line))?;
        }
        *self.counts.entry((judgement.verdict.name(), why)).or_default() += 1;
        Ok(())
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints the table.
    pub(super) fn say(&self) {
        self.bar.finish_and_clear();
        if !self.human {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for ((verdict, why), count) in &self.counts {
            table.add_row([count.to_string(), (*verdict).to_owned(), why.clone()]);
        }
        if let Some(column) = table.column_mut(0) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let total: u64 = self.counts.values().sum();
        let wall = self.started.elapsed().as_secs_f64();
        let cpu = std::time::Duration::from_millis(self.cpu_ms).as_secs_f64();
        output::say(&format!(
            "{table}\n{total} judged, {} from the cache, in {wall:.1} s ({cpu:.1} s of CPU)",
            self.cached
        ));
    }
}

/// The kebab-case name that JSONL has, too.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn failure(id: &str, judgement: &Judgement, why: &str) -> String {
    let verdict = judgement.verdict.name();
    let mut line = format!("{id}: {verdict}");
    if !why.is_empty() {
        line.push_str(&format!(" ({why})"));
    }
    let first = judgement.messages.iter().find(|message| message.severity == Severity::Error);
    match (first.or_else(|| judgement.messages.first()), &judgement.verdict) {
        (Some(message), _) => line.push_str(&format!("\n    {}", one_line(message))),
        (None, Verdict::Unavailable { cause }) => line.push_str(&format!("\n    {cause}")),
        (None, _) => {}
    }
    line
}

fn one_line(message: &Message) -> String {
    let text = message.text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n    ");
    match (message.line, message.column) {
        (Some(line), Some(column)) => format!("line {line}, column {}: {text}", column + 1),
        (Some(line), None) => format!("line {line}: {text}"),
        (None, _) => text,
    }
}
