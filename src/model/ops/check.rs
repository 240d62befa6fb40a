//! What the tests of the operations share: fixed random tensors, comparison with plain candle operations, finite
//! differences in f64.

use candle_core::{DType, Device, Result, Tensor, Var};

/// Numbers in [-2, 2) that are the same on every machine (a 64-bit linear congruence, Knuth's constants), f32.
pub(crate) fn random(dims: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let count: usize = dims.iter().product();
    let numbers: Vec<f32> = (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 22) as f32 - 2.0
        })
        .collect();
    Tensor::from_vec(numbers, dims, &Device::Cpu).expect("the shape fits")
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all()?.to_vec1());
    flat.expect("readable")
}

/// The largest absolute difference.
pub(crate) fn distance(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(left.dims(), right.dims());
    numbers(left).iter().zip(numbers(right)).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max)
}

/// A scalar that depends on every element with another weight.
fn probe(y: &Tensor) -> Result<Tensor> {
    let weights = random(y.dims(), 77).to_dtype(y.dtype())?;
    (y * weights)?.sum_all()
}

fn variables(inputs: &[&Tensor], dtype: DType) -> Vec<Var> {
    let variable = |input: &&Tensor| Var::from_tensor(&input.to_dtype(dtype)?);
    inputs.iter().map(variable).collect::<Result<_>>().expect("variables")
}

fn tensors(variables: &[Var]) -> Vec<Tensor> {
    variables.iter().map(|variable| variable.as_tensor().clone()).collect()
}

/// Value and gradients of `ours` and of `plain` agree to 1e-6 in f32, relative to the largest element.
pub(crate) fn same(
    inputs: &[&Tensor],
    ours: impl Fn(&[Tensor]) -> Result<Tensor>,
    plain: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let variables = variables(inputs, DType::F32);
    let (y, expected) =
        (ours(&tensors(&variables)).expect("ours"), plain(&tensors(&variables)).expect("plain"));
    let close = |left: &Tensor, right: &Tensor, what: &str| {
        let size = numbers(right).iter().fold(1.0_f64, |size, number| size.max(number.abs()));
        let distance = distance(left, right);
        assert!(distance <= 1e-6 * size, "{what} differs by {distance:e} at size {size:e}");
    };
    close(&y, &expected, "the value");
    let gradients = probe(&y).and_then(|loss| loss.backward()).expect("backward");
    let expected = probe(&expected).and_then(|loss| loss.backward()).expect("backward");
    for (index, variable) in variables.iter().enumerate() {
        let gradient = gradients.get(variable).expect("our gradient");
        close(gradient, expected.get(variable).expect("the plain gradient"), &format!("gradient {index}"));
    }
}

/// The gradients of every input agree with central differences, both in f64, to 1e-7.
pub(crate) fn finite_differences(inputs: &[&Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let variables = variables(inputs, DType::F64);
    // Without a graph: some inputs may be what `f` is told not to differentiate.
    let loss = |inputs: &[Tensor]| numbers(&probe(&f(inputs).expect("forward")).expect("probe"))[0];
    let gradients = probe(&f(&tensors(&variables)).expect("forward")).and_then(|loss| loss.backward());
    let gradients = gradients.expect("backward");
    for (index, variable) in variables.iter().enumerate() {
        let gradient = numbers(gradients.get(variable).expect("a gradient"));
        let start = numbers(variable);
        for element in 0..start.len() {
            let at = |offset: f64| {
                let mut moved = start.clone();
                moved[element] += offset;
                let mut inputs = tensors(&variables);
                inputs[index] =
                    Tensor::from_vec(moved, variable.shape(), &Device::Cpu).expect("the shape fits");
                loss(&inputs)
            };
            let step = 1e-5;
            let slope = (at(step) - at(-step)) / (2.0 * step);
            let off = (slope - gradient[element]).abs() / slope.abs().max(1.0);
            assert!(off < 1e-7, "gradient {index}, element {element}: {} and not {slope}", gradient[element]);
        }
    }
}
