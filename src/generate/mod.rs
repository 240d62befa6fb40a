//! Prompts to completions, for the pass@k workload: many samples of each of many prompts.
//!
//! - [`Generator`] is what the loops and commands know; [`Request`] a prompt with its [`Sampling`] and its seed;
//!   [`Event`]s tell what has become of it, in the order in which samples finish.
//! - [`CandleGenerator`] is the engine on our own decoder: continuous batching, shared prompts, exact seeds.
//! - [`openai`] is the client of a server that speaks OpenAI's protocol.
//!
//! Nothing here knows verifiers, training or commands.

mod engine;
mod error;
mod generator;
pub mod openai;
mod request;
mod sampler;
mod text;

pub use engine::{CandleGenerator, EngineOptions};
pub use error::{GenerateError, Result};
pub use generator::{Boxed, Completion, Event, FinishReason, Generator, Identity, Usage};
pub use request::{Request, Sampling, sample_seed, seed_behind};
