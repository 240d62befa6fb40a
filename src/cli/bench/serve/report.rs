//! Rows: what a run came to, beside what was aimed at.

use super::ideal;
use super::load::{Class, Load};
use super::server::Run;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a run is, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) workers: usize,
    pub(super) connections: usize,
    /// What tells how busy its workers are, if anything.
    pub(super) busy: Option<Busy>,
    pub(super) goals: Goals,
}

/// What tells how busy workers are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Busy {
    /// The places of the gate for snippets.
    Snippets,
    /// The farm's workers.
    Farm,
}

/// What is asked of a run; `None` for nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Goals {
    pub(super) per_second: Option<f64>,
    pub(super) p99: Option<Duration>,
    pub(super) busy: Option<f64>,
}

/// A row of the table, and a line of JSON.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    scenario: &'static str,
    workers: usize,
    connections: usize,
    requests: usize,
    items: usize,
    wall_s: f64,
    items_per_s: f64,
    /// Items a second if workers did nothing but the items themselves; none where the items cost nothing.
    ideal_per_s: Option<f64>,
    latency_ms: Spread,
    /// Quantiles of the latency beyond the same quantiles at an ideal server, of the requests without a fault.
    added_ms: Spread,
    /// Share of the workers' places that were taken, on average, until the last request was sent.
    busy: Option<f64>,
    statuses: BTreeMap<String, usize>,
    outcomes: BTreeMap<&'static str, usize>,
    lost: usize,
    answered_twice: usize,
    foreign: usize,
    /// Items that were answered otherwise than their fault says.
    misjudged: usize,
    server_errors: usize,
    memory_mib: [u64; 3],
    server_cpu_s: f64,
    client_cpu_s: f64,
    /// Of everything else on this machine: the processes of the REPL and what confines them, mostly.
    other_cpu_s: f64,
    /// What the host of a virtual machine has taken from it.
    stolen_s: f64,
    /// Whether everything was answered once, as it should be, and every goal was reached.
    goals_met: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Spread {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |per_cent: usize| {
            let place = (times.len() * per_cent).div_ceil(100).saturating_sub(1);
            times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Row {
    pub(super) fn of(scenario: &Scenario, load: &Load, run: &Run) -> Self {
        let Scenario { name, workers, connections, .. } = *scenario;
        let seen = &run.seen;
        let wall = seen.wall.as_secs_f64();
        let own: Duration = load.items.iter().map(|item| item.own).sum();
        let items_per_s = number(load.items.len()) / wall;
        let latency_ms = Spread::of(seen.samples.iter().map(|sample| sample.latency).collect());
        let busy = scenario.busy.map(|busy| match busy {
            Busy::Snippets => run.busy / number(workers),
            Busy::Farm => run.farm_busy / number(workers),
        });
        let judged = load.items.iter().zip(&seen.classes);
        let mut row = Self {
            scenario: name,
            workers,
            connections,
            requests: load.calls.len(),
            items: load.items.len(),
            wall_s: wall,
            items_per_s,
            ideal_per_s: (!own.is_zero())
                .then(|| number(load.items.len()) * number(workers) / own.as_secs_f64()),
            latency_ms,
            added_ms: added(workers, connections, load, run),
            busy,
            statuses: counts(seen.samples.iter().map(|sample| {
                sample.status.map_or_else(|| "broken".to_owned(), |status| status.to_string())
            })),
            outcomes: counts(seen.classes.iter().flatten().map(|class| class.name())),
            lost: seen.answers.iter().filter(|count| **count == 0).count(),
            answered_twice: seen.answers.iter().filter(|count| **count > 1).count(),
            foreign: seen.foreign,
            misjudged: judged
                .filter(|(item, class)| class.is_some_and(|class| class != item.expected))
                .count(),
            server_errors: seen
                .samples
                .iter()
                .filter(|sample| sample.status.is_none_or(|s| s >= 500))
                .count(),
            memory_mib: run.memory.map(|bytes| bytes >> 20),
            server_cpu_s: run.server_cpu.as_secs_f64(),
            client_cpu_s: seen.cpu.as_secs_f64(),
            stolen_s: run.stolen.as_secs_f64(),
            other_cpu_s: run.machine_cpu.saturating_sub(run.server_cpu + seen.cpu).as_secs_f64(),
            goals_met: false,
        };
        row.goals_met = row.is_sound() && row.reaches(&scenario.goals);
        row
    }

    /// Whether every item was answered once and as it should be.
    pub(super) fn is_sound(&self) -> bool {
        self.lost + self.answered_twice + self.foreign + self.misjudged + self.server_errors == 0
    }

    fn reaches(&self, goals: &Goals) -> bool {
        goals.per_second.is_none_or(|least| self.items_per_s >= least)
            && goals.p99.is_none_or(|most| self.latency_ms.p99 <= most.as_secs_f64() * 1000.0)
            && goals.busy.is_none_or(|least| self.busy.is_some_and(|busy| busy >= least))
    }

    /// Everything that the table has no room for.
    pub(super) fn details(&self) -> String {
        format!(
            "{} at {} connections: statuses {:?}, outcomes {:?}, lost {}, answered twice {}, foreign {}, misjudged {}, \
             server errors {}; CPU s server {:.2} client {:.2} other {:.2} taken by the host {:.2}; slowest {:.1} ms; \
             memory after a tenth, a third and at the end {:?} MiB",
            self.scenario,
            self.connections,
            self.statuses,
            self.outcomes,
            self.lost,
            self.answered_twice,
            self.foreign,
            self.misjudged,
            self.server_errors,
            self.server_cpu_s,
            self.client_cpu_s,
            self.other_cpu_s,
            self.stolen_s,
            self.latency_ms.max,
            self.memory_mib,
        )
    }
}

fn counts<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Quantiles of the latency beyond the same quantiles at an ideal server, of requests whose items are all fine.
fn added(workers: usize, connections: usize, load: &Load, run: &Run) -> Spread {
    let items = |call: usize| &load.items[load.calls[call].items.clone()];
    let is_fine = |call: usize| items(call).iter().all(|item| item.expected == Class::Fine);
    let costs: Vec<Duration> =
        (0..load.calls.len()).map(|call| items(call).iter().map(|item| item.own).sum()).collect();
    let ideal = ideal::latencies(workers, connections, &costs);
    let ideal = ideal.into_iter().enumerate().filter(|(call, _)| is_fine(*call)).map(|(_, latency)| latency);
    let samples = run.seen.samples.iter().filter(|sample| is_fine(sample.call));
    let (ours, ideal) =
        (Spread::of(samples.map(|sample| sample.latency).collect()), Spread::of(ideal.collect()));
    Spread { p50: ours.p50 - ideal.p50, p99: ours.p99 - ideal.p99, max: ours.max - ideal.max }
}

/// The rows as a table.
pub(super) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "scenario",
        "workers",
        "conns",
        "items",
        "items/s",
        "ideal/s",
        "p50 ms",
        "p99 ms",
        "added p50",
        "added p99",
        "busy",
        "MiB",
        "goals",
    ]);
    for row in rows {
        let optional = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        table.add_row([
            row.scenario.to_owned(),
            row.workers.to_string(),
            row.connections.to_string(),
            row.items.to_string(),
            format!("{:.1}", row.items_per_s),
            optional(row.ideal_per_s, 1),
            format!("{:.1}", row.latency_ms.p50),
            format!("{:.1}", row.latency_ms.p99),
            format!("{:.1}", row.added_ms.p50),
            format!("{:.1}", row.added_ms.p99),
            row.busy.map_or_else(|| "-".to_owned(), |busy| format!("{:.1} %", busy * 100.0)),
            row.memory_mib[2].to_string(),
            if row.goals_met { "met" } else { "missed" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
