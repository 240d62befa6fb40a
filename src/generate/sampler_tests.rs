use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;

fn choose(sampling: &Sampling, seed: u64, prompt: &[u32], logits: &[f32]) -> u32 {
    let mut sampler = Sampler::new(sampling, seed, prompt);
    sampler.choose(logits, &mut Scratch::default()).expect("finite").token
}

/// The same by its definition: everything sorted, everything in f64 but the weights.
fn naive(sampling: &Sampling, seed: u64, prompt: &[u32], logits: &[f32]) -> u32 {
    let penalty = sampling.repetition_penalty as f32;
    let penalized = |token: usize| {
        let logit = logits[token];
        let is_seen = prompt.contains(&(token as u32));
        if is_seen && logit > 0.0 {
            logit / penalty
        } else if is_seen {
            logit * penalty
        } else {
            logit
        }
    };
    let logits: Vec<f32> = (0..logits.len()).map(penalized).collect();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    if sampling.temperature <= 0.0 {
        return order[0] as u32;
    }
    let mut weights = Vec::new();
    let scale = (1.0 / sampling.temperature) as f32;
    ops::exponentials(&logits, logits[order[0]], scale, &mut weights);
    let weight = |token: &usize| f64::from(weights[*token]);
    if let Some(k) = sampling.top_k {
        order.truncate(k.get());
    }
    if sampling.top_p < 1.0 {
        let mut by_id = order.clone();
        by_id.sort_unstable();
        let wanted = sampling.top_p * by_id.iter().map(weight).sum::<f64>();
        let mut sum = 0.0;
        let enough = order.iter().position(|token| {
            sum += weight(token);
            sum >= wanted
        });
        order.truncate(enough.map_or(order.len(), |place| place + 1));
    }
    order.retain(|token| weight(token) >= sampling.min_p);
    order.sort_unstable();
    let uniform = (ChaCha8Rng::seed_from_u64(seed).next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let wanted = uniform * order.iter().map(weight).sum::<f64>();
    let mut sum = 0.0;
    let drawn = order.iter().find(|token| {
        sum += weight(token);
        sum > wanted
    });
    drawn.or(order.last()).map_or(0, |&token| token as u32)
}

fn settings() -> impl Strategy<Value = Sampling> {
    (
        prop_oneof![Just(0.0), 0.05..3.0_f64],
        prop_oneof![Just(1.0), 0.01..1.0_f64],
        prop_oneof![Just(None), (1..60_usize).prop_map(NonZeroUsize::new)],
        prop_oneof![Just(0.0), 0.0..1.0_f64],
        prop_oneof![Just(1.0), 0.5..2.0_f64],
    )
        .prop_map(|(temperature, top_p, top_k, min_p, repetition_penalty)| Sampling {
            temperature,
            top_p,
            top_k,
            min_p,
            repetition_penalty,
            ..Sampling::default()
        })
}

proptest! {
    #[test]
    fn agrees_with_the_definition(
        sampling in settings(),
        seed in any::<u64>(),
        logits in prop::collection::vec(prop_oneof![-8.0..8.0_f32, Just(1.5), Just(-2.0)], 1..700),
        prompt in prop::collection::vec(0..700_u32, 0..20),
    ) {
        prop_assert_eq!(choose(&sampling, seed, &prompt, &logits), naive(&sampling, seed, &prompt, &logits));
    }
}

#[test]
fn of_equally_likely_tokens_the_first_is_greedy() {
    let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
    assert_eq!(choose(&greedy, 1, &[], &[0.5, 2.0, -1.0, 2.0]), 1);
    assert_eq!(choose(&greedy, 1, &[], &[-3.0]), 0);
    // A penalty for the first of them leaves the second.
    let penalized = Sampling { repetition_penalty: 1.1, ..greedy };
    assert_eq!(choose(&penalized, 1, &[1], &[0.5, 2.0, -1.0, 2.0]), 3);
}

#[test]
fn frequencies_are_the_probabilities() {
    let logits = [0.0, 2.0_f32.ln(), f32::NEG_INFINITY, 5.0_f32.ln()];
    let mut sampler = Sampler::new(&Sampling::default(), 3, &[]);
    let mut counts = [0_u32; 4];
    for _ in 0..16_000 {
        counts[sampler.choose(&logits, &mut Scratch::default()).expect("finite").token as usize] += 1;
    }
    // 1/8, 2/8, 0, 5/8 of 16,000, within five standard deviations.
    assert!((1800..2200).contains(&counts[0]) && (3730..4270).contains(&counts[1]), "{counts:?}");
    assert!(counts[2] == 0 && (9690..10310).contains(&counts[3]), "{counts:?}");
}

#[test]
fn log_probabilities_are_of_the_model_as_it_is() {
    let sampling = Sampling {
        temperature: 0.0,
        repetition_penalty: 100.0,
        log_probs: true,
        top_k: NonZeroUsize::new(1),
        ..Sampling::default()
    };
    let logits = [0.0, 2.0_f32.ln(), 5.0_f32.ln()];
    let choice = Sampler::new(&sampling, 1, &[2, 1]).choose(&logits, &mut Scratch::default());
    let choice = choice.expect("finite");
    assert_eq!(choice.token, 2);
    let off = choice.log_prob.expect("asked for") - (5.0_f32 / 8.0).ln();
    assert!(off.abs() < 1e-6, "{off}");
}

#[test]
fn broken_logits_are_an_error() {
    for temperature in [0.0, 1.0] {
        let sampling = Sampling { temperature, ..Sampling::default() };
        for logits in [[0.0, f32::NAN], [f32::NEG_INFINITY; 2], [f32::INFINITY, 0.0]] {
            let result = Sampler::new(&sampling, 1, &[]).choose(&logits, &mut Scratch::default());
            assert!(matches!(result, Err(GenerateError::NotFinite)), "{logits:?}");
        }
    }
}

#[test]
fn a_tiny_temperature_is_greedy() {
    let sampling = Sampling { temperature: 1e-300, ..Sampling::default() };
    for seed in 0..20 {
        assert_eq!(choose(&sampling, seed, &[], &[0.0, 0.1, 0.099]), 1);
    }
}
