//! The kernels of layer norms in CUDA C++. They take rows of a multiple of 8 numbers, up to 4096.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::sizes;
use crate::cube::cuda::masks;
use crate::cube::cuda::nvrtc::{self, Code, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::cuda::{bf16, takes, with_common};
use crate::cube::room::Room;
use crate::cube::terms::Terms as Input;

static SOURCE: Source = Source::new(with_common!("norm.cu"), &[]);

/// The largest number of elements of a row.
const WIDEST: usize = 4096;

/// Number of blocks of the backward kernel at most: one for each multiprocessor of a large device. It decides the order of sums, so it is the same
/// on all.
const BLOCKS: usize = 132;

/// True if the kernels take this input, which is not empty, with these other arrays.
pub(super) fn serves(input: &Input, others: [Option<&CubeTensor>; 2]) -> bool {
    let [rows, width] = input.sizes();
    let arrays = [&input.x].into_iter().chain(&input.x_bias).chain(&input.residual).chain(others.into_iter().flatten());
    let sizes = width.is_multiple_of(8) && width <= WIDEST && rows <= i32::MAX as usize / width;
    sizes && arrays.into_iter().all(takes) && nvrtc::is_present()
}

/// The norms, in the type of x too if `low` is set, and the statistics. See `forward` of the module above.
pub(super) fn forward(
    task: &mut Task,
    input: &Input,
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    eps: f32,
    low: bool,
) -> (CubeTensor, Option<CubeTensor>, CubeTensor) {
    let [rows, width] = input.sizes();
    let y = task.empty(Room::Own, &input.x, [rows, width], DType::F32);
    let low = low.then(|| task.empty(Room::Shared, &input.x, [rows, width], input.x.dtype));
    let statistics = task.empty(Room::Shared, &input.x, [rows, 2], DType::F32);
    let [x, x_bias, residual] = sum(task, input);
    let mut arguments = vec![
        x,
        x_bias,
        residual,
        task.argument(weight),
        task.optional(bias),
        task.argument(&y),
        task.optional(low.as_ref()),
        task.argument(&statistics),
        Argument::U32(rows as u32),
        Argument::F32(eps),
    ];
    arguments.extend(masks::arguments(task, input.masks.as_ref()));
    let shape = Shape::new(width, 8);
    // SAFETY: the arguments are those of the kernel, and the arrays have as many rows of the width that the source is compiled for.
    unsafe { task.kernel(code(input), c"norm_forward", shape.launch(rows.div_ceil(shape.rows)), arguments) };
    (y, low, statistics)
}

/// The gradients by x, if it is another array than that by the sum, and by the sum, and sums of those by the vectors in blocks of rows, `[blocks,
/// 2 or 3 · width]`.
pub(super) fn backward(
    task: &mut Task,
    input: &Input,
    weight: &CubeTensor,
    statistics: &CubeTensor,
    gradient: &CubeTensor,
) -> (Option<CubeTensor>, CubeTensor, CubeTensor) {
    let [rows, width] = input.sizes();
    let shape = Shape::backward(width);
    let groups = rows.div_ceil(shape.rows);
    let blocks = groups.min(BLOCKS);
    let with_x = input.masks.is_some() || input.x.dtype != DType::F32;
    let by_sum = task.empty(Room::Own, gradient, [rows, width], DType::F32);
    let by_x = with_x.then(|| task.empty(Room::Scratch, gradient, [rows, width], input.x.dtype));
    let count = if input.x_bias.is_some() { 3 } else { 2 };
    let partial = task.empty(Room::Scratch, gradient, [blocks, count * width], DType::F32);
    let [x, x_bias, residual] = sum(task, input);
    let mut arguments = vec![
        x,
        x_bias,
        residual,
        task.argument(weight),
        task.argument(statistics),
        task.argument(gradient),
        Argument::None,
        task.argument(&by_sum),
        task.optional(by_x.as_ref()),
        task.argument(&partial),
        Argument::U32(rows as u32),
        Argument::U32(groups.div_ceil(blocks) as u32),
    ];
    arguments.extend(masks::arguments(task, input.masks.as_ref()));
    // SAFETY: as above; each block writes its own row of sums.
    unsafe { task.kernel(code(input), c"norm_backward", shape.launch(blocks), arguments) };
    (by_x, by_sum, partial)
}

fn code(input: &Input) -> &'static Code {
    let [_, width] = input.sizes();
    let dropout = u32::from(input.masks.is_some());
    SOURCE.with(&[("BF16", bf16(&input.x)), ("WIDTH", width as u32), ("DROPOUT", dropout), ("PRE", 0)])
}

