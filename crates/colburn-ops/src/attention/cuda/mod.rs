//! Packed attention on the tensor cores of NVIDIA's GPUs from Hopper on, in CUDA C++: CubeCL's matrix instructions keep their results where an online
//! softmax cannot reach them. The source, `attention.cu`, says what the kernels take. It is compiled for q, k and v in bf16, side by side.

mod work;

use std::ffi::CStr;
use std::sync::Arc;

use burn::tensor::{DType, Device};
use burn_cubecl::tensor::CubeTensor;
use cubecl::device::RuntimeId;

use self::work::{Lists, Tiles};
use super::options::AttentionOptions;
use crate::batch::Batch;
use crate::cube::array::{cube_device, empty, sizes};
use crate::cube::cuda::nvrtc::{self, Launch, Module, argument};
use crate::cube::cuda::stream::submit;
use crate::cube::texts::DeviceMasks;
use crate::masks::Masks;

const SOURCE: &str = include_str!("attention.cu");

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

/// True if the kernels take heads of this size in this type, on this device.
pub(crate) fn serves(device: &Device, head_dim: usize, dtype: DType, options: &AttentionOptions) -> bool {
    let device = cube_device(device);
    dtype == DType::BF16
        && [32, 64, 128].contains(&head_dim)
        && options.bias.is_none()
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
        Self { heads, head_dim, window, masks, plan }
    }

    /// The result, `[tokens, hidden]`, and the logarithm of the sum of each softmax, `[heads, tokens]`, for q, k and v side by side,
    /// `[tokens, 3 · hidden]`.
    pub fn forward(&self, qkv: &CubeTensor) -> (CubeTensor, CubeTensor) {
        let [tokens, width] = sizes(qkv);
        let output = empty(qkv, [tokens, width / 3], qkv.dtype);
        let lse = empty(qkv, [self.heads, tokens], DType::F32);
        let [w, _] = warps(self.head_dim);
        let launch = Launch {
            grid: (self.plan.forward.blocks, 1, 1),
            block: (32 * w as u32, 1, 1),
            shared: (192 * w * self.head_dim + 32 * w * w) as u32,
        };
        let lists = &self.plan.forward;
        let arrays = [qkv, &output, &lse, &lists.slots, &lists.starts, &lists.items];
        self.submit(1, c"attention_forward", &arrays, launch, tokens, |at, numbers| {
            let [qkv, output, lse, slots, starts, items] = at;
            vec![*qkv, *output, *lse, 0, *slots, *starts, *items, numbers.seeds]
        });
        (output, lse)
    }

    /// The gradient by q, k and v, from that by the result.
    pub fn backward(
        &self,
        qkv: &CubeTensor,
        output: &CubeTensor,
        lse: &CubeTensor,
        gradient: &CubeTensor,
    ) -> CubeTensor {
        let [tokens, width] = sizes(qkv);
        let by_qkv = empty(qkv, [tokens, width], qkv.dtype);
        if let Some(lists) = &self.plan.backward {
            let [_, w] = warps(self.head_dim);
            let scores = 16 * (32 * w + 16).max(4 * self.head_dim);
            let launch = Launch {
                grid: (lists.blocks, 1, 1),
                block: (32 * w as u32, 1, 1),
                shared: (w * (160 * self.head_dim + scores + 320 + 32 * w)) as u32,
            };
            let arrays = [qkv, output, gradient, lse, &by_qkv, &lists.slots, &lists.starts, &lists.items];
            self.submit(2, c"attention_backward", &arrays, launch, tokens, |at, numbers| {
                let [qkv, output, gradient, lse, by_qkv, slots, starts, items] = at;
                vec![*qkv, *output, *gradient, *lse, *by_qkv, 0, *slots, *starts, *items, numbers.seeds]
            });
        }
        if let Some(tiles) = &self.plan.long {
            let (w, constants) = (LONG_WARPS, empty(qkv, [self.heads, tokens], DType::F32));
            let shared = 192 * w * self.head_dim + 32 * w * w;
            let launch = |shared: usize| Launch {
                grid: (tiles.groups * self.heads as u32, 1, 1),
                block: (32 * w as u32, 1, 1),
                shared: shared as u32,
            };
            let arrays = [qkv, output, gradient, lse, &constants, &by_qkv, &tiles.slots];
            self.submit(4, c"attention_backward_queries", &arrays, launch(shared), tokens, |at, numbers| {
                let [qkv, output, gradient, lse, constants, by_qkv, slots] = at;
                vec![*qkv, *output, *gradient, *lse, *constants, *by_qkv, *slots, numbers.seeds]
            });
            let arrays = [qkv, gradient, lse, &constants, &by_qkv, &tiles.slots];
            self.submit(4, c"attention_backward_keys", &arrays, launch(shared + 512 * w), tokens, |at, numbers| {
                let [qkv, gradient, lse, constants, by_qkv, slots] = at;
                vec![*qkv, *gradient, *lse, *constants, *by_qkv, *slots, numbers.seeds]
            });
        }
        by_qkv
    }

    /// Queues a kernel of the part `pass` of the source. `pointers` makes its leading arguments, which are addresses, from those of the arrays.
    fn submit<const N: usize>(
        &self,
        pass: u32,
        name: &'static CStr,
        arrays: &[&CubeTensor; N],
        launch: Launch,
        tokens: usize,
        pointers: impl FnOnce(&[u64; N], &Numbers) -> Vec<u64> + Send + 'static,
    ) {
        let mut numbers = Numbers::new(self, tokens, pass == 1);
        let options = self.options(pass);
        let seeds = self.masks.as_ref().map(|masks| masks.seeds.clone());
        let all: Vec<&CubeTensor> = arrays.iter().copied().chain(seeds.as_deref()).collect();
        submit(&all, move |at| {
            let (addresses, seeds) = at.addresses.split_at(N);
            let addresses: &[u64; N] = addresses.try_into().map_err(|_| "fewer addresses than arrays".to_owned())?;
            numbers.seeds = seeds.first().copied().unwrap_or(0);
            let mut pointers = pointers(addresses, &numbers);
            let function = Module::load(SOURCE, &options)?.function(name, launch.shared)?;
            let mut arguments: Vec<_> = pointers.iter_mut().map(argument).collect();
            arguments.extend([
                argument(&mut numbers.site),
                argument(&mut numbers.heads),
                argument(&mut numbers.tokens),
                argument(&mut numbers.window),
                argument(&mut numbers.threshold),
                argument(&mut numbers.keep),
            ]);
            // SAFETY: the arguments are those of the kernel by its source, and the arrays are kept by the task.
            unsafe { function.launch(at.stream, launch, &mut arguments) }
        });
    }

    /// The defines of the source.
    fn options(&self, pass: u32) -> Vec<String> {
        let [forward, backward] = warps(self.head_dim);
        let (window, dropout) = (u8::from(self.window.is_some()), u8::from(self.masks.is_some()));
        let defines = [
            ("HEAD_DIM", self.head_dim),
            ("WINDOW", usize::from(window)),
            ("DROPOUT", usize::from(dropout)),
            ("FORWARD_WARPS", forward),
            ("BACKWARD_WARPS", backward),
            ("LONG_WARPS", LONG_WARPS),
            ("PASS", pass as usize),
        ];
        let defines = defines.into_iter().map(|(name, value)| format!("-D{name}={value}"));
        std::iter::once("--std=c++17".to_owned()).chain(defines).collect()
    }
}

/// The arguments behind the addresses of arrays, which all kernels have.
struct Numbers {
    seeds: u64,
    site: u64,
    heads: u32,
    tokens: u32,
    window: u32,
    threshold: u32,
    /// The factor of weights that are kept; for the backward kernels its logarithm.
    keep: f32,
}

impl Numbers {
    fn new(attention: &TensorCores, tokens: usize, forward: bool) -> Self {
        let scale = attention.masks.as_ref().map_or(1.0, |masks| masks.scale);
        Self {
            seeds: 0,
            site: attention.masks.as_ref().map_or(0, |masks| u64::from(masks.site)),
            heads: attention.heads as u32,
            tokens: tokens as u32,
            window: attention.window.unwrap_or(0),
            threshold: attention.masks.as_ref().map_or(0, |masks| masks.threshold),
            keep: if forward { scale } else { scale.log2() },
        }
    }
}
