//! What can go wrong while exporting.

use proofloop_datasets::store::StoreError;

/// The result of everything in this module.
pub type Result<T, E = ExportError> = std::result::Result<T, E>;

/// Each variant says only what happened at its own layer; `source` has the rest.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error("the run cannot be read")]
    Store(#[from] StoreError),
    /// A record names a statement that is not there.
    #[error("the store has no statement {id}")]
    NoStatement {
        /// Its number.
        id: i64,
    },
    /// A row could not be written.
    #[error("a row cannot be written")]
    Write(#[from] std::io::Error),
    /// A Parquet file could not be written.
    #[error("the Parquet file cannot be written")]
    Parquet(#[from] parquet::errors::ParquetError),
}
