//! Policies learn what is known to be best.

use std::ops::Range;

use candle_core::{D, DType, Tensor};
use proofloop::model::{Decoder, Layout, ModelConfig};
use proofloop::train::policy::{
    Actions, Algorithm, Granularity, LeaveOneOut, LogProbOptions, PolicyProgress, PolicyReport,
    PolicySettings, PolicyTrainer, Ppo, Segment, Trajectory, log_probs,
};
use proofloop::train::{AdamWConfig, Decay, Finish, Schedule};
use tokio_util::sync::CancellationToken;

use super::common::{CPU, number};

const TOKENS: usize = 16;

fn model() -> Decoder {
    let (layers, hidden_size, heads, kv_heads, head_dim, intermediate_size) = (2, 32, 2, 1, 8, 32);
    let nano = ModelConfig::nano(TOKENS);
    let config = ModelConfig { layers, hidden_size, heads, kv_heads, head_dim, intermediate_size, ..nano };
    Decoder::init(config, 3, DType::F32, &CPU).expect("made")
}

pub(crate) fn settings(algorithm: Algorithm) -> PolicySettings {
    PolicySettings {
        seed: 7,
        algorithm,
        epochs: number(2),
        minibatch: number(32),
        micro_batch_tokens: number(1 << 12),
        replicas: number(1),
        recompute_layers: false,
        kl_coefficient: 0.0,
        entropy_coefficient: 0.0,
        optimizer: AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() },
        schedule: Schedule::constant(5e-3),
        max_gradient_norm: Some(1.0),
    }
}

/// Random numbers of the test's own: a linear congruential generator's high bits.
struct Random(u64);

impl Random {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn choose(&mut self, probabilities: &[f64]) -> u32 {
        let mut left = self.share();
        for (token, probability) in probabilities.iter().enumerate() {
            left -= probability;
            if left < 0.0 {
                return token as u32;
            }
        }
        probabilities.len() as u32 - 1
    }
}

/// What comes behind each of these texts of one length.
fn distributions(model: &Decoder, texts: &[Vec<u32>]) -> Vec<Vec<f64>> {
    let length = texts[0].len();
    let tokens = Tensor::from_vec(texts.concat(), (texts.len(), length), &CPU).expect("of one length");
    let context = model.train_context(length, Layout::OneText, None).expect("made");
    let hidden = model.forward_train(&tokens, &context).expect("read");
    let last = hidden.narrow(1, length - 1, 1).and_then(|hidden| hidden.squeeze(1)?.contiguous());
    let logits = model.logits(&last.expect("the last")).expect("logits").detach();
    let wide = logits.to_dtype(DType::F64).and_then(|logits| candle_nn::ops::softmax(&logits, D::Minus1));
    wide.and_then(|wide| wide.to_vec2()).expect("readable")
}

pub(crate) fn own_log_probs(model: &Decoder, texts: &[(Vec<u32>, Vec<Range<usize>>)]) -> Vec<Vec<f32>> {
    let actions: Vec<_> = texts.iter().map(|(tokens, turns)| Actions { tokens, turns }).collect();
    let options = LogProbOptions { micro_batch_tokens: number(1 << 12), replicas: number(1) };
    log_probs(model, &actions, options, &CancellationToken::new()).expect("read").expect("not cancelled")
}

fn learn(trainer: &mut PolicyTrainer, trajectories: &[Trajectory]) -> Vec<PolicyReport> {
    let mut reports = Vec::new();
    let mut progress = |progress: &PolicyProgress| match progress {
        PolicyProgress::Step(report) => reports.push(*report),
        PolicyProgress::Saved { .. } => panic!("nowhere to"),
    };
    let never = CancellationToken::new();
    assert_eq!(trainer.update(trajectories, None, &never, &mut progress).expect("learnt"), Finish::Complete);
    reports
}

fn falling(learning_rate: f64, total_steps: u64) -> Schedule {
    Schedule { learning_rate, warmup_steps: 5, decay: Decay::Cosine { total_steps, floor: 0.0 } }
}

/// From -1 to 1, the best of them far from the ends.
fn worth(arm: u32) -> f64 {
    (0.7 * f64::from(arm)).sin()
}

