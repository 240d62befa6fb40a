//! The loop with Isabelle as the prover: against the fake server, whose verdicts are scripted.

use crate::common::{Place, small, told};
use proofloop::selfplay::settings::Settings;
use proofloop_datasets::store::RunStore;
use proofloop_datasets::{IsabelleProblem, Kind, Metadata, Problem, Split};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// What the prover says: the first rule that matches decides. Cheap methods and contradictions prove nothing, `auto` proves
/// nothing about 1, and what is about 7 has no type.
fn oracle() -> Value {
    json!([
        {"text": "7", "ill_typed": true},
        {"goal": ".", "methods": "rule refl", "proves": false},
        {"goal": "^False$", "methods": ".", "proves": false},
        {"goal": "1", "methods": "auto", "proves": false},
        {"goal": ".", "methods": "simp|auto", "proves": true},
    ])
}

/// The fake with this oracle beside it.
fn scripted(place: &Place) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/tests/fake_isabelle");
    let to = place.join("Isabelle");
    fs::create_dir_all(to.join("bin")).expect("made");
    for file in ["bin/isabelle", "prover.py"] {
        fs::copy(from.join(file), to.join(file)).expect("copied");
    }
    fs::write(to.join("oracle.json"), oracle().to_string()).expect("written");
    to.join("bin/isabelle")
}

/// Small sums, as many of each form, every sixth held out.
fn problems() -> Vec<Problem> {
    let problem = |(place, (form, number)): (usize, (usize, usize))| {
        let (says, proof) = match form {
            0 => (format!("\"(x::nat) + {number} = {number} + x\""), "by simp"),
            1 => (
                format!("fixes x y :: nat assumes h: \"x < y\" shows \"x + {number} < y + {number}\""),
                "by auto",
            ),
            _ => (format!("fixes x :: nat shows \"{number} * x = x * {number}\""), "using assms by simp"),
        };
        Problem {
            name: format!("sum_{place}"),
            split: if place % 6 == 5 { Split::Test } else { Split::Train },
            source: "here".to_owned(),
            kind: Kind::Isabelle(IsabelleProblem {
                imports: vec!["Main".to_owned()],
                header: String::new(),
                statement: format!("theorem sum_{place}: {says}"),
            }),
            known: Some(proof.to_owned()),
            informal: String::new(),
            metadata: Metadata::default(),
        }
    };
    let numbers = [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 15, 16, 18];
    let all = numbers.into_iter().flat_map(|number| (0..3).map(move |form| (form, number)));
    all.enumerate().map(problem).collect()
}

/// One round, long enough at the beginning to learn so few forms.
fn settings() -> Settings {
    let mut settings = small().for_isabelle();
    settings.iterations = 1;
    settings.problems.limit = None;
    settings.problems.shown_proofs = 0.8;
    settings.initial.sft.as_mut().expect("nano learns first").learn.epochs = 25;
    settings
}

fn play(place: &Place, fake: &Path, arguments: &[&str]) -> Output {
    let mut command = place.command(arguments);
    command.args(["--memory", "1GiB"]).env("PROOFLOOP_ISABELLE", fake);
    command.output().expect("the program starts")
}

/// What kinds of records a run has left, whatever they say.
fn records(store: &RunStore) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |what: String, name: String| {
        all.entry(what).or_default().insert(name);
    };
    for stage in store.stages().expect("stages") {
        let name = format!("{} {}", stage.iteration, stage.stage);
        add("stages".to_owned(), name.clone());
        for (key, value) in stage.detail.as_object().into_iter().flatten() {
            let is_counts = value.is_object() && !matches!(key.as_str(), "verdicts" | "rules");
            let inner = value.as_object().filter(|_| is_counts).into_iter().flatten();
            add(format!("detail of {name}"), key.clone());
            inner.for_each(|(inner, _)| add(format!("{key} of {name}"), inner.clone()));
        }
        if !store.samples(&stage.stage, stage.iteration).expect("samples").is_empty() {
            add("samples".to_owned(), name.clone());
        }
        for example in store.examples(stage.iteration).expect("examples") {
            add("examples".to_owned(), format!("{} {}", example.iteration, example.role));
        }
    }
    for statement in store.statements(None).expect("statements") {
        let (split, lineage) = (statement.split.map(Split::name), statement.lineage.is_some());
        let is_shown = statement.known.is_some();
        add("statements".to_owned(), format!("{:?} {split:?} {lineage} {is_shown}", statement.origin));
    }
    all
}

