use std::num::NonZeroUsize;

use super::super::segments::Segment;
use super::*;
use crate::train::{AdamWConfig, Schedule};

fn settings(algorithm: Algorithm, kl_coefficient: f64) -> PolicySettings {
    PolicySettings {
        seed: 1,
        algorithm,
        epochs: NonZeroUsize::MIN,
        minibatch: NonZeroUsize::MIN,
        micro_batch_tokens: NonZeroUsize::MIN,
        replicas: NonZeroUsize::MIN,
        recompute_layers: false,
        kl_coefficient,
        entropy_coefficient: 0.0,
        optimizer: AdamWConfig::default(),
        schedule: Schedule::constant(1.0),
        max_gradient_norm: None,
    }
}

/// A prompt of one, a turn of two, a token of feedback, a turn of one.
fn trajectory(group: u64, first: f64, last: f64) -> Trajectory {
    Trajectory {
        tokens: vec![1, 2, 3, 4, 5],
        turns: vec![1..3, 4..5],
        old_log_probs: vec![-1.0, -2.0, -0.5],
        reference_log_probs: Some(vec![-1.5, -1.0, -0.5]),
        rewards: vec![Segment { end: 2, reward: first }, Segment { end: 3, reward: last }],
        kl_coefficients: None,
        group,
    }
}

fn close(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-9), "{found:?} for {wanted:?}");
}

#[test]
fn places_of_a_text_become_counts_of_actions() {
    let one = trajectory(0, 0.0, 0.0);
    let counts: Vec<usize> = (0..=6).map(|token| one.actions_before(token)).collect();
    assert_eq!(counts, [0, 0, 1, 2, 2, 3, 3]);
    assert_eq!((one.prompt_len(), one.actions().count(), one.actions().inputs()), (1, 3, 4));
}

#[test]
fn values_and_rewards_become_advantages_of_tokens() {
    // KL_t = 0.5 (0.5, -1, 0) = 0.25, -0.5, 0. R = -0.25, 0.5 + 1, 2. gamma = 0.5, lambda = 1:
    // returns: 2; 1.5 + 1 = 2.5; -0.25 + 1.25 = 1. V = 1, 1, 3, so A = 0, 1.5, -1.
    let ppo = Ppo { gamma: 0.5, whiten: false, ..Ppo::default() };
    let one = [trajectory(0, 1.0, 2.0)];
    let values = [vec![1.0, 1.0, 3.0]];
    let items = prepare(&one, &settings(Algorithm::Ppo(ppo), 0.5), Some(&values)).expect("fits");
    close(&items[0].advantages, &[0.0, 1.5, -1.0]);
    let Some(Values { old, returns }) = &items[0].values else { panic!("a value head") };
    close(returns, &[1.0, 2.5, 2.0]);
    assert_eq!((old, &items[0].units), (&values[0], &vec![0, 1, 2]));
    // Two of them, whitened together: 0, 1.5, -1 and 2, 0.5, -3 with V = -1, 2, 5: mean 0.
    let two = [trajectory(0, 1.0, 2.0), trajectory(1, 1.0, 2.0)];
    let values = [values[0].clone(), vec![-1.0, 2.0, 5.0]];
    let ppo = Ppo { whiten: true, ..ppo };
    let items = prepare(&two, &settings(Algorithm::Ppo(ppo), 0.5), Some(&values)).expect("fits");
    // Squares: 0, 2.25, 1, 4, 0.25, 9, of mean 2.75.
    let all: Vec<f64> = items.iter().flat_map(|item| item.advantages.clone()).collect();
    let scale = 1.0 / (2.75_f64.sqrt() + 1e-8);
    close(&all, &[0.0, 1.5, -1.0, 2.0, 0.5, -3.0].map(|a| a * scale));
    assert!(prepare(&two, &settings(Algorithm::Ppo(ppo), 0.5), Some(&values[..1])).is_err());
}

#[test]
fn groups_are_compared_by_what_is_left_of_their_rewards() {
    // The divergence costs 0.5 (0.5 - 1 + 0) = -0.25, that of the last one, by turns, 2 (0.5 - 1) + 0 = -1.
    // Returns: 3.25, 1.25 | 5.25, 6. Advantages: 2, -2 | -0.75, 0.75.
    let mut last = trajectory(9, 5.0, 0.0);
    last.kl_coefficients = Some(vec![2.0, 7.0]);
    let all = [trajectory(0, 1.0, 2.0), trajectory(9, 5.0, 0.0), trajectory(0, 0.0, 1.0), last];
    let with = |granularity, keep_fraction| {
        let leave_one_out = LeaveOneOut { granularity, keep_fraction, ..LeaveOneOut::default() };
        prepare(&all, &settings(Algorithm::LeaveOneOut(leave_one_out), 0.5), None).expect("fits")
    };
    let advantages =
        |items: &[Item<'_>]| -> Vec<f64> { items.iter().map(|item| item.advantages[0]).collect() };
    let by_token = with(Granularity::Token, 1.0);
    close(&advantages(&by_token), &[2.0, -0.75, -2.0, 0.75]);
    close(&by_token[0].advantages, &[2.0; 3]);
    let by_turn = with(Granularity::Turn, 1.0);
    assert_eq!((&by_turn[0].units, by_turn[0].advantages.len()), (&vec![0, 0, 1], 2));
    let whole = with(Granularity::Trajectory, 0.5);
    close(&advantages(&whole), &[2.0, -2.0]);
    assert_eq!((&whole[0].units, whole[0].advantages.len()), (&vec![0, 0, 0], 1));
}

#[test]
fn equal_rewards_teach_nothing_unless_entropy_counts() {
    let mut one = trajectory(0, 1.0, 2.0);
    one.reference_log_probs = None;
    let all = [one.clone(), one];
    let mut settings = settings(Algorithm::LeaveOneOut(LeaveOneOut::default()), 0.0);
    assert!(prepare(&all, &settings, None).expect("fits").iter().all(|item| !item.teaches(&settings)));
    settings.entropy_coefficient = 0.1;
    assert!(prepare(&all, &settings, None).expect("fits").iter().all(|item| item.teaches(&settings)));
}
