//! [`OpenAiGenerator`]: the prompts go to a server that speaks OpenAI's protocol.
//!
//! From the outside in: `generator` keeps calls under way, `plan` decides which, `call` does one with its attempts,
//! `transport` is one attempt over HTTP. Between them: `body` is what is sent; `answer` what comes back, whole or by
//! way of `sse`; `draft` a sample as it grows, with `cut` for stop strings that a server leaves in.
//!
//! The key is in [`ApiKey`] and in a header that is marked as secret, and nowhere else.

mod answer;
mod body;
mod call;
mod cut;
mod draft;
mod error;
mod generator;
mod options;
mod plan;
mod retry;
mod sse;
mod transport;

pub use error::CallError;
pub use generator::OpenAiGenerator;
pub use options::{Api, ApiKey, Extensions, Options, Retry, Timeouts};
