//! `/v1/verify`: together, streamed, cut short, and with bad items among good ones.

use crate::common::{Server, send};
use reqwest::Method;
use serde_json::{Value, json};

fn good(number: usize) -> Value {
    json!({"id": format!("g{number}"), "kind": "lean", "formal_statement": format!("theorem t{number} : {number} = {number} := by"), "completion": "\n  rfl"})
}

fn verdicts(results: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let results = results["results"].as_array().expect("results");
    results
        .iter()
        .map(|result| {
            let told = if result["error"].is_string() { &result["error"] } else { &result["verdict"] };
            (text(&result["id"]), text(told))
        })
        .collect()
}

#[tokio::test]
async fn a_bad_item_costs_no_other_its_verdict() {
    let server = Server::with_fake_repl(&[]);
    let mut candidates: Vec<Value> = (0..40).map(good).collect();
    candidates.insert(3, json!({"id": "no kind"}));
    candidates.insert(9, json!({"id": "wrong", "kind": "lean", "formal_statement": "theorem w : 1 = 2 := by", "completion": "\n  no_such_tactic"}));
    candidates.insert(20, json!({"id": "dies", "kind": "lean", "formal_statement": "theorem d : 1 = 1 := by", "completion": "\n  rfl -- fake:die"}));
    candidates.push(json!({"id": "py", "kind": "python", "code": "def f(x): return x + 1", "tests": ["assert f(1) == 2"]}));
    let answer = server.post("/v1/verify", &json!({"candidates": candidates})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let verdicts = verdicts(&answer.json());
    for (id, told) in &verdicts {
        let expected = match id.as_str() {
            "no kind" => "field `kind` is missing",
            "wrong" => "rejected",
            "dies" => "crashed",
            _ => "accepted",
        };
        assert_eq!(told, expected, "{id}: {}", answer.text);
    }
    assert_eq!(verdicts.len(), 44);
    assert_eq!(
        (verdicts[3].0.as_str(), verdicts[9].0.as_str()),
        ("no kind", "wrong"),
        "in the order of the request"
    );
}

#[tokio::test]
async fn verdicts_are_streamed_as_they_become_known() {
    let server = Server::with_fake_repl(&[]);
    let body = json!({"candidates": [good(1), good(2), {"id": "bad"}]});
    let ask = |accept: &str| {
        let request = server.request(Method::POST, "/v1/verify").header("accept", accept);
        request.header("content-type", "application/json").body(body.to_string())
    };
    let lines = send(ask("application/x-ndjson")).await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let mut ids: Vec<String> = lines
        .text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("JSON")["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(ids[0], "bad", "what needs no run is known first");
    ids.sort();
    assert_eq!(ids, ["bad", "g1", "g2"]);
    let events = send(ask("text/event-stream")).await;
    assert_eq!(events.text.matches("event: verdict\n").count(), 3, "{}", events.text);
    assert!(events.text.ends_with("event: end\ndata: {}\n\n"), "{}", events.text);
}

#[tokio::test]
async fn what_is_late_is_cancelled_and_the_rest_is_answered() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let hanging = json!({"id": "hangs", "kind": "lean", "formal_statement": "theorem h : 1 = 1 := by", "completion": "\n  rfl -- fake:hang"});
    let at_once = json!({"id": "sorry", "kind": "lean", "formal_statement": "theorem s : 1 = 1 := by", "completion": "\n  sorry"});
    let body = json!({"candidates": [hanging, at_once], "deadline_ms": 2000});
    let answer = server.post("/v1/verify", &body).await;
    let expected =
        [("hangs", "cancelled"), ("sorry", "rejected")].map(|(id, told)| (id.to_owned(), told.to_owned()));
    assert_eq!(verdicts(&answer.json()), expected, "{}", answer.text);
    // The one worker is free again, though its candidate had a minute.
    let answer = server.post("/v1/verify", &json!({"candidates": [good(1)], "deadline_ms": 30_000})).await;
    assert_eq!(verdicts(&answer.json())[0].1, "accepted", "{}", answer.text);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let server = Server::with_fake_repl(&["--batch-items", "3", "--body", "10KiB"]);
    let long = "x".repeat(20_000);
    for (body, status, expected) in [
        (json!({}), 422, "missing field `candidates`"),
        (json!({"candidates": []}), 422, "`candidates` is empty"),
        (json!({"candidates": [good(1), good(1)]}), 422, "`candidates[1].id`: `g1` is there twice"),
        (json!({"candidates": [good(1)], "deadline": 3}), 422, "unknown field `deadline`"),
        (json!({"candidates": [good(1), good(2), good(3), good(4)]}), 422, "at most 3 may be"),
        (json!({"candidates": [{"id": "a", "code": long}]}), 413, "longer than 10240 bytes"),
    ] {
        let answer = server.post("/v1/verify", &body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(expected), "{detail}");
    }
    let request = server.request(Method::POST, "/v1/verify").header("content-type", "text/plain").body("{}");
    assert_eq!(send(request).await.status, 422);
    assert_eq!(server.get("/v1/verify").await.status, 405);
    assert_eq!(server.get("/nothing").await.json()["code"], "not-found");
}
