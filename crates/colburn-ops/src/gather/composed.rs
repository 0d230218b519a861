//! Looking up rows with Burn's operations.

use burn::tensor::{Bool, Int, Tensor, TensorData};

/// `table[ids]`, `[ids, width]`; no gradient reaches the row `frozen`.
pub(super) fn gather(table: Tensor<2>, ids: &[u32], frozen: Option<u32>) -> Tensor<2> {
    let device = table.device();
    let numbers: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let rows = table.select(0, Tensor::<1, Int>::from_data(TensorData::new(numbers, [ids.len()]), &device));
    let Some(frozen) = frozen.filter(|frozen| ids.contains(frozen)) else { return rows };
    let is_frozen: Vec<bool> = ids.iter().map(|&id| id == frozen).collect();
    let shape = rows.dims();
    let is_frozen = Tensor::<2, Bool>::from_data(TensorData::new(is_frozen, [shape[0], 1]), &device);
    let constant = rows.clone().detach();
    rows.mask_where(is_frozen.expand(shape), constant)
}
