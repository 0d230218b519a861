//! MaxSim on CubeCL devices.

pub(crate) mod backward;
mod forward;
pub(crate) mod plan;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use self::plan::Plan;
use super::mask_rule::MaskRule;
use crate::cube::array::cube_device;
use crate::embeddings::Embeddings;
use crate::kernel::Kernel;
use crate::kernel::cube::apply_2;

/// The scores, `[queries, documents]` or, with `groups`, `[queries, documents / queries]`. The parts of both fit together, and vectors have at
/// least one number.
pub(super) fn maxsim(queries: &Embeddings, documents: &Embeddings, rule: MaskRule, groups: bool) -> Tensor<2> {
    let plan = Plan::new(queries, documents, rule, groups, &cube_device(&queries.values.device()));
    apply_2(MaxSim { plan }, queries.values.clone(), documents.values.clone())
}

#[derive(Clone, Debug)]
struct MaxSim {
    plan: Plan,
}

impl Kernel<CubeBackend, 2> for MaxSim {
    /// Queries, documents, and the best row of each maximum.
    type Saved = [CubeTensor; 3];

    fn forward(&self, [queries, documents]: [CubeTensor; 2]) -> (CubeTensor, Self::Saved) {
        let (scores, best) = forward::scores(&self.plan, &queries, &documents, true);
        (scores, [queries, documents, best])
    }

    fn value(&self, [queries, documents]: [CubeTensor; 2]) -> CubeTensor {
        forward::scores(&self.plan, &queries, &documents, false).0
    }

    fn backward(
        &self,
        [queries, documents, best]: Self::Saved,
        gradient: CubeTensor,
        [of_queries, of_documents]: [bool; 2],
    ) -> [Option<CubeTensor>; 2] {
        [
            of_queries.then(|| backward::by_queries(&self.plan, &queries, &documents, &best, &gradient)),
            of_documents.then(|| backward::by_documents(&self.plan, &queries, &documents, &best, &gradient)),
        ]
    }
}
