//! What cannot be done is said, and costs nobody else anything.

use candle_core::{DType, Tensor};
use proofloop::generate::{CandleGenerator, EngineOptions, FinishReason, GenerateError, Generator, Sampling};
use proofloop::model::{Lora, LoraConfig, ModelConfig, SaveOptions, Tokenizer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::common::{
    CPU, END, configs, generator, model, number, options, request, run, runtime, sampling, tokenizer,
};

/// The error of a call.
fn refused(generator: &CandleGenerator, sampling: Sampling) -> GenerateError {
    let (sender, _receiver) = mpsc::channel(100);
    let cancel = CancellationToken::new();
    let work = generator.generate(vec![request("a", 1, sampling)], sender, &cancel);
    runtime().block_on(work).expect_err("refused")
}

#[test]
fn settings_out_of_range() {
    let error = refused(&generator(options(2, 1)), sampling(-1.0, 3));
    assert!(matches!(error, GenerateError::Setting { setting: "temperature", .. }), "{error}");
}

#[test]
fn prompts_that_cannot_be_completed_fail_alone() {
    let long = "a".repeat(300);
    let requests = [
        request("theorem", 2, sampling(1.0, 5)),
        request(&long, 3, sampling(1.0, 5)),
        request("", 1, sampling(1.0, 5)),
        request("Nat", 1, sampling(1.0, 5)),
    ];
    let (outcome, usage) = run(&generator(options(2, 1)), &requests);
    assert_eq!(outcome.failed.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert!(outcome.failed[&1].contains("no room in a context of 200"), "{}", outcome.failed[&1]);
    assert!(outcome.failed[&2].contains("is empty"), "{}", outcome.failed[&2]);
    assert_eq!((outcome.completions.len(), usage.failed_requests), (3, 2));
}

#[test]
fn a_full_context_is_the_end() {
    let prompt = "theorem t (a b : Nat) : a + b = b + a";
    let length = tokenizer().encode(prompt, true).expect("encoded").len();
    let options = EngineOptions { max_context: Some(number(length + 7)), ..options(4, 1) };
    let (outcome, _) = run(&generator(options), &[request(prompt, 8, sampling(1.0, 100))]);
    let full = outcome.completions.values().filter(|completion| completion.finish == FinishReason::Length);
    assert!(full.clone().count() > 0 && full.into_iter().all(|completion| completion.tokens == 7));
}

#[test]
fn a_budget_that_is_too_small_is_said() {
    let options = EngineOptions { token_budget: Some(number(20)), ..options(4, 1) };
    let generator = generator(options);
    let requests = [request("a", 1, sampling(1.0, 150)), request("a", 3, sampling(1.0, 10))];
    let (outcome, _) = run(&generator, &requests);
    assert!(outcome.failed[&0].contains("the budget is 20"), "{}", outcome.failed[&0]);
    assert_eq!(outcome.completions.len(), 3);
}

#[test]
fn options_and_files_that_do_not_fit() {
    let made = |config: &ModelConfig, options: EngineOptions| {
        let made = CandleGenerator::new(model(config), tokenizer(), "small", options);
        let error = made.expect_err("refused");
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        format!("{error}{}", source.unwrap_or_default())
    };
    let config = &configs()[0];
    let small = EngineOptions { max_context: Some(number(1)), ..options(1, 1) };
    let vocabulary = ModelConfig { vocab_size: 100, ..config.clone() };
    insta::assert_debug_snapshot!(
        [made(config, small), made(config, options(1 << 20, 1)), made(&vocabulary, options(1, 1))],
        @r#"
    [
        "setting `max_context`: must have room for a prompt and a token, got 1",
        "setting `max_rows`: must be at most 65536, got 1048576",
        "the model failed: tokenizer: its largest token is 279, the model has 100 tokens",
    ]
    "#
    );
}

#[test]
fn broken_weights_are_an_error_and_not_text() {
    let broken = model(&configs()[0]);
    let var = &broken.parameters()["model.norm.weight"];
    var.set(&Tensor::full(f32::NAN, var.shape(), &CPU).expect("made")).expect("set");
    let generator = CandleGenerator::new(broken, tokenizer(), "small", options(4, 2)).expect("made");
    for temperature in [0.0, 1.0] {
        assert!(matches!(refused(&generator, sampling(temperature, 5)), GenerateError::NotFinite));
    }
}

#[test]
fn nothing_asked_is_nothing_done() {
    let (outcome, usage) = run(&generator(options(4, 2)), &[]);
    assert!(outcome.completions.is_empty() && usage.completions == 0);
}

#[test]
fn a_folder_is_read_with_its_adapter_and_its_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, adapter) = (folder.path().join("model"), folder.path().join("adapter"));
    let config = ModelConfig { eos_token_ids: vec![], ..configs()[1].clone() };
    let base = model(&config);
    base.save(&path, &SaveOptions::default()).expect("saved");
    let load = |adapter: Option<&std::path::Path>| {
        CandleGenerator::load(&path, adapter, DType::F32, &CPU, options(8, 1))
    };
    assert!(load(None).is_err(), "there is no tokenizer");
    tokenizer().save(&path.join("tokenizer.json")).expect("saved");
    let requests = [request("theorem", 30, sampling(1.0, 40)), request("", 1, sampling(1.0, 4))];
    let (endless, _) = run(&load(None).expect("loaded"), &requests);
    let ends = |outcome: &crate::common::Outcome| {
        let ended = outcome.completions.values().filter(|done| done.finish == FinishReason::EndOfText);
        ended
            .inspect(|done| assert_eq!(done.token_ids.as_ref().and_then(|all| all.last()), Some(&END)))
            .count()
    };
    assert_eq!((ends(&endless), endless.failed.len()), (0, 1));
    let generation = path.join("generation_config.json");
    std::fs::write(&generation, r#"{"bos_token_id": 5, "eos_token_id": [0, 1000], "top_p": 0.9}"#)
        .expect("written");
    let (mut ended, _) = run(&load(None).expect("loaded"), &requests);
    assert!(ends(&ended) > 0 && ended.failed.is_empty());
    ended.completions.remove(&(1, 0));
    std::fs::write(&generation, r#"{"eos_token_id": 0}"#).expect("written");
    assert_eq!(run(&load(None).expect("loaded"), &requests[..1]).0.completions, ended.completions);
    std::fs::write(&generation, r#"{"eos_token_id": "<end>"}"#).expect("written");
    assert!(load(None).is_err(), "no token");
    std::fs::write(&generation, "{}").expect("written");
    let lora = Lora::init(LoraConfig::all_projections(2), &base, 5).expect("made");
    for (name, var) in &lora.parameters {
        if name.contains("lora_B") {
            var.set(&Tensor::full(0.3_f32, var.shape(), &CPU).expect("made")).expect("set");
        }
    }
    lora.save(&adapter).expect("saved");
    let (adapted, _) = run(&load(Some(&adapter)).expect("loaded"), &requests[..1]);
    assert_ne!(adapted.completions[&(0, 0)], endless.completions[&(0, 0)]);
    let name = load(None).expect("loaded").identity();
    assert_eq!((name.engine.as_str(), name.reproducible), ("candle", true));
    assert_eq!(name.model, path.display().to_string());
    Tokenizer::load(&path.join("tokenizer.json")).expect("still there");
}
