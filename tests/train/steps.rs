//! What a step changes, and what it must not depend on.

use candle_core::{DType, Tensor};
use proofloop::model::Decoder;
use proofloop::train::{Batching, Example, Settings, StepReport, TrainError, Trainer};
use tokio_util::sync::CancellationToken;

use super::common::{adapted, all_values, distance, examples, model, number, settings, step, values};

/// Three steps: their reports and what the parameters are then.
fn three(model: Decoder, settings: Settings) -> (Vec<StepReport>, Vec<Vec<f32>>) {
    let examples = examples();
    let mut trainer = Trainer::new(model, &examples, settings).expect("a trainer");
    let reports = (0..3).map(|_| step(&mut trainer)).collect();
    (reports, all_values(trainer.model().trainable()))
}

fn assert_close(left: &(Vec<StepReport>, Vec<Vec<f32>>), right: &(Vec<StepReport>, Vec<Vec<f32>>)) {
    for (left, right) in left.0.iter().zip(&right.0) {
        assert!((left.loss - right.loss).abs() < 1e-6 * left.loss, "{left:?} {right:?}");
        let norms = (left.gradient_norm - right.gradient_norm).abs() / left.gradient_norm;
        assert!(norms < 1e-5, "{left:?} {right:?}");
    }
}

#[test]
fn accumulation_packing_and_recomputation_change_nothing() {
    // A plain gradient step would show differences of 1e-7; AdamW divides by the gradient's size, so a gradient of
    // nearly 0 may turn rounding into a step. Its epsilon is therefore large here.
    let mut base = settings();
    base.optimizer.epsilon = 1e-2;
    let whole = three(model(DType::F32), base.clone());
    let with = |change: fn(&mut Settings)| {
        let mut settings = base.clone();
        change(&mut settings);
        let other = three(model(DType::F32), settings);
        assert_close(&whole, &other);
        assert!(distance(&whole.1, &other.1) < 1e-6, "{}", distance(&whole.1, &other.1));
    };
    with(|settings| settings.micro_batch_tokens = number(1));
    with(|settings| settings.micro_batch_tokens = number(20));
    with(|settings| settings.batching = Batching::Packed { row_tokens: number(17) });
    with(|settings| settings.recompute_layers = true);
    with(|settings| (settings.recompute_layers, settings.micro_batch_tokens) = (true, number(20)));
}

#[test]
fn replicas_change_no_bit() {
    let parts = Settings { micro_batch_tokens: number(9), ..settings() };
    for make in [|| model(DType::F32), adapted] {
        let one = three(make(), parts.clone());
        for replicas in [2, 3, 64] {
            let many = three(make(), Settings { replicas: number(replicas), ..parts.clone() });
            assert_eq!(one.1, many.1);
            for (one, many) in one.0.iter().zip(&many.0) {
                assert_eq!(one.loss.to_bits(), many.loss.to_bits());
            }
        }
    }
}

#[test]
fn recomputed_layers_drop_the_same_elements() {
    let mut base = settings();
    base.optimizer.epsilon = 1e-2;
    let kept = three(adapted(), base.clone());
    let recomputed = three(adapted(), Settings { recompute_layers: true, ..base });
    assert_close(&kept, &recomputed);
    assert!(distance(&kept.1, &recomputed.1) < 1e-6);
}

#[test]
fn the_loss_is_the_weighted_mean_over_completions() -> candle_core::Result<()> {
    let (model, examples) = (model(DType::F32), examples());
    let (mut sum, mut weights) = (0.0, 0.0);
    for Example { tokens, completion, weight } in &examples {
        let inputs = Tensor::new(&tokens[..tokens.len() - 1], model.device())?.unsqueeze(0)?;
        let context = model.train_context(tokens.len() - 1, proofloop::model::Layout::OneText, None);
        let hidden = model.forward_train(&inputs, &context.expect("made")).expect("read");
        let logits = model.logits(&hidden).expect("logits").squeeze(0)?;
        let log_p = candle_nn::ops::log_softmax(&logits, 1)?.to_vec2::<f32>()?;
        for at in (*completion).max(1)..tokens.len() {
            sum -= f64::from(*weight) * f64::from(log_p[at - 1][tokens[at] as usize]);
            weights += f64::from(*weight);
        }
    }
    let all = Settings { batch_examples: number(examples.len()), ..settings() };
    let mut trainer = Trainer::new(model, &examples, all).expect("a trainer");
    let cancel = CancellationToken::new();
    let evaluated = trainer.evaluate(&examples, &cancel).expect("evaluated").expect("not cancelled");
    let learnt = step(&mut trainer).loss;
    for loss in [evaluated, learnt] {
        assert!((loss - sum / weights).abs() < 1e-6, "{loss} for {}", sum / weights);
    }
    Ok(())
}

