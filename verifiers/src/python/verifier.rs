//! Python in the farm: every check blocks a thread of its own for a few milliseconds.

use super::judge::{PythonJudge, PythonLimits};
use crate::candidate::{Candidate, Kind, PythonCandidate};
use crate::verdict::{Checker, Judgement, Message, Severity, Usage, Verdict};
use crate::verifier::{Attempt, Boxed, Lane, Limits, Sink, UnitCost, UnitSize, Verifier};
use proofloop_sandboxes::wasm::CancelFlag;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Checks are short and independent: a unit only saves the dispatcher work.
const UNITS: UnitSize = UnitSize { worth_a_start: 2, most: 32 };

/// Judges Python candidates in wasm instances.
pub struct PythonWasm {
    judge: PythonJudge,
    limits: PythonLimits,
    checker: Checker,
}

impl PythonWasm {
    /// A verifier over a prepared guest.
    #[must_use]
    pub fn new(judge: PythonJudge, limits: &Limits) -> Self {
        let limits = PythonLimits {
            wall: limits.timeout,
            memory_bytes: limits.memory_bytes,
            output_bytes: limits.output_bytes,
        };
        let checker = judge.checker();
        Self { judge, limits, checker }
    }

    async fn check(&self, candidate: PythonCandidate, cancel: &CancellationToken) -> Judgement {
        let (judge, limits) = (self.judge.clone(), self.limits);
        let flag = CancelFlag::default();
        let seen_by_guest = flag.clone();
        let mut check = tokio::task::spawn_blocking(move || judge.judge(&candidate, &limits, &seen_by_guest));
        let result = tokio::select! {
            result = &mut check => result,
            () = cancel.cancelled() => {
                flag.cancel();
                check.await
            }
        };
        result.unwrap_or_else(|panic| self.unavailable(format!("the judge failed: {panic}")))
    }

    fn unavailable(&self, cause: String) -> Judgement {
        let message = Message { severity: Severity::Error, line: None, column: None, text: cause.clone() };
        Judgement {
            verdict: Verdict::Unavailable { cause },
            messages: vec![message],
            usage: Usage::default(),
            checker: self.checker.clone(),
            protection: Vec::new(),
            cached: false,
        }
    }
}

impl Verifier for PythonWasm {
    fn kind(&self) -> Kind {
        Kind::Python
    }

    fn checker(&self) -> &Checker {
        &self.checker
    }

    /// Memory and output limits can turn into exceptions that the candidate sees, and so into a rejection. Sleeping costs no
    /// time but counts against the timeout: under a longer one, the same candidate is accepted.
    fn policy(&self) -> String {
        let PythonLimits { wall, memory_bytes, output_bytes } = &self.limits;
        format!("memory={memory_bytes} output={output_bytes} wall={}ms", wall.as_millis())
    }

    fn at_once(&self, _candidate: &Candidate) -> Option<Judgement> {
        None
    }

    fn lane(&self, _candidate: &Candidate) -> Lane {
        Lane { key: String::new(), shared: true }
    }

    fn unit_size(&self) -> UnitSize {
        UNITS
    }

    fn judge<'a>(
        &'a self,
        unit: &'a [Arc<Candidate>],
        cancel: &'a CancellationToken,
        sink: Sink<'a>,
    ) -> Boxed<'a, UnitCost> {
        Box::pin(async move {
            for (index, candidate) in unit.iter().enumerate() {
                let judgement = match candidate.as_ref() {
                    Candidate::Python(python) => self.check(python.clone(), cancel).await,
                    Candidate::Lean(_) | Candidate::Isabelle(_) => {
                        self.unavailable("this is no Python candidate".to_owned())
                    }
                };
                sink(index, Attempt::Judged(Box::new(judgement)));
            }
            UnitCost::default() // no process but our own
        })
    }
}
