//! The bias by distance: its table is spread over the distances before a pass, and sums by distance are gathered into the gradient by the table.

use std::sync::Arc;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use super::work::Lists;
use crate::attention::RelativeBias;
use crate::batch::Batch;
use crate::cube::array::{cube_device, sizes, upload};
use crate::cube::cuda::nvrtc::{Code, Launch};
use crate::cube::cuda::task::{Argument, Task};
use crate::cube::room::Room;

/// Threads of a block, as in the source.
const THREADS: u32 = 512;

/// The buckets of the distances of a batch.
#[derive(Debug)]
pub(super) struct Distances {
    /// The bucket of each distance, from the least on, which is 1 less the longest length.
    buckets: CubeTensor,
    /// Rows that the table has at least.
    rows: usize,
    /// The length of the longest text.
    pub longest: usize,
}

/// The key of the distances in a batch: the function of the buckets.
#[derive(PartialEq)]
struct DistancesKey(usize);

impl Distances {
    /// The distances of a batch, which has tokens.
    pub fn of(bias: &RelativeBias, batch: &mut Batch) -> Arc<Self> {
        batch.prepared(DistancesKey(bias.function()), |spans, device| {
            let longest = spans.max_length();
            let farthest = longest as i64 - 1;
            let buckets: Vec<u32> = (-farthest..=farthest).map(|distance| (bias.bucket)(distance) as u32).collect();
            let rows = buckets.iter().max().map_or(0, |&last| last as usize + 1);
            Self { buckets: upload(&cube_device(device), &buckets), rows, longest }
        })
    }

    fn count(&self) -> usize {
        2 * self.longest - 1
    }

    /// The bias of each distance, `[heads, distances]`, as the kernels take it, from its table, by the code of the forward kernel.
    ///
    /// # Panics
    /// When the table has not a row for each bucket and a column for each head.
    pub fn spread(&self, task: &mut Task, code: &'static Code, table: &CubeTensor, heads: usize) -> CubeTensor {
        let [rows, columns] = sizes(table);
        assert!(
            columns == heads && rows >= self.rows && table.dtype == DType::F32,
            "a bias of {rows} buckets for {columns} heads; {} buckets for {heads} heads are expected",
            self.rows
        );
        let bias = task.empty(Room::Scratch, table, [heads, self.count()], DType::F32);
        let arguments = [
            task.argument(table),
            task.argument(&self.buckets),
            task.argument(&bias),
            Argument::U32(heads as u32),
            Argument::U32(self.count() as u32),
        ];
        let launch = Launch::new(heads as u32, THREADS);
        // SAFETY: the arguments are those of the kernel, and no bucket is beyond the table.
        unsafe { task.kernel(code, c"attention_spread_bias", launch, arguments) };
        bias
    }

    /// Room for the sums of each item by distance, `[items, distances]`.
    pub fn sums(&self, task: &mut Task, lists: &Lists) -> CubeTensor {
        task.empty(Room::Scratch, &lists.items, [lists.count, self.count()], DType::F32)
    }

    /// The gradient by the table, from the sums of each item by distance, by the code of the backward kernel.
    pub fn by_table(
        &self,
        task: &mut Task,
        code: &'static Code,
        sums: &CubeTensor,
        lists: &Lists,
        table: &CubeTensor,
    ) -> CubeTensor {
        let [rows, heads] = sizes(table);
        let by_table = task.empty(Room::Shared, table, [rows, heads], DType::F32);
        let arguments = [
            task.argument(sums),
            task.argument(&lists.items),
            task.argument(&self.buckets),
            task.argument(&by_table),
            Argument::U32(lists.count as u32),
            Argument::U32(heads as u32),
            Argument::U32(self.count() as u32),
            Argument::U32(rows as u32),
        ];
        let launch = Launch { shared: 4 * self.count() as u32, ..Launch::new(heads as u32, THREADS) };
        // SAFETY: the arguments are those of the kernel, and the sums are those of the items of these lists.
        unsafe { task.kernel(code, c"attention_bias_sums", launch, arguments) };
        by_table
    }
}
