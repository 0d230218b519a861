//! The kernels in CUDA C++. They take rows of f32 of a multiple of 4 elements.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::order::{BLOCK, Order};
use crate::cube::array::sizes;
use crate::cube::cuda::nvrtc::{self, Code, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::cuda::{takes, with_common};
use crate::cube::room::Room;

static SOURCE: Source = Source::new(with_common!("gather.cu"), &[]);

/// As in the source.
const THREADS: usize = 256;

/// True if the kernels take the array, and write so many rows of this width.
pub(super) fn serves(array: &CubeTensor, rows: usize, width: usize) -> bool {
    let sizes = width.is_multiple_of(4) && rows <= i32::MAX as usize / width;
    sizes && array.dtype == DType::F32 && takes(array) && nvrtc::is_present()
}

/// As `rows_by_id` of the module above.
pub(super) fn rows_by_id(task: &mut Task, table: &CubeTensor, ids: &CubeTensor, count: usize) -> CubeTensor {
    let [_, width] = sizes(table);
    let out = task.empty(Room::Own, table, [count, width], DType::F32);
    let arrays = [table, ids, &out].map(|array| task.argument(array));
    let (launch, numbers) = shape(count, width);
    // SAFETY: the arguments are those of the kernel, and the numbers are those of rows of the table.
    unsafe { task.kernel(code(), c"gather_rows", launch, arrays.into_iter().chain(numbers)) };
    out
}

/// As `sums` of the module above. `lists` are those of the order.
pub(super) fn sums(task: &mut Task, order: &Order, lists: &CubeTensor, x: &CubeTensor, width: usize) -> CubeTensor {
    let first_place = Argument::U32(order.rows as u32 + 1);
    let blocks = order.blocks().map(|blocks| {
        let sums = task.empty(Room::Scratch, x, [blocks, width], DType::F32);
        let arrays = [x, lists, &sums].map(|array| task.argument(array));
        let (launch, numbers) = shape(blocks, width);
        let places = [first_place, Argument::U32(order.places as u32), Argument::U32(BLOCK as u32)];
        let arguments = arrays.into_iter().chain(numbers).chain(places);
        // SAFETY: the arguments are those of the kernel, and the lists name rows of x.
        unsafe { task.kernel(code(), c"add_blocks", launch, arguments) };
        sums
    });
    let out = task.empty(Room::Own, x, [order.rows, width], DType::F32);
    // Without places none is read.
    let x = if order.places == 0 { Argument::None } else { task.argument(x) };
    let arrays = [x, task.argument(lists), task.optional(blocks.as_ref()), task.argument(&out)];
    let (launch, numbers) = shape(order.rows, width);
    let arguments = arrays.into_iter().chain(numbers).chain([first_place, Argument::U32(BLOCK as u32)]);
    // SAFETY: as above.
    unsafe { task.kernel(code(), c"add_places", launch, arguments) };
    out
}

fn code() -> &'static Code {
    SOURCE.with(&[("BF16", 0)])
}

/// A thread for each vector of so many rows, and the arguments that say how many there are, and how many of a row.
fn shape(rows: usize, width: usize) -> (Launch, [Argument; 2]) {
    let vectors = rows * width / 4;
    let launch = Launch::new(vectors.div_ceil(THREADS) as u32, THREADS as u32);
    (launch, [Argument::U32(vectors as u32), Argument::U32(width as u32 / 4)])
}
