//! Judges HumanEval and MBPP with their own solutions and prints what is not accepted and what it cost.
//!
//! `cargo run --release -p proofloop-verifiers --example python_speed -- PYTHON_WASM[:STDLIB_ZIP] CACHE_DIR DATA_DIR [wrong]`
#![expect(clippy::print_stdout, reason = "a measuring tool")]

use proofloop_verifiers::candidate::PythonCandidate;
use proofloop_verifiers::python::{CancelFlag, PythonGuest, PythonJudge, PythonLimits};
use proofloop_verifiers::verdict::Judgement;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

const WASM_3_15_SHA256: &str = "d41926055c3f869715202092a1b8d070ff9ffcd2c82d0dd368786e79f2200f9a";

type AnyError = Box<dyn std::error::Error>;

fn text(record: &serde_json::Value, field: &str) -> String {
    record[field].as_str().unwrap_or_default().to_owned()
}

fn humaneval(data: &Path, wrong: bool) -> Result<Vec<(String, PythonCandidate)>, AnyError> {
    let file = std::fs::File::open(data.join("humaneval/HumanEval.jsonl.gz"))?;
    let mut content = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut content)?;
    let mut candidates = Vec::new();
    for line in content.lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        let completion =
            if wrong { "    return None\n".to_owned() } else { text(&record, "canonical_solution") };
        candidates.push((
            text(&record, "task_id"),
            PythonCandidate::HumanEval {
                prompt: text(&record, "prompt"),
                completion,
                test: text(&record, "test"),
                entry_point: text(&record, "entry_point"),
            },
        ));
    }
    Ok(candidates)
}

fn mbpp(data: &Path, wrong: bool) -> Result<Vec<(String, PythonCandidate)>, AnyError> {
    let content = std::fs::read_to_string(data.join("mbpp/mbpp.jsonl"))?;
    let records: Vec<serde_json::Value> =
        content.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut candidates = Vec::new();
    for record in &records {
        let tests: Vec<String> = record["test_list"]
            .as_array()
            .map(|tests| tests.iter().filter_map(|test| test.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        let mut code = text(record, "code");
        if wrong {
            code.push_str("\nclass _Any:\n    __eq__ = __ge__ = __le__ = lambda a, b: True\n    __ne__ = lambda a, b: False\nfor _n, _f in list(globals().items()):\n    if type(_f) is type(lambda: 0):\n        globals()[_n] = lambda *a, **k: _Any()\n");
        }
        let setup = text(record, "test_setup_code");
        candidates.push((record["task_id"].to_string(), PythonCandidate::Asserts { code, setup, tests }));
    }
    Ok(candidates)
}

fn measure(judge: &PythonJudge, name: &str, candidates: &[(String, PythonCandidate)], want: bool) {
    let limits = PythonLimits { wall: Duration::from_secs(60), ..PythonLimits::default() };
    let started = Instant::now();
    let cpu_before = nix_free_cpu();
    let mut cpu_ms = 0;
    let mut as_wanted = 0;
    for (id, candidate) in candidates {
        let Judgement { verdict, messages, usage, .. } = judge.judge(candidate, &limits, &CancelFlag::new());
        cpu_ms += usage.cpu_ms;
        if verdict.is_accepted() == want {
            as_wanted += 1;
        } else {
            println!("{name} {id}: {verdict:?} {:?}", messages.first().map(|message| &message.text));
        }
        if usage.cpu_ms > 200 {
            println!("{name} {id}: {} ms CPU", usage.cpu_ms);
        }
    }
    let cpu = nix_free_cpu() - cpu_before;
    println!(
        "{name}: {as_wanted} of {} as wanted, {:?} wall, {:.3} s process CPU = {:.3} ms each ({cpu_ms} ms summed)",
        candidates.len(),
        started.elapsed(),
        cpu,
        cpu * 1e3 / candidates.len() as f64
    );
}

/// User and system CPU seconds of this process, from /proc (ticks of 10 ms).
fn nix_free_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / 100.0
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, wasm, cache, data, rest @ ..] = arguments.as_slice() else {
        return Err("usage: python_speed PYTHON_WASM CACHE_DIR DATA_DIR [wrong]".into());
    };
    let started = Instant::now();
    let guest = match wasm.split_once(':') {
        Some((wasm, zip)) => PythonGuest::cpython_3_15(Path::new(wasm), WASM_3_15_SHA256, Path::new(zip))?,
        None => PythonGuest::cpython_3_12(Path::new(wasm)),
    };
    let judge = PythonJudge::prepare(&guest, Path::new(cache))?;
    println!("prepared in {:?}: {:?}", started.elapsed(), judge.checker());
    let (data, wrong) = (Path::new(data), !rest.is_empty());
    measure(&judge, "humaneval", &humaneval(data, wrong)?, !wrong);
    measure(&judge, "mbpp", &mbpp(data, wrong)?, !wrong);
    Ok(())
}
