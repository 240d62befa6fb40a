//! What a policy's update changes, what it must not depend on, and its checkpoints.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use candle_core::{DType, Tensor};
use proofloop::model::{Decoder, Layout, Lora, LoraConfig};
use proofloop::train::policy::{
    Algorithm, Granularity, LeaveOneOut, PolicyCheckpoint, PolicyProgress, PolicyReport, PolicySettings,
    PolicyTrainer, Ppo, Saving, Segment, Trajectory,
};
use proofloop::train::{Finish, Schedule, TrainError};
use tokio_util::sync::CancellationToken;

use super::common::{all_values, checkpoints, names, number, values};
use super::policy::{own_log_probs, settings as common_settings};

const PPO: fn() -> Algorithm = || Algorithm::Ppo(Ppo::default());
const LEAVE_ONE_OUT: fn() -> Algorithm =
    || Algorithm::LeaveOneOut(LeaveOneOut { granularity: Granularity::Turn, ..LeaveOneOut::default() });

fn model(dtype: DType) -> Decoder {
    super::common::model(dtype)
}

fn adapted() -> Decoder {
    let base = model(DType::F32);
    let lora = Lora::init(LoraConfig { dropout: 0.25, ..LoraConfig::all_projections(2) }, &base, 5);
    base.with_lora(lora.expect("made")).expect("fits")
}

fn settings(algorithm: Algorithm) -> PolicySettings {
    PolicySettings {
        minibatch: number(5),
        micro_batch_tokens: number(20),
        kl_coefficient: 0.05,
        entropy_coefficient: 0.01,
        schedule: Schedule::constant(3e-3),
        ..common_settings(algorithm)
    }
}

/// Twelve, in groups of three, of one or two turns, as `model` would have written them.
fn trajectories(model: &Decoder, salt: u32) -> Vec<Trajectory> {
    let text = |index: u32| {
        let length = 4 + (index * 5 + salt) % 5;
        let tokens: Vec<u32> = (0..length).map(|at| (index * 7 + at * at + 3 * salt + 1) % 13).collect();
        let end = length as usize;
        let turns =
            if index.is_multiple_of(2) { vec![1..2, 3..end] } else { std::iter::once(2..end).collect() };
        (tokens, turns)
    };
    let texts: Vec<_> = (0..12).map(text).collect();
    let own = own_log_probs(model, &texts);
    let trajectory = |(index, ((tokens, turns), own)): (u64, ((_, _), Vec<f32>))| Trajectory {
        tokens,
        turns,
        reference_log_probs: Some(own.iter().map(|log_prob| log_prob - 0.1).collect()),
        rewards: vec![
            Segment { end: 1, reward: (index % 4) as f64 - 1.0 },
            Segment { end: own.len(), reward: (index % 3) as f64 * 0.5 },
        ],
        old_log_probs: own,
        kl_coefficients: (index == 2).then(|| vec![0.5, 0.0]),
        group: index / 3,
    };
    (0..).zip(texts.into_iter().zip(own)).map(trajectory).collect()
}

fn run(trainer: &mut PolicyTrainer, all: &[Trajectory], saving: Option<Saving<'_>>) -> Vec<PolicyReport> {
    let mut reports = Vec::new();
    let mut progress = |progress: &PolicyProgress| {
        if let PolicyProgress::Step(report) = progress {
            reports.push(*report);
        }
    };
    let never = CancellationToken::new();
    let finish = trainer.update(all, saving, &never, &mut progress).expect("learnt");
    assert_eq!((finish, trainer.is_within_update()), (Finish::Complete, false));
    reports
}

/// All but the clock.
fn bits(report: &PolicyReport) -> Vec<u64> {
    let PolicyReport { step, epoch, policy_loss, value_loss, reference_kl, old_kl_k1, .. } = *report;
    let PolicyReport { old_kl_k3, clipped_fraction, entropy, mean_reward, mean_advantage, .. } = *report;
    let PolicyReport { gradient_norm, learning_rate, trajectories, actions, .. } = *report;
    let options = [value_loss, reference_kl].map(|number| number.map_or(1, f64::to_bits));
    let numbers = [policy_loss, old_kl_k1, old_kl_k3, clipped_fraction, entropy, mean_reward, mean_advantage];
    let mut bits = vec![step, epoch, trajectories as u64, actions as u64];
    bits.extend(options);
    bits.extend(numbers.into_iter().chain([gradient_norm, learning_rate]).map(f64::to_bits));
    bits
}

