//! `proofloop train` as a user drives it: what it makes, and that a run can be taken up again.

use super::grammar::{Random, entropy, expression, is_expression};
use super::models::{sentences, tiny};
use super::{Ran, directory, program, run, write};
use candle_core::{DType, Device};
use proofloop::model::{Decoder, Lora, Tokenizer};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Arguments that train the tiny model on sentences: 6 batches of 8 in an epoch.
pub(crate) const TINY: &[&str] = &[
    "train",
    "--model",
    "tiny",
    "--data",
    "data.jsonl",
    "--out",
    "out",
    "--batch",
    "8",
    "--learning-rate",
    "0.01",
];

/// A folder with the tiny model and its data.
pub(crate) fn workplace() -> tempfile::TempDir {
    let directory = directory();
    tiny(&directory.path().join("tiny"));
    write(directory.path(), "data.jsonl", sentences(48));
    directory
}

pub(crate) fn train(directory: &Path, more: &[&str]) -> Ran {
    run(directory, &[TINY, more].concat())
}

/// Waits until there is such a file or folder, for as long as the child lives.
fn wait_for(path: &Path, child: &mut Child) -> bool {
    loop {
        if path.exists() {
            return true;
        }
        if child.try_wait().expect("a status").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("readable")).expect("JSON")
}

