//! `proofloop eval` and `compare` as a user drives them.

#![expect(clippy::print_stdout, reason = "a skipped test says why, and a measurement is worth seeing")]

use super::models::tiny;
use super::{Ran, directory, program, run, write};
use proofloop_datasets::store::{EvaluationStore, KeptSample, StoreError};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Two tasks in human-eval's form.
fn tasks() -> String {
    let task = |number: u32| {
        json!({
            "task_id": format!("Own/{number}"),
            "prompt": format!("def add_{number}(x):\n"),
            "entry_point": format!("add_{number}"),
            "canonical_solution": format!("    return x + {number}\n"),
            "test": format!("def check(candidate):\n    assert candidate(1) == {}\n", 1 + number),
        })
    };
    format!("{}\n{}\n", task(1), task(2))
}

fn sample(task: &str, completion: &str) -> String {
    format!("{}\n", json!({ "task_id": task, "completion": completion }))
}

fn data(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

fn results(directory: &Path, run: &str) -> Value {
    let text = fs::read_to_string(directory.join(run).join("results.json")).expect("results.json");
    serde_json::from_str(&text).expect("JSON")
}

/// `pass@k` of a run, by its place in `results.json`.
fn pass(directory: &Path, run: &str, k: u32) -> Option<f64> {
    let results = results(directory, run);
    let tasks = results["results"].as_object().expect("tasks");
    tasks.values().next().expect("a task")[&format!("pass@{k},none")].as_f64()
}

fn samples(directory: &Path, run: &str) -> Vec<Value> {
    let text = fs::read_to_string(directory.join(run).join("samples.jsonl")).expect("samples.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn samples_of_a_file_are_judged_and_a_bad_line_costs_only_itself() {
    let directory = directory();
    write(directory.path(), "tasks.jsonl", tasks());
    let lines = [
        sample("Own/1", "    return x + 1\n"),
        "not JSON\n".to_owned(),
        sample("Own/1", "    return x\n"),
        sample("Other/7", "    return x\n"),
        sample("own/2", "    return 3\n"),
        format!("{}\n", json!({ "task_id": "Own/2", "solution": "def add_2(x):\n    return x + 3\n" })),
        format!("{}\n", json!({ "task_id": "Own/2" })),
    ];
    write(directory.path(), "samples.jsonl", lines.concat());
    let arguments =
        ["eval", "--dataset", "tasks.jsonl", "--samples-from", "samples.jsonl", "--run", "r", "--k", "1,2,3"];
    let ran = run(directory.path(), &arguments);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("error: cannot read samples.jsonl, line 2: not JSON"), "{}", ran.err);
    assert!(ran.err.contains("line 7: field `completion` is missing"), "{}", ran.err);
    assert!(ran.err.contains("1 records are of problems that are not evaluated here"), "{}", ran.err);
    assert!(ran.out.contains("4 samples of 2 problems: 2 accepted"), "{}", ran.out);
    assert!(ran.out.contains("no estimate for k = 3"), "{}", ran.out);
    assert_eq!((pass(directory.path(), "r", 1), pass(directory.path(), "r", 2)), (Some(0.5), Some(1.0)));
    assert_eq!(pass(directory.path(), "r", 3), None);
    let told: Vec<(String, bool)> = samples(directory.path(), "r")
        .iter()
        .map(|line| {
            let result = line["result"].as_str().expect("a result");
            (result.split(':').next().unwrap_or_default().to_owned(), line["passed"] == json!(true))
        })
        .collect();
    let expected = [("passed", true), ("failed", false), ("passed", true), ("failed", false)];
    assert_eq!(told, expected.map(|(result, passed)| (result.to_owned(), passed)));
    // Again: nothing is left to do, and the exit code still says that lines were bad.
    let again = run(directory.path(), &arguments);
    assert_eq!((again.code, &again.out), (2, &ran.out), "{again:?}");
    let page = fs::read_to_string(directory.path().join("r/report.html")).expect("a page");
    assert!(page.contains("Own&#x2f;1") && page.contains("samples.jsonl"), "{page}");
}

#[test]
fn what_cannot_be_evaluated_is_an_input_error() {
    let directory = directory();
    write(directory.path(), "tasks.jsonl", tasks());
    write(directory.path(), "empty.jsonl", "");
    write(directory.path(), "samples.jsonl", sample("Own/1", "    return x + 1\n"));
    fs::create_dir(directory.path().join("taken")).expect("a folder");
    write(directory.path(), "taken/notes.txt", "mine");
    let eval = |arguments: &[&str]| run(directory.path(), &[&["eval"], arguments].concat());
    for (arguments, complaint) in [
        (&["--dataset", "tasks.jsonl", "--run", "a"][..], "--model <DIR>"),
        (&["--dataset", "missing.jsonl", "--samples-from", "samples.jsonl", "--run", "a"], "missing.jsonl"),
        (&["--dataset", "tasks.jsonl", "--samples-from", "missing.jsonl", "--run", "a"], "missing.jsonl"),
        (&["--dataset", "tasks.jsonl", "--samples-from", "empty.jsonl", "--run", "b"], "holds no record"),
        (
            &["--dataset", "tasks.jsonl", "--samples-from", "samples.jsonl", "--run", "taken"],
            "holds `notes.txt`",
        ),
        (
            &[
                "--dataset",
                "tasks.jsonl",
                "--samples-from",
                "samples.jsonl",
                "--run",
                "c",
                "--prompts",
                "no-such",
            ],
            "cannot use the prompts `no-such`",
        ),
        (&["--dataset", "tasks.jsonl", "--model", "nowhere", "--run", "d"], "cannot use the model `nowhere`"),
    ] {
        let ran = eval(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(complaint), "{arguments:?}: {}", ran.err);
    }
    assert_eq!(fs::read_to_string(directory.path().join("taken/notes.txt")).expect("it is there"), "mine");
}

#[test]
fn the_folder_of_another_evaluation_is_refused() {
    let directory = directory();
    write(directory.path(), "tasks.jsonl", tasks());
    write(directory.path(), "a.jsonl", sample("Own/1", "    return x + 1\n"));
    write(directory.path(), "b.jsonl", sample("Own/1", "    return x + 2\n"));
    let eval = |file: &str| {
        run(directory.path(), &["eval", "--dataset", "tasks.jsonl", "--samples-from", file, "--run", "r"])
    };
    // One of the two tasks has no sample: all that the file has is judged, and pass@1 is not estimated.
    let first = eval("a.jsonl");
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.out.contains("no estimate for k = 1: 1 problems have no sample"), "{}", first.out);
    let other = eval("b.jsonl");
    assert_eq!(other.code, 2, "{other:?}");
    assert!(other.err.contains("holds another run: `source.file.hash` is"), "{}", other.err);
}

