use candle_core::Device;

use super::*;

fn parameters(dtype: DType) -> Parameters {
    let cpu = &Device::Cpu;
    let matrix = Tensor::new(&[[1.0_f32, -2.0], [0.5, 3.0]], cpu).and_then(|t| t.to_dtype(dtype));
    let bias = Tensor::new(&[1.0_f32, -1.0], cpu).and_then(|t| t.to_dtype(dtype));
    let var = |tensor: candle_core::Result<Tensor>| Var::from_tensor(&tensor.expect("made")).expect("made");
    Parameters::from([("a.bias".to_owned(), var(bias)), ("b.weight".to_owned(), var(matrix))])
}

fn gradients(step: usize) -> Vec<Tensor> {
    let x = step as f32;
    let bias = [0.1 * x, -0.3];
    let matrix = [[0.2, -0.1 * x], [0.0, 1.0 - x]];
    vec![Tensor::new(&bias, &Device::Cpu).expect("made"), Tensor::new(&matrix, &Device::Cpu).expect("made")]
}

fn values(var: &Tensor) -> Vec<f64> {
    let wide = var.flatten_all().and_then(|t| t.to_dtype(DType::F64)?.to_vec1());
    wide.expect("readable")
}

/// The formula in f64, one number at a time.
fn expected(start: f64, gradients: &[f64], decay: f64, rate: f64) -> f64 {
    let (mut w, mut m, mut v) = (start, 0.0, 0.0);
    for (index, g) in gradients.iter().enumerate() {
        let t = index as i32 + 1;
        m = 0.9 * m + 0.1 * g;
        v = 0.95 * v + 0.05 * g * g;
        let (mean, square) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.95_f64.powi(t)));
        w -= rate * (mean / (square.sqrt() + 1e-8) + decay * w);
    }
    w
}

#[test]
fn follows_the_formula_and_spares_biases() -> Result<()> {
    let parameters = parameters(DType::F32);
    let start: Vec<_> = parameters.values().map(|var| values(var)).collect();
    let mut optimizer = AdamW::new(AdamWConfig::default(), &parameters)?;
    for step in 0..5 {
        optimizer.step(&gradients(step), 0.5, 0.01)?;
    }
    for (index, var) in parameters.values().enumerate() {
        let decay = if index == 0 { 0.0 } else { 0.1 };
        for (place, &now) in values(var).iter().enumerate() {
            let own: Vec<_> = (0..5).map(|step| 0.5 * values(&gradients(step)[index])[place]).collect();
            let expected = expected(start[index][place], &own, decay, 0.01);
            assert!((now - expected).abs() < 1e-6, "{index} {place}: {now} for {expected}");
        }
    }
    assert_eq!(optimizer.steps(), 5);
    Ok(())
}

#[test]
fn small_updates_of_bf16_add_up() -> Result<()> {
    // 50 steps of 1e-4 change 1.0 by half a per cent; in bf16, whose neighbours of 1.0 are 0.4 and 0.8 % away, each
    // single one rounds to nothing.
    let parameters = parameters(DType::BF16);
    let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() }, &parameters)?;
    let ones: Vec<_> = parameters
        .values()
        .map(|var| var.ones_like()?.to_dtype(DType::F32))
        .collect::<candle_core::Result<_>>()?;
    for _ in 0..50 {
        optimizer.step(&ones, 1.0, 1e-4)?;
    }
    let bias = values(&parameters["a.bias"]);
    assert!((bias[0] - 0.995).abs() < 0.002, "{bias:?}");
    Ok(())
}

#[test]
fn the_norm_is_that_of_all_together() -> Result<()> {
    let sum: f64 = gradients(3).iter().flat_map(values).map(|x| x * x).sum();
    assert!((norm(&gradients(3))? - sum.sqrt()).abs() < 1e-6);
    Ok(())
}

#[test]
fn constants_are_checked() {
    let config = AdamWConfig::default();
    let says = |config| AdamW::new(config, &parameters(DType::F32)).expect_err("refused").to_string();
    assert_eq!(
        [
            says(AdamWConfig { beta1: 1.0, ..config }),
            says(AdamWConfig { beta2: f64::NAN, ..config }),
            says(AdamWConfig { epsilon: 0.0, ..config }),
            says(AdamWConfig { weight_decay: -1.0, ..config }),
        ],
        [
            "setting `beta1`: must be in [0, 1), got 1",
            "setting `beta2`: must be in [0, 1), got NaN",
            "setting `epsilon`: must be above 0, got 0",
            "setting `weight_decay`: must be 0 or more, got -1",
        ]
    );
}
