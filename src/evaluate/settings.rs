//! What makes an evaluation another one: what `run.toml` says.
//!
//! How many samples there are and which k are told is not in it: an evaluation can be gone on with for more samples.

use crate::generate::{Identity, Sampling};
use serde::{Deserialize, Serialize};

/// What an evaluation is of, besides its problems.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where samples come from.
    pub source: Source,
    /// Names what judges, as far as it decides verdicts.
    pub judging: Judging,
}

/// Where samples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Source {
    /// A generator draws them.
    Generated {
        /// Who.
        generator: Identity,
        /// The prompt family.
        prompt: String,
        /// blake3 of the family's template and rules.
        prompt_hash: String,
        /// All chance follows from it.
        seed: u64,
        /// Its stop strings are those of the family and of the user.
        sampling: Sampling,
    },
    /// They were made elsewhere.
    File {
        /// The file.
        path: String,
        /// blake3 of its content.
        hash: String,
        /// The prompt family that takes answers out of what models wrote, where the file has that.
        prompt: Option<String>,
    },
}

/// What decides a verdict and is the user's choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Judging {
    /// Time for one candidate, in milliseconds.
    pub timeout_ms: u64,
    /// Memory for one worker, in bytes.
    pub memory_bytes: u64,
}

impl Settings {
    /// Who made the samples, in words.
    #[must_use]
    pub fn maker(&self) -> &str {
        match &self.source {
            Source::Generated { generator, .. } => &generator.model,
            Source::File { path, .. } => path,
        }
    }
}
