//! Problems: what they are, the published formats they come in, the workbook that ships with us, and the store of a run
//! that works on them.
//!
//! Owns [`Problem`] and everything that turns a file into one, and [`store`]. Knows nothing of processes, HTTP, models
//! or verifiers: a reader says what a file holds, not whether it is true, and the store keeps what it is told.

pub mod error;
mod json;
pub mod lines;
pub mod problem;
pub mod readers;
pub mod rename;
pub mod store;
pub mod workbook;

pub use error::{Cause, FirstUse, Place, ReadError};
pub use problem::{ContentHash, Kind, LeanProblem, Metadata, Problem, PythonProblem, Split};
pub use readers::{DuplicateNames, Format, Options, Problems};
