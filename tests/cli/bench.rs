//! `proofloop bench train` and `bench generate`: what they print, and that both sides compute the same.

use super::{directory, run};
use serde_json::Value;
use std::path::Path;

/// A Python with torch and transformers; the tests that need one say when there is none.
const PYTHON: &str = "PROOFLOOP_TORCH_PYTHON";
/// As small as it can be.
const SMALL_GENERATION: [&str; 6] = ["--samples", "1,3", "--length", "5", "--repetitions", "1"];
/// The same for training.
const SMALL: [&str; 8] = ["--batch", "2", "--length", "8", "--vocab", "16", "--steps", "1"];

/// Figures, and the spaces in front of them, are replaced by `#`.
fn without_figures(text: &str) -> String {
    let figures = |line: &str| {
        let (name, rest) = line.split_at(line.find("  ").unwrap_or(line.len()));
        let words = rest.split_whitespace();
        let words = words.map(|word| if word.parse::<f64>().is_ok() { "#" } else { word });
        format!("{name} {}\n", words.collect::<Vec<_>>().join(" "))
    };
    let line = |line: &str| {
        let of_a_side = line.split("  ").any(|part| part.starts_with("proofloop"));
        if of_a_side { figures(line.trim_start()) } else { format!("{line}\n") }
    };
    text.lines().map(line).collect()
}

#[test]
fn bench_train_prints_ours_and_says_how_to_get_the_other_column() {
    let directory = directory();
    let ran = run(directory.path(), &[&["bench", "train"], SMALL.as_slice()].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(without_figures(&ran.out), @r"
    model    qwen3 shape, 6 layers of width 256, vocabulary 16, 4726784 parameters, f32, random (seed 1)
    training all weights, AdamW, 2 rows of 8 tokens, 1 thread(s), 1 step(s) after 2
                                                 tokens per CPU s  tokens per s (clock)
                                                   best    median      best    median
    proofloop 0.1.0 # # # # peak # MiB
    PyTorch: not measured; for that give --python PATH/TO/python with `pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2`
    ");
}

#[test]
fn bench_train_of_adapters_as_json() {
    let directory = directory();
    let arguments = ["--lora", "2", "--threads", "2", "--family", "llama", "--json"];
    let ran = run(directory.path(), &[&["bench", "train"], SMALL.as_slice(), &arguments].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let results: Value = serde_json::from_str(&ran.out).expect("JSON");
    let losses = results["ours"]["losses"].as_array().expect("losses");
    assert_eq!(losses.len(), 3);
    // Random weights: near the logarithm of the vocabulary.
    assert!((losses[0].as_f64().expect("a number") - 16_f64.ln()).abs() < 0.2, "{results}");
    assert!(results["ours"]["rates"]["per_cpu_second"]["best"].as_f64().expect("a number") > 0.0);
    assert_eq!((&results["torch"], &results["ratio"]), (&Value::Null, &Value::Null));
}

#[test]
fn bench_generate_prints_ours_and_says_how_to_get_the_other_rows() {
    let directory = directory();
    let ran = run(directory.path(), &[&["bench", "generate"], SMALL_GENERATION.as_slice()].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(without_figures(&ran.out), @r"
    model    qwen3 shape, 6 layers of width 256, vocabulary 512, 4853760 parameters, f32, random (seed 1)
    5 tokens after a prompt of 16, temperature 1, 1 thread(s), 1 repetition(s) after 1
                                                 tokens per CPU s  tokens per s (clock)
                                                   best    median      best    median
    1 proofloop 0.1.0 # # # #
    3 proofloop 0.1.0 # # # #
    PyTorch: not measured; for that give --python PATH/TO/python with `pip install torch==2.15.0 transformers==5.23.0`
    ");
}

#[test]
fn bench_generate_refuses_a_temperature_below_zero() {
    let directory = directory();
    let ran = run(directory.path(), &["bench", "generate", "--temperature=-1"]);
    assert_eq!(ran.err, "error: setting `temperature`: must be 0 or more, got -1\n");
    assert_eq!(ran.out, "");
}

#[test]
fn bench_with_a_python_that_is_not_there_is_a_usage_error() {
    let directory = directory();
    let ran = run(directory.path(), &["bench", "train", "--python", "no/python"]);
    assert_eq!(ran.err, "error: --python no/python: No such file or directory (os error 2)\n");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
}

#[test]
fn bench_train_beside_torch() {
    let Some(python) = std::env::var(PYTHON).ok().filter(|python| Path::new(python).is_file()) else {
        println!("skipped: {PYTHON} names no Python with torch and transformers");
        return;
    };
    let directory = directory();
    for lora in [&[][..], &["--lora", "2"]] {
        let arguments = [&["bench", "train", "--json", "--python", &python], SMALL.as_slice(), lora].concat();
        let ran = run(directory.path(), &arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let results: Value = serde_json::from_str(&ran.out).expect("JSON");
        assert!(results["ratio"]["per_cpu_second"]["best"].as_f64().expect("a number") > 0.0);
        assert!(results["losses_differ"].as_f64().expect("a number") < 1e-4, "{results}");
    }
}

#[test]
fn bench_generate_beside_torch() {
    let Some(python) = std::env::var(PYTHON).ok().filter(|python| Path::new(python).is_file()) else {
        println!("skipped: {PYTHON} names no Python with torch and transformers");
        return;
    };
    let directory = directory();
    let arguments = ["bench", "generate", "--family", "llama", "--json", "--python", &python];
    let ran = run(directory.path(), &[&arguments, SMALL_GENERATION.as_slice()].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let results: Value = serde_json::from_str(&ran.out).expect("JSON");
    let runs = results["runs"].as_array().expect("runs");
    for (run, samples) in runs.iter().zip([1, 3]) {
        assert_eq!(run["samples"], samples);
        assert_eq!(run["torch"].as_array().map(Vec::len), Some(2), "{run}");
        assert!(run["ratio"]["per_cpu_second"]["best"].as_f64().expect("a number") > 0.0);
    }
    assert_eq!((runs.len(), results["greedy"].as_array().map(Vec::len)), (2, Some(5)));
}
