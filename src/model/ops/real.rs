//! The scalars that the CPU kernels compute with.

/// f32, in which models run, and f64, in which gradients are checked against finite differences.
pub(super) trait Real: candle_core::WithDType + num_traits::Float + std::iter::Sum {
    /// e^x to 2 ulp, without a call, so that loops over it become vector code.
    fn exp_inline(self) -> Self;
}

impl Real for f32 {
    /// The polynomial of Cephes' `expf` (netlib.org/cephes, single/expf.c). Below -87 the result is e^-87 and above 88
    /// it is e^88; not-a-number stays.
    #[inline(always)]
    fn exp_inline(self) -> Self {
        // Comparisons and not `clamp`'s relatives `max` and `min`, which would turn NaN into a number.
        let x = if self < -87.0 { -87.0 } else { self };
        let x = if x > 88.0 { 88.0 } else { x };
        // Adding 1.5 * 2^23 leaves the nearest whole number in the low bits of the mantissa.
        let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
        let whole = shifted - 12_582_912.0;
        let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
        let mut p = 1.987_569_1e-4_f32;
        p = p * r + 1.398_199_9e-3;
        p = p * r + 8.333_452e-3;
        p = p * r + 4.166_579_6e-2;
        p = p * r + 1.666_666_5e-1;
        p = p * r + 0.5;
        let fraction = p * r * r + r + 1.0;
        let exponent = shifted.to_bits().wrapping_sub(0x4B40_0000).wrapping_add(127) << 23;
        fraction * f32::from_bits(exponent)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn exp_inline(self) -> Self {
        self.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::Real as _;

    #[test]
    fn exponential_agrees_with_the_library() {
        for step in -8700..=8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let relative = (f64::from(x.exp_inline()) - exact).abs() / exact;
            assert!(relative < 2.5e-7, "exp({x}) is off by {relative:e}");
        }
        assert!(f32::NAN.exp_inline().is_nan());
        assert!(f32::NEG_INFINITY.exp_inline() < 1.7e-38);
        assert!(f32::INFINITY.exp_inline() > 1e38);
    }
}
