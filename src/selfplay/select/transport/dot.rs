//! Dot products of `f32`, each with the same bits on every machine, however many are computed together.
//!
//! Sixteen sums side by side, in vectors as wide as the processor's (asked at run time); products are not fused into
//! sums, because not every processor can. (No closure may have a vector in it: the compiler would not inline the
//! processor's instructions into one.)

use pulp::{Arch, Simd, WithSimd};

/// Sums side by side: an AVX-512 register.
const LANES: usize = 16;

/// Rows that are multiplied with a vector together: their sums fit into the registers.
const TOGETHER: usize = 4;

/// Sum over `i` of `a_i b_i`.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut product = 0.0;
    products(b, 1, |_| a, |_, value| product = value);
    product
}

/// The dot products of `vector` with each of `count` rows, handed to `each` in order.
#[inline]
pub(super) fn products<'a>(
    vector: &[f32],
    count: usize,
    row: impl Fn(usize) -> &'a [f32],
    each: impl FnMut(usize, f32),
) {
    Arch::new().dispatch(Products { vector, count, row, each });
}

struct Products<'v, R, E> {
    vector: &'v [f32],
    count: usize,
    row: R,
    each: E,
}

impl<'a, R: Fn(usize) -> &'a [f32], E: FnMut(usize, f32)> WithSimd for Products<'_, R, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Products { vector, count, row, mut each } = self;
        let whole = count / TOGETHER * TOGETHER;
        for first in (0..whole).step_by(TOGETHER) {
            let values = together(simd, [row(first), row(first + 1), row(first + 2), row(first + 3)], vector);
            for (at, value) in values.into_iter().enumerate() {
                each(first + at, value);
            }
        }
        for at in whole..count {
            let [value] = together(simd, [row(at)], vector);
            each(at, value);
        }
    }
}

#[inline(always)]
fn together<S: Simd, const R: usize>(simd: S, rows: [&[f32]; R], vector: &[f32]) -> [f32; R] {
    const { assert!(LANES.is_multiple_of(S::F32_LANES), "wider vectors would need another way to add up") };
    let vectors = LANES / S::F32_LANES;
    let whole = vector.len() / LANES * LANES;
    let (head, rest) = vector.split_at(whole);
    let (head, _) = S::as_simd_f32s(head);
    let (mut heads, mut rests): ([&[S::f32s]; R], [&[f32]; R]) = ([&[]; R], [&[]; R]);
    for r in 0..R {
        let (head, rest) = rows[r][..vector.len()].split_at(whole);
        (heads[r], rests[r]) = (S::as_simd_f32s(head).0, rest);
    }
    let mut sums = [[simd.splat_f32s(0.0); LANES]; R];
    let mut at = 0;
    while at < head.len() {
        for part in 0..vectors {
            let vector = head[at + part];
            for r in 0..R {
                let product = simd.mul_f32s(heads[r][at + part], vector);
                sums[r][part] = simd.add_f32s(sums[r][part], product);
            }
        }
        at += vectors;
    }
    let mut totals = [0.0; R];
    for r in 0..R {
        let mut lanes = [0.0; LANES];
        let (parts, _) = S::as_mut_simd_f32s(&mut lanes);
        for (part, sum) in parts.iter_mut().zip(&sums[r]) {
            *part = *sum;
        }
        for ((lane, row), vector) in lanes.iter_mut().zip(rests[r]).zip(rest) {
            *lane += row * vector;
        }
        totals[r] = total(lanes);
    }
    totals
}

#[inline(always)]
fn total(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: u16, factor: f32) -> Vec<f32> {
        (0..count).map(|n| (f32::from(n) * factor).sin()).collect()
    }

    #[test]
    fn every_length_is_summed() {
        for length in 0..70 {
            let (a, b) = (numbers(length, 0.7), numbers(length, 1.3));
            let expected: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum();
            assert!((f64::from(dot(&a, &b)) - expected).abs() < 1e-5, "{length}");
            assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
        }
    }

    #[test]
    fn a_product_does_not_depend_on_the_others_or_the_processor() {
        for dim in [3_usize, 16, 37, 256] {
            let (rows, vector) = (numbers(11 * dim as u16, 0.9), numbers(dim as u16, 0.4));
            let row = |at: usize| &rows[at * dim..(at + 1) * dim];
            let mut seen = Vec::new();
            products(&vector, 11, row, |at, value| seen.push((at, value.to_bits())));
            let plain = |at| together(pulp::Scalar::new(), [row(at)], &vector)[0].to_bits();
            assert_eq!(seen, (0..11).map(|at| (at, plain(at))).collect::<Vec<_>>());
        }
    }
}
