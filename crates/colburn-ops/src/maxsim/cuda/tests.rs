//! The kernels on the tensor cores against the composed form on flex. Without an NVIDIA GPU they have nothing to run on.

use burn::tensor::Tensor;

use super::{maxsim, serves};
use crate::cube::testing::{agree, device, moved, values};
use crate::embeddings::Embeddings;
use crate::maxsim::tests::Texts;
use crate::maxsim::{MaskRule, PreparedDocuments, PreparedQueries, composed};
use crate::precision::Precision;
use crate::seed::mix;
use crate::testing::{close, random};

/// True if the kernels run on the device of the tests.
fn runs() -> bool {
    crate::device::name(&device()) == "cuda"
}

fn with(texts: &Texts, values: Tensor<2>, precision: Precision) -> Embeddings {
    Embeddings { precision, ..texts.with(values) }
}

/// Numbers of few bits, whose products are the same with one half and with two.
fn short(shape: [usize; 2], seed: u64) -> Tensor<2> {
    (random(shape, seed) * 32.0).round() / 32.0
}

fn holds(queries: &Texts, documents: &Texts, dim: usize, groups: bool, seed: u64) {
    let shapes = [[queries.spans.tokens(), dim], [documents.spans.tokens(), dim]];
    let twin = if groups { composed::maxsim_pairs } else { composed::maxsim };
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        for precision in [Precision::F32, Precision::Bf16] {
            let draw = if precision == Precision::F32 { random } else { short };
            agree(
                [draw(shapes[0], seed), draw(shapes[1], seed + 1)],
                |[q, d]| {
                    let (q, d) = (with(queries, q, precision), with(documents, d, precision));
                    assert!(serves(&q, &d, groups));
                    maxsim(&q, &d, rule, groups)
                },
                |[q, d]| twin(&queries.with(q), &documents.with(d), rule),
                2e-6,
            );
        }
    }
}

fn lengths(count: usize, seed: u64) -> Vec<usize> {
    (0..count as u64).map(|text| [0, 1, 2, 5, 17, 33, 64][(mix(seed, text) % 7) as usize]).collect()
}

#[test]
fn agrees_with_its_twin() {
    for round in 0..12 {
        if !runs() {
            return;
        }
        let draw = |number: u64, below: u64| (mix(7 * round + 1, number) % below) as usize;
        let (queries, group) = (1 + draw(0, 9), 1 + draw(1, 4));
        let (mut of_queries, mut of_documents) = (lengths(queries, round), lengths(queries * group, round + 100));
        // Not all of them empty.
        (of_queries[0], of_documents[0]) = (1 + draw(2, 40), 1 + draw(3, 40));
        let every = [0, 2, 5][draw(4, 3)];
        let (of_queries, of_documents) =
            (Texts::new(&of_queries, every, round), Texts::new(&of_documents, [0, 3, 7][draw(5, 3)], round + 50));
        let dim = [128, 1, 96, 44, 130, 256][round as usize % 6];
        for groups in [false, true] {
            holds(&of_queries, &of_documents, dim, groups, 1000 * round);
        }
    }
}

#[test]
fn texts_may_be_longer_than_blocks_windows_and_parts() {
    for (queries, documents, every) in [
        (vec![512, 3, 300], vec![600, 1, 400, 0, 257, 256], 0),
        (vec![1], vec![512], 0),
        (vec![512], vec![1], 9),
        // A document of more tokens than a window.
        (vec![40, 9], vec![2500, 13], 7),
        // More query tokens than are sorted at a time.
        (vec![32; 140], vec![30; 140], 0),
    ] {
        if !runs() {
            return;
        }
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
    if !runs() {
        return;
    }
    let queries = Texts { mask: vec![false; 5], ..Texts::new(&[2, 3], 0, 1) };
    let documents = Texts::new(&[4, 1], 0, 2);
    for groups in [false, true] {
        holds(&queries, &documents, 8, groups, 1);
        holds(&documents, &queries, 8, groups, 1);
    }
}

#[test]
fn of_equal_products_the_first_counts() {
    if !runs() {
        return;
    }
    let (of_queries, of_documents) = (Texts::new(&[3], 0, 1), Texts::new(&[70], 0, 1));
    for precision in [Precision::F32, Precision::Bf16] {
        let d = Tensor::<2>::ones([70, 4], &device()).autodiff().require_grad();
        let q = with(&of_queries, Tensor::ones([3, 4], &device()).autodiff(), precision);
        let scores = maxsim(&q, &with(&of_documents, d.clone(), precision), MaskRule::Ignore, false);
        let gradient = values(d.grad(&scores.sum().backward()).unwrap());
        assert!(gradient[..4] == [3.0; 4] && gradient[4..].iter().all(|&x| x == 0.0), "{gradient:?}");
    }
}

/// Numbers may be of any size: the error of products is relative to the lengths of the vectors.
#[test]
fn products_of_f32_are_true_to_f32() {
    for (of_queries, of_documents) in [(1.0, 1.0), (1e-12, 1e9), (3e15, 1e-20), (1e-30, 1e-30)] {
        if !runs() {
            return;
        }
        let (queries, documents) = (Texts::new(&[32; 4], 0, 1), Texts::new(&[50; 6], 0, 2));
        let (q, d) = (random([128, 128], 1) * of_queries, random([300, 128], 2) * of_documents);
        let found = maxsim(&queries.with(moved(q.clone())), &documents.with(moved(d.clone())), MaskRule::Zero, false);
        let expected = composed::maxsim(&queries.with(q), &documents.with(d), MaskRule::Zero);
        let size = (of_queries * of_documents) as f32;
        let scaled = |scores: Tensor<2>| -> Vec<f32> { values(scores).iter().map(|score| score / size).collect() };
        let (found, expected) = (scaled(found), scaled(expected));
        if size > 1e-38 {
            close(&found, &expected, 1e-6, &format!("numbers of {of_queries:e} and {of_documents:e}"));
        }
    }
}

#[test]
fn a_score_with_nan_is_nan() {
    let (queries, documents) = (Texts::new(&[3, 2], 0, 1), Texts::new(&[4, 70], 0, 2));
    let nan = |scores: Tensor<2>| -> Vec<bool> { values(scores).iter().map(|score| score.is_nan()).collect() };
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        if !runs() {
            return;
        }
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
    if !runs() {
        return;
    }
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

#[test]
fn prepared_texts_have_the_same_scores() {
    if !runs() {
        return;
    }
    let (queries, documents) = (Texts::new(&[32, 7, 0, 20], 5, 1), Texts::new(&lengths(90, 3), 7, 2));
    let (q, d) = (random([queries.spans.tokens(), 96], 1), random([documents.spans.tokens(), 96], 2));
    for precision in [Precision::F32, Precision::Bf16] {
        let (q, d) = (with(&queries, moved(q.clone()), precision), with(&documents, moved(d.clone()), precision));
        for rule in [MaskRule::Zero, MaskRule::Ignore] {
            let expected = values(maxsim(&q, &d, rule, false));
            let ready = PreparedQueries::new(q.clone()).unwrap();
            let scores = ready.scores(&PreparedDocuments::new(d.clone(), rule).unwrap()).unwrap();
            assert_eq!(values(scores), expected);
        }
    }
}
