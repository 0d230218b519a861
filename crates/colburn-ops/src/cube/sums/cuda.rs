//! The kernels in CUDA C++.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::blocks::{Blocks, LANES, ROWS};
use crate::cube::array::sizes;
use crate::cube::cuda::nvrtc::{self, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::cuda::{bf16, takes, vector, with_common};
use crate::cube::room::Room;

static SOURCE: Source = Source::new(with_common!("sums.cu"), &[]);

/// As in the source.
const SECOND_LANES: usize = 8;
const SECOND_ROWS: usize = 32;

/// True if the first kernel takes the matrix, which is not empty.
pub(super) fn serves(x: &CubeTensor) -> bool {
    let [rows, width] = sizes(x);
    takes(x) && width.is_multiple_of(vector(x)) && rows <= i32::MAX as usize && nvrtc::is_present()
}

/// True if the second kernel takes the partial sums.
pub(super) fn adds(partial: &CubeTensor) -> bool {
    let [blocks, width] = sizes(partial);
    takes(partial) && blocks * width > 0 && width.is_multiple_of(4) && nvrtc::is_present()
}

/// As `partial_sums` of the module above.
pub(super) fn partial_sums(task: &mut Task, x: &CubeTensor) -> CubeTensor {
    let [rows, width] = sizes(x);
    let blocks = Blocks::new(rows, width / vector(x));
    let partial = task.empty(Room::Scratch, x, [blocks.blocks, width], DType::F32);
    let arguments = [
        task.argument(x),
        task.argument(&partial),
        Argument::U32(rows as u32),
        Argument::U32(blocks.vectors as u32),
        Argument::U32(blocks.rows_of_block as u32),
    ];
    let launch = Launch { grid: blocks.grid(), block: ((LANES * ROWS) as u32, 1, 1), shared: 0 };
    // SAFETY: the arguments are those of the kernel, and the arrays have the sizes that it is told.
    unsafe { task.kernel(SOURCE.with(&[("BF16", bf16(x))]), c"column_sums", launch, arguments) };
    partial
}

/// As `add_partial` of the module above.
pub(super) fn add_partial(task: &mut Task, partial: &CubeTensor) -> CubeTensor {
    let [blocks, width] = sizes(partial);
    let out = task.empty(Room::Shared, partial, [width], DType::F32);
    let vectors = width / 4;
    let arguments =
        [task.argument(partial), task.argument(&out), Argument::U32(blocks as u32), Argument::U32(vectors as u32)];
    let launch = Launch::new(vectors.div_ceil(SECOND_LANES) as u32, (SECOND_LANES * SECOND_ROWS) as u32);
    // SAFETY: as above.
    unsafe { task.kernel(SOURCE.with(&[("BF16", 0)]), c"add_partial", launch, arguments) };
    out
}
