//! The page, in a browser where there is one; and the addresses that it asks: state, runs, the description of the API.

use crate::browser::Browser;
use crate::common::{PATIENT, Server, send};
use crate::sample_runs::{self, REPORT_MARK};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

const PROOF: &str = "theorem t (a : Nat) : a = a := by\n  rfl\n";
const NO_PROOF: &str =
    "theorem t (a : Nat) : a = a := by\n  rfl\n\ntheorem u : 1 = 1 := by\n  no_such_tactic\n";

/// Sends a path as it is, where a client library would tidy it up: the status.
fn raw(server: &Server, path: &str) -> u16 {
    let address = server.url.strip_prefix("http://").expect("an address");
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENT)).expect("a limit");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{path}: {answer}"))
}

#[tokio::test]
async fn the_state_says_what_was_done() {
    let server = Server::with_fake_repl(&["--jobs", "2"]);
    let before = server.get("/v1/state").await.json();
    assert_eq!(before["farm"]["verdicts"], json!({}));
    let body =
        json!({"kind": "lean", "candidates": [{"id": "a", "code": PROOF}, {"id": "b", "code": NO_PROOF}]});
    server.post("/v1/verify", &body).await;
    // The farm tells its state when it has answered.
    let mut state = server.get("/v1/state").await.json();
    let deadline = Instant::now() + PATIENT;
    while state["farm"]["verdicts"] != json!({"accepted": 1, "rejected": 1}) || state["items_under_way"] != 0
    {
        assert!(Instant::now() < deadline, "{state}");
        state = server.get("/v1/state").await.json();
    }
    assert_eq!((&state["farm"]["workers"], &state["farm"]["stats"]["submitted"]), (&json!(2), &json!(2)));
    for gate in ["farm", "snippets", "programs"] {
        let gate = &state["gates"][gate];
        assert!(
            gate["places"].as_u64() > Some(0) && gate["taken"] == 0 && gate["busy_s"].is_number(),
            "{state}"
        );
    }
    assert_eq!((&state["items_under_way"], &state["draining"]), (&json!(0), &json!(false)));
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    let memory = &state["memory"];
    assert!(memory["server"].as_u64() > Some(1 << 20), "{state}");
    assert!(
        memory["available"].as_u64() > Some(0) && memory["total"].as_u64() >= memory["available"].as_u64()
    );
    assert!(state["uptime_s"].as_f64() > before["uptime_s"].as_f64());
}

#[tokio::test]
async fn without_a_directory_of_runs_there_are_none() {
    let server = Server::with_fake_repl(&[]);
    assert_eq!(server.get("/v1/runs").await.json(), json!({"runs": [], "left_out": 0}));
    for path in ["/v1/runs/a", "/v1/runs/a/report"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not-found")));
    }
}

#[tokio::test]
async fn runs_are_listed_with_what_they_have_come_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let working = sample_runs::self_play(&directory.path().join("loop"));
    sample_runs::evaluation(&directory.path().join("measured"));
    std::fs::create_dir(directory.path().join("no run")).expect("a folder");
    std::fs::write(directory.path().join("a file"), "").expect("a file");
    std::fs::create_dir(directory.path().join("broken")).expect("a folder");
    std::fs::write(directory.path().join("broken/store.sqlite"), "no store").expect("a file");
    let server = Server::with_fake_repl(&["--runs", &directory.path().display().to_string()]);
    let listed = server.get("/v1/runs").await.json();
    let find = |listed: &Value, name: &str| {
        let mut runs = listed["runs"].as_array().expect("runs").iter();
        runs.find(|run| run["name"] == name).unwrap_or_else(|| panic!("{name}: {listed}")).clone()
    };
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(3), "{listed}");
    let run = find(&listed, "loop");
    assert_eq!(
        (&run["kind"], &run["state"], &run["about"]),
        (&json!("selfplay"), &json!("running"), &json!("nano"))
    );
    assert_eq!(run["solved"], json!({"count": 1, "of": 2}), "{run}");
    assert_eq!(
        (&run["iterations"], &run["stages"]["count"]),
        (&json!({"count": 1, "of": 2}), &json!(2)),
        "{run}"
    );
    let run = find(&listed, "measured");
    assert_eq!((&run["kind"], &run["state"]), (&json!("evaluation"), &json!("finished")), "{run}");
    assert_eq!(
        (&run["about"], &run["pass"][0]["k"], &run["pass"][0]["value"]),
        (&json!("two"), &json!(1), &json!(0.5))
    );
    let run = find(&listed, "broken");
    assert!(
        run["problem"].is_string() && !listed.to_string().contains(&directory.path().display().to_string())
    );
    // What was read is remembered; who works on it is not.
    drop(working);
    assert_eq!(server.get("/v1/runs/loop").await.json()["state"], "stopped");
    sample_runs::second_round(&directory.path().join("loop"));
    assert_eq!(server.get("/v1/runs/loop").await.json()["solved"], json!({"count": 2, "of": 2}));
}

