//! The backward pass. Weights are computed again, tile by tile, from the logarithm of each softmax's sum (Dao et al. 2022). With weights P and the
//! gradient by them dP, that by the scores is P (dP - D), where D, the sum of P dP over a query's keys, is also the product of its result with
//! the gradient by it.
//!
//! One kernel sums over keys and has the gradient by q and by the bias; another sums over queries and has those by k and v. So no two cubes add
//! to one number, and the result is the same in every run.

use cubecl::{ir::ElemType, prelude::*};

use super::scores::{Setting, bias_of, factors, less, mask_key, place_of, seen, tile_of_cube, turns};
use super::shape::{BLOCK, Shape};
use super::tile::{
    Four, accumulate, across, down, load, products, rows_of, share, sums_of, weights_of, write_row, write_zeros,
};

/// Where the gradients go: the first elements, and the distance from a row to the next.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Gradients {
    pub q: u32,
    pub k: u32,
    pub v: u32,
    pub stride: u32,
    /// The table of the bias in the workspace.
    pub table: u32,
    /// The sums of each cube by bucket in the workspace.
    pub sums: u32,
}

/// The product of each result with the gradient by it, written to the workspace behind a copy of the logarithms: `[heads, tokens]` each. Behind
/// them the table of the bias is copied.
#[cube(launch_unchecked)]
pub(super) fn prepare_kernel<F: Float, N: Size>(
    output: &[Vector<F, N>],
    gradient: &[Vector<F, N>],
    lse: &[f32],
    table: &[f32],
    workspace: &mut [f32],
    heads: u32,
    tokens: u32,
    table_length: u32,
    #[comptime] shape: Shape,
    #[comptime] rows: usize,
    #[define(F)] _dtype: ElemType,
) {
    let vectors = comptime!(shape.vectors());
    let mut parts = Shared::<[f32]>::new_slice(comptime!(rows * shape.vectors()));
    let cube = CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X;
    let unit = UNIT_POS as usize;
    let row = cube * rows as u32 + (unit / vectors) as u32;
    let mut sum = 0.0f32;
    if row < heads * tokens {
        if comptime!(shape.whole()) {
            let at = row as usize * vectors + unit % vectors;
            let product = Four::cast_from(output[at]) * Four::cast_from(gradient[at]);
            sum = product.extract(0usize) + product.extract(1usize) + product.extract(2usize) + product.extract(3usize);
        } else {
            #[unroll]
            for lane in 0..4usize {
                let column = unit % vectors * 4 + lane;
                if column < shape.head_dim {
                    let at = row as usize * shape.head_dim + column;
                    sum += f32::cast_from(output[at].extract(0usize)) * f32::cast_from(gradient[at].extract(0usize));
                }
            }
        }
    }
    parts[unit] = sum;
    sync_cube();
    if unit < rows {
        let row = cube * rows as u32 + unit as u32;
        if row < heads * tokens {
            let mut sum = 0.0f32;
            for vector in 0..vectors {
                sum += parts[unit * vectors + vector];
            }
            let place = row % heads * tokens + row / heads;
            workspace[place as usize] = lse[place as usize];
            workspace[(heads * tokens + place) as usize] = sum;
        }
    }
    let units = comptime!((rows * shape.vectors()) as u32);
    let all = CUBE_COUNT_X * CUBE_COUNT_Y * units;
    for place in range_stepped(cube * units + UNIT_POS, table_length, all) {
        workspace[(2u32 * heads * tokens + place) as usize] = table[place as usize];
    }
}