fn all_bits(trainer: &PolicyTrainer) -> Vec<u32> {
    let head = trainer.value_head().map(|head| all_values(head.parameters())).unwrap_or_default();
    let weights = [all_values(trainer.model().parameters()), all_values(trainer.model().trainable()), head];
    weights.iter().flatten().flatten().map(|number| number.to_bits()).collect()
}

#[test]
fn log_probs_are_those_of_the_policy() {
    let model = model(DType::F32);
    for one in &trajectories(&model, 0) {
        let tokens = Tensor::new(one.tokens.as_slice(), model.device()).and_then(|t| t.unsqueeze(0));
        let context = model.train_context(one.tokens.len(), Layout::OneText, None).expect("made");
        let hidden = model.forward_train(&tokens.expect("made"), &context).expect("read");
        let logits = model.logits(&hidden).expect("logits").squeeze(0).expect("one row");
        let all = candle_nn::ops::log_softmax(&logits, 1).and_then(|l| l.to_vec2::<f32>()).expect("readable");
        let wanted: Vec<f32> =
            one.turns.iter().cloned().flatten().map(|at| all[at - 1][one.tokens[at] as usize]).collect();
        assert_eq!(wanted.len(), one.old_log_probs.len());
        assert!(wanted.iter().zip(&one.old_log_probs).all(|(w, f)| (w - f).abs() < 1e-5));
    }
}

#[test]
fn every_parameter_moves_and_with_adapters_only_they_and_the_head() {
    for algorithm in [PPO, LEAVE_ONE_OUT] {
        for make in [|| model(DType::F32), || model(DType::BF16), adapted] {
            let model = make();
            let is_adapted = model.lora().is_some();
            let (frozen, before) = (all_values(model.parameters()), all_values(model.trainable()));
            let all = trajectories(&model, 0);
            let mut trainer = PolicyTrainer::new(model, settings(algorithm())).expect("a trainer");
            let reports = [run(&mut trainer, &all, None), run(&mut trainer, &all, None)].concat();
            // Twelve in minibatches of five, two epochs, two updates.
            assert_eq!((reports.len(), trainer.steps()), (12, 12));
            for ((name, var), before) in trainer.model().trainable().iter().zip(&before) {
                assert_eq!(is_adapted, name.contains(".lora_"));
                assert_ne!(&values(var), before, "{name}");
            }
            let head = trainer.value_head();
            assert_eq!(head.is_some(), matches!(algorithm(), Algorithm::Ppo(_)));
            for (name, var) in head.iter().flat_map(|head| head.parameters()) {
                assert!(values(var).iter().all(|number| number.abs() > 0.0), "{name}");
            }
            if is_adapted {
                assert_eq!(all_values(trainer.model().parameters()), frozen);
            }
            // The first step is taken by the policy that wrote the actions.
            let first = &reports[0];
            assert!(first.old_kl_k3 < 1e-4 && first.clipped_fraction.abs() < 1e-12, "{first:?}");
            assert!(
                first.gradient_norm > 0.0 && first.mean_advantage > 0.1 && first.actions >= 10,
                "{first:?}"
            );
        }
    }
}

#[test]
fn replicas_change_no_bit_and_recomputed_layers_next_to_nothing() {
    for algorithm in [PPO, LEAVE_ONE_OUT] {
        let with = |change: fn(&mut PolicySettings)| {
            // As in `accumulation_packing_and_recomputation_change_nothing`.
            let mut settings = settings(algorithm());
            settings.optimizer.epsilon = 1e-2;
            change(&mut settings);
            let model = adapted();
            let all = trajectories(&model, 0);
            let mut trainer = PolicyTrainer::new(model, settings).expect("a trainer");
            (run(&mut trainer, &all, None), all_bits(&trainer))
        };
        let one = with(|_| {});
        let many = with(|settings| settings.replicas = number(3));
        assert_eq!(one.1, many.1);
        assert!(one.0.iter().zip(&many.0).all(|(one, many)| bits(one) == bits(many)));
        let again =
            with(|settings| (settings.recompute_layers, settings.micro_batch_tokens) = (true, number(64)));
        for (one, again) in one.0.iter().zip(&again.0) {
            let off = (one.gradient_norm / again.gradient_norm - 1.0).abs();
            assert!(off < 1e-3 && (one.policy_loss - again.policy_loss).abs() < 1e-4, "{one:?} {again:?}");
        }
    }
}

