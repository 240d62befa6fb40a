//! Random numbers for weights: from a seed, the same on every machine.
//!
//! ChaCha8 on the CPU, one stream for each tensor (so that a tensor more changes no other), and only sums, products and
//! conversions that are exact or correctly rounded: no logarithm whose last bit depends on the C library.

use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::config::ModelConfig;
use super::decoder::Decoder;
use super::error::Result;
use super::parameter::Parameters;

/// The standard deviation of weights, as in GPT-2, Llama and Qwen.
const STANDARD_DEVIATION: f32 = 0.02;

impl Decoder {
    /// A decoder with random weights: projections and embeddings normal with standard deviation 0.02, those that add to
    /// the residual stream divided by `sqrt(2 * layers)` (GPT-2), norms 1, biases 0.
    ///
    /// # Errors
    /// The configuration contradicts itself, or the device has no memory.
    pub fn init(config: ModelConfig, seed: u64, dtype: DType, device: &Device) -> Result<Self> {
        config.check()?;
        let residual = STANDARD_DEVIATION / ((2 * config.layers) as f32).sqrt();
        let make = |(name, shape): (String, Vec<usize>)| -> Result<(String, Var)> {
            let count = shape.iter().product();
            let values = if name.ends_with("norm.weight") {
                vec![1.0; count]
            } else if name.ends_with(".bias") {
                vec![0.0; count]
            } else {
                let is_residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
                normal(count, if is_residual { residual } else { STANDARD_DEVIATION }, seed, &name)
            };
            let var = variable(values, &shape, dtype, device)?;
            Ok((name, var))
        };
        let parameters = config.parameters().into_iter().map(make).collect::<Result<Parameters>>()?;
        Self::new(config, parameters)
    }
}

/// A variable with these f32 values.
pub(super) fn variable(values: Vec<f32>, shape: &[usize], dtype: DType, device: &Device) -> Result<Var> {
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?;
    Ok(Var::from_tensor(&tensor)?)
}

/// A number that stands for a name: FNV-1a, 64 bits.
pub(super) fn salt(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    name.bytes().fold(0xCBF2_9CE4_8422_2325, step)
}

fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(salt(name));
    generator
}

/// Normal to a good approximation: the sum of 12 uniform numbers less 6 has variance 1 (and ends at 6).
pub(super) fn normal(count: usize, deviation: f32, seed: u64, name: &str) -> Vec<f32> {
    let mut generator = generator(seed, name);
    let mut one = || {
        let sum: u64 =
            (0..6).map(|_| generator.next_u64()).map(|bits| (bits >> 32) + (bits & 0xFFFF_FFFF)).sum();
        // In units of 2^-32, centred: exact in f64.
        (sum as f64 + 6.0 - 6.0 * 4_294_967_296.0) / 4_294_967_296.0
    };
    (0..count).map(|_| one() as f32 * deviation).collect()
}

/// Uniform in [-bound, bound).
pub(super) fn uniform(count: usize, bound: f32, seed: u64, name: &str) -> Vec<f32> {
    let mut generator = generator(seed, name);
    let mut one = || (generator.next_u32() >> 8) as f32 / (1_u32 << 23) as f32 - 1.0;
    (0..count).map(|_| one() * bound).collect()
}

/// 0 with this probability, else `1 / (1 - probability)`.
pub(super) fn dropout_mask(count: usize, probability: f32, seed: u64) -> Vec<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let limit = (f64::from(probability) * 4_294_967_296.0) as u64;
    let kept = 1.0 / (1.0 - probability);
    (0..count).map(|_| if u64::from(generator.next_u32()) < limit { 0.0 } else { kept }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_everywhere() {
        // Recorded once: another machine or version must give the same bits.
        let numbers = normal(3, 1.0, 1, "a");
        insta::assert_debug_snapshot!((numbers, uniform(2, 1.0, 1, "a"), dropout_mask(6, 0.5, 1)));
    }

    #[test]
    fn normal_numbers_are_normal() {
        let numbers = normal(100_000, 1.0, 7, "x");
        let moment = |power: i32| numbers.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / 1e5;
        assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.02, "variance {}", moment(2));
        assert!((moment(4) - 2.9).abs() < 0.1, "fourth moment {}", moment(4));
    }

    #[test]
    fn streams_depend_on_seed_and_name() {
        let numbers = normal(4, 1.0, 1, "a");
        assert_eq!(numbers, normal(4, 1.0, 1, "a"));
        assert_ne!(numbers, normal(4, 1.0, 2, "a"));
        assert_ne!(numbers, normal(4, 1.0, 1, "b"));
    }
}
