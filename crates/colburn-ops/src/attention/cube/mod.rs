//! The kernels of packed attention on CubeCL, without a tensor of scores: [`forward`], and [`backward`], which computes the weights again.
//!
//! A cube has a tile of rows of one head of one text. Arithmetic is in f32 whatever the type of the inputs.

mod backward;
mod bias;
mod forward;
mod inputs;
mod plan;
mod scores;
mod shape;
mod tile;
mod turns;

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::{CubeCount, CubeDim};

pub(crate) use self::inputs::{Gradients, Inputs};
use self::{
    inputs::{Factors, Places},
    plan::Plan,
    scores::{MOST_CUBES, PLANNED, RECORD, SettingLaunch},
    shape::{Shape, Shapes},
};
use super::options::AttentionOptions;
use crate::batch::Batch;
use crate::cube::array::{cube_device, element, empty, sizes};
use crate::cube::launches::counted;
use crate::cube::texts::DeviceMasks;
use crate::device::{Backend, backend};
use crate::kernel::Kernel;
use crate::kernel::cube::{apply_1, apply_2, apply_3, apply_4};
use crate::masks::Masks;

/// The largest window as kernels take it: sums with it stay within 32 bits.
const WIDEST: usize = 1 << 30;

/// True if a device has the memory for heads of this size.
pub(crate) fn fits(head_dim: usize, device: &Device) -> bool {
    Shapes::of(head_dim, shared_memory(device), false).is_some()
}

/// Bytes of shared memory that a cube may have.
fn shared_memory(device: &Device) -> usize {
    cube_device(device).client().properties().hardware.max_shared_memory_size
}

/// Attention of `[tokens, hidden]` each.
pub(super) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    options: AttentionOptions,
    masks: Option<Masks>,
    batch: &mut Batch,
) -> Tensor<2> {
    let table = options.bias.as_ref().map(|bias| bias.table.clone());
    let kernel = Attention::new(options, masks, batch);
    match table {
        Some(table) => apply_4(kernel, q, k, v, table),
        None => apply_3(kernel, q, k, v),
    }
}

/// Attention of q, k and v side by side, `[tokens, 3 · hidden]`.
pub(super) fn attention_packed(
    qkv: Tensor<2>,
    options: AttentionOptions,
    masks: Option<Masks>,
    batch: &mut Batch,
) -> Tensor<2> {
    let table = options.bias.as_ref().map(|bias| bias.table.clone());
    let kernel = Attention::new(options, masks, batch);
    match table {
        Some(table) => apply_2(kernel, qkv, table),
        None => apply_1(kernel, qkv),
    }
}

/// Attention at one place in the network: of q, k and v side by side or each by itself, without or with the table of a bias.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    heads: usize,
    window: usize,
    masks: Option<DeviceMasks>,
    plan: Arc<Plan>,
    /// Bytes of shared memory that a cube may have.
    memory: usize,
    /// See [`Shape`].
    fixed: bool,
}

impl Attention {
    /// Attention with these options. The table of their bias is one of the inputs.
    pub fn new(options: AttentionOptions, masks: Option<Masks>, batch: &mut Batch) -> Self {
        let plan = Plan::of(batch, masks.as_ref(), options.bias.as_ref());
        let masks = masks.map(|masks| DeviceMasks::of(&masks, batch));
        let window = options.window.unwrap_or(WIDEST).min(WIDEST);
        let (memory, fixed) = (shared_memory(batch.device()), backend(batch.device()) == Backend::Cuda);
        Self { heads: options.heads, window, masks, plan, memory, fixed }
    }

    /// The same with so many bytes of shared memory, or as many as there are if that is less.
    #[cfg(test)]
    pub(super) fn within(self, memory: usize) -> Self {
        Self { memory: memory.min(self.memory), ..self }
    }