/// The gradient by q, and the sums of the gradient by the bias of this tile.
#[cube(launch_unchecked)]
pub(super) fn by_queries_kernel<F: Float, N: Size>(
    q: &[Vector<F, N>],
    k: &[Vector<F, N>],
    v: &[Vector<F, N>],
    gradient: &[Vector<F, N>],
    plan: &[u32],
    workspace: &mut [f32],
    out: &mut [Vector<F, N>],
    setting: &Setting,
    to: &Gradients,
    #[comptime] biased: bool,
    #[comptime] dropped: bool,
    #[comptime] shape: Shape,
    #[define(F)] _dtype: ElemType,
) {
    let tile = tile_of_cube();
    if tile >= setting.tiles {
        terminate!();
    }
    let place = place_of(plan, tile, shape);
    let own_sums = to.sums + (tile * setting.heads + CUBE_POS_X) * setting.buckets;
    if biased {
        for bucket in range_stepped(UNIT_POS, setting.buckets, shape.units() as u32) {
            workspace[(own_sums + bucket) as usize] = 0.0f32;
        }
    }
    if place.first >= place.length {
        terminate!();
    }
    let head_dim = comptime!(shape.head_dim as u32);
    let hidden = setting.heads * head_dim;
    let column = CUBE_POS_X * head_dim;
    let queries = place.length - place.first;
    let turns = turns(setting, shape);
    let (down, across) = (down(shape), across(shape));

    let mut q_tile = rows_of(shape.down, shape);
    let mut gradient_tile = rows_of(shape.down, shape);
    let mut key_tile = rows_of(shape.across, shape);
    let mut weights = weights_of(shape);
    let mut bias = bias_of(biased, shape);
    let mut parts = Shared::<[f32]>::new_slice(comptime!(if biased { (2 * BLOCK - 1) * shape.units() } else { 1 }));

    let row = place.start + place.first;
    let first_row = setting.q + row * setting.stride + column;
    load::<F, N>(q, first_row, setting.stride, queries, setting.scale, &mut q_tile, &turns, shape.down, shape);
    load::<F, N>(
        gradient,
        row * hidden + column,
        hidden,
        queries,
        1.0f32,
        &mut gradient_tile,
        &turns,
        shape.down,
        shape,
    );
    let seen = seen(place.first, place.length, place.keys, setting.window, shape);
    let key = mask_key(&place, setting.site);
    let mut logs = Array::<f32>::new(BLOCK);
    let mut constants = Array::<f32>::new(BLOCK);
    #[unroll]
    for i in 0..BLOCK {
        let query = u32::min(place.first + (down * BLOCK + i) as u32, place.length - 1u32);
        let at = CUBE_POS_X * setting.tokens + place.start + query;
        logs[i] = workspace[at as usize];
        constants[i] = workspace[(setting.heads * setting.tokens + at) as usize];
    }
    let mut scores = Array::<f32>::new(BLOCK * BLOCK);
    let mut by_scores = Array::<f32>::new(BLOCK * BLOCK);
    let mut sums = sums_of(shape);

    let rows = comptime!(shape.rows() as u32);
    let columns = comptime!(shape.columns() as u32);
    let from = less(place.first, setting.window) / 4u32 * 4u32;
    let end = u32::min(place.keys, place.first + rows + setting.window);
    for first_key in range_stepped(from, end, columns) {
        let key_row = (place.start + first_key) * setting.stride + column;
        let keys = place.keys - first_key;
        load::<F, N>(v, setting.v + key_row, setting.stride, keys, 1.0f32, &mut key_tile, &turns, shape.across, shape);
        if biased {
            bias.load(&*workspace, to.table, plan, first_key - place.first - (rows - 1u32), setting, shape);
        }
        sync_cube();
        products(&gradient_tile, &key_tile, &mut by_scores, &turns, shape);
        sync_cube();
        load::<F, N>(k, setting.k + key_row, setting.stride, keys, 1.0f32, &mut key_tile, &turns, shape.across, shape);
        sync_cube();
        products(&q_tile, &key_tile, &mut scores, &turns, shape);
        if biased {
            bias.add(&mut scores, false, shape);
        }
        let first_column = first_key + (across * BLOCK) as u32;
        #[unroll]
        for i in 0..BLOCK {
            let mut mask = Four::new(1.0f32);
            if dropped {
                let query = place.first + (down * BLOCK + i) as u32;
                mask = factors(&key, query, place.length, first_column, setting);
            }
            #[unroll]
            for j in 0..BLOCK {
                let counts = first_column + j as u32 - seen.first[i] < seen.count[i];
                let weight = (scores[i * BLOCK + j] - logs[i]).exp();
                let less = by_scores[i * BLOCK + j] * mask.extract(j) - constants[i];
                by_scores[i * BLOCK + j] = select(counts, weight * less, 0.0f32);
            }
        }
        share(&by_scores, &mut weights, shape);
        sync_cube();
        accumulate(&weights, &key_tile, &mut sums, &turns, shape);
        if biased {
            bias.add_gradient(&by_scores, &mut parts, workspace, own_sums, setting, shape);
        }
        sync_cube();
    }

    #[unroll]
    for i in 0..BLOCK {
        let query = place.first + (down * BLOCK + i) as u32;
        if query < place.length {
            let at = (to.q + (place.start + query) * to.stride + column) as usize;
            write_row::<F, N>(&sums, i, setting.scale, out, at, shape);
        }
    }
}

