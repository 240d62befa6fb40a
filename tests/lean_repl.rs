//! `LeanRepl` as a whole, through the farm, over a REPL that speaks the real protocol and fails on demand
//! (`verifiers/tests/fake_repl`), in the real sandbox.

use proofloop_sandboxes::process::{Launcher, Layer, Policy};
use proofloop_verifiers::candidate::{Candidate, LeanCandidate};
use proofloop_verifiers::farm::{Farm, FarmSettings};
use proofloop_verifiers::lean::LeanRepl;
use proofloop_verifiers::lean::toolchain::Toolchain;
use proofloop_verifiers::verdict::{Judgement, Verdict};
use proofloop_verifiers::verifier::{Limits, UnitSize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a busy machine does not reach.
const PATIENT: Duration = Duration::from_secs(120);

fn fake() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/tests/fake_repl/fake_repl.py")
}

fn toolchain() -> Toolchain {
    Toolchain {
        source: "test",
        identity: "a fake REPL".to_owned(),
        executable: "/no/such/lean".into(),
        arguments: Vec::new(),
        env: BTreeMap::new(),
        read_only: Vec::new(),
        unit_size: UnitSize { worth_a_start: 1, most: 1 },
        prints_axioms: true,
        start_allowance: PATIENT,
        repl: None,
    }
}

fn limits(timeout: Duration) -> Limits {
    // Hosts without a cgroup or a namespace run the tests, too.
    Limits { timeout, memory_bytes: 256 << 20, optional_layers: Layer::ALL.into(), ..Limits::default() }
}

/// A farm with one worker, so that all candidates meet in one process as far as they may.
fn farm(repl: PathBuf, limits: Limits) -> Farm {
    let launcher = Launcher::new(env!("CARGO_BIN_EXE_proofloop").into());
    let verifier = LeanRepl::new(launcher, toolchain(), repl, limits);
    let settings = FarmSettings { workers: 1, linger: Duration::from_millis(50), ..FarmSettings::default() };
    Farm::start(vec![Arc::new(verifier)], &settings).expect("the farm starts")
}

fn completion(header: &str, statement: &str, completion: &str) -> Candidate {
    Candidate::Lean(LeanCandidate::Completion {
        header: header.to_owned(),
        statement: format!("{statement} := by"),
        completion: format!("\n  {completion}"),
    })
}

fn file(code: &str, statement: Option<&str>) -> Candidate {
    let statement = statement.map(|statement| format!("{statement} := by"));
    Candidate::Lean(LeanCandidate::File { code: code.to_owned(), statement })
}

/// Different from every other by its number.
fn good(number: usize) -> Candidate {
    completion("", &format!("theorem good{number} : {number} = {number}"), "rfl")
}

/// Under `fault`, see the fake.
fn faulty(fault: &str) -> Candidate {
    completion("", "theorem t : 1 = 1", &format!("rfl -- fake:{fault}"))
}

async fn judge_in(farm: Farm, candidates: Vec<Candidate>) -> Vec<Judgement> {
    let mut tickets = Vec::new();
    for candidate in candidates {
        tickets.push(farm.submit(candidate).await.expect("the farm is open"));
    }
    let mut judgements = Vec::new();
    for ticket in tickets {
        judgements.push(ticket.judgement().await.expect("the farm answers"));
    }
    farm.close().await;
    judgements
}

async fn judge(candidates: Vec<Candidate>) -> Vec<Judgement> {
    judge_in(farm(fake(), limits(PATIENT)), candidates).await
}

/// `accepted`, `rejected Sorry`, `timeout`, …
fn word(judgement: &Judgement) -> String {
    if let Verdict::Rejected { reason } = &judgement.verdict {
        return format!("rejected {reason:?}");
    }
    judgement.verdict.name().to_owned()
}

fn words(judgements: &[Judgement]) -> Vec<String> {
    judgements.iter().map(word).collect()
}

fn cause(judgement: &Judgement) -> &str {
    let Verdict::Unavailable { cause } = &judgement.verdict else { panic!("not unavailable: {judgement:?}") };
    cause
}

#[tokio::test]
async fn right_wrong_and_unfinished_proofs() {
    let judgements = judge(vec![
        good(1),
        completion("", "theorem t : 1 = 2", "no_such_tactic"),
        completion("", "theorem t : 1 = 2", "sorry"),
        completion("open NoSuchNamespace", "theorem t : 1 = 1", "rfl"),
        completion("theorem given : 1 = 2 := by sorry", "theorem t : 1 = 2", "exact given"),
        file("theorem t : 1 = 1 := by rfl", None),
        file("theorem t : 1 = 1 := by rfl\ntheorem u : 2 = 2 := by exact t", Some("theorem u : 2 = 2")),
    ])
    .await;
    let expected = [
        "accepted",
        "rejected ElaborationError",
        "rejected Sorry",
        // The header is the problem's, and no candidate's fault.
        "unavailable",
        // The axioms tell what a lemma of the header hides.
        "rejected Axiom",
        "accepted",
        "accepted",
    ];
    assert_eq!(words(&judgements), expected);
    let message = &judgements[1].messages[0];
    assert_eq!((message.text.as_str(), message.line, message.column), ("unknown tactic", Some(2), Some(2)));
    assert!(cause(&judgements[3]).contains("unknown namespace"), "{:?}", judgements[3]);
}

