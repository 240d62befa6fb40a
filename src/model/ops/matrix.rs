//! Products of matrices that lie in slices, with any distance between rows, into memory that is there already: what
//! candle's own product can't do, and what our larger operations are made of.

use super::real::Real;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    elements: &'a [T],
    rows: usize,
    columns: usize,
    /// Distance, in elements, of neighbours in a column and in a row.
    row_step: usize,
    column_step: usize,
}

/// Whether the last element of such a matrix is in a slice of `length`.
fn fits(length: usize, rows: usize, columns: usize, row_step: usize, column_step: usize) -> bool {
    let last = |count: usize, step: usize| (count.max(1) - 1).checked_mul(step);
    let end = last(rows, row_step)
        .zip(last(columns, column_step))
        .and_then(|(row, column)| row.checked_add(column));
    rows == 0 || columns == 0 || end.is_some_and(|end| end < length)
}

impl<'a, T: Real> Matrix<'a, T> {
    /// Rows behind each other.
    pub(super) fn new(elements: &'a [T], rows: usize, columns: usize) -> Self {
        Self::spaced(elements, rows, columns, columns)
    }

    /// Rows `row_step` elements apart.
    pub(super) fn spaced(elements: &'a [T], rows: usize, columns: usize, row_step: usize) -> Self {
        assert!(fits(elements.len(), rows, columns, row_step, 1), "a matrix must lie in its slice");
        Self { elements, rows, columns, row_step, column_step: 1 }
    }

    /// Transposed.
    pub(super) fn t(self) -> Self {
        let Self { elements, rows, columns, row_step, column_step } = self;
        Self { elements, rows: columns, columns: rows, row_step: column_step, column_step: row_step }
    }
}

/// A matrix that is written.
pub(super) struct Target<'a, T> {
    elements: &'a mut [T],
    row_step: usize,
    /// Whether what is there is added to.
    is_added_to: bool,
}

impl<'a, T: Real> Target<'a, T> {
    /// Overwritten; rows `row_step` elements apart.
    pub(super) fn set(elements: &'a mut [T], row_step: usize) -> Self {
        Self { elements, row_step, is_added_to: false }
    }

    /// Added to; rows `row_step` elements apart.
    pub(super) fn add(elements: &'a mut [T], row_step: usize) -> Self {
        Self { elements, row_step, is_added_to: true }
    }

    /// `factor a b`.
    pub(super) fn product(self, a: Matrix<'_, T>, b: Matrix<'_, T>, factor: T) {
        let Self { elements, row_step, is_added_to } = self;
        assert!(fits(elements.len(), a.rows, b.columns, row_step, 1), "a matrix must lie in its slice");
        assert!(row_step >= b.columns || a.rows <= 1, "rows that are written must not overlap");
        // SAFETY: every element of the target is in its slice and is written once; see `run` for the rest.
        unsafe { run(elements.as_mut_ptr(), row_step, is_added_to, a, b, factor) }
    }
}

/// `factor a b` in new memory, row after row.
pub(super) fn product<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>, factor: T) -> Vec<T> {
    let count = a.rows * b.columns;
    if a.columns == 0 {
        return vec![T::zero(); count];
    }
    let mut elements: Vec<T> = Vec::with_capacity(count);
    // SAFETY: there is room for `rows * columns` elements, which are written and not read.
    unsafe { run(elements.as_mut_ptr(), b.columns, false, a, b, factor) }
    // SAFETY: the product has written all of them.
    unsafe { elements.set_len(count) }
    elements
}

/// # Safety
/// `to` has room for `a.rows` rows of `b.columns` elements, `row_step` apart, and is not in `a` or `b`; if it is added to,
/// they are initialised.
unsafe fn run<T: Real>(
    to: *mut T,
    row_step: usize,
    is_added_to: bool,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    factor: T,
) {
    assert_eq!(a.columns, b.rows, "the inner sizes of a product");
    // As candle's own products.
    let parallelism = match candle_core::utils::get_num_threads() {
        0 | 1 => gemm::Parallelism::None,
        threads => gemm::Parallelism::Rayon(threads),
    };
    // SAFETY: `a` and `b` lie in their slices (checked when they were made), and the caller answers for `to`. No step is
    // beyond isize, since no slice is.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            to,
            1,
            row_step as isize,
            is_added_to,
            a.elements.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.elements.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            T::one(),
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_parts_and_transposed() {
        let a: Vec<f64> = (0..12_u8).map(f64::from).collect();
        // [[0, 1], [4, 5], [8, 9]] times its transpose.
        let part = Matrix::spaced(&a, 3, 2, 4);
        let expected = [1.0, 5.0, 9.0, 5.0, 41.0, 77.0, 9.0, 77.0, 145.0];
        assert_eq!(product(part, part.t(), 1.0), expected);
        let mut into = vec![1.0; 15];
        Target::add(&mut into, 5).product(part, part.t(), 2.0);
        for (row, expected) in into.chunks(5).zip(expected.chunks(3)) {
            let found: Vec<f64> = row[..3].iter().map(|x| (x - 1.0) / 2.0).collect();
            assert_eq!(found, expected);
            assert_eq!(row[3..], [1.0, 1.0]);
        }
        Target::set(&mut into, 3).product(part, part.t(), 1.0);
        assert_eq!(into[..9], expected);
    }

    #[test]
    fn an_empty_inner_size_is_zero() {
        assert_eq!(product(Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3), 1.0_f32), [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "must lie in its slice")]
    fn a_matrix_beyond_its_slice_is_refused() {
        let _beyond = Matrix::new(&[0.0_f32; 5], 2, 3);
    }
}
