//! Loops over slices that run with the widest vectors of the processor, asked at run time: the program itself is built
//! for every x86-64.

use super::real::Real as _;

/// The largest number; not-a-number is passed over.
pub(crate) fn largest(numbers: &[f32]) -> f32 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || numbers.iter().fold(f32::NEG_INFINITY, |most, &number| if number > most { number } else { most }),
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