#[tokio::test]
async fn another_statement_than_the_pinned_one_is_not_accepted() {
    let pinned = Some("theorem t : 1 = 2");
    let judgements = judge(vec![
        file("theorem t : 1 = 1 := by rfl", pinned),
        file("theorem u : 1 = 2 := by rfl", pinned),
        file("namespace A\ntheorem t : 1 = 2 := by rfl\nend A", pinned),
        file("theorem t : 1 = 2 := by rfl", pinned),
    ])
    .await;
    let expected = [
        "rejected StatementMismatch",
        "rejected MissingDeclaration",
        "rejected MissingDeclaration",
        "accepted", // by the toy's rules
    ];
    assert_eq!(words(&judgements), expected);
}

#[tokio::test]
async fn no_candidate_sees_the_declarations_of_another() {
    let uses = |header: &str, name: &str| completion(header, "theorem t : 2 = 2", &format!("exact {name}"));
    for header in ["", "import Lean"] {
        let leak = completion(header, "theorem leak : 2 = 2", "rfl");
        let judgements = judge(vec![
            leak,
            uses(header, "leak"),
            file("theorem leak : 2 = 2 := by rfl", None),
            uses("", "leak"),
        ])
        .await;
        let unknown = "rejected ElaborationError";
        assert_eq!(words(&judgements), ["accepted", unknown, "accepted", unknown], "{header:?}");
    }
}

#[tokio::test]
async fn what_is_printed_beside_the_reply_changes_nothing() {
    let faults = [
        "pieces",
        "late",
        "stderr",
        "unicode",
        "print_after",
        "print_line",
        "print_glued",
        "print_blocks",
        "print_bytes",
        "print_open_object",
        "print_open_string",
    ];
    let wrong =
        |fault: &&str| completion("", "theorem t : 1 = 2", &format!("no_such_tactic -- fake:{fault}"));
    let candidates = faults.iter().flat_map(|fault| [faulty(fault), wrong(fault)]).collect();
    let judgements = judge(candidates).await;
    for (fault, pair) in faults.iter().zip(judgements.chunks(2)) {
        assert_eq!(words(pair), ["accepted", "rejected ElaborationError"], "{fault}");
    }
}

/// Judges a candidate that has a fault between good ones; theirs must not change. Returns its own.
async fn between_good_ones(fault: &str, timeout: Duration) -> Judgement {
    // An identical neighbour would share the verdict of the first.
    let candidates = vec![good(1), good(2), faulty(fault), good(3), good(4)];
    let mut judgements = judge_in(farm(fake(), limits(timeout)), candidates).await;
    let found = judgements.remove(2);
    assert_eq!(words(&judgements), ["accepted"; 4], "{fault}: {found:?}");
    found
}

#[tokio::test]
async fn a_candidate_that_breaks_the_process_costs_nobody_else_the_verdict() {
    for (fault, verdict) in [
        ("die", "crashed"),
        ("kill", "crashed"),
        ("exit_after", "crashed"),
        ("close_stdout", "crashed"),
        ("memory", "memory-limit"),
        ("flood_line", "output-limit"),
        ("flood_blocks", "output-limit"),
        ("forge_early", "rejected MetaCode"),
        ("forge_glued", "rejected MetaCode"),
        ("forge_two", "rejected MetaCode"),
        ("forge_error", "rejected MetaCode"),
        ("forge_and_die", "crashed"),
        // Nothing tells it from a REPL of another version.
        ("forge_wrong", "unavailable"),
    ] {
        assert_eq!(word(&between_good_ones(fault, PATIENT).await), verdict, "{fault}");
    }
}

#[tokio::test]
async fn a_candidate_that_hangs_times_out_alone() {
    assert_eq!(word(&between_good_ones("hang", Duration::from_secs(4)).await), "timeout");
}

#[tokio::test]
async fn a_process_that_an_earlier_candidate_has_poisoned_is_not_the_next_ones_fault() {
    // Under the same header the death comes with the candidate, under a new one with the header.
    for header in ["", "import Lean"] {
        let victim = completion(header, "theorem t : 1 = 2", "no_such_tactic");
        let farm = farm(fake(), limits(PATIENT));
        for (candidate, verdict) in [
            (good(1), "accepted"),
            (faulty("poison"), "accepted"),
            (victim, "rejected ElaborationError"),
            (good(2), "accepted"),
        ] {
            let ticket = farm.submit(candidate).await.expect("open");
            let judgement = ticket.judgement().await.expect("answered");
            assert_eq!(word(&judgement), verdict, "{header:?}: {judgement:?}");
        }
        farm.close().await;
    }
}

