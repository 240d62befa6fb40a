//! The farm over a verifier that follows a script written in the candidate's own text.

use super::*;
use crate::candidate::{Kind, PythonCandidate};
use crate::verdict::{Assurance, Checker, Usage, Verdict};
use crate::verifier::{Attempt, Boxed, Lane, Sink, UnitCost, UnitSize};
use std::sync::Mutex;

/// Obeys the code: `accept`, `refuse` (at once), `blame` (in company it kills the unit), `forget`, `panic`.
struct Scripted {
    checker: Checker,
    units: Mutex<Vec<usize>>,
}

impl Scripted {
    fn new() -> Arc<Self> {
        let checker = Checker { name: "s".to_owned(), version: "1".to_owned(), toolchain: "t".to_owned() };
        Arc::new(Self { checker, units: Mutex::new(Vec::new()) })
    }

    fn judgement(&self, verdict: Verdict) -> Judgement {
        Judgement {
            verdict,
            messages: Vec::new(),
            usage: Usage::default(),
            checker: self.checker.clone(),
            protection: Vec::new(),
            cached: false,
        }
    }
}

fn code(candidate: &Candidate) -> &str {
    match candidate {
        Candidate::Python(PythonCandidate::Asserts { code, .. }) => code,
        Candidate::Python(_) | Candidate::Lean(_) | Candidate::Isabelle(_) => "",
    }
}

impl Verifier for Scripted {
    fn kind(&self) -> Kind {
        Kind::Python
    }

    fn checker(&self) -> &Checker {
        &self.checker
    }

    fn policy(&self) -> String {
        String::new()
    }

    fn at_once(&self, candidate: &Candidate) -> Option<Judgement> {
        let reason = crate::verdict::Reason::Malformed;
        (code(candidate) == "refuse").then(|| self.judgement(Verdict::Rejected { reason }))
    }

    fn lane(&self, _: &Candidate) -> Lane {
        Lane { key: String::new(), shared: true }
    }

    fn unit_size(&self) -> UnitSize {
        UnitSize { worth_a_start: 100, most: 100 }
    }

    fn judge<'a>(
        &'a self,
        unit: &'a [Arc<Candidate>],
        cancel: &'a CancellationToken,
        sink: Sink<'a>,
    ) -> Boxed<'a, UnitCost> {
        Box::pin(async move {
            self.units.lock().expect("no panic holds it").push(unit.len());
            let blamed = unit.iter().position(|candidate| code(candidate) == "blame");
            for (index, candidate) in unit.iter().enumerate() {
                let text = code(candidate);
                assert!(text != "panic", "as the script says");
                if text == "hang" {
                    cancel.cancelled().await;
                    sink(index, Attempt::Judged(Box::new(self.judgement(Verdict::Cancelled))));
                } else if unit.len() > 1 && blamed.is_some() {
                    let at_most = if blamed == Some(index) { 1 } else { usize::MAX };
                    sink(index, Attempt::Again { at_most });
                } else if text == "blame" {
                    sink(index, Attempt::Judged(Box::new(self.judgement(Verdict::Timeout))));
                } else if text != "forget" {
                    let accepted = Verdict::Accepted { assurance: Assurance::Tested };
                    sink(index, Attempt::Judged(Box::new(self.judgement(accepted))));
                }
            }
            UnitCost { cpu: Duration::from_micros(1_500), processes: 1 }
        })
    }
}

fn candidate(code: &str, number: usize) -> Candidate {
    Candidate::Python(PythonCandidate::Asserts {
        code: code.to_owned(),
        setup: String::new(),
        tests: vec![number.to_string()],
    })
}

async fn judge_all(farm: &Farm, candidates: Vec<Candidate>) -> Vec<String> {
    let mut tickets = Vec::new();
    for candidate in candidates {
        tickets.push(farm.submit(candidate).await.expect("open"));
    }
    let mut names = Vec::new();
    for ticket in tickets {
        let judgement = ticket.judgement().await.expect("answered");
        names.push(format!("{}{}", judgement.verdict.name(), if judgement.cached { "*" } else { "" }));
    }
    names
}

fn settings(cache: Option<&std::path::Path>) -> FarmSettings {
    FarmSettings {
        workers: 2,
        cache: cache.map(Into::into),
        linger: Duration::from_millis(5),
        capacity: 50,
        ..FarmSettings::default()
    }
}

#[tokio::test]
async fn one_bad_candidate_costs_nobody_else_the_verdict() {
    for bad in ["blame", "forget", "panic"] {
        let verifier = Scripted::new();
        let farm = Farm::start(vec![verifier.clone()], &settings(None)).expect("starts");
        let texts = ["accept", bad, "accept"];
        let verdicts =
            judge_all(&farm, texts.iter().enumerate().map(|(n, text)| candidate(text, n)).collect()).await;
        let expected = if bad == "blame" { "timeout" } else { "unavailable" };
        assert_eq!(verdicts, ["accepted", expected, "accepted"], "{bad}");
        farm.close().await;
    }
}

/// Found in review: units without a verdict cost time, too, and it was counted nowhere.
#[tokio::test]
async fn what_came_to_nothing_is_paid_for_too() {
    let farm = Farm::start(vec![Scripted::new()], &settings(None)).expect("starts");
    judge_all(&farm, vec![candidate("accept", 1), candidate("blame", 2), candidate("accept", 3)]).await;
    let stats = farm.close().await;
    assert_eq!((stats.units, stats.retries, stats.processes), (3, 3, 3));
    assert_eq!(stats.cpu, Duration::from_micros(4_500));
}