/// Tasks in EvalPlus's form.
const PLUS: &str = r#"{"task_id":"HumanEval/900","prompt":"def half(x):\n","contract":"","canonical_solution":"    return x / 2\n","entry_point":"half","base_input":[[1],[3]],"atol":0,"plus_input":[[10],[-7]]}
{"task_id":"Mbpp/901","prompt":"\"\"\"Reverse a list.\"\"\"\n","contract":"","canonical_solution":"\ndef back(xs):\n    return xs[::-1]\n","entry_point":"back","base_input":[[[1,2]]],"atol":null,"plus_input":[[["a","é\n\"b\""]],[[]]]}
"#;
/// And in APPS's: standard input, and a method of a class.
const APPS: &str = r#"{"problem_id":0,"question":"Add two numbers.","solutions":"[\"print(sum(map(int, input().split())))\"]","input_output":"{\"inputs\": [\"1 2\\n\", \"4 5\\n\"], \"outputs\": [\"3\\n\", \"9\\n\"]}","difficulty":"introductory","url":"","starter_code":""}
{"problem_id":1,"question":"Double.","solutions":"[\"class Solution:\\n    def twice(self, x):\\n        return 2 * x\"]","input_output":"{\"fn_name\": \"twice\", \"inputs\": [[2], [5]], \"outputs\": [[4], [10]]}","difficulty":"introductory","url":"","starter_code":"class Solution:\n    def twice(self, x):\n"}
"#;

