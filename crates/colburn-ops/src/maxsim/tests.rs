//! The definition by PyLate, and the kernel against its twin: whatever counts, however long texts are, on any number of cores.

use burn::tensor::{Device, Distribution, Tensor, TensorData, Tolerance};
use pulp::Arch;

use super::flex::maxsim_on;
use super::{MaskRule, PreparedDocuments, PreparedQueries, composed, maxsim, maxsim_pairs};
use crate::embeddings::Embeddings;
use crate::error::Error;
use crate::precision::Precision;
use crate::seed::mix;
use crate::spans::Spans;
use crate::testing::{agree, instruction_sets, random};

fn draw(lengths: &[usize], masked: &[usize], device: &Device) -> Embeddings {
    let spans = Spans::from_lengths(lengths);
    let values = Tensor::random([spans.tokens(), 4], Distribution::Normal(-0.3, 1.0), device).require_grad();
    let mut embeddings = Embeddings::new(values, spans).unwrap();
    for &token in masked {
        embeddings.mask[token] = false;
    }
    embeddings
}

/// The slow twin, straight from PyLate's definition: a document is padded, and masked products are multiplied by 0.
fn slow(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Vec<Vec<f32>> {
    let rows = |embeddings: &Embeddings| -> Vec<Vec<f32>> {
        let flat = embeddings.values.clone().inner().into_data().try_into_vec::<f32>().unwrap();
        flat.chunks(embeddings.dim()).map(<[f32]>::to_vec).collect()
    };
    let (q, d) = (rows(queries), rows(documents));
    let score = |query: usize, document: usize| -> f32 {
        let tokens = queries.spans.range(query).filter(|&token| queries.mask[token]);
        tokens
            .map(|i| {
                let products = documents.spans.range(document).filter_map(|j| {
                    let product: f32 = q[i].iter().zip(&d[j]).map(|(a, b)| a * b).sum();
                    match (documents.mask[j], rule) {
                        (true, _) => Some(product),
                        (false, MaskRule::Zero) => Some(0.0),
                        (false, MaskRule::Ignore) => None,
                    }
                });
                let padding = (rule == MaskRule::Zero && documents.floor[document]).then_some(0.0);
                products.chain(padding).reduce(f32::max).unwrap_or(0.0)
            })
            .sum()
    };
    (0..queries.len()).map(|i| (0..documents.len()).map(|j| score(i, j)).collect()).collect()
}

fn assert_close(scores: Tensor<2>, expected: Vec<Vec<f32>>) {
    let shape = [expected.len(), expected[0].len()];
    let expected = TensorData::new(expected.concat(), shape);
    scores.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
}

#[test]
fn agrees_with_the_slow_twin() {
    let device = Device::flex().autodiff();
    device.seed(11);
    let queries = draw(&[4, 1, 6], &[3, 9], &device);
    let mut documents = draw(&[3, 7, 1, 5, 5, 2], &[4, 10, 21, 22], &device);
    documents.floor = vec![true, false, true, false, false, false];
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        let expected = slow(&queries, &documents, rule);
        assert_close(maxsim(&queries, &documents, rule).unwrap().inner(), expected.clone());
        let groups = (0..3).map(|i| expected[i][2 * i..2 * i + 2].to_vec()).collect();
        assert_close(maxsim_pairs(&queries, &documents, rule).unwrap().inner(), groups);
    }
}

#[test]
fn the_gradient_reaches_the_best_token_only() {
    let device = Device::flex().autodiff();
    let tensor = |rows: [[f32; 2]; 2]| Tensor::<2>::from_data(rows, &device).require_grad();
    let queries = Embeddings::new(tensor([[1.0, 0.0], [0.0, 1.0]]), Spans::from_lengths(&[2])).unwrap();
    let mut documents = Embeddings::new(tensor([[0.5, -1.0], [0.25, -2.0]]), Spans::from_lengths(&[2])).unwrap();
    documents.floor = vec![true];
    let gradients = maxsim(&queries, &documents, MaskRule::Zero).unwrap().sum().backward();
    let gradient = documents.values.grad(&gradients).unwrap().into_data();
    gradient.assert_eq(&TensorData::from([[1.0f32, 0.0], [0.0, 0.0]]), true);
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let device = Device::flex();
    let queries = Embeddings::new(Tensor::zeros([2, 4], &device), Spans::from_lengths(&[1, 1])).unwrap();
    let documents = Embeddings::new(Tensor::zeros([3, 4], &device), Spans::from_lengths(&[1, 1, 1])).unwrap();
    assert!(matches!(maxsim_pairs(&queries, &documents, MaskRule::Zero), Err(Error::Groups { .. })));
    let narrow = Embeddings::new(Tensor::zeros([1, 3], &device), Spans::from_lengths(&[1])).unwrap();
    assert!(matches!(maxsim(&queries, &narrow, MaskRule::Zero), Err(Error::Dimensions { .. })));
    assert!(Embeddings::new(Tensor::zeros([3, 4], &device), Spans::from_lengths(&[1, 1])).is_err());
    let unmasked = Embeddings { mask: Vec::new(), ..queries.clone() };
    assert!(matches!(maxsim(&queries, &unmasked, MaskRule::Zero), Err(Error::Length { .. })));
}

