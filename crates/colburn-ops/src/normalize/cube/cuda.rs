//! The kernels in CUDA C++. They take rows of f32 of a multiple of 4 elements.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::sizes;
use crate::cube::cuda::nvrtc::{self, Code, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::cuda::{takes, with_common};
use crate::cube::room::Room;

static SOURCE: Source = Source::new(with_common!("normalize.cu"), &[]);

/// Rows of a block, as in the source: each has a warp.
const ROWS: usize = 8;

/// True if the kernels take these arrays, which have the same sizes and are not empty.
pub(super) fn serves(arrays: &[&CubeTensor]) -> bool {
    let fits = |array: &&CubeTensor| {
        let [rows, width] = sizes(array);
        array.dtype == DType::F32 && takes(array) && width.is_multiple_of(4) && rows <= i32::MAX as usize / width
    };
    arrays.iter().all(fits) && nvrtc::is_present()
}

/// As `forward` of the module above.
pub(super) fn forward(task: &mut Task, x: &CubeTensor) -> (CubeTensor, CubeTensor) {
    let [rows, width] = sizes(x);
    let (out, squares) =
        (task.empty(Room::Shared, x, [rows, width], DType::F32), task.empty(Room::Shared, x, [rows], DType::F32));
    let arrays = [x, &out, &squares].map(|array| task.argument(array));
    let arguments = arrays.into_iter().chain(numbers(rows, width));
    // SAFETY: the arguments are those of the kernel, and the arrays have as many rows and columns as it is told.
    unsafe { task.kernel(code(), c"normalize_forward", launch(rows), arguments) };
    (out, squares)
}

/// As `backward` of the module above.
pub(super) fn backward(task: &mut Task, value: &CubeTensor, squares: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    let [rows, width] = sizes(value);
    let out = task.empty(Room::Own, value, [rows, width], DType::F32);
    let arrays = [value, squares, gradient, &out].map(|array| task.argument(array));
    let arguments = arrays.into_iter().chain(numbers(rows, width));
    // SAFETY: as above.
    unsafe { task.kernel(code(), c"normalize_backward", launch(rows), arguments) };
    out
}

fn code() -> &'static Code {
    SOURCE.with(&[("BF16", 0)])
}

fn numbers(rows: usize, width: usize) -> [Argument; 2] {
    [Argument::U32(rows as u32), Argument::U32(width as u32)]
}

fn launch(rows: usize) -> Launch {
    Launch::new(rows.div_ceil(ROWS) as u32, (32 * ROWS) as u32)
}