const EACH: Option<NonZeroU64> = NonZeroU64::new(1);

/// Two updates, saved after each step; from every checkpoint another process goes on and ends with the same bits.
fn assert_same(make: fn() -> Decoder, algorithm: Algorithm) {
    let (folder, checkpoints) = checkpoints(99);
    let saving = Some(Saving { checkpoints: &checkpoints, every: EACH });
    let first_model = make();
    let updates = [trajectories(&first_model, 0), trajectories(&first_model, 1)];
    let mut trainer = PolicyTrainer::new(first_model, settings(algorithm)).expect("a trainer");
    let reports: Vec<_> = updates.iter().map(|all| run(&mut trainer, all, saving)).collect();
    let per_update = reports[0].len() as u64;
    let reports = reports.concat();
    assert_eq!(names(folder.path()).len(), reports.len());
    for name in names(folder.path()) {
        let checkpoint = PolicyCheckpoint::open(&folder.path().join(name)).expect("whole");
        let step = checkpoint.step();
        assert_eq!(checkpoint.is_within_update(), !step.is_multiple_of(per_update));
        let fresh = make();
        for var in fresh.trainable().values() {
            var.set(&var.ones_like().expect("ones")).expect("set");
        }
        let mut resumed = PolicyTrainer::resume(fresh, settings(algorithm), &checkpoint).expect("resumed");
        assert_eq!((resumed.steps(), resumed.is_within_update()), (step, checkpoint.is_within_update()));
        let left = &updates[(step / per_update) as usize..];
        let found: Vec<_> = left.iter().flat_map(|all| run(&mut resumed, all, None)).collect();
        let wanted = &reports[step as usize..];
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert_eq!(bits(found), bits(wanted), "step {step}: {found:?} {wanted:?}");
        }
        assert_eq!(all_bits(&resumed), all_bits(&trainer), "step {step}");
    }
}

#[test]
fn resumed_equals_uninterrupted() {
    assert_same(|| model(DType::F32), PPO());
    assert_same(adapted, PPO());
    assert_same(|| model(DType::BF16), PPO());
    assert_same(adapted, LEAVE_ONE_OUT());
}

#[test]
fn a_cancelled_update_is_saved_and_goes_on_with_the_same_trajectories() {
    let (folder, checkpoints) = checkpoints(99);
    let saving = Some(Saving { checkpoints: &checkpoints, every: None });
    let start = || {
        let model = model(DType::F32);
        let all = trajectories(&model, 0);
        (PolicyTrainer::new(model, settings(PPO())).expect("a trainer"), all)
    };
    let (mut whole, all) = start();
    run(&mut whole, &all, None);
    let (mut trainer, _) = start();
    let cancel = CancellationToken::new();
    let mut stop = |progress: &PolicyProgress| {
        if matches!(progress, PolicyProgress::Step(report) if report.step == 2) {
            cancel.cancel();
        }
    };
    let finish = trainer.update(&all, saving, &cancel, &mut stop).expect("stopped");
    assert_eq!((finish, trainer.is_within_update(), trainer.steps()), (Finish::Cancelled, true, 2));
    assert_eq!(names(folder.path()), ["step-00000002"]);
    let mut others = all.clone();
    others[3].rewards[0].reward += 1.0;
    let never = CancellationToken::new();
    let error = trainer.update(&others, saving, &never, &mut |_| {}).expect_err("refused");
    assert_eq!(error.to_string(), "setting `trajectories`: they are not those of the update that goes on");
    run(&mut trainer, &all, saving);
    assert_eq!(names(folder.path()), ["step-00000002", "step-00000006"]);
    assert_eq!(all_bits(&trainer), all_bits(&whole));
    // Cancelled before it began.
    let (mut trainer, all) = start();
    let before = all_bits(&trainer);
    let finish = trainer.update(&all, saving, &cancel, &mut |_| {}).expect("stopped");
    assert_eq!((finish, trainer.steps(), all_bits(&trainer)), (Finish::Cancelled, 0, before));
}

