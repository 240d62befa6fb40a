//! One decoder that trains and generates: the Llama, Qwen2 and Qwen3 shapes on candle.
//!
//! - [`ModelConfig`] is a `config.json`; [`Decoder`] is that with weights, and says how to go through them;
//!   [`Lora`] are adapters in PEFT's files; [`Tokenizer`] turns text to tokens.
//! - [`KvCache`] and [`Prefix`] hold what generation has read.
//! - [`ops`] are the differentiable operations that candle lacks.
//!
//! The device is an argument everywhere. Nothing here knows verifiers, data sets or HTTP.

mod attention;
mod cache;
mod config;
mod context;
mod decoder;
mod error;
mod fields;
pub(crate) mod files;
mod init;
mod layer;
mod linear;
mod lora;
mod mlp;
pub mod nano;
mod norm;
pub mod ops;
mod parameter;
mod rope_config;
pub(crate) mod tensor_file;
mod tokenizer;
mod weights;

pub use cache::{KvCache, Prefix};
pub use config::{Architecture, ModelConfig};
pub use context::{Layout, TrainContext};
pub use decoder::Decoder;
pub use error::{ModelError, Result};
pub use layer::Layer;
pub use lora::{Lora, LoraConfig};
pub use parameter::{Dropout, Parameters};
pub use rope_config::{RopeConfig, RopeScaling};
pub use tokenizer::Tokenizer;
pub use weights::SaveOptions;
