//! Small models and their data, for commands that train or generate.

use candle_core::{DType, Device};
use proofloop::model::{Decoder, ModelConfig, SaveOptions, Tokenizer};
use std::fs;
use std::path::Path;

pub(crate) const END: &str = "<|end|>";

/// A Hugging Face folder of a random model with some thousand parameters, and of a tokenizer of 300 tokens.
pub(crate) fn tiny(folder: &Path) -> Decoder {
    let words = "the cat sat on a mat and the dog ran to the red hat ".repeat(4);
    let tokenizer =
        Tokenizer::train(std::iter::once(words.as_str()), 270, &["<|begin|>", END]).expect("trained");
    let tokenizer = tokenizer.starting_with("<|begin|>").expect("has it");
    let config = ModelConfig {
        hidden_size: 16,
        layers: 2,
        head_dim: 4,
        intermediate_size: 24,
        bos_token_id: Some(0),
        eos_token_ids: vec![1],
        max_position_embeddings: 64,
        ..ModelConfig::nano(300)
    };
    let model = Decoder::init(config, 1, DType::F32, &Device::Cpu).expect("made");
    model.save(folder, &SaveOptions::default()).expect("saved");
    tokenizer.save(&folder.join("tokenizer.json")).expect("saved");
    model
}

/// Sentences for it to learn.
pub(crate) fn sentences(count: usize) -> String {
    let (subjects, verbs) = (["the cat", "the dog", "a hat"], ["sat on", "ran to"]);
    let line = |n: usize| {
        let (subject, verb, object) = (subjects[n % 3], verbs[n / 3 % 2], subjects[n / 6 % 3]);
        format!("{{\"prompt\": \"{subject}\", \"completion\": \" {verb} {object}\"}}\n")
    };
    (0..count).map(line).collect()
}

/// A file's content with a part replaced, which must be there.
pub(crate) fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("readable");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("written");
}
