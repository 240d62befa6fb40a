//! What a run has found, as rows of the formats that the field already reads: candidates as `proofloop verify` takes them,
//! conjectures, and examples as TRL and `proofloop train` take them.
//!
//! A kind of export is its columns and a function that hands over its rows ([`What`]); a format is a writer of rows
//! ([`RowWriter`]). Rows come in an order that follows from the run alone, and one at a time: an export needs memory for
//! one statement's rows, not for a run's.

mod error;
mod jsonl;
mod parquet;
mod rows;
mod table;

pub use error::{ExportError, Result};
pub use jsonl::JsonlWriter;
pub use parquet::ParquetWriter;
pub use rows::{Language, What};
pub use table::{Cell, Column, Kind, Row, RowWriter};
