//! A column of numbers in memory. Ids are numbers too, and an id that is off by one is another document, so a column of
//! integers keeps all 64 bits as long as all its values are integers.

/// The numbers of a column, one a row.
pub(crate) struct NumberColumn {
    values: Values,
    /// The rows without a number, ascending. Columns of floats have NaN there instead.
    missing: Vec<usize>,
}

enum Values {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
}

impl NumberColumn {
    pub(crate) fn new() -> Self {
        Self { values: Values::Integers(Vec::new()), missing: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Integers(integers) => integers.len(),
            Values::Floats(floats) => floats.len(),
        }
    }

    pub(crate) fn push_integer(&mut self, integer: i64) {
        match &mut self.values {
            Values::Integers(integers) => integers.push(integer),
            Values::Floats(floats) => floats.push(integer as f64),
        }
    }

    /// Adds a number that may have a fraction. All numbers of the column become floats.
    pub(crate) fn push_float(&mut self, float: f64) {
        match &mut self.values {
            Values::Floats(floats) => floats.push(float),
            Values::Integers(integers) => {
                let mut floats: Vec<f64> = integers.iter().map(|&integer| integer as f64).collect();
                for row in self.missing.drain(..) {
                    floats[row] = f64::NAN;
                }
                floats.push(float);
                self.values = Values::Floats(floats);
            }
        }
    }

    pub(crate) fn push_missing(&mut self) {
        match &mut self.values {
            Values::Integers(integers) => {
                self.missing.push(integers.len());
                integers.push(0);
            }
            Values::Floats(floats) => floats.push(f64::NAN),
        }
    }

    /// The number in a row; `None` where it is missing or NaN, and past the last row.
    pub(crate) fn float(&self, row: usize) -> Option<f64> {
        match &self.values {
            Values::Integers(_) => self.integer(row).map(|integer| integer as f64),
            Values::Floats(floats) => floats.get(row).copied().filter(|float| !float.is_nan()),
        }
    }

    /// The integer in a row; `None` where the number is missing or not an integer of 64 bits. Whole floats below 2^53, where
    /// they are exact, are integers.
    pub(crate) fn integer(&self, row: usize) -> Option<i64> {
        match &self.values {
            Values::Integers(integers) => {
                integers.get(row).copied().filter(|_| self.missing.binary_search(&row).is_err())
            }
            Values::Floats(floats) => floats.get(row).copied().and_then(whole),
        }
    }
}

/// The integer equal to a float, if there is exactly one.
pub(crate) fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() < (1_u64 << f64::MANTISSA_DIGITS) as f64).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_exact() {
        let mut numbers = NumberColumn::new();
        for integer in [i64::MIN, -1, i64::MAX, (1 << 53) + 1] {
            numbers.push_integer(integer);
        }
        numbers.push_missing();
        assert_eq!(numbers.len(), 5);
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|row| numbers.integer(row)),
            [Some(i64::MIN), Some(-1), Some(i64::MAX), Some((1 << 53) + 1), None, None]
        );
        assert_eq!((numbers.float(1), numbers.float(4)), (Some(-1.0), None));
    }

    #[test]
    fn one_fraction_makes_a_column_of_floats() {
        let mut numbers = NumberColumn::new();
        numbers.push_integer(7);
        numbers.push_missing();
        numbers.push_float(0.5);
        numbers.push_integer(3);
        numbers.push_missing();
        numbers.push_float(f64::NAN);
        assert_eq!(numbers.len(), 6);
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 6].map(|row| numbers.float(row)),
            [Some(7.0), None, Some(0.5), Some(3.0), None, None, None]
        );
        assert_eq!([0, 1, 2, 3].map(|row| numbers.integer(row)), [Some(7), None, None, Some(3)]);
    }

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
