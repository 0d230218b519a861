//! The forward pass of one head. The softmax of a query's scores is taken part by part of the keys: the largest score so far is subtracted,
//! and the sums are corrected when a larger one comes (Milakov and Gimelshein 2018, Dao et al. 2022). No score outlives its part.

use pulp::{Arch, Simd, WithSimd};

use super::{
    head::{Head, KEYS, QUERIES, with_scratch},
    product::{LANES, Left, Product},
};
use crate::cpu::math::exp;

pub(super) struct Forward<'a> {
    pub head: Head<'a>,
    /// The rows of the result.
    pub out: Vec<&'a mut [f32]>,
    /// The statistics of each query's softmax, for the backward pass: its largest score, and 1 over the sum of the exponentials.
    pub sums: &'a mut [[f32; 2]],
}

impl Forward<'_> {
    pub fn run(self, arch: Arch) {
        let (width, keys) = (self.head.width(), self.head.keys);
        let panels = self.head.q.width * keys.next_multiple_of(LANES);
        let lengths = [panels, keys * width, QUERIES * width, QUERIES * KEYS, QUERIES * width, KEYS];
        with_scratch(lengths, |scratch| arch.dispatch(ForwardHead { task: self, scratch }));
    }
}

struct ForwardHead<'a> {
    task: Forward<'a>,
    scratch: [&'a mut [f32]; 6],
}

impl WithSimd for ForwardHead<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { head, mut out, sums } = self.task;
        let [k, v, q, weights, values, mask] = self.scratch;
        let (width, keys) = (head.width(), head.keys);
        head.k.pack_transposed(keys, k);
        head.v.pack(0..keys, 1.0, v);
        let blocks = out.chunks_mut(QUERIES).zip(sums.chunks_mut(QUERIES)).enumerate();
        for (block, (out, sums)) in blocks {
            let first = block * QUERIES;
            let queries = first..first + out.len();
            head.q.pack(queries.clone(), head.scale(), q);
            sums.fill([f32::NEG_INFINITY, 0.0]);
            let mut add = false;
            for part in head.parts(queries.clone()) {
                head.products(simd, (q, queries.len()), k, &part, weights);
                let rows = weights.chunks_exact_mut(KEYS).zip(values.chunks_exact_mut(width)).zip(&mut *sums);
                for (query, ((weights, values), sums)) in queries.clone().zip(rows) {
                    let weights = &mut weights[..part.places];
                    let places = head.places(query, &part);
                    if places.is_empty() {
                        weights.fill(0.0);
                        continue;
                    }
                    weights[..places.start].fill(f32::NEG_INFINITY);
                    weights[places.end..].fill(f32::NEG_INFINITY);
                    let largest = biased_largest(simd, weights, head.bias(query, &part)).max(sums[0]);
                    let correction = (sums[0] - largest).exp();
                    let mask = head.mask(query, &part, places, mask);
                    let sum = exponentials(simd, weights, largest, mask);
                    *sums = [largest, sums[1] * correction + sum];
                    if add && correction != 1.0 {
                        values.iter_mut().for_each(|value| *value *= correction);
                    }
                }
                simd.vectorize(Product {
                    out: values,
                    left: Left::Rows(weights, KEYS),
                    right: &v[part.first * width..],
                    strides: [width, width],
                    rows: queries.len(),
                    columns: width,
                    inner: part.keys,
                    add,
                });
                add = true;
            }
            for ((out, values), sums) in out.iter_mut().zip(values.chunks_exact(width)).zip(sums) {
                // A sum is 0 without any key, and then there may have been no part, so that the values are of another block. A sum with NaN
                // is NaN, and so is the row.
                if sums[1] == 0.0 {
                    out.fill(0.0);
                    continue;
                }
                sums[1] = 1.0 / sums[1];
                out.iter_mut().zip(values).for_each(|(out, value)| *out = value * sums[1]);
            }
        }
    }
}

/// Adds the bias, and returns the largest of the scores. NaN may be passed over, because [`exponentials`] finds it.
#[inline(always)]
pub(super) fn biased_largest<S: Simd>(simd: S, scores: &mut [f32], bias: Option<&[f32]>) -> f32 {
    let (scores, _) = S::as_mut_simd_f32s(scores);
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    match bias {
        Some(bias) => {
            for (score, bias) in scores.iter_mut().zip(S::as_simd_f32s(bias).0) {
                *score = simd.add_f32s(*score, *bias);
                largest = simd.max_f32s(largest, *score);
            }
        }
        None => scores.iter().for_each(|score| largest = simd.max_f32s(largest, *score)),
    }
    simd.reduce_max_f32s(largest)
}

/// Writes `exp(score - largest)` times the mask in place of the scores. Returns the sum of the exponentials, NaN if a score is.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, scores: &mut [f32], largest: f32, mask: Option<&[f32]>) -> f32 {
    let (scores, _) = S::as_mut_simd_f32s(scores);
    let largest = simd.splat_f32s(largest);
    let mut sum = simd.splat_f32s(0.0);
    // The exponential makes a number of NaN. The sum of its arguments, none of which is above 0, is NaN if one of them is.
    let mut arguments = simd.splat_f32s(0.0);
    match mask {
        Some(mask) => {
            for (score, mask) in scores.iter_mut().zip(S::as_simd_f32s(mask).0) {
                let argument = simd.sub_f32s(*score, largest);
                arguments = simd.add_f32s(arguments, argument);
                let weight = exp(simd, argument);
                sum = simd.add_f32s(sum, weight);
                *score = simd.mul_f32s(weight, *mask);
            }
        }
        None => {
            for score in scores {
                let argument = simd.sub_f32s(*score, largest);
                arguments = simd.add_f32s(arguments, argument);
                *score = exp(simd, argument);
                sum = simd.add_f32s(sum, *score);
            }
        }
    }
    if simd.reduce_sum_f32s(arguments).is_nan() { f32::NAN } else { simd.reduce_sum_f32s(sum) }
}
