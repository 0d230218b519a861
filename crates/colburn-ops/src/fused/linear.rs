//! Linear layers: one product forward, two backward, with the bias inside.

use burn::tensor::Tensor;

use super::{
    apply::{apply_2, apply_3},
    array::Array,
    kernel::Kernel,
    matrix::{Matrix, product},
    parallel::by_rows,
};

/// `x · weight + bias`: `[tokens, from]` by `[from, to]`.
pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    match bias {
        Some(bias) => apply_3(Linear, x, weight, bias),
        None => apply_2(Linear, x, weight),
    }
}

#[derive(Clone, Debug)]
struct Linear;

impl Linear {
    fn value(x: &Array, weight: &Array, bias: Option<&Array>) -> Array {
        let ([tokens, from], [_, to]) = (x.shape(), weight.shape());
        let mut out = by_rows(tokens, to, |_, part| {
            if let Some(bias) = bias {
                part.chunks_exact_mut(to).for_each(|row| row.copy_from_slice(bias));
            }
        });
        product(&mut out, to, Matrix::new(x, tokens, from), Matrix::new(weight, from, to), bias.is_some());
        Array::new(out, [tokens, to])
    }

    fn gradients([x, weight]: [Array; 2], gradient: &Array, wanted: [bool; 2]) -> [Option<Array>; 2] {
        let ([tokens, from], [_, to]) = (x.shape(), weight.shape());
        let gradient = Matrix::new(gradient, tokens, to);
        let by_x = wanted[0].then(|| {
            let mut out = by_rows(tokens, from, |_, _| ());
            product(&mut out, from, gradient, Matrix::new(&weight, from, to).transposed(), false);
            Array::new(out, [tokens, from])
        });
        let by_weight = wanted[1].then(|| {
            let mut out = by_rows(from, to, |_, _| ());
            product(&mut out, to, Matrix::new(&x, tokens, from).transposed(), gradient, false);
            Array::new(out, [from, to])
        });
        [by_x, by_weight]
    }
}

impl Kernel<2> for Linear {
    type Saved = [Array; 2];

    fn forward(&self, [x, weight]: [Array; 2]) -> (Array, Self::Saved) {
        (Self::value(&x, &weight, None), [x, weight])
    }

    fn backward(&self, saved: Self::Saved, gradient: Array, wanted: [bool; 2]) -> [Option<Array>; 2] {
        Self::gradients(saved, &gradient, wanted)
    }
}

impl Kernel<3> for Linear {
    type Saved = [Array; 2];

    fn forward(&self, [x, weight, bias]: [Array; 3]) -> (Array, Self::Saved) {
        (Self::value(&x, &weight, Some(&bias)), [x, weight])
    }

    fn backward(&self, saved: Self::Saved, gradient: Array, [x, weight, bias]: [bool; 3]) -> [Option<Array>; 3] {
        let [by_x, by_weight] = Self::gradients(saved, &gradient, [x, weight]);
        [by_x, by_weight, bias.then(|| column_sums(&gradient))]
    }
}

/// The sum of each column, by parts of the rows whose sums are added in order.
fn column_sums(x: &Array) -> Array {
    let [_, width] = x.rows();
    let rows = super::parallel::rows_of_part(width);
    let sums = |part: &[f32]| {
        let mut sums = vec![0.0f32; width];
        for row in part.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        sums
    };
    use rayon::prelude::*;
    let parts: Vec<Vec<f32>> = x.par_chunks((rows * width).max(1)).map(sums).collect();
    let mut all = vec![0.0f32; width];
    for part in parts {
        all.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    Array::new(all, [width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::testing::{agree, random};

    #[test]
    fn agrees_with_its_twin() {
        for (seed, [tokens, from, to]) in [[1, 1, 1], [7, 3, 5], [33, 64, 17], [300, 96, 130]].into_iter().enumerate() {
            let seed = 10 * seed as u64;
            let inputs = [random([tokens, from], seed), random([from, to], seed + 1), random([1, to], seed + 2)];
            agree(inputs.clone(), |[x, w, b]| linear(x, w, Some(b.reshape([to]))), |[x, w, b]| x.matmul(w) + b, 1e-5);
            let [x, w, _] = inputs;
            agree([x, w], |[x, w]| linear(x, w, None), |[x, w]| x.matmul(w), 1e-5);
        }
    }
}
