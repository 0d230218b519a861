//! The scores against a slow twin that takes PyLate's steps in PyLate's order.

use burn::tensor::{Device, Tensor, TensorData};

use super::{xtr, xtr_pairs};
use crate::embeddings::Embeddings;
use crate::error::Error;
use crate::spans::Spans;

/// Numbers that look random, from a linear congruential generator.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }

    fn texts(&mut self, count: usize, device: &Device) -> Embeddings {
        let lengths: Vec<usize> = (0..count).map(|_| 1 + self.below(7)).collect();
        let spans = Spans::from_lengths(&lengths);
        let values: Vec<f32> = (0..spans.tokens() * 3).map(|_| self.below(2000) as f32 / 1000.0 - 1.1).collect();
        let values = Tensor::from_data(TensorData::new(values, [spans.tokens(), 3]), device).require_grad();
        let mut texts = Embeddings::new(values, spans).unwrap();
        texts.mask.iter_mut().for_each(|counts| *counts = self.below(5) > 0);
        texts.floor.iter_mut().for_each(|floor| *floor = self.below(2) > 0);
        texts
    }
}

fn rows(embeddings: &Embeddings) -> Vec<Vec<f32>> {
    let flat = embeddings.values.clone().inner().into_data().try_into_vec::<f32>().unwrap();
    flat.chunks(embeddings.dim()).map(<[f32]>::to_vec).collect()
}

/// The best product of a query token `i` with a document by the slow twin, and its document token if there is one.
struct Taken {
    document: usize,
    i: usize,
    best: f32,
    j: Option<usize>,
}

/// PyLate's steps in PyLate's order: pad, fill masked positions with the least number, keep the top k, multiply the others by 0, take
/// the maximum of each document.
fn take(q: &[f32], d: &[Vec<f32>], documents: &Embeddings, k: usize, i: usize) -> Vec<Taken> {
    let padded = documents.spans.max_length() + 1;
    let mut products = Vec::new();
    for document in 0..documents.len() {
        let range = documents.spans.range(document);
        for place in 0..if documents.floor[document] { padded } else { range.len() } {
            let j = Some(range.start + place).filter(|&j| j < range.end && documents.mask[j]);
            let product = j.map(|j| q.iter().zip(&d[j]).map(|(a, b)| a * b).sum());
            products.push(Taken { document, i, best: product.unwrap_or(f32::MIN), j });
        }
    }
    let mut order: Vec<usize> = (0..products.len()).collect();
    order.sort_by(|&a, &b| products[b].best.total_cmp(&products[a].best));
    let kept: Vec<usize> = order.into_iter().take(k).filter(|&place| products[place].j.is_some()).collect();
    let zeroed = products.into_iter().enumerate().map(|(place, one)| match kept.contains(&place) {
        true => one,
        false => Taken { best: 0.0, j: None, ..one },
    });
    let mut best: Vec<Taken> = Vec::new();
    for one in zeroed {
        match best.last_mut().filter(|last| last.document == one.document) {
            Some(last) if one.best > last.best => *last = one,
            Some(_) => {}
            None => best.push(one),
        }
    }
    best
}

/// The slow twin: the scores, `[queries, documents]`, and the gradients of their sum by the chain rule.
fn slow(queries: &Embeddings, documents: &Embeddings, k: usize) -> [Vec<f32>; 3] {
    let (q, d) = (rows(queries), rows(documents));
    let (mut scores, mut dq, mut dd) = (Vec::new(), vec![0.0; q.len() * 3], vec![0.0; d.len() * 3]);
    for query in 0..queries.len() {
        let tokens = queries.spans.range(query).filter(|&i| queries.mask[i]);
        let taken: Vec<Taken> = tokens.flat_map(|i| take(&q[i], &d, documents, k, i)).collect();
        for document in 0..documents.len() {
            let here: Vec<&Taken> = taken.iter().filter(|taken| taken.document == document).collect();
            let found = (here.iter().filter(|taken| taken.best > 0.0).count() as f32).max(1e-3);
            scores.push(here.iter().map(|taken| taken.best).sum::<f32>() / found);
            for (i, j) in here.iter().filter_map(|taken| Some((taken.i, taken.j?))) {
                for c in 0..3 {
                    dq[i * 3 + c] += d[j][c] / found;
                    dd[j * 3 + c] += q[i][c] / found;
                }
            }
        }
    }
    [scores, dq, dd]
}

