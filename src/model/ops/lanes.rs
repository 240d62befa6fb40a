//! Vectors of [`Real`]s, as wide as the processor has them, for kernels that are generic over both.

use pulp::Simd;

use super::real::Real;

/// The operations of [`pulp::Simd`] that the kernels need, by scalar instead of by name.
pub(super) trait Lanes: Real {
    /// Some numbers side by side.
    type Vector<S: Simd>: Copy;

    /// Whole vectors, and what is left.
    fn split<S: Simd>(numbers: &[Self]) -> (&[Self::Vector<S>], &[Self]);

    /// Whole vectors, and what is left.
    fn split_mut<S: Simd>(numbers: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);

    fn splat<S: Simd>(simd: S, number: Self) -> Self::Vector<S>;

    /// `a * b + c`, rounded once where the processor can.
    fn multiply_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;

    /// Fewer numbers than a vector has, and zeros.
    fn load_part<S: Simd>(simd: S, numbers: &[Self]) -> Self::Vector<S>;

    /// The first of a vector's numbers.
    fn store_part<S: Simd>(simd: S, numbers: &mut [Self], vector: Self::Vector<S>);

    /// Of all numbers of a vector.
    fn total<S: Simd>(simd: S, vector: Self::Vector<S>) -> Self;
}

macro_rules! lanes {
    ($real:ty, $vector:ident, $split:ident, $split_mut:ident, $splat:ident, $multiply_add:ident, $load:ident,
     $store:ident, $sum:ident) => {
        impl Lanes for $real {
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn split<S: Simd>(numbers: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$split(numbers)
            }

            #[inline(always)]
            fn split_mut<S: Simd>(numbers: &mut [Self]) -> (&mut [S::$vector], &mut [Self]) {
                S::$split_mut(numbers)
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, number: Self) -> S::$vector {
                simd.$splat(number)
            }

            #[inline(always)]
            fn multiply_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$multiply_add(a, b, c)
            }

            #[inline(always)]
            fn load_part<S: Simd>(simd: S, numbers: &[Self]) -> S::$vector {
                simd.$load(numbers)
            }

            #[inline(always)]
            fn store_part<S: Simd>(simd: S, numbers: &mut [Self], vector: S::$vector) {
                simd.$store(numbers, vector);
            }

            #[inline(always)]
            fn total<S: Simd>(simd: S, vector: S::$vector) -> Self {
                simd.$sum(vector)
            }
        }
    };
}

lanes!(
    f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_e_f32s,
    partial_load_f32s,
    partial_store_f32s,
    reduce_sum_f32s
);
lanes!(
    f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_e_f64s,
    partial_load_f64s,
    partial_store_f64s,
    reduce_sum_f64s
);
