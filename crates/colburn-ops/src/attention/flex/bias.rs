//! A bias by distance: looked up once for every distance there is, not for every pair of tokens of every head.

use super::product::LANES;
use crate::{Spans, fused::array::Array};

/// The bucket of a distance.
pub(super) type Bucket = fn(i64) -> usize;

/// The distances of a sequence of this length from the least, `1 - length`, on: all that there are, and some more, up to which whole
/// vectors of keys reach, that are never counted.
pub(super) fn distances(length: usize) -> usize {
    length.saturating_sub(1) + length.next_multiple_of(LANES)
}

/// What each head adds to a score by its distance, `[heads, distances(max_length)]`.
pub(super) fn by_distance(table: &Array, bucket: Bucket, spans: &Spans) -> Vec<f32> {
    let [_, heads] = table.shape();
    let buckets = buckets(bucket, spans.max_length());
    (0..heads).flat_map(|head| buckets.iter().map(move |bucket| table[bucket * heads + head])).collect()
}

fn buckets(bucket: Bucket, length: usize) -> Vec<usize> {
    let farthest = length as i64 - 1;
    (0..distances(length) as i64).map(|place| bucket((place - farthest).min(farthest))).collect()
}

/// The gradient by the table from the gradients of each head of each sequence by distance, in the order of the sequences.
pub(super) fn by_table(parts: &[(usize, Vec<f32>)], bucket: Bucket, shape: [usize; 2]) -> Array {
    let [_, heads] = shape;
    let mut sums = vec![0.0f64; shape.iter().product()];
    for (length, by_distance) in parts {
        let buckets = buckets(bucket, *length);
        for (head, values) in by_distance.chunks_exact(buckets.len()).enumerate() {
            for (bucket, value) in buckets.iter().zip(values) {
                sums[bucket * heads + head] += f64::from(*value);
            }
        }
    }
    Array::new(sums.into_iter().map(|sum| sum as f32).collect(), shape)
}
