//! The command line as a user drives it: what is wrong with an input is said with its place, exit codes are those that
//! `proofloop verify --help` documents, and standard output carries nothing but results.

#![expect(clippy::disallowed_methods, reason = "these tests start the program itself, as a user would")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/data.rs"]
mod data;
#[path = "cli/eval.rs"]
mod eval;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/generate.rs"]
mod generate;
#[path = "cli/grammar.rs"]
mod grammar;
#[path = "cli/isabelle.rs"]
mod isabelle;
#[path = "cli/models.rs"]
mod models;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/setup.rs"]
mod setup;
#[path = "cli/tables.rs"]
mod tables;
#[path = "cli/train.rs"]
mod train;
#[path = "cli/train_faults.rs"]
mod train_faults;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tables::{BAD_ARGUMENTS, BAD_FILES, BAD_RECORDS};

/// A Python record that is right, with `ID` for its name.
const GOOD: &str =
    r#"{"id":"ID","kind":"python","code":"def f(x):\n    return x + 1\n","tests":["assert f(1) == 2"]}"#;
/// The same with a wrong function.
const WRONG: &str =
    r#"{"id":"ID","kind":"python","code":"def f(x):\n    return x + 2\n","tests":["assert f(1) == 2"]}"#;
/// One record of each form of Python.
const THREE_FORMS: &str = r#"{"id":"asserts","kind":"python","code":"def f(x):\n    return x + 1\n","tests":["assert f(1) == 2"]}
{"id":"io","kind":"python","code":"print(int(input()) * 2)","tests":[{"stdin":"4\n","stdout":"8\n"}]}
{"id":"humaneval","kind":"python","prompt":"def g(x):\n","completion":"    return x\n","test":"def check(c):\n    assert c(3) == 3\n","entry_point":"g"}
"#;

/// How the program ended and what it said.
#[derive(Debug)]
struct Ran {
    /// -1 if a signal ended it.
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            err: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }
}

impl Ran {
    fn results(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.results().iter().map(|result| text(result, "id")).collect()
    }

    fn verdicts(&self) -> Vec<String> {
        self.results().iter().map(|result| text(result, "verdict")).collect()
    }
}

