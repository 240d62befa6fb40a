//! MCP: whole conversations over standard input and over HTTP, with messages written by hand, and with the protocol's own
//! Python client.

#![expect(
    clippy::disallowed_methods,
    reason = "an agent starts the program, and a client for Python is one of its own"
)]

use crate::common::{Answer, PATIENT, Server, fake_repl, send};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A server that a test starts as an agent does.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Agent {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofloop"));
        command.args(["mcp", "--no-cache", "--mode", "repl", "--memory", "256MiB"]).args(arguments);
        command.env("PROOFLOOP_REPL", fake_repl());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("its output"));
        Self { child, input, output: BufReader::new(output) }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("open").write_all(bytes).expect("it reads");
    }

    fn tell(&mut self, message: &Value) {
        self.send(format!("{message}\n").as_bytes());
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("readable");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.tell(message);
        self.hear()
    }

    fn begun(arguments: &[&str]) -> Self {
        let mut this = Self::start(arguments);
        assert_eq!(this.ask(&initialize())["result"]["serverInfo"]["name"], "proofloop");
        this.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        this
    }

    /// Closes its standard input and waits: what else it says, and how it ends.
    fn end(mut self) -> (String, ExitStatus) {
        drop(self.input.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut rest).expect("text");
        let deadline = Instant::now() + PATIENT;
        loop {
            if let Some(status) = self.child.try_wait().expect("waited for") {
                return (rest, status);
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended before.
        let _ended_before = self.child.kill();
        let _nothing_to_wait_for = self.child.wait();
    }
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
        "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}})
}

fn call(id: u32, tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"))
}

/// Everything that a client does, whatever carries it.
async fn whole_session(mut ask: impl AsyncFnMut(&Value) -> Value) {
    let begun = ask(&initialize()).await;
    assert_eq!(begun["result"]["protocolVersion"], "2025-06-18", "{begun}");
    let listed = ask(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await;
    let tools = listed["result"]["tools"].as_array().expect("tools");
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["verify_lean", "run_python", "lean_diagnostics"]);
    for tool in tools {
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 100), "{tool}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
    }
    verdicts(&mut ask).await;
    programs(&mut ask).await;
    diagnostics(&mut ask).await;
    let unknown = ask(&call(30, "no_such_tool", &json!({}))).await;
    assert_eq!((&unknown["error"]["code"], &unknown["id"]), (&json!(-32602), &json!(30)), "{unknown}");
    let unknown = ask(&json!({"jsonrpc": "2.0", "id": 31, "method": "no/such/method"})).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
}

async fn verdicts(ask: &mut impl AsyncFnMut(&Value) -> Value) {
    let proof =
        |completion: &str| json!({"formal_statement": "theorem t : 1 = 1 := by", "completion": completion});
    let accepted = ask(&call(2, "verify_lean", &proof("\n  rfl"))).await;
    assert_eq!(accepted["result"]["structuredContent"]["verdict"], "accepted", "{accepted}");
    assert_eq!(accepted["result"]["structuredContent"]["assurance"], "elaborated", "{accepted}");
    assert_eq!(accepted["result"]["isError"], false);
    assert!(text(&accepted).starts_with("verdict: accepted\n"), "{accepted}");
    let rejected = ask(&call(3, "verify_lean", &proof("\n  no_such_tactic"))).await;
    let told = &rejected["result"]["structuredContent"];
    assert_eq!(
        (&told["verdict"], &told["reason"]),
        (&json!("rejected"), &json!("elaboration-error")),
        "{rejected}"
    );
    assert_eq!(told["messages"][0]["line"], 2, "{rejected}");
    assert_eq!(rejected["result"]["isError"], false, "a rejection is an answer: {rejected}");
    assert!(text(&rejected).contains("error at 2:2: unknown tactic"), "{rejected}");
    let code = json!({"code": "theorem t : 1 = 1 := by\n  sorry"});
    let sorry = ask(&call(4, "verify_lean", &code)).await;
    assert_eq!(sorry["result"]["structuredContent"]["reason"], "sorry", "{sorry}");
    for (arguments, expected) in [
        (json!({}), "field `code` is missing"),
        (json!({"code": "x", "completion": "y"}), "give either `code`"),
        (json!({"proof": "x"}), "unknown field `proof`"),
        (json!({"code": 7}), "expected a string"),
    ] {
        let wrong = ask(&call(5, "verify_lean", &arguments)).await;
        assert_eq!(wrong["result"]["isError"], true, "{wrong}");
        assert!(text(&wrong).contains(expected), "{wrong}");
    }
}

