use std::num::NonZeroUsize;

use candle_core::{DType, Device, Var};
use tokio_util::sync::CancellationToken;

use super::super::prepare::Values;
use super::super::trajectory::{Actions, Trajectory};
use super::super::{Granularity, LeaveOneOut, LogProbOptions, Ppo, log_probs, rows};
use super::*;
use crate::model::{Lora, LoraConfig, ModelConfig};
use crate::train::{AdamWConfig, Schedule};

const ROOM: NonZeroUsize = NonZeroUsize::new(1 << 12).expect("not 0");

fn model() -> Decoder {
    let small =
        ModelConfig { layers: 2, hidden_size: 8, head_dim: 4, intermediate_size: 12, ..ModelConfig::nano(7) };
    let base = Decoder::init(small, 3, DType::F64, &Device::Cpu).expect("made");
    let lora = Lora::init(LoraConfig::all_projections(2), &base, 5).expect("made");
    for (name, var) in lora.parameters.iter().filter(|(name, _)| name.ends_with("B.weight")) {
        let count = var.elem_count();
        let some: Vec<f64> = (0..count).map(|at| ((at * 7 + name.len()) % 5) as f64 * 0.3 - 0.6).collect();
        var.set(&Tensor::from_vec(some, var.shape(), &Device::Cpu).expect("made")).expect("set");
    }
    base.with_lora(lora).expect("fits")
}

fn settings(algorithm: Algorithm) -> PolicySettings {
    PolicySettings {
        seed: 1,
        algorithm,
        epochs: NonZeroUsize::MIN,
        minibatch: NonZeroUsize::MIN,
        micro_batch_tokens: ROOM,
        replicas: NonZeroUsize::MIN,
        recompute_layers: false,
        kl_coefficient: 0.0,
        entropy_coefficient: 0.3,
        optimizer: AdamWConfig::default(),
        schedule: Schedule::constant(1.0),
        max_gradient_norm: None,
    }
}

/// Two texts of two turns and one of one. Old log-probs are the model's own less these, so ratios are on both sides of
/// what counts and never at a corner.
fn trajectories(model: &Decoder) -> Vec<Trajectory> {
    let texts: [(Vec<u32>, Vec<std::ops::Range<usize>>); 3] = [
        (vec![1, 2, 3, 4, 5, 6], vec![1..3, 4..6]),
        (vec![6, 5, 4, 3], std::iter::once(2..4).collect()),
        (vec![0, 1, 0, 1, 0], vec![2..3, 4..5]),
    ];
    let actions: Vec<_> = texts.iter().map(|(tokens, turns)| Actions { tokens, turns }).collect();
    let options = LogProbOptions { micro_batch_tokens: ROOM, replicas: NonZeroUsize::MIN };
    let own = log_probs(model, &actions, options, &CancellationToken::new()).expect("read").expect("all");
    let less = [0.05_f32, -0.4, 0.6, -0.03, 0.11, -0.07];
    let trajectory = |((tokens, turns), own): ((Vec<u32>, _), Vec<f32>)| Trajectory {
        old_log_probs: own.iter().zip(less).map(|(own, less)| own - less).collect(),
        reference_log_probs: Some(own.iter().map(|own| own + 0.5).collect()),
        rewards: Vec::new(),
        kl_coefficients: None,
        group: tokens.len() as u64,
        tokens,
        turns,
    };
    texts.into_iter().zip(own).map(trajectory).collect()
}

fn items<'a>(all: &'a [Trajectory], granularity: Granularity, has_head: bool) -> Vec<Item<'a>> {
    let item = |(index, trajectory): (usize, &'a Trajectory)| {
        let count = trajectory.actions().count();
        let units: Vec<u32> = match granularity {
            Granularity::Token => (0..count as u32).collect(),
            Granularity::Turn => (0..count).map(|at| u32::from(at + 1 > count.div_ceil(2))).collect(),
            Granularity::Trajectory => vec![0; count],
        };
        let advantages =
            (0..=units[count - 1]).map(|unit| f64::from(unit) * 1.5 - 1.0 + index as f64).collect();
        let values = has_head.then(|| Values {
            old: (0..count).map(|at| at as f32 * 0.5 - 0.6).collect(),
            returns: (0..count).map(|at| 1.0 - at as f64).collect(),
        });
        Item { trajectory, units, advantages, values }
    };
    all.iter().enumerate().map(item).collect()
}

/// The loss of all, and its gradient, in parts of `room` places.
fn sum(
    learner: Learner<'_>,
    items: &[Item<'_>],
    settings: &PolicySettings,
    room: NonZeroUsize,
) -> (Measures, Vec<Vec<f64>>) {
    let items: Vec<_> = items.iter().collect();
    let texts: Vec<_> = items.iter().map(|item| item.trajectory.actions()).collect();
    let (mut measures, mut gradients) = (Measures::default(), Vec::<Vec<f64>>::new());
    for rows in rows::lay_out(&texts, &[0, 1, 2], room) {
        let (part, own) = learner.gradients(&items, &rows, settings, Totals::of(&items)).expect("a part");
        measures.add(&part);
        let own = own.iter().map(|tensor| {
            let wide = tensor.flatten_all().and_then(|t| t.to_dtype(DType::F64)?.to_vec1::<f64>());
            wide.expect("readable")
        });
        if gradients.is_empty() {
            gradients = own.collect();
        } else {
            let pairs = gradients.iter_mut().zip(own);
            pairs.for_each(|(sum, own)| sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own));
        }
    }
    (measures, gradients)
}

