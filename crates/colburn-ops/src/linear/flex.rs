//! The kernels of linear layers: one product forward, two backward, with the bias inside. Several layers of one input, such as the
//! projections to queries, keys and values, write their results side by side, so that nothing is joined forward or cut apart backward.

use burn::backend::Flex;
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::cpu::array::Array;
use crate::cpu::bf16;
use crate::cpu::matrix::{self, Matrix};
use crate::cpu::parallel::{by_rows, rows_of_part};
use crate::cpu::rounded;
use crate::kernel::Kernel;
use crate::kernel::flex::{apply_2, apply_3, apply_4, apply_7};
use crate::precision::Precision;

/// `x · weight + bias`: `[tokens, from]` by `[from, to]`.
pub(super) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Tensor<2> {
    match bias {
        Some(bias) => apply_3(Linear(precision), x, weight, bias),
        None => apply_2(Linear(precision), x, weight),
    }
}

/// Three layers of the same input, their results side by side.
pub(super) fn three_linears(
    x: Tensor<2>,
    weights: [Tensor<2>; 3],
    biases: Option<[Tensor<1>; 3]>,
    precision: Precision,
) -> Tensor<2> {
    match biases {
        Some(biases) => apply_7(Linear(precision), x, weights, biases),
        None => {
            let [a, b, c] = weights;
            apply_4(Linear(precision), x, a, b, c)
        }
    }
}

/// The layers, whose products have this precision forward and backward.
#[derive(Clone, Debug)]
pub(super) struct Linear(pub Precision);

/// The input and the weights.
#[derive(Clone, Debug)]
pub(super) struct Saved<const W: usize> {
    x: Array,
    weights: [Array; W],
}

impl Linear {
    fn product(&self) -> fn(&mut [f32], usize, Matrix, Matrix, bool) {
        match self.0 {
            Precision::F32 | Precision::Tf32 => matrix::product,
            Precision::Bf16 => bf16::product,
            Precision::F16 => rounded::product_of_f16,
        }
    }

    fn value<const W: usize>(&self, x: &Array, weights: &[Array; W], biases: Option<&[Array; W]>) -> Array {
        let ([tokens, from], places) = (x.shape(), Places::of(weights));
        let mut out = by_rows(tokens, places.width, |_, part| {
            let Some(biases) = biases else { return };
            for row in part.chunks_exact_mut(places.width) {
                for (&first, bias) in places.firsts.iter().zip(biases) {
                    row[first..first + bias.len()].copy_from_slice(bias);
                }
            }
        });
        for (weight, &first) in weights.iter().zip(&places.firsts) {
            let [_, to] = weight.shape();
            let out = out.get_mut(first..).unwrap_or_default();
            self.product()(
                out,
                places.width,
                Matrix::new(x, tokens, from),
                Matrix::new(weight, from, to),
                biases.is_some(),
            );
        }
        Array::new(out, [tokens, places.width])
    }

    fn by_x<const W: usize>(&self, Saved { x, weights }: &Saved<W>, gradient: &[f32]) -> Array {
        let ([tokens, from], Places { width, firsts }) = (x.shape(), Places::of(weights));
        let mut out = by_rows(tokens, from, |_, _| ());
        for (weight, first) in weights.iter().zip(firsts) {
            let [_, to] = weight.shape();
            let gradient = Matrix::columns_of(gradient.get(first..).unwrap_or_default(), tokens, to, width);
            self.product()(&mut out, from, gradient, Matrix::new(weight, from, to).transposed(), first > 0);
        }
        Array::new(out, [tokens, from])
    }

    fn by_weight<const W: usize>(&self, Saved { x, weights }: &Saved<W>, gradient: &[f32], number: usize) -> Array {
        let ([tokens, from], Places { width, firsts }) = (x.shape(), Places::of(weights));
        let [_, to] = weights[number].shape();
        let gradient = Matrix::columns_of(gradient.get(firsts[number]..).unwrap_or_default(), tokens, to, width);
        let mut out = by_rows(from, to, |_, _| ());
        self.product()(&mut out, to, Matrix::new(x, tokens, from).transposed(), gradient, false);
        Array::new(out, [from, to])
    }
}

/// The places of the layers' results in a row.
struct Places<const W: usize> {
    firsts: [usize; W],
    width: usize,
}

impl<const W: usize> Places<W> {
    fn of(weights: &[Array; W]) -> Self {
        let mut width = 0;
        let firsts = weights.each_ref().map(|weight| {
            let [_, to] = weight.shape();
            width += to;
            width - to
        });
        Self { firsts, width }
    }
}

macro_rules! implement {
    ($count:literal inputs: $weights:literal weights, $($weight:ident),+; $($bias:ident),*) => {
        impl Kernel<Flex, $count> for Linear {
            type Saved = Saved<$weights>;

            fn forward(&self, [x, $($weight,)+ $($bias,)*]: [Array; $count]) -> (Array, Self::Saved) {
                let weights = [$($weight),+];
                let biases: &[Array] = &[$($bias),*];
                let value = self.value(&x, &weights, biases.try_into().ok());
                (value, Saved { x, weights })
            }

            fn backward(&self, saved: Self::Saved, gradient: Array, wanted: [bool; $count]) -> [Option<Array>; $count] {
                let mut by_bias = wanted[1 + $weights..].contains(&true).then(|| column_sums(&gradient));
                let places = Places::of(&saved.weights);
                let mut by_input = wanted.map(|_| None);
                for (input, by_input) in by_input.iter_mut().enumerate().filter(|(input, _)| wanted[*input]) {
                    *by_input = Some(match input {
                        0 => self.by_x(&saved, &gradient),
                        1..=$weights => self.by_weight(&saved, &gradient, input - 1),
                        _ => {
                            let number = input - 1 - $weights;
                            let [_, to] = saved.weights[number].shape();
                            let sums = by_bias.get_or_insert_default();
                            Array::new(sums[places.firsts[number]..places.firsts[number] + to].to_vec(), [to])
                        }
                    });
                }
                by_input
            }
        }
    };
}

implement!(2 inputs: 1 weights, weight;);
implement!(3 inputs: 1 weights, weight; bias);
implement!(4 inputs: 3 weights, a, b, c;);
implement!(7 inputs: 3 weights, a, b, c; d, e, f);

/// The sum of each column, by parts of the rows whose sums are added in order.
fn column_sums(x: &Array) -> Vec<f32> {
    let [_, width] = x.rows();
    let sums = |part: &[f32]| {
        let mut sums = vec![0.0f32; width];
        for row in part.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        sums
    };
    let parts: Vec<Vec<f32>> = x.par_chunks((rows_of_part(width) * width).max(1)).map(sums).collect();
    let mut all = vec![0.0f32; width];
    for part in parts {
        all.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    all
}
