//! What the server is doing now: what its page draws, and what an operator without Prometheus looks at.

use crate::serve::backend::GateState;
use crate::serve::error::ErrorBody;
use crate::serve::metrics::resident_bytes;
use crate::serve::{App, Routes};
use axum::Json;
use axum::extract::State;
use proofloop_verifiers::farm::{FarmState, FarmStats};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::routes;

/// A server at one moment.
#[derive(Debug, Serialize, ToSchema)]
struct ServerState {
    /// Of the program.
    version: &'static str,
    /// Seconds since the start.
    uptime_s: f64,
    /// The server stops: it takes no more requests.
    draining: bool,
    /// Items of all clients that are not answered.
    items_under_way: usize,
    /// What judges.
    farm: Farm,
    /// Where clients wait for their turn: `farm`, `snippets`, `programs`.
    gates: BTreeMap<&'static str, GateNow>,
    /// How snippets and programs ended so far.
    outcomes: Ends,
    /// In bytes.
    memory: Memory,
}

/// The farm at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FarmState)]
struct Farm {
    /// Candidates that no worker has taken.
    waiting: usize,
    /// Candidates that workers have.
    judging: usize,
    /// Workers at work.
    running: usize,
    /// Workers.
    workers: usize,
    /// Answers so far by the name of their verdict, those from the cache with them.
    verdicts: BTreeMap<&'static str, u64>,
    /// What was done so far.
    stats: Stats,
}

/// What a farm has done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FarmStats)]
struct Stats {
    /// Candidates submitted.
    submitted: u64,
    /// Answers from the verdict cache.
    from_cache: u64,
    /// Submissions identical to one that waited.
    duplicates: u64,
    /// Units started: candidates that are judged together.
    units: u64,
    /// Attempts without a verdict.
    retries: u64,
    /// Processes started for units.
    processes: u64,
    /// CPU seconds of the processes that judged.
    cpu_s: f64,
}

/// A place where work waits, at one moment.
#[derive(Debug, Serialize, ToSchema)]
struct GateNow {
    #[serde(flatten)]
    now: GateState,
    /// Seconds that its places have been taken, all together, by work that has ended.
    busy_s: f64,
}

/// How things ended, by the name of the end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outcomes)]
struct Ends {
    /// `answered`, `timeout`, …
    snippets: BTreeMap<&'static str, u64>,
    /// `exited`, `timeout`, …
    programs: BTreeMap<&'static str, u64>,
}

/// Memory, in bytes; `null` where the system does not say.
#[derive(Debug, Serialize, ToSchema)]
struct Memory {
    /// Of the server's own process; what it starts is not in it.
    server: Option<u64>,
    /// What the machine could still give.
    available: Option<u64>,
    /// What the machine has.
    total: Option<u64>,
}

impl Memory {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            server: resident_bytes(),
            available: meminfo(&text, "MemAvailable:"),
            total: meminfo(&text, "MemTotal:"),
        }
    }
}

fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

impl From<FarmState> for Farm {
    fn from(state: FarmState) -> Self {
        let FarmState { waiting, judging, running, workers, stats, verdicts } = state;
        let FarmStats { submitted, from_cache, duplicates, units, retries, processes, cpu } = stats;
        let cpu_s = cpu.as_secs_f64();
        let stats = Stats { submitted, from_cache, duplicates, units, retries, processes, cpu_s };
        Self { waiting, judging, running, workers, verdicts, stats }
    }
}

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(state))
}

/// What the server is doing now.
#[utoipa::path(get, path = "/v1/state", tag = "v1",
    responses((status = 200, body = ServerState), (status = 401, body = ErrorBody)))]
async fn state(State(app): State<Arc<App>>) -> Json<ServerState> {
    let gates = app.backend.gates().into_iter();
    let outcomes = app.backend.outcomes();
    Json(ServerState {
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: app.started.elapsed().as_secs_f64(),
        draining: app.admission.is_draining(),
        items_under_way: app.admission.under_way(),
        farm: app.backend.farm_state().into(),
        gates: gates.map(|(name, now, busy)| (name, GateNow { now, busy_s: busy.as_secs_f64() })).collect(),
        outcomes: Ends { snippets: outcomes.snippets, programs: outcomes.programs },
        memory: Memory::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       16 kB\nMemFree:  1 kB\nMemAvailable:       8 kB\n";
        assert_eq!(meminfo(text, "MemAvailable:"), Some(8192));
        assert_eq!(meminfo(text, "MemTotal:"), Some(16384));
        assert_eq!(meminfo("", "MemTotal:"), None);
    }
}
