//! The server that is measured: the one of `proofloop serve`, in this process, on a port of its own.

use super::super::super::{backend, farm};
use super::client::{self, Progress, Seen};
use super::load::Load;
use crate::serve::backend::{Backend, Parts, ToolchainInfo};
use crate::serve::listen::{self, Stopped};
use crate::serve::metrics::resident_bytes;
use crate::serve::{App, ServeSettings};
use anyhow::Context;
use proofloop_sandboxes::process::{Launcher, own_cpu};
use proofloop_verifiers::farm::{Farm, FarmSettings};
use proofloop_verifiers::lean::LeanRepl;
use proofloop_verifiers::lean::snippet::LeanSnippets;
use proofloop_verifiers::lean::toolchain::Toolchain;
use proofloop_verifiers::verifier::{Limits, UnitSize, Verifier};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Memory of one fake REPL.
const FAKE_MEMORY: u64 = 512 << 20;

/// A server that listens. It must be [closed](Self::close).
pub(super) struct Server {
    app: Arc<App>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Stopped>,
    /// Its state, its cache, and the fake REPL.
    _directory: TempDir,
}

/// What one run over a load has used.
pub(super) struct Run {
    pub(super) seen: Seen,
    /// How many places of the gate for snippets were taken on average, until the last request was sent.
    pub(super) busy: f64,
    /// How many workers of the farm were at work on average, until then.
    pub(super) farm_busy: f64,
    /// CPU time of this process without the client.
    pub(super) server_cpu: Duration,
    /// CPU time of the whole machine, whoever used it.
    pub(super) machine_cpu: Duration,
    /// CPU time that a virtual machine's host has given to others while somebody here wanted it.
    pub(super) stolen: Duration,
    /// Memory of this process after a tenth, a third, and at the end.
    pub(super) memory: [u64; 3],
}

impl Server {
    /// One whose Lean is the fake REPL.
    pub(super) async fn with_fake_repl(workers: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let exe = std::env::current_exe().context("this program's own path is not known")?;
        let repl = fake_repl(directory.path(), &exe)?;
        let launcher = Launcher::current_exe();
        let limits = Limits { memory_bytes: FAKE_MEMORY, ..Limits::default() };
        let toolchain = toolchain(exe);
        let verifier: Arc<dyn Verifier> =
            Arc::new(LeanRepl::new(launcher.clone(), toolchain.clone(), repl.clone(), limits.clone()));
        let info = ToolchainInfo {
            kind: "lean",
            checker: verifier.checker().name.clone(),
            rules: verifier.checker().version.clone(),
            toolchain: toolchain.identity.clone(),
            repl: true,
        };
        let settings = FarmSettings {
            workers,
            cache: Some(directory.path().join("cache")),
            // As `serve` has it where there is a REPL.
            linger: Duration::ZERO,
            ..FarmSettings::default()
        };
        let candidate_time = limits.timeout;
        let farm_window = backend::farm_window(workers, verifier.unit_size().most);
        let parts = Parts {
            farm: Farm::start(vec![verifier], &settings)?,
            snippets: Some(LeanSnippets::new(launcher, toolchain, Some(repl), limits)),
            python: None,
            toolchains: vec![info],
            workers,
            farm_window,
            candidate_time,
        };
        Self::start(Backend::new(parts), directory).await
    }

    /// One with the Lean that is installed, without a cache.
    pub(super) async fn with_lean(settings: farm::Settings) -> anyhow::Result<Self> {
        let backend = backend::start(settings).await?;
        Self::start(backend, tempfile::tempdir()?).await
    }

