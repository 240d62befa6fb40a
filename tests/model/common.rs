//! Small models of each family.

use candle_core::{DType, Device, Tensor};
use proofloop::model::{Architecture, Decoder, Layout, ModelConfig, Parameters, RopeConfig, RopeScaling};

pub(crate) const CPU: Device = Device::Cpu;

/// Vocabulary of the small models.
pub(crate) const TOKENS: u32 = 13;

/// Grouped heads, biases where the family can have them, a head that is not the embedding in one of them.
pub(crate) fn configs() -> Vec<ModelConfig> {
    let base = ModelConfig {
        hidden_size: 8,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 4,
        intermediate_size: 12,
        rms_norm_eps: 1e-5,
        rope: RopeConfig { theta: 100.0, scaling: RopeScaling::Default },
        ..ModelConfig::nano(TOKENS as usize)
    };
    let llama = ModelConfig {
        architecture: Architecture::Llama,
        qk_norm: false,
        qkv_bias: true,
        output_bias: true,
        tie_word_embeddings: false,
        ..base.clone()
    };
    let qwen2 =
        ModelConfig { architecture: Architecture::Qwen2, output_bias: false, kv_heads: 1, ..llama.clone() };
    vec![llama, qwen2, base]
}

/// A model whose weights are large enough, and whose norms and biases random enough, that every formula shows.
pub(crate) fn model(config: &ModelConfig, dtype: DType) -> Decoder {
    let start = Decoder::init(config.clone(), 3, dtype, &CPU).expect("made");
    for (index, (name, var)) in start.parameters().iter().enumerate() {
        let is_norm = name.ends_with("norm.weight");
        let values: Vec<f64> = (0..var.elem_count())
            .map(|element| {
                let wave = ((element * 37 + index * 101 + 7) as f64 * 0.618_034).fract() - 0.5;
                if is_norm { 1.0 + wave } else { wave }
            })
            .collect();
        let values = Tensor::from_vec(values, var.shape(), &CPU).and_then(|values| values.to_dtype(dtype));
        var.set(&values.expect("values")).expect("set");
    }
    start
}

pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all()?.to_vec1()).expect("readable")
}

/// The largest difference, relative to the largest number.
pub(crate) fn relative(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (numbers(found), numbers(expected));
    let size = expected.iter().fold(0.0_f64, |size, number| size.max(number.abs()));
    let off = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
    off.fold(0.0, f64::max) / size
}

/// Logits of the training path, [batch, length, vocabulary].
pub(crate) fn train_logits(model: &Decoder, rows: &[Vec<u32>], layout: Layout<'_>) -> Tensor {
    let length = rows.first().map_or(0, Vec::len);
    let tokens = Tensor::new(rows.concat(), &CPU).and_then(|tokens| tokens.reshape((rows.len(), length)));
    let context = model.train_context(length, layout, None).expect("a context");
    let hidden = model.forward_train(&tokens.expect("tokens"), &context).expect("forward");
    model.logits(&hidden).expect("logits")
}

/// `count` tokens that differ from one `seed` to the next.
pub(crate) fn text(count: usize, seed: u32) -> Vec<u32> {
    (0..count as u32).map(|index| (index * index * 5 + index * 3 + seed * 7 + 1) % TOKENS).collect()
}

/// The parameters by name, in order.
pub(crate) fn named(parameters: &Parameters) -> Vec<(&String, &candle_core::Var)> {
    parameters.iter().collect()
}
