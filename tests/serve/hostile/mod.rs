//! Hostile bytes: valid requests, broken in every way that a client can break them. Whatever comes, nobody panics, nothing
//! hangs, no answer is a fault of ours, and an error has the form that errors have.
//!
//! A few cases of each property run with all tests. To look for longer, for ten minutes a property:
//!
//! ```sh
//! PROOFLOOP_FUZZ_SECONDS=600 cargo test --release --test serve -- hostile --nocapture
//! ```
//! (`PROPTEST_CASES=10000` gives a number of cases instead.) A failure prints the smallest case that it found.

mod http;
mod lean;
mod lines;
mod mutate;
mod wire;

use crate::common::PATIENT;
use proofloop::serve::backend::{Backend, Parts};
use proofloop::serve::keys::Keys;
use proofloop::serve::{App, ServeSettings};
use proofloop_verifiers::farm::{Farm, FarmSettings};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Cases of a property where nothing is said.
const CASES: u32 = 48;

/// Tries a property: so many cases, or for so long as `PROOFLOOP_FUZZ_SECONDS` says.
fn explore<S: Strategy>(strategy: &S, property: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let seconds = std::env::var("PROOFLOOP_FUZZ_SECONDS").ok().map(|text| text.parse().expect("a number"));
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let (started, limit) = (Instant::now(), Duration::from_secs(seconds.unwrap_or(0)));
    let mut cases = 0;
    loop {
        let mut runner = TestRunner::new(config.clone());
        let result = runner.run(strategy, |case| {
            property(case);
            Ok(())
        });
        if let Err(failure) = result {
            panic!("{failure}");
        }
        cases += config.cases;
        if started.elapsed() >= limit {
            break;
        }
    }
    if seconds.is_some() {
        println!("{cases} cases in {:?}", started.elapsed());
    }
}

/// A server in this process over nothing that judges, and what its futures run on.
struct Place {
    runtime: tokio::runtime::Runtime,
    app: Arc<App>,
    _state: tempfile::TempDir,
}

impl Place {
    fn new(keys: Option<Keys>, change: impl FnOnce(&mut ServeSettings)) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let state = tempfile::tempdir().expect("a directory");
        let mut settings = ServeSettings::new(state.path().to_path_buf());
        // Small, so that limits are reached.
        (settings.body_bytes, settings.batch_items, settings.client_items) = (64 << 10, 50, 100);
        change(&mut settings);
        let app = {
            let _inside = runtime.enter();
            let farm = Farm::start(Vec::new(), &FarmSettings { workers: 1, ..FarmSettings::default() });
            let parts = Parts {
                farm: farm.expect("a farm without a cache"),
                snippets: None,
                python: None,
                toolchains: Vec::new(),
                workers: 1,
                farm_window: 8,
                candidate_time: Duration::from_secs(60),
            };
            App::new(Backend::new(parts), keys, settings).expect("a directory for jobs")
        };
        Self { runtime, app, _state: state }
    }

    /// Runs to the end; not to come to one is what "never a hang" forbids.
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let patient = async { tokio::time::timeout(PATIENT, future).await.expect("it hangs") };
        self.runtime.block_on(patient)
    }
}