pub(crate) fn log(directory: &Path) -> Vec<Value> {
    let text = fs::read_to_string(directory.join("out/log.jsonl")).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn weights(directory: &Path) -> Vec<u8> {
    fs::read(directory.join("out/model/model.safetensors")).expect("readable")
}

/// The model that `folder` holds, trained on expressions in 188 steps; and its evaluation loss, in nats for each string.
pub(crate) fn learn_expressions(folder: &Path) -> f64 {
    let mut random = Random(1);
    let mut examples = |count: usize| -> String {
        (0..count)
            .map(|_| {
                format!("{{\"prompt\": \"value\", \"completion\": \"{}\"}}\n", expression(&mut random, 0))
            })
            .collect()
    };
    // With two thirds of them the rate of well-formed samples is too near to the 95 % that are asked for.
    write(folder, "train.jsonl", examples(12_000));
    write(folder, "eval.jsonl", examples(500));
    let files = ["--data", "train.jsonl", "--eval-data", "eval.jsonl", "--out", "out"];
    let method = ["--batch", "64", "--learning-rate", "2e-3", "--eval-every", "1000"];
    let ran = run(folder, &[&["train", "--init", "nano"], &files[..], &method[..]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let tokenizer = Tokenizer::load(&folder.join("out/model/tokenizer.json")).expect("readable");
    let text = fs::read_to_string(folder.join("eval.jsonl")).expect("readable");
    let tokens = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let completion = record["completion"].as_str().expect("text");
        // The end of the text is predicted, too.
        tokenizer.encode(completion, false).expect("encoded").len() + 1
    };
    let tokens: usize = text.lines().map(tokens).sum();
    let loss = json(folder.join("out/result.json"))["evaluation_loss"].as_f64().expect("evaluated");
    loss * tokens as f64 / text.lines().count() as f64
}

#[test]
fn a_new_model_learns_a_grammar_to_its_entropy_and_speaks_it() {
    let directory = directory();
    let loss = learn_expressions(directory.path());
    let expected = entropy(0);
    assert!((loss / expected - 1.0).abs() < 0.05, "{loss} nats for each string, the grammar has {expected}");
    let record = json(directory.path().join("out/train.json"));
    let parameters = record["resolved"]["parameters"].as_u64().expect("a number");
    assert!((5_000_000..15_000_000).contains(&parameters), "{parameters}");
    let model = directory.path().join("out/model");
    let companions = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"];
    assert!(companions.iter().all(|name| model.join(name).exists()), "{:?}", names(&model));
    let config = json(model.join("config.json"));
    assert_eq!((&config["bos_token_id"], &config["eos_token_id"]), (&0.into(), &1.into()));
    let speak =
        ["generate", "--model", "out/model", "--prompt", "value", "--samples", "400", "--max-tokens", "64"];
    let ran = run(directory.path(), &speak);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let is_right = |result: &&Value| {
        result["finish"] == "end_of_text" && is_expression(result["completion"].as_str().unwrap_or_default())
    };
    let results = ran.results();
    let right = results.iter().filter(is_right).count();
    assert!(right as f64 > 0.95 * 400.0, "{right} of {}: {}", results.len(), ran.out);
}

#[test]
fn a_run_leaves_what_its_help_says() {
    let directory = workplace();
    let more =
        ["--epochs", "3", "--eval-fraction", "0.2", "--eval-every", "4", "--save-every", "5", "--keep", "1"];
    let ran = train(directory.path(), &more);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let out = directory.path().join("out");
    let there = ["checkpoints", "lock", "log.jsonl", "loss.svg", "model", "result.json", "train.json"];
    assert_eq!(names(&out), there);
    // 48 examples, of which 10 are held out; batches of 8.
    assert_eq!(names(&out.join("checkpoints")), ["step-00000015"]);
    let lines = log(directory.path());
    let evaluations: Vec<_> = lines.iter().filter(|line| line["kind"] == "evaluation").collect();
    assert_eq!((lines.len(), evaluations.len()), (15 + 4, 4));
    let first = lines[0].as_object().expect("an object");
    let fields =
        ["epoch", "gradient_norm", "kind", "learning_rate", "loss", "predicted", "seconds", "step", "tokens"];
    assert_eq!(first.keys().collect::<Vec<_>>(), fields);
    let result = json(out.join("result.json"));
    assert_eq!((&result["steps"], &result["folders"]), (&15.into(), &serde_json::json!(["model"])));
    assert_eq!(result["evaluation_loss"], evaluations[3]["loss"]);
    let loss = |index: usize| evaluations[index]["loss"].as_f64().expect("a number");
    assert!(loss(3) < loss(0), "{evaluations:?}");
    let record = json(out.join("train.json"));
    assert_eq!(record["versions"]["proofloop"], env!("CARGO_PKG_VERSION"));
    let resolved = &record["resolved"];
    let numbers = ["steps", "examples", "eval_examples", "max_tokens"].map(|name| resolved[name].as_u64());
    assert_eq!(numbers, [Some(15), Some(38), Some(10), Some(64)]);
    let plot = fs::read_to_string(out.join("loss.svg")).expect("readable");
    assert!(plot.starts_with("<svg") && plot.contains("loss (nats per token)"));
    Decoder::load(&out.join("model"), DType::F32, &Device::Cpu).expect("a model");
    assert!(out.join("model/tokenizer.json").exists());
    let expected = "training all 8736 parameters on 38 examples of ";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
}

#[test]
fn adapters_are_saved_alone_and_added_in() {
    let directory = workplace();
    let more = [
        "--epochs",
        "8",
        "--lora",
        "2",
        "--lora-dropout",
        "0.1",
        "--lora-targets",
        "q_proj,down_proj",
        "--merge",
    ];
    let ran = train(directory.path(), &more);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("adapter parameters beside 8736 frozen ones"), "{}", ran.err);
    let out = directory.path().join("out");
    let base = Decoder::load(&directory.path().join("tiny"), DType::F32, &Device::Cpu).expect("a model");
    let lora = Lora::load(&out.join("adapter"), &base).expect("adapters");
    assert_eq!((lora.config.rank, lora.config.base_model.as_deref()), (2, Some("tiny")));
    assert_eq!(lora.config.target_modules, ["q_proj", "down_proj"]);
    let merged = base.with_lora(lora).and_then(Decoder::merge_lora).expect("merged");
    let saved = Decoder::load(&out.join("model"), DType::F32, &Device::Cpu).expect("a model");
    for (name, var) in merged.parameters() {
        let values =
            |var: &candle_core::Var| var.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("f32");
        assert_eq!(values(var), values(&saved.parameters()[name]), "{name}");
    }
    // Generating with the adapters beside the weights or in them is the same, and not what the weights say alone.
    let log_prob = |more: &[&str]| {
        let one =
            ["generate", "--prompt", "the cat", "--max-tokens", "1", "--temperature", "0", "--log-probs"];
        let ran = run(directory.path(), &[&one, more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.results()[0]["log_probs"][0].as_f64().expect("a number")
    };
    let beside = log_prob(&["--model", "tiny", "--adapter", "out/adapter"]);
    assert!((beside - log_prob(&["--model", "out/model"])).abs() < 1e-4);
    assert!((beside - log_prob(&["--model", "tiny"])).abs() > 1e-3);
    // Asked again without the whole model, there is nothing to do.
    let again = train(directory.path(), &more[..8]);
    assert_eq!((again.code, again.err.as_str()), (0, "`out` is complete: 48 steps\n"));
}

/// Kills it as soon as the next checkpoint is there, again and again.
#[test]
fn killed_and_started_again_equals_uninterrupted() {
    let directory = workplace();
    let more = ["--steps", "60", "--save-every", "3"];
    assert_eq!(train(directory.path(), &more).code, 0);
    let (expected, lines) = (weights(directory.path()), log(directory.path()));
    fs::rename(directory.path().join("out"), directory.path().join("whole")).expect("renamed");
    let mut kills = 0;
    for step in [3, 21, 39, 57] {
        let mut command = program(directory.path(), &[TINY, &more].concat());
        let mut child = command.stderr(Stdio::null()).spawn().expect("started");
        let checkpoint = directory.path().join(format!("out/checkpoints/step-{step:08}"));
        kills += i32::from(wait_for(&checkpoint, &mut child));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    let ran = train(directory.path(), &more);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(weights(directory.path()) == expected, "after {kills} kills the weights differ");
    let without_time = |mut line: Value| {
        line["seconds"] = Value::Null;
        line
    };
    let again: Vec<_> = log(directory.path()).into_iter().map(without_time).collect();
    assert_eq!(again, lines.into_iter().map(without_time).collect::<Vec<_>>());
}

#[test]
fn an_interrupted_run_is_saved_and_goes_on() {
    for signal in ["INT", "TERM"] {
        let directory = workplace();
        let more = ["--steps", "100000", "--save-every", "50000"];
        let mut command = program(directory.path(), &[TINY, &more].concat());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("started");
        assert!(wait_for(&directory.path().join("out/log.jsonl"), &mut child));
        let kill = format!("kill -{signal} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        let ran = Ran::from(child.wait_with_output().expect("ended"));
        assert_eq!(ran.code, 130, "{}", ran.err);
        let steps = log(directory.path()).len();
        let last = format!("interrupted after {steps} steps: the same command goes on from there\n");
        assert!(ran.err.ends_with(&last), "{}", ran.err);
        let checkpoints = names(&directory.path().join("out/checkpoints"));
        let expected: Vec<_> = (steps > 0).then(|| format!("step-{steps:08}")).into_iter().collect();
        assert_eq!(checkpoints, expected);
        let steps = (steps + 1).to_string();
        let ran = train(directory.path(), &["--resume", "--steps", &steps]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(json(directory.path().join("out/result.json"))["steps"].to_string(), steps);
    }
}

#[test]
fn a_run_goes_on_with_other_settings_only_when_told() {
    let directory = workplace();
    let says = |more: &[&str]| {
        let ran = train(directory.path(), more);
        assert_eq!(ran.out, "");
        (ran.code, ran.err)
    };
    assert_eq!(says(&["--steps", "4", "--resume"]).1, "error: `out` holds no run to go on with\n");
    assert_eq!(says(&["--steps", "4"]).0, 0);
    let four = weights(directory.path());
    assert_eq!(says(&["--steps", "4"]), (0, "`out` is complete: 4 steps\n".to_owned()));
    let refused = [
        says(&["--steps", "9"]),
        says(&["--steps", "4", "--seed", "1", "--resume"]),
        says(&["--steps", "2", "--resume"]),
    ];
    assert!(refused.iter().all(|(code, _)| *code == 2), "{refused:?}");
    insta::assert_snapshot!(refused.map(|(_, err)| err).concat(), @"
    error: `out` holds a run with other settings: `steps` was 4, now it is 9; give --resume to go on with the new ones, or another folder to --out
    error: `out` holds another run: `seed` was 0, now it is 1; give another folder to --out
    error: `out` has taken 4 steps, more than 2
    ");
    assert_eq!(weights(directory.path()), four);
    // What changes no weight may change: here also where the data lie.
    fs::rename(directory.path().join("data.jsonl"), directory.path().join("moved.jsonl")).expect("renamed");
    let moved: Vec<&str> =
        TINY.iter().map(|&word| if word == "data.jsonl" { "moved.jsonl" } else { word }).collect();
    let ran = run(
        directory.path(),
        &[&moved[..], &["--steps", "4", "--replicas", "3", "--save-every", "1"]].concat(),
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, "`out` is complete: 4 steps\n"));
    let ran = run(directory.path(), &[&moved[..], &["--steps", "9", "--resume"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("steps 5 to 9"), "{}", ran.err);
    assert_eq!(log(directory.path()).len(), 9);
    assert_ne!(weights(directory.path()), four);
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let directory = workplace();
    let more = ["--steps", "100000", "--save-every", "50000"];
    let mut command = program(directory.path(), &[TINY, &more].concat());
    let mut child = command.stderr(Stdio::null()).spawn().expect("started");
    assert!(wait_for(&directory.path().join("out/train.json"), &mut child));
    let ran = train(directory.path(), &more);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!((ran.code, ran.err.as_str()), (2, "error: another process trains in `out`\n"));
}

#[test]
fn replicas_and_bf16_change_what_they_should() {
    let directory = workplace();
    let trained = |out: &str, more: &[&str]| {
        let arguments: Vec<&str> = TINY.iter().map(|&word| if word == "out" { out } else { word }).collect();
        let ran = run(directory.path(), &[&arguments[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        fs::read(directory.path().join(out).join("model/model.safetensors")).expect("readable")
    };
    let one = trained("one", &["--micro-batch-tokens", "16", "--replicas", "1"]);
    assert!(one == trained("three", &["--micro-batch-tokens", "16", "--replicas", "3"]));
    let half = trained("half", &["--dtype", "bf16"]);
    assert!(half.len() < one.len() * 6 / 10, "{} bytes of {}", half.len(), one.len());
    let packed = trained("packed", &["--batching", "packed", "--row-tokens", "40", "--recompute"]);
    assert_eq!(packed.len(), one.len());
}
