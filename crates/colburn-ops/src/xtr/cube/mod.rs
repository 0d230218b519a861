//! XTR scores on CubeCL devices, without a word to the host. The products of some query tokens with all document tokens exist at a time. The gradient is
//! that of MaxSim: each best product gives its gradient to its two tokens.

mod scores;
mod select;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use self::scores::{by_sums, scores};
use self::select::{Best, Part};
use crate::cube::array::{cube_device, sizes};
use crate::cube::parts::rows_of;
use crate::cube::product::{Arithmetic, Matrix, new_product};
use crate::cube::queue::Queue;
use crate::cube::room::Room;
use crate::embeddings::Embeddings;
use crate::kernel::Kernel;
use crate::kernel::cube::apply_2;
use crate::maxsim::MaskRule;
use crate::maxsim::cube::backward::{by_documents, by_queries};
use crate::maxsim::cube::plan::Plan;

/// Products that exist at a time, or those of one query token if it has more: 256 MiB.
const PRODUCTS: usize = 1 << 26;

/// The scores, `[queries, documents]` or, with `groups`, `[queries, documents / queries]`. Both sides have tokens, of vectors of at least one number.
pub(super) fn xtr(queries: &Embeddings, documents: &Embeddings, k: usize, groups: bool) -> Tensor<2> {
    xtr_in_parts(queries, documents, k, groups, PRODUCTS)
}

fn xtr_in_parts(queries: &Embeddings, documents: &Embeddings, k: usize, groups: bool, products: usize) -> Tensor<2> {
    // With this rule a document has a floor if one of its tokens does not count: it is not among the kept ones.
    let plan = Plan::new(queries, documents, MaskRule::Zero, groups, &cube_device(&queries.values.device()));
    let mask: Arc<[bool]> = queries.mask.as_slice().into();
    apply_2(Xtr { plan, mask, k, products }, queries.values.clone(), documents.values.clone())
}

#[derive(Clone, Debug)]
struct Xtr {
    plan: Plan,
    /// The scoring mask of the queries.
    mask: Arc<[bool]>,
    k: usize,
    /// Products that exist at a time.
    products: usize,
}

impl Xtr {
    fn best(&self, queries: &CubeTensor, documents: &CubeTensor) -> Best {
        let ([rows, _], [width, _]) = (sizes(queries), sizes(documents));
        let best = Best::new(&self.plan, queries);
        let mut queue = Queue::new(queries);
        let mut slot = 0;
        for first_row in (0..rows).step_by((self.products / width).max(1)) {
            let end_row = rows.min(first_row + (self.products / width).max(1));
            let counting = self.mask[first_row..end_row].iter().filter(|&&counts| counts).count();
            let part = rows_of(&mut queue, queries, first_row, end_row - first_row);
            let (left, right) = (Matrix::new(&part), Matrix::new(documents).transposed());
            let products = new_product(&mut queue, Room::Own, left, right, None, DType::F32, Arithmetic::default());
            queue.start();
            let slots = [slot, slot + counting];
            best.select(&self.plan, Part { products: &products, first_row, slots, width }, self.k);
            slot += counting;
        }
        best
    }
}

impl Kernel<CubeBackend, 2> for Xtr {
    /// Queries, documents, the best tokens, and the divisors of the scores.
    type Saved = [CubeTensor; 4];

    fn forward(&self, [queries, documents]: [CubeTensor; 2]) -> (CubeTensor, Self::Saved) {
        let best = self.best(&queries, &documents);
        let [scores, found] = scores(&self.plan, &best);
        (scores, [queries, documents, best.tokens, found])
    }

    fn backward(
        &self,
        [queries, documents, best, found]: Self::Saved,
        gradient: CubeTensor,
        wanted: [bool; 2],
    ) -> [Option<CubeTensor>; 2] {
        let gradient = by_sums(&gradient, &found);
        [
            wanted[0].then(|| by_queries(&self.plan, &queries, &documents, &best, &gradient)),
            wanted[1].then(|| by_documents(&self.plan, &queries, &documents, &best, &gradient)),
        ]
    }
}