#[tokio::test]
async fn identical_candidates_are_judged_once_and_cached_ones_not_at_all() {
    let directory = tempfile::tempdir().expect("tempdir");
    let verifier = Scripted::new();
    let farm = Farm::start(vec![verifier.clone()], &settings(Some(directory.path()))).expect("starts");
    let verdicts =
        judge_all(&farm, vec![candidate("accept", 1), candidate("accept", 1), candidate("refuse", 1)]).await;
    assert_eq!(verdicts, ["accepted", "accepted", "rejected"]);
    let stats = farm.close().await;
    assert_eq!((stats.submitted, stats.duplicates, stats.units), (3, 1, 1));
    assert_eq!(*verifier.units.lock().expect("lock"), [1]);

    let farm = Farm::start(vec![verifier.clone()], &settings(Some(directory.path()))).expect("starts");
    assert_eq!(judge_all(&farm, vec![candidate("accept", 1)]).await, ["accepted*"]);
    assert_eq!(farm.close().await.from_cache, 1);
}

#[tokio::test]
async fn a_timeout_is_not_cached() {
    let directory = tempfile::tempdir().expect("tempdir");
    for _ in 0..2 {
        let farm = Farm::start(vec![Scripted::new()], &settings(Some(directory.path()))).expect("starts");
        assert_eq!(judge_all(&farm, vec![candidate("blame", 1)]).await, ["timeout"]);
        assert_eq!(farm.close().await.from_cache, 0);
    }
}

#[tokio::test]
async fn a_full_farm_waits_and_loses_nothing() {
    let farm =
        Farm::start(vec![Scripted::new()], &FarmSettings { capacity: 3, ..settings(None) }).expect("starts");
    let verdicts = judge_all(&farm, (0..40).map(|number| candidate("accept", number)).collect()).await;
    assert!(verdicts.iter().all(|verdict| verdict == "accepted"));
    assert_eq!(verdicts.len(), 40);
    farm.close().await;
}

#[tokio::test]
async fn cancelling_ends_what_runs() {
    let farm = Farm::start(vec![Scripted::new()], &settings(None)).expect("starts");
    let ticket = farm.submit(candidate("hang", 1)).await.expect("open");
    tokio::time::sleep(Duration::from_millis(30)).await;
    farm.cancellation().cancel();
    assert_eq!(ticket.judgement().await.expect("answered").verdict, Verdict::Cancelled);
    farm.close().await;
}

#[tokio::test]
async fn a_kind_without_a_verifier_is_unavailable() {
    let farm = Farm::start(Vec::new(), &settings(None)).expect("starts");
    assert_eq!(judge_all(&farm, vec![candidate("accept", 1)]).await, ["unavailable"]);
    farm.close().await;
}

/// Before there was a bound, candidates that came faster than `linger` put off every unit for as long as they came.
#[tokio::test]
async fn a_steady_stream_puts_nothing_off_for_ever() {
    let (linger, patience) = (Duration::from_secs(600), Duration::from_millis(20));
    let settings = FarmSettings { linger, patience, ..settings(None) };
    let farm = Farm::start(vec![Scripted::new()], &settings).expect("the farm starts");
    let first = farm.submit(candidate("accept", 0)).await.expect("the farm is open");
    let judged = tokio::time::timeout(Duration::from_secs(60), first.judgement()).await;
    assert!(judged.expect("long before `linger` is over").expect("the farm answers").verdict.is_accepted());
    farm.close().await;
}

#[tokio::test]
async fn a_unit_that_nobody_waits_for_is_ended() {
    let farm =
        Farm::start(vec![Scripted::new()], &FarmSettings { workers: 1, ..settings(None) }).expect("starts");
    let given_up = farm.submit(candidate("hang", 0)).await.expect("open");
    let judging = async {
        while farm.state().judging == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), judging).await.expect("it is being judged");
    drop(given_up);
    // The one worker is free again.
    let verdicts =
        tokio::time::timeout(Duration::from_secs(60), judge_all(&farm, vec![candidate("accept", 1)]));
    assert_eq!(verdicts.await.expect("judged"), ["accepted"]);
    let mut state = farm.state();
    while state.judging + state.waiting + state.running > 0 || state.stats.submitted < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        state = farm.state();
    }
    assert_eq!(state.verdicts.get("accepted"), Some(&1), "{state:?}");
    farm.close().await;
}

#[tokio::test]
async fn who_asks_for_what_was_just_given_up_gets_a_verdict() {
    let farm =
        Farm::start(vec![Scripted::new()], &FarmSettings { workers: 1, ..settings(None) }).expect("starts");
    drop(farm.submit(candidate("hang", 0)).await.expect("open"));
    // Again and again, so that some of them come between the end of the unit and the news of it.
    for _ in 0..20 {
        let again = farm.submit(candidate("hang", 0)).await.expect("open");
        let early = tokio::time::timeout(Duration::from_millis(60), again.judgement()).await;
        assert!(early.is_err(), "a verdict that nobody has come to: {early:?}");
    }
    let verdicts =
        tokio::time::timeout(Duration::from_secs(60), judge_all(&farm, vec![candidate("accept", 1)]));
    assert_eq!(verdicts.await.expect("judged"), ["accepted"]);
    farm.close().await;
}