async fn programs(ask: &mut impl AsyncFnMut(&Value) -> Value) {
    let ran =
        ask(&call(10, "run_python", &json!({"code": "print(int(input()) + 1)", "stdin": "41\n"}))).await;
    let told = &ran["result"]["structuredContent"];
    assert_eq!(told["stdout"], "42\n", "{ran}");
    assert_eq!((&told["ended"], &told["exit_status"]), (&json!("exited"), &json!(0)), "{ran}");
    let raised =
        ask(&call(11, "run_python", &json!({"code": "print('x' * 100_000)\nraise ValueError('no')"}))).await;
    let told = &raised["result"]["structuredContent"];
    assert_eq!((&told["exit_status"], &told["stdout_cut"]), (&json!(1), &json!(true)), "{raised}");
    assert!(text(&raised).contains("ValueError: no"), "{raised}");
    let endless = ask(&call(12, "run_python", &json!({"code": "while True: pass", "timeout_s": 0.5}))).await;
    assert_eq!(endless["result"]["structuredContent"]["ended"], "timeout", "{endless}");
    for seconds in [json!(0), json!(-1), json!(1e9), json!("5")] {
        let wrong = ask(&call(13, "run_python", &json!({"code": "", "timeout_s": seconds}))).await;
        assert_eq!(wrong["result"]["isError"], true, "{wrong}");
    }
}

async fn diagnostics(ask: &mut impl AsyncFnMut(&Value) -> Value) {
    let code = "theorem t (n : Nat) : n = n := by\n  sorry\n#check Nat\n#check nothing";
    let told = ask(&call(20, "lean_diagnostics", &json!({"code": code}))).await;
    let data = &told["result"]["structuredContent"];
    assert_eq!((&data["not_a_verdict"], &data["errors"]), (&json!(true), &json!(1)), "{told}");
    assert_eq!(data["goals"][0]["goal"], "n : Nat\n⊢ n = n", "{told}");
    assert_eq!(data["goals"][0]["line"], 2, "{told}");
    assert!(text(&told).contains("not a verdict") && text(&told).contains("info at 3:"), "{told}");
    let hangs = json!({"code": "#check Nat -- fake:hang", "timeout_s": 0.5});
    let late = ask(&call(21, "lean_diagnostics", &hangs)).await;
    assert_eq!(late["result"]["isError"], true, "{late}");
    assert!(text(&late).contains("no answer within"), "{late}");
}

#[tokio::test]
async fn a_whole_session_over_standard_input() {
    let mut stdio = Agent::start(&[]);
    whole_session(async |message| stdio.ask(message)).await;
    let (rest, status) = stdio.end();
    assert_eq!((rest.as_str(), status.code()), ("", Some(0)));
}

fn post(server: &Server, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let request = server.request(Method::POST, "/mcp").header("content-type", "application/json");
    request.header("accept", "application/json, text/event-stream").body(body)
}

#[tokio::test]
async fn a_whole_session_over_http() {
    let server = Server::with_fake_repl(&[]);
    whole_session(async |message| {
        let answer =
            send(post(&server, message.to_string()).header("mcp-protocol-version", "2025-06-18")).await;
        assert!(answer.status == 200 || answer.status == 404, "{answer:?}");
        answer.json()
    })
    .await;
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answer = send(post(&server, told.to_string())).await;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
}

#[test]
fn garbage_and_huge_lines_end_no_conversation() {
    let mut stdio = Agent::begun(&["--body", "64KiB"]);
    for garbage in [
        b"\n".to_vec(),
        b"not json\n".to_vec(),
        b"\xff\xfe\x00\n".to_vec(),
        b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \n".to_vec(),
        format!("{}\n", "[".repeat(10_000)).into_bytes(),
        format!("{}\n", call(9, "verify_lean", &json!({"code": "x".repeat(1 << 20)}))).into_bytes(),
    ] {
        stdio.send(&garbage);
    }
    // None of that has an id to answer to.
    let pong = stdio.ask(&json!({"jsonrpc": "2.0", "id": 99, "method": "ping"}));
    assert_eq!(pong, json!({"jsonrpc": "2.0", "id": 99, "result": {}}));
    let wrong = stdio.ask(&json!({"jsonrpc": "2.0", "id": 100, "method": 7}));
    assert_eq!(wrong["error"]["code"], -32600, "{wrong}");
    let pong = stdio.ask(&json!({"jsonrpc": "2.0", "id": "text", "method": "ping"}));
    assert_eq!(pong["id"], "text");
    assert_eq!(stdio.end().1.code(), Some(0));
}

#[test]
fn who_is_no_agent_is_told_so() {
    let mut stdio = Agent::start(&[]);
    stdio.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let (rest, status) = stdio.end();
    assert_eq!((rest.as_str(), status.code()), ("", Some(2)));
    assert_eq!(Agent::start(&[]).end().1.code(), Some(0), "an empty conversation is none");
}

