//! The gradients: each maximum gives its gradient to the one pair of tokens that it is the product of. Nothing is multiplied again.
//!
//! A query token takes from the documents in their order, a document token from the query tokens in theirs, so that the sums are the same in
//! every run.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeCount, CubeDim};

use super::plan::{FIRST, MAXIMA, MET, NONE, Plan, RECORD, ROWS};
use crate::cube::array::{empty, sizes};
use crate::cube::launches::counted;

/// The largest number of cubes in a dimension.
const MOST_CUBES: usize = 65_535;

/// Units of a cube.
const UNITS: usize = 256;

/// Rows of a document that a cube takes.
const TAKEN: usize = 32;

/// Query tokens that are sorted at a time.
const SORTED: usize = 1024;

/// Lists that a cube makes: one for each row and eighth of the query tokens.
const PARTS: usize = UNITS / TAKEN;

/// A dimension of cubes for so many vectors of a row: as many units as there are vectors, up to a limit, and the rows of a cube.
fn shape(columns: usize) -> CubeDim {
    let across = columns.next_power_of_two().clamp(8, UNITS);
    CubeDim::new_2d(across as u32, (UNITS / across) as u32)
}

/// The gradient by each row of the queries: document tokens, gathered.
#[cube(launch)]
fn by_queries_kernel<N: Size>(
    documents: &[Vector<f32, N>],
    plan: &[u32],
    best: &[u32],
    gradient: &[f32],
    out: &mut [Vector<f32, N>],
    rows: u32,
    queries_at: u32,
    slots_at: u32,
    records_at: u32,
    count: u32,
    group: u32,
    stride: u32,
    columns: u32,
) {
    let row = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * CUBE_DIM_Y + UNIT_POS_Y;
    if row < rows {
        let slot = plan[(slots_at + row) as usize];
        let mut query = 0u32;
        let mut start = 0u32;
        let mut end = 0u32;
        if slot != NONE {
            query = plan[(queries_at + slot) as usize];
            // Those of its group, or all.
            start = select(stride == 0u32, query * group, 0u32);
            end = select(stride == 0u32, start + group, count);
        }
        let mut column = UNIT_POS_X;
        while column < columns {
            let mut sum = Vector::<f32, N>::new(0.0f32);
            for document in start..end {
                let record = records_at + document * RECORD;
                let at = plan[(record + MAXIMA) as usize] + slot - plan[(record + FIRST) as usize];
                let token = best[at as usize];
                if token != NONE {
                    let factor = gradient[(query * stride + document) as usize];
                    sum += documents[(token * columns + column) as usize] * Vector::new(factor);
                }
            }
            out[(row * columns + column) as usize] = sum;
            column += CUBE_DIM_X;
        }
    }
}

