//! The number of distinct values, exact up to a limit and estimated beyond it, in bounded memory.
//!
//! A set holds the hashes of the values. When it is full, the hashes whose lowest bit is set are left out from then on, then those whose
//! second lowest is, and so on; each step leaves half of them (Wegman's adaptive sampling). The estimate is off by about 1 over the
//! square root of the limit: a tenth of a percent for a million.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The distinct values so far.
#[derive(Default)]
pub struct Distinct {
    hashes: HashSet<u64>,
    /// Hashes are held whose so many lowest bits are zero.
    zeros: u32,
}

impl Distinct {
    /// Adds a value. At most `limit` hashes are held from now on.
    pub fn add(&mut self, value: impl Hash, limit: usize) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if hash.trailing_zeros() >= self.zeros {
            self.hashes.insert(hash);
        }
        while self.hashes.len() > limit {
            self.zeros += 1;
            let zeros = self.zeros;
            self.hashes.retain(|hash| hash.trailing_zeros() >= zeros);
            self.hashes.shrink_to(limit);
        }
    }

    /// The number of distinct values.
    pub fn count(&self) -> u64 {
        (self.hashes.len() as u64) << self.zeros.min(63)
    }

    /// True if the number is no estimate.
    pub fn is_exact(&self) -> bool {
        self.zeros == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_counted_and_many_are_estimated() {
        let mut distinct = Distinct::default();
        (0..3000).for_each(|value: u32| distinct.add(value % 1000, 1000));
        assert_eq!((distinct.count(), distinct.is_exact()), (1000, true));

        // A set of 16,384 gives estimates that are off by about 1 %; four times that is allowed.
        let mut distinct = Distinct::default();
        (0..600_000).for_each(|value: u32| distinct.add(value % 300_000, 1 << 14));
        assert!(!distinct.is_exact() && distinct.hashes.len() <= 1 << 14);
        assert!(distinct.count().abs_diff(300_000) < 12_000, "{}", distinct.count());
        // A lower limit holds at once.
        distinct.add(0, 1 << 10);
        assert!(distinct.hashes.len() <= 1 << 10 && distinct.count().abs_diff(300_000) < 48_000);
    }
}