fn parameters(model: &Decoder, head: Option<&ValueHead>) -> Parameters {
    let mut parameters = model.trainable().clone();
    parameters.extend(head.iter().flat_map(|head| head.parameters().clone()));
    parameters
}

fn head(model: &Decoder) -> ValueHead {
    let head = ValueHead::new(model).expect("made");
    for var in head.parameters().values() {
        let some: Vec<f64> = (0..var.elem_count()).map(|at| 0.3 - 0.1 * at as f64).collect();
        var.set(&Tensor::from_vec(some, var.shape(), &Device::Cpu).expect("made")).expect("set");
    }
    head
}

fn moved<T>(var: &Var, element: usize, offset: f64, then: impl FnOnce() -> T) -> T {
    let start: Vec<f64> = var.flatten_all().and_then(|t| t.to_vec1()).expect("readable");
    let set = |numbers: Vec<f64>| {
        var.set(&Tensor::from_vec(numbers, var.shape(), &Device::Cpu).expect("made")).expect("set");
    };
    let mut there = start.clone();
    there[element] += offset;
    set(there);
    let result = then();
    set(start);
    result
}

/// Three elements of each parameter, against central differences of the loss.
fn assert_slopes(learner: Learner<'_>, items: &[Item<'_>], settings: &PolicySettings) {
    let (_, gradients) = sum(learner, items, settings, ROOM);
    for ((name, var), gradient) in learner.parameters.iter().zip(&gradients) {
        assert!(gradient.iter().any(|number| number.abs() > 0.0), "{name} has a gradient of zeros");
        for element in (0..gradient.len()).step_by(gradient.len().div_ceil(3)) {
            let loss = |offset| moved(var, element, offset, || sum(learner, items, settings, ROOM).0.loss);
            let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
            // Gradients come in f32.
            let off = (gradient[element] - slope).abs() / slope.abs().max(0.01);
            assert!(off < 1e-5, "{name}[{element}]: {} and not {slope}", gradient[element]);
        }
    }
}

#[test]
fn gradients_are_those_of_the_loss_for_every_parameter() {
    let (model, ppo) = (model(), Ppo { value_clip: Some(0.2), ..Ppo::default() });
    let all = trajectories(&model);
    let head = head(&model);
    let with_head = parameters(&model, Some(&head));
    let learner = Learner { model: &model, head: Some(&head), parameters: &with_head };
    assert_slopes(learner, &items(&all, Granularity::Token, true), &settings(Algorithm::Ppo(ppo)));
    let without = parameters(&model, None);
    let learner = Learner { model: &model, head: None, parameters: &without };
    for granularity in [Granularity::Token, Granularity::Turn, Granularity::Trajectory] {
        let leave_one_out = LeaveOneOut { granularity, ..LeaveOneOut::default() };
        let settings = settings(Algorithm::LeaveOneOut(leave_one_out));
        assert_slopes(learner, &items(&all, granularity, false), &settings);
    }
}

#[test]
fn parts_add_up_to_the_whole_and_layers_can_be_computed_again() {
    let (model, mut settings) = (model(), settings(Algorithm::Ppo(Ppo::default())));
    let all = trajectories(&model);
    let (head, items) = (head(&model), items(&all, Granularity::Token, true));
    let parameters = parameters(&model, Some(&head));
    let learner = Learner { model: &model, head: Some(&head), parameters: &parameters };
    let whole = sum(learner, &items, &settings, ROOM);
    assert!((whole.0.actions - 8.0).abs() < 1e-12 && (whole.0.units - 8.0).abs() < 1e-12);
    let parts = sum(learner, &items, &settings, NonZeroUsize::MIN);
    settings.recompute_layers = true;
    let again = sum(learner, &items, &settings, ROOM);
    for other in [parts, again] {
        let pairs =
            |m: &Measures| [m.loss, m.policy_loss, m.value_loss, m.k1, m.k3, m.reference_k3, m.entropy];
        for (one, two) in pairs(&whole.0).iter().zip(pairs(&other.0)) {
            assert!((one - two).abs() < 1e-6, "{:?} and {:?}", whole.0, other.0);
        }
        let numbers = whole.1.iter().flatten().zip(other.1.iter().flatten());
        numbers.for_each(|(one, two)| assert!((one - two).abs() < 1e-6, "{one} and {two}"));
    }
}

#[test]
fn what_is_reported_is_what_the_loss_is_made_of() {
    let (model, settings) = (model(), settings(Algorithm::Ppo(Ppo::default())));
    let all = trajectories(&model);
    let (head, items) = (head(&model), items(&all, Granularity::Token, true));
    let parameters = parameters(&model, Some(&head));
    let learner = Learner { model: &model, head: Some(&head), parameters: &parameters };
    let (found, _) = sum(learner, &items, &settings, ROOM);
    // L = policy + 0.1 value - 0.3 mean entropy.
    let loss = found.policy_loss + 0.1 * found.value_loss - 0.3 * found.entropy / 8.0;
    assert!((found.loss - loss).abs() < 1e-6, "{found:?}");
    // Log-ratios are what was taken off: 0.05, -0.4, 0.6, -0.03 | 0.05, -0.4 | 0.05, -0.4: e^-0.4 = 0.67 and e^0.6 = 1.82
    // are outside of 0.8 to 1.2, four of eight. k1 = -(0.22 - 0.35 - 0.35) = 0.48.
    assert!((found.clipped - 4.0).abs() < 1e-12 && (found.k1 - 0.48).abs() < 1e-5, "{found:?}");
    // The reference thinks e^0.5 times as much of each: e^0.5 - 1 - 0.5 = 0.148721.
    assert!((found.reference_k3 / 8.0 - 0.148_721).abs() < 1e-5, "{found:?}");
}
