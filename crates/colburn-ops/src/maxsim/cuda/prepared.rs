//! Texts that are scored many times without a gradient: they stay on the device as rows of halves, and only the work of a pair is planned by call.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, CubeDevice, kernel::into_contiguous};

use super::factors::Factors;
use super::limits::{LONGEST, takes};
use super::pair::{Pair, scores};
use super::plan::Plan;
use super::rows::{Halves, Rows};
use crate::cube::array::cube_device;
use crate::cube::cuda::task::Task;
use crate::embeddings::Embeddings;
use crate::maxsim::mask_rule::MaskRule;

/// The rows and halves of some texts.
#[derive(Clone, Debug)]
pub(in crate::maxsim) struct Prepared {
    rows: Arc<Rows>,
    halves: Halves,
    factors: Factors,
}

impl Prepared {
    /// Texts as queries, if the kernels take them.
    pub fn queries(queries: &Embeddings) -> Option<Self> {
        Self::new(queries, Rows::of_queries)
    }

    /// Texts as documents, if the kernels take them.
    pub fn documents(documents: &Embeddings, rule: MaskRule) -> Option<Self> {
        if documents.spans.max_length() > LONGEST {
            return None;
        }
        Self::new(documents, |documents, device| Rows::of_documents(documents, rule, device))
    }

    fn new(texts: &Embeddings, rows: impl FnOnce(&Embeddings, &CubeDevice) -> Rows) -> Option<Self> {
        if texts.spans.tokens() == 0 || texts.dim() == 0 || !takes(texts) {
            return None;
        }
        let values = texts.values.clone().inner().try_into_primitive::<CubeBackend>().ok()?;
        let device = cube_device(&texts.values.device());
        let factors = Factors::new(texts.dim(), [texts.precision; 2], &device);
        let rows = Arc::new(rows(texts, &device));
        let mut task = Task::default();
        let halves = rows.halves(&mut task, factors, &into_contiguous(values));
        task.run();
        Some(Self { rows, halves, factors })
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.rows.texts()
    }

    /// The scores of all queries with all documents of the same factors, `[queries, documents]`.
    pub fn scores(&self, documents: &Self) -> Tensor<2> {
        let device = &self.halves.rows.device;
        let plan = Plan::new(&self.rows, &documents.rows, self.factors, false, false, device);
        let (queries, of_documents) = (self.rows.clone(), documents.rows.clone());
        let pair = Pair { factors: self.factors, queries, documents: of_documents, plan };
        let mut task = Task::default();
        let scores = scores(&mut task, &pair, &self.halves, &documents.halves, None);
        task.run();
        Tensor::from_primitive::<CubeBackend>(scores)
    }
}