    /// The result, `[tokens, hidden]`, and the logarithm of the sum of each softmax, `[heads, tokens]`.
    ///
    /// # Panics
    /// When there are no tokens.
    pub fn forward(&self, inputs: &Inputs) -> (CubeTensor, CubeTensor) {
        let [q, k, v] = inputs.factors.arrays();
        let [tokens, hidden] = inputs.factors.sizes();
        let shape = self.shapes(&inputs.factors).forward;
        let output = empty(q, [tokens, hidden], q.dtype);
        let lse = empty(q, [self.heads, tokens], DType::F32);
        // SAFETY: the plan is that of these tokens, so that no place is beyond an array.
        unsafe {
            forward::forward_kernel::launch_unchecked(
                counted(&q.client),
                self.cubes(shape),
                CubeDim::new_1d(shape.units() as u32),
                shape.vector_size(),
                q.clone().into_buffer_arg(),
                k.clone().into_buffer_arg(),
                v.clone().into_buffer_arg(),
                self.plan.numbers.clone().into_buffer_arg(),
                inputs.table.as_ref().unwrap_or(q).clone().into_buffer_arg(),
                output.clone().into_buffer_arg(),
                lse.clone().into_buffer_arg(),
                self.setting(inputs, shape),
                inputs.table.is_some(),
                self.masks.is_some(),
                shape,
                element(q),
            );
        }
        (output, lse)
    }

    /// The gradients by the inputs, from that by the result.
    ///
    /// # Panics
    /// When there are no tokens.
    pub fn backward(&self, inputs: Inputs, output: CubeTensor, lse: CubeTensor, gradient: CubeTensor) -> Gradients {
        let [q, k, v] = inputs.factors.arrays();
        let shape = self.shapes(&inputs.factors).backward;
        let tiles = self.tiles(shape);
        let (rows, table_length) =
            (lse.meta.num_elements(), inputs.table.as_ref().map_or(0, |t| t.meta.num_elements()));
        let sums_at = 2 * rows + table_length;
        let workspace = empty(q, [sums_at + tiles * table_length], DType::F32);
        self.prepare(shape, [&output, &gradient, &lse], inputs.table.as_ref(), &workspace);

        let (factors, room, Places { first: [by_q, by_k, by_v], stride }) = inputs.factors.room();
        macro_rules! launch {
            ($kernel:path) => {
                $kernel(
                    counted(&q.client),
                    self.cubes(shape),
                    CubeDim::new_1d(shape.units() as u32),
                    shape.vector_size(),
                    q.clone().into_buffer_arg(),
                    k.clone().into_buffer_arg(),
                    v.clone().into_buffer_arg(),
                    gradient.clone().into_buffer_arg(),
                    self.plan.numbers.clone().into_buffer_arg(),
                    workspace.clone().into_buffer_arg(),
                    room.clone().into_buffer_arg(),
                    self.setting(&inputs, shape),
                    backward::GradientsLaunch::new(
                        by_q as u32,
                        by_k as u32,
                        by_v as u32,
                        stride as u32,
                        2 * rows as u32,
                        sums_at as u32,
                    ),
                    inputs.table.is_some(),
                    self.masks.is_some(),
                    shape,
                    element(q),
                )
            };
        }
        // SAFETY: as in the forward pass; the arrays of gradients and the workspace are as large as their places say.
        unsafe {
            launch!(backward::by_queries_kernel::launch_unchecked);
            launch!(backward::by_keys_kernel::launch_unchecked);
        }
        let table = inputs.table.as_ref().map(|table| self.by_table(table, &workspace, sums_at, tiles));
        Gradients { factors, table }
    }

    /// Fills the workspace of the backward pass.
    fn prepare(
        &self,
        shape: Shape,
        [output, gradient, lse]: [&CubeTensor; 3],
        table: Option<&CubeTensor>,
        workspace: &CubeTensor,
    ) {
        let [heads, tokens] = sizes(lse);
        let rows = (128 / shape.vectors()).max(1);
        let cubes = (heads * tokens).div_ceil(rows) as u32;
        // SAFETY: rows are as many as there are; the workspace has room for two numbers a row and for the table.
        unsafe {
            backward::prepare_kernel::launch_unchecked(
                counted(&lse.client),
                CubeCount::Static(cubes.min(MOST_CUBES), cubes.div_ceil(MOST_CUBES), 1),
                CubeDim::new_1d((rows * shape.vectors()) as u32),
                shape.vector_size(),
                output.clone().into_buffer_arg(),
                gradient.clone().into_buffer_arg(),
                lse.clone().into_buffer_arg(),
                table.unwrap_or(lse).clone().into_buffer_arg(),
                workspace.clone().into_buffer_arg(),
                heads as u32,
                tokens as u32,
                table.map_or(0, |table| table.meta.num_elements()) as u32,
                shape,
                rows,
                element(output),
            );
        }
    }