#[tokio::test]
async fn reports_are_pages_of_no_origin() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(sample_runs::self_play(&directory.path().join("loop")));
    sample_runs::evaluation(&directory.path().join("measured"));
    let server = Server::with_fake_repl(&["--runs", &directory.path().display().to_string()]);
    for name in ["loop", "measured"] {
        let answer = server.get(&format!("/v1/runs/{name}/report")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.starts_with("<!DOCTYPE html>") && answer.text.contains(name), "{}", answer.text);
        let policy = answer.headers["content-security-policy"].to_str().expect("text").to_owned();
        assert!(
            policy.contains("sandbox allow-scripts;") && policy.contains("default-src 'none'"),
            "{policy}"
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    // A page that was written after the last change is the report; once the run goes on, it is not.
    let page = directory.path().join("loop/report.html");
    std::fs::write(&page, REPORT_MARK).expect("written");
    assert_eq!(server.get("/v1/runs/loop/report").await.text, REPORT_MARK);
    std::thread::sleep(Duration::from_millis(20));
    sample_runs::second_round(&directory.path().join("loop"));
    assert!(server.get("/v1/runs/loop/report").await.text.contains("<!DOCTYPE html>"));
    // Better an old one than none.
    std::fs::write(directory.path().join("loop/store.sqlite"), "no store").expect("written");
    assert_eq!(server.get("/v1/runs/loop/report").await.text, REPORT_MARK);
    std::fs::remove_file(&page).expect("removed");
    let answer = server.get("/v1/runs/loop/report").await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("unavailable")), "{}", answer.text);
}

#[tokio::test]
async fn nothing_outside_the_directory_is_a_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let runs = directory.path().join("runs");
    std::fs::create_dir(&runs).expect("a folder");
    drop(sample_runs::self_play(&runs.join("inside")));
    drop(sample_runs::self_play(&directory.path().join("outside")));
    drop(sample_runs::self_play(&runs.join(".hidden")));
    std::os::unix::fs::symlink(directory.path().join("outside"), runs.join("link")).expect("a link");
    std::fs::create_dir(runs.join("link inside")).expect("a folder");
    let store = directory.path().join("outside/store.sqlite");
    std::os::unix::fs::symlink(&store, runs.join("link inside/store.sqlite")).expect("a link");
    std::fs::write(directory.path().join("secret"), "secret").expect("a file");
    std::os::unix::fs::symlink(directory.path().join("secret"), runs.join("inside/report.html"))
        .expect("a link");
    let server = Server::with_fake_repl(&["--runs", &runs.display().to_string()]);
    let listed = server.get("/v1/runs").await.json();
    let names: Vec<&Value> =
        listed["runs"].as_array().expect("runs").iter().map(|run| &run["name"]).collect();
    assert_eq!(names, [&json!("inside")]);
    let outside = directory.path().join("outside").display().to_string().replace('/', "%2F");
    let attempts = [
        "..%2Foutside",
        "%2e%2e%2foutside",
        "..%5Coutside",
        ".hidden",
        ".",
        "..",
        "%2e%2e",
        "link",
        "link%20inside",
        "inside%2F..%2F..%2Foutside",
        "inside%00",
        "%ff%fe",
        "",
        &outside,
    ];
    for attempt in attempts {
        for path in [format!("/v1/runs/{attempt}"), format!("/v1/runs/{attempt}/report")] {
            assert_eq!(raw(&server, &path), 404, "{path}");
        }
    }
    assert_eq!(raw(&server, "/v1/runs/../../outside/report"), 404);
    let report = server.get("/v1/runs/inside/report").await;
    assert!(report.status == 200 && !report.text.contains("secret"), "{}", report.text);
}

