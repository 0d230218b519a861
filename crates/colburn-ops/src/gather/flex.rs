//! Rows of a table by their numbers. The gradient of a table is zero but for the rows that were used: it costs one pass that writes zeros.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::{apply::apply_1, array::Array, kernel::Kernel, parallel::by_rows};

/// `table[ids]`, `[ids, width]`; no gradient reaches the row `frozen`.
pub(crate) fn gather(table: Tensor<2>, ids: &[u32], frozen: Option<u32>) -> Tensor<2> {
    apply_1(Gather { ids: ids.into(), frozen }, table)
}

#[derive(Clone, Debug)]
struct Gather {
    ids: Arc<[u32]>,
    frozen: Option<u32>,
}

impl Kernel<1> for Gather {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fused::testing::{agree, random, same_on_any_threads},
        gather::composed,
        mix,
    };

    fn ids(count: usize, rows: usize) -> Vec<u32> {
        (0..count as u64).map(|place| (mix(3, place) % rows as u64) as u32).collect()
    }

    #[test]
    fn agrees_with_its_twin() {
        for (rows, width, count) in [(1, 1, 1), (3, 5, 1), (7, 17, 40), (500, 384, 300), (40_000, 3, 5000)] {
            let table = random([rows, width], 1);
            let ids = ids(count, rows);
            for frozen in [None, Some(ids[0]), Some(rows as u32)] {
                let fused = |[table]: [Tensor<2>; 1]| super::gather(table, &ids, frozen);
                agree([table.clone()], fused, |[table]| composed(table, &ids, frozen), 1e-6);
            }
        }
    }

    #[test]
    fn no_ids_give_no_rows_and_no_gradient() {
        let table = random([4, 3], 1).autodiff().require_grad();
        let rows = super::gather(table.clone(), &[], None);
        assert_eq!(rows.dims(), [0, 3]);
        let gradient = table.grad(&rows.sum().backward()).unwrap();
        assert_eq!(gradient.into_data().try_to_vec::<f32>().unwrap(), [0.0; 12]);
    }

    #[test]
    fn is_the_same_on_any_number_of_threads() {
        let ids = ids(5000, 200);
        same_on_any_threads([random([200, 384], 1)], |[table]| super::gather(table, &ids, None));
    }
}