/// Lengths, masks and floors of some texts, without their vectors.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    pub(crate) spans: Spans,
    pub(crate) mask: Vec<bool>,
    pub(crate) floor: Vec<bool>,
}

impl Texts {
    /// One of `every` tokens does not count, and neither does a whole text of that many; with 0 all count.
    pub(crate) fn new(lengths: &[usize], every: u64, seed: u64) -> Self {
        let spans = Spans::from_lengths(lengths);
        let off = |place: u64| every > 0 && mix(seed, place).is_multiple_of(every);
        let mut mask: Vec<bool> = (0..spans.tokens() as u64).map(|token| !off(token)).collect();
        for text in (0..spans.len()).filter(|&text| off(text as u64 + 1_000_000)) {
            mask[spans.range(text)].fill(false);
        }
        let floor = (0..spans.len() as u64).map(|text| mix(seed, text + 2_000_000).is_multiple_of(2)).collect();
        Self { spans, mask, floor }
    }

    pub(crate) fn with(&self, values: Tensor<2>) -> Embeddings {
        let Self { spans, mask, floor } = self.clone();
        Embeddings { values, spans, mask, floor, precision: Precision::F32 }
    }
}

fn holds(arch: Arch, queries: &Texts, documents: &Texts, dim: usize, groups: bool, seed: u64) {
    let inputs = [random([queries.spans.tokens(), dim], seed), random([documents.spans.tokens(), dim], seed + 1)];
    let twin = if groups { composed::maxsim_pairs } else { composed::maxsim };
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        agree(
            inputs.clone(),
            |[q, d]| maxsim_on(arch, &queries.with(q), &documents.with(d), rule, groups),
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
    for arch in instruction_sets() {
        for round in 0..24 {
            let draw = |number: u64, below: u64| (mix(7 * round + 1, number) % below) as usize;
            let (queries, group) = (1 + draw(0, 9), 1 + draw(1, 4));
            let (mut of_queries, mut of_documents) = (lengths(queries, round), lengths(queries * group, round + 100));
            // Not all of them empty.
            (of_queries[0], of_documents[0]) = (1 + draw(2, 40), 1 + draw(3, 40));
            let every = [0, 2, 5][draw(4, 3)];
            let (of_queries, of_documents) =
                (Texts::new(&of_queries, every, round), Texts::new(&of_documents, [0, 3, 7][draw(5, 3)], round + 50));
            let dim = [1, 3, 16, 128][round as usize % 4];
            for groups in [false, true] {
                holds(arch, &of_queries, &of_documents, dim, groups, 1000 * round);
            }
        }
    }
}

#[test]
fn texts_may_be_longer_than_blocks_and_pieces() {
    for (queries, documents, every) in [
        (vec![512, 3, 300], vec![512, 1, 400, 0, 257, 256], 0),
        (vec![20, 0, 511], vec![300, 300, 512], 4),
        (vec![1], vec![512], 0),
        (vec![512], vec![1], 9),
        (vec![32; 20], vec![60; 40], 0),
    ] {
        let (queries, documents) = (Texts::new(&queries, every, 3), Texts::new(&documents, every, 4));
        for groups in [false, true] {
            holds(Arch::new(), &queries, &documents, 24, groups, 5);
        }
    }
}

#[test]
fn where_nothing_counts_all_is_zero() {
    let queries = Texts { mask: vec![false; 5], ..Texts::new(&[2, 3], 0, 1) };
    let documents = Texts::new(&[4, 1], 0, 2);
    for groups in [false, true] {
        holds(Arch::new(), &queries, &documents, 8, groups, 1);
        holds(Arch::new(), &documents, &queries, 8, groups, 1);
    }
}

/// A product of 0 that equals the floor keeps its gradient, as in the twin, and of equal products the first has it.
#[test]
fn ties_are_broken_as_by_the_twin() {
    let device = Device::flex();
    let queries = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
    let documents = Tensor::<2>::from_data([[0.0, -1.0], [0.0, 2.0], [0.0, 2.0], [-1.0, -1.0]], &device);
    let of_queries = Texts::new(&[2], 0, 1);
    let of_documents = Texts { floor: vec![true; 2], ..Texts::new(&[3, 1], 0, 1) };
    agree(
        [queries, documents],
        |[q, d]| maxsim_on(Arch::new(), &of_queries.with(q), &of_documents.with(d), MaskRule::Zero, false),
        |[q, d]| composed::maxsim(&of_queries.with(q), &of_documents.with(d), MaskRule::Zero),
        1e-6,
    );
}

#[test]
fn a_score_with_nan_is_nan() {
    let (queries, documents) = (Texts::new(&[3, 2], 0, 1), Texts::new(&[4, 30], 0, 2));
    let nan = |scores: Tensor<2>| -> Vec<bool> {
        scores.into_data().try_to_vec::<f32>().unwrap().iter().map(|score| score.is_nan()).collect()
    };
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        let q = queries.with(random([5, 16], 1));
        let d = documents.with(random([34, 16], 2).slice_fill([2..3, 0..1], f32::NAN));
        assert_eq!(nan(maxsim_on(Arch::new(), &q, &d, rule, false)), [true, false, true, false]);
        assert_eq!(nan(composed::maxsim(&q, &d, rule)), [true, false, true, false]);
        assert_eq!(nan(maxsim_on(Arch::new(), &q, &d, rule, true)), [true, false]);
        assert_eq!(nan(composed::maxsim_pairs(&q, &d, rule)), [true, false]);
        let q = queries.with(random([5, 16], 1).slice_fill([3..4, 0..1], f32::NAN));
        let d = documents.with(random([34, 16], 2));
        assert_eq!(nan(maxsim_on(Arch::new(), &q, &d, rule, false)), [false, false, true, true]);
        assert!(nan(composed::maxsim(&q, &d, rule))[2..].iter().all(|&nan| nan));
        assert_eq!(nan(maxsim_on(Arch::new(), &q, &d, rule, true)), [false, true]);
        assert_eq!(nan(composed::maxsim_pairs(&q, &d, rule)), [false, true]);
    }
}

