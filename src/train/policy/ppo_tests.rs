use candle_core::{Device, Var};

use super::*;

fn logs<const N: usize>(probabilities: [f64; N]) -> Vec<f32> {
    probabilities.iter().map(|p| p.ln() as f32).collect()
}

fn scalar(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).and_then(|t| t.to_scalar()).expect("a number")
}

const OLD: [f64; 4] = [0.5, 0.5, 0.25, 0.25];
const NEW: [f64; 4] = [0.75, 0.25, 0.375, 0.25];

#[test]
fn tokens_are_clipped_one_by_one() {
    // Ratios 1.5, 0.5, 1.5, 1; e = 0.2; advantages 2, 2, -1, -3.
    // min(3, 1.2 * 2 = 2.4) = 2.4; min(1, 0.8 * 2 = 1.6) = 1; min(-1.5, -1.2) = -1.5; min(-3, -3) = -3.
    // -(2.4 + 1 - 1.5 - 3) / 4 = 0.275; three of four ratios are outside.
    let found = surrogate(&logs(NEW), &logs(OLD), &[0, 1, 2, 3], &[2.0, 2.0, -1.0, -3.0], 0.2).expect("fits");
    assert!((found.loss - 0.275).abs() < 1e-6, "{found:?}");
    assert!((found.clipped_fraction - 0.75).abs() < 1e-12);
    // k1 = -mean log r = -(ln 1.5 + ln 0.5 + ln 1.5 + 0) / 4 = -0.0294457.
    // k3 = mean(r - 1 - log r) = (0.5 - 0.5 + 0.5 + 0) / 4 + k1 = 0.125 - 0.0294457 = 0.0955543.
    assert!((found.k1 + 0.029_445_7).abs() < 1e-6, "{found:?}");
    assert!((found.k3 - 0.095_554_3).abs() < 1e-6, "{found:?}");
}

#[test]
fn turns_and_trajectories_have_one_ratio() {
    // Turns of two tokens: ratios 1.5 * 0.5 = 0.75 and 1.5; advantages 2 and 2, e = 0.2.
    // min(1.5, 0.8 * 2 = 1.6) = 1.5; min(3, 2.4) = 2.4: -(1.5 + 2.4) / 2 = -1.95. Both are outside.
    let by_turn = surrogate(&logs(NEW), &logs(OLD), &[0, 0, 1, 1], &[2.0, 2.0], 0.2).expect("fits");
    assert!((by_turn.loss + 1.95).abs() < 1e-6 && (by_turn.clipped_fraction - 1.0).abs() < 1e-12);
    // All four: 1.125, inside. -1.125 * 2 = -2.25.
    let whole = surrogate(&logs(NEW), &logs(OLD), &[0; 4], &[2.0], 0.2).expect("fits");
    assert!((whole.loss + 2.25).abs() < 1e-6 && whole.clipped_fraction.abs() < 1e-12);
    assert!((whole.k3 - by_turn.k3).abs() < 1e-12);
}

#[test]
fn tensors_give_the_same_numbers_and_the_slopes_of_them() {
    let cases: [(&[u32], &[f64]); 3] =
        [(&[0, 1, 2, 3], &[2.0, 2.0, -1.0, -3.0]), (&[0, 0, 1, 1], &[2.0, -1.0]), (&[0; 4], &[-1.5])];
    for (units, advantages) in cases {
        let new = Var::new(&NEW.map(f64::ln), &Device::Cpu).expect("made");
        let loss = |new: &Tensor| surrogate_sum(new, &logs(OLD), units, advantages, 0.2).expect("fits");
        let sum = loss(&new);
        let slices = surrogate(&logs(NEW), &logs(OLD), units, advantages, 0.2).expect("fits");
        assert!((scalar(&sum) - slices.loss * advantages.len() as f64).abs() < 1e-6);
        assert_slopes(&new, &sum, loss);
    }
}