fn assert_close(what: &str, found: Tensor<2>, expected: &[f32]) {
    let found = found.into_data().try_into_vec::<f32>().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    // If nothing is above 0, sums and their rounding errors are divided by 0.001.
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 + 1e-6 * largest, "{what}: {found}, expected {expected}");
    }
}

#[test]
fn agrees_with_the_slow_twin() {
    let device = Device::flex().autodiff();
    let mut draw = Draw(7);
    for case in 0..200 {
        let (count, group) = (1 + draw.below(3), 1 + draw.below(3));
        let (queries, documents) = (draw.texts(count, &device), draw.texts(count * group, &device));
        let k = 1 + draw.below(documents.spans.tokens() + 3);
        let [expected, dq, dd] = slow(&queries, &documents, k);
        let what = format!("case {case}, k {k}");

        let scores = xtr(&queries, &documents, k).unwrap();
        assert_close(&what, scores.clone().inner(), &expected);
        let gradients = scores.sum().backward();
        assert_close(&what, queries.values.grad(&gradients).unwrap(), &dq);
        assert_close(&what, documents.values.grad(&gradients).unwrap(), &dd);

        let own = expected.chunks(count * group).enumerate();
        let own: Vec<f32> = own.flat_map(|(query, scores)| scores[query * group..][..group].to_vec()).collect();
        assert_close(&what, xtr_pairs(&queries, &documents, k).unwrap().inner(), &own);
    }
}

// xtr_scores = XTRScores(k=2)
// xtr_scores(torch.tensor([[[1., 0.], [0., 1.]]]), torch.tensor([[[[1., .5], [.5, -1.]], [[.9, -.5], [0., 0.]]]]))
// tensor([[0.7500, 0.9000]])
#[test]
fn products_that_are_not_among_the_best_count_as_nothing() {
    let device = Device::flex();
    let queries = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
    let queries = Embeddings::new(queries, Spans::from_lengths(&[2])).unwrap();
    let documents = Tensor::<2>::from_data([[1.0, 0.5], [0.5, -1.0], [0.9, -0.5], [0.0, 0.0]], &device);
    let documents = Embeddings::new(documents, Spans::from_lengths(&[2, 2])).unwrap();
    assert_close("k 2", xtr(&queries, &documents, 2).unwrap(), &[0.75, 0.9]);
}

#[test]
fn of_equal_products_the_first_is_kept() {
    let device = Device::flex();
    let one = Embeddings::new(Tensor::from_data([[1.0, 0.0]], &device), Spans::from_lengths(&[1])).unwrap();
    let same = Tensor::<2>::from_data([[0.5, 0.0], [0.5, 1.0], [0.5, 2.0]], &device);
    let same = Embeddings::new(same, Spans::from_lengths(&[1, 1, 1])).unwrap();
    assert_close("k 2", xtr(&one, &same, 2).unwrap(), &[0.5, 0.5, 0.0]);
}

#[test]
fn a_score_with_nan_is_nan() {
    let device = Device::flex();
    let one = Embeddings::new(Tensor::from_data([[1.0, 0.0]], &device), Spans::from_lengths(&[1])).unwrap();
    let broken = Tensor::<2>::from_data([[0.5, 0.0], [-f32::NAN, 0.0]], &device);
    let broken = Embeddings::new(broken, Spans::from_lengths(&[1, 1])).unwrap();
    let scores = xtr(&one, &broken, 1).unwrap().into_data().try_into_vec::<f32>().unwrap();
    assert!(scores[1].is_nan(), "{scores:?}");
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let device = Device::flex();
    let texts = |count: usize, dim: usize| {
        Embeddings::new(Tensor::zeros([count, dim], &device), Spans::from_lengths(&vec![1; count])).unwrap()
    };
    assert!(matches!(xtr(&texts(1, 2), &texts(1, 3), 4), Err(Error::Dimensions { .. })));
    assert!(matches!(xtr(&texts(1, 2), &texts(1, 2), 0), Err(Error::NothingKept)));
    assert!(matches!(xtr_pairs(&texts(2, 2), &texts(3, 2), 4), Err(Error::Groups { .. })));
    assert_eq!(xtr(&texts(2, 2), &texts(0, 2), 4).unwrap().dims(), [2, 0]);
}
