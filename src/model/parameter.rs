//! A weight that the training path sees with its gradient and the generating path without.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};

use super::error::{ModelError, Result};
use super::ops;

/// Tensors by Hugging Face name. The order of the names is the order of everything that loops over them.
pub type Parameters = BTreeMap<String, Var>;

/// One weight of a layer. Shares its storage with the [`Parameters`] that it came from: who sets the variable there
/// changes both views here.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    var: Var,
    trains: bool,
}

impl Parameter {
    /// For the training path: tracked if it trains.
    pub(crate) fn tracked(&self) -> Tensor {
        if self.trains { self.var.as_tensor().clone() } else { self.var.as_detached_tensor() }
    }

    /// For the generating path, where a tracked weight would keep every step's graph alive through the KV cache.
    pub(crate) fn detached(&self) -> Tensor {
        self.var.as_detached_tensor()
    }

    pub(crate) fn view(&self, mode: Mode<'_>) -> Tensor {
        match mode {
            Mode::Train(_) => self.tracked(),
            Mode::Generate => self.detached(),
        }
    }
}

/// Which of the two paths runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode<'a> {
    /// With gradients; with dropout if there is a seed for it.
    Train(Option<&'a Dropout>),
    /// Without.
    Generate,
}

impl Mode<'_> {
    /// `x W^T` with a weight as this path sees it.
    pub(crate) fn linear(self, x: &Tensor, weight: &Parameter) -> Result<Tensor> {
        Ok(match self {
            Self::Train(_) => ops::linear(x, &weight.tracked())?,
            Self::Generate => ops::product(x, &weight.detached())?,
        })
    }
}

/// The seed of one step's dropout. A layer that is computed again for its gradient drops the same elements again.
#[derive(Debug, Clone)]
pub struct Dropout {
    /// Differs from step to step.
    pub seed: u64,
}

/// Hands out the weights of a model to its layers.
pub(crate) struct Source<'a> {
    parameters: &'a Parameters,
    trains: bool,
}

impl<'a> Source<'a> {
    pub(crate) fn new(parameters: &'a Parameters, trains: bool) -> Self {
        Self { parameters, trains }
    }

    /// The weight called `name`.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Parameter> {
        let Some(var) = self.parameters.get(name) else {
            return Err(ModelError::input("parameters", format!("`{name}` is missing")));
        };
        if var.dims() != shape {
            let problem = format!("`{name}` is {:?}, the configuration says {shape:?}", var.dims());
            return Err(ModelError::input("parameters", problem));
        }
        Ok(Parameter { var: var.clone(), trains: self.trains })
    }
}

/// The one dtype and device of all parameters.
pub(crate) fn placement(parameters: &Parameters) -> Result<(DType, Device)> {
    let Some(first) = parameters.values().next() else {
        return Err(ModelError::input("parameters", "there are none"));
    };
    let (dtype, device) = (first.dtype(), first.device().clone());
    let differs = |var: &Var| var.dtype() != dtype || !var.device().same_device(&device);
    match parameters.iter().find(|(_, var)| differs(var)) {
        Some((name, var)) => {
            let problem =
                format!("`{name}` is {:?} and others are {dtype:?}, or it is on another device", var.dtype());
            Err(ModelError::input("parameters", problem))
        }
        None => Ok((dtype, device)),
    }
}
