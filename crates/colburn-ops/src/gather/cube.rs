//! Looking up rows on CubeCL. The gradient of the table is written in one pass, zeros included. The places of each row are added in order; runs of
//! many places are added in blocks first, so that a token that is in every text does not hold up the others.

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use crate::cube::array::{argument, empty, sizes, upload, vector_size};
use crate::cube::launches::counted;
use crate::kernel::Kernel;
use crate::kernel::cube::apply_1;

/// Number of places that are added in one block.
const BLOCK: usize = 64;

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
        (rows_by_id(&table, &ids, self.ids.len()), sizes(&table))
    }

    fn backward(&self, [rows, width]: Self::Saved, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        let order = Order::new(&self.ids, rows, self.frozen);
        [Some(order.sums(&gradient, width))]
    }
}

/// The rows with the first `count` of these numbers.
pub(crate) fn rows_by_id(table: &CubeTensor, ids: &CubeTensor, count: usize) -> CubeTensor {
    let [_, width] = sizes(table);
    let out = empty(table, [count, width], DType::F32);
    if count * width == 0 {
        return out;
    }
    let vector = vector_size(&[width], 4);
    let (client, units) = (&table.client, count * width / vector);
    let dim = CubeDim::new(client, units);
    // SAFETY: each unit writes the vector of its number, if there is one, and reads one of the row with the number at its place, which is below
    // the number of rows.
    unsafe {
        gather_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, units, dim),
            dim,
            vector,
            argument(table),
            argument(ids),
            argument(&out),
            units as u32,
            width / vector,
        );
    }
    out
}

#[cube(launch_unchecked)]
fn gather_kernel<N: Size>(
    table: &[Vector<f32, N>],
    ids: &[u32],
    out: &mut [Vector<f32, N>],
    count: u32,
    #[comptime] vectors: usize,
) {
    if ABSOLUTE_POS < count as usize {
        let id = ids[ABSOLUTE_POS / vectors] as usize;
        out[ABSOLUTE_POS] = table[id * vectors + ABSOLUTE_POS % vectors];
    }
}

/// The places of each row of a table, in the order of the rows.
pub(crate) struct Order {
    /// For each row the number of places before its own, and the number of all: `rows + 1`. Then the places, and the rows that they are of.
    lists: Vec<u32>,
    rows: usize,
    places: usize,
    /// Number of places of the row that has most.
    most: usize,
}

impl Order {
    /// The order of these ids, without those that are `frozen`.
    pub fn new(ids: &[u32], rows: usize, frozen: Option<u32>) -> Self {
        let kept = || ids.iter().zip(0u32..).filter(|&(&id, _)| Some(id) != frozen);
        let mut lists = vec![0; rows + 1];
        kept().for_each(|(&id, _)| lists[id as usize + 1] += 1);
        let most = lists.iter().copied().max().unwrap_or(0) as usize;
        for row in 0..rows {
            lists[row + 1] += lists[row];
        }
        let places = lists[rows] as usize;
        let mut next = lists[..rows].to_vec();
        lists.resize(rows + 1 + 2 * places, 0);
        for (&id, place) in kept() {
            let at = &mut next[id as usize];
            lists[rows + 1 + *at as usize] = place;
            lists[rows + 1 + places + *at as usize] = id;
            *at += 1;
        }
        Self { lists, rows, places, most }
    }

    /// The sums of the rows of `x` at the places of each row of the table, `[rows, width]`.
    pub fn sums(&self, x: &CubeTensor, width: usize) -> CubeTensor {
        let out = empty(x, [self.rows, width], DType::F32);
        if self.rows * width == 0 {
            return out;
        }
        let lists = upload(&x.device, &self.lists);
        let vector = vector_size(&[width], 4);
        let vectors = width / vector;
        let client = &x.client;
        let blocks = (self.most >= 2 * BLOCK).then(|| {
            let blocks = self.places / BLOCK;
            let sums = empty(x, [blocks, width], DType::F32);
            let dim = CubeDim::new(client, blocks * vectors);
            // SAFETY: each unit writes the vector of its number, if there is one, and reads vectors of x at the places of its block.
            unsafe {
                blocks_kernel::launch_unchecked(
                    counted(client),
                    calculate_cube_count_elemwise(client, blocks * vectors, dim),
                    dim,
                    vector,
                    argument(x),
                    argument(&lists),
                    argument(&sums),
                    (blocks * vectors) as u32,
                    self.rows as u32 + 1,
                    self.places as u32,
                    vectors,
                );
            }
            sums
        });
        // A buffer of nothing cannot be bound; without places none is read.
        let x = if self.places == 0 { &out } else { x };
        let dim = CubeDim::new(client, self.rows * vectors);
        // SAFETY: each unit writes the vector of its number, if there is one, and reads vectors of x at places of its row, and of whole blocks
        // of its row.
        unsafe {
            table_kernel::launch_unchecked(
                counted(client),
                calculate_cube_count_elemwise(client, self.rows * vectors, dim),
                dim,
                vector,
                argument(x),
                argument(&lists),
                blocks.as_ref().map(argument).into(),
                argument(&out),
                (self.rows * vectors) as u32,
                self.rows as u32 + 1,
                vectors,
            );
        }
        out
    }
}

/// Adds the places of each block that are of one row.
#[cube(launch_unchecked)]
fn blocks_kernel<N: Size>(
    x: &[Vector<f32, N>],
    lists: &[u32],
    sums: &mut [Vector<f32, N>],
    count: u32,
    first_place: u32,
    places: u32,
    #[comptime] vectors: usize,
) {
    if ABSOLUTE_POS < count as usize {
        let column = ABSOLUTE_POS % vectors;
        let size = comptime!(BLOCK);
        let first = first_place as usize + ABSOLUTE_POS / vectors * size;
        let ids = first + places as usize;
        if lists[ids] == lists[ids + size - 1] {
            let mut sum = Vector::<f32, N>::new(0.0f32);
            for place in first..first + size {
                sum += x[lists[place] as usize * vectors + column];
            }
            sums[ABSOLUTE_POS] = sum;
        }
    }
}

/// Adds the places of each row of the table, those of whole blocks by the sums of the blocks.
#[allow(clippy::manual_div_ceil, reason = "kernels have no such method")]
#[cube(launch_unchecked)]
fn table_kernel<N: Size>(
    x: &[Vector<f32, N>],
    lists: &[u32],
    blocks: &ComptimeOption<Box<[Vector<f32, N>]>>,
    out: &mut [Vector<f32, N>],
    count: u32,
    first_place: u32,
    #[comptime] vectors: usize,
) {
    if ABSOLUTE_POS < count as usize {
        let row = ABSOLUTE_POS / vectors;
        let column = ABSOLUTE_POS % vectors;
        let end = lists[row + 1] as usize;
        let mut place = lists[row] as usize;
        let mut sum = Vector::<f32, N>::new(0.0f32);
        #[comptime]
        match blocks {
            ComptimeOption::Some(blocks) => {
                let size = comptime!(BLOCK);
                let first_block = (place + size - 1) / size;
                let last_block = end / size;
                if first_block < last_block {
                    while place < first_block * size {
                        sum += x[lists[first_place as usize + place] as usize * vectors + column];
                        place += 1;
                    }
                    for block in first_block..last_block {
                        sum += blocks[block * vectors + column];
                    }
                    place = last_block * size;
                }
            }
            ComptimeOption::None => {}
        }
        while place < end {
            sum += x[lists[first_place as usize + place] as usize * vectors + column];
            place += 1;
        }
        out[ABSOLUTE_POS] = sum;
    }
}
