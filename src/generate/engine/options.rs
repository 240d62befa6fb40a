//! How much an engine does at once.

use std::num::NonZeroUsize;

use candle_core::Device;

use crate::generate::error::{GenerateError, Result};
use crate::model::ModelConfig;

/// More rows or workers than this are a mistake.
const MOST: usize = 1 << 16;

/// Bounds on what an engine does at once. None of them changes a completion, but [`max_context`](Self::max_context).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// Samples in progress, over all workers.
    pub max_rows: NonZeroUsize,
    /// Tokens that there may be keys and values for, over all workers: each prompt in use once, and for each sample in
    /// progress the most that one beside it in its batch may still come to need. None: `max_rows` contexts.
    pub token_budget: Option<NonZeroUsize>,
    /// Threads, each with a batch of its own. None: one for each core on a CPU, where one batch keeps one core busy;
    /// else one.
    pub workers: Option<NonZeroUsize>,
    /// Tokens of prompt and completion together. None: what the model was made for
    /// ([`ModelConfig::max_position_embeddings`]).
    pub max_context: Option<NonZeroUsize>,
    /// Whether samples with equal prompts share the work and the memory for them. Changes nothing else; to be turned off
    /// by tests and measurements only.
    pub share_prompts: bool,
}

impl Default for EngineOptions {
    /// 64 rows, the model's context, prompts shared.
    fn default() -> Self {
        Self {
            max_rows: const { NonZeroUsize::new(64).expect("not 0") },
            token_budget: None,
            workers: None,
            max_context: None,
            share_prompts: true,
        }
    }
}

/// [`EngineOptions`] for one model on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) max_rows: usize,
    pub(super) token_budget: usize,
    pub(super) workers: usize,
    pub(super) max_context: usize,
}

impl EngineOptions {
    pub(super) fn limits(&self, config: &ModelConfig, device: &Device) -> Result<Limits> {
        let max_rows = self.max_rows.get();
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let workers = match self.workers {
            Some(workers) => workers.get(),
            None if device.is_cpu() => cores().min(max_rows),
            None => 1,
        };
        let max_context = self.max_context.map_or(config.max_position_embeddings, NonZeroUsize::get);
        for (setting, value) in [("max_rows", max_rows), ("workers", workers)] {
            if value > MOST {
                return Err(GenerateError::setting(setting, format!("must be at most {MOST}, got {value}")));
            }
        }
        if max_context < 2 {
            let problem = format!("must have room for a prompt and a token, got {max_context}");
            return Err(GenerateError::setting("max_context", problem));
        }
        let token_budget = self.token_budget.map_or(max_rows.saturating_mul(max_context), NonZeroUsize::get);
        Ok(Limits { max_rows, token_budget, workers, max_context })
    }
}
