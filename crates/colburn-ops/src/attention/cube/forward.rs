//! The forward pass. A cube has a tile of queries of one head, and goes through the keys that they see. The softmax of a query's scores is taken
//! tile by tile: the largest score so far is subtracted, and the sums are corrected when a larger one comes (Milakov and Gimelshein 2018, Dao
//! et al. 2022). No score outlives its tile.

use cubecl::{ir::ElemType, prelude::*};

use super::scores::{Setting, bias_of, factors, less, mask_key, place_of, seen, tile_of_cube, turns};
use super::shape::{BLOCK, Shape};
use super::tile::{
    Four, accumulate, across, down, load, products, rows_of, share, sums_of, weights_of, write_row, write_zeros,
};

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "a kernel takes its buffers one by one")]
pub(super) fn forward_kernel<F: Float, N: Size>(
    q: &[Vector<F, N>],
    k: &[Vector<F, N>],
    v: &[Vector<F, N>],
    plan: &[u32],
    table: &[f32],
    out: &mut [Vector<F, N>],
    lse: &mut [f32],
    setting: &Setting,
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
    let column = CUBE_POS_X * head_dim;
    let queries = place.length - place.first;
    let turns = turns(setting, shape);
    let (down, across) = (down(shape), across(shape));

    let mut q_tile = rows_of(shape.down, shape);
    let mut key_tile = rows_of(shape.across, shape);
    let mut weights = weights_of(shape);
    // Of each unit a number for each of its rows.
    let mut by_unit = Shared::<[Four]>::new_slice(comptime!(shape.units()));
    let mut bias = bias_of(biased, shape);

    let first_row = setting.q + (place.start + place.first) * setting.stride + column;
    load::<F, N>(q, first_row, setting.stride, queries, setting.scale, &mut q_tile, &turns, shape.down, shape);
    let seen = seen(place.first, place.length, place.keys, setting.window, shape);
    let key = mask_key(&place, setting.site);
    let mut scores = Array::<f32>::new(BLOCK * BLOCK);
    let mut sums = sums_of(shape);
    let mut largest = Four::new(f32::min_value());
    let mut total = Four::new(0.0f32);

    let rows = comptime!(shape.rows() as u32);
    let columns = comptime!(shape.columns() as u32);
    // From a multiple of 4 on, so that the draws of dropout are shared.
    let from = less(place.first, setting.window) / 4u32 * 4u32;
    let end = u32::min(place.keys, place.first + rows + setting.window);
    for first_key in range_stepped(from, end, columns) {
        let key_row = (place.start + first_key) * setting.stride + column;
        load::<F, N>(
            k,
            setting.k + key_row,
            setting.stride,
            place.keys - first_key,
            1.0f32,
            &mut key_tile,
            &turns,
            shape.across,
            shape,
        );
        if biased {
            bias.load(table, 0u32, plan, first_key - place.first - (rows - 1u32), setting, shape);
        }
        sync_cube();
        products(&q_tile, &key_tile, &mut scores, &turns, shape);
        if biased {
            bias.add(&mut scores, false, shape);
        }
        let first_column = first_key + (across * BLOCK) as u32;
        let mut highest = Four::new(0.0f32);
        #[unroll]
        for i in 0..BLOCK {
            let mut most = f32::min_value();
            #[unroll]
            for j in 0..BLOCK {
                let counts = first_column + j as u32 - seen.first[i] < seen.count[i];
                most = f32::max(most, select(counts, scores[i * BLOCK + j], f32::min_value()));
            }
            highest.insert(i, most);
        }
        by_unit[across * shape.down + down] = highest;
        sync_cube();
        load::<F, N>(
            v,
            setting.v + key_row,
            setting.stride,
            place.keys - first_key,
            1.0f32,
            &mut key_tile,
            &turns,
            shape.across,
            shape,
        );
        let before = largest;
        #[unroll]
        for unit in 0..shape.across {
            largest = Four::max(largest, by_unit[unit * shape.down + down]);
        }
        let correction = (before - largest).exp();
        total *= correction;
        #[unroll]
        for i in 0..BLOCK {
            let mut mask = Four::new(1.0f32);
            if dropped {
                let query = place.first + (down * BLOCK + i) as u32;
                mask = factors(&key, query, place.length, first_column, setting);
            }
            let mut sum = total.extract(i);
            #[unroll]
            for j in 0..BLOCK {
                let counts = first_column + j as u32 - seen.first[i] < seen.count[i];
                let weight = select(counts, (scores[i * BLOCK + j] - largest.extract(i)).exp(), 0.0f32);
                sum += weight;
                scores[i * BLOCK + j] = weight * mask.extract(j);
            }
            total.insert(i, sum);
            #[unroll]
            for c in 0..shape.per_unit() {
                sums[i * shape.per_unit() + c] *= Four::new(correction.extract(i));
            }
        }
        share(&scores, &mut weights, shape);
        sync_cube();
        accumulate(&weights, &key_tile, &mut sums, &turns, shape);
        sync_cube();
    }

    by_unit[across * shape.down + down] = total;
    sync_cube();
    let mut total = Four::new(0.0f32);
    #[unroll]
    for unit in 0..shape.across {
        total += by_unit[unit * shape.down + down];
    }
    let hidden = setting.heads * head_dim;
    #[unroll]
    for i in 0..BLOCK {
        let query = place.first + (down * BLOCK + i) as u32;
        if query < place.length {
            let row = place.start + query;
            let at = (row * hidden + column) as usize;
            let mut log = 0.0f32;
            // The sum is 0 with keys, too, if all scores are infinite; then the row is NaN.
            if seen.count[i] > 0u32 {
                write_row::<F, N>(&sums, i, 1.0f32 / total.extract(i), out, at, shape);
                log = largest.extract(i) + total.extract(i).ln();
            } else {
                write_zeros::<F, N>(out, at, shape);
            }
            if across == 0 {
                lse[(CUBE_POS_X * setting.tokens + row) as usize] = log;
            }
        }
    }
}
