//! The backward pass of one head. Weights are computed again, part by part, from the statistics that the forward pass kept of each query's
//! softmax (Dao et al. 2022, algorithm 2). With weights P and the gradient by them dP, that by the scores is P (dP - D), where D, the sum of P dP
//! over a query's keys, is also the product of its result with the gradient by it.

use pulp::{Arch, Simd, WithSimd};

use super::{
    head::{Head, KEYS, QUERIES, Rows, with_scratch},
    product::{LANES, Left, Product},
};
use crate::cpu::math::exp;

pub(super) struct Backward<'a> {
    pub head: Head<'a>,
    pub out: Rows<'a>,
    /// The gradient by the result.
    pub gradient: Rows<'a>,
    pub sums: &'a [[f32; 2]],
    /// The rows of the gradients by q, k and v.
    pub by: [Vec<&'a mut [f32]>; 3],
    /// The gradient by the bias, by the distance from query to key: distance 0 is at `length - 1`. Empty without one.
    pub by_bias: &'a mut [f32],
}

impl Backward<'_> {
    pub fn run(self, arch: Arch) {
        let (width, keys) = (self.head.width(), self.head.keys);
        let panels = self.head.q.width * keys.next_multiple_of(LANES);
        let (rows, block, tile) = (keys * width, QUERIES * width, QUERIES * KEYS);
        let lengths = [panels, panels, rows, rows, rows, block, block, block, tile, tile, KEYS];
        with_scratch(lengths, |scratch| arch.dispatch(BackwardHead { task: self, scratch }));
    }
}

struct BackwardHead<'a> {
    task: Backward<'a>,
    scratch: [&'a mut [f32]; 11],
}

impl WithSimd for BackwardHead<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Backward { head, out, gradient, sums, by: [mut by_q, by_k, by_v], by_bias } = self.task;
        let [k_panels, v_panels, k, dk, dv, q, d_out, dq, weights, d_scores, mask] = self.scratch;
        let (width, keys) = (head.width(), head.keys);
        head.k.pack_transposed(keys, k_panels);
        head.v.pack_transposed(keys, v_panels);
        head.k.pack(0..keys, 1.0, k);
        dk.fill(0.0);
        dv.fill(0.0);
        for (block, by_q) in by_q.chunks_mut(QUERIES).enumerate() {
            let first = block * QUERIES;
            let queries = first..first + by_q.len();
            let count = queries.len();
            head.q.pack(queries.clone(), head.scale(), q);
            gradient.pack(queries.clone(), 1.0, d_out);
            let mut constants = [0.0; QUERIES];
            for (constant, query) in constants.iter_mut().zip(queries.clone()) {
                *constant = dot(out.row(query), gradient.row(query));
            }
            let mut add = false;
            for part in head.parts(queries.clone()) {
                head.products(simd, (q, count), k_panels, &part, weights);
                head.products(simd, (d_out, count), v_panels, &part, d_scores);
                let rows = weights.chunks_exact_mut(KEYS).zip(d_scores.chunks_exact_mut(KEYS)).zip(&constants);
                for (query, ((weights, d_scores), &constant)) in queries.clone().zip(rows) {
                    let (weights, d_scores) = (&mut weights[..part.places], &mut d_scores[..part.places]);
                    let places = head.places(query, &part);
                    if places.is_empty() {
                        weights.fill(0.0);
                        d_scores.fill(0.0);
                        continue;
                    }
                    weights[..places.start].fill(f32::NEG_INFINITY);
                    weights[places.end..].fill(f32::NEG_INFINITY);
                    let bias = head.bias(query, &part);
                    let mask = head.mask(query, &part, places, mask);
                    let row = Row { weights, d_scores, bias, mask, sums: sums[query], constant };
                    row.differentiate(simd);
                    if !by_bias.is_empty() {
                        let by_bias = &mut by_bias[head.length - 1 + part.first - query..];
                        by_bias.iter_mut().zip(&*d_scores).for_each(|(sum, value)| *sum += value);
                    }
                }
                let keys = part.first * width..;
                let product = |out, left, right, [rows, inner]: [usize; 2], add| {
                    let strides = [width, width];
                    simd.vectorize(Product { out, left, right, strides, rows, columns: width, inner, add });
                };
                product(dq, Left::Rows(d_scores, KEYS), &k[keys.clone()], [count, part.keys], add);
                product(&mut dk[keys.clone()], Left::Columns(d_scores, KEYS), q, [part.keys, count], true);
                product(&mut dv[keys], Left::Columns(weights, KEYS), d_out, [part.keys, count], true);
                add = true;
            }
            for (by_q, dq) in by_q.iter_mut().zip(dq.chunks_exact(width)) {
                if add {
                    by_q.iter_mut().zip(dq).for_each(|(by_q, dq)| *by_q = head.scale() * dq);
                } else {
                    by_q.fill(0.0);
                }
            }
        }
        for (by, gradients) in [(by_k, &*dk), (by_v, &*dv)] {
            let mut gradients = gradients.chunks_exact(width).take(keys);
            for by in by {
                match gradients.next() {
                    Some(gradient) => by.copy_from_slice(&gradient[..by.len()]),
                    None => by.fill(0.0),
                }
            }
        }
    }
}

/// A query and the keys of a part.
struct Row<'a> {
    /// Scores, which become weights, masked.
    weights: &'a mut [f32],
    /// The gradient by the masked weights, which becomes that by the scores.
    d_scores: &'a mut [f32],
    bias: Option<&'a [f32]>,
    mask: Option<&'a [f32]>,
    /// As kept by the forward pass.
    sums: [f32; 2],
    /// The sum of weights times the gradient by them.
    constant: f32,
}

impl Row<'_> {
    #[inline(always)]
    fn differentiate<S: Simd>(self, simd: S) {
        let Self { weights, d_scores, bias, mask, sums, constant } = self;
        if let Some(bias) = bias {
            for (score, bias) in S::as_mut_simd_f32s(weights).0.iter_mut().zip(S::as_simd_f32s(bias).0) {
                *score = simd.add_f32s(*score, *bias);
            }
        }
        let [largest, over_sum] = sums;
        let (largest, over_sum) = (simd.splat_f32s(largest), simd.splat_f32s(over_sum));
        let constant = simd.splat_f32s(constant);
        let places = S::as_mut_simd_f32s(weights).0.iter_mut().zip(S::as_mut_simd_f32s(d_scores).0);
        match mask {
            Some(mask) => {
                for ((place, gradient), mask) in places.zip(S::as_simd_f32s(mask).0) {
                    let weight = simd.mul_f32s(exp(simd, simd.sub_f32s(*place, largest)), over_sum);
                    *place = simd.mul_f32s(weight, *mask);
                    // weight (gradient · mask - constant)
                    let less = simd.sub_f32s(simd.mul_f32s(*gradient, *mask), constant);
                    *gradient = simd.mul_f32s(weight, less);
                }
            }
            None => {
                for (place, gradient) in places {
                    *place = simd.mul_f32s(exp(simd, simd.sub_f32s(*place, largest)), over_sum);
                    *gradient = simd.mul_f32s(*place, simd.sub_f32s(*gradient, constant));
                }
            }
        }
    }
}

/// The product of two rows, by [`LANES`] partial sums.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
