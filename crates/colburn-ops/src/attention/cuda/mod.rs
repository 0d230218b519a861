//! Packed attention on the tensor cores of NVIDIA's GPUs from Hopper on, in CUDA C++: CubeCL's matrix instructions keep their results where an online
//! softmax cannot reach them. The source, `attention.cu`, says what the kernels take. It is compiled for q, k and v in bf16 or f16, side by
//! side.

mod bias;
mod work;

use std::ffi::CStr;
use std::sync::Arc;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::device::RuntimeId;

use self::bias::Distances;
use self::work::{Lists, Tiles};
use super::options::AttentionOptions;
use crate::batch::Batch;
use crate::cube::array::{cube_device, sizes};
use crate::cube::cuda::nvrtc::{self, Code, Launch, Source};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::room::Room;
use crate::cube::texts::DeviceMasks;
use crate::masks::Masks;

static SOURCE: Source = Source::new(
    concat!(
        include_str!("attention.cu"),
        include_str!("bias.cu"),
        include_str!("forward.cu"),
        include_str!("backward.cu"),
        include_str!("backward_long.cu")
    ),
    &[],
);

/// Bytes of shared memory of a block that the kernels need at most. Only devices with the instructions that they use have so much.
const SHARED: usize = 200 << 10;

/// Warps of a block of the kernels of long texts.
const LONG_WARPS: usize = 4;

/// Attention at one place in the network, of heads of one size.
#[derive(Clone, Debug)]
pub(crate) struct TensorCores {
    heads: usize,
    head_dim: usize,
    window: Option<u32>,
    masks: Option<DeviceMasks>,
    /// Of a bias by distance.
    distances: Option<Arc<Distances>>,
    plan: Arc<Plan>,
}

/// The work of a batch.
#[derive(Debug)]
struct Plan {
    forward: Lists,
    /// Of the texts that the fused kernel takes.
    backward: Option<Lists>,
    /// Of the others.
    long: Option<Tiles>,
}

/// The key of a plan in a batch.
#[derive(PartialEq)]
struct PlanKey {
    heads: usize,
    head_dim: usize,
}

/// Warps of a block of the forward kernel and of the fused backward kernel.
fn warps(head_dim: usize) -> [usize; 2] {
    if head_dim > 64 { [8, 4] } else { [12, 12] }
}

/// True if the kernels take heads of this size in this type, for this batch on its device. A bias they take for texts of the fused backward kernel
/// alone, and without a window.
pub(crate) fn serves(batch: &Batch, head_dim: usize, dtype: DType, options: &AttentionOptions) -> bool {
    let device = cube_device(batch.device());
    let short = || options.window.is_none() && batch.spans().max_length() <= 16 * warps(head_dim)[1];
    matches!(dtype, DType::BF16 | DType::F16)
        && [32, 64, 128].contains(&head_dim)
        && (options.bias.is_none() || short())
        && device.runtime() == RuntimeId::Cuda
        && device.client().properties().hardware.max_shared_memory_size >= SHARED
        && nvrtc::is_present()
}

impl TensorCores {
    /// Attention with these options, which [`serves`] takes.
    pub fn new(head_dim: usize, options: &AttentionOptions, masks: Option<&Masks>, batch: &mut Batch) -> Self {
        let heads = options.heads;
        let plan = batch.prepared(PlanKey { heads, head_dim }, |spans, device| {
            let device = cube_device(device);
            let blocks = device.client().properties().hardware.num_streaming_multiprocessors.unwrap_or(132) as usize;
            let [forward, backward] = warps(head_dim);
            let (short, long): (Vec<usize>, Vec<usize>) = (0..spans.len())
                .filter(|&text| spans.length(text) > 0)
                .partition(|&text| spans.length(text) <= 16 * backward);
            let all: Vec<usize> = short.iter().chain(&long).copied().collect();
            Plan {
                forward: Lists::new(spans, &all, forward, heads, blocks, &device),
                backward: (!short.is_empty()).then(|| Lists::new(spans, &short, backward, heads, blocks, &device)),
                long: (!long.is_empty()).then(|| Tiles::new(spans, &long, LONG_WARPS, &device)),
            }
        });
        let window = options.window.map(|window| window.min(1 << 30) as u32);
        let masks = masks.map(|masks| DeviceMasks::of(masks, batch));
        let distances = options.bias.as_ref().map(|bias| Distances::of(bias, batch));
        Self { heads, head_dim, window, masks, distances, plan }
    }

    /// The result, `[tokens, hidden]`, and the logarithm of the sum of each softmax, `[heads, tokens]`, for q, k and v side by side,
    /// `[tokens, 3 · hidden]`, with the table of the bias if the options had one.
    pub fn forward(&self, task: &mut Task, qkv: &CubeTensor, table: Option<&CubeTensor>) -> (CubeTensor, CubeTensor) {
        let [tokens, width] = sizes(qkv);
        let output = task.empty(Room::Shared, qkv, [tokens, width / 3], qkv.dtype);
        let lse = task.empty(Room::Shared, qkv, [self.heads, tokens], DType::F32);
        let [w, _] = warps(self.head_dim);
        let lists = &self.plan.forward;
        let launch = Launch {
            grid: (lists.blocks, 1, 1),
            block: (32 * w as u32, 1, 1),
            shared: (192 * w * self.head_dim + 32 * w * w) as u32,
        };
        let [slots, starts, items] = [&lists.slots, &lists.starts, &lists.items].map(Some);
        let arrays = [Some(qkv), Some(&output), Some(&lse), None, slots, starts, items];
        let bias = self.bias(task, qkv.dtype, table);
        self.queue(task, Pass::Forward, c"attention_forward", launch, tokens, &arrays, bias.as_ref());
        (output, lse)
    }

