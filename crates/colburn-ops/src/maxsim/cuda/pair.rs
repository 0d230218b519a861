//! Queries and documents that are scored together, and the launches of their kernels.

use std::sync::Arc;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::factors::Factors;
use super::plan::Plan;
use super::rows::{GROUP, Halves, Rows};
use crate::cube::cuda::nvrtc::Launch;
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::room::Room;

/// Warps of a block of the kernels of gradients, columns that a block takes, and maxima that are sorted at a time, as in the source.
const WARPS: usize = 8;
const COLUMNS: usize = 128;
const SORTED: usize = 4096;

/// Tokens of a document by which maxima are sorted at a time.
const WINDOW: usize = 2048;

/// Queries and documents, and the work of scoring them.
#[derive(Debug)]
pub(super) struct Pair {
    pub factors: Factors,
    pub queries: Arc<Rows>,
    pub documents: Arc<Rows>,
    pub plan: Plan,
}

/// The state that the gradient needs.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub queries: Halves,
    pub documents: Halves,
    /// The best token of each maximum, u16 `[places, 8]`.
    pub best: CubeTensor,
    /// Numbers of tokens of queries and documents.
    pub tokens: [usize; 2],
}

/// The scores; the best tokens are written to `best`.
pub(super) fn scores(
    task: &mut Task,
    pair: &Pair,
    queries: &Halves,
    documents: &Halves,
    best: Option<&CubeTensor>,
) -> CubeTensor {
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
pub(super) fn by_queries(task: &mut Task, pair: &Pair, saved: &Saved, gradient: &CubeTensor) -> CubeTensor {
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
pub(super) fn by_documents(task: &mut Task, pair: &Pair, saved: &Saved, gradient: &CubeTensor) -> CubeTensor {
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