#[test]
fn every_parameter_moves() {
    for dtype in [DType::F32, DType::BF16] {
        let model = model(dtype);
        let before = all_values(model.parameters());
        // Small steps: without master weights, bf16 would stay where it is.
        let mut slow = settings();
        slow.schedule.learning_rate = 3e-4;
        let examples = examples();
        let mut trainer = Trainer::new(model, &examples, slow).expect("a trainer");
        let first = step(&mut trainer).loss;
        for _ in 0..39 {
            step(&mut trainer);
        }
        for ((name, var), before) in trainer.model().parameters().iter().zip(&before) {
            assert_eq!(var.dtype(), dtype);
            assert_ne!(&values(var), before, "{name} in {dtype:?}");
        }
        let cancel = CancellationToken::new();
        let last = trainer.evaluate(&examples, &cancel).expect("evaluated").expect("not cancelled");
        assert!(last < first, "{dtype:?}: {last} after {first}");
    }
}

#[test]
fn with_adapters_only_adapters_move() {
    let model = adapted();
    let frozen = all_values(model.parameters());
    let before = all_values(model.trainable());
    let examples = examples();
    let mut trainer = Trainer::new(model, &examples, settings()).expect("a trainer");
    for _ in 0..3 {
        step(&mut trainer);
    }
    assert_eq!(all_values(trainer.model().parameters()), frozen);
    for ((name, var), before) in trainer.model().trainable().iter().zip(&before) {
        assert!(name.contains(".lora_"));
        assert_ne!(&values(var), before, "{name}");
    }
}

#[test]
fn clipping_bounds_the_step_and_reports_the_whole_gradient() {
    let mut free = settings();
    // So that a step is the gradient: no memory, no decay, and an epsilon that everything is divided by.
    (free.optimizer.beta1, free.optimizer.beta2, free.optimizer.weight_decay) = (0.0, 0.0, 0.0);
    (free.optimizer.epsilon, free.schedule.learning_rate, free.max_gradient_norm) = (1e3, 1e3, None);
    let moved = |settings: Settings| {
        let (model, examples) = (model(DType::F32), examples());
        let before = all_values(model.parameters());
        let mut trainer = Trainer::new(model, &examples, settings).expect("a trainer");
        let report = step(&mut trainer);
        let after = all_values(trainer.model().parameters());
        let pairs = after.iter().flatten().zip(before.iter().flatten());
        (report.gradient_norm, pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt())
    };
    let bounded = Settings { max_gradient_norm: Some(0.01), ..free };
    let (free, bounded) = (moved(free), moved(bounded));
    assert!(free.0 > 0.1 && (free.0 - bounded.0).abs() < 1e-9);
    assert!((free.1 / free.0 - 1.0).abs() < 0.01, "{free:?}");
    assert!((bounded.1 / 0.01 - 1.0).abs() < 0.01, "{bounded:?}");
}

#[test]
fn not_a_number_stops_and_changes_nothing() {
    let model = model(DType::F32);
    let norm = &model.parameters()["model.norm.weight"];
    let mut bad = values(norm);
    let examples = examples();
    let mut trainer = Trainer::new(model.clone(), &examples, settings()).expect("a trainer");
    step(&mut trainer);
    bad[0] = f32::NAN;
    norm.set(&Tensor::new(bad, norm.device()).expect("made")).expect("set");
    let before = all_values(trainer.model().parameters());
    let error = trainer.step(&CancellationToken::new()).expect_err("stopped");
    assert!(matches!(error, TrainError::NotFinite { step: 1, .. }), "{error}");
    let bits = |all: &[Vec<f32>]| all.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&all_values(trainer.model().parameters())), bits(&before));
    assert_eq!(trainer.steps(), 1);
}

#[test]
fn a_cancelled_step_changes_nothing() {
    let (model, examples) = (model(DType::F32), examples());
    let before = all_values(model.parameters());
    let mut trainer = Trainer::new(model, &examples, settings()).expect("a trainer");
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(trainer.step(&cancel).expect("no error"), None);
    assert_eq!(trainer.evaluate(&examples, &cancel).expect("no error"), None);
    assert_eq!((trainer.steps(), all_values(trainer.model().parameters())), (0, before));
}

#[test]
fn bad_settings_and_examples_are_refused() {
    let good = examples();
    let says = |examples: &[Example], change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        Trainer::new(model(DType::F32), examples, settings).expect_err("refused").to_string()
    };
    let one = |tokens: Vec<u32>, completion, weight| {
        let mut examples = good.clone();
        examples[1] = Example { tokens, completion, weight };
        says(&examples, |_| {})
    };
    insta::assert_snapshot!(
        [
            says(&[], |_| {}),
            one(vec![1, 13], 1, 1.0),
            one(vec![1; 2000], 1, 1.0),
            one(vec![1], 0, 1.0),
            one(vec![1, 2], 2, 1.0),
            one(vec![1, 2], 1, 0.0),
            one(vec![1, 2], 1, f32::NAN),
            says(&good, |settings| settings.max_gradient_norm = Some(f64::NAN)),
            says(&good, |settings| settings.schedule.learning_rate = -1.0),
            says(&good, |settings| settings.optimizer.beta1 = 1.5),
        ]
        .join("\n")
    );
}
