//! A bias by distance: looked up once for every distance, not for every pair of tokens of every head.

use super::product::LANES;
use crate::cpu::array::Array;

/// Number of distances of a sequence of this length, from the least, `1 - length`, on. Beyond the real ones there are some more, up to which
/// whole vectors of keys reach, and which never count.
pub(super) fn distances(length: usize) -> usize {
    length.saturating_sub(1) + length.next_multiple_of(LANES)
}

/// The bucket of every distance in the longest sequence.
#[derive(Debug)]
pub(super) struct Buckets {
    /// The length of the longest sequence.
    longest: usize,
    /// Distance 0 is at `longest - 1`.
    by_distance: Vec<usize>,
}

impl Buckets {
    /// The buckets of this function.
    pub fn new(bucket: fn(i64) -> usize, longest: usize) -> Self {
        let farthest = longest as i64 - 1;
        let of_place = |place: i64| bucket((place - farthest).min(farthest));
        Self { longest, by_distance: (0..distances(longest) as i64).map(of_place).collect() }
    }

    /// The bias of each head by distance, `[heads, distances(longest)]`.
    pub fn by_distance(&self, table: &Array) -> Vec<f32> {
        let [_, heads] = table.shape();
        (0..heads).flat_map(|head| self.by_distance.iter().map(move |bucket| table[bucket * heads + head])).collect()
    }

    /// The gradient by the table from the gradients of each head of each sequence by distance, in the order of the sequences.
    pub fn by_table(&self, parts: &[(usize, Vec<f32>)], shape: [usize; 2]) -> Array {
        let [_, heads] = shape;
        let mut sums = vec![0.0f64; shape.iter().product()];
        for (length, by_distance) in parts {
            // Places beyond the distances of a sequence hold no gradient.
            let buckets = &self.by_distance[self.longest - length..];
            for (head, values) in by_distance.chunks_exact(distances(*length)).enumerate() {
                for (bucket, value) in buckets.iter().zip(values) {
                    sums[bucket * heads + head] += f64::from(*value);
                }
            }
        }
        Array::new(sums.into_iter().map(|sum| sum as f32).collect(), shape)
    }
}
