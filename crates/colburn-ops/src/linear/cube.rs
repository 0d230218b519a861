//! Linear layers on the CubeCL backends: a product forward, two backward. Several layers of one input, such as the projections to queries, keys
//! and values, write their results side by side.
//!
//! In bf16 the input, the weights and the gradient are rounded once, and the rounded input and weights are kept for the backward pass. Results
//! are f32.

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::cube::array::sizes;
use crate::cube::casts::cast_each;
use crate::cube::parts::rows_of;
use crate::cube::product::{Arithmetic, Matrix, new_product, product};
use crate::cube::queue::Queue;
use crate::cube::room::Room;
use crate::cube::sums::column_sums;
use crate::kernel::Kernel;
use crate::kernel::cube::{apply_2, apply_3, apply_4, apply_7};
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
    let [a, b, c] = weights;
    match biases {
        Some([d, e, f]) => {
            let matrices = [a, b, c].map(Tensor::into_dispatch);
            let vectors = [d, e, f].map(Tensor::into_dispatch);
            let [a, b, c] = matrices;
            let [d, e, f] = vectors;
            apply_7(Linear(precision), x, [a, b, c, d, e, f])
        }
        None => apply_4(Linear(precision), x, a, b, c),
    }
}

/// The layers, whose products have this precision forward and backward.
#[derive(Clone, Debug)]
struct Linear(Precision);

/// The input and the weights in the type of factors.
#[derive(Clone, Debug)]
struct Saved<const W: usize> {
    x: CubeTensor,
    weights: [CubeTensor; W],
}

impl Linear {
    fn arithmetic(&self) -> Arithmetic {
        Arithmetic { tf32: self.0 == Precision::Tf32 }
    }

    fn forward<const W: usize>(
        &self,
        x: CubeTensor,
        weights: [CubeTensor; W],
        biases: Option<[CubeTensor; W]>,
    ) -> (CubeTensor, Saved<W>) {
        let low = self.0.element(&x.device);
        let ([tokens, _], (firsts, width)) = (sizes(&x), places(&weights));
        let queue = &mut Queue::new(&x);
        let out = queue.empty(&x, [tokens, width], DType::F32);
        let arrays: Vec<&CubeTensor> = [&x].into_iter().chain(&weights).collect();
        let cast = cast_each(queue, &arrays, low);
        let saved = Saved { x: cast[0].clone(), weights: std::array::from_fn(|number| cast[1 + number].clone()) };
        for (number, (weight, first)) in saved.weights.iter().zip(firsts).enumerate() {
            let [_, to] = sizes(weight);
            let bias = biases.as_ref().map(|biases| &biases[number]);
            let place = Matrix::columns(&out, first, to);
            product(queue, Matrix::new(&saved.x), Matrix::new(weight), bias, false, &place, self.arithmetic());
        }
        queue.start();
        (out, saved)
    }

    /// The gradients by x, the weights and the biases.
    fn backward<const W: usize>(
        &self,
        Saved { x, weights }: Saved<W>,
        gradient: CubeTensor,
        by_x: bool,
        by_bias: bool,
    ) -> (Option<CubeTensor>, [CubeTensor; W], Option<[CubeTensor; W]>) {
        let (firsts, _) = places(&weights);
        let queue = &mut Queue::new(&gradient);
        let by_biases = by_bias.then(|| {
            let sums = column_sums(queue, &gradient);
            let mut number = 0;
            weights.each_ref().map(|weight| {
                number += 1;
                rows_of(queue, &sums, firsts[number - 1], sizes::<2>(weight)[1])
            })
        });
        let gradient = cast_each(queue, &[&gradient], x.dtype).swap_remove(0);
        let mut number = 0;
        let by_weights = weights.each_ref().map(|weight| {
            let place = Matrix::columns(&gradient, firsts[number], sizes::<2>(weight)[1]);
            number += 1;
            new_product(queue, Room::Own, Matrix::new(&x).transposed(), place, None, DType::F32, self.arithmetic())
        });
        let by_x = by_x.then(|| {
            let out = queue.empty(&x, sizes::<2>(&x), DType::F32);
            for (weight, first) in weights.iter().zip(firsts) {
                let place = Matrix::columns(&gradient, first, sizes::<2>(weight)[1]);
                let weight = Matrix::new(weight).transposed();
                product(queue, place, weight, None, first > 0, &Matrix::new(&out), self.arithmetic());
            }
            out
        });
        queue.start();
        (by_x, by_weights, by_biases)
    }
}

/// The first column of each layer's result, and the number of all.
fn places<const W: usize>(weights: &[CubeTensor; W]) -> ([usize; W], usize) {
    let mut width = 0;
    let firsts = weights.each_ref().map(|weight| {
        let [_, to] = sizes(weight);
        width += to;
        width - to
    });
    (firsts, width)
}

macro_rules! implement {
    ($count:literal inputs: $weights:literal weights, $($weight:ident),+; $($bias:ident),*) => {
        impl Kernel<CubeBackend, $count> for Linear {
            type Saved = Saved<$weights>;

            fn forward(&self, [x, $($weight,)+ $($bias,)*]: [CubeTensor; $count]) -> (CubeTensor, Self::Saved) {
                let biases: Vec<CubeTensor> = vec![$($bias),*];
                self.forward(x, [$($weight),+], biases.try_into().ok())
            }

            fn backward(
                &self,
                saved: Self::Saved,
                gradient: CubeTensor,
                wanted: [bool; $count],
            ) -> [Option<CubeTensor>; $count] {
                let by_bias = wanted[1 + $weights..].contains(&true);
                let (by_x, by_weights, by_biases) = self.backward(saved, gradient, wanted[0], by_bias);
                let mut all = [by_x].into_iter().chain(by_weights.map(Some)).chain(by_biases.into_iter().flatten().map(Some));
                wanted.map(|wanted| all.next().flatten().filter(|_| wanted))
            }
        }
    };
}

implement!(2 inputs: 1 weights, weight;);
implement!(3 inputs: 1 weights, weight; bias);
implement!(4 inputs: 3 weights, a, b, c;);
implement!(7 inputs: 3 weights, a, b, c; d, e, f);
