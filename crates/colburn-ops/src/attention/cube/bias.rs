//! The gradient by the table of a bias, from the sums of each tile.

use cubecl::prelude::*;

/// Columns of a cube, and units for each of them.
pub(super) const COLUMNS: usize = 32;
pub(super) const LINES: usize = 8;

/// Adds the sums of all tiles, which are in `sums` from `first` on, `[tiles, heads, buckets]`, to a table `[buckets, heads]`.
#[cube(launch_unchecked)]
pub(super) fn table_kernel(sums: &[f32], table: &mut [f32], first: u32, tiles: u32, heads: u32, buckets: u32) {
    let mut parts = Shared::<[f32]>::new_slice(comptime!(COLUMNS * LINES));
    let unit = UNIT_POS as usize;
    let (line, place) = (unit / COLUMNS, CUBE_POS_X * COLUMNS as u32 + (unit % COLUMNS) as u32);
    let width = heads * buckets;
    let mut sum = 0.0f32;
    if place < width {
        for tile in range_stepped(line as u32, tiles, LINES as u32) {
            sum += sums[(first + tile * width + place) as usize];
        }
    }
    parts[unit] = sum;
    sync_cube();
    if line == 0 && place < width {
        let mut total = 0.0f32;
        #[unroll]
        for line in 0..LINES {
            total += parts[line * COLUMNS + unit];
        }
        table[(place % buckets * heads + place / buckets) as usize] = total;
    }
}
