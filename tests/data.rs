//! The public data sets through the real binary. Skipped, with a printed reason, where `../shared/data` is absent.
#![expect(clippy::disallowed_methods, reason = "these tests start the binary as a user would")]
#![expect(clippy::print_stdout, reason = "a skipped test says why, and a measurement is worth seeing")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn data(file: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("PROOFLOOP_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = shared.join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// Runs `proofloop verify` over records and returns the verdict, with its reason, of each id.
fn verify(records: &[Value]) -> BTreeMap<String, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_proofloop"))
        .args(["verify", "--format", "jsonl", "--no-cache", "--timeout", "240s", "--memory", "1GiB", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input: String = records.iter().map(|record| format!("{record}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let verdicts = stdout
        .lines()
        .map(|line| {
            let report: Value = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
            let text = |field: &str| report[field].as_str().unwrap_or_default().to_owned();
            (text("id"), format!("{} {} {}", text("verdict"), text("reason"), report["messages"]))
        })
        .collect();
    writer.join().expect("no panic").expect("written");
    child.wait().expect("ends");
    verdicts
}

fn others(verdicts: &BTreeMap<String, String>, prefix: &str, accepted: bool) -> Vec<String> {
    let of_kind = verdicts.iter().filter(|(id, _)| id.starts_with(prefix));
    of_kind
        .filter(|(_, verdict)| verdict.starts_with("accepted") != accepted)
        .map(|(id, verdict)| format!("{id}: {verdict}"))
        .collect()
}

#[test]
fn humaneval_canonical_solutions_pass_and_wrong_ones_never() {
    let Some(path) = data("humaneval/HumanEval.jsonl.gz") else { return };
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).expect("opens"))
        .read_to_string(&mut text)
        .expect("reads");
    let problems: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut records = Vec::new();
    for (number, problem) in problems.iter().enumerate() {
        let mut add = |kind: &str, completion: &Value| {
            records.push(json!({
                "id": format!("{kind}/{number}"), "kind": "python", "prompt": problem["prompt"],
                "completion": completion, "test": problem["test"], "entry_point": problem["entry_point"],
            }));
        };
        add("right", &problem["canonical_solution"]);
        add("none", &json!("    return None\n"));
        add("exit", &json!("    import os\n    os._exit(0)\n"));
        add("other", &json!(body_of(&problems[(number + 1) % problems.len()])));
    }
    let verdicts = verify(&records);
    assert_eq!(verdicts.len(), 656);
    assert_eq!(others(&verdicts, "right/", true), Vec::<String>::new());
    assert_eq!(others(&verdicts, "none/", false), Vec::<String>::new());
    assert_eq!(others(&verdicts, "exit/", false), Vec::<String>::new());
    assert_eq!(others(&verdicts, "other/", false), Vec::<String>::new());
}

/// A body that hands its arguments, by position, to the solution of another problem.
fn body_of(other: &Value) -> String {
    let text = |field: &str| other[field].as_str().expect("text");
    format!(
        "    return _other(*list(locals().values()))\n\n{}{}\n\n_other = {}\n",
        text("prompt"),
        text("canonical_solution"),
        text("entry_point")
    )
}

#[test]
fn mbpp_canonical_solutions_pass() {
    let Some(path) = data("mbpp/mbpp.jsonl") else { return };
    let text = std::fs::read_to_string(path).expect("reads");
    let records: Vec<Value> = text
        .lines()
        .map(|line| {
            let problem: Value = serde_json::from_str(line).expect("JSON");
            json!({
                "id": format!("right/{}", problem["task_id"]), "kind": "python", "code": problem["code"],
                "setup": problem["test_setup_code"], "tests": problem["test_list"],
            })
        })
        .collect();
    let verdicts = verify(&records);
    assert_eq!(verdicts.len(), 974);
    let failed = others(&verdicts, "right/", true);
    println!("{} of 974 accepted; not accepted: {failed:#?}", 974 - failed.len());
    assert_eq!(failed, Vec::<String>::new());
}

/// 205 proofs are accepted; `sorry`, `admit` and an unknown tactic never; another problem's proof exactly where one plain
/// `lean` file says so, too, and a sample of them where a fresh process of its own does. The CPU ratio is printed, not
/// judged.
#[test]
fn real_lean_agrees_with_a_plain_process_on_core_lean() {
    let Some(path) = data("core-lean/core_small_lean428.jsonl") else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_proofloop"))
        .args(["bench", "verify", "--variants", "--json"])
        .args(["--fresh-accepted", "4", "--fresh-rejected", "4", "--data"])
        .arg(path)
        .output()
        .expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    println!("{results:#}");
    assert_eq!(results["accepted"]["proof"], json!([205, 205]));
    for variant in ["sorry", "admit", "unknown"] {
        assert_eq!(results["accepted"][variant], json!([0, 412]), "{variant}");
    }
    assert_eq!(results["accepted"]["swapped"][1], json!(412));
    assert_eq!(results["disagreements"], json!([]));
    assert_eq!(results["refused_without_lean"], json!(824));
    assert_eq!(results["fresh"]["accepted"][0], json!(4));
    assert_eq!(results["fresh"]["rejected"][0], json!(4));
    assert_eq!(results["fresh"]["disagreements"], json!([]));
}
