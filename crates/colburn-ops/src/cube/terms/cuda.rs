//! The kernel in CUDA C++. It takes rows of a multiple of 4 elements, and writes f32.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::sum::Terms;
use crate::cube::cuda::masks;
use crate::cube::cuda::nvrtc::{self, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::cuda::{low, takes, with_common};
use crate::cube::room::Room;

static SOURCE: Source = Source::new(with_common!("terms.cu"), &[]);

/// As in the source.
const THREADS: usize = 256;

/// Blocks at most. Threads go on behind the last one.
const BLOCKS: usize = 1 << 16;

/// True if the kernel takes these terms, which are not empty.
pub(super) fn serves(terms: &Terms) -> bool {
    let [rows, width] = terms.sizes();
    let mut arrays = [&terms.x].into_iter().chain(&terms.x_bias).chain(&terms.residual);
    let sizes = width.is_multiple_of(4) && rows <= i32::MAX as usize / width;
    sizes && arrays.all(takes) && nvrtc::is_present()
}

/// As `Terms::sum`, in f32.
pub(super) fn sum(task: &mut Task, room: Room, terms: &Terms) -> CubeTensor {
    let [rows, width] = terms.sizes();
    let out = task.empty(room, &terms.x, [rows, width], DType::F32);
    let vectors = rows * width / 4;
    let mut arguments = vec![
        task.argument(&terms.x),
        task.optional(terms.x_bias.as_ref()),
        task.optional(terms.residual.as_ref()),
        task.argument(&out),
        Argument::U32(vectors as u32),
        Argument::U32(width as u32),
    ];
    arguments.extend(masks::arguments(task, terms.masks.as_ref()));
    let code = SOURCE.with(&[low(terms.x.dtype), ("DROPOUT", u32::from(terms.masks.is_some()))]);
    let launch = Launch::new(vectors.div_ceil(THREADS).min(BLOCKS) as u32, THREADS as u32);
    // SAFETY: the arguments are those of the kernel, and the arrays have as many rows and columns as it is told.
    unsafe { task.kernel(code, c"sum_of_terms", launch, arguments) };
    out
}
