//! `proofloop eval --turns` over a server that mends what it is told of.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::server::{Part, Received, Server, texts};

/// Doubles; 2 and 3 are shown.
fn task(name: &str) -> String {
    json!({
        "name": name, "split": "test", "topic": "int", "difficulty": 1, "entry_point": name,
        "prompt": format!("def {name}(n):\n    \"\"\"Return n doubled.\"\"\"\n"),
        "canonical_solution": "    return n * 2\n",
        "tests": [format!("assert {name}(2) == 4"), format!("assert {name}(3) == 6")],
        "hidden_tests": [format!("assert {name}(-7) == -14")],
    })
    .to_string()
}

fn answers(received: &Received) -> Vec<Part> {
    let prompt = received.prompt();
    let text = if prompt.contains("def learns") && prompt.contains("# learns(2) == 4 but got 3") {
        "    return n * 2\n"
    } else if prompt.contains("def cheats") {
        "    return {2: 4, 3: 6}.get(n)\n"
    } else if prompt.contains("def never") && prompt.contains("fails") {
        "    return n - 1\n"
    } else {
        "    return n + 1\n"
    };
    texts(&vec![text; received.n()])
}

async fn eval(directory: &Path, url: &str, turns: &str) -> Value {
    let name = ["eval", "--dataset", "tasks.jsonl", "--server", url, "--server-model", "m", "--run", "r"];
    let how = ["--samples", "2", "--turns", turns, "--no-cache", "--json"];
    #[expect(clippy::disallowed_methods, reason = "the program under test is started as a user starts it")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofloop"));
    command.args(name).args(how).current_dir(directory);
    let ran = tokio::task::spawn_blocking(move || command.output());
    let ran = ran.await.expect("no panic").expect("the program starts");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{errors}");
    serde_json::from_slice(&ran.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_answers_are_tried_again_with_what_was_wrong() {
    let server = Server::start(answers).await;
    let directory = tempfile::tempdir().expect("a directory");
    let tasks = ["learns", "cheats", "never"].map(task).join("\n");
    fs::write(directory.path().join("tasks.jsonl"), tasks).expect("written");
    let once = eval(directory.path(), &server.url, "1").await;
    assert_eq!(once["proofloop"]["results"]["turns"], Value::Null, "{once}");
    assert_eq!(once["proofloop"]["results"]["accepted"], 0);
    let again = eval(directory.path(), &server.url, "3").await;
    let turns = &again["proofloop"]["results"]["turns"];
    // Two samples each of `learns`, which is mended, and of `never`. What passes the shown tests and fails a hidden one
    // hears nothing, or the hidden test would not be hidden any more.
    assert_eq!((&turns["total"]["tried"], &turns["total"]["refined"]), (&json!(4), &json!(2)), "{turns}");
    assert_eq!(turns["first"]["value"], 0.0);
    let after = turns["after"]["value"].as_f64().expect("a number");
    assert!((after - 1.0 / 3.0).abs() < 1e-12, "{turns}");
    let told = server.received();
    let is_told = |text: &str| told.iter().any(|received| received.prompt().contains(text));
    assert!(is_told("# never(2) == 4 but got 1"), "the third turn knows of the second");
    assert!(!is_told("(-7)"), "a hidden test was quoted");
    let calls = server.calls();
    let same = eval(directory.path(), &server.url, "3").await;
    assert_eq!(
        (&same["proofloop"]["results"]["turns"], server.calls()),
        (turns, calls),
        "nothing is drawn twice"
    );
}
