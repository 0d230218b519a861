//! The kernel of looking up rows. The gradient of a table is zero but for the rows that were used, so it costs one pass that writes zeros.

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::Tensor;

use crate::cpu::array::Array;
use crate::cpu::parallel::by_rows;
use crate::kernel::Kernel;
use crate::kernel::flex::apply_1;

/// `table[ids]`, `[ids, width]`; no gradient reaches the row `frozen`.
pub(super) fn gather(table: Tensor<2>, ids: &[u32], frozen: Option<u32>) -> Tensor<2> {
    apply_1(Gather { ids: ids.into(), frozen }, table)
}

#[derive(Clone, Debug)]
struct Gather {
    ids: Arc<[u32]>,
    frozen: Option<u32>,
}

impl Kernel<Flex, 1> for Gather {
    /// The shape of the table.
    type Saved = [usize; 2];

    fn forward(&self, [table]: [Array; 1]) -> (Array, Self::Saved) {
        let [rows, width] = table.shape();
        let out = by_rows(self.ids.len(), width, |first, out| {
            for (row, &id) in out.chunks_exact_mut(width).zip(&self.ids[first..]) {
                row.copy_from_slice(&table[id as usize * width..][..width]);
            }
        });
        (Array::new(out, [self.ids.len(), width]), [rows, width])
    }

    fn backward(&self, [rows, width]: Self::Saved, gradient: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        // The places of each row of the table, in order: the same sums on any number of threads.
        let mut places: Vec<(u32, usize)> = self.ids.iter().copied().zip(0..).collect();
        places.retain(|&(id, _)| Some(id) != self.frozen);
        places.sort_unstable();
        let by_table = by_rows(rows, width, |first, part| {
            let end = first + part.len() / width;
            let from = places.partition_point(|&(id, _)| (id as usize) < first);
            for &(id, place) in places[from..].iter().take_while(|&&(id, _)| (id as usize) < end) {
                let row = &mut part[(id as usize - first) * width..][..width];
                for (sum, gradient) in row.iter_mut().zip(&gradient[place * width..]) {
                    *sum += gradient;
                }
            }
        });
        [Some(Array::new(by_table, [rows, width]))]
    }
}
