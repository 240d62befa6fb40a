//! Problems: what they are, the published formats they come in, the workbook that ships with us, and the store of a run
//! that works on them.
//!
//! Owns [`Problem`] and everything that turns a file into one, and [`store`]. Knows nothing of processes, HTTP, models
//! or verifiers: a reader says what a file holds, not whether it is true, and the store keeps what it is told.

mod bundled;
pub mod counts;
pub mod errata;
pub mod error;
mod json;
pub mod lines;
pub mod overlap;
pub mod planted;
pub mod problem;
pub mod programs;
pub mod readers;
pub mod registry;
pub mod rename;
pub mod store;
pub mod workbook;
pub mod write;

pub use error::{Cause, FirstUse, Place, ReadError};
pub use problem::{
    CallCase, ContentHash, IoCase, IsabelleProblem, Kind, LeanGaps, LeanProblem, Metadata, Problem,
    PythonProblem, Split,
};
pub use readers::{DuplicateNames, Format, Options, Problems};
