//! How well a prover or a programmer does, and how sure one can be of it: samples of problems, drawn here or made elsewhere,
//! judged by the farm.
//!
//! | file | what |
//! |---|---|
//! | `prompt/` | what a model is asked, and how its answer is read |
//! | `samples_file.rs` | samples that were made elsewhere |
//! | `session.rs` | drawing and judging, on from wherever an earlier process ended |
//! | `candidate.rs`, `oracle.rs` | from an answer to what is judged |
//! | `statistics.rs`, `noise.rs`, `results.rs`, `compare.rs` | what it comes to |
//! | `lm_eval.rs`, `samples_out.rs` | the files that others read |

mod candidate;
mod compare;
mod error;
pub mod feedback;
pub mod lm_eval;
mod noise;
mod oracle;
pub mod prompt;
mod results;
pub mod samples_file;
pub mod samples_out;
mod session;
mod settings;
pub mod statistics;
mod turns;
pub mod worth;

pub use candidate::{Form, candidate};
pub use compare::{Comparison, PassDifference, compare};
pub use error::{EvaluateError, Result};
pub use noise::{Noise, split};
pub use results::{Group, PassAtK, Results, Share, VerdictCount, trials};
pub use session::{Drawing, Missing, Progress, Session};
pub use settings::{Judging, Settings, Source};
