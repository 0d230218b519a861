//! Lengths by how often each occurs, which makes percentiles exact whatever the number of rows.

use std::collections::BTreeMap;

/// Lengths so far.
#[derive(Default)]
pub struct Lengths {
    counts: BTreeMap<usize, u64>,
    total: u64,
}

impl Lengths {
    /// Adds a length.
    pub fn add(&mut self, length: usize) {
        *self.counts.entry(length).or_default() += 1;
        self.total += 1;
    }

    /// The number of lengths.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The shortest length that is at least as long as `percent` of all; 0 if there are none.
    pub fn percentile(&self, percent: u64) -> usize {
        let rank = (u128::from(self.total) * u128::from(percent)).div_ceil(100).max(1);
        let mut below: u128 = 0;
        let found = self.counts.iter().find(|(_, count)| {
            below += u128::from(**count);
            below >= rank
        });
        found.map_or(0, |(length, _)| *length)
    }

    /// The number of lengths beyond a limit.
    pub fn beyond(&self, limit: usize) -> u64 {
        self.counts.range(limit + 1..).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_lengths() {
        let mut lengths = Lengths::default();
        assert_eq!((lengths.percentile(50), lengths.beyond(0)), (0, 0));
        (1..=200).rev().for_each(|length| lengths.add(length));
        // import numpy as np; np.percentile(range(1, 201), [0, 50, 95, 99, 100], method="inverted_cdf")
        let found = [0, 50, 95, 99, 100].map(|percent| lengths.percentile(percent));
        assert_eq!(found, [1, 100, 190, 198, 200]);
        assert_eq!((lengths.beyond(190), lengths.beyond(200), lengths.total()), (10, 0, 200));
        lengths.add(7);
        assert_eq!([3, 4].map(|percent| lengths.percentile(percent)), [7, 8]);
    }
}
