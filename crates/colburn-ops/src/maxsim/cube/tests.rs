//! The kernel on its device against the composed form on flex.

use burn::tensor::{Device, Tensor};

use super::maxsim;
use crate::cube::testing::{agree, moved, values};
use crate::embeddings::Embeddings;
use crate::maxsim::tests::Texts;
use crate::maxsim::{MaskRule, composed};
use crate::seed::mix;
use crate::testing::random;

fn holds(queries: &Texts, documents: &Texts, dim: usize, groups: bool, seed: u64) {
    let inputs = [random([queries.spans.tokens(), dim], seed), random([documents.spans.tokens(), dim], seed + 1)];
    let twin = if groups { composed::maxsim_pairs } else { composed::maxsim };
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        agree(
            inputs.clone(),
            |[q, d]| maxsim(&queries.with(q), &documents.with(d), rule, groups),
            |[q, d]| twin(&queries.with(q), &documents.with(d), rule),
            1e-5,
        );
    }
}

fn lengths(count: usize, seed: u64) -> Vec<usize> {
    (0..count as u64).map(|text| [0, 1, 2, 5, 17, 33, 64][(mix(seed, text) % 7) as usize]).collect()
}

#[test]
fn agrees_with_its_twin() {
    for round in 0..16 {
        let draw = |number: u64, below: u64| (mix(7 * round + 1, number) % below) as usize;
        let (queries, group) = (1 + draw(0, 9), 1 + draw(1, 4));
        let (mut of_queries, mut of_documents) = (lengths(queries, round), lengths(queries * group, round + 100));
        // Not all of them empty.
        (of_queries[0], of_documents[0]) = (1 + draw(2, 40), 1 + draw(3, 40));
        let every = [0, 2, 5][draw(4, 3)];
        let (of_queries, of_documents) =
            (Texts::new(&of_queries, every, round), Texts::new(&of_documents, [0, 3, 7][draw(5, 3)], round + 50));
        let dim = [1, 3, 16, 128, 44, 130][round as usize % 6];
        for groups in [false, true] {
            holds(&of_queries, &of_documents, dim, groups, 1000 * round);
        }
    }
}

#[test]
fn texts_may_be_longer_than_blocks_and_pieces() {
    for (queries, documents, every) in [
        (vec![512, 3, 300], vec![512, 1, 400, 0, 257, 256], 0),
        (vec![1], vec![512], 0),
        (vec![512], vec![1], 9),
        // More query tokens than are sorted at a time.
        (vec![32; 70], vec![60; 70], 0),
    ] {
        let (queries, documents) = (Texts::new(&queries, every, 3), Texts::new(&documents, every, 4));
        for groups in [false, true] {
            if documents.spans.len().is_multiple_of(queries.spans.len()) {
                holds(&queries, &documents, 24, groups, 5);
            }
        }
    }
}

#[test]
fn where_nothing_counts_all_is_zero() {
    let queries = Texts { mask: vec![false; 5], ..Texts::new(&[2, 3], 0, 1) };
    let documents = Texts::new(&[4, 1], 0, 2);
    for groups in [false, true] {
        holds(&queries, &documents, 8, groups, 1);
        holds(&documents, &queries, 8, groups, 1);
    }
}

#[test]
fn ties_are_broken_as_by_the_twin() {
    let device = Device::flex();
    let queries = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
    let documents = Tensor::<2>::from_data([[0.0, -1.0], [0.0, 2.0], [0.0, 2.0], [-1.0, -1.0]], &device);
    let of_queries = Texts::new(&[2], 0, 1);
    let of_documents = Texts { floor: vec![true; 2], ..Texts::new(&[3, 1], 0, 1) };
    agree(
        [queries, documents],
        |[q, d]| maxsim(&of_queries.with(q), &of_documents.with(d), MaskRule::Zero, false),
        |[q, d]| composed::maxsim(&of_queries.with(q), &of_documents.with(d), MaskRule::Zero),
        1e-6,
    );
    // Of equal products in different units, the first.
    let queries = Tensor::<2>::ones([3, 4], &device);
    let documents = Tensor::<2>::ones([70, 4], &device);
    let (of_queries, of_documents) = (Texts::new(&[3], 0, 1), Texts::new(&[70], 0, 1));
    let d = moved(documents).autodiff().require_grad();
    let q: Embeddings = of_queries.with(moved(queries).autodiff());
    let scores = maxsim(&q, &of_documents.with(d.clone()), MaskRule::Ignore, false);
    let gradient = values(d.grad(&scores.sum().backward()).unwrap());
    assert!(gradient[..4] == [3.0; 4] && gradient[4..].iter().all(|&x| x == 0.0));
}

#[test]
fn a_score_with_nan_is_nan() {
    let (queries, documents) = (Texts::new(&[3, 2], 0, 1), Texts::new(&[4, 70], 0, 2));
    let nan = |scores: Tensor<2>| -> Vec<bool> { values(scores).iter().map(|score| score.is_nan()).collect() };
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        for broken in [0, 2] {
            let q = queries.with(moved(random([5, 16], 1)));
            let d = documents.with(moved(random([74, 16], 2).slice_fill([broken..broken + 1, 0..1], f32::NAN)));
            assert_eq!(nan(maxsim(&q, &d, rule, false)), [true, false, true, false]);
            assert_eq!(nan(maxsim(&q, &d, rule, true)), [true, false]);
        }
        let q = queries.with(moved(random([5, 16], 1).slice_fill([3..4, 0..1], f32::NAN)));
        let d = documents.with(moved(random([74, 16], 2)));
        assert_eq!(nan(maxsim(&q, &d, rule, false)), [false, false, true, true]);
        assert_eq!(nan(maxsim(&q, &d, rule, true)), [false, true]);
    }
}

#[test]
fn is_the_same_every_time() {
    let (queries, documents) = (Texts::new(&[40; 30], 9, 1), Texts::new(&lengths(150, 3), 9, 2));
    let (q, d) = (random([queries.spans.tokens(), 20], 1), random([documents.spans.tokens(), 20], 2));
    let run = |groups: bool| {
        let (q, d) = (moved(q.clone()).autodiff().require_grad(), moved(d.clone()).autodiff().require_grad());
        let scores = maxsim(&queries.with(q.clone()), &documents.with(d.clone()), MaskRule::Zero, groups);
        let gradients = scores.clone().powi_scalar(2).sum().backward();
        [scores.inner(), q.grad(&gradients).unwrap(), d.grad(&gradients).unwrap()].map(values)
    };
    for groups in [false, true] {
        let first = run(groups);
        assert!((0..3).all(|_| run(groups) == first));
    }
}
