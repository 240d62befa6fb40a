//! The seam between the farm and what judges.

use crate::candidate::{Candidate, Kind};
use crate::verdict::{Checker, Judgement};
use proofloop_sandboxes::process::Layer;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Limits for one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock for one candidate, imports not included.
    pub timeout: Duration,
    /// Memory of the process or instance that judges, in bytes.
    pub memory_bytes: u64,
    /// Output that is kept of each stream, in bytes.
    pub output_bytes: u64,
    /// Sandbox layers that may be missing on this host.
    pub optional_layers: BTreeSet<Layer>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            memory_bytes: 4 << 30,
            output_bytes: 1 << 20,
            optional_layers: BTreeSet::new(),
        }
    }
}

/// Which candidates may be judged together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Candidates of one unit have equal keys.
    pub key: String,
    /// Whether it may share a unit at all.
    pub shared: bool,
}

/// How many candidates make a unit that is worth its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitSize {
    /// Below this many, splitting the work over more workers costs more CPU than it is worth.
    pub worth_a_start: usize,
    /// At most this many.
    pub most: usize,
}

/// What became of one candidate of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It has its verdict.
    Judged(Box<Judgement>),
    /// It has none: judge it again in a unit of at most this many.
    Again {
        /// 1 for a candidate under suspicion.
        at_most: usize,
    },
}

/// What judging a unit has cost, also where it came to no verdict: every process counts, however it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnitCost {
    /// User and system time of those processes. What runs inside this process (wasm) is in its own account.
    pub cpu: Duration,
    /// Processes that were started for it.
    pub processes: u64,
}

/// Takes the attempts of a unit as they become known, by the candidate's position in the unit.
pub type Sink<'a> = &'a mut (dyn FnMut(usize, Attempt) + Send);

/// A boxed future, so that verifiers can be kept behind `dyn`.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Judges candidates of one kind.
pub trait Verifier: Send + Sync {
    /// What it judges.
    fn kind(&self) -> Kind;

    /// Who it is; part of the content address of its verdicts.
    fn checker(&self) -> &Checker;

    /// Everything else that can change a reproducible verdict, as text for the content address.
    fn policy(&self) -> String;

    /// A verdict that needs no run, if there is one: a policy refusal, malformed text.
    fn at_once(&self, candidate: &Candidate) -> Option<Judgement>;

    /// Where the candidate may be judged.
    fn lane(&self, candidate: &Candidate) -> Lane;

    /// How large units should be.
    fn unit_size(&self) -> UnitSize;

    /// Judges a unit and says what that has cost. Every candidate that `sink` does not hear of is taken as `Again`
    /// alone.
    fn judge<'a>(
        &'a self,
        unit: &'a [Arc<Candidate>],
        cancel: &'a CancellationToken,
        sink: Sink<'a>,
    ) -> Boxed<'a, UnitCost>;
}
