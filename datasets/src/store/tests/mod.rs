//! The store as its users see it, and what it leaves whenever it is interrupted.

mod faults;
mod plans;
mod queries;
mod round_trip;

use super::*;
use crate::problem::Split;
use serde_json::json;
use std::path::PathBuf;
use tempfile::TempDir;

/// A store in a folder of its own.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.sqlite")
    }

    fn create(&self) -> RunStore {
        RunStore::create(&self.path()).unwrap()
    }
}

fn problem(id: StatementId) -> Statement {
    Statement {
        id,
        key: [u8::try_from(id).unwrap(); 32],
        name: format!("p{id}"),
        header: "import Mathlib\n".to_owned(),
        text: format!("theorem p{id} (a b : Nat) : a + b + {id} = b + a + {id} := by"),
        origin: Origin::Problem,
        split: Some(Split::Train),
        known: None,
        lineage: None,
    }
}

fn conjecture(id: StatementId, iteration: u32, seed: StatementId) -> Statement {
    let lineage = Lineage { iteration, seed, lemma: "Nat.add_comm".to_owned(), level: 1 };
    Statement {
        name: format!("c{id}"),
        origin: Origin::Conjecture,
        split: None,
        lineage: Some(lineage),
        ..problem(id)
    }
}

fn verdict(name: &str) -> VerdictRecord {
    let is_accepted = name == "accepted";
    VerdictRecord {
        verdict: name.to_owned(),
        reason: (name == "rejected").then(|| "error".to_owned()),
        assurance: is_accepted.then(|| "audited".to_owned()),
        message: (name == "rejected").then(|| "unsolved goals".to_owned()),
        wall_ms: 120,
        cpu_ms: 100,
        peak_memory_bytes: 1 << 30,
    }
}

/// Judges a completion of a statement that [`problem`] or [`conjecture`] made.
fn judge(store: &mut RunStore, id: StatementId, completion: &str, name: &str) -> CandidateId {
    let Statement { header, text, .. } = problem(id);
    store
        .add_verdict(&CandidateText { header: &header, statement: &text, completion }, &verdict(name))
        .unwrap()
}

fn sample(
    stage: &str,
    iteration: u32,
    statement: StatementId,
    sample: u32,
    candidate: CandidateId,
) -> Sample {
    let finish = "stop".to_owned();
    Sample { stage: stage.to_owned(), iteration, statement, sample, candidate, tokens: 7, finish }
}

fn example(iteration: u32, ordinal: u32, completion: &str, weight: f64) -> ExampleRecord {
    ExampleRecord {
        iteration,
        ordinal,
        role: "prover".to_owned(),
        statement: 1,
        prompt: "Prove it.\n".to_owned(),
        completion: completion.to_owned(),
        weight,
    }
}

fn record(iteration: u32, ordinal: u32, outcome: &str, statement: Option<StatementId>) -> ConjectureRecord {
    ConjectureRecord {
        iteration,
        ordinal,
        seed: 1,
        lemma: String::new(),
        text: format!("theorem x{ordinal} : True := by"),
        outcome: outcome.to_owned(),
        statement,
    }
}

fn key(iteration: u32, stage: &str) -> StageKey<'_> {
    StageKey { iteration, stage }
}

