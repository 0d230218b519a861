//! MaxSim on the tensor cores of NVIDIA's GPUs from Ampere on, in CUDA C++. `rows.cu` says how numbers are multiplied and how arrays lie; `scores.cu`
//! and `gradients.cu` are the kernels.
//!
//! The best token of each maximum is kept for the gradient, as its place in its document, in 16 bits: 200 MiB for 1,024 queries of 32 tokens and 3,072
//! documents. Multiplying again in the backward pass would cost as much time as the forward pass.

mod factors;
mod plan;
mod prepared;
mod rows;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, CubeDevice, tensor::CubeTensor};
use cubecl::device::RuntimeId;

use self::factors::{Factors, WIDEST};
use self::plan::Plan;
pub(super) use self::prepared::Prepared;
use self::rows::{GROUP, Halves, MOST_DOCUMENTS, Rows};
use super::mask_rule::MaskRule;
use crate::cube::array::cube_device;
use crate::cube::cuda::capability;
use crate::cube::cuda::nvrtc::{self, Launch};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::room::Room;
use crate::embeddings::Embeddings;
use crate::kernel::Kernel;
use crate::kernel::cube::apply_2;

/// The first compute capability, times ten, that has the instructions, and as much shared memory as the kernels need.
const AMPERE: u32 = 80;

/// The longest document: a place in it, and one mark, have 16 bits.
const LONGEST: usize = 65_528;

/// Warps of a block of the kernels of gradients, columns that a block takes, and maxima that are sorted at a time, as in the source.
const WARPS: usize = 8;
const COLUMNS: usize = 128;
const SORTED: usize = 4096;

/// Tokens of a document by which maxima are sorted at a time.
const WINDOW: usize = 2048;

/// True if the kernels take these texts, which have the same width. Both have tokens.
pub(super) fn serves(queries: &Embeddings, documents: &Embeddings, groups: bool) -> bool {
    let group = if groups { documents.len() / queries.len() } else { 0 };
    // The places of groups are counted in 32 bits. Each query has less than one group of rows that is not full.
    let places = (queries.spans.tokens() / GROUP + queries.len()).saturating_mul(group);
    takes(queries) && takes(documents) && documents.spans.max_length() <= LONGEST && places < u32::MAX as usize
}

/// True if the kernels take these texts, as documents if none is longer than [`LONGEST`].
fn takes(texts: &Embeddings) -> bool {
    texts.dim() <= WIDEST
        && texts.len() < MOST_DOCUMENTS
        && texts.spans.tokens() + GROUP * texts.len() < i32::MAX as usize
        && runs_on(&cube_device(&texts.values.device()))
}