/// The gradients by k and v. Rows of scores are keys here, and columns queries.
#[cube(launch_unchecked)]
pub(super) fn by_keys_kernel<F: Float, N: Size>(
    q: &[Vector<F, N>],
    k: &[Vector<F, N>],
    v: &[Vector<F, N>],
    gradient: &[Vector<F, N>],
    plan: &[u32],
    workspace: &mut [f32],
    out: &mut [Vector<F, N>],
    setting: &Setting,
    to: &Gradients,
    #[comptime] biased: bool,
    #[comptime] dropped: bool,
    #[comptime] shape: Shape,
    #[define(F)] _dtype: ElemType,
) {
    let tile = tile_of_cube();
    if tile >= setting.tiles {
        terminate!();
    }
    let place = place_of(plan, tile, shape);
    if place.first >= place.length {
        terminate!();
    }
    let head_dim = comptime!(shape.head_dim as u32);
    let hidden = setting.heads * head_dim;
    let column = CUBE_POS_X * head_dim;
    let keys = less(place.keys, place.first);
    let turns = turns(setting, shape);
    let (down, across) = (down(shape), across(shape));
    let rows = comptime!(shape.rows() as u32);
    let columns = comptime!(shape.columns());

    let mut k_tile = rows_of(shape.down, shape);
    let mut v_tile = rows_of(shape.down, shape);
    let mut query_tile = rows_of(shape.across, shape);
    let mut weights = weights_of(shape);
    let mut bias = bias_of(biased, shape);
    let mut logs = Shared::<[f32]>::new_slice(columns);
    let mut constants = Shared::<[f32]>::new_slice(columns);

    let first_row = (place.start + place.first) * setting.stride + column;
    load::<F, N>(k, setting.k + first_row, setting.stride, keys, 1.0f32, &mut k_tile, &turns, shape.down, shape);
    load::<F, N>(v, setting.v + first_row, setting.stride, keys, 1.0f32, &mut v_tile, &turns, shape.down, shape);
    let seen = seen(place.first, place.keys, place.length, setting.window, shape);
    let key = mask_key(&place, setting.site);
    let mut scores = Array::<f32>::new(BLOCK * BLOCK);
    let mut by_scores = Array::<f32>::new(BLOCK * BLOCK);
    let mut by_k = sums_of(shape);
    let mut by_v = sums_of(shape);

    let from = less(place.first, setting.window);
    let mut end = u32::min(place.length, place.first + rows + setting.window);
    if keys == 0u32 {
        end = 0u32;
    }
    for first_query in range_stepped(from, end, columns as u32) {
        let row = place.start + first_query;
        let q_row = setting.q + row * setting.stride + column;
        let queries = place.length - first_query;
        load::<F, N>(q, q_row, setting.stride, queries, setting.scale, &mut query_tile, &turns, shape.across, shape);
        #[unroll]
        for step in 0..comptime!(columns.div_ceil(shape.units())) {
            let place_of_column = UNIT_POS as usize + step * shape.units();
            if place_of_column < columns {
                let query = u32::min(place_of_column as u32, queries - 1u32);
                let at = CUBE_POS_X * setting.tokens + row + query;
                logs[place_of_column] = workspace[at as usize];
                constants[place_of_column] = workspace[(setting.heads * setting.tokens + at) as usize];
            }
        }
        if biased {
            bias.load(&*workspace, to.table, plan, place.first - first_query - (columns as u32 - 1u32), setting, shape);
        }
        sync_cube();
        products(&k_tile, &query_tile, &mut scores, &turns, shape);
        if biased {
            bias.add(&mut scores, true, shape);
        }
        sync_cube();
        load::<F, N>(
            gradient,
            row * hidden + column,
            hidden,
            queries,
            1.0f32,
            &mut query_tile,
            &turns,
            shape.across,
            shape,
        );
        sync_cube();
        products(&v_tile, &query_tile, &mut by_scores, &turns, shape);
        let first_key = place.first + (down * BLOCK) as u32;
        #[unroll]
        for j in 0..BLOCK {
            let query = first_query + (across * BLOCK + j) as u32;
            let mut mask = Four::new(1.0f32);
            if dropped {
                mask = factors(&key, query, place.length, first_key, setting);
            }
            let log = logs[across * BLOCK + j];
            let constant = constants[across * BLOCK + j];
            #[unroll]
            for i in 0..BLOCK {
                let counts = query - seen.first[i] < seen.count[i];
                let weight = select(counts, (scores[i * BLOCK + j] - log).exp(), 0.0f32);
                let less = by_scores[i * BLOCK + j] * mask.extract(i) - constant;
                by_scores[i * BLOCK + j] = select(counts, weight * less, 0.0f32);
                scores[i * BLOCK + j] = weight * mask.extract(i);
            }
        }
        share(&scores, &mut weights, shape);
        sync_cube();
        accumulate(&weights, &query_tile, &mut by_v, &turns, shape);
        sync_cube();
        share(&by_scores, &mut weights, shape);
        load::<F, N>(q, q_row, setting.stride, queries, setting.scale, &mut query_tile, &turns, shape.across, shape);
        sync_cube();
        accumulate(&weights, &query_tile, &mut by_k, &turns, shape);
        sync_cube();
    }

    #[unroll]
    for i in 0..BLOCK {
        let row = place.first + (down * BLOCK + i) as u32;
        if row < place.length {
            let at = (place.start + row) * to.stride + column;
            if row < place.keys {
                write_row::<F, N>(&by_k, i, 1.0f32, out, (to.k + at) as usize, shape);
                write_row::<F, N>(&by_v, i, 1.0f32, out, (to.v + at) as usize, shape);
            } else {
                write_zeros::<F, N>(out, (to.k + at) as usize, shape);
                write_zeros::<F, N>(out, (to.v + at) as usize, shape);
            }
        }
    }
}