#[tokio::test]
async fn a_header_that_fails_is_told_to_its_own_candidates_only() {
    let under =
        |header: &str, number: usize| completion(header, &format!("theorem t{number} : 1 = 1"), "rfl");
    let judgements = judge(vec![
        under("import Missing", 1),
        under("import Lean", 2),
        under("import Missing", 3),
        under("", 4),
        under("-- fake:die\nimport Lean", 5),
    ])
    .await;
    // The comment is not sent with the imports.
    assert_eq!(words(&judgements), ["unavailable", "accepted", "unavailable", "accepted", "accepted"]);
    assert!(cause(&judgements[0]).contains("unknown module prefix 'Missing'"), "{:?}", judgements[0]);
}

#[tokio::test]
async fn a_header_is_elaborated_once_for_all_its_candidates() {
    // `import Slow` costs 400 ms of CPU time whenever it is read.
    let under = |header: &str, number: usize| {
        completion(header, &format!("theorem t{number} : {number} = {number}"), "rfl")
    };
    let candidates: Vec<_> =
        (0..8).flat_map(|number| [under("import Lean", number), under("import Slow", number)]).collect();
    let judgements = judge(candidates).await;
    assert_eq!(words(&judgements), ["accepted"; 16]);
    let dear = judgements.iter().filter(|judgement| judgement.usage.cpu_ms >= 300).count();
    assert_eq!(dear, 1, "`import Slow` was read again: {:?}", usages(&judgements));
}

fn usages(judgements: &[Judgement]) -> Vec<u64> {
    judgements.iter().map(|judgement| judgement.usage.cpu_ms).collect()
}

#[tokio::test]
async fn worn_out_processes_are_replaced_unnoticed() {
    // More than one process may judge.
    let judgements = judge((0..230).map(good).collect()).await;
    assert!(judgements.iter().all(|judgement| word(judgement) == "accepted"));
    let headers = (0..9).map(|number| completion(&format!("import H{number}"), "theorem t : 1 = 1", "rfl"));
    assert_eq!(words(&judge(headers.collect()).await), ["accepted"; 9]);
}

#[tokio::test]
async fn usage_and_protection_are_those_of_the_session() {
    let busy = completion("", "theorem t : 1 = 1", "rfl -- fake:work");
    let judgements = judge(vec![good(1), busy, good(2), faulty("die")]).await;
    assert_eq!(words(&judgements), ["accepted", "accepted", "accepted", "crashed"]);
    let launcher = Launcher::new(env!("CARGO_BIN_EXE_proofloop").into());
    let in_force = launcher.probe(&Policy::default()).await.names();
    for judgement in &judgements {
        assert!(judgement.protection.len() > 3, "{judgement:?}");
        let foreign: Vec<_> = judgement.protection.iter().filter(|name| !in_force.contains(name)).collect();
        assert!(foreign.is_empty(), "{foreign:?} of {:?}", judgement.protection);
        assert!(judgement.usage.peak_memory_bytes > 4 << 20, "{:?}", judgement.usage);
    }
    assert!(judgements[0].usage.wall_ms > 0 && judgements[1].usage.wall_ms >= 400, "{judgements:?}");
    // The fake burns half a second for this one, and it is nobody else's.
    let [first, busy, second, _] = usages(&judgements)[..] else { panic!("four candidates") };
    assert!(busy >= 400 && busy > second + 300 && busy > first, "{:?}", usages(&judgements));
}

#[tokio::test]
async fn a_repl_that_is_not_there_is_an_infrastructure_failure() {
    let judgements = judge_in(farm("/no/such/repl".into(), limits(PATIENT)), vec![good(1), good(2)]).await;
    assert_eq!(words(&judgements), ["unavailable", "unavailable"]);
    assert!(cause(&judgements[0]).contains("no Lean REPL could be started"), "{:?}", judgements[0]);
}

#[tokio::test]
async fn a_missing_layer_is_an_infrastructure_failure_and_nothing_has_run() {
    let strict = Limits { optional_layers: std::collections::BTreeSet::new(), ..limits(PATIENT) };
    let launcher = Launcher::new(env!("CARGO_BIN_EXE_proofloop").into());
    let whole = launcher.probe(&Policy::default()).await.missing().next().is_none();
    let judgements = judge_in(farm(fake(), strict), vec![good(1)]).await;
    assert_eq!(words(&judgements), [if whole { "accepted" } else { "unavailable" }]);
}

#[tokio::test]
async fn cancelling_ends_what_hangs() {
    let farm = farm(fake(), limits(PATIENT));
    let ticket = farm.submit(faulty("hang")).await.expect("open");
    tokio::time::sleep(Duration::from_millis(500)).await;
    farm.cancellation().cancel();
    assert_eq!(ticket.judgement().await.expect("answered").verdict, Verdict::Cancelled);
    farm.close().await;
}
