//! AdamW (arXiv 1711.05101, algorithm 2, with PyTorch's convention that the learning rate scales the decay too):
//!
//! `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `w = w - r (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + e) + d w)`, at step `t` from 1, with rate `r` and decay `d`.
//!
//! Matrices decay; norms and biases, which have one dimension, don't. Moments are f32. So are the weights that are
//! updated: a parameter of bf16 or f16 has an f32 master of which it is the rounded copy, because an update of one part
//! in a thousand would round to nothing.

use candle_core::{CpuStorage, DType, InplaceOp2, InplaceOp3, Layout, Tensor, Var};

use super::error::{Result, TrainError};
use crate::model::Parameters;

/// The constants of the formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the gradient's mean, in [0, 1).
    pub beta1: f64,
    /// Decay of its mean square, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the mean square, above 0.
    pub epsilon: f64,
    /// 0 or more.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    /// 0.9, 0.95, 1e-8, 0.1: what GPT-3 and Llama were trained with.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 }
    }
}

/// What AdamW remembers of each parameter.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    steps: u64,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    var: Var,
    /// Where `var` is not f32.
    master: Option<Tensor>,
    first: Tensor,
    second: Tensor,
    decays: bool,
}

impl AdamW {
    /// Nothing remembered yet, for these parameters, which it will change.
    ///
    /// # Errors
    /// A constant is out of its range, or the device has no memory.
    pub fn new(config: AdamWConfig, parameters: &Parameters) -> Result<Self> {
        let bad = |setting, range: &str, value: f64| {
            Err(TrainError::setting(setting, format!("must be {range}, got {value}")))
        };
        for (setting, beta) in [("beta1", config.beta1), ("beta2", config.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return bad(setting, "in [0, 1)", beta);
            }
        }
        if !(config.epsilon.is_finite() && config.epsilon > 0.0) {
            return bad("epsilon", "above 0", config.epsilon);
        }
        if !(config.weight_decay.is_finite() && config.weight_decay >= 0.0) {
            return bad("weight_decay", "0 or more", config.weight_decay);
        }
        let slots = parameters.iter().map(|(name, var)| Slot::new(name, var)).collect::<Result<_>>()?;
        Ok(Self { config, steps: 0, slots })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes a step along `gradients` (f32, in the order of the parameters' names), multiplied by `scale`.
    ///
    /// # Errors
    /// Not one gradient of the parameter's shape for each, or a tensor operation failed.
    pub fn step(&mut self, gradients: &[Tensor], scale: f64, learning_rate: f64) -> Result<()> {
        if gradients.len() != self.slots.len() {
            let problem = format!("{} for {} parameters", gradients.len(), self.slots.len());
            return Err(TrainError::setting("gradients", problem));
        }
        self.steps += 1;
        let exponent = self.steps as f64;
        let AdamWConfig { beta1, beta2, epsilon, weight_decay } = self.config;
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            let gradient = gradient.contiguous()?;
            let decay = if slot.decays { weight_decay } else { 0.0 };
            let first =
                Moment { beta: beta1 as f32, share: ((1.0 - beta1) * scale) as f32, power: Power::One };
            let share = ((1.0 - beta2) * scale * scale) as f32;
            let second = Moment { beta: beta2 as f32, share, power: Power::Two };
            let update = Update {
                keep: (1.0 - learning_rate * decay) as f32,
                rate: (learning_rate / (1.0 - beta1.powf(exponent))) as f32,
                root: (1.0 / (1.0 - beta2.powf(exponent)).sqrt()) as f32,
                epsilon: epsilon as f32,
            };
            first.apply(&mut slot.first, &gradient)?;
            second.apply(&mut slot.second, &gradient)?;
            slot.update(&update)?;
        }
        Ok(())
    }

    /// What a checkpoint must hold, by name.
    pub(super) fn state(&self) -> Vec<(String, &Tensor)> {
        let mut state = Vec::with_capacity(3 * self.slots.len());
        for Slot { name, first, second, master, .. } in &self.slots {
            state.push((format!("first.{name}"), first));
            state.push((format!("second.{name}"), second));
            state.extend(master.as_ref().map(|master| (format!("master.{name}"), master)));
        }
        state
    }

    /// Takes over what a checkpoint holds: `read` gives the f32 tensor of a name and shape. The parameters themselves
    /// are the caller's to set.
    pub(super) fn restore(
        &mut self,
        steps: u64,
        mut read: impl FnMut(&str, &[usize]) -> Result<Tensor>,
    ) -> Result<()> {
        for slot in &mut self.slots {
            let dims = slot.var.dims();
            slot.first = read(&format!("first.{}", slot.name), dims)?;
            slot.second = read(&format!("second.{}", slot.name), dims)?;
            if let Some(master) = &mut slot.master {
                *master = read(&format!("master.{}", slot.name), dims)?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

impl Slot {
    fn new(name: &str, var: &Var) -> Result<Self> {
        let zeros = || Tensor::zeros(var.shape(), DType::F32, var.device());
        let narrow = var.dtype() != DType::F32;
        // `to_dtype` copies, so the master has its own memory.
        let master = if narrow { Some(var.as_detached_tensor().to_dtype(DType::F32)?) } else { None };
        let (first, second, decays) = (zeros()?, zeros()?, var.rank() > 1);
        Ok(Self { name: name.to_owned(), var: var.clone(), master, first, second, decays })
    }

    fn update(&mut self, update: &Update) -> Result<()> {
        let on_cpu = self.var.device().is_cpu();
        let wide = self.master.clone().unwrap_or_else(|| self.var.as_detached_tensor());
        if on_cpu {
            wide.inplace_op3(&self.first, &self.second, update)?;
        } else {
            let root = (self.second.sqrt()? * f64::from(update.root))?;
            let change = (&self.first / (root + f64::from(update.epsilon))?)?;
            let wide = ((wide * f64::from(update.keep))? - (change * f64::from(update.rate))?)?;
            match &mut self.master {
                Some(master) => *master = wide,
                None => self.var.set(&wide)?,
            }
        }
        if let Some(master) = &self.master {
            self.var.set(&master.to_dtype(self.var.dtype())?)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Power {
    One,
    Two,
}

/// `x = beta x + share g^power`.
struct Moment {
    beta: f32,
    share: f32,
    power: Power,
}

impl Moment {
    fn apply(&self, x: &mut Tensor, gradient: &Tensor) -> Result<()> {
        if x.device().is_cpu() {
            return Ok(x.inplace_op2(gradient, self)?);
        }
        let power = match self.power {
            Power::One => gradient.clone(),
            Power::Two => gradient.sqr()?,
        };
        *x = ((&*x * f64::from(self.beta))? + (power * f64::from(self.share))?)?;
        Ok(())
    }
}

impl InplaceOp2 for Moment {
    fn name(&self) -> &'static str {
        "adamw-moment"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let pairs = elements_mut(x, x_layout)?.iter_mut().zip(elements(gradient, gradient_layout)?);
        match self.power {
            Power::One => pairs.for_each(|(x, g)| *x = self.beta * *x + self.share * g),
            Power::Two => pairs.for_each(|(x, g)| *x = self.beta * *x + self.share * g * g),
        }
        Ok(())
    }
}

/// `w = keep w - rate m / (root sqrt(v) + epsilon)`.
struct Update {
    keep: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adamw-update"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        w_layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> candle_core::Result<()> {
        let moments = elements(first, first_layout)?.iter().zip(elements(second, second_layout)?);
        for (w, (m, v)) in elements_mut(w, w_layout)?.iter_mut().zip(moments) {
            *w = self.keep * *w - self.rate * m / (self.root * v.sqrt() + self.epsilon);
        }
        Ok(())
    }
}

pub(super) fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { candle_core::bail!("adamw: not contiguous") };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

fn elements_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> candle_core::Result<&'a mut [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { candle_core::bail!("adamw: not contiguous") };
    let CpuStorage::F32(values) = storage else { candle_core::bail!("adamw: not f32") };
    Ok(&mut values[start..end])
}

/// The Euclidean norm of all gradients (f32) together, summed in f64.
pub(super) fn norm(gradients: &[Tensor]) -> candle_core::Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients {
        let gradient = gradient.contiguous()?;
        let (storage, layout) = gradient.storage_and_layout();
        sum += match &*storage {
            candle_core::Storage::Cpu(storage) => {
                elements(storage, layout)?.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>()
            }
            candle_core::Storage::Cuda(_) | candle_core::Storage::Metal(_) => {
                drop(storage);
                f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?)
            }
        };
    }
    Ok(sum.sqrt())
}

#[cfg(test)]
#[path = "optimizer_tests.rs"]
mod tests;
