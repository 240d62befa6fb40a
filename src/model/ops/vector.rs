//! Loops with vectors as wide as the processor's (asked at run time: the program is built for every x86-64), and sums that
//! vectors can do.
//!
//! Rust adds numbers one after the other, as written, and so would the machine; [`dot`] and [`largest_of`] keep sixteen
//! results side by side. Nothing is fused or reordered for a processor: these loops give the same bits on all of them.

use super::real::Real;

/// Results that are kept side by side: an AVX-512 register of f32.
const LANES: usize = 16;

/// Defines functions over a [`Real`] that run with the widest vectors of the processor, asked at run time. What they call
/// must be inlined to be part of that.
macro_rules! vectorised {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$doc])*
        pub(super) fn $name<T: Real>($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn plain<T: Real>($($argument: $type),*) $(-> $result)? $body

            pulp::Arch::new().dispatch(
                #[inline(always)]
                || plain($($argument),*),
            )
        }
    )*};
}
pub(super) use vectorised;

/// Sum over `i` of `f(a_i, b_i)`, in an order that depends on the number of elements alone.
#[inline(always)]
pub(super) fn sum_of<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane]);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += f(a, b);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] += other;
        }
        width /= 2;
    }
    lanes[0]
}

/// Sum over `i` of `a_i b_i`.
#[inline(always)]
pub(super) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    sum_of(a, b, |a, b| a * b)
}

/// Sum of all.
#[inline(always)]
pub(super) fn sum<T: Real>(a: &[T]) -> T {
    sum_of(a, a, |a, _| a)
}

/// The largest, not-a-number left out; negative infinity of none.
#[inline(always)]
pub(super) fn largest_of<T: Real>(a: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let mut lanes = [T::neg_infinity(); LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for a in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], a[lane]);
        }
    }
    for (lane, &a) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, a);
    }
    lanes.into_iter().fold(T::neg_infinity(), larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    vectorised! {
        fn wide_dot(a: &[T], b: &[T]) -> T {
            dot(a, b)
        }
        fn wide_exp(a: &mut [T]) {
            for a in a {
                *a = a.exp_inline();
            }
        }
    }

    #[test]
    fn every_length_is_summed_and_searched() {
        for length in 0..70_u8 {
            let numbers: Vec<f64> = (0..length).map(f64::from).collect();
            let expected: f64 = numbers.iter().map(|x| x * x).sum();
            assert!((dot(&numbers, &numbers) - expected).abs() < 1e-9);
            assert!((sum(&numbers) - numbers.iter().sum::<f64>()).abs() < 1e-9);
            let last = numbers.last().copied().unwrap_or(f64::NEG_INFINITY);
            assert_eq!(largest_of(&numbers).to_bits(), last.to_bits());
        }
        assert_eq!(largest_of(&[f32::NAN, 3.0, f32::NAN]).to_bits(), 3.0_f32.to_bits());
    }

    #[test]
    fn wide_vectors_give_the_same_bits() {
        let numbers: Vec<f32> = (0..1000_u16).map(|x| f32::from(x) * 0.37 - 80.0).collect();
        assert_eq!(wide_dot(&numbers, &numbers).to_bits(), dot(&numbers, &numbers).to_bits());
        let mut wide = numbers.clone();
        wide_exp(&mut wide);
        assert!(numbers.iter().zip(&wide).all(|(x, y)| x.exp_inline().to_bits() == y.to_bits()));
    }
}