#[test]
fn an_iteration_with_isabelle_leaves_the_records_of_one_with_lean() {
    let place = Place::with_lean();
    let fake = scripted(&place);
    let none = play(&place, &fake, &["selfplay", "--prover", "isabelle"]);
    assert_eq!(none.status.code(), Some(2), "{}", told(&none));
    assert!(told(&none).contains("give some to --problems"), "{}", told(&none));
    let path = place.settings(&small());
    let path = path.to_str().expect("UTF-8");
    let of_lean = play(&place, &fake, &["selfplay", "--prover", "isabelle", "--settings", path]);
    assert_eq!(of_lean.status.code(), Some(2), "{}", told(&of_lean));
    assert!(told(&of_lean).contains("these settings are for Lean"), "{}", told(&of_lean));

    let lines: String =
        problems().iter().map(|one| serde_json::to_string(one).expect("JSON") + "\n").collect();
    fs::write(place.join("sums.jsonl"), lines).expect("written");
    let path = place.settings(&settings());
    let path = path.to_str().expect("UTF-8");
    let isabelle = ["selfplay", "--run", "isabelle", "--prover", "isabelle", "--problems", "sums.jsonl"];
    let output = play(&place, &fake, &[&isabelle[..], &["--settings", path]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let store = place.store("isabelle");
    let found = records(&store);
    check_statements(&store);

    let lean = Place::with_fake_repl();
    let mut of_lean = small();
    of_lean.iterations = 1;
    let path = lean.settings(&of_lean);
    let output = lean.run(&["selfplay", "--run", "lean", "--settings", path.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(found, records(&lean.store("lean")));

    // The folder knows its prover, and its proofs are judged as they are exported.
    let whole = place.dump("isabelle");
    let again = play(&place, &fake, &["selfplay", "--run", "isabelle"]);
    assert_eq!((again.status.code(), place.dump("isabelle")), (Some(0), whole), "{}", told(&again));
    let export = ["export", "isabelle", "--what", "proofs", "--format", "jsonl", "--out", "proofs.jsonl"];
    let exported = place.run(&export);
    assert_eq!(exported.status.code(), Some(0), "{}", told(&exported));
    let judged = play(&place, &fake, &["verify", "--no-cache", "--format", "jsonl", "proofs.jsonl"]);
    assert_eq!(judged.status.code(), Some(0), "{}", told(&judged));
    assert!(!judged.stdout.is_empty(), "{}", told(&judged));
}

/// That the oracle's word was heard, and that what is new is a statement with its lineage.
fn check_statements(store: &RunStore) {
    let proved = store.proofs("prove", 1..=1).expect("proofs");
    assert!(!proved.is_empty() && proved.iter().all(|proof| proof.completion.contains("by ")), "{proved:?}");
    let samples = store.samples("prove", 1).expect("samples");
    assert!(samples.iter().any(|sample| sample.verdict.verdict == "rejected"), "the oracle rejected nothing");
    let screened = store.conjectures(None).expect("conjectures");
    let new: Vec<_> = screened.iter().filter(|one| one.outcome == "new").collect();
    assert!(!new.is_empty(), "{screened:?}");
    for one in new {
        let statement = store.statement(one.statement.expect("a number")).expect("reads").expect("is there");
        assert_eq!(statement.header, "imports Main\nbegin\n");
        let (name, says) = statement.text.split_once(": ").expect("a named theorem");
        assert!(name.starts_with("theorem conjecture_"), "{}", statement.text);
        assert!(!says.contains('7'), "the oracle gives it no type: {}", statement.text);
        assert_eq!(statement.lineage.expect("a conjecture").seed, one.seed);
    }
}
