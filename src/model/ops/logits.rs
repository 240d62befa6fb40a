//! What choosing a token asks of logits: loops that run with the widest vectors of the processor, asked at run time.

use super::real::Real as _;

/// So many numbers side by side, which is more than a vector holds: enough for the processor to overlap.
const SIDE_BY_SIDE: usize = 64;

/// The largest number, or not-a-number if there is one.
pub(crate) fn largest(numbers: &[f32]) -> f32 {
    // One instruction; it passes over not-a-number, which is therefore looked for beside it.
    #[inline(always)]
    fn larger(most: f32, number: f32) -> f32 {
        if number > most { number } else { most }
    }
    let (most, bad) = pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let (mut most, mut bad) = ([f32::NEG_INFINITY; SIDE_BY_SIDE], [0_u32; SIDE_BY_SIDE]);
            let mut chunks = numbers.chunks_exact(SIDE_BY_SIDE);
            for chunk in &mut chunks {
                for ((most, bad), &number) in most.iter_mut().zip(&mut bad).zip(chunk) {
                    *most = larger(*most, number);
                    *bad |= u32::from(number.is_nan());
                }
            }
            let rest = chunks.remainder();
            let is_bad = bad.iter().any(|&bad| bad > 0) || rest.iter().any(|number| number.is_nan());
            (most.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger), is_bad)
        },
    );
    if bad { f32::NAN } else { most }
}

/// The sum, in f64; its order does not depend on the processor.
pub(crate) fn sum(numbers: &[f32]) -> f64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut sums = [0.0_f64; 16];
            let mut chunks = numbers.chunks_exact(16);
            for chunk in &mut chunks {
                for (sum, &number) in sums.iter_mut().zip(chunk) {
                    *sum += f64::from(number);
                }
            }
            let rest = chunks.remainder().iter().map(|&number| f64::from(number));
            sums.into_iter().chain(rest).sum()
        },
    )
}

/// `to[i] = e^(scale * (from[i] - most))`, not below e^-87.
pub(crate) fn exponentials(from: &[f32], most: f32, scale: f32, to: &mut Vec<f32>) {
    to.resize(from.len(), 0.0);
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = ((from - most) * scale).exp_inline();
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 37 + 11) as f32 * 0.618).fract() - 0.5).collect()
    }

    #[test]
    fn equal_plain_loops_at_every_length() {
        for count in 0..200 {
            let numbers = numbers(count);
            let most = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&numbers).to_bits(), most.to_bits());
            let exact: f64 = numbers.iter().map(|&number| f64::from(number)).sum();
            assert!((sum(&numbers) - exact).abs() < 1e-12);
            let mut found = vec![7.0; 3];
            exponentials(&numbers, 0.25, 3.0, &mut found);
            assert_eq!(found.len(), count);
            let wanted = numbers.iter().map(|&number| ((number - 0.25) * 3.0).exp());
            assert!(found.iter().zip(wanted).all(|(found, wanted)| (found / wanted - 1.0).abs() < 1e-5));
        }
    }

    #[test]
    fn not_a_number_shows_wherever_it_is() {
        for place in 0..150 {
            let mut numbers = numbers(150);
            numbers[place] = f32::NAN;
            assert!(largest(&numbers).is_nan(), "{place}");
        }
    }
}
