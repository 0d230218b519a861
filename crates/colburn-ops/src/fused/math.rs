//! Functions of vectors of numbers, exact to the last digits of f32.

use pulp::Simd;

/// `eˣ` within 1.5 units in the last place. Below -87.3, where f32 has no normal numbers left, it is 0; above 88.3 as at 88.3.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // x = n ln 2 + r with |r| <= ln 2 / 2, and e^r by its series. Added to this number, n stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: n times the first one is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const SERIES: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    const LEAST: f32 = -87.336_54;

    let splat = |value| simd.splat_f32s(value);
    let vanishes = simd.less_than_f32s(x, splat(LEAST));
    let x = simd.min_f32s(simd.max_f32s(x, splat(LEAST)), splat(88.3));
    let rounded = simd.mul_add_f32s(x, splat(std::f32::consts::LOG2_E), splat(ROUND));
    let n = simd.sub_f32s(rounded, splat(ROUND));
    let r = simd.negate_mul_add_f32s(n, splat(LN_2[0]), x);
    let r = simd.negate_mul_add_f32s(n, splat(LN_2[1]), r);
    let mut series = splat(SERIES[0]);
    for &term in &SERIES[1..] {
        series = simd.mul_add_f32s(series, r, splat(term));
    }
    let e_r = simd.add_f32s(simd.mul_add_f32s(series, simd.mul_f32s(r, r), r), splat(1.0));
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    let value = simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(e_r), exponent));
    simd.select_f32s(vanishes, splat(0.0), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::testing::instruction_sets;
    use pulp::WithSimd;

    struct Exp<'a>(&'a mut [f32]);

    impl WithSimd for Exp<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (vectors, rest) = S::as_mut_simd_f32s(self.0);
            vectors.iter_mut().for_each(|x| *x = exp(simd, *x));
            let last = exp(simd, simd.partial_load_f32s(rest));
            simd.partial_store_f32s(rest, last);
        }
    }

    #[test]
    fn exp_is_exact_to_the_last_digits() {
        let arguments: Vec<f32> =
            (-88_000..88_300).map(|x| x as f32 / 1000.0).chain([-1e30, f32::NEG_INFINITY]).collect();
        for arch in instruction_sets() {
            let mut found = arguments.clone();
            arch.dispatch(Exp(&mut found));
            for (&x, &found) in arguments.iter().zip(&found) {
                let exact = f64::from(x).exp();
                if x < -87.3366 {
                    assert_eq!(found, 0.0, "{arch:?}: exp({x})");
                    continue;
                }
                let unit = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
                let error = (f64::from(found) - exact).abs() / unit;
                assert!(error < 1.5, "{arch:?}: exp({x}) is {found}, {error} units off");
            }
            assert!(arguments.contains(&0.0));
        }
    }
}
