//! The addresses of Kimina Lean Server, over a REPL that fails on demand: the format, and what its server does wrong and
//! this one must not (`bug_1_…` to `bug_8_…`).

use crate::common::{Answer, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const GOOD: &str = "theorem t : 1 = 1 := by\n  rfl";

fn snippets(codes: &[&str]) -> Value {
    let snippet = |(index, code): (usize, &&str)| json!({"id": format!("s{index}"), "code": code});
    codes.iter().enumerate().map(snippet).collect()
}

async fn check(server: &Server, codes: &[&str], options: Value) -> Vec<Value> {
    let mut body = json!({"snippets": snippets(codes)});
    body.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
    results(&server.post("/api/check", &body).await)
}

fn results(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["results"].as_array().expect("results").clone()
}

/// Severities and texts of a result's messages.
fn messages(result: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let messages = result["response"]["messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| (text(&message["severity"]), text(&message["data"]))).collect()
}

fn has_error(result: &Value) -> bool {
    messages(result).iter().any(|(severity, _)| severity == "error")
}

/// Whether a client would take it for proved.
fn is_valid(result: &Value) -> bool {
    result["response"]["env"].is_u64() && !has_error(result) && result["response"]["sorries"].is_null()
}

fn process(result: &Value) -> String {
    result["diagnostics"]["repl_uuid"].as_str().unwrap_or_else(|| panic!("no process: {result}")).to_owned()
}

#[tokio::test]
async fn results_are_in_the_order_of_the_request_and_have_what_clients_expect() {
    let server = Server::with_fake_repl(&["--jobs", "2"]);
    let codes = [
        "#check Nat -- fake:late",
        "import A\n\ntheorem w : 1 = 2 := by\n  no_such_tactic",
        GOOD,
        "theorem s : 1 = 2 := by sorry",
    ];
    let results = check(&server, &codes, json!({"timeout": 60.0, "infotree": null, "gc": true})).await;
    let ids: Vec<_> = results.iter().map(|result| result["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["s0", "s1", "s2", "s3"]);
    let checked = json!({"severity": "info", "pos": {"line": 1, "column": 0}, "endPos": {"line": 1, "column": 6}, "data": "Nat : Type"});
    assert_eq!(results[0]["response"]["messages"], json!([checked]));
    let fields: Vec<_> = results[0].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(fields, ["id", "response", "time"], "null fields are left out");
    let wrong = &results[1]["response"]["messages"][0];
    assert_eq!((&wrong["pos"], &wrong["severity"]), (&json!({"line": 4, "column": 2}), &json!("error")));
    assert!(is_valid(&results[2]), "{}", results[2]);
    let time = results[0]["time"].as_f64().expect("a time");
    assert!(time >= 0.4 && (time * 1e6 - (time * 1e6).round()).abs() < 1e-3, "{time}");
    assert!(
        !has_error(&results[3]) && results[3]["response"]["sorries"][0]["pos"].is_object(),
        "{}",
        results[3]
    );
    // A slash at the end is no redirection.
    assert_eq!(server.post("/api/check/", &json!({"snippets": snippets(&[GOOD])})).await.status, 200);
    for path in ["/health", "/health/"] {
        assert_eq!(server.get(path).await.json(), json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn the_first_version_has_the_time_inside_and_ids_as_text() {
    let server = Server::with_fake_repl(&[]);
    let codes = json!([
        {"custom_id": 7, "proof": GOOD, "code": "no_such_thing"},
        {"custom_id": "b", "proof": null, "code": "#check Nat"},
        {"custom_id": "hangs", "code": "#check Nat -- fake:hang"},
        {"custom_id": "refused", "code": "import Missing.A\n#check Nat"},
        {"custom_id": "empty"},
    ]);
    for path in ["/verify", "/one_pass_verify_batch"] {
        let results = results(&server.post(path, &json!({"codes": codes, "timeout": 3})).await);
        assert_eq!(results[0]["custom_id"], "7");
        assert!(results[0]["response"]["time"].is_f64() && results[0]["response"]["env"].is_u64());
        assert_eq!(results[1]["response"]["messages"][0]["data"], "Nat : Type");
        assert_eq!(
            results[2],
            json!({"custom_id": "hangs", "error": "Lean REPL command timed out in 3.0 seconds"})
        );
        let refused = results[3]["response"].as_object().expect("a response");
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["message", "time"]);
        assert_eq!(results[4]["error"], "neither `proof` nor `code` is given");
    }
    let fresh = json!({"codes": [{"custom_id": 1, "code": GOOD}], "disable_cache": true, "infotree_type": "original"});
    assert_eq!(results(&server.post("/verify", &fresh).await).len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_as_fastapi_tells_it() {
    let server = Server::with_fake_repl(&["--batch-items", "3"]);
    let one = |id: Value| json!({"id": id, "code": GOOD});
    for (body, loc) in [
        (json!({}), json!(["body", "snippets"])),
        (json!({"snippets": []}), json!(["body", "snippets"])),
        (json!({"snippets": [one(json!("a")), one(json!("a"))]}), json!(["body", "snippets", 1, "id"])),
        (json!({"snippets": [one(json!(1))]}), json!(["body", "snippets", 0, "id"])),
        (json!({"snippets": [{"id": "a"}]}), json!(["body", "snippets", 0, "code"])),
        (json!({"snippets": [one(json!("a"))], "timeout": -1}), json!(["body", "timeout"])),
        (json!({"snippets": [one(json!("a"))], "timeout": "soon"}), json!(["body", "timeout"])),
        (json!({"snippets": [one(json!("a"))], "reuse": "maybe"}), json!(["body", "reuse"])),
        (json!({"snippets": [one(json!("a"))], "infotree": "all"}), json!(["body", "infotree"])),
        (json!([]), json!(["body"])),
    ] {
        let answer = server.post("/api/check", &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
        let detail = &answer.json()["detail"][0];
        assert_eq!(detail["loc"], loc, "{body}: {}", answer.text);
        assert!(detail["msg"].is_string() && detail["type"].is_string(), "{}", answer.text);
    }
    let many: Vec<_> = (0..4).map(|number| one(json!(format!("{number}")))).collect();
    let answer = server.post("/api/check", &json!({"snippets": many})).await;
    assert!(answer.status == 422 && answer.text.contains("at most 3 may be"), "{}", answer.text);
}

#[tokio::test]
async fn what_a_proof_must_not_use_is_an_error_unless_the_server_is_faithful() {
    let codes = [
        "axiom cheat : 1 = 2",
        "theorem n : 1 = 1 := by\n  rfl\nexample : True := by native_decide",
        "theorem h : 1 = 1 := by\n  first | rfl | sorry\n#eval 1",
        GOOD,
        "theorem s : 1 = 2 := by sorry",
    ];
    let strict = check(&Server::with_fake_repl(&[]), &codes, json!({})).await;
    let errors: Vec<_> = strict.iter().map(has_error).collect();
    assert_eq!(errors, [true, true, true, false, false], "{strict:?}");
    let native = strict[1]["response"]["messages"].as_array().expect("messages").last().expect("one").clone();
    assert_eq!(native["pos"], json!({"line": 3, "column": 21}));
    assert_eq!(native["data"], "proofloop: `native_decide` is not allowed in a proof (native-evaluation)");
    let faithful = check(&Server::with_fake_repl(&["--kimina", "faithful"]), &codes, json!({})).await;
    assert!(!faithful.iter().any(has_error), "{faithful:?}");
}

#[tokio::test]
async fn keys_are_asked_for_except_for_health() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("keys");
    // blake3 of `secret`.
    let hash = blake3::hash(b"secret").to_hex();
    std::fs::write(&file, format!("trainer {hash}\n")).expect("written");
    let server = Server::with_fake_repl(&["--keys", file.to_str().expect("a path")]);
    let body = json!({"snippets": snippets(&[GOOD])});
    let answer = server.post("/api/check", &body).await;
    assert_eq!((answer.status, &answer.json()["detail"]), (401, &json!("Missing API key")));
    for (key, status) in [("Bearer wrong", 401), ("Bearer secret", 200), ("secret", 200)] {
        let request = server.request(reqwest::Method::POST, "/api/check").header("authorization", key);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = crate::common::send(request).await;
        assert_eq!(answer.status, status, "{key}: {}", answer.text);
        if status == 401 {
            assert_eq!(answer.json()["detail"], "Invalid API key");
        }
    }
    assert_eq!(server.get("/health").await.status, 200);
}

#[tokio::test]
async fn bug_1_a_snippet_without_imports_does_not_see_what_an_earlier_one_declared() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let debug = json!({"debug": true});
    for leak in ["def leak := 1", "-- a comment first\ndef leak := 1", "import A\ndef leak := 1"] {
        let header = leak.lines().filter(|line| !line.contains("def")).collect::<Vec<_>>().join("\n");
        let first = check(&server, &[leak], debug.clone()).await;
        let asks = format!("{header}\n#check leak");
        let second = check(&server, &[leak, &asks], debug.clone()).await;
        assert!(is_valid(&first[0]), "{first:?}");
        assert!(is_valid(&second[0]), "the name is free again: {second:?}");
        assert!(has_error(&second[1]), "{second:?}");
        // It would prove nothing if a fresh process had answered.
        assert_eq!(process(&first[0]), process(&second[1]));
    }
}

#[tokio::test]
async fn bug_2_what_is_wrong_with_the_imports_is_said() {
    let server = Server::with_fake_repl(&[]);
    // Twice: what the process remembers of the imports must be said again.
    for _ in 0..2 {
        let results = check(&server, &["import Missing.Thing\n#check Nat", GOOD], json!({})).await;
        let message = results[0]["response"]["message"].as_str().expect("a message");
        assert!(message.contains("unknown module prefix 'Missing.Thing'"), "{message}");
        assert!(is_valid(&results[1]), "{results:?}");
    }
}

#[tokio::test]
async fn bug_3_a_snippet_that_fails_fails_alone() {
    let server = Server::with_fake_repl(&["--jobs", "2"]);
    let codes = [
        GOOD,
        "theorem d : 1 = 1 := by\n  rfl -- fake:die",
        "theorem k : 1 = 1 := by\n  rfl -- fake:kill",
        "theorem f : 1 = 1 := by\n  rfl -- fake:flood_line",
        "theorem l : 1 = 1 := by\n  rfl -- fake:hang",
        "theorem m : 1 = 1 := by\n  rfl -- fake:memory",
        "import Missing.A",
        "/- unclosed",
        GOOD,
    ];
    let results = check(&server, &codes, json!({"timeout": 5})).await;
    assert!(is_valid(&results[0]) && is_valid(&results[8]), "{results:?}");
    for (index, words) in [
        (1, "Lean came to no answer"),
        (2, "Lean came to no answer"),
        (3, "print more than it may"),
        (4, "timed out in 5.0 seconds"),
        (5, "memory limit"),
    ] {
        let error = results[index]["error"].as_str().unwrap_or_default();
        // Floods of output and of memory may take longer than there is time.
        assert!(
            error.contains(words) || (matches!(index, 3 | 5) && error.contains("timed out")),
            "{}",
            results[index]
        );
        assert!(results[index].get("response").is_none(), "exactly one of the two: {}", results[index]);
    }
    assert!(results[6]["response"]["message"].is_string() && !is_valid(&results[7]), "{results:?}");
}

#[tokio::test]
async fn bug_4_much_on_standard_error_and_long_lines_stop_nobody() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let codes = [
        "theorem e : 1 = 1 := by\n  rfl -- fake:much_stderr",
        "#check Nat -- fake:huge_reply",
        "#check Nat -- fake:huge_line",
        GOOD,
    ];
    let results = check(&server, &codes, json!({"timeout": 60})).await;
    assert!(
        results.iter().all(is_valid),
        "{:?}",
        results.iter().map(|r| r["error"].clone()).collect::<Vec<_>>()
    );
    let longest = messages(&results[1]).iter().map(|(_, text)| text.len()).max();
    assert_eq!(longest, Some(10_000_000));
}

/// Clock ticks that a process itself has used, its children not counted.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server lives");
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let number = |index: usize| fields[index].parse::<u64>().expect("a number");
    number(11) + number(12)
}

#[tokio::test]
async fn bug_5_a_server_with_a_hung_worker_uses_no_cpu() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let hung = check(&server, &["#check Nat -- fake:hang"], json!({"timeout": 30}));
    let pid = server.pid();
    let watch = async {
        // Until it hangs.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = cpu_ticks(pid);
        tokio::time::sleep(Duration::from_secs(4)).await;
        cpu_ticks(pid) - before
    };
    let used = tokio::select! {
        used = watch => used,
        results = hung => panic!("it does not hang: {results:?}"),
    };
    // 4 s are 400 ticks.
    assert!(used <= 20, "{used} ticks while there was nothing to do");
}

#[tokio::test]
async fn bug_6_environments_do_not_pile_up_for_ever() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let codes = vec!["#check Nat"; 750];
    let mut uses = std::collections::BTreeMap::<_, usize>::new();
    for _ in 0..3 {
        let results = check(&server, &codes, json!({"debug": true})).await;
        assert!(results.iter().all(is_valid), "{results:?}");
        for result in &results {
            *uses.entry(process(result)).or_default() += 1;
        }
    }
    assert!(uses.len() >= 3 && uses.values().all(|uses| *uses <= 1000), "{uses:?}");
    assert!(uses.values().any(|uses| *uses > 500), "processes are kept, too: {uses:?}");
}

#[tokio::test]
async fn bug_7_memory_is_what_is_used_and_not_what_is_mapped() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    // 4 GiB of address space under a limit of 256 MiB.
    let codes = ["#check Nat -- fake:map", "#check Nat", "#check Nat -- fake:memory"];
    let results = check(&server, &codes, json!({"timeout": 60, "debug": true})).await;
    assert!(is_valid(&results[0]) && is_valid(&results[1]), "{results:?}");
    assert_eq!(process(&results[0]), process(&results[1]), "the process lives on");
    let most = results[0]["diagnostics"]["memory_max"].as_f64().expect("a number");
    assert!(most > 0.0 && most < f64::from(256 << 20), "{most}");
    assert_eq!(results[2]["error"], "the memory limit ended the process", "the limit is there all the same");
}

#[tokio::test]
async fn bug_8_a_timeout_costs_one_process_and_nobody_elses_imports() {
    let server = Server::with_fake_repl(&["--jobs", "2"]);
    let debug = json!({"debug": true, "timeout": 60});
    let slow = "import Slow\n#check Nat -- fake:late";
    let warm = check(&server, &[slow, slow], debug.clone()).await;
    let known: BTreeSet<_> = warm.iter().map(process).collect();
    assert_eq!(known.len(), 2, "two processes have the imports: {warm:?}");
    let hung = check(&server, &["import Slow\n#check Nat -- fake:hang"], json!({"timeout": 1})).await;
    assert_eq!(hung[0]["error"], "Lean REPL command timed out in 1.0 seconds");
    // The other one still has them, and it is the one that is taken.
    for _ in 0..3 {
        let next = check(&server, &["import Slow\n#check Nat"], debug.clone()).await;
        assert!(known.contains(&process(&next[0])), "{next:?} {known:?}");
    }
}

#[tokio::test]
async fn no_reuse_is_a_fresh_process() {
    let server = Server::with_fake_repl(&["--jobs", "1"]);
    let codes = ["#check Nat", "#check Int"];
    let fresh = check(&server, &codes, json!({"debug": true, "reuse": false})).await;
    assert_ne!(process(&fresh[0]), process(&fresh[1]));
    let kept = check(&server, &codes, json!({"debug": true})).await;
    assert_eq!(process(&kept[0]), process(&kept[1]));
    let used: BTreeSet<_> = fresh.iter().chain(&kept).map(process).collect();
    assert_eq!(used.len(), 3);
}

/// Real Lean without a REPL: what is one plain theorem is judged in company, and is told as it would be told alone.
#[tokio::test]
async fn real_lean_what_is_judged_in_company_reads_as_if_it_were_alone() {
    let codes = [
        GOOD,
        "-- why\nopen Nat\n\n/-- doc -/\ntheorem u (n : Nat) : n + 0 = n := by\n  exact no_such_name",
        // The library has that name.
        "theorem trivial : 1 = 1 := rfl",
        // Its text ends too early, and says so of its own end.
        "theorem e : 1 = 1 := by\n  exact (rfl",
        "theorem t' (n : Nat) : n = n := by\n  induction n with\n  | zero => rfl\n  | succ n => rfl",
        "open NoSuchNamespace\ntheorem o : 1 = 1 := rfl",
    ];
    let arguments = ["--mode", "batch"];
    let server = Server::with_lean(&arguments);
    let together = check(&server, &codes, json!({"timeout": 60})).await;
    let valid: Vec<_> = together.iter().map(is_valid).collect();
    assert_eq!(valid, [true, false, false, false, true, false], "{together:?}");
    // With diagnostics each has a process of its own.
    let alone = check(&server, &codes, json!({"timeout": 60, "debug": true})).await;
    for (code, (together, alone)) in codes.iter().zip(together.iter().zip(&alone)) {
        let places = |result: &Value| {
            let messages = result["response"]["messages"].as_array().cloned().unwrap_or_default();
            let told = |message: &Value| {
                (message["severity"].clone(), message["pos"].clone(), message["data"].clone())
            };
            messages.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(places(together), places(alone), "{code}");
    }
    // The rest was not asked of the farm, or the farm could not tell what Lean says of it.
    let metrics = server.get("/metrics").await.text;
    let processes = counted(&metrics, "proofloop_snippets_total");
    assert!(processes < (2 * codes.len()) as f64, "{metrics}");
    assert!(counted(&metrics, "proofloop_verdicts_total") >= 4.0, "{metrics}");
}

/// The sum of a counter over its labels.
fn counted(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
