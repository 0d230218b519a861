//! Looking up rows on CubeCL. The gradient of the table is written in one pass, zeros included. The places of each row are added in order; runs of
//! many places are added in blocks first, so that a token that is in every text does not hold up the others.

#[cfg(feature = "cuda")]
mod cuda;
mod order;
mod portable;

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use self::order::Order;
use crate::cube::array::{empty, sizes, upload};
use crate::cube::queue::{Queue, alone};
use crate::kernel::Kernel;
use crate::kernel::cube::apply_1;

/// `table[ids]`, `[ids, width]`; no gradient reaches the row `frozen`.
pub(super) fn gather(table: Tensor<2>, ids: &[u32], frozen: Option<u32>) -> Tensor<2> {
    let rows = table.dims()[0];
    assert!(ids.iter().all(|&id| (id as usize) < rows), "the table has {rows} rows");
    apply_1(Gather { ids: ids.into(), frozen }, table)
}

#[derive(Clone, Debug)]
struct Gather {
    ids: Arc<[u32]>,
    frozen: Option<u32>,
}

impl Kernel<CubeBackend, 1> for Gather {
    /// The shape of the table.
    type Saved = [usize; 2];

    fn forward(&self, [table]: [CubeTensor; 1]) -> (CubeTensor, Self::Saved) {
        let ids = upload(&table.device, &self.ids);
        let rows = alone(&table, |queue| rows_by_id(queue, &table, &ids, self.ids.len()));
        (rows, sizes(&table))
    }

    fn backward(&self, [rows, width]: Self::Saved, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        let order = Order::new(&self.ids, rows, self.frozen);
        [Some(alone(&gradient, |queue| sums(queue, &order, &gradient, width)))]
    }
}

/// The rows with the first `count` of these numbers.
fn rows_by_id(queue: &mut Queue, table: &CubeTensor, ids: &CubeTensor, count: usize) -> CubeTensor {
    let [_, width] = sizes(table);
    if count * width == 0 {
        return empty(table, [count, width], DType::F32);
    }
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(table, count.max(sizes::<2>(table)[0]), width)
    {
        return cuda::rows_by_id(task, table, ids, count);
    }
    queue.start();
    portable::rows_by_id(table, ids, count)
}

/// The sums of the rows of `x` at the places of each row of the table, `[rows, width]`.
fn sums(queue: &mut Queue, order: &Order, x: &CubeTensor, width: usize) -> CubeTensor {
    if order.rows * width == 0 {
        return empty(x, [order.rows, width], DType::F32);
    }
    let lists = upload(&x.device, &order.lists);
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(x, order.rows.max(order.places), width)
    {
        return cuda::sums(task, order, &lists, x, width);
    }
    queue.start();
    portable::sums(order, &lists, x, width)
}