    /// The gradient by the table of the bias, from the sums of the tiles.
    fn by_table(&self, table: &CubeTensor, workspace: &CubeTensor, sums_at: usize, tiles: usize) -> CubeTensor {
        let [buckets, heads] = sizes(table);
        let by_table = empty(table, [buckets, heads], DType::F32);
        // SAFETY: the workspace has the sums of all tiles.
        unsafe {
            bias::table_kernel::launch_unchecked(
                counted(&table.client),
                CubeCount::Static((buckets * heads).div_ceil(bias::COLUMNS) as u32, 1, 1),
                CubeDim::new_1d((bias::COLUMNS * bias::LINES) as u32),
                workspace.clone().into_buffer_arg(),
                by_table.clone().into_buffer_arg(),
                sums_at as u32,
                tiles as u32,
                heads as u32,
                buckets as u32,
            );
        }
        by_table
    }

    fn shapes(&self, factors: &Factors) -> Shapes {
        let [tokens, hidden] = factors.sizes();
        assert!(tokens > 0, "attention of no tokens");
        let head_dim = hidden / self.heads;
        let shapes = Shapes::of(head_dim, self.memory, self.fixed);
        shapes
            .unwrap_or_else(|| panic!("no tile of heads of {head_dim} numbers fits in the shared memory of the device"))
    }

    /// The tiles of rows of a kernel.
    fn tiles(&self, shape: Shape) -> usize {
        self.plan.tiles * (PLANNED / shape.rows())
    }

    /// A cube for each head of each tile.
    fn cubes(&self, shape: Shape) -> CubeCount {
        let tiles = self.tiles(shape) as u32;
        CubeCount::Static(self.heads as u32, tiles.min(MOST_CUBES), tiles.div_ceil(MOST_CUBES))
    }

    fn setting(&self, inputs: &Inputs, shape: Shape) -> SettingLaunch {
        let [tokens, _] = inputs.factors.sizes();
        let Places { first: [q, k, v], stride } = inputs.factors.places();
        let (site, threshold, kept) = self.masks.as_ref().map_or((0, 0, 1.0), |m| (m.site, m.threshold, m.scale));
        SettingLaunch::new(
            q as u32,
            k as u32,
            v as u32,
            stride as u32,
            self.heads as u32,
            tokens as u32,
            self.tiles(shape) as u32,
            self.window as u32,
            (1.0 / (shape.head_dim as f64).sqrt()) as f32,
            site,
            threshold,
            kept,
            (self.plan.tiles * RECORD) as u32,
            self.plan.longest as u32,
            inputs.table.as_ref().map_or(0, |table| sizes::<2>(table)[0]) as u32,
            shape.vectors() as u32,
            shape.across as u32,
        )
    }
}

/// The state for the backward pass.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    inputs: Inputs,
    output: CubeTensor,
    lse: CubeTensor,
}

macro_rules! kernels {
    ($($count:literal: [$($name:ident),+] => $inputs:expr;)+) => {
        $(impl Kernel<CubeBackend, $count> for Attention {
            type Saved = Saved;

            fn forward(&self, [$($name),+]: [CubeTensor; $count]) -> (CubeTensor, Saved) {
                let inputs = $inputs;
                let (output, lse) = self.forward(&inputs);
                (output.clone(), Saved { inputs, output, lse })
            }

            fn backward(&self, saved: Saved, gradient: CubeTensor, wanted: [bool; $count]) -> [Option<CubeTensor>; $count] {
                let Saved { inputs, output, lse } = saved;
                let mut all = self.backward(inputs, output, lse, gradient).into_all().into_iter();
                wanted.map(|wanted| all.next().filter(|_| wanted))
            }
        })+
    };
}

kernels! {
    1: [qkv] => Inputs::packed(qkv);
    2: [qkv, table] => Inputs::packed(qkv).with_table(Some(table));
    3: [q, k, v] => Inputs::separate(q, k, v);
    4: [q, k, v, table] => Inputs::separate(q, k, v).with_table(Some(table));
}