#[test]
fn where_nothing_is_clipped_the_slope_is_the_policy_gradient() {
    // At a ratio of 1, d/d log pi of -r A is -A: both sides of the minimum are equal there.
    let old = [-1.0_f32, -2.0];
    let new = Var::new(&[-1.0_f64, -2.0], &Device::Cpu).expect("made");
    let loss = surrogate_sum(&new, &old, &[0, 1], &[3.0, -0.5], 0.2).expect("fits");
    let gradients = loss.backward().expect("backward");
    let gradient: Vec<f64> = gradients.get(&new).and_then(|g| g.to_vec1().ok()).expect("a gradient");
    assert_eq!(gradient, [-3.0, 0.5]);
}

/// Central differences of `loss`, away from its corners.
fn assert_slopes(at: &Var, loss: &Tensor, again: impl Fn(&Tensor) -> Tensor) {
    let gradients = loss.backward().expect("backward");
    let found: Vec<f64> = gradients.get(at).and_then(|g| g.to_vec1().ok()).expect("a gradient");
    let start: Vec<f64> = at.to_vec1().expect("readable");
    for (index, found) in found.iter().enumerate() {
        let moved = |offset: f64| {
            let mut moved = start.clone();
            moved[index] += offset;
            scalar(&again(&Tensor::new(moved, &Device::Cpu).expect("made")))
        };
        let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        assert!((found - slope).abs() < 1e-7, "{index}: {found} and not {slope}");
    }
}

#[test]
fn values_are_clipped_around_the_old_ones() {
    // V = 1, 3, 0.5; R = 2, 2, 2; V_old = 1, 1, 1; e = 0.2.
    // Free: 1, 1, 2.25. Near: 1 -> 1; 1.2 -> 0.64; 0.8 -> 1.44. The larger: 1, 1, 2.25: half of the mean 0.708333.
    let (values, old, returns) = ([1.0_f32, 3.0, 0.5], [1.0_f32; 3], [2.0; 3]);
    let free = value_loss(&values, &old, &returns, None).expect("fits");
    assert!((free - 4.25 / 6.0).abs() < 1e-9);
    assert!((value_loss(&values, &old, &returns, Some(0.2)).expect("fits") - free).abs() < 1e-9);
    // V = 2, 3: nearer to R = 2, 4 than 1.2, 1.2 are: 0.64 and 7.84 count, half of their mean is 2.12.
    let clipped = value_loss(&[2.0, 3.0], &[1.0; 2], &[2.0, 4.0], Some(0.2)).expect("fits");
    assert!((clipped - 2.12).abs() < 1e-6, "{clipped}");
    for clip in [None, Some(0.2)] {
        let all = [2.0, 3.0, 0.5, 1.1];
        let goals = [2.5, 4.0, 2.0, -1.0];
        let var = Var::new(&all, &Device::Cpu).expect("made");
        let loss = |values: &Tensor| value_loss_sum(values, &[1.0; 4], &goals, clip).expect("fits");
        let slices = value_loss(&all.map(|v| v as f32), &[1.0; 4], &goals, clip).expect("fits");
        assert!((scalar(&loss(&var)) - 4.0 * slices).abs() < 1e-6);
        assert_slopes(&var, &loss(&var), loss);
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let says = |new: &[f32], old: &[f32], units: &[u32], advantages: &[f64]| {
        surrogate(new, old, units, advantages, 0.2).expect_err("refused").to_string()
    };
    assert_eq!(says(&[0.0], &[], &[0], &[1.0]), "setting `old_log_probs`: 0 for 1");
    assert_eq!(says(&[0.0], &[0.0], &[], &[1.0]), "setting `units`: 0 for 1");
    assert_eq!(says(&[0.0], &[0.0], &[1], &[1.0]), "setting `units`: 1 of 1 advantages");
    assert_eq!(says(&[], &[], &[], &[]), "setting `actions`: there are none");
    assert!(value_loss(&[0.0], &[], &[0.0], None).is_err());
    assert!(value_loss(&[], &[], &[], None).is_err());
}