    /// The gradients by q, k and v and by the table, from that by the result.
    pub fn backward(
        &self,
        task: &mut Task,
        qkv: &CubeTensor,
        table: Option<&CubeTensor>,
        output: &CubeTensor,
        lse: &CubeTensor,
        gradient: &CubeTensor,
    ) -> (CubeTensor, Option<CubeTensor>) {
        let [tokens, width] = sizes(qkv);
        let mut by_table = None;
        let by_qkv = task.empty(Room::Scratch, qkv, [tokens, width], qkv.dtype);
        let [qkv, output, lse, gradient] = [qkv, output, lse, gradient].map(Some);
        if let Some(lists) = &self.plan.backward {
            let [_, w] = warps(self.head_dim);
            let scores = 16 * (32 * w + 16).max(4 * self.head_dim);
            let launch = Launch {
                grid: (lists.blocks, 1, 1),
                block: (32 * w as u32, 1, 1),
                shared: (w * (160 * self.head_dim + scores + 320 + 32 * w)) as u32,
            };
            let [slots, starts, items] = [&lists.slots, &lists.starts, &lists.items].map(Some);
            let bias = self.bias(task, by_qkv.dtype, table);
            let by_distance = self.distances.as_ref().map(|distances| distances.sums(task, lists));
            let arrays = [qkv, output, gradient, lse, Some(&by_qkv), None, slots, starts, items, by_distance.as_ref()];
            self.queue(task, Pass::Backward, c"attention_backward", launch, tokens, &arrays, bias.as_ref());
            if let (Some(distances), Some(sums), Some(table)) = (&self.distances, by_distance, table) {
                by_table = Some(distances.by_table(task, self.code(Pass::Backward, by_qkv.dtype), &sums, lists, table));
            }
        }
        if let Some(tiles) = &self.plan.long {
            let (w, constants) = (LONG_WARPS, task.empty(Room::Scratch, &by_qkv, [self.heads, tokens], DType::F32));
            let (constants, by_qkv, slots) = (Some(&constants), Some(&by_qkv), Some(&tiles.slots));
            let shared = 192 * w * self.head_dim + 32 * w * w;
            let launch = |shared: usize| Launch {
                grid: (tiles.groups * self.heads as u32, 1, 1),
                block: (32 * w as u32, 1, 1),
                shared: shared as u32,
            };
            let arrays = [qkv, output, gradient, lse, constants, by_qkv, slots];
            self.queue(task, Pass::Long, c"attention_backward_queries", launch(shared), tokens, &arrays, None);
            let arrays = [qkv, gradient, lse, constants, by_qkv, slots];
            self.queue(task, Pass::Long, c"attention_backward_keys", launch(shared + 512 * w), tokens, &arrays, None);
        }
        (by_qkv, by_table)
    }

    /// The bias of each distance, if there is one, for q, k and v of this type.
    fn bias(&self, task: &mut Task, dtype: DType, table: Option<&CubeTensor>) -> Option<CubeTensor> {
        let (distances, table) = self.distances.as_ref().zip(table)?;
        Some(distances.spread(task, self.code(Pass::Forward, dtype), table, self.heads))
    }

    /// Adds a kernel. `arrays` are its leading arguments but for the seeds and the bias of each distance, which follow; the first is q, k and v, whose
    /// type others share.
    #[allow(clippy::too_many_arguments, reason = "a launch is described by as many")]
    fn queue(
        &self,
        task: &mut Task,
        pass: Pass,
        name: &'static CStr,
        launch: Launch,
        tokens: usize,
        arrays: &[Option<&CubeTensor>],
        bias: Option<&CubeTensor>,
    ) {
        let dtype = arrays[0].map_or(DType::BF16, |qkv| qkv.dtype);
        let masks = self.masks.as_ref();
        let scale = masks.map_or(1.0, |masks| masks.scale);
        let seeds = masks.map(|masks| &*masks.seeds);
        let mut arguments: Vec<Argument> =
            arrays.iter().copied().chain([seeds, bias]).map(|array| task.optional(array)).collect();
        arguments.extend([
            Argument::U32(self.distances.as_ref().map_or(1, |distances| distances.longest) as u32),
            Argument::U64(masks.map_or(0, |masks| u64::from(masks.site))),
            Argument::U32(self.heads as u32),
            Argument::U32(tokens as u32),
            Argument::U32(self.window.unwrap_or(0)),
            Argument::U32(masks.map_or(0, |masks| masks.threshold)),
            // The factor of weights that are kept; for the backward kernels its logarithm.
            Argument::F32(if pass == Pass::Forward { scale } else { scale.log2() }),
        ]);
        // SAFETY: the arguments are those of the kernel by its source; the lists name rows that there are.
        unsafe { task.kernel(self.code(pass, dtype), name, launch, arguments) };
    }

    /// The source with its defines, for arrays of this type.
    fn code(&self, pass: Pass, dtype: DType) -> &'static Code {
        let [forward, backward] = warps(self.head_dim);
        SOURCE.with(&[
            ("HEAD_DIM", self.head_dim as u32),
            ("HALF", u32::from(dtype == DType::F16)),
            ("WINDOW", u32::from(self.window.is_some())),
            ("DROPOUT", u32::from(self.masks.is_some())),
            ("BIAS", u32::from(self.distances.is_some())),
            ("FORWARD_WARPS", forward as u32),
            ("BACKWARD_WARPS", backward as u32),
            ("LONG_WARPS", LONG_WARPS as u32),
            ("PASS", pass as u32),
        ])
    }
}

/// The parts of the source, by their numbers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Forward = 1,
    Backward = 2,
    /// The backward pass of long texts.
    Long = 4,
}
