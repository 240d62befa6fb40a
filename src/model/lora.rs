//! LoRA adapters (arXiv 2106.09685) in the files of Hugging Face PEFT.
//!
//! A folder has `adapter_config.json` and `adapter_model.safetensors`, whose tensors are
//! `base_model.model.<module>.lora_A.weight` [rank, in] and `.lora_B.weight` [out, rank]. What PEFT can do beyond plain
//! LoRA on the projections is refused by name, never ignored.

use std::path::Path;

use candle_core::{DType, Var};
use serde_json::{Value, json};

use super::config::ModelConfig;
use super::decoder::Decoder;
use super::error::{ModelError, Result};
use super::fields::Fields;
use super::parameter::Parameters;
use super::tensor_file::{self, TensorFile};
use super::{files, init};

const CONFIG_FILE: &str = "adapter_config.json";
const TENSOR_FILE: &str = "adapter_model.safetensors";
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Options of PEFT's that would change what an adapter computes, and that are not implemented.
const REFUSED: &[&str] = &[
    "alora_invocation_tokens",
    "alpha_pattern",
    "exclude_modules",
    "fan_in_fan_out",
    "layer_replication",
    "layers_pattern",
    "layers_to_transform",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
];

/// Which projections are adapted, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// Inner width of the adapters.
    pub rank: usize,
    /// The delta is multiplied by `alpha / rank`, or by `alpha / sqrt(rank)` with `rank_stabilized`.
    pub alpha: f64,
    /// Share of an adapter's inputs that are dropped in training, in [0, 1).
    pub dropout: f32,
    /// Ends of module names, such as `q_proj`.
    pub target_modules: Vec<String>,
    /// rsLoRA (arXiv 2312.03732).
    pub rank_stabilized: bool,
    /// What the adapter belongs to, for whoever loads it.
    pub base_model: Option<String>,
}

impl LoraConfig {
    /// Adapters on all projections of every layer, alpha twice the rank, no dropout.
    pub fn all_projections(rank: usize) -> Self {
        let names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        Self {
            rank,
            alpha: 2.0 * rank as f64,
            dropout: 0.0,
            target_modules: names.map(str::to_owned).to_vec(),
            rank_stabilized: false,
            base_model: None,
        }
    }

    /// What the adapters' product is multiplied by.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }

    /// Whether the projection of this full name has an adapter: PEFT's rule, the whole name or an end behind a dot.
    pub(crate) fn adapts(&self, module: &str) -> bool {
        let ends =
            |target: &String| module.strip_suffix(target.as_str()).is_some_and(|rest| rest.ends_with('.'));
        self.target_modules.iter().any(|target| module == target || ends(target))
    }

    /// Reads the content of an `adapter_config.json`.
    ///
    /// # Errors
    /// A field is missing, or asks for something that is not implemented.
    pub fn from_json(value: &Value) -> Result<Self> {
        let config = Fields::new(value, "")?;
        let kind = config.required("peft_type", config.text("peft_type"))?;
        if kind != "LORA" {
            return Err(config.error("peft_type", format!("`{kind}` is not implemented, only `LORA`")));
        }
        let bias = config.text("bias")?.unwrap_or("none");
        if bias != "none" {
            return Err(config.error("bias", format!("`{bias}` is not implemented, only `none`")));
        }
        if let Some(name) =
            config.names().find(|name| REFUSED.contains(&name.as_str()) && is_set(&config, name))
        {
            return Err(config.error(name, "is not implemented"));
        }
        let modules = config.get("target_modules").and_then(Value::as_array);
        let modules =
            modules.and_then(|all| all.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        let read = Self {
            rank: config.required("r", config.size("r"))?,
            alpha: config.required("lora_alpha", config.positive("lora_alpha"))?,
            dropout: config.number("lora_dropout")?.unwrap_or(0.0) as f32,
            target_modules: modules
                .ok_or_else(|| config.error("target_modules", "must be a list of names"))?,
            rank_stabilized: config.flag("use_rslora", false)?,
            base_model: config.text("base_model_name_or_path")?.map(str::to_owned),
        };
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<()> {
        if self.rank == 0 || self.rank > 1 << 12 {
            return Err(ModelError::config("r", format!("must be from 1 to 4096, got {}", self.rank)));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ModelError::config(
                "lora_dropout",
                format!("must be in [0, 1), got {}", self.dropout),
            ));
        }
        Ok(())
    }

    /// The content of an `adapter_config.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": self.base_model,
            "r": self.rank, "lora_alpha": self.alpha, "lora_dropout": self.dropout, "bias": "none",
            "target_modules": self.target_modules, "fan_in_fan_out": false, "inference_mode": true,
            "use_rslora": self.rank_stabilized, "use_dora": false, "modules_to_save": null,
        })
    }
}

/// Whether an option says anything: PEFT writes the unused ones as null, false or empty.
fn is_set(config: &Fields<'_>, name: &str) -> bool {
    match config.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(Value::Bool(true) | Value::Number(_) | Value::String(_)) => true,
    }
}

/// Adapters: their configuration and the two matrices of each projection that has one.
#[derive(Debug, Clone)]
pub struct Lora {
    /// Which projections, and how.
    pub config: LoraConfig,
    /// By PEFT's names.
    pub parameters: Parameters,
}

impl Lora {
    pub(crate) fn name_a(module: &str) -> String {
        format!("base_model.model.{module}.lora_A.weight")
    }

    pub(crate) fn name_b(module: &str) -> String {
        format!("base_model.model.{module}.lora_B.weight")
    }

