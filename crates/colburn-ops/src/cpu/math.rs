//! Functions of vectors of numbers, exact to the last digits of f32.

use pulp::Simd;

/// `eˣ` within 1.5 units in the last place. Below -87.3, where f32 has no normal numbers left, it is 0; above 88.3 as at 88.3.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
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

/// The normal distribution at `x`: Φ(x), which is `(1 + erf(x / √2)) / 2`, within 12 units in the last place down to -5 and 1.5e-7 of all
/// values, and `e^(-x²/2)`, of which it is made.
#[inline(always)]
pub(crate) fn normal<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    // For a = |x| and t = 1 / (1 + 0.27 a), Φ(-a) e^(a²/2) / t is this polynomial in t, of the highest power first, within 2.4e-8 of itself
    // for a from 0 to 14 (weighted least squares, Lawson's weights; the form is that of Abramowitz and Stegun, 7.1.26).
    const SERIES: [f32; 9] = [
        0.028_916_4,
        -0.126_260_72,
        0.169_302_57,
        -0.068_633_52,
        0.107_407_84,
        0.072_236_85,
        0.101_76,
        0.107_550_4,
        0.107_720_19,
    ];

    let splat = |value| simd.splat_f32s(value);
    let e = exp(simd, simd.mul_f32s(simd.mul_f32s(x, x), splat(-0.5)));
    let t = simd.div_f32s(splat(1.0), simd.mul_add_f32s(simd.abs_f32s(x), splat(0.27), splat(1.0)));
    let mut series = splat(SERIES[0]);
    for &term in &SERIES[1..] {
        series = simd.mul_add_f32s(series, t, splat(term));
    }
    let tail = simd.mul_f32s(simd.mul_f32s(series, t), e);
    let negative = simd.less_than_f32s(x, splat(0.0));
    [simd.select_f32s(negative, tail, simd.sub_f32s(splat(1.0), tail)), e]
}

/// The logistic function `σ(x) = 1 / (1 + e^-x)`, and `1 - σ(x)`, each within 4 units in the last place.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    let e = exp(simd, simd.neg_f32s(x));
    let value = simd.div_f32s(simd.splat_f32s(1.0), simd.add_f32s(e, simd.splat_f32s(1.0)));
    [value, simd.mul_f32s(e, value)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;
    use pulp::WithSimd;

    /// One of the functions above of all numbers.
    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Cdf,
        Sigmoid,
        OneLessSigmoid,
    }

    struct Of<'a>(Function, &'a mut [f32]);

    impl WithSimd for Of<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let function = |x| match self.0 {
                Function::Exp => exp(simd, x),
                Function::Cdf => normal(simd, x)[0],
                Function::Sigmoid => sigmoid(simd, x)[0],
                Function::OneLessSigmoid => sigmoid(simd, x)[1],
            };
            let (vectors, rest) = S::as_mut_simd_f32s(self.1);
            vectors.iter_mut().for_each(|x| *x = function(*x));
            let last = function(simd.partial_load_f32s(rest));
            simd.partial_store_f32s(rest, last);
        }
    }

    fn units(found: f32, exact: f64) -> f64 {
        let nearest = (exact as f32).abs();
        (f64::from(found) - exact).abs() / (f64::from(nearest.next_up()) - f64::from(nearest))
    }

    /// Φ in f64: by the series of its integral near 0, by the continued fraction of Mills' ratio beyond.
    fn exact_cdf(x: f64) -> f64 {
        let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x.abs() < 3.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..200 {
                term *= x * x / f64::from(2 * n + 1);
                sum += term;
            }
            return 0.5 + density * sum;
        }
        let fraction = (1..400).rev().fold(x.abs(), |rest, n| x.abs() + f64::from(n) / rest);
        let tail = density / fraction;
        if x < 0.0 { tail } else { 1.0 - tail }
    }

    // [math.erfc(-x / math.sqrt(2)) / 2 for x in [-8, -3.5, -2.9, -0.1, 0.7, 4]]
    #[test]
    fn the_reference_is_that_of_python() {
        let expected = [
            (-8.0, 6.22096057427174e-16),
            (-3.5, 0.00023262907903552504),
            (-2.9, 0.0018658133003840378),
            (-0.1, 0.460172162722971),
            (0.7, 0.758036347776927),
            (4.0, 0.9999683287581669),
        ];
        for (x, expected) in expected {
            assert!((exact_cdf(x) / expected - 1.0).abs() < 1e-12, "{x}: {}", exact_cdf(x));
        }
    }

    #[test]
    fn the_normal_distribution_is_exact_to_the_last_digits() {
        let arguments: Vec<f32> = (-14_000..14_000).map(|x| x as f32 / 1000.0).collect();
        for arch in instruction_sets() {
            let mut found = arguments.clone();
            arch.dispatch(Of(Function::Cdf, &mut found));
            for (&x, &found) in arguments.iter().zip(&found) {
                let exact = exact_cdf(f64::from(x));
                let error = (f64::from(found) - exact).abs();
                assert!(error < 1.5e-7, "{arch:?}: the distribution at {x} is {found}, {error} off");
                assert!(x < -5.0 || units(found, exact) < 12.0, "{arch:?}: {found} at {x}, {exact} expected");
                assert!((f64::from(x) * error).abs() < 2.5e-7, "{arch:?}: GELU at {x}");
            }
        }
    }

    #[test]
    fn the_logistic_function_is_exact_to_the_last_digits() {
        let arguments: Vec<f32> = (-87_000..87_000).map(|x| x as f32 / 1000.0).collect();
        for arch in instruction_sets() {
            for (function, sign) in [(Function::Sigmoid, -1.0), (Function::OneLessSigmoid, 1.0)] {
                let mut found = arguments.clone();
                arch.dispatch(Of(function, &mut found));
                for (&x, &found) in arguments.iter().zip(&found) {
                    let exact = 1.0 / (1.0 + (sign * f64::from(x)).exp());
                    assert!(units(found, exact) < 4.0, "{arch:?}: {found} at {x}, {exact} expected");
                }
            }
        }
    }

    #[test]
    fn exp_is_exact_to_the_last_digits() {
        let arguments: Vec<f32> =
            (-88_000..88_300).map(|x| x as f32 / 1000.0).chain([-1e30, f32::NEG_INFINITY]).collect();
        for arch in instruction_sets() {
            let mut found = arguments.clone();
            arch.dispatch(Of(Function::Exp, &mut found));
            for (&x, &found) in arguments.iter().zip(&found) {
                let exact = f64::from(x).exp();
                if x < -87.3366 {
                    assert_eq!(found, 0.0, "{arch:?}: exp({x})");
                    continue;
                }
                let error = units(found, exact);
                assert!(error < 1.5, "{arch:?}: exp({x}) is {found}, {error} units off");
            }
            assert!(arguments.contains(&0.0));
        }
    }
}
