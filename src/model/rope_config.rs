//! Rotary position embedding: which angular frequencies, and how they are stretched for longer contexts.
//!
//! Pair `i` of a head of size `d` turns by `position · f_i`, with `f_i = theta^(-2i/d)` before scaling. The scalings
//! are those of `modeling_rope_utils.py` in transformers 5.23:
//! - `linear`: `f_i / factor` (`_compute_linear_scaling_rope_parameters`);
//! - `llama3`: long wavelengths divided by `factor`, short ones kept, a ramp between (`_compute_llama3_parameters`);
//! - `yarn`: a ramp over the pairs between `f_i / factor` and `f_i`, and cos and sin multiplied by an attention factor
//!   (`_compute_yarn_parameters`, arXiv 2309.00071).
//!
//! `dynamic` and `longrope` are refused: there the frequencies depend on the length seen so far, so cached keys would
//! be wrong.

use std::f64::consts::PI;

use serde_json::{Map, Value, json};

use super::error::Result;
use super::fields::Fields;

/// `rope_theta` when a configuration says nothing, as in transformers for all three families.
const DEFAULT_THETA: f64 = 10_000.0;

/// The rotary embedding of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    /// The base of the geometric series of wavelengths.
    pub theta: f64,
    /// How the series is stretched.
    pub scaling: RopeScaling,
}

/// How the frequencies are stretched for longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// All by the same factor.
    Linear {
        /// At least 1 in practice.
        factor: f64,
    },
    /// Llama 3.1.
    Llama3 {
        /// What long wavelengths are multiplied by.
        factor: f64,
        /// Wavelengths above `original_length / low_freq_factor` are stretched whole.
        low_freq_factor: f64,
        /// Wavelengths below `original_length / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// The context length of pre-training, in tokens.
        original_length: usize,
    },
    /// YaRN.
    Yarn {
        /// What slow pairs' wavelengths are multiplied by.
        factor: f64,
        /// The context length of pre-training, in tokens.
        original_length: usize,
        /// What cos and sin are multiplied by.
        attention_factor: f64,
        /// Turns within the original length above which a pair is kept.
        beta_fast: f64,
        /// Turns within the original length below which a pair is stretched whole.
        beta_slow: f64,
        /// Whether the ends of the ramp are rounded to whole pairs.
        truncate: bool,
    },
}

impl RopeConfig {
    /// Reads both spellings: `rope_theta` with `rope_scaling` (transformers 4) and `rope_parameters` (transformers 5).
    pub(crate) fn parse(config: &Fields<'_>, max_positions: usize) -> Result<Self> {
        let old = config.get("rope_scaling").map(|value| Fields::new(value, "rope_scaling.")).transpose()?;
        let new =
            config.get("rope_parameters").map(|value| Fields::new(value, "rope_parameters.")).transpose()?;
        let theta_new = new.as_ref().map(|fields| fields.positive("rope_theta")).transpose()?.flatten();
        let theta_old = config.positive("rope_theta")?;
        let theta = match (theta_new, theta_old) {
            (Some(new), Some(old)) if (new - old).abs() > 0.0 => {
                return Err(config.error("rope_theta", format!("is {old}, but rope_parameters says {new}")));
            }
            (new, old) => new.or(old).unwrap_or(DEFAULT_THETA),
        };
        let partial = config.number("partial_rotary_factor")?;
        if partial.is_some_and(|partial| (partial - 1.0).abs() > 0.0) {
            return Err(
                config.error("partial_rotary_factor", "rotating a part of each head is not implemented")
            );
        }
        let scaling = match new.as_ref().or(old.as_ref()) {
            Some(fields) => RopeScaling::parse(fields, max_positions)?,
            None => RopeScaling::Default,
        };
        if let (Some(_), Some(old)) = (&new, &old)
            && RopeScaling::parse(old, max_positions)? != scaling
        {
            return Err(config.error("rope_scaling", "contradicts rope_parameters"));
        }
        Ok(Self { theta, scaling })
    }

    /// The fields of `config.json`, in both spellings.
    pub(crate) fn write(&self, config: &mut Map<String, Value>) {
        let (kind, mut fields) = self.scaling.write();
        fields.insert("rope_type".to_owned(), json!(kind));
        let old =
            if self.scaling == RopeScaling::Default { Value::Null } else { Value::Object(fields.clone()) };
        fields.insert("rope_theta".to_owned(), json!(self.theta));
        config.insert("rope_theta".to_owned(), json!(self.theta));
        config.insert("rope_scaling".to_owned(), old);
        config.insert("rope_parameters".to_owned(), Value::Object(fields));
    }

    /// The angle in radians that each of the `head_dim / 2` pairs turns by from one position to the next.
    pub fn frequencies(&self, head_dim: usize) -> Vec<f64> {
        let pairs = head_dim / 2;
        let base = |pair: usize| self.theta.powf(-((2 * pair) as f64) / head_dim as f64);
        (0..pairs).map(|pair| self.scaling.stretch(base(pair), pair, head_dim, self.theta)).collect()
    }