#[tokio::test]
async fn the_description_of_the_api_is_whole() {
    let (keys, _) = sample_runs::keys();
    let server = Server::with_fake_repl(&["--keys", &keys.path().display().to_string()]);
    let answer = server.get("/openapi.json").await;
    assert_eq!(server.get("/api/openapi.json").await.text, answer.text);
    let api = answer.json();
    assert_eq!(
        (&api["info"]["title"], &api["info"]["version"]),
        (&json!("proofloop"), &json!(env!("CARGO_PKG_VERSION")))
    );
    assert!(api["servers"].is_null());
    let mut references = answer.text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
    assert!(references.all(|pointer| api.pointer(pointer).is_some()), "a reference leads nowhere");
    let tags: BTreeSet<&str> =
        api["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut ids = BTreeSet::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{method} {path}: `{id}` is there twice");
            assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
            for tag in operation["tags"].as_array().expect("tags") {
                assert!(
                    tags.contains(tag.as_str().expect("text")),
                    "{method} {path}: {tag} has no description"
                );
            }
            let name = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let asked = send(server.request(name, &path.replace(['{', '}'], ""))).await;
            let wants_key = operation["security"].is_array();
            assert_eq!(asked.status == 401, wants_key, "{method} {path}: {}", asked.status);
        }
    }
    for path in
        ["/v1/verify", "/v1/state", "/v1/runs", "/v1/runs/{name}/report", "/v1/toolchains", "/healthz"]
    {
        assert!(api["paths"][path].is_object(), "{path} is not described");
    }
    assert_eq!(api["components"]["securitySchemes"]["key"]["scheme"], "bearer");
}

#[tokio::test]
async fn pages_need_no_key_and_have_strict_headers() {
    let (keys, _) = sample_runs::keys();
    let server = Server::with_fake_repl(&["--keys", &keys.path().display().to_string()]);
    for (path, kind) in [
        ("/", "text/html"),
        ("/docs", "text/html"),
        ("/page/style.css", "text/css"),
        ("/page/verify.js", "text/javascript"),
        ("/page/icon.svg", "image/svg+xml"),
        ("/openapi.json", "application/json"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().expect("text"));
        assert!(header("content-type").starts_with(kind), "{path}: {}", header("content-type"));
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        if path != "/openapi.json" {
            let policy = header("content-security-policy");
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        }
    }
    for path in ["/v1/state", "/v1/runs", "/v1/runs/a/report"] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
    }
    let answer = server.get("/openapi.json").await.json();
    assert_eq!(answer["paths"]["/v1/state"]["get"]["security"], json!([{"key": []}]));
}