#[test]
fn what_has_no_advantage_takes_no_step() {
    let model = model(DType::F32);
    let mut all = trajectories(&model, 0);
    let no_bonus =
        PolicySettings { kl_coefficient: 0.0, entropy_coefficient: 0.0, ..settings(LEAVE_ONE_OUT()) };
    for one in &mut all {
        (one.reference_log_probs, one.kl_coefficients) = (None, None);
        one.rewards = vec![Segment { end: 1, reward: 0.3 }];
    }
    let before = all_values(model.parameters());
    let mut trainer = PolicyTrainer::new(model, no_bonus).expect("a trainer");
    assert!(run(&mut trainer, &all, None).is_empty());
    assert_eq!((trainer.steps(), all_values(trainer.model().parameters())), (0, before));
    // One group of three that teaches: its trajectories alone go through the model, in the minibatches they fall into.
    all[0].rewards[0].reward = 1.0;
    let reports = run(&mut trainer, &all, None);
    assert!(!reports.is_empty() && reports.iter().all(|report| report.reference_kl.is_none()));
    let taught: usize = reports.iter().map(|report| report.actions).sum();
    let group: usize = all[..3].iter().map(|one| one.old_log_probs.len()).sum();
    assert_eq!(taught, 2 * group);
}

#[test]
fn not_a_number_stops_and_changes_nothing() {
    let (folder, checkpoints) = checkpoints(99);
    let saving = Some(Saving { checkpoints: &checkpoints, every: EACH });
    let model = model(DType::F32);
    let all = trajectories(&model, 0);
    let mut trainer = PolicyTrainer::new(model.clone(), settings(PPO())).expect("a trainer");
    let norm = &model.parameters()["model.norm.weight"];
    let mut spoil = |progress: &PolicyProgress| {
        if matches!(progress, PolicyProgress::Saved { step: 3, .. }) {
            let mut bad = values(norm);
            bad[0] = f32::NAN;
            norm.set(&Tensor::new(bad, norm.device()).expect("made")).expect("set");
        }
    };
    let never = CancellationToken::new();
    let error = trainer.update(&all, saving, &never, &mut spoil).expect_err("stopped");
    assert!(matches!(error, TrainError::NotFinite { step: 3, loss, .. } if loss.is_nan()), "{error}");
    assert_eq!(trainer.steps(), 3);
    assert_eq!(names(folder.path()).last().map(String::as_str), Some("step-00000003"));
    let error = trainer.save(&checkpoints).expect_err("not sound");
    assert!(matches!(error, TrainError::Unsound { step: 3, .. }), "{error}");
    let latest = checkpoints.latest_policy().expect("readable").expect("there");
    let mut resumed = PolicyTrainer::resume(model, settings(PPO()), &latest).expect("resumed");
    assert!(run(&mut resumed, &all, None).iter().all(|report| report.policy_loss.is_finite()));
}