/// The norms of an array of f32, which [`serves`] takes, in this type, and the statistics. See `pre_forward`.
pub(super) fn pre_forward(
    task: &mut Task,
    x: &CubeTensor,
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    eps: f32,
    dtype: DType,
) -> (CubeTensor, CubeTensor) {
    let [rows, width] = sizes(x);
    let low = task.empty(Room::Shared, x, [rows, width], dtype);
    let statistics = task.empty(Room::Shared, x, [rows, 2], DType::F32);
    let mut arguments = vec![
        Argument::None,
        Argument::None,
        task.argument(x),
        task.argument(weight),
        task.optional(bias),
        Argument::None,
        task.argument(&low),
        task.argument(&statistics),
        Argument::U32(rows as u32),
        Argument::F32(eps),
    ];
    arguments.extend(masks::arguments(task, None));
    let shape = Shape::new(width, 8);
    // SAFETY: as above.
    unsafe { task.kernel(pre_code(&low), c"norm_forward", shape.launch(rows.div_ceil(shape.rows)), arguments) };
    (low, statistics)
}

/// The gradient by x, once more in the type of `gradient` if `low` is set, and sums of those by the vectors in blocks of rows, `[blocks, 2 ·
/// width]`. See `pre_backward`.
pub(super) fn pre_backward(
    task: &mut Task,
    x: &CubeTensor,
    weight: &CubeTensor,
    statistics: &CubeTensor,
    gradient: &CubeTensor,
    passing: &CubeTensor,
    low: bool,
) -> (CubeTensor, Option<CubeTensor>, CubeTensor) {
    let [rows, width] = sizes(x);
    let shape = Shape::backward(width);
    let groups = rows.div_ceil(shape.rows);
    let blocks = groups.min(BLOCKS);
    let by_x = task.empty(Room::Own, x, [rows, width], DType::F32);
    let low = low.then(|| task.empty(Room::Own, x, [rows, width], gradient.dtype));
    let partial = task.empty(Room::Scratch, x, [blocks, 2 * width], DType::F32);
    let mut arguments = vec![
        Argument::None,
        Argument::None,
        task.argument(x),
        task.argument(weight),
        task.argument(statistics),
        task.argument(gradient),
        task.argument(passing),
        task.argument(&by_x),
        task.optional(low.as_ref()),
        task.argument(&partial),
        Argument::U32(rows as u32),
        Argument::U32(groups.div_ceil(blocks) as u32),
    ];
    arguments.extend(masks::arguments(task, None));
    // SAFETY: as above; each block writes its own row of sums.
    unsafe { task.kernel(pre_code(gradient), c"norm_backward", shape.launch(blocks), arguments) };
    (by_x, low, partial)
}

/// The code of a norm before a layer, by an array of rows in the type of factors.
fn pre_code(low: &CubeTensor) -> &'static Code {
    let [_, width] = sizes(low);
    SOURCE.with(&[("BF16", bf16(low)), ("WIDTH", width as u32), ("DROPOUT", 0), ("PRE", 1)])
}

/// The threads of a block, as in the source.
struct Shape {
    /// Warps that share a row.
    warps: usize,
    /// Rows at a time.
    rows: usize,
}

impl Shape {
    /// Blocks of so many warps, or a little less if several share a row of this width.
    fn new(width: usize, warps: usize) -> Self {
        let of_row = width.div_ceil(1024);
        Self { warps: of_row, rows: warps / of_row }
    }

    /// Those of the backward kernel.
    fn backward(width: usize) -> Self {
        Self::new(width, if width <= 768 { 12 } else { 8 })
    }

    fn launch(&self, blocks: usize) -> Launch {
        Launch::new(blocks as u32, (32 * self.warps * self.rows) as u32)
    }
}

/// The terms of the sum, as the kernels take them.
fn sum(task: &mut Task, input: &Input) -> [Argument; 3] {
    [task.argument(&input.x), task.optional(input.x_bias.as_ref()), task.optional(input.residual.as_ref())]
}
