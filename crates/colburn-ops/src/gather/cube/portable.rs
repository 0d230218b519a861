//! The kernels of CubeCL.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use super::order::{BLOCK, Order};
use crate::cube::array::{argument, empty, sizes, vector_size};
use crate::cube::launches::counted;

/// As `rows_by_id` of the module above.
pub(super) fn rows_by_id(table: &CubeTensor, ids: &CubeTensor, count: usize) -> CubeTensor {
    let [_, width] = sizes(table);
    let out = empty(table, [count, width], DType::F32);
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

/// As `sums` of the module above. `lists` are those of the order.
pub(super) fn sums(order: &Order, lists: &CubeTensor, x: &CubeTensor, width: usize) -> CubeTensor {
    let out = empty(x, [order.rows, width], DType::F32);
    let vector = vector_size(&[width], 4);
    let vectors = width / vector;
    let client = &x.client;
    let blocks = order.blocks().map(|blocks| {
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
                argument(lists),
                argument(&sums),
                (blocks * vectors) as u32,
                order.rows as u32 + 1,
                order.places as u32,
                vectors,
            );
        }
        sums
    });
    // A buffer of nothing cannot be bound; without places none is read.
    let x = if order.places == 0 { &out } else { x };
    let dim = CubeDim::new(client, order.rows * vectors);
    // SAFETY: each unit writes the vector of its number, if there is one, and reads vectors of x at places of its row, and of whole blocks
    // of its row.
    unsafe {
        table_kernel::launch_unchecked(
            counted(client),
            calculate_cube_count_elemwise(client, order.rows * vectors, dim),
            dim,
            vector,
            argument(x),
            argument(lists),
            blocks.as_ref().map(argument).into(),
            argument(&out),
            (order.rows * vectors) as u32,
            order.rows as u32 + 1,
            vectors,
        );
    }
    out
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