#[test]
fn bad_settings_and_trajectories_are_refused() {
    let says = |change: fn(&mut PolicySettings, &mut Ppo, &mut LeaveOneOut)| {
        let (mut ppo, mut leave_one_out) = (Ppo::default(), LeaveOneOut::default());
        let mut settings = settings(PPO());
        change(&mut settings, &mut ppo, &mut leave_one_out);
        let first = PolicySettings { algorithm: Algorithm::Ppo(ppo), ..settings.clone() };
        let second = PolicySettings { algorithm: Algorithm::LeaveOneOut(leave_one_out), ..settings };
        let errors = [first, second].map(|settings| PolicyTrainer::new(model(DType::F32), settings).err());
        errors.into_iter().flatten().next().expect("refused").to_string()
    };
    let one = |change: fn(&mut Trajectory)| {
        let model = model(DType::F32);
        let mut all = trajectories(&model, 0);
        change(&mut all[2]);
        let mut trainer = PolicyTrainer::new(model, settings(PPO())).expect("a trainer");
        let never = CancellationToken::new();
        trainer.update(&all, None, &never, &mut |_| {}).expect_err("refused").to_string()
    };
    insta::assert_snapshot!(
        [
            says(|settings, _, _| settings.kl_coefficient = -1.0),
            says(|settings, _, _| settings.entropy_coefficient = f64::NAN),
            says(|settings, _, _| settings.max_gradient_norm = Some(0.0)),
            says(|settings, _, _| settings.schedule.learning_rate = -1.0),
            says(|settings, _, _| settings.optimizer.beta1 = 1.5),
            says(|_, ppo, _| ppo.clip = 0.0),
            says(|_, ppo, _| ppo.gamma = 1.5),
            says(|_, ppo, _| ppo.lambda = -0.5),
            says(|_, ppo, _| ppo.value_coefficient = 0.0),
            says(|_, ppo, _| ppo.value_clip = Some(f64::INFINITY)),
            says(|_, _, leave_one_out| leave_one_out.keep_fraction = 0.0),
            one(|one| one.tokens[0] = 13),
            one(|one| one.tokens = vec![1; 2000]),
            one(|one| one.turns.clear()),
            one(|one| one.turns[0] = 0..1),
            one(|one| one.turns[1].start = 1),
            one(|one| one.turns[1].end = 99),
            one(|one| one.old_log_probs.push(0.0)),
            one(|one| one.old_log_probs[0] = f32::NAN),
            one(|one| one.reference_log_probs = None),
            one(|one| one.kl_coefficients = Some(vec![1.0])),
            one(|one| one.kl_coefficients = Some(vec![1.0, -1.0])),
            one(|one| one.rewards[0].end = 0),
        ]
        .join("\n")
    );
    let mut trainer = PolicyTrainer::new(model(DType::F32), settings(PPO())).expect("a trainer");
    let error = trainer.update(&[], None, &CancellationToken::new(), &mut |_| {}).expect_err("refused");
    assert_eq!(error.to_string(), "setting `trajectories`: there are none");
}

#[test]
fn damaged_and_foreign_checkpoints_are_named() {
    let says = |damage: fn(&Path), model: fn() -> Decoder, change: fn(&mut PolicySettings)| {
        let (_folder, checkpoints) = checkpoints(99);
        let saving = Some(Saving { checkpoints: &checkpoints, every: EACH });
        let base = self::model(DType::F32);
        let all = trajectories(&base, 0);
        let mut trainer = PolicyTrainer::new(base, settings(PPO())).expect("a trainer");
        let cancel = CancellationToken::new();
        trainer.update(&all, saving, &cancel, &mut |_| cancel.cancel()).expect("stopped");
        let path = checkpoints.latest_policy().expect("readable").expect("there").path().to_path_buf();
        damage(&path);
        let mut settings = settings(PPO());
        change(&mut settings);
        let error = PolicyCheckpoint::open(&path)
            .and_then(|checkpoint| PolicyTrainer::resume(model(), settings, &checkpoint))
            .expect_err("refused");
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text.replace(&path.display().to_string(), "DIR")
    };
    let same: fn() -> Decoder = || model(DType::F32);
    let all = [
        says(|path| fs::remove_file(path.join("policy.json")).expect("removed"), same, |_| {}),
        says(|path| fs::remove_file(path.join("value_head.safetensors")).expect("removed"), same, |_| {}),
        says(|path| fs::remove_file(path.join("values.safetensors")).expect("removed"), same, |_| {}),
        says(|path| fs::write(path.join("policy.json"), "{\"version\": 2}").expect("written"), same, |_| {}),
        says(|path| fs::write(path.join("policy.json"), "{\"version\": 1}").expect("written"), same, |_| {}),
        says(|_| {}, same, |settings| settings.seed = 8),
        says(|_| {}, same, |settings| settings.algorithm = LEAVE_ONE_OUT()),
        says(|_| {}, same, |settings| settings.minibatch = number(4)),
        says(|_| {}, adapted, |_| {}),
    ];
    insta::assert_snapshot!(all.join("\n"));
    // Neither kind of training takes the other's.
    let (folder, checkpoints) = checkpoints(99);
    let base = model(DType::F32);
    let mut trainer = PolicyTrainer::new(base.clone(), settings(PPO())).expect("a trainer");
    let all = trajectories(&base, 0);
    run(&mut trainer, &all, Some(Saving { checkpoints: &checkpoints, every: None }));
    assert!(checkpoints.latest().is_err());
    assert_eq!(
        names(&folder.path().join("step-00000006")),
        ["model", "optimizer.safetensors", "policy.json", "value_head.safetensors"]
    );
}
