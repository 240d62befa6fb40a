//! Embeddings as they are handed over: rows of length one, one behind the other.

use super::super::error::{Result, SelectError};
use super::dot::dot;

/// How far from 1 a row's length may be: embeddings that were normalised in 16 bits are off by some thousandths.
const LENGTH_TOLERANCE: f32 = 0.02;

/// Rows of one length, each an embedding of Euclidean length one.
#[derive(Debug, Clone, Copy)]
pub struct Embeddings<'a> {
    rows: &'a [f32],
    dim: usize,
}

impl<'a> Embeddings<'a> {
    /// The rows of `dim` numbers each.
    ///
    /// # Errors
    /// `dim` is 0 or does not divide the numbers; there are 2^32 rows or more; a row is not finite or not of length one.
    pub fn new(rows: &'a [f32], dim: usize) -> Result<Self> {
        let error = |problem| Err(SelectError::Embeddings { problem });
        if dim == 0 || !rows.len().is_multiple_of(dim) {
            return error(format!("{} numbers are no rows of {dim}", rows.len()));
        }
        let embeddings = Self { rows, dim };
        if u32::try_from(embeddings.count()).is_err() {
            return error(format!("{} rows are too many", embeddings.count()));
        }
        // A length that is not a number is not near to one either.
        let is_unit = |row: &[f32]| (dot(row, row).sqrt() - 1.0).abs() <= LENGTH_TOLERANCE;
        match rows.chunks_exact(dim).position(|row| !is_unit(row)) {
            Some(row) => error(format!("row {row} is not of length one")),
            None => Ok(embeddings),
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len() / self.dim
    }

    /// Numbers in a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// A row.
    ///
    /// # Panics
    /// There is no such row.
    #[must_use]
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.rows[index * self.dim..(index + 1) * self.dim]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_finite_and_of_length_one() {
        let rows = [0.6, 0.8, 1.0, 0.0];
        let embeddings = Embeddings::new(&rows, 2).expect("two rows");
        assert_eq!((embeddings.count(), embeddings.dim()), (2, 2));
        assert_eq!(embeddings.row(1), &rows[2..]);
        assert_eq!(Embeddings::new(&[], 2).expect("none").count(), 0);
        let problem = |rows: &[f32], dim| Embeddings::new(rows, dim).expect_err("refused").to_string();
        assert_eq!(problem(&rows, 3), "embeddings: 4 numbers are no rows of 3");
        assert_eq!(problem(&rows, 0), "embeddings: 4 numbers are no rows of 0");
        assert_eq!(problem(&[1.0, 0.0, 0.5, 0.5], 2), "embeddings: row 1 is not of length one");
        problem(&[f32::NAN, 1.0], 2);
        problem(&[f32::INFINITY, 1.0], 2);
    }
}