fn dump(store: &RunStore) -> String {
    let mut bytes = Vec::new();
    store.dump(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What each order of arrival has in common: two problems, then one iteration with one conjecture.
fn small_run(store: &mut RunStore, verdicts_first_to_last: bool) {
    store.set_meta("seed", "7").unwrap();
    let statements = vec![problem(1), problem(2)];
    store.finish_stage(key(0, "problems"), &StageWrites { statements, ..StageWrites::default() }).unwrap();
    let made = StageWrites {
        statements: vec![conjecture(3, 1, 1)],
        conjectures: vec![record(1, 0, "new", Some(3)), record(1, 1, "unparsable", None)],
        wall_ms: if verdicts_first_to_last { 1 } else { 2 },
        detail: json!({"new": 1, "b": {"cpu_ms": store.meta("seed").unwrap(), "a": [1]}, "a": 2}),
        ..StageWrites::default()
    };
    store.finish_stage(key(1, "conjecture"), &made).unwrap();
    let mut arrivals = vec![(1, "omega", "accepted"), (2, "simp", "rejected"), (3, "omega", "timeout")];
    if !verdicts_first_to_last {
        arrivals.reverse();
    }
    for (id, completion, name) in arrivals {
        judge(store, id, completion, name);
    }
    let candidate = |store: &mut RunStore, id, completion| judge(store, id, completion, "never kept");
    let samples = vec![
        sample("prove", 1, 1, 0, candidate(store, 1, "omega")),
        sample("prove", 1, 1, 1, candidate(store, 1, "omega")),
        sample("prove", 1, 2, 0, candidate(store, 2, "simp")),
        sample("prove", 1, 3, 0, candidate(store, 3, "omega")),
    ];
    store.finish_stage(key(1, "prove"), &StageWrites { samples, ..StageWrites::default() }).unwrap();
    let examples = vec![example(1, 0, "omega", 0.5)];
    store.finish_stage(key(1, "select"), &StageWrites { examples, ..StageWrites::default() }).unwrap();
}

#[test]
fn dumps_are_equal_whatever_order_the_verdicts_came_in() {
    let (one, other) = (Place::new(), Place::new());
    let (mut one, mut other) = (one.create(), other.create());
    small_run(&mut one, true);
    small_run(&mut other, false);
    let statement = problem(1);
    let text = CandidateText { header: &statement.header, statement: &statement.text, completion: "omega" };
    let id = |store: &RunStore| store.verdict(&text).unwrap().unwrap().0;
    assert_ne!(id(&one), id(&other), "the test has given both the same order");
    assert_eq!(dump(&one), dump(&other));
    insta::assert_snapshot!(dump(&one), @r##"
{"record":"meta","key":"seed","value":"7"}
{"record":"stage","iteration":0,"stage":"problems","detail":null}
{"record":"stage","iteration":1,"stage":"conjecture","detail":{"a":2,"b":{"a":[1]},"new":1}}
{"record":"stage","iteration":1,"stage":"prove","detail":null}
{"record":"stage","iteration":1,"stage":"select","detail":null}
{"record":"statement","id":1,"key":"0101010101010101010101010101010101010101010101010101010101010101","name":"p1","header":"import Mathlib\n","text":"theorem p1 (a b : Nat) : a + b + 1 = b + a + 1 := by","origin":"problem","split":"train","known":null,"lineage":null}
{"record":"statement","id":2,"key":"0202020202020202020202020202020202020202020202020202020202020202","name":"p2","header":"import Mathlib\n","text":"theorem p2 (a b : Nat) : a + b + 2 = b + a + 2 := by","origin":"problem","split":"train","known":null,"lineage":null}
{"record":"statement","id":3,"key":"0303030303030303030303030303030303030303030303030303030303030303","name":"c3","header":"import Mathlib\n","text":"theorem p3 (a b : Nat) : a + b + 3 = b + a + 3 := by","origin":"conjecture","split":null,"known":null,"lineage":{"iteration":1,"seed":1,"lemma":"Nat.add_comm","level":1}}
{"record":"conjecture","iteration":1,"ordinal":0,"seed":1,"lemma":"","text":"theorem x0 : True := by","outcome":"new","statement":3}
{"record":"conjecture","iteration":1,"ordinal":1,"seed":1,"lemma":"","text":"theorem x1 : True := by","outcome":"unparsable","statement":null}
{"record":"candidate","address":"1a2c43d664dd582419530bf03cd8b02f9a1b84e2c34557b2393e8a00249615f3","header":"import Mathlib\n","statement":"theorem p3 (a b : Nat) : a + b + 3 = b + a + 3 := by","completion":"omega","verdict":"timeout","reason":null,"assurance":null}
{"record":"candidate","address":"9b1cea1165567f3f9c9dd2e05bad98f8bc78f5a4401f2aba765f3571165a3fc9","header":"import Mathlib\n","statement":"theorem p1 (a b : Nat) : a + b + 1 = b + a + 1 := by","completion":"omega","verdict":"accepted","reason":null,"assurance":"audited"}
{"record":"candidate","address":"ce415426526ffdf89992e52e26c51abc8abe5e3682537cd8f733d7edb3e5a9c8","header":"import Mathlib\n","statement":"theorem p2 (a b : Nat) : a + b + 2 = b + a + 2 := by","completion":"simp","verdict":"rejected","reason":"error","assurance":null}
{"record":"sample","stage":"prove","iteration":1,"statement":1,"sample":0,"candidate":"9b1cea1165567f3f9c9dd2e05bad98f8bc78f5a4401f2aba765f3571165a3fc9","tokens":7,"finish":"stop"}
{"record":"sample","stage":"prove","iteration":1,"statement":1,"sample":1,"candidate":"9b1cea1165567f3f9c9dd2e05bad98f8bc78f5a4401f2aba765f3571165a3fc9","tokens":7,"finish":"stop"}
{"record":"sample","stage":"prove","iteration":1,"statement":2,"sample":0,"candidate":"ce415426526ffdf89992e52e26c51abc8abe5e3682537cd8f733d7edb3e5a9c8","tokens":7,"finish":"stop"}
{"record":"sample","stage":"prove","iteration":1,"statement":3,"sample":0,"candidate":"1a2c43d664dd582419530bf03cd8b02f9a1b84e2c34557b2393e8a00249615f3","tokens":7,"finish":"stop"}
{"record":"example","iteration":1,"ordinal":0,"role":"prover","statement":1,"prompt":"Prove it.\n","completion":"omega","weight":0.5}
"##);
}

#[test]
fn a_store_that_was_opened_again_has_everything_and_goes_on() {
    let place = Place::new();
    let mut store = place.create();
    small_run(&mut store, true);
    let before = dump(&store);
    drop(store);
    let mut store = RunStore::open(&place.path()).unwrap();
    assert_eq!(dump(&store), before);
    assert_eq!(store.next_statement_id().unwrap(), 4);
    store.finish_stage(key(1, "train"), &StageWrites::default()).unwrap();
    let names: Vec<_> = store.stages().unwrap().into_iter().map(|stage| stage.stage).collect();
    assert_eq!(names, ["problems", "conjecture", "prove", "select", "train"]);
}

#[test]
fn a_reader_sees_what_is_finished_while_the_run_goes_on_and_can_write_nothing() {
    let place = Place::new();
    let mut store = place.create();
    small_run(&mut store, true);
    let mut reader = RunStore::open_read_only(&place.path()).unwrap();
    assert_eq!(dump(&reader), dump(&store));
    store.finish_stage(key(1, "train"), &StageWrites { wall_ms: 9, ..StageWrites::default() }).unwrap();
    assert_eq!(reader.stage(key(1, "train")).unwrap().unwrap().wall_ms, 9);
    let error = reader.set_meta("a", "b").unwrap_err();
    assert!(matches!(error, StoreError::Database { .. }), "{error:?}");
}

#[test]
fn the_first_verdict_of_a_candidate_stays() {
    let place = Place::new();
    let mut store = place.create();
    let text = CandidateText { header: "ab", statement: "c", completion: "d" };
    let first = store.add_verdict(&text, &verdict("rejected")).unwrap();
    assert_eq!(store.add_verdict(&text, &verdict("accepted")).unwrap(), first);
    assert_eq!(store.verdict(&text).unwrap(), Some((first, verdict("rejected"))));
    // Parts that give the same text when they are put together are another candidate.
    for other in [
        CandidateText { header: "a", statement: "bc", completion: "d" },
        CandidateText { header: "ab", statement: "", completion: "cd" },
    ] {
        assert_eq!(store.verdict(&other).unwrap(), None);
        assert_ne!(store.add_verdict(&other, &verdict("accepted")).unwrap(), first);
    }
    let many =
        [(text, &verdict("timeout")), (CandidateText { completion: "e", ..text }, &verdict("timeout"))];
    let ids = store.add_verdicts(many).unwrap();
    assert_eq!(ids[0], first);
    assert!(!store.verdict(&many[1].0).unwrap().unwrap().1.is_accepted());
    assert!(store.add_verdicts([]).unwrap().is_empty());
}

#[test]
fn figures_that_sqlite_has_no_number_for_become_its_largest() {
    let place = Place::new();
    let mut store = place.create();
    let text = CandidateText { header: "", statement: "", completion: "" };
    store.add_verdict(&text, &VerdictRecord { cpu_ms: u64::MAX, ..verdict("accepted") }).unwrap();
    let (_, record) = store.verdict(&text).unwrap().unwrap();
    assert_eq!((record.cpu_ms, record.wall_ms), (i64::MAX.unsigned_abs(), 120));
}
