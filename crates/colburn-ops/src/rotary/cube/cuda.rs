//! The kernel in CUDA C++. It takes heads whose halves are whole vectors of 16 bytes, and finds the position of a token from the places of the
//! texts, so that a batch needs angles for the positions of its longest text alone.

use std::sync::Arc;

use burn::tensor::{DType, Device};
use burn_cubecl::tensor::CubeTensor;
use cubecl::device::RuntimeId;

use crate::batch::Batch;
use crate::cube::array::{cube_device, sizes, upload};
use crate::cube::cuda::nvrtc::{self, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::cuda::{low, with_common};
use crate::cube::texts::Texts;
use crate::rotary::angles::of_positions;

static SOURCE: Source = Source::new(with_common!("rotary.cu"), &[]);

/// Threads of a block, as in the source, and rows that it has at a time.
const THREADS: usize = 256;
const ROWS: usize = THREADS / 32;

/// Blocks at most. Warps go on behind the last row.
const BLOCKS: usize = 1 << 16;

/// The angles of the positions, and the places of the texts.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    head_dim: usize,
    /// Cosines and sines of each position, `[positions, 2, head_dim / 2]` of f32.
    angles: Arc<CubeTensor>,
    texts: Arc<Texts>,
}

/// The key of a table in a batch. The second is the bits of the base.
#[derive(PartialEq)]
struct TableKey(usize, u64);

/// True if the kernel takes heads of this size in this type, on this device.
pub(super) fn serves(device: &Device, head_dim: usize, dtype: DType) -> bool {
    let vector = 16 / dtype.size();
    matches!(dtype, DType::F32 | DType::BF16 | DType::F16)
        && head_dim.is_multiple_of(2 * vector)
        && cube_device(device).runtime() == RuntimeId::Cuda
        && nvrtc::is_present()
}

impl Table {
    /// The table of a batch, made once.
    pub fn new(batch: &mut Batch, head_dim: usize, theta: f64) -> Self {
        let angles = batch.prepared(TableKey(head_dim, theta.to_bits()), |spans, device| {
            let angles = of_positions(spans.max_length(), head_dim, theta);
            let both = angles.chunks(head_dim / 2).flat_map(|position| {
                let of = move |function: fn(f64) -> f64| position.iter().map(move |&angle| function(f64::from(angle)));
                of(f64::cos).chain(of(f64::sin))
            });
            let bits: Vec<u32> = both.map(|number| (number as f32).to_bits()).collect();
            CubeTensor { dtype: DType::F32, ..upload(&cube_device(device), &bits) }
        });
        Self { head_dim, angles, texts: Texts::of(batch) }
    }

    /// Rotates the queries and keys of `[tokens, 3 · hidden]` in place.
    ///
    /// # Panics
    /// When the array has no whole heads.
    pub fn rotate(&self, task: &mut Task, qkv: &CubeTensor, back: bool) {
        let [rows, width] = sizes(qkv);
        assert!(width.is_multiple_of(3 * self.head_dim), "heads of {} in rows of {width}", self.head_dim);
        let heads = 2 * width / 3 / self.head_dim;
        let arguments = [
            task.argument(qkv),
            task.argument(&self.angles),
            task.argument(&self.texts.of_row),
            task.argument(&self.texts.offsets),
            Argument::U32(rows as u32),
            Argument::U32(width as u32),
            Argument::U32(heads as u32),
            Argument::F32(if back { -1.0 } else { 1.0 }),
        ];
        let code = SOURCE.with(&[low(qkv.dtype), ("HALF_HEAD", self.head_dim as u32 / 2)]);
        let launch = Launch::new(rows.div_ceil(ROWS).min(BLOCKS) as u32, THREADS as u32);
        // SAFETY: the arguments are those of the kernel, the array has so many rows and heads, and each row a text and a position of the table.
        unsafe { task.kernel(code, c"rotate", launch, arguments) };
    }
}