const BETA: f64 = 0.5;

/// A bandit with 16 arms. `max E[r] - beta KL(pi | pi_ref)` has the optimum `pi_ref exp(r / beta) / Z`, at which
/// `r - beta log(pi / pi_ref)` is `beta log Z` for every arm: no advantage is left and the noise of sampling with it.
fn bandit(algorithm: Algorithm) {
    let updates = 40_u64;
    let model = model();
    let prompt = [vec![0_u32]];
    let reference = distributions(&model, &prompt).remove(0);
    let tilted: Vec<f64> = (0..).zip(&reference).map(|(arm, p)| p * (worth(arm) / BETA).exp()).collect();
    let sum: f64 = tilted.iter().sum();
    let settings = PolicySettings {
        kl_coefficient: BETA,
        schedule: falling(1e-2, updates * 4),
        minibatch: number(48),
        ..settings(algorithm)
    };
    let mut trainer = PolicyTrainer::new(model, settings).expect("a trainer");
    let mut random = Random(1);
    let mut reports = Vec::new();
    for _ in 0..updates {
        let now = distributions(trainer.model(), &prompt).remove(0);
        let trajectory = |_| {
            let arm = random.choose(&now);
            Trajectory {
                tokens: vec![0, arm],
                turns: std::iter::once(1..2).collect(),
                old_log_probs: vec![now[arm as usize].ln() as f32],
                reference_log_probs: Some(vec![reference[arm as usize].ln() as f32]),
                rewards: vec![Segment { end: 1, reward: worth(arm) }],
                kl_coefficients: None,
                group: 0,
            }
        };
        let trajectories: Vec<_> = (0..96).map(trajectory).collect();
        reports.extend(learn(&mut trainer, &trajectories));
    }
    let found = distributions(trainer.model(), &prompt).remove(0);
    let optimum: Vec<f64> = tilted.iter().map(|p| p / sum).collect();
    let distance: f64 = found.iter().zip(&optimum).map(|(f, o)| (f - o).abs()).sum::<f64>() / 2.0;
    let objective = |policy: &[f64]| -> f64 {
        let of = |(arm, p): (u32, &f64)| p * (worth(arm) - BETA * (p / reference[arm as usize]).ln());
        (0..).zip(policy).map(of).sum()
    };
    let best = |policy: &[f64]| (0..policy.len()).max_by(|&a, &b| policy[a].total_cmp(&policy[b]));
    assert_eq!(best(&found), best(&optimum));
    assert!(distance < 0.03, "{distance}: {found:?} for {optimum:?}");
    assert!(
        objective(&found) > objective(&optimum) - 0.005,
        "{} of {}",
        objective(&found),
        objective(&optimum)
    );
    // It began at the reference, and what is reported of where it went is the divergence that the optimum has.
    let divergence: f64 = optimum.iter().zip(&reference).map(|(o, r)| o * (o / r).ln()).sum();
    let (first, last) = (reports[0], reports[reports.len() - 1]);
    assert!(first.reference_kl.expect("a reference") < 1e-6 && first.old_kl_k3.abs() < 1e-6, "{first:?}");
    // Over the last two updates: one minibatch is a small sample.
    let late = &reports[reports.len() - 8..];
    let reported: f64 = late.iter().filter_map(|report| report.reference_kl).sum::<f64>() / late.len() as f64;
    assert!((reported - divergence).abs() < 0.2 * divergence, "{reported} for {divergence}");
    assert!(last.mean_reward > first.mean_reward + 0.3 && last.mean_advantage < 0.2 * first.mean_advantage);
}

#[test]
fn ppo_finds_the_optimum_of_a_bandit_with_divergence() {
    let ppo = Ppo { whiten: false, value_clip: None, value_coefficient: 0.5, ..Ppo::default() };
    bandit(Algorithm::Ppo(ppo));
}

#[test]
fn leave_one_out_finds_the_optimum_of_a_bandit_with_divergence() {
    bandit(Algorithm::LeaveOneOut(LeaveOneOut::default()));
}