#[test]
fn prepared_texts_have_the_same_scores() {
    let (queries, documents) = (Texts::new(&[32, 7, 0, 20], 5, 1), Texts::new(&lengths(30, 3), 7, 2));
    let q = queries.with(random([queries.spans.tokens(), 16], 1));
    let d = documents.with(random([documents.spans.tokens(), 16], 2));
    let ready = PreparedQueries::new(q.clone()).unwrap();
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        let scores = ready.scores(&PreparedDocuments::new(d.clone(), rule).unwrap()).unwrap();
        assert_eq!(scores.into_data(), maxsim(&q, &d, rule).unwrap().into_data());
    }
    let error = |documents: Embeddings| {
        let documents = PreparedDocuments::new(documents, MaskRule::Zero).unwrap();
        ready.scores(&documents).unwrap_err().to_string()
    };
    let narrow = documents.with(random([documents.spans.tokens(), 15], 2));
    assert_eq!(error(narrow), "queries have 16 dimensions and documents 15; scores need the same");
    let low = Embeddings { precision: Precision::Bf16, ..d };
    assert_eq!(error(low), "queries are prepared in F32 and documents in Bf16; scores need the same precision");
    let unmasked = Embeddings { mask: Vec::new(), ..q };
    assert!(matches!(PreparedQueries::new(unmasked), Err(Error::Length { .. })));
}

#[test]
fn is_the_same_on_any_number_of_cores() {
    let (queries, documents) = (Texts::new(&[40; 30], 9, 1), Texts::new(&lengths(150, 3), 9, 2));
    let (q, d) = (random([queries.spans.tokens(), 20], 1), random([documents.spans.tokens(), 20], 2));
    let bits = |x: Tensor<2>| -> Vec<u32> {
        x.into_data().try_to_vec::<f32>().unwrap().iter().map(|value| value.to_bits()).collect()
    };
    let run = |threads: usize, groups: bool| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (q, d) = (q.clone().autodiff().require_grad(), d.clone().autodiff().require_grad());
            let scores =
                maxsim_on(Arch::new(), &queries.with(q.clone()), &documents.with(d.clone()), MaskRule::Zero, groups);
            let gradients = scores.clone().powi_scalar(2).sum().backward();
            [scores.inner(), q.grad(&gradients).unwrap(), d.grad(&gradients).unwrap()].map(bits)
        })
    };
    for groups in [false, true] {
        let one = run(1, groups);
        assert!([2, 3, 8].iter().all(|&threads| run(threads, groups) == one));
    }
}
