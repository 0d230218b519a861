//! The layers on CubeCL against their twins on flex.

use burn::tensor::Tensor;

use super::composed;
use crate::cube::array::cube_device;
use crate::cube::testing::{agree, device, moved, rounded, short_precisions, values};
use crate::precision::Precision;
use crate::testing::random;

fn inputs([tokens, from, to]: [usize; 3]) -> [Tensor<2>; 3] {
    [random([tokens, from], 1), random([from, to], 2), random([1, to], 3)]
}

#[test]
fn one_layer_on_cube_agrees_with_its_twin() {
    for shape in [[1, 1, 1], [7, 3, 5], [33, 64, 24], [300, 96, 128]] {
        let ([x, w, b], to) = (inputs(shape), shape[2]);
        agree(
            [x.clone(), w.clone(), b],
            |[x, w, b]| super::linear(x, w, Some(b.reshape([to])), Precision::F32),
            |[x, w, b]| composed::linear(x, w, Some(b.reshape([to])), Precision::F32),
            1e-5,
        );
        agree(
            [x, w],
            |[x, w]| super::linear(x, w, None, Precision::F32),
            |[x, w]| composed::linear(x, w, None, Precision::F32),
            1e-5,
        );
    }
}

#[test]
fn three_layers_on_cube_agree_with_their_twin() {
    for [tokens, from, to] in [[19, 8, 5], [40, 24, 32]] {
        let ([x, a, d], b, c) = (inputs([tokens, from, to]), random([from, to], 4), random([from, to], 5));
        let (e, f) = (random([1, to], 6), random([1, to], 7));
        let flat = |x: Tensor<2>| x.reshape([to]);
        agree(
            [x, a, b, c, d, e, f],
            |[x, a, b, c, d, e, f]| super::three_linears(x, [a, b, c], Some([d, e, f].map(flat)), Precision::F32),
            |[x, a, b, c, d, e, f]| composed::three_linears(x, [a, b, c], Some([d, e, f].map(flat)), Precision::F32),
            1e-5,
        );
    }
}

/// The products of short types are those of rounded factors, summed in f32.
#[test]
fn in_short_types_on_cube_factors_are_rounded() {
    for precision in short_precisions() {
        let dtype = precision.element(&cube_device(&device()));
        let [x, w, b] = inputs([70, 64, 48]);
        let short = |x: Tensor<2>| {
            let numbers = values(x.clone()).into_iter().map(|x| rounded(x, dtype)).collect::<Vec<f32>>();
            Tensor::from_data(burn::tensor::TensorData::new(numbers, x.dims()), &x.device())
        };
        let bias = b.clone().reshape([48]);
        let expected = values(composed::linear(short(x.clone()), short(w.clone()), Some(bias), Precision::F32));
        let found = values(super::linear(moved(x), moved(w), Some(moved(b).reshape([48])), precision));
        crate::testing::close(&found, &expected, 1e-5, precision.name());
    }
}
