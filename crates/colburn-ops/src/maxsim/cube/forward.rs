//! The maxima of query tokens over documents, and their sums.
//!
//! A cube takes one document and a block of query tokens. It multiplies the block with 32 document tokens at a time, each unit some query
//! tokens with 4 document tokens, and keeps the running maxima in registers. Products are never in memory.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::device::RuntimeId;
use cubecl::prelude::*;
use cubecl::{CubeCount, CubeDim, calculate_cube_count_elemwise};

use super::plan::{FIRST, FLOOR, MAXIMA, MET, NONE, Plan, RECORD, TOKENS};
use crate::cube::array::{empty, sizes};
use crate::cube::launches::counted;

/// Units of a cube: 8 along document tokens, 16 along query tokens.
const ACROSS: usize = 8;
const DOWN: usize = 16;
const UNITS: usize = ACROSS * DOWN;

/// Document tokens of a unit, and of a cube at a time.
const OWN: usize = 4;
const PIECE: usize = ACROSS * OWN;

/// Numbers of a vector that are in shared memory at a time, and the distance from a row to the next: rows of neighbouring units begin in
/// different banks.
const SLAB: usize = 16;
const STRIDE: usize = 20;

/// The largest number of cubes in a dimension.
const MOST_CUBES: usize = 65_535;

/// True for NaN, by its bits: compilers for graphics may assume that there is none.
#[cube]
fn is_nan(value: f32) -> bool {
    (u32::reinterpret(value) & 0x7fff_ffffu32) > 0x7f80_0000u32
}

/// Some rows of `x`, from dimension `column` on, into shared memory. Rows that are not are 0.
#[cube]
fn load<N: Size>(
    x: &[Vector<f32, N>],
    plan: &[u32],
    rows_at: u32,
    rows: u32,
    column: u32,
    columns: u32,
    shared: &mut Shared<[Vector<f32, N>]>,
    #[comptime] width: usize,
    #[comptime] count: usize,
) {
    let across = comptime!((SLAB / width) as u32);
    let stride = comptime!((STRIDE / width) as u32);
    #[unroll]
    for part in 0..comptime!(count * SLAB / width / UNITS) {
        let place = UNIT_POS + comptime!((part * UNITS) as u32);
        let (row, vector) = (place / across, place % across);
        let at = column / comptime!(width as u32) + vector;
        let mut value = Vector::<f32, N>::new(0.0f32);
        if row < rows && at < columns {
            value = x[(plan[(rows_at + row) as usize] * columns + at) as usize];
        }
        shared[(row * stride + vector) as usize] = value;
    }
}

/// The maximum of each query token over a document, and the row of the document token that it is the product with. Of equal products the first
/// counts; NaN is larger than everything. A unit takes `per_unit` query tokens.
#[cube(launch)]
fn maxima_kernel<N: Size>(
    queries: &[Vector<f32, N>],
    documents: &[Vector<f32, N>],
    plan: &[u32],
    high: &mut [f32],
    best: &mut [u32],
    count: u32,
    tokens_at: u32,
    records_at: u32,
    columns: u32,
    #[comptime] width: usize,
    #[comptime] per_unit: usize,
    #[comptime] keep: bool,
) {
    let block = comptime!(per_unit * DOWN);
    let mut left = Shared::<[Vector<f32, N>]>::new_slice(comptime!(block * STRIDE / width));
    let mut right = Shared::<[Vector<f32, N>]>::new_slice(comptime!(PIECE * STRIDE / width));
    let mut found = Shared::<[f32]>::new_slice(comptime!(block * ACROSS));
    let mut places = Shared::<[u32]>::new_slice(comptime!(block * ACROSS));
    let document = CUBE_POS_X + CUBE_POS_Z * comptime!(MOST_CUBES as u32);
    let record = records_at + document * RECORD;
    let mut met = 0u32;
    if document < count {
        met = plan[(record + MET) as usize];
    }
    let first = CUBE_POS_Y * comptime!(block as u32);
    if first < met {
        let rows = u32::min(met - first, comptime!(block as u32));
        let rows_at = plan[(record + FIRST) as usize] + first;
        let tokens = plan[(record + TOKENS) as usize];
        let length = plan[(record + RECORD + TOKENS) as usize] - tokens;
        let (x, y) = (UNIT_POS % comptime!(ACROSS as u32), UNIT_POS / comptime!(ACROSS as u32));
        let stride = comptime!((STRIDE / width) as u32);

        let mut value = Array::<f32>::new(per_unit);
        let mut place = Array::<u32>::new(per_unit);
        #[unroll]
        for i in 0..per_unit {
            value[i] = 0.0f32;
            place[i] = NONE.runtime();
        }
        let mut start = 0u32;
        while start < length {
            let piece = u32::min(length - start, comptime!(PIECE as u32));
            let mut sums = Array::<f32>::new(comptime!(per_unit * OWN));
            #[unroll]
            for i in 0..comptime!(per_unit * OWN) {
                sums[i] = 0.0f32;
            }
            let mut column = 0u32;
            while column < columns * comptime!(width as u32) {
                sync_cube();
                load(queries, plan, rows_at, rows, column, columns, &mut left, width, block);
                load(documents, plan, tokens_at + tokens + start, piece, column, columns, &mut right, width, PIECE);
                sync_cube();
                #[unroll]
                for k in 0..comptime!(SLAB / width) {
                    let mut own = Array::<Vector<f32, N>>::new(per_unit);
                    #[unroll]
                    for i in 0..per_unit {
                        let row = y + comptime!((i * DOWN) as u32);
                        own[i] = left[(row * stride + comptime!(k as u32)) as usize];
                    }
                    #[unroll]
                    for j in 0..OWN {
                        let row = x + comptime!((j * ACROSS) as u32);
                        let token = right[(row * stride + comptime!(k as u32)) as usize];
                        #[unroll]
                        for i in 0..per_unit {
                            #[unroll]
                            for e in 0..width {
                                let sum = sums[comptime!(i * OWN + j)];
                                sums[comptime!(i * OWN + j)] = fma(own[i].extract(e), token.extract(e), sum);
                            }
                        }
                    }
                }
                column += comptime!(SLAB as u32);
            }
            #[unroll]
            for j in 0..OWN {
                let token = x + comptime!((j * ACROSS) as u32);
                #[unroll]
                for i in 0..per_unit {
                    let product = sums[comptime!(i * OWN + j)];
                    let higher = (product > value[i] || is_nan(product)) && !is_nan(value[i]);
                    if token < piece && (higher || place[i] == NONE) {
                        value[i] = product;
                        place[i] = start + token;
                    }
                }
            }
            start += comptime!(PIECE as u32);
        }
        #[unroll]
        for i in 0..per_unit {
            let at = (y + comptime!((i * DOWN) as u32)) * comptime!(ACROSS as u32) + x;
            found[at as usize] = value[i];
            places[at as usize] = place[i];
        }
        sync_cube();
        if UNIT_POS < rows {
            let at = UNIT_POS * comptime!(ACROSS as u32);
            let mut largest = found[at as usize];
            let mut where_found = places[at as usize];
            for other in 1..comptime!(ACROSS as u32) {
                let (product, token) = (found[(at + other) as usize], places[(at + other) as usize]);
                let (broken, other_broken) = (is_nan(largest), is_nan(product));
                let same = product == largest || (broken && other_broken);
                let higher = ((product > largest || other_broken) && !broken) || where_found == NONE;
                if token != NONE && (higher || (same && token < where_found)) {
                    largest = product;
                    where_found = token;
                }
            }
            // A product that equals the floor stays, with its gradient; so does NaN. Without a token the maximum is 0.
            if plan[(record + FLOOR) as usize] == 1u32 && largest < 0.0f32 {
                largest = 0.0f32;
                where_found = NONE.runtime();
            }
            let out = (plan[(record + MAXIMA) as usize] + first + UNIT_POS) as usize;
            high[out] = largest;
            if keep {
                let mut row = NONE.runtime();
                if where_found != NONE {
                    row = plan[(tokens_at + tokens + where_found) as usize];
                }
                best[out] = row;
            }
        }
    }
}

