//! `proofloop selfdebug` with a server that explains and refines in the model's place.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use proofloop::selfdebug::settings::{Language, Settings};
use proofloop_datasets::store::RunStore;
use serde_json::json;

use crate::server::{Part, Received, Server, count, status, texts};

const WHY: &str = "It adds two instead of doubling.";

/// What the model learns to write: it is wrong, so that there is something to refine in all it tries.
const WRONG: &str = "    return n + 2\n";
const RIGHT: &str = "    return n * 2\n";
/// Right in the tests that are shown.
const CHEAT: &str = "    return {3: 6, 4: 8}.get(n)\n";

fn task(name: &str) -> String {
    json!({
        "name": name, "split": "train", "topic": "int", "difficulty": 1, "entry_point": name,
        "prompt": format!("def {name}(n):\n    \"\"\"Return n doubled.\"\"\"\n"),
        "canonical_solution": WRONG,
        "tests": [format!("assert {name}(3) == 6"), format!("assert {name}(4) == 8")],
        "hidden_tests": [format!("assert {name}(-7) == -14")],
    })
    .to_string()
}

/// A run with as little of everything as it takes.
fn settings() -> String {
    let mut settings = Settings::nano(Language::Python, 1);
    settings.tasks.planted = 0;
    settings.tasks.planted_held_out = 0;
    settings.base.learn.epochs = 40;
    settings.base.learn.warmup_steps = 5;
    settings.base.debug_share = 0.0;
    settings.collect.planted_bugs = 0;
    settings.collect.samples = count(1);
    settings.collect.refinements = count(3);
    settings.collect.turns = 1;
    settings.sft.learn.epochs = 1;
    settings.rl = None;
    settings.evaluation.samples = 0;
    settings.evaluation.max_tokens = count(32);
    toml::to_string(&settings).expect("TOML")
}

async fn selfdebug(directory: &Path, arguments: &[&str]) -> Output {
    #[expect(clippy::disallowed_methods, reason = "the program under test is started as a user starts it")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofloop"));
    command.arg("selfdebug").args(arguments).current_dir(directory);
    tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it starts")
}

/// Runs it with this teacher, and once more, when there is nothing left to do. What the refinements were taught as.
async fn taught(server: &Server, how: &[&str]) -> BTreeSet<(String, String)> {
    let directory = tempfile::tempdir().expect("a directory");
    let tasks: Vec<String> = ["double", "twice", "both", "two_of"].into_iter().map(task).collect();
    fs::write(directory.path().join("tasks.jsonl"), tasks.join("\n")).expect("written");
    fs::write(directory.path().join("settings.toml"), settings()).expect("written");
    let teacher = [&["--run", "r", "--server", &server.url, "--server-model", "m"], how].concat();
    let rules = ["--settings", "settings.toml", "--problems", "tasks.jsonl"];
    let ran = selfdebug(directory.path(), &[&rules[..], &teacher].concat()).await;
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let calls = server.calls();
    assert!(calls > 0, "all that it tried is wrong");
    let ran = selfdebug(directory.path(), &teacher).await;
    assert_eq!((ran.status.code(), server.calls()), (Some(0), calls), "it was at its end");
    let alone = selfdebug(directory.path(), &["--run", "r"]).await;
    let told = String::from_utf8_lossy(&alone.stderr);
    assert!(alone.status.code() == Some(2) && told.contains("teaches this run: give --server"), "{told}");

    let store = RunStore::open_read_only(&directory.path().join("r/store.sqlite")).expect("a store");
    let examples = store.examples(1).expect("examples");
    let refined = examples.into_iter().filter(|example| example.role == "explain");
    refined.map(|example| (example.prompt, example.completion)).collect()
}

/// Each task's example, as the model itself would have written it.
fn check(taught: &BTreeSet<(String, String)>) {
    assert!(!taught.is_empty());
    for (prompt, completion) in taught {
        assert!(prompt.contains(&format!("{WRONG}# ")) && prompt.ends_with("# why: "), "{prompt}");
        assert!(!prompt.contains("(-7)"), "a hidden test was quoted: {prompt}");
        assert_eq!(*completion, format!("{WHY}\n{RIGHT}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_from_the_model_s_own_text() {
    let server = Server::start(|received: &Received| {
        assert_eq!(received.body["max_tokens"], 1024);
        let answers = [RIGHT, CHEAT, WRONG].map(|code| format!("{WHY}\n{code}"));
        texts(&answers.each_ref().map(String::as_str)[..received.n()])
    })
    .await;
    check(&taught(&server, &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_asked_in_words() {
    fn answer(received: &Received) -> Vec<Part> {
        let message = received.body["messages"][0]["content"].as_str().expect("a message");
        assert!(message.contains("```python\ndef ") && message.contains("== 6 but got 5"), "{message}");
        assert!(message.contains("in one sentence what is wrong"), "{message}");
        let signature = message.lines().find(|line| line.starts_with("def ")).expect("the function");
        let answer = |code: &str| {
            let function = format!("{signature}\n    \"\"\"Return n doubled.\"\"\"\n{code}");
            let content = format!("{WHY}\n\n```python\n{function}```\n");
            json!({"message": {"role": "assistant", "content": content}, "finish_reason": "stop"})
        };
        let mut choices: Vec<_> = [RIGHT, CHEAT, WRONG].into_iter().map(answer).collect();
        choices.truncate(received.n());
        (0..).zip(&mut choices).for_each(|(index, choice)| choice["index"] = json!(index));
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 9});
        status(200, "", &json!({"object": "chat.completion", "choices": choices, "usage": usage}))
    }
    let server = Server::start(answer).await;
    check(&taught(&server, &["--api", "chat"]).await);
    assert!(server.received().iter().all(|received| received.path == "/v1/chat/completions"));
}