fn text(result: &Value, field: &str) -> String {
    result[field].as_str().unwrap_or_else(|| panic!("`{field}` is no text in {result}")).to_owned()
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn write(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(directory.join(name), content).expect(name);
}

fn named(record: &str, id: &str) -> String {
    record.replace("ID", id) + "\n"
}

fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofloop"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command.env_remove("PROOFLOOP_LOG").env_remove("PROOFLOOP_REPL").env("COLUMNS", "100");
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Ran {
    program(directory, arguments).output().expect("the program starts").into()
}

/// `verify` without a cache, results as JSONL.
fn verify(directory: &Path, arguments: &[&str]) -> Ran {
    run(directory, &[&["verify", "--no-cache", "--format", "jsonl"], arguments].concat())
}

/// A home in which nothing is installed, and no toolchain on the PATH.
fn on_a_bare_machine(directory: &Path, arguments: &[&str]) -> Ran {
    let bare = directory.join("bare");
    fs::create_dir_all(&bare).expect("a directory");
    let mut command = program(directory, arguments);
    for variable in ["HOME", "PROOFLOOP_HOME", "XDG_DATA_HOME", "ELAN_HOME", "PATH"] {
        command.env(variable, &bare);
    }
    command.output().expect("the program starts").into()
}

#[test]
fn a_bad_record_is_named_by_file_line_and_field() {
    let directory = directory();
    for (record, complaint) in BAD_RECORDS {
        write(directory.path(), "bad.jsonl", format!("\n  \n{record}\n"));
        let ran = verify(directory.path(), &["bad.jsonl"]);
        assert_eq!(ran.err, format!("error: cannot read bad.jsonl, line 3: {complaint}\n"), "{record}");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{record}");
    }
}

#[test]
fn a_line_that_is_not_utf8_is_named_with_its_byte() {
    let directory = directory();
    write(directory.path(), "latin1.jsonl", [named(GOOD, "a").as_bytes(), b"{\"id\":\"\xe9\"}\n"].concat());
    let ran = verify(directory.path(), &["latin1.jsonl"]);
    assert_eq!(ran.err, "error: cannot read latin1.jsonl, line 2: byte 8 of the line is not UTF-8\n");
    assert_eq!((ran.code, ran.ids()), (2, vec!["a".to_owned()]));
}

#[test]
fn nesting_that_would_exhaust_the_stack_is_refused() {
    let directory = directory();
    write(directory.path(), "deep.jsonl", format!("{{\"id\":{}\n", "[".repeat(1 << 20)));
    let ran = verify(directory.path(), &["deep.jsonl"]);
    assert!(
        ran.err.starts_with("error: cannot read deep.jsonl, line 1: not JSON: recursion limit"),
        "{ran:?}"
    );
    assert_eq!(ran.code, 2);
}

#[test]
fn a_bad_file_is_named() {
    let directory = directory();
    for folder in ["folder", "folder.lean", "folder.py"] {
        fs::create_dir(directory.path().join(folder)).expect(folder);
    }
    for file in ["empty.jsonl", "empty.lean", "empty.py"] {
        write(directory.path(), file, "");
    }
    write(directory.path(), "blank.jsonl", "\n\r\n   \n");
    write(directory.path(), "untested.py", "def f():\n    assert False\n");
    for (argument, complaint) in BAD_FILES {
        let ran = verify(directory.path(), &[argument]);
        assert_eq!(ran.err, format!("error: cannot read {complaint}\n"));
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{argument}");
    }
}

#[test]
fn a_source_file_that_is_not_utf8_is_named() {
    let directory = directory();
    write(directory.path(), "latin1.lean", b"theorem \xe9 : True := trivial\n");
    write(directory.path(), "latin1.py", b"x = '\xe9'\nassert x\n");
    for (file, byte) in [("latin1.lean", 9), ("latin1.py", 6)] {
        let ran = verify(directory.path(), &[file]);
        let complaint = format!("error: cannot read {file}: byte {byte} of the file is not UTF-8\n");
        assert_eq!(ran.err, complaint);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{file}");
    }
}

#[test]
fn a_bad_command_line_is_refused_with_the_argument_named() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named(GOOD, "a"));
    for (arguments, complaint) in BAD_ARGUMENTS {
        let ran = run(directory.path(), arguments);
        assert!(ran.err.contains(complaint), "{arguments:?}: {}", ran.err);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn a_line_of_100_mb_is_passed_over_and_what_follows_is_judged() {
    let directory = directory();
    let file = fs::File::create(directory.path().join("long.jsonl")).expect("a file");
    let mut writer = std::io::BufWriter::new(file);
    writer.write_all(br#"{"id":"long","kind":"python","tests":["assert f()"],"code":""#).expect("written");
    for _mebibyte in 0..100 {
        writer.write_all(&[b'#'; 1 << 20]).expect("written");
    }
    writer.write_all(format!("\"}}\n{}", named(GOOD, "after")).as_bytes()).expect("written");
    writer.into_inner().expect("flushed");
    let ran = verify(directory.path(), &["long.jsonl"]);
    assert_eq!(ran.err, "error: cannot read long.jsonl, line 1: the line is longer than 16777216 bytes\n");
    assert_eq!((ran.code, ran.ids()), (2, vec!["after".to_owned()]));
    assert_eq!(ran.verdicts(), ["accepted"]);
}

#[test]
fn good_lines_among_bad_ones_are_judged_in_input_order() {
    let directory = directory();
    let lines = [named(GOOD, "1"), "{\"id\":\"bad\"\n".to_owned(), named(WRONG, "2"), named(GOOD, "3")];
    write(directory.path(), "first.jsonl", lines.concat());
    write(directory.path(), "second.jsonl", named(WRONG, "4") + "[]\n" + &named(GOOD, "5"));
    let ran = verify(directory.path(), &["first.jsonl", "none.jsonl", "second.jsonl"]);
    insta::assert_snapshot!(ran.err, @r"
    error: cannot read first.jsonl, line 2: the JSON ends too early, at column 11
    error: cannot read none.jsonl: the file cannot be opened: No such file or directory (os error 2)
    error: cannot read second.jsonl, line 2: expected a JSON object, found a list
    ");
    assert_eq!(ran.ids(), ["1", "2", "3", "4", "5"]);
    assert_eq!(ran.verdicts(), ["accepted", "rejected", "accepted", "rejected", "accepted"]);
    assert_eq!(ran.code, 2);
}

#[test]
fn an_id_is_used_once() {
    let directory = directory();
    write(directory.path(), "twice.jsonl", [GOOD, "", WRONG, GOOD].join("\n").replacen("ID", "other", 1));
    let ran = verify(directory.path(), &["twice.jsonl"]);
    let complaint = "error: cannot read twice.jsonl, line 4: the name `ID` was used before, at record 3\n";
    assert_eq!((ran.err.as_str(), ran.code), (complaint, 2));
    assert_eq!(ran.ids(), ["other", "ID"]);
    // A number is the text of it.
    write(directory.path(), "number.jsonl", GOOD.replace("\"ID\"", "7") + "\n" + &named(GOOD, "7"));
    let ran = verify(directory.path(), &["number.jsonl"]);
    assert!(ran.err.contains("number.jsonl, line 2: the name `7` was used before"), "{}", ran.err);
    assert_eq!((ran.code, ran.ids()), (2, vec!["7".to_owned()]));
    // Across files, and for files.
    write(directory.path(), "f.py", "def f():\n    return 1\nassert f() == 1\n");
    let ran = verify(directory.path(), &["f.py", "f.py"]);
    assert_eq!(ran.err, "error: cannot read f.py: the name `f.py` was used before, in f.py\n");
    assert_eq!((ran.code, ran.verdicts()), (2, vec!["accepted".to_owned()]));
    write(directory.path(), "one.jsonl", "\n".to_owned() + &named(GOOD, "same"));
    write(directory.path(), "two.jsonl", named(GOOD, "other") + &named(GOOD, "same"));
    let ran = verify(directory.path(), &["one.jsonl", "two.jsonl"]);
    let complaint =
        "error: cannot read two.jsonl, line 2: the name `same` was used before, in one.jsonl, line 2\n";
    assert_eq!((ran.code, ran.err.as_str(), ran.ids().len()), (2, complaint, 2));
}

#[test]
fn byte_order_mark_and_carriage_returns_are_no_errors() {
    let directory = directory();
    let lines = format!("\u{feff}{GOOD}\r\n\r\n{}", WRONG.replace("ID", "b"));
    write(directory.path(), "windows.jsonl", lines);
    let ran = verify(directory.path(), &["windows.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert_eq!(ran.ids(), ["ID", "b"]);
}

#[test]
fn a_missing_toolchain_is_exit_code_3_with_the_command_that_mends_it() {
    let directory = directory();
    write(directory.path(), "t.lean", "theorem t : True := trivial\n");
    let ran = on_a_bare_machine(directory.path(), &["verify", "--no-cache", "t.lean"]);
    let message = "error: cannot judge Lean: no Lean toolchain was found\n hint: run `proofloop setup`, or put `lean` on the PATH\n";
    assert!(ran.err.starts_with(message), "{}", ran.err);
    assert!(ran.out.starts_with("t.lean: unavailable\n"), "{}", ran.out);
    assert_eq!(ran.code, 3);
}

#[test]
fn a_missing_guest_is_exit_code_3_with_the_command_that_mends_it() {
    let directory = directory();
    write(directory.path(), "a.jsonl", THREE_FORMS);
    for (guest, command) in [("python3.12", "setup"), ("python3.15", "setup --guest python3.15")] {
        let arguments = ["verify", "--no-cache", "--guest", guest, "a.jsonl"];
        let ran = on_a_bare_machine(directory.path(), &arguments);
        assert_eq!((ran.code, ran.out.matches(": unavailable\n").count()), (3, 3));
        let message = "error: cannot judge Python: the Python guest is not installed\n hint: run `proofloop ";
        assert!(ran.err.starts_with(&format!("{message}{command}`\n")), "{}", ran.err);
    }
}

#[test]
fn a_bad_record_is_reported_even_where_nothing_is_installed() {
    let directory = directory();
    write(directory.path(), "bad.jsonl", "{}\n");
    let ran = on_a_bare_machine(directory.path(), &["verify", "--format", "jsonl", "bad.jsonl"]);
    assert_eq!(ran.err, "error: cannot read bad.jsonl, line 1: field `id` is missing\n");
    assert_eq!(ran.code, 2);
}

#[test]
fn a_missing_toolchain_costs_python_nothing() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named(GOOD, "p") + r#"{"id":"l","kind":"lean","code":"example"}"#);
    write(directory.path(), "lakefile.toml", "name = \"p\"\n");
    let arguments = ["verify", "--no-cache", "--format", "jsonl", "--project", ".", "a.jsonl"];
    let mut command = program(directory.path(), &arguments);
    // No `lake` anywhere, but the home with the Python guest.
    command.env("PROOFLOOP_HOME", proofloop_verifiers::install::home());
    command.env("PATH", directory.path()).env("HOME", directory.path());
    let ran = Ran::from(command.output().expect("the program starts"));
    assert_eq!((ran.code, ran.ids().first().map(String::as_str)), (3, Some("p")), "{}", ran.err);
}

#[test]
fn a_project_without_a_lakefile_is_named() {
    let directory = directory();
    fs::create_dir(directory.path().join("plain")).expect("a directory");
    write(directory.path(), "t.lean", "theorem t : True := trivial\n");
    for project in ["plain", "plain/none"] {
        let ran = verify(directory.path(), &["--project", project, "t.lean"]);
        assert!(ran.err.contains(&format!("`{project}` is not a Lake project")), "{}", ran.err);
        assert!(ran.err.contains("\n hint: give the directory that holds the lakefile"), "{}", ran.err);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{project}");
    }
}

#[test]
fn a_cache_that_is_a_file_is_named() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named(GOOD, "a"));
    for cache in ["a.jsonl", "a.jsonl/below/it"] {
        let ran = run(directory.path(), &["verify", "--cache", cache, "a.jsonl"]);
        let complaint = "error: the cache can't be kept in `a.jsonl`: it is not a directory\n";
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (2, "", complaint));
    }
    let kept = fs::read_to_string(directory.path().join("a.jsonl")).expect("still there");
    assert_eq!(kept, named(GOOD, "a"));
}

#[test]
fn the_three_forms_of_python_are_accepted() {
    let directory = directory();
    write(directory.path(), "a.jsonl", THREE_FORMS);
    let ran = run(directory.path(), &["verify", "--no-cache", "a.jsonl"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let expected = " 3  accepted  tested \n3 judged, 0 from the cache, in ";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
    let ran = verify(directory.path(), &["--kind", "lean", "a.jsonl"]);
    assert_eq!((ran.code, ran.ids().len()), (0, 3), "a record's own kind wins: {}", ran.err);
}

#[test]
fn people_see_the_first_error_of_each_failure_and_a_table() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named(GOOD, "good") + &named(WRONG, "wrong"));
    let ran = run(directory.path(), &["verify", "--no-cache", "a.jsonl"]);
    insta::assert_snapshot!(ran.out, @r"
    wrong: rejected (wrong-answer)
        a test failed
        in the test: assert f(1) == 2
        last call: f(1) returned 3
    ");
    assert_eq!(ran.code, 1);
    let table = " 1  accepted  tested       \n 1  rejected  wrong-answer \n2 judged, 0 from the cache, in ";
    assert!(ran.err.starts_with(table), "{}", ran.err);
}

#[test]
fn a_python_file_is_tested_by_its_own_asserts() {
    let directory = directory();
    write(directory.path(), "right.py", "def f(x):\n    return x\n\nassert f(1) == 1\n");
    write(directory.path(), "wrong.py", "def f(x):\n    return x\n\nassert f(1) == 2\n");
    let ran = verify(directory.path(), &["right.py"]);
    assert_eq!((ran.code, ran.ids(), ran.verdicts()), (0, vec!["right.py".into()], vec!["accepted".into()]));
    let ran = verify(directory.path(), &["right.py", "wrong.py"]);
    assert_eq!((ran.code, ran.verdicts()), (1, vec!["accepted".to_owned(), "rejected".to_owned()]));
}

#[test]
fn a_python_file_of_plain_values_is_tested_and_one_that_tests_nothing_is_not_accepted() {
    let directory = directory();
    write(directory.path(), "value.py", "x = 1\nassert x\nassert x == 1\n");
    write(directory.path(), "wrong.py", "x = 1\nassert x == 2\n");
    write(directory.path(), "vacuous.py", "x = 1\nassert 1 == 1\n");
    let ran = verify(directory.path(), &["value.py", "wrong.py", "vacuous.py"]);
    assert_eq!(
        (ran.code, ran.verdicts().join(" ").as_str()),
        (1, "accepted rejected rejected"),
        "{}",
        ran.err
    );
    let reasons: Vec<Value> = ran.results().iter().map(|result| result["reason"].clone()).collect();
    assert_eq!(reasons, [Value::Null, "wrong-answer".into(), "vacuous-test".into()]);
}

#[test]
fn standard_input_is_read_like_a_file() {
    let directory = directory();
    let records = named(GOOD, "a").replace("\"kind\":\"python\",", "") + "{}\n";
    let mut command = program(directory.path(), &["verify", "--no-cache", "--format", "jsonl"]);
    command.args(["--kind", "python", "-"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(records.as_bytes()).expect("written");
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    assert_eq!(ran.err, "error: cannot read <stdin>, line 2: field `id` is missing\n");
    assert_eq!((ran.code, ran.verdicts()), (2, vec!["accepted".to_owned()]));
}

#[test]
fn a_result_has_every_documented_field() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named(GOOD, "good") + &named(WRONG, "wrong"));
    let ran = verify(directory.path(), &["a.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    for result in ran.results() {
        let reason = result.get("reason").and_then(Value::as_str);
        assert_eq!(reason, (text(&result, "id") == "wrong").then_some("wrong-answer"));
        let assurance = result["assurance"].as_str();
        assert_eq!(assurance, reason.is_none().then_some("tested"));
        let mut fields = names(&result);
        fields.retain(|name| name != "reason");
        assert_eq!(
            fields,
            ["assurance", "cached", "checker", "id", "messages", "protection", "usage", "verdict"]
        );
        assert_eq!(names(&result["usage"]), ["cpu_ms", "peak_memory_bytes", "wall_ms"]);
        assert!(result["usage"].as_object().expect("an object").values().all(Value::is_u64), "{result}");
        assert_eq!(names(&result["checker"]), ["name", "toolchain", "version"]);
        assert!(text(&result["checker"], "toolchain").contains("cpython"), "{result}");
        let layers = result["protection"].as_array().expect("a list");
        assert!(layers.contains(&"no-network".into()) && layers.contains(&"wasm".into()), "{result}");
        assert_eq!(result["cached"], false);
        assert_eq!(result["messages"].as_array().expect("a list").is_empty(), reason.is_none());
    }
}

#[test]
fn the_second_run_is_answered_by_the_cache() {
    let directory = directory();
    write(directory.path(), "a.jsonl", named(GOOD, "good") + &named(WRONG, "wrong"));
    let arguments = ["verify", "--format", "jsonl", "--cache", "new/cache", "a.jsonl"];
    let first = run(directory.path(), &arguments);
    let second = run(directory.path(), &arguments);
    assert_eq!((first.code, second.code), (1, 1), "{first:?} {second:?}");
    assert!(first.results().iter().all(|result| result["cached"] == false), "{}", first.out);
    assert!(second.results().iter().all(|result| result["cached"] == true), "{}", second.out);
    let without = |ran: &Ran| ran.out.replace("\"cached\":true", "\"cached\":false");
    assert_eq!(without(&first), without(&second));
    // The verdict belongs to the content: another name finds it, another content does not.
    write(
        directory.path(),
        "a.jsonl",
        named(GOOD, "renamed") + &named(&GOOD.replace("f(1)", "f( 1)"), "new"),
    );
    let third = run(directory.path(), &arguments).results();
    assert_eq!((&third[0]["cached"], &third[1]["cached"]), (&true.into(), &false.into()));
    // `--no-cache` does not look.
    assert!(verify(directory.path(), &["a.jsonl"]).results().iter().all(|result| result["cached"] == false));
}

#[test]
fn identical_candidates_are_judged_once() {
    let directory = directory();
    // Long enough that two measurements of it differ.
    let slow = r#"{"id":"ID","kind":"python","code":"def f():\n    return sum(range(2000000))\n","tests":["assert f() == 1999999000000"]}"#;
    let records: String = (0..20).map(|number| named(slow, &format!("copy {number}"))).collect();
    write(directory.path(), "a.jsonl", records);
    let ran = run(directory.path(), &["verify", "--format", "jsonl", "--cache", "cache", "a.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let results = ran.results();
    assert_eq!(results.len(), 20);
    assert!(results.iter().all(|result| result["usage"] == results[0]["usage"]), "{}", ran.out);
}

/// Waits for the first result, then signals, while the second candidate would run for a minute.
fn signalled(signal: &str) {
    let directory = directory();
    let endless = r#"{"id":"endless","kind":"python","code":"while True: pass","tests":["assert 1"]}"#;
    write(directory.path(), "a.jsonl", named(GOOD, "quick") + endless);
    let mut command = program(directory.path(), &["verify", "--no-cache", "--format", "jsonl", "a.jsonl"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
    let first = out.next().expect("a line").expect("UTF-8");
    assert!(first.contains("\"quick\""), "{first}");
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    let rest: Vec<Value> =
        out.map(|line| serde_json::from_str(&line.expect("UTF-8")).expect("JSON")).collect();
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert_eq!(rest.len(), 1);
    assert_eq!((text(&rest[0], "id"), text(&rest[0], "verdict")), ("endless".into(), "cancelled".into()));
}

#[test]
fn an_interrupt_is_exit_code_130_and_no_verdict() {
    signalled("INT");
    signalled("TERM");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let directory = directory();
    let records: String = (0..300).map(|number| named(GOOD, &number.to_string())).collect();
    write(directory.path(), "a.jsonl", records);
    let mut command = program(directory.path(), &["verify", "--no-cache", "--format", "jsonl", "a.jsonl"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    assert!(first.starts_with("{\"id\":\"0\","), "{first}");
    // Quiet, but 0 would say that all were accepted.
    assert_eq!((ran.code, ran.err.as_str()), (141, ""));
}

#[test]
fn a_reader_that_is_gone_ends_the_reading_of_an_endless_input() {
    let directory = directory();
    let mut command = program(directory.path(), &["verify", "--no-cache", "--format", "jsonl", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(named(WRONG, "a").as_bytes()).expect("written");
    // Never closed, and nothing more comes.
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    drop(stdin);
    assert_eq!((ran.code, ran.err.as_str()), (141, ""));
}

#[test]
fn help_that_nobody_reads_is_no_usage_error() {
    let directory = directory();
    let mut command = program(directory.path(), &["--help"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().expect("ended"));
    assert!(matches!(ran.code, 0 | 141), "{ran:?}");
    assert_eq!(ran.err, "");
}

#[test]
fn doctor_says_what_is_missing_and_how_to_mend_it() {
    let directory = directory();
    let ran = on_a_bare_machine(directory.path(), &["doctor"]);
    assert_eq!((ran.code, ran.err.as_str()), (3, ""));
    for words in ["no Lean toolchain was found", "the Python guest is not installed", "proofloop setup"] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert_eq!(ran.out.matches("MISSING").count().min(2), 2, "{}", ran.out);
    // Once for each of the two.
    assert_eq!(ran.out.matches("proofloop setup").count(), 2, "{}", ran.out);
}

#[test]
fn real_lean_doctor_reports_the_same_in_both_formats() {
    let directory = directory();
    let ran = run(directory.path(), &["doctor", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    let layers = report["protection"].as_array().expect("a list");
    assert!(layers.len() > 10, "{report}");
    let whole = report["lean"]["found"] == true
        && report["python"]["found"] == true
        && layers.iter().all(|layer| layer["enforced"] == true);
    assert_eq!(ran.code, if whole { 0 } else { 3 }, "{report}");
    let table = run(directory.path(), &["doctor"]);
    assert_eq!(table.code, ran.code);
    assert_eq!(table.out.contains("MISSING"), !whole, "{}", table.out);
    for layer in layers {
        assert!(table.out.contains(&text(layer, "layer")), "{layer}: {}", table.out);
    }
}

#[test]
fn help_documents_the_interface() {
    let directory = directory();
    let ran = run(directory.path(), &["--help"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for command in ["setup", "doctor", "verify", "train", "generate", "data", "bench"] {
        assert!(ran.out.contains(&format!("\n  {command} ")), "{command}: {}", ran.out);
    }
    let ran = run(directory.path(), &["verify", "--help"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for option in [
        "--kind",
        "--project",
        "--mode",
        "--jobs",
        "--timeout",
        "--memory",
        "--format",
        "--cache",
        "--no-cache",
    ] {
        assert!(ran.out.contains(&format!("      {option}")), "{option}: {}", ran.out);
    }
    assert!(ran.out.contains("Exit code: 0 all accepted"), "{}", ran.out);
    let ran = run(directory.path(), &["--version"]);
    assert_eq!((ran.code, ran.out), (0, concat!("proofloop ", env!("CARGO_PKG_VERSION"), "\n").to_owned()));
}
