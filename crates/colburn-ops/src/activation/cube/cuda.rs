//! Activation functions of every element, and gated linear units, by the kernels in CUDA C++. They take rows of whole vectors of 16 bytes.

use std::ffi::CStr;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::extras::Extras;
use crate::activation::function::Activation;
use crate::cube::array::{len, sizes};
use crate::cube::cuda::nvrtc::{self, Code, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::cuda::{low, takes, vector, with_common};
use crate::cube::room::Room;
use crate::cube::sums::{Blocks, LANES, ROWS};

static SOURCE: Source = Source::new(with_common!("activation.cu"), &[]);

/// Threads of a block of the forward kernel.
const THREADS: usize = 256;

/// Blocks of the forward kernel at most. Threads go on behind the last one.
const BLOCKS: usize = 1 << 16;

/// True if the kernels take the array, which is not empty.
pub(super) fn serves(activation: Activation, x: &CubeTensor) -> bool {
    let small = len(x) / vector(x) <= i32::MAX as usize;
    number(activation).is_some() && takes(x) && width(x).is_multiple_of(vector(x)) && small && nvrtc::is_present()
}

/// As `forward` of the module above.
pub(super) fn forward(task: &mut Task, activation: Activation, x: &CubeTensor) -> CubeTensor {
    let out = alike(task, x);
    let vectors = len(x) / vector(x);
    let launch = Launch::new(vectors.div_ceil(THREADS).min(BLOCKS) as u32, THREADS as u32);
    let arguments = [task.argument(x), task.argument(&out), Argument::U32(vectors as u32)];
    // SAFETY: the arguments are those of the kernel, and both arrays have so many vectors.
    unsafe { task.kernel(code(activation, x), c"activation_forward", launch, arguments) };
    out
}

/// As `backward` of the module above, for a gradient of the type of x that begins at a multiple of 16 bytes. The sums are those of blocks of rows,
/// `[blocks, width]`.
pub(super) fn backward(
    task: &mut Task,
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    differentiate(task, c"activation_backward", activation, x, gradient, extras)
}

/// True if the kernels of gated units take the array, which is not empty.
pub(super) fn serves_gated(activation: Activation, x: &CubeTensor) -> bool {
    serves(activation, x) && width(x).is_multiple_of(2 * vector(x))
}

/// As `gated_forward` of the module above.
pub(super) fn gated_forward(task: &mut Task, activation: Activation, x: &CubeTensor) -> CubeTensor {
    let [rows, both] = sizes(x);
    let out = task.empty(Room::Scratch, x, [rows, both / 2], x.dtype);
    let vectors = both / 2 / vector(x);
    let launch = Launch::new((rows * vectors).div_ceil(THREADS).min(BLOCKS) as u32, THREADS as u32);
    let arguments =
        [task.argument(x), task.argument(&out), Argument::U32((rows * vectors) as u32), Argument::U32(vectors as u32)];
    // SAFETY: the arguments are those of the kernel, and the arrays have so many vectors.
    unsafe { task.kernel(code(activation, x), c"gated_forward", launch, arguments) };
    out
}

/// As `gated_backward` of the module above, for a gradient of the type of x that begins at a multiple of 16 bytes. The sums are those of blocks of
/// rows, `[blocks, 2 · width]`.
pub(super) fn gated_backward(
    task: &mut Task,
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    differentiate(task, c"gated_backward", activation, x, gradient, extras)
}

/// The backward pass by this kernel. The gradient, and the value, have the sizes of the function's result.
fn differentiate(
    task: &mut Task,
    name: &'static CStr,
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    let blocks = Blocks::new(len(gradient) / width(gradient), width(gradient) / vector(x));
    let by_x = alike(task, x);
    let value = extras.value.then(|| alike(task, gradient));
    let partial = extras.sums.then(|| task.empty(Room::Scratch, x, [blocks.blocks, width(x)], DType::F32));
    let arguments = [
        task.argument(x),
        task.argument(gradient),
        task.argument(&by_x),
        task.optional(value.as_ref()),
        task.optional(partial.as_ref()),
        Argument::U32(blocks.rows as u32),
        Argument::U32(blocks.vectors as u32),
        Argument::U32(blocks.rows_of_block as u32),
    ];
    let launch = Launch { grid: blocks.grid(), block: ((LANES * ROWS) as u32, 1, 1), shared: 0 };
    // SAFETY: the arguments are those of both kernels, and the arrays have the sizes that they are told.
    unsafe { task.kernel(code(activation, x), name, launch, arguments) };
    (by_x, value, partial)
}

fn code(activation: Activation, x: &CubeTensor) -> &'static Code {
    SOURCE.with(&[low(x.dtype), ("ACTIVATION", number(activation).unwrap_or_default())])
}

/// The number of the function in the source. The identity has none.
fn number(activation: Activation) -> Option<u32> {
    Some(match activation {
        Activation::Gelu => 0,
        Activation::Gelu10 => 1,
        Activation::GeluNew => 2,
        Activation::QuickGelu => 3,
        Activation::Relu => 4,
        Activation::Relu2 => 5,
        Activation::Relu6 => 6,
        Activation::LeakyRelu => 7,
        Activation::Silu => 8,
        Activation::Mish => 9,
        Activation::Sigmoid => 10,
        Activation::Tanh => 11,
        Activation::Linear => return None,
    })
}

fn width(x: &CubeTensor) -> usize {
    let shape = x.meta.shape();
    shape[shape.num_dims() - 1]
}

/// An array of the sizes and type of x.
fn alike(task: &mut Task, x: &CubeTensor) -> CubeTensor {
    CubeTensor { handle: task.empty(Room::Scratch, x, [len(x)], x.dtype).handle, ..x.clone() }
}