    async fn start(backend: Backend, directory: TempDir) -> anyhow::Result<Self> {
        let settings = ServeSettings::new(directory.path().join("state"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port can be had")?;
        let address = listener.local_addr()?;
        let app = App::new(backend, None, settings)?;
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(listen::serve(listener, Arc::clone(&app), async move {
            // A sender that is gone is an end, too.
            let _either = stopped.await;
        }));
        Ok(Self { app, address, stop, serving, _directory: directory })
    }

    /// Sends a load over so many connections.
    pub(super) async fn run(&self, connections: usize, load: &Arc<Load>) -> anyhow::Result<Run> {
        let before = Before { busy: self.busy(), cpu: own_cpu()?, machine: Machine::now() };
        let (app, address, load) = (Arc::clone(&self.app), self.address, Arc::clone(load));
        let started = Instant::now();
        let all_sent = CancellationToken::new();
        let farm_busy = tokio::spawn(farm_busy(Arc::clone(&app), all_sent.clone()));
        // A thread of its own: what the client uses is told apart, and takes no turns with the server's tasks.
        let driven = tokio::task::spawn_blocking(move || {
            let watched = RefCell::new(Watched::default());
            let requests = load.calls.len();
            let progress = |progress| {
                let watched = &mut *watched.borrow_mut();
                match progress {
                    Progress::AllSent => {
                        watched.all_sent = (started.elapsed(), busy(&app));
                        all_sent.cancel();
                    }
                    Progress::Answered(count) => watched.answered(count, requests),
                }
            };
            let seen = client::drive(address, connections, &load, &progress)?;
            anyhow::Ok((seen, watched.into_inner()))
        });
        let (seen, watched) = driven.await??;
        let (sending, busy) = watched.all_sent;
        let machine = Machine::now();
        Ok(Run {
            busy: busy.saturating_sub(before.busy).as_secs_f64() / sending.as_secs_f64(),
            farm_busy: farm_busy.await?,
            server_cpu: own_cpu()?.saturating_sub(before.cpu).saturating_sub(seen.cpu),
            machine_cpu: machine.worked.saturating_sub(before.machine.worked),
            stolen: machine.stolen.saturating_sub(before.machine.stolen),
            memory: watched.memory,
            seen,
        })
    }

    /// How many workers it has.
    pub(super) fn workers(&self) -> usize {
        self.app.backend.farm_state().workers
    }

    fn busy(&self) -> Duration {
        busy(&self.app)
    }

    /// Ends it; whether in order.
    pub(super) async fn close(self) -> anyhow::Result<bool> {
        let Self { app, stop, serving, .. } = self;
        // A server that has ended by itself says so below.
        let _ended_before = stop.send(());
        let stopped = serving.await?;
        backend::close(app).await;
        Ok(stopped == Stopped::InOrder)
    }
}

/// How long places of the gate for snippets were taken so far.
fn busy(app: &App) -> Duration {
    let gates = app.backend.gates();
    gates.iter().find(|(name, _, _)| *name == "snippets").map_or(Duration::ZERO, |(_, _, busy)| *busy)
}

/// How many workers of the farm are at work, on average until `end`.
async fn farm_busy(app: Arc<App>, end: CancellationToken) -> f64 {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let (mut running, mut looks) = (0.0, 0.0);
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        running += f64::from(u32::try_from(app.backend.farm_state().running).unwrap_or(u32::MAX));
        looks += 1.0;
    }
    if looks > 0.0 { running / looks } else { 0.0 }
}

/// How things stood when a run began.
struct Before {
    busy: Duration,
    cpu: Duration,
    machine: Machine,
}

/// What is noted down while a run goes on.
#[derive(Debug, Default)]
struct Watched {
    /// When the last request was sent, and how long places had been taken by then.
    all_sent: (Duration, Duration),
    memory: [u64; 3],
}

impl Watched {
    fn answered(&mut self, count: usize, of: usize) {
        let marks = [of.div_ceil(10), of.div_ceil(3), of];
        if let Some(at) = marks.iter().rposition(|mark| *mark == count) {
            self.memory[at] = resident_bytes().unwrap_or_default();
        }
    }
}

/// A program without arguments that becomes the fake REPL.
fn fake_repl(directory: &Path, exe: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join("fake-repl");
    let exe = exe.to_str().filter(|exe| !exe.contains('\'')).context("the path of this program")?;
    std::fs::write(&path, format!("#!/bin/sh\nexec '{exe}' bench fake-repl\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// What the fake REPL says it is.
fn toolchain(exe: PathBuf) -> Toolchain {
    Toolchain {
        source: "fake",
        identity: "the fake REPL of `proofloop bench serve`".to_owned(),
        executable: exe.clone(),
        arguments: Vec::new(),
        env: BTreeMap::new(),
        read_only: vec![exe],
        unit_size: UnitSize { worth_a_start: 4, most: 32 },
        prints_axioms: false,
        start_allowance: Duration::from_secs(30),
        repl: None,
    }
}

/// What all processors of this machine have done since it began.
#[derive(Default)]
struct Machine {
    worked: Duration,
    stolen: Duration,
}

impl Machine {
    fn now() -> Self {
        std::fs::read_to_string("/proc/stat").map(|text| Self::of(&text)).unwrap_or_default()
    }

    fn of(stat: &str) -> Self {
        let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        // user, nice, system, idle, iowait, irq, softirq, steal; hundredths of a second.
        let times: Vec<u64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
        let worked: u64 = times
            .iter()
            .enumerate()
            .filter(|(place, _)| !matches!(place, 3 | 4 | 7))
            .map(|(_, time)| time)
            .sum();
        let stolen = times.get(7).copied().unwrap_or_default();
        Self { worked: Duration::from_millis(worked * 10), stolen: Duration::from_millis(stolen * 10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_takes_is_no_work() {
        let machine = Machine::of("cpu  1 20 300 4000 50000 6 70 800 0 0\ncpu0 9 9 9 9 9 9 9 9 9 9\n");
        assert_eq!(machine.worked, Duration::from_millis(3970));
        assert_eq!(machine.stolen, Duration::from_millis(8000));
    }
}