/// Which samples of each task pass, in the order of the file.
fn passed(directory: &Path, tasks: &str, samples: &[(&str, &str, &str)]) -> Vec<bool> {
    write(directory, "tasks.jsonl", tasks);
    let line = |(task, field, text): &(&str, &str, &str)| {
        format!("{}\n", json!({ "task_id": task, (*field): text }))
    };
    write(directory, "samples.jsonl", samples.iter().map(line).collect::<String>());
    let ran = run(
        directory,
        &["eval", "--dataset", "tasks.jsonl", "--samples-from", "samples.jsonl", "--run", "r", "--no-cache"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    self::samples(directory, "r").iter().map(|line| line["passed"] == json!(true)).collect()
}

#[test]
fn tasks_whose_answer_a_program_knows_are_judged_by_its_results() {
    let directory = directory();
    let samples = [
        ("HumanEval/900", "completion", "    return x * 0.5\n"),
        ("HumanEval/900", "completion", "    return x // 2\n"),
        // Floats may differ by a little; by the sign of one of the added inputs they may not.
        ("HumanEval/900", "completion", "    return x / 2 + 1e-9\n"),
        ("HumanEval/900", "completion", "    return abs(x) / 2\n"),
        // Its argument is its own.
        ("Mbpp/901", "solution", "def back(xs):\n    xs.reverse()\n    return xs\n"),
        ("Mbpp/901", "solution", "def back(xs):\n    return xs\n"),
        ("Mbpp/901", "solution", "def back(xs):\n    return tuple(xs[::-1])\n"),
    ];
    let expected = [true, false, true, false, true, false, false];
    assert_eq!(passed(directory.path(), PLUS, &samples), expected);
}

#[test]
fn tasks_with_examples_are_judged_by_every_example() {
    let directory = directory();
    let samples = [
        ("APPS/0", "solution", "a, b = map(int, input().split())\nprint(a + b)\n"),
        ("APPS/0", "solution", "print(3)\n"),
        ("APPS/1", "solution", "class Solution:\n    def twice(self, x):\n        return x + x\n"),
        ("APPS/1", "solution", "def twice(x):\n    return x * 2\n"),
        ("1", "solution", "class Solution:\n    def twice(self, x):\n        return x + 2\n"),
    ];
    assert_eq!(passed(directory.path(), APPS, &samples), [true, false, true, true, false]);
}

#[test]
fn human_eval_s_own_example_gives_one_half() {
    let (Some(tasks), Some(samples)) =
        (data("humaneval/example_problem.jsonl"), data("humaneval/example_samples.jsonl"))
    else {
        return;
    };
    let directory = directory();
    let path = |path: &Path| path.display().to_string();
    let ran = run(
        directory.path(),
        // One of the samples sleeps for ten seconds, which is too long.
        &["eval", "--dataset", &path(&tasks), "--samples-from", &path(&samples), "--run", "r"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(pass(directory.path(), "r", 1), Some(0.5), "{}", ran.out);
}

/// Must show 4 of the issue that asked for this: all 164 in the wasm guest, right and empty.
#[test]
fn humaneval_s_canonical_solutions_all_pass_and_pass_never_does() {
    let Some(file) = data("humaneval/HumanEval.jsonl.gz") else { return };
    let directory = directory();
    let mut text = String::new();
    let mut reader = flate2::read::GzDecoder::new(fs::File::open(&file).expect("opens"));
    reader.read_to_string(&mut text).expect("reads");
    let (mut right, mut empty) = (String::new(), String::new());
    for line in text.lines() {
        let task: Value = serde_json::from_str(line).expect("JSON");
        let name = task["task_id"].as_str().expect("a name");
        right.push_str(&sample(name, task["canonical_solution"].as_str().expect("a solution")));
        empty.push_str(&sample(name, "    pass\n"));
    }
    write(directory.path(), "right.jsonl", right);
    write(directory.path(), "empty.jsonl", empty);
    let file = file.display().to_string();
    for (samples, expected) in [("right", 1.0), ("empty", 0.0)] {
        let from = format!("{samples}.jsonl");
        let started = Instant::now();
        let arguments = [
            "eval",
            "--dataset",
            &file,
            "--samples-from",
            &from,
            "--run",
            samples,
            "--no-cache",
            "--memory",
            "1GiB",
            // Some of them compute for a second in the guest, and the machine may be busy.
            "--timeout",
            "60s",
        ];
        let ran = run(directory.path(), &arguments);
        println!("{samples}: {:.1} s", started.elapsed().as_secs_f64());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(pass(directory.path(), samples, 1), Some(expected), "{}", ran.out);
    }
    let ran = run(directory.path(), &["compare", "empty", "right", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let compared: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&compared["paired"], &compared["solved"]["only_after"]), (&json!(164), &json!(164)));
}

/// Short statements, for a model with a short context.
fn statements(count: u32) -> String {
    let line = |n: u32| {
        let statement = format!("theorem t{n} : {n} = {n} := by");
        format!("{}\n", json!({ "name": format!("t{n}"), "split": "test", "formal_statement": statement }))
    };
    (0..count).map(line).collect()
}

/// `proofloop eval` of a tiny model, judged by the REPL of `verifiers/tests/fake_repl`.
fn sampling(directory: &Path, run: &str, samples: &str) -> Command {
    let arguments = [
        &["eval", "--dataset", "statements.jsonl", "--model", "tiny", "--run", run, "--samples", samples][..],
        &["--max-tokens", "12", "--mode", "repl", "--memory", "256MiB", "--no-cache"],
    ];
    let mut command = program(directory, &arguments.concat());
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/tests/fake_repl/fake_repl.py");
    command.env("PROOFLOOP_REPL", fake);
    command
}

fn ran(mut command: Command) -> Ran {
    command.output().expect("the program starts").into()
}

/// Every sample with its verdict, without what a clock said.
fn dump(directory: &Path, run: &str) -> Vec<String> {
    let store =
        EvaluationStore::open_read_only(&directory.join(run).join("evaluation.sqlite")).expect("a store");
    let mut lines = Vec::new();
    store
        .each_sample(|sample: KeptSample| {
            let verdict = sample.verdict.map(|record| (record.verdict, record.reason, record.message));
            lines.push(format!("{} {} {:?} {verdict:?}", sample.problem, sample.sample, sample.completion));
            Ok::<(), StoreError>(())
        })
        .expect("reads");
    lines
}

#[test]
fn an_evaluation_that_is_killed_again_and_again_ends_as_one_that_is_not() {
    let directory = directory();
    tiny(&directory.path().join("tiny"));
    write(directory.path(), "statements.jsonl", statements(40));
    let whole = ran(sampling(directory.path(), "whole", "6"));
    assert_eq!(whole.code, 0, "{whole:?}");
    let mut kills = 0;
    for round in 0..12_u64 {
        let mut child = sampling(directory.path(), "killed", "6")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Moments spread over a run, wherever the machine is in it.
        std::thread::sleep(Duration::from_millis(40 + 97 * round));
        kills += u32::from(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("waited for");
    }
    assert!(kills >= 3, "only {kills} kills came in time");
    let ended = ran(sampling(directory.path(), "killed", "6"));
    assert_eq!((ended.code, &ended.out), (0, &whole.out), "{ended:?}");
    assert_eq!(dump(directory.path(), "killed"), dump(directory.path(), "whole"));
    assert_eq!(dump(directory.path(), "whole").len(), 240);
}

#[test]
fn more_samples_change_none_of_the_first_ones() {
    let directory = directory();
    tiny(&directory.path().join("tiny"));
    write(directory.path(), "statements.jsonl", statements(3));
    assert_eq!(ran(sampling(directory.path(), "r", "2")).code, 0);
    let two = dump(directory.path(), "r");
    assert_eq!(ran(sampling(directory.path(), "r", "5")).code, 0);
    let five = dump(directory.path(), "r");
    assert_eq!((two.len(), five.len()), (6, 15));
    assert!(two.iter().all(|line| five.contains(line)), "{two:#?}\n{five:#?}");
    assert_eq!(ran(sampling(directory.path(), "other", "5")).code, 0);
    assert_eq!(dump(directory.path(), "other"), five);
}

#[test]
fn what_could_not_be_judged_is_not_counted_as_failed() {
    let directory = directory();
    tiny(&directory.path().join("tiny"));
    write(directory.path(), "statements.jsonl", statements(2));
    let mut broken = sampling(directory.path(), "r", "3");
    broken.env("PROOFLOOP_REPL", "/bin/false");
    let incomplete = ran(broken);
    assert_eq!(incomplete.code, 3, "{incomplete:?}");
    assert!(incomplete.err.contains("the evaluation is incomplete"), "{}", incomplete.err);
    assert_eq!(pass(directory.path(), "r", 1), None, "{}", incomplete.out);
    assert!(samples(directory.path(), "r").iter().all(|line| line["passed"].is_null()));
    let page = fs::read_to_string(directory.path().join("r/report.html")).expect("a page");
    assert!(page.contains("This evaluation is incomplete"), "{page}");
    let complete = ran(sampling(directory.path(), "r", "3"));
    assert_eq!(complete.code, 0, "{complete:?}");
    assert!(pass(directory.path(), "r", 1).is_some());
    assert!(samples(directory.path(), "r").iter().all(|line| line["passed"].is_boolean()));
}

#[test]
fn two_evaluations_are_compared_problem_by_problem() {
    let directory = directory();
    write(directory.path(), "tasks.jsonl", tasks());
    let good = [sample("Own/1", "    return x + 1\n"), sample("Own/2", "    return 0\n")].concat();
    let better = [sample("Own/1", "    return x + 1\n"), sample("Own/2", "    return x + 2\n")].concat();
    for (name, text) in [("good", good), ("better", better)] {
        write(directory.path(), &format!("{name}.jsonl"), text);
        let from = format!("{name}.jsonl");
        let arguments = ["eval", "--dataset", "tasks.jsonl", "--samples-from", &from, "--run", name];
        assert_eq!(run(directory.path(), &arguments).code, 0);
    }
    let ran = run(directory.path(), &["compare", "good", "better"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("+50.0") && ran.out.contains("gained: Own/2"), "{}", ran.out);
    let none = run(directory.path(), &["compare", "good", "missing"]);
    assert_eq!((none.code, none.out.as_str()), (2, ""), "{}", none.err);
}

/// Lines of few different samples: what is measured is the file, not the judging.
#[test]
fn a_large_file_of_samples_takes_little_memory() {
    const LINES: u32 = 200_000;
    const MOST_BYTES: i64 = 500 << 20;
    let directory = directory();
    write(directory.path(), "tasks.jsonl", tasks());
    let file = fs::File::create(directory.path().join("samples.jsonl")).expect("a file");
    let mut file = std::io::BufWriter::new(file);
    for line in 0..LINES {
        let task = format!("Own/{}", line % 2 + 1);
        let padding = "# a comment that makes the line as long as those of real models\n".repeat(8);
        let text = sample(&task, &format!("    return x + {}\n{padding}", line % 7));
        file.write_all(text.as_bytes()).expect("writes");
    }
    file.flush().expect("writes");
    let started = Instant::now();
    let arguments =
        ["eval", "--dataset", "tasks.jsonl", "--samples-from", "samples.jsonl", "--run", "r", "--no-cache"];
    let ran = run(directory.path(), &arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains(&format!("{LINES} samples of 2 problems")), "{}", ran.out);
    let most = largest_child_bytes();
    println!("{LINES} lines: {:.1} s, {} MiB", started.elapsed().as_secs_f64(), most >> 20);
    assert!(most < MOST_BYTES, "{} MiB", most >> 20);
}

/// The most memory that any child of this process has had resident (Linux tells KiB).
fn largest_child_bytes() -> i64 {
    // SAFETY: a plain struct of numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live struct of the type that the call fills in.
    let done = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    assert_eq!(done, 0, "getrusage");
    usage.ru_maxrss << 10
}
