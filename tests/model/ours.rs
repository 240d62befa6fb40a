//! What this code saves, for Hugging Face to read: `golden/ours` holds a model of each family and an adapter, the test
//! shows that saving still gives those bytes, and `check_ours.py` that transformers and PEFT read them and compute
//! the logits beside them. `PROOFLOOP_WRITE_GOLDEN=1` writes the folder anew; run the script then.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use proofloop::model::{
    Decoder, Layout, Lora, LoraConfig, ModelConfig, RopeConfig, RopeScaling, SaveOptions,
};

use crate::common::{CPU, configs, model, named, relative, text, train_logits};

const ROWS: usize = 2;
const LENGTH: usize = 40;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/golden/ours")
}

/// A model of each family, with the scaling of rope that goes with it, and the size of its files.
fn models() -> Vec<(&'static str, Decoder, u64)> {
    let yarn = RopeScaling::Yarn {
        factor: 4.0,
        original_length: 16,
        attention_factor: 1.138_629_436_111_989,
        beta_fast: 32.0,
        beta_slow: 1.0,
        truncate: true,
    };
    let llama3 =
        RopeScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_length: 16 };
    let scalings = [yarn, llama3, RopeScaling::Linear { factor: 2.0 }];
    let names = ["llama", "qwen2", "qwen3"];
    let limits = [4_000, u64::MAX, u64::MAX];
    let made = configs().into_iter().zip(scalings).map(|(config, scaling)| {
        let rope = RopeConfig { theta: 1000.0, scaling };
        let config = ModelConfig { rope, max_position_embeddings: 64, eos_token_ids: vec![2], ..config };
        model(&config, DType::F32)
    });
    names.into_iter().zip(made).zip(limits).map(|((name, model), limit)| (name, model, limit)).collect()
}

fn adapters(model: &Decoder) -> Lora {
    let config = LoraConfig { rank_stabilized: true, dropout: 0.1, ..LoraConfig::all_projections(2) };
    let lora = Lora::init(config, model, 4).expect("made");
    for (index, (name, var)) in named(&lora.parameters).into_iter().enumerate() {
        if name.contains("lora_B") {
            let wave =
                |element: usize| (((element * 13 + index * 7) as f64 * 0.618_034).fract() - 0.5) as f32;
            let values = (0..var.elem_count()).map(wave).collect::<Vec<_>>();
            var.set(&Tensor::from_vec(values, var.shape(), &CPU).expect("fits")).expect("set");
        }
    }
    lora
}

fn logits(model: &Decoder) -> Tensor {
    let rows: Vec<Vec<u32>> = (0..ROWS as u32).map(|row| text(LENGTH, row)).collect();
    train_logits(model, &rows, Layout::OneText)
}

fn write_expected(model: &Decoder, folder: &Path) {
    let tokens: Vec<i64> = (0..ROWS as u32).flat_map(|row| text(LENGTH, row)).map(i64::from).collect();
    let tokens = Tensor::from_vec(tokens, (ROWS, LENGTH), &CPU).expect("tokens");
    let tensors = HashMap::from([("tokens", tokens), ("logits", logits(model))]);
    candle_core::safetensors::save(&tensors, folder.join("expected.safetensors")).expect("saved");
}

/// Files below a folder, but for the logits, which differ in the last bits from one processor to the next.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "expected.safetensors") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn save(folder: &Path) {
    for (name, model, max_shard_bytes) in models() {
        let folder = folder.join(name);
        model.save(&folder, &SaveOptions { max_shard_bytes, ..SaveOptions::default() }).expect("saved");
        adapters(&model).save(&folder.join("adapter")).expect("saved");
    }
}

#[test]
fn what_is_saved_is_what_hugging_face_was_shown_to_read() {
    if std::env::var_os("PROOFLOOP_WRITE_GOLDEN").is_some() {
        save(&folder());
        for (name, model, _) in models() {
            write_expected(&model, &folder().join(name));
            let lora = adapters(&model);
            write_expected(&model.with_lora(lora).expect("fits"), &folder().join(name).join("adapter"));
        }
    }
    let new = tempfile::tempdir().expect("a folder");
    save(new.path());
    let (old_files, new_files) = (files(&folder()), files(new.path()));
    let names = |files: &[PathBuf], root: &Path| -> Vec<PathBuf> {
        files.iter().map(|file| file.strip_prefix(root).expect("below").to_path_buf()).collect()
    };
    assert_eq!(names(&old_files, &folder()), names(&new_files, new.path()));
    for (old, new) in old_files.iter().zip(&new_files) {
        assert!(
            std::fs::read(old).expect("readable") == std::fs::read(new).expect("readable"),
            "{}",
            old.display()
        );
    }
}

#[test]
fn the_logits_that_hugging_face_agreed_with_are_still_ours() {
    for (name, _, _) in models() {
        let folder = folder().join(name);
        let wanted = |folder: &Path| {
            let tensors = candle_core::safetensors::load(folder.join("expected.safetensors"), &CPU);
            tensors.expect("readable")["logits"].clone()
        };
        let model = Decoder::load(&folder, DType::F32, &CPU).expect("loaded");
        assert!(relative(&logits(&model), &wanted(&folder)) < 1e-5, "{name}");
        let lora = Lora::load(&folder.join("adapter"), &model).expect("loaded");
        let model = model.with_lora(lora).expect("fits");
        assert!(
            relative(&logits(&model), &wanted(&folder.join("adapter"))) < 1e-5,
            "{name} with its adapter"
        );
    }
}
