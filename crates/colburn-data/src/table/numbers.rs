//! Floats that are integers. Ids are numbers too, and an id that is off by one is another document.

/// The integer equal to a float, if there is exactly one.
pub(crate) fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() < (1_u64 << f64::MANTISSA_DIGITS) as f64).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_an_integer_while_it_is_exact() {
        for (float, expected) in [
            (-0.0, Some(0)),
            (-3.0, Some(-3)),
            (9_007_199_254_740_991.0, Some((1 << 53) - 1)),
            (9_007_199_254_740_992.0, None),
            (0.5, None),
            (f64::NAN, None),
            (f64::NEG_INFINITY, None),
        ] {
            assert_eq!(whole(float), expected, "{float}");
        }
    }
}