/// The sums of the maxima of each query, in order.
#[cube(launch)]
fn scores_kernel(
    high: &[f32],
    plan: &[u32],
    scores: &mut [f32],
    count: u32,
    columns: u32,
    stride: u32,
    offsets_at: u32,
    records_at: u32,
) {
    if ABSOLUTE_POS < count as usize {
        let place = ABSOLUTE_POS as u32;
        let query = place / columns;
        let document = place - query * stride;
        let record = records_at + document * RECORD;
        let start = plan[(offsets_at + query) as usize];
        let end = plan[(offsets_at + query + 1u32) as usize];
        let at = plan[(record + MAXIMA) as usize] - plan[(record + FIRST) as usize];
        let mut sum = 0.0f32;
        for token in start..end {
            sum += high[(at + token) as usize];
        }
        scores[ABSOLUTE_POS] = sum;
    }
}

/// The scores, and the best row of each maximum if `keep` is set.
pub(super) fn scores(
    plan: &Plan,
    queries: &CubeTensor,
    documents: &CubeTensor,
    keep: bool,
) -> (CubeTensor, CubeTensor) {
    let client = &queries.client;
    let [_, dim] = sizes(queries);
    // A buffer of nothing cannot be bound.
    let high = empty(queries, [plan.maxima.max(1)], DType::F32);
    let best = empty(queries, [if keep { plan.maxima.max(1) } else { 1 }], DType::U32);
    if plan.maxima > 0 {
        let width = if dim.is_multiple_of(4) { 4 } else { 1 };
        let per_unit = match plan.most_met {
            0..=32 => 2,
            // More shared memory than WebGPU promises.
            2048.. if queries.device.runtime() == RuntimeId::Cuda => 8,
            _ => 4,
        };
        let across = plan.documents.min(MOST_CUBES);
        let deep = plan.documents.div_ceil(MOST_CUBES);
        let down = plan.most_met.div_ceil(per_unit * DOWN);
        maxima_kernel::launch(
            counted(client),
            CubeCount::Static(across as u32, down as u32, deep as u32),
            CubeDim::new_1d(UNITS as u32),
            width,
            queries.clone().into_buffer_arg(),
            documents.clone().into_buffer_arg(),
            plan.lists.clone().into_buffer_arg(),
            high.clone().into_buffer_arg(),
            best.clone().into_buffer_arg(),
            plan.documents as u32,
            plan.at.tokens,
            plan.at.records,
            (dim / width) as u32,
            width,
            per_unit,
            keep,
        );
    }
    let scores = empty(queries, plan.shape, DType::F32);
    let count: usize = plan.shape.iter().product();
    if count > 0 {
        let cube = CubeDim::new(client, count);
        scores_kernel::launch(
            counted(client),
            calculate_cube_count_elemwise(client, count, cube),
            cube,
            high.into_buffer_arg(),
            plan.lists.clone().into_buffer_arg(),
            scores.clone().into_buffer_arg(),
            count as u32,
            plan.shape[1] as u32,
            plan.stride as u32,
            plan.at.offsets,
            plan.at.records,
        );
    }
    (scores, best)
}
