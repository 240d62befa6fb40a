//! `/v1/jobs`: through kills, given up, asked for twice, and by the wrong client.

use crate::common::{PATIENT, Server, send};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A candidate that takes the fake REPL a moment.
fn slow(number: usize) -> Value {
    json!({"id": format!("s{number}"), "kind": "lean", "formal_statement": format!("theorem t{number} : {number} = {number} := by"), "completion": "\n  rfl -- fake:late"})
}

fn quick(number: usize) -> Value {
    json!({"id": format!("q{number}"), "kind": "lean", "formal_statement": format!("theorem t{number} : {number} = {number} := by"), "completion": "\n  rfl"})
}

async fn submit(server: &Server, candidates: &[Value]) -> String {
    let answer = server.post("/v1/jobs", &json!({"candidates": candidates})).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.headers["location"], format!("/v1/jobs/{id}").as_str());
    id
}

/// Waits until a job has no open item: its state.
async fn ended(server: &Server, id: &str) -> String {
    let deadline = Instant::now() + PATIENT;
    loop {
        let job = server.get(&format!("/v1/jobs/{id}")).await.json();
        let state = job["state"].as_str().expect("a state").to_owned();
        if state != "open" {
            return state;
        }
        assert!(Instant::now() < deadline, "it does not end: {job}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every result of a job, page by page; an id that comes twice is a failure.
async fn results(server: &Server, id: &str) -> BTreeMap<String, Value> {
    let (mut after, mut found) = (0, BTreeMap::new());
    loop {
        let page = server.get(&format!("/v1/jobs/{id}/results?after={after}&limit=7")).await.json();
        let results = page["results"].as_array().expect("results");
        for result in results {
            let name = result["id"].as_str().expect("an id").to_owned();
            assert!(found.insert(name, result.clone()).is_none(), "twice: {result}");
        }
        after = page["next"].as_u64().expect("a number");
        if results.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_job_outlives_kills_and_is_answered_once() {
    let mut server = Server::with_fake_repl(&["--jobs", "2", "--no-cache"]);
    let first: Vec<Value> = (0..40).map(slow).collect();
    let second: Vec<Value> = (0..30).map(quick).chain([json!({"id": "bad"})]).collect();
    let ids = [submit(&server, &first).await, submit(&server, &second).await];
    let mut seen = 0;
    for round in 0..3 {
        // Some answers are there, most are not.
        let deadline = Instant::now() + PATIENT;
        loop {
            let answered = server.get(&format!("/v1/jobs/{}", ids[0])).await.json()["answered"]
                .as_u64()
                .expect("a number");
            if answered > seen {
                seen = answered;
                break;
            }
            assert!(Instant::now() < deadline, "nothing is answered: {}", server.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(seen < 40, "round {round}: it was done before it could be killed");
        server = server.kill_and_restart(&["--jobs", "2", "--no-cache"], true);
    }
    for (id, expected) in ids.iter().zip([&first, &second]) {
        assert_eq!(ended(&server, id).await, "done");
        let results = results(&server, id).await;
        assert_eq!(results.len(), expected.len());
        for (name, result) in results {
            let told = if name == "bad" { &result["error"] } else { &result["verdict"] };
            let right = if name == "bad" { "field `kind` is missing" } else { "accepted" };
            assert_eq!(told, right, "{result}");
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_in_order_leaves_jobs_to_the_next_one() {
    let mut server = Server::with_fake_repl(&["--jobs", "1"]);
    let hanging = json!({"id": "h", "kind": "lean", "formal_statement": "theorem h : 1 = 1 := by", "completion": "\n  rfl -- fake:hang"});
    let id = submit(&server, &[hanging, quick(1)]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(Duration::from_secs(20)), Some(0), "jobs are no reason to wait: {}", server.log());
    // Stopping is no answer: nothing was written for the one that hung.
    let server = server.kill_and_restart(&["--jobs", "1", "--timeout", "2s"], true);
    assert_eq!(ended(&server, &id).await, "done");
    let results = results(&server, &id).await;
    assert_eq!(
        (&results["h"]["verdict"], &results["q1"]["verdict"]),
        (&json!("timeout"), &json!("accepted"))
    );
}

#[tokio::test]
async fn a_job_can_be_given_up_and_asked_for_twice() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let hanging = json!({"id": "h", "kind": "lean", "formal_statement": "theorem h : 1 = 1 := by", "completion": "\n  rfl -- fake:hang"});
    let body = json!({"candidates": [hanging]}).to_string();
    let ask = |key: &str| {
        let request = server.request(Method::POST, "/v1/jobs").header("content-type", "application/json");
        request.header("idempotency-key", key).body(body.clone())
    };
    let one = send(ask("mine")).await.json();
    assert_eq!(send(ask("mine")).await.json()["id"], one["id"]);
    assert_ne!(send(ask("another")).await.json()["id"], one["id"]);
    assert_eq!(send(ask("")).await.status, 422);
    let jobs = server.get("/v1/jobs").await.json();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(2), "{jobs}");
    for job in jobs["jobs"].as_array().expect("jobs") {
        let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
        let cancelled = send(server.request(Method::DELETE, &path)).await;
        assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    }
    // The worker is free again, though its candidate had a minute.
    let id = submit(&server, &[quick(1)]).await;
    let since = Instant::now();
    assert_eq!(ended(&server, &id).await, "done");
    assert!(since.elapsed() < Duration::from_secs(50), "the worker was not freed");
    for (path, status) in [
        ("/v1/jobs/nothing".to_owned(), 404),
        (format!("/v1/jobs/{id}/results?limit=0"), 422),
        (format!("/v1/jobs/{id}/results?after=-1"), 422),
        (format!("/v1/jobs/{id}/results?before=1"), 422),
    ] {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.json()["detail"].is_string());
    }
}

#[tokio::test]
async fn jobs_and_keys_are_their_owners() {
    let directory = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("keys");
    let (one, other) = ("pl-first", "pl-second");
    let line = |name: &str, key: &str| format!("{name} {}\n", blake3::hash(key.as_bytes()).to_hex());
    std::fs::write(&keys, line("one", one) + &line("other", other)).expect("written");
    let server = Server::with_fake_repl(&["--keys", keys.to_str().expect("text")]);
    let ask = |method: Method, path: &str, key: &str| {
        server.request(method, path).header("authorization", format!("Bearer {key}"))
    };
    for (key, detail) in [("wrong", "Invalid API key"), ("", "Missing API key")] {
        let answer = send(ask(Method::GET, "/v1/jobs", key)).await;
        assert_eq!((answer.status, &answer.json()["detail"]), (401, &json!(detail)));
    }
    assert_eq!(server.get("/v1/jobs").await.json()["detail"], "Missing API key");
    let body = json!({"candidates": [quick(1)]}).to_string();
    let submitted = ask(Method::POST, "/v1/jobs", one).header("content-type", "application/json").body(body);
    let job = send(submitted).await.json();
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    assert_eq!(send(ask(Method::GET, &path, one)).await.status, 200);
    assert_eq!(send(ask(Method::GET, &path, other)).await.status, 404);
    assert_eq!(send(ask(Method::DELETE, &path, other)).await.status, 404);
    // The bare key, as Kimina's older clients send it.
    let bare = server.request(Method::GET, "/v1/jobs").header("authorization", one);
    assert_eq!(send(bare).await.json()["jobs"].as_array().map(Vec::len), Some(1));
    for open in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(open).await.status, 200, "{open}");
    }
    assert!(!server.log().contains(one), "the log holds a key");
}

#[test]
fn a_directory_of_jobs_has_one_server() {
    let server = Server::with_fake_repl(&[]);
    let state = server.path().join("state");
    #[expect(clippy::disallowed_methods, reason = "the program itself")]
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_proofloop"))
        .args(["serve", "--listen", "127.0.0.1:0", "--state"])
        .arg(&state)
        .args(["--mode", "repl", "--memory", "256MiB", "--no-cache"])
        .env("PROOFLOOP_REPL", crate::common::fake_repl())
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(3), "{told}");
    assert!(told.contains("another server keeps its jobs in"), "{told}");
}
