//! The kernels on their device against the composed form on flex.

use burn::tensor::Tensor;

use super::{xtr, xtr_in_parts};
use crate::cube::testing::{agree, moved, values};
use crate::maxsim::tests::Texts;
use crate::seed::mix;
use crate::testing::random;
use crate::xtr::composed;

fn holds(queries: &Texts, documents: &Texts, inputs: &[Tensor<2>; 2], k: usize, products: usize) {
    let count = queries.spans.len();
    for groups in [false, true] {
        let group = (groups && documents.spans.len().is_multiple_of(count)).then(|| documents.spans.len() / count);
        agree(
            inputs.clone(),
            |[q, d]| xtr_in_parts(&queries.with(q), &documents.with(d), k, group.is_some(), products),
            |[q, d]| composed::xtr(&queries.with(q), &documents.with(d), k, group).unwrap(),
            1e-5,
        );
    }
}

#[test]
fn agrees_with_its_twin() {
    for round in 0..16u64 {
        let draw = |number: u64, below: u64| (mix(11 * round + 1, number) % below) as usize;
        let (count, group) = (1 + draw(0, 4), 1 + draw(1, 4));
        let lengths = |texts: usize, seed: u64| -> Vec<usize> {
            (0..texts as u64).map(|text| 1 + (mix(seed, text) % 40) as usize).collect()
        };
        let queries = Texts::new(&lengths(count, round), [0, 3][draw(2, 2)], round);
        let documents = Texts::new(&lengths(count * group, round + 50), [0, 3, 7][draw(3, 3)], round + 9);
        let (rows, width, dim) = (queries.spans.tokens(), documents.spans.tokens(), [3, 16, 64][draw(4, 3)]);
        // Numbers of few values, so that equal products abound, and others.
        let shaped = |x: Tensor<2>| if round % 2 == 0 { x.round() } else { x };
        let inputs = [shaped(random([rows, dim], round) * 2.0), shaped(random([width, dim], round + 1) * 2.0)];
        for k in [1, 2, 1 + draw(5, width as u64), width + 3] {
            holds(&queries, &documents, &inputs, k, [1, 7 * width, 1 << 20][draw(6, 3)]);
        }
    }
}

#[test]
fn of_equal_products_the_first_are_kept() {
    let (queries, documents) = (Texts::new(&[2], 0, 1), Texts::new(&[300, 300, 1], 0, 1));
    let inputs = [Tensor::ones([2, 4], &burn::tensor::Device::flex()), random([601, 4], 1) * 0.0 + 0.5];
    for k in [1, 299, 300, 301, 600, 601] {
        holds(&queries, &documents, &inputs, k, 1 << 20);
    }
}

#[test]
fn a_score_with_nan_is_nan() {
    let (queries, documents) = (Texts::new(&[3, 2], 0, 1), Texts::new(&[4, 70], 0, 2));
    let nan = |scores: Tensor<2>| -> Vec<bool> { values(scores).iter().map(|score| score.is_nan()).collect() };
    for number in [f32::NAN, -f32::NAN] {
        let q = queries.with(moved(random([5, 16], 1)));
        let d = documents.with(moved(random([74, 16], 2).slice_fill([2..3, 0..1], number)));
        assert_eq!(nan(xtr(&q, &d, 1, false)), [true, false, true, false]);
        assert_eq!(nan(xtr(&q, &d, 74, true)), [true, false]);
    }
}
