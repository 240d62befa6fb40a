//! Gradients of the whole model, in f64: they reach every parameter and agree with central differences.

use candle_core::{DType, Tensor, Var};
use proofloop::model::{Decoder, Layout, Lora, LoraConfig, TrainContext};

use crate::common::{CPU, configs, model, named, numbers, text};

/// Two rows of two texts each, with weights that differ and some that are 0.
struct Batch {
    tokens: Tensor,
    context: TrainContext,
    targets: Vec<u32>,
    weights: Vec<f32>,
}

fn batch(model: &Decoder) -> Batch {
    let (length, rows) = (6, [text(6, 1), text(6, 2)]);
    let tokens =
        Tensor::new(rows.concat(), &CPU).and_then(|tokens| tokens.reshape((2, length))).expect("tokens");
    let layout = [vec![2, 4], vec![5]];
    let context = model.train_context(length, Layout::Packed(&layout), None).expect("a context");
    let weights = vec![1.0, 0.0, 0.5, 1.0, 2.0, 0.0, 1.0, 1.0, 0.0, 0.25, 1.0, 0.0];
    Batch { tokens, context, targets: [text(6, 3), text(6, 4)].concat(), weights }
}

fn loss(model: &Decoder, batch: &Batch) -> Tensor {
    let hidden = model.forward_train(&batch.tokens, &batch.context).expect("forward");
    model.loss(&hidden, &batch.targets, &batch.weights).expect("a loss")
}

/// Central difference of the loss along one element of a parameter.
fn slope(model: &Decoder, batch: &Batch, var: &Var, element: usize) -> f64 {
    let start = numbers(var);
    let at = |offset: f64| {
        let mut moved = start.clone();
        moved[element] += offset;
        var.set(&Tensor::from_vec(moved, var.shape(), &CPU).expect("fits")).expect("set");
        numbers(&loss(model, batch))[0]
    };
    let step = 1e-5;
    let slope = (at(step) - at(-step)) / (2.0 * step);
    var.set(&Tensor::from_vec(start, var.shape(), &CPU).expect("fits")).expect("set");
    slope
}

fn check(model: &Decoder) {
    let batch = batch(model);
    let gradients = loss(model, &batch).backward().expect("backward");
    for (name, var) in named(model.trainable()) {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let gradient = numbers(gradient);
        assert!(gradient.iter().any(|number| number.abs() > 0.0), "{name} has a gradient of zeros");
        // About nine elements of each, spread out.
        for element in (0..gradient.len()).step_by(gradient.len().div_ceil(9)) {
            let (found, slope) = (gradient[element], slope(model, &batch, var, element));
            let off = (found - slope).abs() / slope.abs().max(0.01);
            assert!(off < 1e-5, "{name}[{element}]: {found} and not {slope}");
        }
    }
}

#[test]
fn every_parameter_of_every_family_has_the_right_gradient() {
    for config in configs() {
        check(&model(&config, DType::F64));
    }
}

#[test]
fn every_adapter_has_the_right_gradient() {
    for config in configs() {
        let base = model(&config, DType::F64);
        let lora = Lora::init(LoraConfig::all_projections(2), &base, 1).expect("made");
        for (name, var) in lora.parameters.iter().filter(|(name, _)| name.contains("lora_B")) {
            let values =
                (0..var.elem_count()).map(|index| ((index * 7 + name.len()) as f64 * 0.37).sin() * 0.3);
            let values = Tensor::from_vec(values.collect::<Vec<_>>(), var.shape(), &CPU).expect("fits");
            var.set(&values).expect("set");
        }
        check(&base.with_lora(lora).expect("fits"));
    }
}

/// The plain operations that a GPU trains with: here in bf16, against our kernels.
#[test]
fn without_kernels_gradients_reach_every_parameter_too() {
    for config in configs() {
        let (exact, half) = (model(&config, DType::F64), model(&config, DType::BF16));
        let gradients = |model: &Decoder| loss(model, &batch(model)).backward().expect("backward");
        let (wanted, found) = (gradients(&exact), gradients(&half));
        for (name, var) in named(half.parameters()) {
            let found = found.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let wanted = wanted.get(&exact.parameters()[name]).expect("a gradient");
            let (found, wanted) = (numbers(found), numbers(wanted));
            let dot = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(l, r)| l * r).sum::<f64>();
            let cosine = dot(&found, &wanted) / (dot(&found, &found) * dot(&wanted, &wanted)).sqrt();
            assert!(cosine > 0.98, "{name}: cosine {cosine}");
        }
    }
}

#[test]
fn a_layer_run_again_gives_the_same_gradient() {
    // Gradient checkpointing by hand: each layer from its detached input, then backwards with that input as a variable.
    let model = model(&configs()[2], DType::F64);
    let batch = batch(&model);
    let whole = loss(&model, &batch).backward().expect("backward");
    let mut inputs = vec![model.embed(&batch.tokens).expect("embedded").detach()];
    for layer in model.layers() {
        let next = layer.forward_train(&inputs[inputs.len() - 1], &batch.context).expect("forward");
        inputs.push(next.detach());
    }
    let top = Var::from_tensor(&inputs[inputs.len() - 1]).expect("a variable");
    let hidden = model.last_norm(&top).expect("norm");
    let end =
        model.loss(&hidden, &batch.targets, &batch.weights).expect("a loss").backward().expect("backward");
    let mut down = end.get(&top).expect("a gradient").clone();
    for (index, layer) in model.layers().iter().enumerate().rev() {
        let input = Var::from_tensor(&inputs[index]).expect("a variable");
        let output = layer.forward_train(&input, &batch.context).expect("forward");
        let part = (output * &down).and_then(|product| product.sum_all()?.backward()).expect("backward");
        for (name, var) in named(model.parameters()) {
            if name.starts_with(&format!("model.layers.{index}.")) {
                let (part, whole) = (part.get(var).expect("a gradient"), whole.get(var).expect("a gradient"));
                assert!(crate::common::relative(part, whole) < 1e-12, "{name}");
            }
        }
        down = part.get(&input).expect("a gradient").clone();
    }
}
