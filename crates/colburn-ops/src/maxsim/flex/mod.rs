//! The kernel of MaxSim, which keeps no products. It keeps a maximum for each query token and document and, for the gradient, the document
//! token of that maximum.
//!
//! The composed form writes the product of every query token with every document token to memory, reads it for each mask and for the
//! maximum, and does all of it again backward, to multiply with a matrix that holds one number in a row of 180. Here products exist tile by
//! tile ([`tiles`]), and the gradient is a gather and a scatter ([`gradients`]).

mod gradients;
mod plan;
mod tiles;

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::Arch;

use self::{gradients::Paths, plan::Plan};
use super::mask_rule::MaskRule;
use crate::cpu::array::Array;
use crate::embeddings::Embeddings;
use crate::kernel::Kernel;
use crate::kernel::flex::apply_2;

/// MaxSim of every query with every document, or, with `groups`, of each query with its own documents: `[queries, documents]` or
/// `[queries, documents / queries]`. The parts of both fit together, and vectors have at least one number.
pub(super) fn maxsim(queries: &Embeddings, documents: &Embeddings, rule: MaskRule, groups: bool) -> Tensor<2> {
    maxsim_on(Arch::new(), queries, documents, rule, groups)
}

/// As [`maxsim`], on this instruction set.
pub(super) fn maxsim_on(
    arch: Arch,
    queries: &Embeddings,
    documents: &Embeddings,
    rule: MaskRule,
    groups: bool,
) -> Tensor<2> {
    let plan = Arc::new(Plan::new(queries, documents, rule, groups));
    apply_2(MaxSim { arch, plan }, queries.values.clone(), documents.values.clone())
}

#[derive(Clone, Debug)]
struct MaxSim {
    arch: Arch,
    plan: Arc<Plan>,
}

impl MaxSim {
    /// The scores, and the best document tokens of each task if `keep` is set.
    fn scores(&self, queries: &Array, documents: &Array, keep: bool) -> (Array, Vec<Vec<u32>>) {
        let [_, dim] = queries.shape();
        let found = tiles::search(self.arch, &self.plan, queries, documents, dim, keep);
        let mut scores = vec![0.0; self.plan.shape.iter().product()];
        let mut best = Vec::with_capacity(found.len());
        for task in found {
            // A query in two blocks has its tokens' maxima added in order: blocks of a task are.
            task.scores.into_iter().for_each(|(place, score)| scores[place] += score);
            best.push(task.best);
        }
        (Array::new(scores, self.plan.shape), best)
    }
}

impl Kernel<Flex, 2> for MaxSim {
    type Saved = ([Array; 2], Arc<Vec<Vec<u32>>>);

    fn forward(&self, [queries, documents]: [Array; 2]) -> (Array, Self::Saved) {
        let (scores, best) = self.scores(&queries, &documents, true);
        (scores, ([queries, documents], Arc::new(best)))
    }

    fn value(&self, [queries, documents]: [Array; 2]) -> Array {
        self.scores(&queries, &documents, false).0
    }

    fn backward(&self, saved: Self::Saved, gradient: Array, wanted: [bool; 2]) -> [Option<Array>; 2] {
        let ([queries, documents], best) = saved;
        let (of_queries, of_documents): ([usize; 2], [usize; 2]) = (queries.shape(), documents.shape());
        let paths = Paths { plan: &self.plan, best: &best, gradient: &gradient, dim: of_queries[1] };
        [
            wanted[0].then(|| Array::new(paths.by_queries(self.arch, &documents), of_queries)),
            wanted[1].then(|| Array::new(paths.by_documents(self.arch, &queries), of_documents)),
        ]
    }
}
