//! `proofloop export`: a store that the library has filled, through the real program.

use super::{Ran, directory, on_a_bare_machine, run, write};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use proofloop_datasets::Split;
use proofloop_datasets::store::{
    CandidateText, ConjectureRecord, ExampleRecord, Lineage, Origin, RunStore, Sample, StageKey, StageWrites,
    Statement, VerdictRecord,
};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use tempfile::TempDir;

fn statements() -> Vec<Statement> {
    let problem = |id: i64, split| Statement {
        id,
        key: [u8::try_from(id).expect("small"); 32],
        name: format!("problem_{id}"),
        header: "open Nat\n".to_owned(),
        text: format!("theorem problem_{id} (n : Nat) : n + {id} = {id} + n := by"),
        origin: Origin::Problem,
        split: Some(split),
        known: None,
        lineage: None,
    };
    let conjecture = Statement {
        name: "conjecture_a".to_owned(),
        text: "theorem conjecture_a (n : Nat) : n ≤ n := by".to_owned(),
        origin: Origin::Conjecture,
        split: None,
        lineage: Some(Lineage { iteration: 1, seed: 1, lemma: "Nat.add_comm".to_owned(), level: 1 }),
        ..problem(3, Split::Train)
    };
    vec![problem(1, Split::Train), problem(2, Split::Test), conjecture]
}

fn examples(iteration: u32, all: &[(&str, &str, f64)]) -> StageWrites {
    let example = |(ordinal, (role, completion, weight)): (u32, &(&str, &str, f64))| ExampleRecord {
        iteration,
        ordinal,
        role: (*role).to_owned(),
        statement: 1,
        prompt: format!("{role}:\n"),
        completion: (*completion).to_owned(),
        weight: *weight,
    };
    StageWrites { examples: (0..).zip(all).map(example).collect(), ..StageWrites::default() }
}

/// Judges and samples completions of one statement.
fn samples(store: &mut RunStore, (iteration, stage): (u32, &str), all: &[(i64, &str, &str)]) -> StageWrites {
    let statements = statements();
    let mut samples = Vec::new();
    for (ordinal, (id, completion, verdict)) in (0..).zip(all) {
        let statement = statements.iter().find(|statement| statement.id == *id).expect("there");
        let text = CandidateText { header: &statement.header, statement: &statement.text, completion };
        let record = VerdictRecord {
            verdict: (*verdict).to_owned(),
            reason: None,
            assurance: None,
            message: None,
            wall_ms: 1,
            cpu_ms: 1,
            peak_memory_bytes: 1,
        };
        let candidate = store.add_verdict(&text, &record).expect("recorded");
        let (stage, finish) = (stage.to_owned(), "stop".to_owned());
        samples.push(Sample {
            stage,
            iteration,
            statement: *id,
            sample: ordinal,
            candidate,
            tokens: 3,
            finish,
        });
    }
    StageWrites { samples, ..StageWrites::default() }
}

/// A run of two iterations in `folder`.
fn fill(folder: &Path) {
    fs::create_dir(folder).expect("a folder");
    let mut store = RunStore::create(&folder.join("store.sqlite")).expect("a store");
    let finish = |store: &mut RunStore, iteration, stage, writes: &StageWrites| {
        store.finish_stage(StageKey { iteration, stage }, writes).expect("finished");
    };
    let problems = StageWrites { statements: statements()[..2].to_vec(), ..StageWrites::default() };
    finish(&mut store, 0, "problems", &problems);
    let held_out = samples(&mut store, (0, "before"), &[(2, " omega", "accepted")]);
    finish(&mut store, 0, "before", &held_out);
    let record = |ordinal, text: &str, outcome: &str, statement| ConjectureRecord {
        iteration: 1,
        ordinal,
        seed: 1,
        lemma: "Nat.add_comm".to_owned(),
        text: text.to_owned(),
        outcome: outcome.to_owned(),
        statement,
    };
    let conjectures = StageWrites {
        statements: statements()[2..].to_vec(),
        conjectures: vec![
            record(0, "theorem conjecture_a (n : Nat) : n ≤ n := by", "new", Some(3)),
            record(1, "theorem again (m : Nat) : m ≤ m := by", "duplicate", Some(3)),
            record(2, "no \"Lean\"\n\u{1d538}", "unparsable", None),
        ],
        ..StageWrites::default()
    };
    finish(&mut store, 1, "conjecture", &conjectures);
    let all = [
        (1, "\n  simp", "rejected"),
        (1, "\n  omega", "accepted"),
        (1, "\n  omega", "accepted"),
        (1, "\n  decide", "timeout"),
        (3, "\n  exact Nat.le_refl n", "accepted"),
        (3, "\n  rfl", "unavailable"),
    ];
    let first = samples(&mut store, (1, "prove"), &all);
    finish(&mut store, 1, "prove", &first);
    finish(
        &mut store,
        1,
        "select",
        &examples(1, &[("prover", "\n  omega", 0.5), ("conjecturer", " x", 1.0)]),
    );
    let all = [
        (1, "\n  omega", "accepted"),
        (1, "\n  exact Nat.add_comm ..", "accepted"),
        (1, "\n  ring", "rejected"),
        (1, "\n  aesop", "rejected"),
        (3, "\n  simp?", "rejected"),
    ];
    let second = samples(&mut store, (2, "prove"), &all);
    finish(&mut store, 2, "prove", &second);
    finish(&mut store, 2, "select", &examples(2, &[("prover", "\n  omega", 0.25)]));
}