/// True if the kernels run on the device.
fn runs_on(device: &CubeDevice) -> bool {
    device.runtime() == RuntimeId::Cuda && capability(device).is_some_and(|it| it >= AMPERE) && nvrtc::is_present()
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

/// Queries and documents, and the work of scoring them.
#[derive(Debug)]
struct Pair {
    factors: Factors,
    queries: Arc<Rows>,
    documents: Arc<Rows>,
    plan: Plan,
}

/// The state that the gradient needs.
#[derive(Clone, Debug)]
struct Saved {
    queries: Halves,
    documents: Halves,
    /// The best token of each maximum, u16 `[places, 8]`.
    best: CubeTensor,
    /// Numbers of tokens of queries and documents.
    tokens: [usize; 2],
}

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

/// The scores; the best tokens are written to `best`.
fn scores(task: &mut Task, pair: &Pair, queries: &Halves, documents: &Halves, best: Option<&CubeTensor>) -> CubeTensor {
    let Pair { factors, plan, .. } = pair;
    let [count, columns] = plan.shape;
    let code = factors.scores(best.is_some(), plan.warps, plan.instructions);
    let sums = task.empty(Room::Scratch, &queries.rows, [plan.places.max(1)], DType::F32);
    let scores = task.empty(Room::Own, &queries.rows, [count, columns], DType::F32);
    if plan.blocks > 0 {
        let arrays = [&queries.rows, &documents.rows, &pair.documents.owners, &plan.items, &sums];
        let mut arguments = arrays.map(|array| task.argument(array)).to_vec();
        arguments.push(task.optional(best));
        let launch = Launch {
            grid: (plan.blocks as u32, 1, 1),
            block: (32 * plan.warps as u32, 1, 1),
            shared: factors.shared(plan.instructions) as u32,
        };
        // SAFETY: the arguments are those of the kernel by its source; items name rows and places that there are.
        unsafe { task.kernel(code, c"maxsim_scores", launch, arguments) };
    }
    let starts = [&pair.queries.starts, &pair.documents.starts];
    let arrays = [&sums, &plan.records, starts[0], starts[1], &queries.scales, &documents.scales, &scores];
    let mut arguments = arrays.map(|array| task.argument(array)).to_vec();
    arguments.extend([count, columns, plan.group].map(|number| Argument::U32(number as u32)));
    let launch =
        Launch { grid: (columns.div_ceil(32) as u32, count.div_ceil(32) as u32, 1), block: (256, 1, 1), shared: 0 };
    // SAFETY: as above; records name places that there are.
    unsafe { task.kernel(code, c"maxsim_sums", launch, arguments) };
    scores
}

/// The gradient by the queries.
fn by_queries(task: &mut Task, pair: &Pair, saved: &Saved, gradient: &CubeTensor) -> CubeTensor {
    let Pair { factors, queries, documents, plan } = pair;
    let out = gradient_of(task, gradient, saved.tokens[0], factors.width, queries.whole);
    let groups = queries.groups();
    if groups > 0 {
        let of_documents = [&saved.documents.rows, &documents.starts, &saved.documents.scales];
        let of_queries = [&queries.tokens, &queries.starts, &queries.owners, &plan.records];
        let arrays = of_documents.into_iter().chain(of_queries).chain([&saved.best, gradient, &out]);
        let mut arguments: Vec<Argument> = arrays.map(|array| task.argument(array)).collect();
        let numbers = [groups, plan.shape[1], plan.group, factors.width];
        arguments.extend(numbers.map(|number| Argument::U32(number as u32)));
        let launch = Launch {
            grid: (groups.div_ceil(WARPS) as u32, factors.dim().div_ceil(COLUMNS) as u32, 1),
            block: (32 * WARPS as u32, 1, 1),
            shared: 0,
        };
        // SAFETY: the arguments are those of the kernel by its source, and the best tokens are rows of their documents.
        unsafe { task.kernel(factors.gradients(), c"maxsim_by_queries", launch, arguments) };
    }
    out
}

/// The gradient by the documents.
fn by_documents(task: &mut Task, pair: &Pair, saved: &Saved, gradient: &CubeTensor) -> CubeTensor {
    let Pair { factors, queries, documents, plan } = pair;
    let out = gradient_of(task, gradient, saved.tokens[1], factors.width, documents.whole);
    let window = (GROUP * documents.most_groups()).clamp(GROUP, WINDOW);
    let of_queries = [&saved.queries.rows, &queries.starts, &saved.queries.scales, &queries.owners];
    let of_documents = [&documents.tokens, &documents.starts, &plan.records];
    let arrays = of_queries.into_iter().chain(of_documents).chain([&saved.best, gradient, &out]);
    let mut arguments: Vec<Argument> = arrays.map(|array| task.argument(array)).collect();
    let numbers = [GROUP * queries.groups(), plan.shape[1], plan.group, factors.width, window];
    arguments.extend(numbers.map(|number| Argument::U32(number as u32)));
    let launch = Launch {
        grid: (documents.texts() as u32, factors.dim().div_ceil(COLUMNS) as u32, 1),
        block: (32 * WARPS as u32, 1, 1),
        shared: (2 * WARPS * window + 8 * SORTED + 4 * WARPS * COLUMNS + 8 * WARPS) as u32,
    };
    // SAFETY: as above.
    unsafe { task.kernel(factors.gradients(), c"maxsim_by_documents", launch, arguments) };
    out
}

/// The array of a gradient, `[tokens, width]`: of undefined content if a kernel writes all rows, else of zeros.
fn gradient_of(task: &mut Task, like: &CubeTensor, tokens: usize, width: usize, whole: bool) -> CubeTensor {
    let sizes = [tokens, width];
    if whole { task.empty(Room::Own, like, sizes, DType::F32) } else { task.zeros(like, sizes, DType::F32) }
}
