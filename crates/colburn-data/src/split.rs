//! Holding rows out: a training and a test part from one data set, the same on every machine, because a metric on rows
//! that another machine trained on says nothing.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::shuffle::{Purpose, permutation};

impl Dataset {
    /// Splits the rows at random in a training and a test part, `(train, test)`. A `test_size` below 1 is a share, of
    /// which the rows are rounded up; from 1 on it is a number of rows: `Dataset.train_test_split` of Hugging Face's
    /// `datasets`, but with another random order. The same seed gives the same split on every machine.
    ///
    /// # Errors
    /// When `test_size` is neither a share nor a whole number, or would leave a part without rows.
    pub fn train_test_split(&self, test_size: f64, seed: u64) -> Result<(Self, Self)> {
        let rows = self.len();
        let test = if test_size < 1.0 { (test_size * rows as f64).ceil() } else { test_size };
        // Written so that it is false for NaN.
        let possible = test_size > 0.0 && test >= 1.0 && test < rows as f64 && test.fract() == 0.0;
        if !possible {
            return Err(Error::TestSize { test_size, rows });
        }
        let order = permutation(rows, Purpose::Split, seed, 0);
        let (test, train) = order.split_at(test as usize);
        Ok((self.select(train)?, self.select(test)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(rows: usize) -> Dataset {
        Dataset::from_rows(&["query"], (0..rows).map(|i| vec![format!("q{i}")])).unwrap()
    }

    fn queries(data: &Dataset) -> Vec<String> {
        (0..data.len()).map(|row| data.text(row, 0).unwrap().to_owned()).collect()
    }

    #[test]
    fn a_split_has_the_sizes_of_hugging_face() {
        // from datasets import Dataset
        // for n, size in [(10, 0.01), (10, 0.25), (30, 0.1), (7, 0.5), (10, 3), (10, 9)]:
        //     split = Dataset.from_dict({"x": range(n)}).train_test_split(size); print(len(split["train"]), len(split["test"]))
        for (rows, size, train_rows, test_rows) in
            [(10, 0.01, 9, 1), (10, 0.25, 7, 3), (30, 0.1, 27, 3), (7, 0.5, 3, 4), (10, 3.0, 7, 3), (10, 9.0, 1, 9)]
        {
            let (train, test) = numbered(rows).train_test_split(size, 42).unwrap();
            assert_eq!((train.len(), test.len()), (train_rows, test_rows), "{rows} {size}");
            let mut all = [queries(&train), queries(&test)].concat();
            all.sort_unstable();
            let mut expected = queries(&numbered(rows));
            expected.sort_unstable();
            assert_eq!(all, expected);
        }
    }

    #[test]
    fn a_split_never_changes() {
        // The order is that of shuffle::permutation(8, Split, 42, 0); its first rows are the test part.
        let (train, test) = numbered(8).train_test_split(0.25, 42).unwrap();
        assert_eq!(queries(&test), ["q6", "q0"]);
        assert_eq!(queries(&train), ["q3", "q7", "q4", "q1", "q2", "q5"]);
    }

    #[test]
    fn a_split_of_a_view_stays_in_the_view() {
        let (train, test) = numbered(10).slice(5..9).unwrap().train_test_split(0.5, 3).unwrap();
        let mut all = [queries(&train), queries(&test)].concat();
        all.sort_unstable();
        assert_eq!(all, ["q5", "q6", "q7", "q8"]);
    }

    #[test]
    fn a_split_without_rows_on_one_side_is_an_error() {
        let infinite = f64::INFINITY;
        for size in [0.0, -0.1, -1.0, 10.0, 11.0, 2.5, 0.99, 1e300, f64::NAN, infinite, -infinite] {
            let message = numbered(10).train_test_split(size, 42).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("test_size = {size} of 10 rows; expected a share above 0")),
                "{message}"
            );
        }
        assert!(numbered(1).train_test_split(0.5, 42).is_err());
        assert!(numbered(1).take(0).train_test_split(1.0, 42).is_err());
    }
}