fn workplace() -> TempDir {
    let directory = directory();
    fill(&directory.path().join("run"));
    directory
}

fn export(directory: &Path, arguments: &[&str]) -> Ran {
    run(directory, &[&["export", "run", "--what"], arguments].concat())
}

fn exported(what: &[&str]) -> String {
    let directory = workplace();
    let ran = export(directory.path(), what);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    ran.out
}

#[test]
fn proofs_are_candidates_as_verify_reads_them() {
    insta::assert_snapshot!(exported(&["proofs"]), @r##"
{"id":"1-0","kind":"lean","name":"problem_1","split":"train","origin":"problem","iteration":2,"header":"open Nat\n","formal_statement":"theorem problem_1 (n : Nat) : n + 1 = 1 + n := by","completion":"\n  exact Nat.add_comm ..","multiplicity":1}
{"id":"1-1","kind":"lean","name":"problem_1","split":"train","origin":"problem","iteration":1,"header":"open Nat\n","formal_statement":"theorem problem_1 (n : Nat) : n + 1 = 1 + n := by","completion":"\n  omega","multiplicity":3}
{"id":"3-0","kind":"lean","name":"conjecture_a","split":"train","origin":"conjecture","iteration":1,"header":"open Nat\n","formal_statement":"theorem conjecture_a (n : Nat) : n ≤ n := by","completion":"\n  exact Nat.le_refl n","multiplicity":1}
"##);
    let all = exported(&["proofs", "--held-out"]);
    assert!(all.contains(
        r#"{"id":"2-0","kind":"lean","name":"problem_2","split":"test","origin":"problem","iteration":0,"#
    ));
    assert_eq!(all.lines().count(), 4);
}

/// Without a toolchain every candidate is refused for want of one, but none for its record.
#[test]
fn verify_takes_exported_proofs_as_they_are() {
    let directory = workplace();
    let ran = export(directory.path(), &["proofs", "--out", "proofs.jsonl"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", "3 rows in proofs.jsonl\n"));
    for line in fs::read_to_string(directory.path().join("proofs.jsonl")).expect("written").lines() {
        proofloop::records::parse(line, None).expect(line);
    }
    let ran = on_a_bare_machine(directory.path(), &["verify", "--no-cache", "proofs.jsonl"]);
    assert!(!ran.err.contains("cannot read proofs.jsonl"), "{}", ran.err);
}

#[test]
fn conjectures_say_what_became_of_them() {
    insta::assert_snapshot!(exported(&["conjectures"]), @r##"
{"name":"conjecture_a","iteration":1,"header":"open Nat\n","formal_statement":"theorem conjecture_a (n : Nat) : n ≤ n := by","seed":"problem_1","lemma":"Nat.add_comm","outcome":"new","pass_rate":0.5}
{"name":"conjecture_1_1","iteration":1,"header":"open Nat\n","formal_statement":"theorem again (m : Nat) : m ≤ m := by","seed":"problem_1","lemma":"Nat.add_comm","outcome":"duplicate"}
{"name":"conjecture_1_2","iteration":1,"header":"open Nat\n","formal_statement":"no \"Lean\"\n𝔸","seed":"problem_1","lemma":"Nat.add_comm","outcome":"unparsable"}
"##);
}

#[test]
fn examples_are_told_once_with_their_newest_weight() {
    insta::assert_snapshot!(exported(&["sft"]), @r##"
{"prompt":"conjecturer:\n","completion":" x","weight":1.0}
{"prompt":"prover:\n","completion":"\n  omega","weight":0.25}
"##);
    insta::assert_snapshot!(exported(&["sft", "--iteration", "1"]), @r##"
{"prompt":"prover:\n","completion":"\n  omega","weight":0.5}
{"prompt":"conjecturer:\n","completion":" x","weight":1.0}
"##);
    assert_eq!(exported(&["sft", "--iteration", "7"]), "");
}

#[test]
fn preferences_pair_what_was_accepted_with_what_was_rejected() {
    insta::assert_snapshot!(exported(&["preferences"]), @r##"
{"prompt":"Complete the following Lean 4 code:\n\n```lean4\nopen Nat\ntheorem problem_1 (n : Nat) : n + 1 = 1 + n := by","chosen":"\n  exact Nat.add_comm ..","rejected":"\n  aesop"}
{"prompt":"Complete the following Lean 4 code:\n\n```lean4\nopen Nat\ntheorem problem_1 (n : Nat) : n + 1 = 1 + n := by","chosen":"\n  omega","rejected":"\n  ring"}
{"prompt":"Complete the following Lean 4 code:\n\n```lean4\nopen Nat\ntheorem conjecture_a (n : Nat) : n ≤ n := by","chosen":"\n  exact Nat.le_refl n","rejected":"\n  simp?"}
"##);
}

fn value(field: &Field) -> Value {
    if let Field::Str(text) = field {
        json!(text)
    } else if let Field::Long(number) = field {
        json!(number)
    } else if let Field::Double(number) = field {
        json!(number)
    } else {
        panic!("{field:?} in a file of ours")
    }
}

#[test]
fn parquet_has_the_rows_of_jsonl() {
    let directory = workplace();
    for what in ["proofs", "conjectures", "sft", "preferences"] {
        let name = format!("{what}.parquet");
        write(directory.path(), &name, "what was there");
        let ran = export(directory.path(), &[what, "--format", "parquet", "--out", &name]);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
        let file = File::open(directory.path().join(&name)).expect("written");
        let reader = SerializedFileReader::new(file).expect("Parquet");
        let rows = reader.get_row_iter(None).expect("rows").map(|row| {
            let row = row.expect("a row");
            let there = row.get_column_iter().filter(|(_, field)| **field != Field::Null);
            Value::Object(there.map(|(name, field)| (name.clone(), value(field))).collect())
        });
        let rows: Vec<Value> = rows.collect();
        assert!(!rows.is_empty());
        assert_eq!(rows, export(directory.path(), &[what]).results(), "{what}");
    }
    let mut left =
        fs::read_dir(directory.path()).expect("there").map(|entry| entry.expect("there").file_name());
    assert!(!left.any(|name| name.to_string_lossy().ends_with(".partial")));
}

#[test]
fn what_cannot_be_exported_is_said_with_its_reason() {
    let directory = workplace();
    let place = directory.path();
    fs::create_dir(place.join("empty")).expect("a folder");
    fs::create_dir(place.join("foreign")).expect("a folder");
    write(&place.join("foreign"), "store.sqlite", "a text");
    let of = |arguments: &[&str]| {
        let ran = run(place, &[&["export"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
        ran.err
    };
    let all = [
        of(&["nowhere", "--what", "sft"]),
        of(&["empty", "--what", "sft"]),
        of(&["foreign", "--what", "sft"]),
        of(&["run", "--what", "sft", "--held-out"]),
        of(&["run", "--what", "proofs", "--iteration", "1"]),
        of(&["run", "--what", "proofs", "--format", "parquet"]),
        of(&["run", "--what", "proofs", "--out", "empty"]),
        of(&["run", "--what", "proofs", "--out", "nowhere/proofs.jsonl"]),
    ];
    insta::assert_snapshot!(all.concat(), @r##"
error: `nowhere` is not the folder of a run: it has no `store.sqlite`
error: `empty` is not the folder of a run: it has no `store.sqlite`
error: `foreign/store.sqlite` is not a run store
error: --held-out goes with --what proofs
error: --iteration goes with --what sft
error: parquet is no text: give a file to --out
error: cannot write `empty`: it is not a file
error: cannot write `nowhere/proofs.jsonl`: No such file or directory (os error 2)
"##);
}
