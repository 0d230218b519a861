//! MaxSim on the tensor cores of NVIDIA's GPUs from Ampere on, in CUDA C++. `rows.cu` says how numbers are multiplied and how arrays lie; `scores.cu`
//! and `gradients.cu` are the kernels.
//!
//! The best token of each maximum is kept for the gradient, as its place in its document, in 16 bits: 200 MiB for 1,024 queries of 32 tokens and 3,072
//! documents. Multiplying again in the backward pass would cost as much time as the forward pass.

mod factors;
mod limits;
mod pair;
mod plan;
mod prepared;
mod rows;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use self::factors::Factors;
use self::limits::{LONGEST, takes};
use self::pair::{Pair, Saved, by_documents, by_queries, scores};
use self::plan::Plan;
pub(super) use self::prepared::Prepared;
use self::rows::{GROUP, Rows};
use super::mask_rule::MaskRule;
use crate::cube::array::cube_device;
use crate::cube::cuda::task::Task;
use crate::cube::room::Room;
use crate::embeddings::Embeddings;
use crate::kernel::Kernel;
use crate::kernel::cube::apply_2;

/// True if the kernels take these texts, which have the same width. Both have tokens.
pub(super) fn serves(queries: &Embeddings, documents: &Embeddings, groups: bool) -> bool {
    let group = if groups { documents.len() / queries.len() } else { 0 };
    // The places of groups are counted in 32 bits. Each query has less than one group of rows that is not full.
    let places = (queries.spans.tokens() / GROUP + queries.len()).saturating_mul(group);
    takes(queries) && takes(documents) && documents.spans.max_length() <= LONGEST && places < u32::MAX as usize
}

/// The scores, `[queries, documents]` or, with `groups`, `[queries, documents / queries]`, of texts that [`serves`] takes.
pub(super) fn maxsim(queries: &Embeddings, documents: &Embeddings, rule: MaskRule, groups: bool) -> Tensor<2> {
    let device = cube_device(&queries.values.device());
    let factors = Factors::new(queries.dim(), [queries.precision, documents.precision], &device);
    let of_queries = Arc::new(Rows::of_queries(queries, &device));
    let of_documents = Arc::new(Rows::of_documents(documents, rule, &device));
    let plan = Plan::new(&of_queries, &of_documents, factors, groups, true, &device);
    let pair = Pair { factors, queries: of_queries, documents: of_documents, plan };
    apply_2(MaxSim(Arc::new(pair)), queries.values.clone(), documents.values.clone())
}

#[derive(Clone, Debug)]
struct MaxSim(Arc<Pair>);

impl Kernel<CubeBackend, 2> for MaxSim {
    type Saved = Saved;

    fn forward(&self, [queries, documents]: [CubeTensor; 2]) -> (CubeTensor, Saved) {
        let pair = &*self.0;
        let mut task = Task::default();
        let tokens = [&queries, &documents].map(|values| values.meta.shape()[0]);
        let queries = pair.queries.halves(&mut task, pair.factors, &queries);
        let documents = pair.documents.halves(&mut task, pair.factors, &documents);
        let best = task.empty(Room::Shared, &queries.rows, [pair.plan.places.max(1), GROUP], DType::U16);
        let scores = scores(&mut task, pair, &queries, &documents, Some(&best));
        task.run();
        (scores, Saved { queries, documents, best, tokens })
    }

    fn value(&self, [queries, documents]: [CubeTensor; 2]) -> CubeTensor {
        let pair = &*self.0;
        let mut task = Task::default();
        let queries = pair.queries.halves(&mut task, pair.factors, &queries);
        let documents = pair.documents.halves(&mut task, pair.factors, &documents);
        let scores = scores(&mut task, pair, &queries, &documents, None);
        task.run();
        scores
    }

    fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; 2]) -> [Option<CubeTensor>; 2] {
        let pair = &*self.0;
        let mut task = Task::default();
        let gradients = [
            wanted[0].then(|| by_queries(&mut task, pair, &saved, &gradient)),
            wanted[1].then(|| by_documents(&mut task, pair, &saved, &gradient)),
        ];
        task.run();
        gradients
    }
}
