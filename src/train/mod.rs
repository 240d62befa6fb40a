//! Examples to weights: supervised fine-tuning of a [`Decoder`](crate::model::Decoder), all of it or its LoRA adapters.
//!
//! - [`read_examples`] reads JSONL, [`Example`] is one text with its completion marked; [`Batching`] lays out rows.
//! - [`Trainer`] takes steps: a step's examples are split into micro-batches, replicas compute their gradients, which
//!   are summed in the order of the micro-batches, and [`AdamW`] changes the weights.
//! - [`Checkpoints`] is a folder of what was saved; [`Trainer::resume`] goes on from it with the same bits (on the CPU).
//!
//! Every choice follows from the seed and the step: the number of replicas, and which of them is faster, changes no bit
//! as long as each computes alike (for candle: `RAYON_NUM_THREADS` stays what it was). What no one here does: generate,
//! judge, print.
//!
//! Models train in f32 or bf16. f16 works as well, but nothing here scales the loss: gradients below 6e-8 are lost.

mod batch;
mod checkpoint;
mod error;
mod example;
mod loss;
mod optimizer;
pub mod policy;
mod replicas;
mod schedule;
mod trainer;

pub use batch::{Batching, Cursor, part_tokens};
pub use checkpoint::{Checkpoint, Checkpoints};
pub use error::{Result, TrainError};
pub use example::{EncodeOptions, Example, Examples, TooLong, hold_out, read_examples, read_texts};
pub use optimizer::{AdamW, AdamWConfig};
pub use schedule::{Decay, Schedule};
pub use trainer::{Finish, Plan, Progress, Settings, StepReport, Trainer};