/// The prompt is 0 or 1. The first turn is one token `a`, worth 1 if it is 3 (4 behind prompt 1). Then `10 + a mod 3` is
/// said, and the second turn is one token, worth 1 if it is `a + 5 + prompt` (mod 16).
fn first_worth(prompt: u32, a: u32) -> f64 {
    if a == 3 + prompt { 1.0 } else { 0.0 }
}

fn second_worth(prompt: u32, a: u32, b: u32) -> f64 {
    if b == (a + 5 + prompt) % 16 { 1.0 } else { 0.0 }
}

fn said(prompt: u32, a: u32) -> Vec<u32> {
    vec![prompt, a, 10 + a % 3]
}

/// What comes behind each prompt, and behind each first turn.
fn policy(model: &Decoder) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let second: Vec<_> = (0..2).flat_map(|prompt| (0..16).map(move |a| said(prompt, a))).collect();
    (distributions(model, &[vec![0], vec![1]]), distributions(model, &second))
}

/// The exact mean of the rewards, of which 2 are possible.
fn value(model: &Decoder) -> f64 {
    let (first, second) = policy(model);
    let mut sum = 0.0;
    for (prompt, a) in (0..2).flat_map(|prompt| (0..16).map(move |a| (prompt, a))) {
        let behind = &second[(prompt * 16 + a) as usize];
        let right: f64 = (0..).zip(behind).map(|(b, p)| p * second_worth(prompt, a, b)).sum();
        sum += 0.5 * first[prompt as usize][a as usize] * (first_worth(prompt, a) + right);
    }
    sum
}

/// `samples` in each update, in minibatches of half as many, twice.
fn two_turns(samples: u32, updates: u64, settings: PolicySettings) {
    let settings = PolicySettings {
        schedule: falling(settings.schedule.learning_rate, updates * 4),
        minibatch: number(samples as usize / 2),
        ..settings
    };
    let mut trainer = PolicyTrainer::new(model(), settings).expect("a trainer");
    let before = value(trainer.model());
    let mut random = Random(2);
    for _ in 0..updates {
        let (first, second) = policy(trainer.model());
        let mut texts = Vec::new();
        let mut rewards = Vec::new();
        for index in 0..samples {
            let prompt = index % 2;
            let a = random.choose(&first[prompt as usize]);
            let b = random.choose(&second[(prompt * 16 + a) as usize]);
            let mut tokens = said(prompt, a);
            tokens.push(b);
            texts.push((tokens, vec![1..2, 3..4]));
            let (first, last) = (first_worth(prompt, a), second_worth(prompt, a, b));
            rewards.push(vec![Segment { end: 1, reward: first }, Segment { end: 2, reward: last }]);
        }
        let log_probs = own_log_probs(trainer.model(), &texts);
        let trajectory = |(((tokens, turns), old_log_probs), rewards): ((_, Vec<f32>), _)| {
            let (tokens, turns): (Vec<u32>, _) = (tokens, turns);
            let group = u64::from(tokens[0]);
            let (reference_log_probs, kl_coefficients) = (None, None);
            Trajectory { tokens, turns, old_log_probs, reference_log_probs, rewards, kl_coefficients, group }
        };
        let trajectories: Vec<_> = texts.into_iter().zip(log_probs).zip(rewards).map(trajectory).collect();
        learn(&mut trainer, &trajectories);
    }
    let after = value(trainer.model());
    assert!(before < 0.2 && after >= 0.95 * 2.0, "{before} to {after}");
}

#[test]
fn ppo_learns_what_each_turn_must_be() {
    let settings = settings(Algorithm::Ppo(Ppo::default()));
    two_turns(64, 40, PolicySettings { schedule: Schedule::constant(1e-2), ..settings });
}

#[test]
fn leave_one_out_learns_what_each_turn_must_be() {
    let by_turn = LeaveOneOut { granularity: Granularity::Turn, ..LeaveOneOut::default() };
    // One number pays both turns, so it would settle for one of them before it has seen what is better: it needs more samples
    // and some entropy (with these, eight of eight seeds of the sampling come to 1.99 of 2).
    let settings = PolicySettings { entropy_coefficient: 0.05, ..settings(Algorithm::LeaveOneOut(by_turn)) };
    two_turns(128, 120, PolicySettings { schedule: Schedule::constant(3e-3), ..settings });
}