/// The gradient by each row of the documents: query tokens, scattered.
///
/// A cube takes 32 rows of a document. It sorts the query tokens, 1,024 at a time, by the row that they chose, by counting: unit `(t, p)` finds
/// those of part `p` that chose row `t`. The query tokens of a row then lie side by side, in their order, and are added up.
#[cube(launch)]
fn by_documents_kernel<N: Size>(
    queries: &[Vector<f32, N>],
    plan: &[u32],
    best: &[u32],
    gradient: &[f32],
    out: &mut [Vector<f32, N>],
    count: u32,
    queries_at: u32,
    records_at: u32,
    stride: u32,
    columns: u32,
) {
    let mut chosen = Shared::<[u32]>::new_slice(SORTED);
    let mut factors = Shared::<[f32]>::new_slice(SORTED);
    let mut order = Shared::<[u32]>::new_slice(SORTED);
    let mut ends = Shared::<[u32]>::new_slice(UNITS);
    let document = CUBE_POS_X + CUBE_POS_Z * comptime!(MOST_CUBES as u32);
    let record = records_at + document * RECORD;
    let mut first = 0u32;
    let mut rows = 0u32;
    if document < count {
        first = plan[(record + ROWS) as usize] + CUBE_POS_Y * comptime!(TAKEN as u32);
        let end = plan[(record + RECORD + ROWS) as usize];
        if first < end {
            rows = u32::min(end - first, comptime!(TAKEN as u32));
        }
    }
    if rows > 0u32 {
        let met = plan[(record + MET) as usize];
        let slot = plan[(record + FIRST) as usize];
        let maxima = plan[(record + MAXIMA) as usize];
        let mut start = 0u32;
        // One round at least, which writes zeros.
        let mut more = true;
        while more {
            let length = u32::min(met - start, comptime!(SORTED as u32));
            sync_cube();
            let mut at = UNIT_POS;
            while at < length {
                let query = plan[(queries_at + slot + start + at) as usize];
                chosen[at as usize] = best[(maxima + start + at) as usize];
                factors[at as usize] = gradient[(query * stride + document) as usize];
                at += comptime!(UNITS as u32);
            }
            sync_cube();
            let (taken, part) = (UNIT_POS / comptime!(PARTS as u32), UNIT_POS % comptime!(PARTS as u32));
            let size = (length + comptime!(PARTS as u32 - 1)) / comptime!(PARTS as u32);
            let from = u32::min(part * size, length);
            let to = u32::min(from + size, length);
            let row = first + taken;
            let mut number = 0u32;
            for token in from..to {
                number += select(chosen[token as usize] == row, 1u32, 0u32);
            }
            ends[UNIT_POS as usize] = number;
            sync_cube();
            let mut before = 0u32;
            for unit in 0..UNIT_POS {
                before += ends[unit as usize];
            }
            sync_cube();
            ends[UNIT_POS as usize] = before + number;
            for token in from..to {
                if chosen[token as usize] == row {
                    order[before as usize] = token;
                    before += 1u32;
                }
            }
            sync_cube();
            let mut taken = UNIT_POS_Y;
            while taken < rows {
                let last = taken * comptime!(PARTS as u32) + comptime!(PARTS as u32 - 1);
                let end = ends[last as usize];
                let mut begin = 0u32;
                if taken > 0u32 {
                    begin = ends[(taken * comptime!(PARTS as u32) - 1u32) as usize];
                }
                let mut column = UNIT_POS_X;
                while column < columns {
                    let place = ((first + taken) * columns + column) as usize;
                    let mut sum = Vector::<f32, N>::new(0.0f32);
                    if start > 0u32 {
                        sum = out[place];
                    }
                    for at in begin..end {
                        let token = order[at as usize];
                        let query = plan[(slot + start + token) as usize];
                        let value = queries[(query * columns + column) as usize];
                        sum += value * Vector::new(factors[token as usize]);
                    }
                    out[place] = sum;
                    column += CUBE_DIM_X;
                }
                taken += CUBE_DIM_Y;
            }
            start += length;
            more = start < met;
        }
    }
}

/// The gradient by the queries.
pub(crate) fn by_queries(
    plan: &Plan,
    queries: &CubeTensor,
    documents: &CubeTensor,
    best: &CubeTensor,
    gradient: &CubeTensor,
) -> CubeTensor {
    let [rows, dim] = sizes(queries);
    let out = empty(queries, [rows, dim], DType::F32);
    let (width, columns) = vectors(dim);
    let cube = shape(columns);
    let cubes = rows.div_ceil(cube.y as usize);
    let across = cubes.min(MOST_CUBES);
    by_queries_kernel::launch(
        counted(&queries.client),
        CubeCount::Static(across as u32, cubes.div_ceil(across) as u32, 1),
        cube,
        width,
        documents.clone().into_buffer_arg(),
        plan.lists.clone().into_buffer_arg(),
        best.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        rows as u32,
        plan.at.queries,
        plan.at.slots,
        plan.at.records,
        plan.documents as u32,
        plan.shape[1] as u32,
        plan.stride as u32,
        columns as u32,
    );
    out
}

/// The gradient by the documents.
pub(crate) fn by_documents(
    plan: &Plan,
    queries: &CubeTensor,
    documents: &CubeTensor,
    best: &CubeTensor,
    gradient: &CubeTensor,
) -> CubeTensor {
    let [rows, dim] = sizes(documents);
    let out = empty(documents, [rows, dim], DType::F32);
    let (width, columns) = vectors(dim);
    let across = plan.documents.min(MOST_CUBES);
    let deep = plan.documents.div_ceil(MOST_CUBES);
    by_documents_kernel::launch(
        counted(&queries.client),
        CubeCount::Static(across as u32, plan.most_rows.div_ceil(TAKEN) as u32, deep as u32),
        shape(columns),
        width,
        queries.clone().into_buffer_arg(),
        plan.lists.clone().into_buffer_arg(),
        best.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        plan.documents as u32,
        plan.at.queries,
        plan.at.records,
        plan.stride as u32,
        columns as u32,
    );
    out
}

/// Numbers of a vector, and vectors of a row.
fn vectors(dim: usize) -> (usize, usize) {
    let width = if dim.is_multiple_of(4) { 4 } else { 1 };
    (width, dim / width)
}
