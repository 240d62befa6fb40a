//! A grammar whose entropy is known is learnt to its entropy.

use std::num::NonZeroU64;

use candle_core::DType;
use proofloop::model::{Decoder, ModelConfig};
use proofloop::train::{
    AdamWConfig, Batching, Decay, Example, Finish, Plan, Progress, Schedule, Settings, Trainer,
};
use tokio_util::sync::CancellationToken;

use super::common::{CPU, number, settings};

/// Random numbers of the test's own: a linear congruential generator's high bits.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) * bound) >> 31
    }
}

const END: u32 = 0;
const SWITCH: u32 = 1;

/// The prompt is a letter of 2 to 9. Each token of the completion is one of two: with probability 3/4 the letter's
/// successor in the ring, with 1/4 `SWITCH`, behind which the ring is walked backwards (or forwards again) from
/// where it was. After 12 tokens comes `END`.
///
/// So each of 12 tokens has `H = -3/4 ln 3/4 - 1/4 ln 1/4 = 0.5623` nats (`END` has none), and what is possible
/// depends on tokens far back: the number of switches.
fn example(random: &mut Random) -> Example {
    let start = random.below(8);
    let (mut place, mut forward) = (start, true);
    let mut tokens = vec![2 + start as u32];
    for _ in 0..12 {
        if random.below(4) == 0 {
            forward = !forward;
            tokens.push(SWITCH);
        } else {
            place = (place + if forward { 1 } else { 7 }) % 8;
            tokens.push(2 + place as u32);
        }
    }
    tokens.push(END);
    Example { tokens, completion: 1, weight: 1.0 }
}

fn entropy() -> f64 {
    let of = |p: f64| -p * p.ln();
    12.0 / 13.0 * (of(0.75) + of(0.25))
}

#[test]
fn a_grammar_is_learnt_to_its_entropy() {
    let mut random = Random(1);
    let examples: Vec<_> = (0..50_000).map(|_| example(&mut random)).collect();
    let held_out: Vec<_> = (0..1000).map(|_| example(&mut random)).collect();
    let config = ModelConfig {
        hidden_size: 48,
        layers: 2,
        head_dim: 12,
        intermediate_size: 96,
        ..ModelConfig::nano(10)
    };
    let model = Decoder::init(config, 1, DType::F32, &CPU).expect("made");
    let steps = 1500;
    let settings = Settings {
        batch_examples: number(32),
        micro_batch_tokens: number(16 * 13),
        batching: Batching::Bucketed,
        replicas: number(2),
        optimizer: AdamWConfig::default(),
        schedule: Schedule {
            learning_rate: 5e-3,
            warmup_steps: 20,
            decay: Decay::Cosine { total_steps: steps, floor: 0.05 },
        },
        ..settings()
    };
    let mut trainer = Trainer::new(model, &examples, settings).expect("a trainer");
    let plan = Plan { steps, evaluate_every: NonZeroU64::new(300), save_every: None };
    let (mut reports, mut evaluations) = (Vec::new(), Vec::new());
    let mut progress = |progress: &Progress| match progress {
        Progress::Step(report) => reports.push(*report),
        Progress::Evaluated { step, loss } => evaluations.push((*step, *loss)),
        Progress::Saved { .. } => panic!("nowhere to"),
    };
    let finish = trainer.run(&plan, &held_out, None, &CancellationToken::new(), &mut progress);
    assert_eq!(finish.expect("trained"), Finish::Complete);
    assert_eq!((reports.len() as u64, evaluations.len()), (steps, 5));
    assert_eq!((reports[0].tokens, reports[0].predicted), (32 * 13, 32 * 13));
    let loss = evaluations[4].1;
    let (least, most) = (0.95 * entropy(), 1.05 * entropy());
    assert!(reports[0].loss > 2.0 && (least..most).contains(&loss), "{evaluations:?}, {}", entropy());
}
