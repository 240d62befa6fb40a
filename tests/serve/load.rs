//! A server under load, under faults, and at its end: what is answered, how often, and what is left behind.

use crate::common::{PATIENT, Server, send};
use futures_util::stream::{self, StreamExt};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A process below the server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    state: char,
    /// With the number, no other process ever has it.
    started: String,
}

fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let (state, parent) = (fields.first()?.chars().next()?, fields.get(1)?.parse().ok()?);
    Some(Process { pid, parent, state, started: (*fields.get(19)?).to_owned() })
}

/// Every process below this one.
fn descendants(root: u32) -> Vec<Process> {
    let numbers = std::fs::read_dir("/proc").expect("readable").flatten();
    let all: Vec<Process> =
        numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(process).collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|process| process.parent == parent);
        for child in children {
            parents.push(child.pid);
            found.push(child.clone());
        }
    }
    found
}

/// Whether a process is still there, be it as a zombie.
fn is_there(one: &Process) -> bool {
    process(one.pid).is_some_and(|now| now.started == one.started)
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENT;
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A number of `/metrics`, for instance `gate_taken{gate="snippets"}`.
async fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").await.text;
    let line =
        text.lines().find_map(|line| line.strip_prefix("proofloop_")?.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no `{name}`: {text}"))
}

async fn taken(server: &Server) -> u64 {
    metric(server, "gate_taken{gate=\"snippets\"}").await
}

async fn waiting(server: &Server) -> u64 {
    metric(server, "gate_waiting{gate=\"snippets\"}").await
}

fn snippet(id: usize, wish: &str) -> Value {
    json!({"id": format!("s{id}"), "code": format!("theorem t{id} : {id} = {id} := rfl {wish}")})
}

fn check(server: &Server, snippets: &[Value], timeout: u64) -> RequestBuilder {
    let body = json!({"snippets": snippets, "timeout": timeout});
    server
        .request(Method::POST, "/api/check")
        .header("content-type", "application/json")
        .body(body.to_string())
}

fn class(result: &Value) -> &'static str {
    match (result["response"]["env"].is_u64(), result["error"].as_str()) {
        (true, None) => "fine",
        (false, Some(error)) if error.contains("timed out") => "timeout",
        (false, Some(error)) if error.contains("print more") => "output-limit",
        (false, Some(error)) if error.contains("came to no answer") => "crashed",
        _ => panic!("{result}"),
    }
}

#[tokio::test]
async fn every_snippet_is_answered_once_and_as_it_deserves() {
    const COUNT: usize = 300;
    let mut server = Server::with_fake_repl(&["--jobs", "4"]);
    let wish = |id: usize| match id % 100 {
        17 => ("-- fake:hang", "timeout"),
        50 => ("-- fake:die", "crashed"),
        83 => ("-- fake:flood_line", "output-limit"),
        _ => ("", "fine"),
    };
    let asked = stream::iter(0..COUNT).map(|id| {
        let request = check(&server, &[snippet(id, wish(id).0)], 1);
        async move { (id, send(request).await) }
    });
    let answers: Vec<_> = asked.buffer_unordered(16).collect().await;
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (id, answer) in &answers {
        assert_eq!(answer.status, 200, "s{id}: {}", answer.text);
        for result in answer.json()["results"].as_array().expect("results") {
            assert_eq!(result["id"], format!("s{id}"), "an answer to another question");
            told.entry(format!("s{id}")).or_default().push(class(result));
        }
    }
    for id in 0..COUNT {
        assert_eq!(told.get(&format!("s{id}")), Some(&vec![wish(id).1]), "s{id}");
    }
    // No more than four REPLs live on, each with the two processes that confine it, and none is a zombie.
    let left = || descendants(server.pid());
    until("four REPLs at most, and no zombie", async || {
        left().len() <= 4 * 3 && left().iter().all(|process| process.state != 'Z')
    })
    .await;
    let left = left();
    assert!(!left.is_empty(), "REPLs are kept for the next snippets");
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(PATIENT), Some(0));
    until("nothing is left behind", async || !left.iter().any(is_there)).await;
}