    /// What cos and sin are multiplied by.
    pub fn attention_factor(&self) -> f64 {
        match self.scaling {
            RopeScaling::Default | RopeScaling::Linear { .. } | RopeScaling::Llama3 { .. } => 1.0,
            RopeScaling::Yarn { attention_factor, .. } => attention_factor,
        }
    }
}

impl RopeScaling {
    fn parse(fields: &Fields<'_>, max_positions: usize) -> Result<Self> {
        let kind = fields.text("rope_type")?.map_or_else(|| fields.text("type"), |kind| Ok(Some(kind)))?;
        let partial = fields.number("partial_rotary_factor")?;
        if partial.is_some_and(|partial| (partial - 1.0).abs() > 0.0) {
            return Err(
                fields.error("partial_rotary_factor", "rotating a part of each head is not implemented")
            );
        }
        let positive = |name: &str| fields.required(name, fields.positive(name));
        let original_length = fields.size("original_max_position_embeddings");
        match kind.unwrap_or("default") {
            "default" => Ok(Self::Default),
            "linear" => Ok(Self::Linear { factor: positive("factor")? }),
            "llama3" => {
                let low_freq_factor = positive("low_freq_factor")?;
                let high_freq_factor = positive("high_freq_factor")?;
                if high_freq_factor <= low_freq_factor {
                    return Err(fields.error("high_freq_factor", "must be above low_freq_factor"));
                }
                let original_length = original_length?.unwrap_or(max_positions);
                Ok(Self::Llama3 {
                    factor: positive("factor")?,
                    low_freq_factor,
                    high_freq_factor,
                    original_length,
                })
            }
            "yarn" => Self::parse_yarn(fields, original_length?.unwrap_or(max_positions), max_positions),
            other => Err(fields.error("rope_type", format!("`{other}` is not implemented"))),
        }
    }

    fn parse_yarn(fields: &Fields<'_>, original_length: usize, max_positions: usize) -> Result<Self> {
        let ratio = max_positions as f64 / original_length as f64;
        let factor = fields.positive("factor")?.unwrap_or(ratio);
        let scale = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
        // Python's truth: a zero counts as absent.
        let nonzero =
            |name: &str| fields.number(name).map(|number| number.filter(|number| number.abs() > 0.0));
        let inferred = match (nonzero("mscale")?, nonzero("mscale_all_dim")?) {
            (Some(mscale), Some(all)) => scale(mscale) / scale(all),
            _ => scale(1.0),
        };
        Ok(Self::Yarn {
            factor,
            original_length,
            attention_factor: fields.positive("attention_factor")?.unwrap_or(inferred),
            beta_fast: nonzero("beta_fast")?.unwrap_or(32.0),
            beta_slow: nonzero("beta_slow")?.unwrap_or(1.0),
            truncate: fields.flag("truncate", true)?,
        })
    }

    fn write(&self) -> (&'static str, Map<String, Value>) {
        let (kind, fields) = match *self {
            Self::Default => ("default", json!({})),
            Self::Linear { factor } => ("linear", json!({ "factor": factor })),
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_length } => (
                "llama3",
                json!({
                    "factor": factor, "low_freq_factor": low_freq_factor, "high_freq_factor": high_freq_factor,
                    "original_max_position_embeddings": original_length,
                }),
            ),
            Self::Yarn { factor, original_length, attention_factor, beta_fast, beta_slow, truncate } => (
                "yarn",
                json!({
                    "factor": factor, "original_max_position_embeddings": original_length,
                    "attention_factor": attention_factor, "beta_fast": beta_fast, "beta_slow": beta_slow,
                    "truncate": truncate,
                }),
            ),
        };
        let fields = if let Value::Object(fields) = fields { fields } else { Map::new() };
        (kind, fields)
    }

    /// The scaled frequency of one pair, from the unscaled one.
    fn stretch(&self, frequency: f64, pair: usize, head_dim: usize, theta: f64) -> f64 {
        match *self {
            Self::Default => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_length } => {
                let turns = original_length as f64 * frequency / (2.0 * PI);
                let kept = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
            Self::Yarn { factor, original_length, beta_fast, beta_slow, truncate, .. } => {
                let pair_of = |turns: f64| {
                    let wavelengths = (original_length as f64 / (turns * 2.0 * PI)).ln();
                    head_dim as f64 * wavelengths / (2.0 * theta.ln())
                };
                let (low, high) = (pair_of(beta_fast), pair_of(beta_slow));
                let (low, high) = if truncate { (low.floor(), high.ceil()) } else { (low, high) };
                let (low, high) = (low.max(0.0), high.min(head_dim as f64 - 1.0));
                let width = if (high - low).abs() > 0.0 { high - low } else { 0.001 };
                let stretched = ((pair as f64 - low) / width).clamp(0.0, 1.0);
                stretched * frequency / factor + (1.0 - stretched) * frequency
            }
        }
    }
}
