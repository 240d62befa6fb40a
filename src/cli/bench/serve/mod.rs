//! `proofloop bench serve`: what the server adds to the work of its workers, and what it does when they fail.
//!
//! Client, server and REPLs share this machine. The client has a thread of its own, whose CPU time is told; so has
//! everything that is neither client nor server.

mod client;
pub(super) mod fake_repl;
mod ideal;
mod load;
mod report;
mod server;

use super::super::exit::Exit;
use super::super::farm::JudgingArgs;
use super::super::output;
use load::Load;
use proofloop_verifiers::python::Guest;
use report::{Busy, Goals, Row, Scenario};
use server::Server;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `proofloop bench serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Client, server and REPLs share this machine. Latency is seen from the client. `added` is a quantile of it, of \
requests without a fault, less the same quantile at an ideal server with as many workers, which is sent the same requests \
over as many connections, and where nothing costs time but the snippets themselves: their sleep, or, where they hang, their timeout twice (a process that \
others have used before is not what a hanging snippet is judged by, so it gets a second one). `busy` is the share of \
the workers' places that were taken, until the last request was sent.

Exit code: 0 every request was answered once and as it should be, 1 not, 3 infrastructure failure. Whether the goals were \
reached is said and no more: it depends on the machine.")]
pub(in super::super) struct Args {
    /// A tenth of the requests
    #[arg(long)]
    quick: bool,
    /// Only the scenarios whose name holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also real Lean, with the proofs of the bundled workbook and faults among them; takes two hours of CPU time
    #[arg(long)]
    lean: bool,
    /// Print a line of JSON for each scenario
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    judging: JudgingArgs,
}

/// Workers where snippets keep them busy.
const MANY_WORKERS: usize = 8;

/// Candidates of a request to real Lean, whose starts are dear: with 64 connections a thousand are under way.
const LEAN_BATCH: usize = 16;

/// What a candidate gets of real Lean, unless `--timeout` says otherwise.
const LEAN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the rows are made by.
struct Bench {
    args: Args,
    rows: Vec<Row>,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<Exit> {
    let cores = std::thread::available_parallelism()?.get();
    output::say(&format!("client, server and REPLs share this machine's {cores} cores"));
    let mut bench = Bench { args, rows: Vec::new() };
    bench.cost_free(cores).await?;
    bench.busy_workers().await?;
    bench.cached(cores).await?;
    if bench.args.lean {
        bench.lean().await?;
    }
    if !bench.args.json {
        output::data(&report::table(&bench.rows).to_string())?;
    }
    let sound = bench.rows.iter().all(Row::is_sound);
    Ok(if sound { Exit::Success } else { Exit::NotAccepted })
}

impl Bench {
    fn count(&self, full: usize) -> usize {
        if self.args.quick { full / 10 } else { full }
    }

    fn wants(&self, names: &[&str]) -> bool {
        self.args.only.as_ref().is_none_or(|only| names.iter().any(|name| name.contains(only.as_str())))
    }

    async fn measure(
        &mut self,
        server: &Server,
        scenario: &Scenario,
        load: &Arc<Load>,
    ) -> anyhow::Result<()> {
        if !self.wants(&[scenario.name]) {
            return Ok(());
        }
        let run = server.run(scenario.connections, load).await?;
        let row = Row::of(scenario, load, &run);
        if self.args.json {
            output::data(&serde_json::to_string(&row)?)?;
        } else {
            output::say(&row.details());
        }
        self.rows.push(row);
        Ok(())
    }

    /// The server alone: snippets that cost nothing.
    async fn cost_free(&mut self, workers: usize) -> anyhow::Result<()> {
        const NAME: &str = "cost-free";
        if !self.wants(&[NAME]) {
            return Ok(());
        }
        let server = Server::with_fake_repl(workers).await?;
        server.run(workers, &Arc::new(Load::plain(10 * workers, Duration::ZERO))).await?;
        for (connections, requests) in [(1, 5_000), (16, 20_000), (64, 20_000)] {
            let load = Arc::new(Load::plain(self.count(requests), Duration::ZERO));
            let goals = if connections == 64 {
                Goals { per_second: Some(1500.0), p99: Some(Duration::from_millis(100)), ..Goals::default() }
            } else {
                Goals::default()
            };
            let scenario = Scenario { name: NAME, workers, connections, busy: Some(Busy::Snippets), goals };
            self.measure(&server, &scenario, &load).await?;
        }
        server.close().await?;
        Ok(())
    }

    /// Workers that are kept busy, and workers that fail.
    async fn busy_workers(&mut self) -> anyhow::Result<()> {
        const NAMES: [&str; 2] = ["50 ms", "faults"];
        if !self.wants(&NAMES) {
            return Ok(());
        }
        let server = Server::with_fake_repl(MANY_WORKERS).await?;
        let warm_up = Load::plain(2 * MANY_WORKERS, Duration::from_millis(50));
        server.run(MANY_WORKERS, &Arc::new(warm_up)).await?;
        let scenario = Scenario {
            name: NAMES[0],
            workers: MANY_WORKERS,
            connections: 64,
            busy: Some(Busy::Snippets),
            goals: Goals { per_second: Some(155.0), ..Goals::default() },
        };
        let load = Load::plain(self.count(10_000), Duration::from_millis(50));
        self.measure(&server, &scenario, &Arc::new(load)).await?;
        let scenario =
            Scenario { name: NAMES[1], goals: Goals { busy: Some(0.95), ..Goals::default() }, ..scenario };
        let load = Load::faulty(self.count(10_000), Duration::from_millis(10), Duration::from_secs(1));
        self.measure(&server, &scenario, &Arc::new(load)).await?;
        server.close().await?;
        Ok(())
    }

    /// Verdicts that are in the cache.
    async fn cached(&mut self, workers: usize) -> anyhow::Result<()> {
        const NAME: &str = "cached";
        if !self.wants(&[NAME]) {
            return Ok(());
        }
        let different = self.count(2_000);
        let server = Server::with_fake_repl(workers).await?;
        server.run(64, &Arc::new(Load::candidates(different, different))).await?;
        let load = Arc::new(Load::candidates(self.count(20_000), different));
        for connections in [16, 64] {
            let goals = Goals { per_second: Some(2000.0), ..Goals::default() };
            let scenario = Scenario { name: NAME, workers, connections, busy: None, goals };
            self.measure(&server, &scenario, &load).await?;
        }
        server.close().await?;
        Ok(())
    }

    /// Real Lean: proofs of the workbook, and what hangs, kills and floods it.
    async fn lean(&mut self) -> anyhow::Result<()> {
        const NAME: &str = "lean";
        if !self.wants(&[NAME]) {
            return Ok(());
        }
        let judging = self.args.judging.with_timeout(LEAN_TIMEOUT);
        let server = Server::with_lean(judging.settings(Guest::default(), None)).await?;
        let load = Arc::new(Load::workbook(LEAN_BATCH, self.count(10_000)));
        let scenario = Scenario {
            name: NAME,
            workers: server.workers(),
            connections: 64,
            busy: Some(Busy::Farm),
            goals: Goals { busy: Some(0.95), ..Goals::default() },
        };
        self.measure(&server, &scenario, &load).await?;
        server.close().await?;
        Ok(())
    }
}
