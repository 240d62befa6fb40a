//! A value function on the policy's last hidden state.

use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};

use super::super::error::Result;
use crate::model::tensor_file::{self, TensorFile};
use crate::model::{Decoder, Parameters, ops};

const WEIGHT: &str = "value_head.weight";
const BIAS: &str = "value_head.bias";

/// `V(s) = w . h(s) + b`, with `h(s)` the hidden state from which the policy chooses its next token: a linear layer that
/// shares all else with the policy (LeDex, arXiv 2405.18649). `w` [1, hidden] and `b` [1] are 0 at first, so that an
/// untrained head sends nothing into the policy's layers; in f32 also where the model is in bf16 or f16.
#[derive(Debug, Clone)]
pub struct ValueHead {
    parameters: Parameters,
}

impl ValueHead {
    /// A new one for `model`.
    ///
    /// # Errors
    /// The device has no memory.
    pub fn new(model: &Decoder) -> Result<Self> {
        let (width, dtype, device) = (model.config().hidden_size, dtype(model), model.device());
        let weight = Var::zeros((1, width), dtype, device)?;
        let bias = Var::zeros(1, dtype, device)?;
        Ok(Self { parameters: Parameters::from([(WEIGHT.to_owned(), weight), (BIAS.to_owned(), bias)]) })
    }

    /// `value_head.weight` and `value_head.bias`: who sets the variables changes the head.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The values [n] of hidden states [n, hidden], differentiable in both, in the head's dtype.
    ///
    /// # Errors
    /// The hidden states have another width, or a tensor operation failed.
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.parameters[WEIGHT].as_tensor(), self.parameters[BIAS].as_tensor());
        let values = ops::linear(&hidden.to_dtype(weight.dtype())?, weight)?.squeeze(1)?;
        Ok(values.broadcast_add(bias)?)
    }

    /// Writes it as a safetensors file in f32, beside and renamed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors: Vec<_> =
            self.parameters.iter().map(|(name, var)| (name.as_str(), var.as_tensor())).collect();
        Ok(tensor_file::write(path, &tensors, DType::F32)?)
    }

    /// Reads what [`ValueHead::save`] wrote, for `model`.
    ///
    /// # Errors
    /// The file is missing or damaged, or of a model of another width.
    pub fn load(path: &Path, model: &Decoder) -> Result<Self> {
        let new = Self::new(model)?;
        let file = TensorFile::open(path)?;
        for (name, var) in &new.parameters {
            let read = file.read(name, var.dims(), DType::F32, &Device::Cpu)?;
            var.set(&read.to_dtype(var.dtype())?.to_device(model.device())?)?;
        }
        Ok(new)
    }
}

fn dtype(model: &Decoder) -> DType {
    if model.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;

    fn model() -> Decoder {
        let small = ModelConfig {
            layers: 1,
            hidden_size: 8,
            head_dim: 4,
            intermediate_size: 8,
            ..ModelConfig::nano(11)
        };
        Decoder::init(small, 1, DType::F32, &Device::Cpu).expect("made")
    }

    #[test]
    fn is_zero_at_first_and_linear_then() -> Result<()> {
        let head = ValueHead::new(&model())?;
        let hidden = Tensor::new(&[[1.0_f32, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0], [0.5; 8]], &Device::Cpu)?;
        assert_eq!(head.forward(&hidden)?.to_vec1::<f32>()?, [0.0, 0.0]);
        let weight = Tensor::new(&[[2.0_f32, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0]], &Device::Cpu)?;
        head.parameters()[WEIGHT].set(&weight)?;
        head.parameters()[BIAS].set(&Tensor::new(&[0.25_f32], &Device::Cpu)?)?;
        // 2 - 2 - 4 + 0.25 = -3.75; (2 - 1 + 4) / 2 + 0.25 = 2.75.
        assert_eq!(head.forward(&hidden)?.to_vec1::<f32>()?, [-3.75, 2.75]);
        Ok(())
    }

    #[test]
    fn comes_back_from_its_file_and_fits_only_its_width() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("value_head.safetensors");
        let (model, head) = (model(), ValueHead::new(&model())?);
        head.parameters()[BIAS].set(&Tensor::new(&[0.25_f32], &Device::Cpu)?)?;
        head.save(&path)?;
        let read = ValueHead::load(&path, &model)?;
        assert_eq!(read.parameters()[BIAS].to_vec1::<f32>()?, [0.25]);
        let wide = ModelConfig { hidden_size: 16, ..model.config().clone() };
        let wide = Decoder::init(wide, 1, DType::F32, &Device::Cpu)?;
        assert!(ValueHead::load(&path, &wide).is_err());
        Ok(())
    }
}
