//! Isabelle through the program, with the fake server in the place of a real one.

#![expect(clippy::print_stderr, reason = "a skipped test says why")]

use super::{Ran, directory, program, write};
use proofloop_datasets::Kind;
use proofloop_datasets::readers::{self, Format, Options};
use proofloop_verifiers::isabelle::theory::Pieces;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Runs the program with the fake in the place of Isabelle.
fn run(directory: &Path, arguments: &[&str]) -> Ran {
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/tests/fake_isabelle/bin/isabelle");
    let mut command = program(directory, arguments);
    command.env("PROOFLOOP_ISABELLE", fake);
    command.output().expect("the program starts").into()
}

#[test]
fn theories_and_records_are_judged() {
    let directory = directory();
    let theory = |body: &str| format!("theory T imports Main begin\n{body}\nend\n");
    write(directory.path(), "Good.thy", theory("lemma a: \"(1::nat) + 1 = 2\" by simp"));
    write(directory.path(), "Bad.thy", theory("lemma a: \"(1::nat) + 1 = 3\"\n  by simp"));
    write(directory.path(), "Sorry.thy", theory("lemma a: \"(1::nat) + 1 = 3\" sorry"));
    let record = |id: &str, completion: &str| {
        json!({
            "id": id,
            "imports": ["Main"],
            "formal_statement": "theorem t: \"(1::nat) + 1 = 2\"",
            "completion": completion,
        })
        .to_string()
            + "\n"
    };
    write(directory.path(), "r.jsonl", record("r1", "by simp") + &record("r2", "oops"));
    let verify = ["verify", "--no-cache", "--format", "jsonl", "--kind", "isabelle", "--memory", "1GiB"];
    let ran =
        run(directory.path(), &[&verify[..], &["Good.thy", "Bad.thy", "Sorry.thy", "r.jsonl"]].concat());
    assert_eq!(ran.verdicts(), ["accepted", "rejected", "rejected", "accepted", "rejected"], "{ran:?}");
    let reasons: Vec<_> = ran.results().iter().map(|result| result["reason"].clone()).collect();
    assert_eq!(
        json!(reasons),
        json!([null, "elaboration-error", "sorry", null, "missing-declaration"]),
        "{ran:?}"
    );
    assert_eq!(ran.code, 1);
    let ran = run(directory.path(), &[&verify[..], &["--isabelle-audit", "build", "Good.thy"]].concat());
    assert_eq!(ran.results()[0]["assurance"], "audited", "{ran:?}");
    let missing =
        program(directory.path(), &["verify", "Good.thy"]).env("PROOFLOOP_ISABELLE", "/no/such").output();
    let ran = Ran::from(missing.expect("the program starts"));
    assert!(ran.err.contains("there is no Isabelle at /no/such"), "{ran:?}");
}

#[test]
fn doctor_says_which_isabelle_there_is() {
    let directory = directory();
    let told = |ran: Ran| {
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        (report["isabelle"].clone(), ran)
    };
    let (isabelle, ran) = told(run(directory.path(), &["doctor", "--json"]));
    assert_eq!(isabelle["found"], true, "{ran:?}");
    assert!(isabelle["detail"].as_str().is_some_and(|detail| detail.contains("FakeIsabelle2024")), "{ran:?}");
    let mut command = program(directory.path(), &["doctor", "--json"]);
    let missing = command.env("PROOFLOOP_ISABELLE", "/no/such").output().expect("the program starts");
    let (isabelle, ran) = told(missing.into());
    assert_eq!((ran.code, &isabelle["found"]), (3, &json!(false)), "{ran:?}");
    assert!(isabelle["detail"].as_str().is_some_and(|detail| detail.contains("/no/such")), "{ran:?}");
    assert!(isabelle["mend"].as_str().is_some_and(|mend| mend.contains("PROOFLOOP_ISABELLE")), "{ran:?}");
    let mut command = program(directory.path(), &["doctor", "--json"]);
    let none = command.env("PATH", directory.path()).env_remove("PROOFLOOP_ISABELLE").output();
    let (isabelle, ran) = told(none.expect("the program starts").into());
    assert_eq!(isabelle, json!(null), "it is needed by few: {ran:?}");
}

/// The file of miniF2F's problems and its text, where it is on this machine.
fn minif2f() -> Option<(PathBuf, String)> {
    let data = std::env::var_os("PROOFLOOP_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let source = data.join("minif2f-isabelle/minif2f_isabelle.jsonl");
    let Ok(text) = fs::read_to_string(&source) else {
        eprintln!("skipped: {} is not there (PROOFLOOP_SHARED_DATA)", source.display());
        return None;
    };
    Some((source, text))
}

#[test]
fn minif2f_is_evaluated() {
    let Some((_, text)) = minif2f() else { return };
    let directory = directory();
    // What the fake can prove: that a fact is the fact, and not the problems themselves.
    let problems: Vec<&str> = text.lines().take(3).collect();
    write(directory.path(), "isabelle.jsonl", problems.join("\n"));
    let name = |at: usize| {
        let problem: serde_json::Value = serde_json::from_str(problems[at]).expect("JSON");
        problem["name"].as_str().expect("text").to_owned()
    };
    let sample = |at: usize, completion: &str| {
        json!({ "name": name(at), "completion": completion }).to_string() + "\n"
    };
    write(
        directory.path(),
        "samples.jsonl",
        sample(0, "sorry") + &sample(1, "by simp") + &sample(2, "by no_such_method"),
    );
    let arguments = [
        "eval",
        "--dataset",
        "isabelle.jsonl",
        "--samples-from",
        "samples.jsonl",
        "--run",
        "r",
        "--k",
        "1",
        "--memory",
        "1GiB",
    ];
    let ran = run(directory.path(), &arguments);
    assert!(ran.out.contains("3 samples of 3 problems: 0 accepted"), "{ran:?}");
}

/// What the reader makes of a theory is what the verifier makes of it, so that the pieces put together are the source.
#[test]
fn the_reader_and_the_verifier_cut_a_theory_at_the_same_places() {
    let Some((source, text)) = minif2f() else { return };
    let problems = readers::open(&source, Format::Isabelle, &Options::default()).expect("opens");
    let mut count = 0;
    for (problem, line) in problems.zip(text.lines()) {
        let problem = problem.expect("reads");
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let theory = record["theory"].as_str().expect("text");
        let pieces = Pieces::of(theory).expect("a theory");
        let Kind::Isabelle(isabelle) = &problem.kind else { panic!("{} is Isabelle", problem.name) };
        assert_eq!(isabelle.statement, pieces.statement.trim_end(), "{}", problem.name);
        assert_eq!(isabelle.header, pieces.header.trim(), "{}", problem.name);
        if let Some(known) = &problem.known {
            assert_eq!(known.trim_end(), pieces.proof.trim_end(), "{}", problem.name);
        }
        let whole = [pieces.frame, pieces.header, pieces.statement, pieces.proof, pieces.rest].concat();
        assert_eq!(whole, theory, "{}", problem.name);
        count += 1;
    }
    assert_eq!(count, 488);
}