    /// New adapters for `model` that change nothing yet: `A` uniform within `1 / sqrt(in)` as PEFT does it, `B` zero.
    ///
    /// # Errors
    /// A target is no projection of the model, or the rank or dropout is out of range.
    pub fn init(config: LoraConfig, model: &Decoder, seed: u64) -> Result<Self> {
        config.check()?;
        let (dtype, device) = (model.dtype(), model.device());
        let mut parameters = Parameters::new();
        for (module, outputs, inputs) in modules(&config, model.config())? {
            let name = Self::name_a(&module);
            let values = init::uniform(config.rank * inputs, 1.0 / (inputs as f32).sqrt(), seed, &name);
            parameters.insert(name, init::variable(values, &[config.rank, inputs], dtype, device)?);
            parameters.insert(Self::name_b(&module), Var::zeros((outputs, config.rank), dtype, device)?);
        }
        Ok(Self { config, parameters })
    }

    /// Reads an adapter folder for `model`, in the model's dtype on its device.
    ///
    /// # Errors
    /// A file is missing or damaged, an option is not implemented, or a tensor is missing, too many or of another shape.
    pub fn load(folder: &Path, model: &Decoder) -> Result<Self> {
        let path = folder.join(CONFIG_FILE);
        let text = files::read_small(&path, MAX_CONFIG_BYTES)?;
        let value = serde_json::from_slice(&text).map_err(|source| ModelError::Json { path, source })?;
        let config = LoraConfig::from_json(&value)?;
        let mut expected = Vec::new();
        for (module, outputs, inputs) in modules(&config, model.config())? {
            expected.push((Self::name_a(&module), vec![config.rank, inputs]));
            expected.push((Self::name_b(&module), vec![outputs, config.rank]));
        }
        let file = TensorFile::open(&folder.join(TENSOR_FILE))?;
        if let Some(name) = file.names().find(|&name| !expected.iter().any(|(known, _)| known == name)) {
            return Err(ModelError::tensor(file.path(), name, "is not of this adapter"));
        }
        let read = |(name, shape): (String, Vec<usize>)| -> Result<(String, Var)> {
            let tensor = file.read(&name, &shape, model.dtype(), model.device())?;
            Ok((name, Var::from_tensor(&tensor)?))
        };
        Ok(Self { config, parameters: expected.into_iter().map(read).collect::<Result<_>>()? })
    }

    /// Writes an adapter folder in f32, each file beside and renamed, the configuration last.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(ModelError::io("create", folder))?;
        let tensors: Vec<_> =
            self.parameters.iter().map(|(name, var)| (name.as_str(), var.as_tensor())).collect();
        tensor_file::write(&folder.join(TENSOR_FILE), &tensors, DType::F32)?;
        files::write_json(&folder.join(CONFIG_FILE), &self.config.to_json())
    }

    pub(crate) fn check(&self, model: &ModelConfig) -> Result<()> {
        self.config.check()?;
        let expected = 2 * modules(&self.config, model)?.len();
        if self.parameters.len() == expected {
            return Ok(());
        }
        let problem = format!("{} parameters, the configuration says {expected}", self.parameters.len());
        Err(ModelError::input("adapter", problem))
    }

    /// The weights with the adapters' products added, as new variables.
    pub(crate) fn merge(&self, base: &Parameters) -> Result<Parameters> {
        let merged = |(name, var): (&String, &Var)| -> Result<(String, Var)> {
            let module = name.strip_suffix(".weight").unwrap_or(name);
            let pair =
                (self.parameters.get(&Self::name_a(module)), self.parameters.get(&Self::name_b(module)));
            let (Some(a), Some(b)) = pair else { return Ok((name.clone(), var.clone())) };
            let delta = (widen(b)?.matmul(&widen(a)?)? * self.config.scale())?;
            let sum = (widen(var)? + delta)?.to_dtype(var.dtype())?;
            Ok((name.clone(), Var::from_tensor(&sum)?))
        };
        base.iter().map(merged).collect()
    }
}

/// Detached, and in f32 if it is in less.
fn widen(var: &Var) -> candle_core::Result<candle_core::Tensor> {
    let tensor = var.as_detached_tensor();
    if tensor.dtype() == DType::F64 { Ok(tensor) } else { tensor.to_dtype(DType::F32) }
}

/// The projections that have adapters: full name, outputs, inputs.
fn modules(config: &LoraConfig, model: &ModelConfig) -> Result<Vec<(String, usize, usize)>> {
    let projection = |(name, shape): (String, Vec<usize>)| match shape.as_slice() {
        &[outputs, inputs] => {
            name.strip_suffix("_proj.weight").map(|m| (format!("{m}_proj"), outputs, inputs))
        }
        _ => None,
    };
    let all: Vec<_> = model.parameters().into_iter().filter_map(projection).collect();
    for target in &config.target_modules {
        let one = LoraConfig { target_modules: vec![target.clone()], ..config.clone() };
        if !all.iter().any(|(name, ..)| one.adapts(name)) {
            return Err(ModelError::config(
                "target_modules",
                format!("`{target}` is no projection of a layer"),
            ));
        }
    }
    let chosen: Vec<_> = all.into_iter().filter(|(name, ..)| config.adapts(name)).collect();
    if chosen.is_empty() {
        return Err(ModelError::config("target_modules", "names no projection"));
    }
    Ok(chosen)
}

#[cfg(test)]
#[path = "lora_tests.rs"]
mod tests;