#[test]
fn what_is_given_up_ends() {
    let mut stdio = Agent::begun(&["--jobs", "1"]);
    let hanging =
        json!({"formal_statement": "theorem h : 1 = 1 := by", "completion": "\n  rfl -- fake:hang"});
    stdio.tell(&call(1, "verify_lean", &hanging));
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    std::thread::sleep(Duration::from_millis(300));
    stdio.tell(&cancel);
    // The one worker had a minute for it.
    let proof = json!({"formal_statement": "theorem t : 1 = 1 := by", "completion": "\n  rfl"});
    let next = stdio.ask(&call(2, "verify_lean", &proof));
    assert_eq!(
        (&next["id"], &next["result"]["structuredContent"]["verdict"]),
        (&json!(2), &json!("accepted"))
    );
    stdio.tell(&call(3, "verify_lean", &hanging));
    assert_eq!(stdio.end().1.code(), Some(0), "with a call under way");
}

#[tokio::test]
async fn what_nobody_waits_for_ends_over_http() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let hanging = json!({"code": "#check Nat -- fake:hang", "timeout_s": 500});
    let body = call(1, "lean_diagnostics", &hanging).to_string();
    let gone = post(&server, body).timeout(Duration::from_millis(1500)).send().await;
    assert!(gone.is_err_and(|error| error.is_timeout()));
    let deadline = Instant::now() + PATIENT;
    while !server.get("/metrics").await.text.contains("proofloop_items_under_way 0\n") {
        assert!(Instant::now() < deadline, "{}", server.get("/metrics").await.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_http_refuses() {
    let server = Server::with_fake_repl(&["--body", "10KiB"]);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let plain = |body: &str| server.request(Method::POST, "/mcp").body(body.to_owned());
    for (request, status, code) in [
        (post(&server, ping.clone()).header("origin", "http://evil.example"), 403, "forbidden"),
        (post(&server, ping.clone()).header("host", "evil.example"), 403, "forbidden"),
        (post(&server, "no json"), 400, "protocol"),
        (post(&server, "[]"), 400, "protocol"),
        (post(&server, vec![0xff, 0xfe]), 400, "protocol"),
        (post(&server, ping.clone()).header("mcp-protocol-version", "1999-01-01"), 400, "protocol"),
        (plain(&ping).header("content-type", "application/json"), 400, "protocol"),
        (plain(&ping).header("accept", "application/json, text/event-stream"), 400, "protocol"),
        (post(&server, "x".repeat(20_000)), 413, "too-large"),
        (
            server.request(Method::GET, "/mcp").header("accept", "text/event-stream"),
            405,
            "method-not-allowed",
        ),
        (server.request(Method::DELETE, "/mcp"), 405, "method-not-allowed"),
    ] {
        let answer: Answer = send(request).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer:?}");
    }
    let own_page = post(&server, ping).header("origin", server.url.clone());
    assert_eq!(send(own_page).await.json()["result"], json!({}));
}

#[tokio::test]
async fn keys_and_limits_hold_for_agents_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("keys");
    let (key, hash) = proofloop::serve::keys::Keys::generate().expect("random numbers");
    std::fs::write(&keys, format!("agent {hash}\n")).expect("written");
    let keys = keys.to_str().expect("text");
    let server = Server::with_fake_repl(&["--keys", keys, "--client-rate", "1", "--batch-items", "1"]);
    let ask = call(1, "verify_lean", &json!({"code": "theorem t : 1 = 1 := rfl"})).to_string();
    let answer = send(post(&server, ask.clone())).await;
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("missing-key")));
    let answer = send(post(&server, ask.clone()).bearer_auth("wrong")).await;
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("invalid-key")));
    // More than one a second: the model hears of it, in words.
    let mut refused = 0;
    for _ in 0..20 {
        let answer = send(post(&server, ask.clone()).bearer_auth(&key)).await.json();
        if answer["result"]["isError"] == true {
            assert!(text(&answer).contains("more items a second than a client may submit"), "{answer}");
            refused += 1;
        }
    }
    assert!(refused > 0, "twenty calls took less than twenty seconds");
}

/// The protocol's own client for Python, installed beside the build; nothing is tested where there is no network.
fn python_client(arguments: &[&str]) -> Option<String> {
    let packages = crate::python::packages("python-mcp", include_str!("mcp-requirements.txt"))?;
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/mcp_client.py");
    let ran = Command::new("python3")
        .arg(script)
        .args(arguments)
        .env("PYTHONPATH", packages)
        .output()
        .expect("runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    Some(out.into_owned())
}

#[test]
fn the_python_client_of_the_protocol_over_standard_input() {
    let repl = format!("PROOFLOOP_REPL={}", fake_repl().display());
    let program = env!("CARGO_BIN_EXE_proofloop");
    let arguments = ["stdio", &repl, program, "mcp", "--no-cache", "--mode", "repl", "--memory", "256MiB"];
    let Some(told) = python_client(&arguments) else { return };
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), 2, "{told}");
}

#[test]
fn the_python_client_of_the_protocol_over_http() {
    let server = Server::with_fake_repl(&[]);
    let Some(told) = python_client(&["http", &format!("{}/mcp", server.url)]) else { return };
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), 2, "{told}");
}
