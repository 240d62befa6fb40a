//! A small model, random examples, and settings for them.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use proofloop::model::{Decoder, Lora, LoraConfig, ModelConfig, Parameters};
use proofloop::train::{
    AdamWConfig, Batching, Checkpoints, Example, Schedule, Settings, StepReport, Trainer,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) const CPU: Device = Device::Cpu;

pub(crate) fn config() -> ModelConfig {
    let (layers, hidden_size, head_dim, intermediate_size) = (2, 16, 4, 24);
    ModelConfig { layers, hidden_size, head_dim, intermediate_size, ..ModelConfig::nano(13) }
}

pub(crate) fn model(dtype: DType) -> Decoder {
    Decoder::init(config(), 3, dtype, &CPU).expect("made")
}

/// With dropout, so that its seeds matter.
pub(crate) fn adapted() -> Decoder {
    let base = model(DType::F32);
    let config = LoraConfig { dropout: 0.25, ..LoraConfig::all_projections(2) };
    let lora = Lora::init(config, &base, 5).expect("made");
    base.with_lora(lora).expect("fits")
}

/// Lengths from 3 to 9, completions of every length, other weights.
pub(crate) fn examples() -> Vec<Example> {
    let example = |index: u32| {
        let length = 3 + (index * 5) % 7;
        let tokens: Vec<u32> = (0..length).map(|at| (index * 7 + at * at + 3) % 13).collect();
        Example { completion: (index % length) as usize, tokens, weight: 0.5 + 0.25 * (index % 3) as f32 }
    };
    (0..22).map(example).collect()
}

pub(crate) fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not 0")
}

pub(crate) fn settings() -> Settings {
    Settings {
        seed: 7,
        batch_examples: number(8),
        micro_batch_tokens: number(1 << 20),
        batching: Batching::Bucketed,
        replicas: number(1),
        recompute_layers: false,
        optimizer: AdamWConfig::default(),
        schedule: Schedule::constant(0.01),
        max_gradient_norm: Some(1.0),
    }
}

pub(crate) fn step(trainer: &mut Trainer<'_>) -> StepReport {
    trainer.step(&CancellationToken::new()).expect("a step").expect("not cancelled")
}

/// A place for checkpoints, of which so many are kept.
pub(crate) fn checkpoints(keep: usize) -> (TempDir, Checkpoints) {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::open(folder.path(), number(keep)).expect("opened");
    (folder, checkpoints)
}

/// The names in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1()).expect("readable")
}

pub(crate) fn all_values(parameters: &Parameters) -> Vec<Vec<f32>> {
    parameters.values().map(|var| values(var)).collect()
}

/// The largest difference between numbers, as a share of the largest number.
pub(crate) fn distance(left: &[Vec<f32>], right: &[Vec<f32>]) -> f32 {
    let pairs = || left.iter().flatten().zip(right.iter().flatten());
    assert_eq!(left.iter().flatten().count(), right.iter().flatten().count());
    let largest = pairs().fold(0.0_f32, |most, (l, r)| most.max(l.abs()).max(r.abs()));
    pairs().fold(0.0_f32, |most, (l, r)| most.max((l - r).abs())) / largest
}