#[tokio::test]
async fn a_text_is_judged_on_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::with_fake_repl(&["--jobs", "2"]);
    browser.look(1280, 900, "light");
    browser.open(&server.url);
    browser.paste("#statement", "theorem t (a : Nat) : a = a := by");
    browser.paste("#editor", PROOF);
    browser.press("Enter", 13, 2);
    browser.until("document.querySelector('.badge')?.innerText === 'accepted'");
    let told = browser.text("#verdict");
    for words in ["elaborated", "by the clock", "of CPU", "judged by", "lean-repl", "protection"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    browser.until("document.querySelector('#total').innerText === '1 in all'");
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (320, "light")] {
        browser.look(width, 900, scheme);
        assert!(browser.fits(), "something is wider than {width}");
        browser.picture(&format!("accepted-{width}-{scheme}"));
    }
    browser.look(1280, 900, "light");
    browser.paste("#statement", "");
    browser.paste("#editor", NO_PROOF);
    browser.press("Enter", 13, 2);
    browser.until("document.querySelector('.badge')?.innerText === 'rejected'");
    let told = browser.text("#verdict");
    assert!(told.contains("elaboration-error") && told.contains("unknown tactic"), "{told}");
    assert_eq!(browser.text(".messages button"), "line 5:3");
    assert_eq!(
        browser.eval("[...document.querySelectorAll('.gutter .error')].map(line => line.innerText).join()"),
        "5"
    );
    browser.eval("document.querySelector('.messages button').click()");
    let selected =
        "(field => field.value.slice(field.selectionStart, field.selectionEnd))(document.activeElement)";
    assert_eq!(browser.eval(selected), "  no_such_tactic");
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (600, "light"), (320, "dark")] {
        browser.look(width, 900, scheme);
        assert!(browser.fits(), "something is wider than {width}");
        browser.picture(&format!("rejected-{width}-{scheme}"));
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[tokio::test]
async fn what_can_not_be_judged_says_why() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    browser.look(1280, 900, "light");
    // A link fills the fields and does nothing more.
    browser.open(&format!("{}/#kind=python&code=x%20%3D%201&tests=", server.url));
    assert_eq!(browser.eval("document.querySelector('#editor').value"), "x = 1");
    assert_eq!(browser.text(".badge"), "");
    browser.eval("document.querySelector('#run').click()");
    browser.until("document.querySelector('#verdict')?.innerText.includes('There is no test')");
    browser.eval("document.querySelector('input[value=lean]').click()");
    browser.paste("#editor", "theorem t : 1 = 1 := by\n  rfl -- fake:hang");
    browser.press("Enter", 13, 2);
    browser.until("document.querySelector('.workers .of').innerText.startsWith('1 of 1 busy')");
    assert_eq!(browser.text(".badge"), "Judging …");
    browser.picture("judging");
    browser.eval("document.querySelector('#stop').click()");
    browser.until("document.querySelector('.badge').innerText === 'Stopped'");
    // The server gives it up, too.
    browser.until("document.querySelector('.workers .of').innerText.startsWith('0 of 1 busy')");
    // A server that is gone is said to be.
    drop(server);
    browser.until("!document.querySelector('#offline').hidden");
    browser.picture("offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_a_server_under_load() {
    let Some(mut browser) = Browser::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let working = sample_runs::self_play(&directory.path().join("<img src=x onerror=alert(1)>"));
    sample_runs::evaluation(&directory.path().join("measured"));
    drop(sample_runs::self_play(&directory.path().join("stp-paper-seed0")));
    let server = Server::with_fake_repl(&["--jobs", "2", "--runs", &directory.path().display().to_string()]);
    let slow = |number: usize| json!({"id": number.to_string(), "code": format!("theorem t{number} : 1 = 1 := by\n  rfl -- fake:hang")});
    let quick = |number: usize| json!({"id": number.to_string(), "code": format!("theorem q{number} : 1 = 1 := by\n  rfl")});
    let wrong = |number: usize| json!({"id": number.to_string(), "code": format!("theorem w{number} : 1 = 1 := by\n  no_such_tactic")});
    browser.look(1280, 900, "dark");
    browser.open(&server.url);
    for round in 0..8 {
        let numbers = || (0..20).map(move |number| round * 20 + number);
        let all: Vec<Value> = numbers()
            .map(quick)
            .chain(numbers().take(round).map(|number| number + 1000).map(wrong))
            .collect();
        server.post("/v1/verify", &json!({"kind": "lean", "candidates": all})).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let all: Vec<Value> = (0..30).map(slow).collect();
    let body = json!({"kind": "lean", "candidates": all}).to_string();
    let load =
        server.request(Method::POST, "/v1/verify").header("content-type", "application/json").body(body);
    let load = tokio::spawn(send(load));
    let busy = "document.querySelector('.workers .of').innerText.startsWith('2 of 2 busy, ')";
    tokio::task::block_in_place(|| browser.until(busy));
    let told = browser.text(".state");
    assert!(told.contains("30 not answered"), "{told}");
    assert_eq!(browser.eval("document.querySelector('.workers progress').value"), 2);
    assert!(browser.eval("document.querySelectorAll('#chart polyline').length").as_u64() >= Some(4));
    tokio::task::block_in_place(|| browser.until("document.querySelectorAll('#runs tbody tr').length === 3"));
    let runs = browser.text("#runs");
    for words in ["<img src=x onerror=alert(1)>", "running", "finished", "1 of 2 iterations", "pass@1 50.0 %"]
    {
        assert!(runs.contains(words), "{words}: {runs}");
    }
    assert_eq!(browser.eval("document.querySelectorAll('#runs img').length"), 0);
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (768, "light"), (320, "dark")] {
        browser.look(width, 900, scheme);
        assert!(browser.fits(), "something is wider than {width}");
        browser.picture(&format!("load-{width}-{scheme}"));
    }
    let link = browser.eval("document.querySelector('#runs a').href");
    load.abort();
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    browser.open(link.as_str().expect("a link"));
    assert_eq!(browser.text("h1"), "<img src=x onerror=alert(1)>");
    // Its scripts run, and reach nothing.
    assert_eq!(browser.eval("origin"), "null");
    browser.look(1280, 900, "light");
    browser.picture("report");
    drop(working);
}

#[tokio::test]
async fn a_key_is_asked_for_where_one_is_needed() {
    let Some(mut browser) = Browser::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    sample_runs::evaluation(&directory.path().join("measured"));
    let (keys, key) = sample_runs::keys();
    let (keys, runs) = (keys.path().display().to_string(), directory.path().display().to_string());
    let server = Server::with_fake_repl(&["--keys", &keys, "--runs", &runs]);
    browser.look(1000, 900, "light");
    browser.open(&server.url);
    browser.until("!document.querySelector('#key-form').hidden");
    browser.picture("key");
    browser.paste("#key", "wrong");
    browser.eval("document.querySelector('#key-form').requestSubmit()");
    browser.until("document.querySelector('#key-note').innerText.includes('does not know this key')");
    browser.paste("#key", &key);
    browser.eval("document.querySelector('#key-form').requestSubmit()");
    browser.until("document.querySelector('#runs button')?.innerText === 'save'");
    // What was sent with the wrong key may be refused only now, on a busy machine.
    browser.eval(
        "import('/page/common.js').then(page => { page.refused('wrong'); document.body.dataset.late = 1; })",
    );
    browser.until("document.body.dataset.late");
    assert_eq!(browser.eval("document.querySelector('#key-form').hidden"), true);
    assert_eq!(browser.eval("[localStorage.length, document.cookie].join()"), "0,");
    browser.paste("#statement", "");
    browser.paste("#editor", PROOF);
    browser.press("Enter", 13, 2);
    browser.until("document.querySelector('.badge')?.innerText === 'accepted'");
}

#[tokio::test]
async fn the_apis_page_sends_requests() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    browser.look(1280, 900, "light");
    browser.open(&format!("{}/docs#post/v1/verify", server.url));
    browser.until("document.querySelector('details[open] .try textarea')");
    let told = browser.text("details[open]");
    for words in ["candidates", "required", "deadline_ms", "formal_statement", "401, 413, 422, 429, 503"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    browser.eval("document.querySelector('details[open] .try').requestSubmit()");
    browser.until(
        "document.querySelector('details[open] .result').innerText.includes('\"verdict\": \"accepted\"')",
    );
    for (width, scheme) in [(1280, "light"), (320, "dark")] {
        browser.look(width, 900, scheme);
        assert!(browser.fits(), "something is wider than {width}");
        browser.picture(&format!("docs-{width}-{scheme}"));
    }
    let every = "document.querySelectorAll('details.address').forEach(box => (box.open = true))";
    browser.eval(every);
    browser.until("[...document.querySelectorAll('.inside')].every(inside => inside.childElementCount)");
    browser.look(1280, 900, "dark");
    browser.picture("docs-all");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