#[tokio::test]
async fn one_snippet_does_not_wait_for_another_clients_two_thousand() {
    let server = Server::with_fake_repl(&["--jobs", "1", "--trust-forwarded"]);
    let many: Vec<Value> = (0..2000).map(|id| snippet(id, "-- fake:late")).collect();
    let flood = tokio::spawn(check(&server, &many, 60).header("x-forwarded-for", "10.0.0.1").send());
    until("the flood waits", async || waiting(&server).await > 1900).await;
    let one = send(check(&server, &[snippet(0, "")], 60).header("x-forwarded-for", "10.0.0.2")).await;
    assert_eq!(one.status, 200, "{}", one.text);
    assert_eq!(class(&one.json()["results"][0]), "fine");
    assert!(waiting(&server).await > 1000, "it was answered after the flood");
    flood.abort();
    // Nobody waits for the flood any more, so nothing of it goes on.
    until("the flood is forgotten", async || waiting(&server).await + taken(&server).await == 0).await;
}

#[tokio::test]
async fn what_nobody_waits_for_ends() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let hanging = tokio::spawn(check(&server, &[snippet(0, "-- fake:hang")], 600).send());
    until("it hangs", async || taken(&server).await == 1 && descendants(server.pid()).len() == 3).await;
    let running = descendants(server.pid());
    hanging.abort();
    until("its process has ended", async || !running.iter().any(is_there)).await;
    assert_eq!(taken(&server).await, 0);
    let next = send(check(&server, &[snippet(1, "")], 60)).await;
    assert_eq!(class(&next.json()["results"][0]), "fine");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_answers_what_is_under_way() {
    let mut server = Server::with_fake_repl(&["--jobs", "1", "--grace", "2min"]);
    let several: Vec<Value> = (0..8).map(|id| snippet(id, "-- fake:late")).collect();
    let under_way = tokio::spawn(send(check(&server, &several, 60)));
    until("they are under way", async || taken(&server).await == 1).await;
    let running = descendants(server.pid());
    server.signal(libc::SIGTERM);
    until("no new connection is taken", async || match check(&server, &[snippet(9, "")], 60).send().await {
        Ok(response) if response.status() == 503 => response.headers().contains_key("retry-after"),
        Ok(response) => panic!("{}", response.status()),
        Err(refused) => refused.is_connect(),
    })
    .await;
    let answer = under_way.await.expect("no panic");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let results = answer.json()["results"].as_array().expect("results").clone();
    assert_eq!(results.iter().map(class).collect::<Vec<_>>(), ["fine"; 8]);
    assert_eq!(server.wait(PATIENT), Some(0));
    until("nothing is left behind", async || !running.iter().any(is_there)).await;
}

#[tokio::test]
async fn a_server_whose_grace_is_over_says_so_and_leaves_nothing_behind() {
    let mut server = Server::with_fake_repl(&["--jobs", "1", "--grace", "500ms"]);
    let hanging = tokio::spawn(check(&server, &[snippet(0, "-- fake:hang")], 600).send());
    until("it hangs", async || taken(&server).await == 1 && descendants(server.pid()).len() == 3).await;
    let running = descendants(server.pid());
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(PATIENT), Some(3));
    assert!(hanging.await.expect("no panic").is_err(), "there is nobody to answer");
    until("nothing is left behind", async || !running.iter().any(is_there)).await;
}

#[tokio::test]
async fn too_much_of_one_client_is_told_when_to_come_back() {
    let server = Server::with_fake_repl(&["--jobs", "1", "--client-items", "5", "--trust-forwarded"]);
    let asked = |client: &str, snippets: &[Value]| {
        check(&server, snippets, 600).header("x-forwarded-for", client.to_owned())
    };
    let hanging: Vec<Value> = (0..5).map(|id| snippet(id, "-- fake:hang")).collect();
    let hanging = tokio::spawn(asked("10.0.0.1", &hanging).send());
    until("they are under way", async || taken(&server).await == 1).await;
    let refused = send(asked("10.0.0.1", &[snippet(9, "")])).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.headers["retry-after"], "1");
    let other = tokio::spawn(asked("10.0.0.2", &[snippet(9, "")]).send());
    until("another client's waits for its turn", async || waiting(&server).await == 5).await;
    hanging.abort();
    assert_eq!(other.await.expect("no panic").expect("an answer").status(), 200);

    let server = Server::with_fake_repl(&["--batch-items", "2", "--client-rate", "1"]);
    let first = send(check(&server, &[snippet(0, ""), snippet(1, "")], 60)).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let statuses = [2, 3, 4, 5].map(|id| send(check(&server, &[snippet(id, ""), snippet(id + 10, "")], 60)));
    let mut refused = 0;
    for answer in futures_util::future::join_all(statuses).await {
        if answer.status == 429 {
            let seconds: u64 =
                answer.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
            assert!((1..=2).contains(&seconds), "{seconds}");
            refused += 1;
        }
    }
    assert!(refused > 0, "eight items at once are more than one a second");
}
