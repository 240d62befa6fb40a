//! `proofloop data`: what a user sees of data sets, with no network and no data but what the tests write.

use super::{Ran, directory, program, write};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

const LEAN: &str = r#"{"name":"NAME","split":"test","informal_prefix":"/-- It holds. -/\n","formal_statement":"theorem NAME (n : Nat) : n + 0 = n := by\n","header":"import Mathlib\n\n"}"#;
const HUMAN: &str = r#"{"task_id":"X/0","prompt":"def one():\n","entry_point":"one","canonical_solution":"    return 1\n","test":"def check(candidate):\n    assert candidate() == 1\n"}"#;

fn named(name: &str) -> String {
    LEAN.replace("NAME", name) + "\n"
}

/// With no data but what is in the folder `data`.
fn data(directory: &Path, arguments: &[&str]) -> Ran {
    let mut command = program(directory, &[&["data"], arguments].concat());
    command.env("PROOFLOOP_DATA", directory.join("data")).env("PROOFLOOP_HOME", directory.join("home"));
    command.output().expect("the program starts").into()
}

#[test]
fn validate_counts_and_says_what_it_could_not_read() {
    let directory = directory();
    fs::create_dir_all(directory.path().join("data/sub")).expect("made");
    let path = |name: &str| format!("data/{name}");
    write(directory.path(), &path("good.jsonl"), named("a") + &named("b"));
    write(directory.path(), &path("bad.jsonl"), named("a") + "{\"name\":1}\n" + &named("b") + &named("b"));
    write(directory.path(), &path("few.jsonl"), named("a"));
    write(directory.path(), &path("samples.jsonl"), "{\"task_id\":\"a\",\"completion\":\"b\"}\n");
    write(
        directory.path(),
        &path("sub/words.json"),
        r#"[{"problem_name":"a","informal_statement":"b","informal_solution":"c","tags":[]}]"#,
    );
    write(directory.path(), &path("LICENSE"), "x");
    write(directory.path(), &path("SOURCE.txt"), "  good.jsonl 1 bytes records=2\nfew.jsonl: 2 problems\n");
    let ran = data(directory.path(), &["validate", "data"]);
    for words in [
        "error: cannot read data/bad.jsonl, line 2: field `formal_statement` is missing\n",
        "data/bad.jsonl: 1 names are used again\n",
        "data/few.jsonl: 1 records, and SOURCE.txt says 2\n",
        "data/samples.jsonl: no reader for it: samples of a model (`task_id`, `completion`), not problems\n",
        "data/sub/words.json: 1 records are no problems: it has words and no formal statement\n",
        "data: passed over, for no problems are in such files: 1 LICENSE\n",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert_eq!(ran.err, "5 files, 6 problems, 2 files are not as they should be\n");
    assert_eq!(ran.code, 1);
    let ran = data(directory.path(), &["validate", "data/good.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, "1 files, 2 problems, 0 files are not as they should be\n"));
    // A file without a reader is a failure only where it was named.
    assert_eq!(data(directory.path(), &["validate", "data/samples.jsonl"]).code, 1);
    assert_eq!(data(directory.path(), &["validate", "data/sub"]).code, 0);
    let ran = data(directory.path(), &["validate", "--json", "data/bad.jsonl"]);
    let row = &ran.results()[0];
    assert_eq!(
        (&row["records"], &row["problems"], &row["broken"], &row["repeated_names"]),
        (&json!(4), &json!(3), &json!(1), &json!(1))
    );
    let ran = data(directory.path(), &["validate", "nowhere"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

#[test]
fn a_data_set_is_pinned_by_its_hash() {
    let directory = directory();
    let list = |arguments: &[&str]| -> Vec<Value> {
        data(directory.path(), &[&["list", "--json"], arguments].concat()).results()
    };
    let state = |rows: &[Value], name: &str| {
        rows.iter().find(|row| row["name"] == name).map(|row| row["state"].clone()).expect("known")
    };
    let rows = list(&[]);
    assert_eq!((state(&rows, "workbook"), state(&rows, "humaneval")), (json!("bundled"), json!("missing")));
    fs::create_dir_all(directory.path().join("data/humaneval")).expect("made");
    write(directory.path(), "data/humaneval/HumanEval.jsonl.gz", HUMAN);
    assert_eq!(state(&list(&[]), "humaneval"), json!("other-hash"));
    let ran = data(directory.path(), &["show", "humaneval"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    for words in [
        "HumanEval.jsonl.gz is not the `humaneval` that is pinned",
        "expected b796127e",
        "hint: --allow-other-hash",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    let ran = data(directory.path(), &["show", "humaneval", "--allow-other-hash", "--json"]);
    assert_eq!((ran.code, ran.results()[0]["name"].clone()), (0, json!("X/0")));
    let ran = data(directory.path(), &["show", "mbpp"]);
    assert!(ran.code == 2 && ran.err.contains("hint: `proofloop data fetch NAME` brings it"), "{}", ran.err);
    let ran = data(directory.path(), &["show", "minif3f"]);
    assert!(
        ran.code == 2 && ran.err.contains("no data set is called `minif3f`; known are workbook, minif2f,"),
        "{}",
        ran.err
    );
    let table = data(directory.path(), &["list"]);
    assert!(table.code == 0 && table.out.contains("train 500, valid 105, test 105"), "{}", table.out);
}

#[test]
fn show_prints_what_is_asked() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named("a") + "{\n" + &named("b"));
    let ran = data(directory.path(), &["show", "a.jsonl", "--name", "b"]);
    assert!(ran.out.contains("\ntheorem b (n : Nat) : n + 0 = n := by\n"), "{}", ran.out);
    assert!(!ran.out.contains("theorem a"), "{}", ran.out);
    // The broken line is told, and costs nothing else.
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot read a.jsonl, line 2: the JSON ends too early"), "{}", ran.err);
    let ran = data(directory.path(), &["show", "workbook", "--split", "valid", "--limit", "2"]);
    assert_eq!((ran.code, ran.out.matches("theorem ").count()), (0, 2), "{}", ran.out);
    assert_eq!(ran.err, "… and 103 more (--limit)\n");
    let ran = data(directory.path(), &["show", "programs", "--only", "pw_clock"]);
    for words in ["\ndef clock(m):\n", "\n# tests\nassert clock(425)", "\n# hidden tests\nassert clock(59)"] {
        assert!(ran.code == 0 && ran.out.contains(words), "{words}: {}", ran.out);
    }
    let ran = data(directory.path(), &["show", "workbook", "--only", "nothing"]);
    assert_eq!((ran.code, ran.err.as_str()), (2, "error: no problem is called `nothing`\n"));
    let ran = data(directory.path(), &["show", "workbook", "--split", "dev2"]);
    assert!(ran.code == 2 && ran.err.contains("splits are train, valid, test and prompt"), "{}", ran.err);
}

#[test]
fn convert_writes_what_fits_and_names_what_does_not() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named("a"));
    let ran = data(directory.path(), &["convert", "a.jsonl", "--to", "problem", "--out", "own.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, "1 problems in own.jsonl\n"));
    let ran = data(directory.path(), &["convert", "own.jsonl", "--to", "lean-jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let (back, first): (Value, Value) =
        (serde_json::from_str(&ran.out).expect("JSON"), serde_json::from_str(&named("a")).expect("JSON"));
    assert_eq!(back, first);
    let own = fs::read_to_string(directory.path().join("own.jsonl")).expect("written");
    write(directory.path(), "h.jsonl", HUMAN);
    let human = data(directory.path(), &["convert", "h.jsonl", "--to", "problem"]).out;
    write(directory.path(), "both.jsonl", own + &human);
    let ran = data(directory.path(), &["convert", "both.jsonl", "--to", "humaneval"]);
    assert_eq!(ran.results(), [serde_json::from_str::<Value>(HUMAN).expect("JSON")]);
    assert_eq!(
        ran.err,
        "error: `a` cannot be written as humaneval: `kind`: it is a problem of another kind (lean)\n"
    );
    assert_eq!(ran.code, 2);
    let ran = data(directory.path(), &["convert", "a.jsonl", "--to", "apps"]);
    assert!(
        ran.code == 2
            && ran
                .err
                .contains("formats that can be written are lean-jsonl, functions, humaneval, mbpp, problem"),
        "{}",
        ran.err
    );
}

#[test]
fn overlap_finds_the_same_statement_under_other_names() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named("a") + &named("other").replace("n + 0 = n", "n * 1 = n"));
    write(directory.path(), "b.jsonl", named("b").replace("(n : Nat) : n + 0 = n", "(k: Nat):k+0 = k"));
    let ran = data(directory.path(), &["overlap", "a.jsonl", "b.jsonl", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(
        ran.results(),
        [json!({
            "how": "equivalent", "shared": null,
            "first": {"dataset": "a.jsonl", "name": "a", "split": "test"},
            "second": {"dataset": "b.jsonl", "name": "b", "split": "test"},
        })]
    );
    assert_eq!(ran.err, "2 problems beside 1: 1 equivalent\n");
    let ran =
        data(directory.path(), &["overlap", "workbook", "a.jsonl", "--n", "0", "--first-split", "test"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert_eq!(ran.err, "105 problems beside 2: no overlap\n");
}

/// Answers one request with a status and a body, and says what was asked.
fn serve(status: &'static str, body: &'static [u8]) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let server = std::thread::Builder::new().spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = [0; 4096];
        let length = stream.read(&mut request).expect("a request");
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).expect("answered");
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        request.lines().next().unwrap_or_default().to_owned()
    });
    (address, server.expect("a thread"))
}

#[test]
fn fetch_keeps_only_the_pinned_file() {
    let directory = directory();
    let file = directory.path().join("data/humaneval/HumanEval.jsonl.gz");
    let (address, server) = serve("200 OK", b"not it");
    let ran = data(directory.path(), &["fetch", "humaneval", "--mirror", &address]);
    let asked = server.join().expect("served");
    assert_eq!(
        asked,
        "GET /openai/human-eval/6d43fb980f9fee3c892a914eda09951f772ad10d/data/HumanEval.jsonl.gz HTTP/1.1"
    );
    assert!(
        ran.code == 3 && ran.err.contains("is not the file that is pinned: its sha256 is"),
        "{}",
        ran.err
    );
    let left: Vec<_> = fs::read_dir(file.parent().expect("a folder")).expect("made").collect();
    assert!(left.is_empty(), "{left:?}");
    let (address, server) = serve("404 Not Found", b"");
    let ran = data(directory.path(), &["fetch", "humaneval", "--mirror", &address]);
    server.join().expect("served");
    assert!(ran.code == 3 && ran.err.contains("answers with status 404"), "{}", ran.err);
    // No hash is pinned, so that any file is taken, and told with its hash.
    let (address, server) = serve("200 OK", b"{}\n");
    let ran = data(directory.path(), &["fetch", "lean-workbook", "--mirror", &address]);
    assert!(
        server
            .join()
            .expect("served")
            .starts_with("GET /datasets/internlm/Lean-Workbook/resolve/main/lean_workbook.json ")
    );
    assert!(ran.code == 0 && ran.err.contains("no hash is pinned: look at what it is"), "{}", ran.err);
    let there = fs::read(directory.path().join("data/lean-workbook/lean_workbook.json")).expect("there");
    assert_eq!(there, b"{}\n");
}

#[test]
fn fetch_without_a_network_says_so() {
    let directory = directory();
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let ran =
        data(directory.path(), &["fetch", "humaneval", "--mirror", &format!("http://127.0.0.1:{port}")]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    for words in
        ["error: cannot fetch `humaneval` to ", "cannot reach http://127.0.0.1", "hint: without a network"]
    {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    let ran = data(directory.path(), &["fetch", "core-lean"]);
    assert!(ran.code == 2 && ran.err.contains("its file was put together from"), "{}", ran.err);
    let ran = data(directory.path(), &["fetch", "workbook"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, "`workbook` is bundled\n"));
}

#[test]
fn help_documents_formats_and_exit_codes() {
    let directory = directory();
    let ran = data(directory.path(), &["--help"]);
    assert_eq!(ran.code, 0);
    for format in proofloop_datasets::Format::ALL {
        assert!(ran.out.contains(format.name()), "{format}: {}", ran.out);
    }
    assert!(ran.out.contains("Exit code: 0"), "{}", ran.out);
}
