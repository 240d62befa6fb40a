//! Logits that transformers and PEFT computed; `make_golden.py` made them and says how.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use proofloop::model::{Decoder, Layout, Lora, ModelConfig, SaveOptions};

use crate::common::{CPU, relative, train_logits};

/// What issue 3 asks for, in f32.
const TOLERANCE: f64 = 1e-4;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/golden").join(name)
}

fn expected(folder: &Path) -> (Vec<Vec<u32>>, Tensor) {
    let tensors =
        candle_core::safetensors::load(folder.join("expected.safetensors"), &CPU).expect("readable");
    let tokens: Vec<Vec<i64>> = tensors["tokens"].to_vec2().expect("tokens");
    let tokens = tokens.into_iter().map(|row| row.into_iter().map(|token| token as u32).collect()).collect();
    (tokens, tensors["logits"].clone())
}

fn assert_agrees(name: &str, model: &Decoder, folder: &Path) {
    let (tokens, logits) = expected(folder);
    let off = relative(&train_logits(model, &tokens, Layout::OneText), &logits);
    assert!(off < TOLERANCE, "{name}: training path off by {off:e}");
    // The generating path, from the first token to the last.
    for (row, tokens) in tokens.iter().enumerate() {
        let (_, last) = model.prefill(tokens).expect("prefill");
        let wanted = logits.get(row).and_then(|row| row.get(tokens.len() - 1)).expect("a row");
        let off = relative(&last, &wanted);
        assert!(off < TOLERANCE, "{name}: generating path off by {off:e}");
    }
}

#[test]
fn models_agree_with_transformers() {
    for name in ["llama3", "llama_yarn", "llama_linear", "qwen2", "qwen3"] {
        let model = Decoder::load(&folder(name), DType::F32, &CPU).expect("loaded");
        assert_agrees(name, &model, &folder(name));
    }
}

#[test]
fn adapters_agree_with_peft() {
    for name in ["llama3", "qwen3"] {
        let adapter = folder(name).join("adapter");
        let model = Decoder::load(&folder(name), DType::F32, &CPU).expect("loaded");
        let lora = Lora::load(&adapter, &model).expect("loaded");
        let model = model.with_lora(lora).expect("fits");
        assert_agrees(name, &model, &adapter);
        assert_agrees(name, &model.merge_lora().expect("merged"), &adapter);
    }
}

#[test]
fn saved_again_they_are_the_same() {
    for name in ["llama_yarn", "qwen2", "qwen3"] {
        let model = Decoder::load(&folder(name), DType::F32, &CPU).expect("loaded");
        let other = tempfile::tempdir().expect("a folder");
        model
            .save(other.path(), &SaveOptions { max_shard_bytes: 20_000, ..SaveOptions::default() })
            .expect("saved");
        let again = Decoder::load(other.path(), DType::F32, &CPU).expect("loaded");
        assert_eq!(again.config(), model.config());
        assert_agrees(name, &again, &folder(name));
    }
}

#[test]
fn the_old_spelling_of_rope_gives_the_same_model() {
    for name in ["llama3", "llama_yarn", "llama_linear", "qwen3"] {
        let path = folder(name).join("config.json");
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let config = ModelConfig::from_json(&json).expect("valid");
        let object = json.as_object_mut().expect("an object");
        let mut scaling = object.remove("rope_parameters").expect("written by transformers 5");
        let theta = scaling.as_object_mut().and_then(|scaling| scaling.remove("rope_theta"));
        object.insert("rope_theta".to_owned(), theta.expect("a theta"));
        object.insert("rope_scaling".to_owned(), scaling);
        assert_eq!(ModelConfig::from_json(&json).expect("valid"), config, "{name}");
    }
}
