//! Linear layers: one product forward, two backward, with the bias inside. Several layers of one input, such as the projections to queries,
//! keys and values, write their results side by side, so that nothing has to be put together, or taken apart on the way back.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{
    apply::{apply_2, apply_3, apply_4, apply_7},
    array::Array,
    half,
    kernel::Kernel,
    matrix::{self, Matrix},
    parallel::{by_rows, rows_of_part},
};
use crate::Precision;

/// `x · weight + bias`: `[tokens, from]` by `[from, to]`.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, precision: Precision) -> Tensor<2> {
    match bias {
        Some(bias) => apply_3(Linear(precision), x, weight, bias),
        None => apply_2(Linear(precision), x, weight),
    }
}

/// Three layers of the same input, their results side by side.
pub(crate) fn three_linears(
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

/// The layers, whose products are computed this exactly, forward and backward.
#[derive(Clone, Debug)]
struct Linear(Precision);

/// The input and the weights.
#[derive(Clone, Debug)]
struct Saved<const W: usize> {
    x: Array,
    weights: [Array; W],
}

impl Linear {
    fn product(&self) -> fn(&mut [f32], usize, Matrix, Matrix, bool) {
        match self.0 {
            Precision::F32 => matrix::product,
            Precision::Bf16 => half::product,
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

/// Where the results of layers lie in a row.
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
        impl Kernel<$count> for Linear {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::testing::{agree, close, numbers, random};

    #[test]
    fn one_layer_agrees_with_its_twin() {
        let shapes = [[0, 3, 2], [1, 1, 1], [7, 3, 5], [33, 64, 17], [300, 96, 130]];
        for (seed, [tokens, from, to]) in shapes.into_iter().enumerate() {
            let seed = 10 * seed as u64;
            let inputs = [random([tokens, from], seed), random([from, to], seed + 1), random([1, to], seed + 2)];
            agree(
                inputs.clone(),
                |[x, w, b]| linear(x, w, Some(b.reshape([to])), Precision::F32),
                |[x, w, b]| x.matmul(w) + b,
                1e-5,
            );
            let [x, w, _] = inputs;
            agree([x, w], |[x, w]| linear(x, w, None, Precision::F32), |[x, w]| x.matmul(w), 1e-5);
        }
    }

    /// Without a twin: Burn's gradient of the parts of nothing reads beyond it.
    #[test]
    fn three_layers_of_no_tokens() {
        let weights = [2, 3, 4].map(|to| random([3, to], to as u64).autodiff().require_grad());
        let biases = [2, 3, 4].map(|to| random([to], to as u64).autodiff().require_grad());
        let y = three_linears(random([0, 3], 1).autodiff(), weights.clone(), Some(biases.clone()), Precision::F32);
        assert_eq!(y.dims(), [0, 9]);
        let gradients = y.sum().backward();
        for (weight, bias) in weights.iter().zip(&biases) {
            let squares =
                [weight.grad(&gradients).map(|x| x.square().sum()), bias.grad(&gradients).map(|x| x.square().sum())];
            assert!(squares.into_iter().all(|sum| sum.is_some_and(|sum| sum.into_scalar::<f32>() == 0.0)));
        }
    }

    #[test]
    fn three_layers_agree_with_their_twin() {
        for (seed, [tokens, from, to]) in [[1, 1, 1], [19, 8, 5], [130, 96, 96]].into_iter().enumerate() {
            let seed = 100 + 10 * seed as u64;
            let weight = |number| random([from, to + number], seed + number as u64);
            let bias = |number| random([1, to + number], seed + 4 + number as u64);
            let x = random([tokens, from], seed + 9);
            agree(
                [x.clone(), weight(0), weight(1), weight(2), bias(0), bias(1), bias(2)],
                |[x, a, b, c, d, e, f]| {
                    three_linears(x, [a, b, c], Some([d, e, f].map(|bias| bias.squeeze_dim(0))), Precision::F32)
                },
                |[x, a, b, c, d, e, f]| {
                    Tensor::cat(vec![x.clone().matmul(a) + d, x.clone().matmul(b) + e, x.matmul(c) + f], 1)
                },
                1e-5,
            );
            agree(
                [x, weight(0), weight(1), weight(2)],
                |[x, a, b, c]| three_linears(x, [a, b, c], None, Precision::F32),
                |[x, a, b, c]| Tensor::cat(vec![x.clone().matmul(a), x.clone().matmul(b), x.matmul(c)], 1),
                1e-5,
            );
        }
    }

    #[test]
    fn in_bf16_all_three_products_have_rounded_factors() {
        let [tokens, from, to] = [50, 40, 70];
        let [x, weight, gradient] = [[tokens, from], [from, to], [tokens, to]].map(|shape| {
            let values = numbers(shape[0] * shape[1], shape[1] as u64);
            [values.iter().map(|&value| half::round(value)).collect(), values].map(|values| Array::new(values, shape))
        });
        let results = |precision, rounded: usize| {
            let (value, saved) =
                Kernel::<2>::forward(&Linear(precision), [x[1 - rounded].clone(), weight[1 - rounded].clone()]);
            let gradients = Kernel::<2>::backward(&Linear(precision), saved, gradient[1 - rounded].clone(), [true; 2]);
            [Some(value)].into_iter().chain(gradients).map(|result| result.unwrap().to_vec()).collect::<Vec<_>>()
        };
        let [bf16, rounded, f32] =
            [results(Precision::Bf16, 0), results(Precision::F32, 1), results(Precision::F32, 0)];
        for ((bf16, rounded), f32) in bf16.iter().zip(&rounded).zip(&f32) {
            close(bf16, rounded, 1e-6, "a result in bf16");
            assert!(bf16.iter().zip(f32).any(|(bf16, f32)| (bf16 - f32).abs() > 1e-3));
        }
    }
}
