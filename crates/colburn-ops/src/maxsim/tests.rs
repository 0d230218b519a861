//! The kernel is its composed twin, whatever counts and however long texts are, and the same on any number of cores.

use burn::tensor::{Device, Tensor};
use pulp::Arch;

use super::on;
use crate::fused::testing::{agree, instruction_sets, random};
use crate::maxsim::{composed, pairs_composed};
use crate::{Embeddings, MaskRule, Spans, mix};

/// Lengths, masks and floors of some texts, without their vectors.
#[derive(Clone, Debug)]
struct Texts {
    spans: Spans,
    mask: Vec<bool>,
    floor: Vec<bool>,
}

impl Texts {
    /// One of `every` tokens does not count, and neither does a whole text of that many; with 0 all count.
    fn new(lengths: &[usize], every: u64, seed: u64) -> Self {
        let spans = Spans::from_lengths(lengths);
        let off = |place: u64| every > 0 && mix(seed, place).is_multiple_of(every);
        let mut mask: Vec<bool> = (0..spans.tokens() as u64).map(|token| !off(token)).collect();
        for text in (0..spans.len()).filter(|&text| off(text as u64 + 1_000_000)) {
            mask[spans.range(text)].fill(false);
        }
        let floor = (0..spans.len() as u64).map(|text| mix(seed, text + 2_000_000).is_multiple_of(2)).collect();
        Self { spans, mask, floor }
    }

    fn with(&self, values: Tensor<2>) -> Embeddings {
        let Self { spans, mask, floor } = self.clone();
        Embeddings { values, spans, mask, floor }
    }
}

fn holds(arch: Arch, queries: &Texts, documents: &Texts, dim: usize, groups: bool, seed: u64) {
    let inputs = [random([queries.spans.tokens(), dim], seed), random([documents.spans.tokens(), dim], seed + 1)];
    let twin = if groups { pairs_composed } else { composed };
    for rule in [MaskRule::Zero, MaskRule::Ignore] {
        agree(
            inputs.clone(),
            |[q, d]| on(arch, &queries.with(q), &documents.with(d), rule, groups),
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
            let draw = |what: u64, below: u64| (mix(7 * round + 1, what) % below) as usize;
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
        |[q, d]| on(Arch::new(), &of_queries.with(q), &of_documents.with(d), MaskRule::Zero, false),
        |[q, d]| composed(&of_queries.with(q), &of_documents.with(d), MaskRule::Zero),
        1e-6,
    );
}

#[test]
fn what_is_not_a_number_shows() {
    let (queries, documents) = (Texts::new(&[3, 2], 0, 1), Texts::new(&[4, 30], 0, 2));
    let q = random([5, 16], 1);
    let d = random([34, 16], 2).slice_fill([2..3, 0..1], f32::NAN);
    let scores = on(Arch::new(), &queries.with(q), &documents.with(d), MaskRule::Zero, false);
    let scores = scores.into_data().try_to_vec::<f32>().unwrap();
    assert_eq!(scores.iter().map(|score| score.is_nan()).collect::<Vec<_>>(), [true, false, true, false]);
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
            let scores = on(Arch::new(), &queries.with(q.clone()), &documents.with(d.clone()), MaskRule::Zero, groups);
            let gradients = scores.clone().powi_scalar(2).sum().backward();
            [scores.inner(), q.grad(&gradients).unwrap(), d.grad(&gradients).unwrap()].map(bits)
        })
    };
    for groups in [false, true] {
        let one = run(1, groups);
        assert!([2, 3, 8].iter().all(|&threads| run(threads, groups) == one));
    }
}
