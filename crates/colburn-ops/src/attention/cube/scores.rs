//! The scores of a tile: which of them count, their bias and their masks of dropout.

use cubecl::prelude::*;

use super::shape::{BLOCK, Shape};
use super::tile::{Four, across, down};
use super::turns::Turns;
use crate::cube::random::{Wide, mix};

/// Numbers of the plan for a tile: see [`Plan`](super::plan::Plan).
pub(super) const RECORD: usize = 6;

/// Rows of a tile of the plan.
pub(super) const PLANNED: usize = 32;

/// The most cubes along a dimension of the grid.
pub(super) const MOST_CUBES: u32 = 32768;

/// The settings of a kernel, and the places of its inputs.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Setting {
    /// The first elements of q, k and v, and the distance from a row of theirs to the next.
    pub q: u32,
    pub k: u32,
    pub v: u32,
    pub stride: u32,
    pub heads: u32,
    pub tokens: u32,
    /// Number of tiles of rows, as small as those of the kernel.
    pub tiles: u32,
    /// The largest distance of a key.
    pub window: u32,
    /// The factor of the queries.
    pub scale: f32,
    /// The masks of dropout: see [`DeviceMasks`](crate::cube::texts::DeviceMasks).
    pub site: u32,
    pub threshold: u32,
    pub kept: f32,
    /// The first bucket of a distance in the plan, the length of the longest text, and the number of buckets.
    pub distances: u32,
    pub longest: u32,
    pub buckets: u32,
    /// Vectors in a row of a head, and blocks along the columns of a tile of scores: see [`turns`].
    pub vectors: u32,
    pub across: u32,
}

/// The numbers of turns, as the compiler of the device is to know them.
#[cube]
pub(super) fn turns(setting: &Setting, #[comptime] shape: Shape) -> Turns {
    if comptime!(shape.fixed) {
        Turns { vectors: shape.vectors().runtime(), across: shape.across.runtime() }
    } else {
        Turns { vectors: setting.vectors as usize, across: setting.across as usize }
    }
}

/// A tile of rows of one text.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Place {
    /// The first row of the text in the run.
    pub start: u32,
    pub length: u32,
    pub keys: u32,
    /// The first row of the tile in the text.
    pub first: u32,
    /// The seed of the text.
    pub seed_low: u32,
    pub seed_high: u32,
}

/// The tile of rows of this cube.
#[cube]
pub(super) fn tile_of_cube() -> u32 {
    CUBE_POS_Z * MOST_CUBES + CUBE_POS_Y
}

/// The place of a tile of rows. The tiles of the plan are cut in smaller ones, of which those at the end of a text may have no rows.
#[cube]
pub(super) fn place_of(plan: &[u32], tile: u32, #[comptime] shape: Shape) -> Place {
    let parts = comptime!((PLANNED / shape.rows()) as u32);
    let at = (tile / parts) as usize * RECORD;
    Place {
        start: plan[at],
        length: plan[at + 1],
        keys: plan[at + 2],
        first: plan[at + 3] + tile % parts * comptime!(shape.rows() as u32),
        seed_low: plan[at + 4],
        seed_high: plan[at + 5],
    }
}

/// The difference, 0 if it is less.
#[cube]
pub(super) fn less(x: u32, by: u32) -> u32 {
    select(x > by, x - by, 0u32)
}

/// The places that the rows of a unit see: the first one, and how many.
#[derive(CubeType)]
pub(super) struct Seen {
    pub first: Array<u32>,
    pub count: Array<u32>,
}

/// The places seen by the rows of a unit in the tile that begins at `first`: of rows before `rows` those places before `others` that are
/// within the window.
#[cube]
pub(super) fn seen(first: u32, rows: u32, others: u32, window: u32, #[comptime] shape: Shape) -> Seen {
    let mut firsts = Array::<u32>::new(BLOCK);
    let mut counts = Array::<u32>::new(BLOCK);
    #[unroll]
    for i in 0..BLOCK {
        let row = first + (down(shape) * BLOCK + i) as u32;
        let from = less(row, window);
        let end = u32::min(others, row + window + 1u32);
        firsts[i] = from;
        counts[i] = select(row < rows, less(end, from), 0u32);
    }
    Seen { first: firsts, count: counts }
}

/// The seed of the masks of a text at this place in the network.
#[cube]
pub(super) fn mask_key(place: &Place, site: u32) -> Wide {
    mix(Wide { low: place.seed_low, high: place.seed_high }, Wide { low: site, high: 0u32 })
}

/// The factors of dropout of a query for four keys from `first` on, each 0 or the scale. The element of a weight is
/// `(head · length + query) · length + key`, as in [`Masks::fill`](crate::masks::Masks::fill), and two neighbours share a draw.
#[cube]
pub(super) fn factors(key: &Wide, query: u32, length: u32, first: u32, setting: &Setting) -> Four {
    let row = CUBE_POS_X * length + query;
    let base = row * length;
    let low = base + first;
    let high = u32::mul_hi(row, length) + u32::cast_from(low < base);
    let is_odd = low & 1u32 == 1u32;
    let half = (low >> 1u32) | (high << 31u32);
    let half_high = high >> 1u32;
    let one = draw(key, Wide { low: half, high: half_high });
    let next = half + 1u32;
    let next_high = half_high + u32::cast_from(next == 0u32);
    let two = draw(key, Wide { low: next, high: next_high });
    let mut last = 0u32;
    if is_odd {
        let third = next + 1u32;
        last = draw(key, Wide { low: third, high: next_high + u32::cast_from(third == 0u32) }).low;
    }
    let mut result = Four::new(0.0f32);
    result.insert(0usize, factor(select(is_odd, one.high, one.low), setting));
    result.insert(1usize, factor(select(is_odd, two.low, one.high), setting));
    result.insert(2usize, factor(select(is_odd, two.high, two.low), setting));
    result.insert(3usize, factor(select(is_odd, last, two.high), setting));
    result
}

#[cube]
fn draw(key: &Wide, position: Wide) -> Wide {
    mix(Wide { low: key.low, high: key.high }, position)
}

#[cube]
fn factor(bits: u32, setting: &Setting) -> f32 {
    select(bits < setting.threshold, 0.0f32, setting.kept)
}

/// The bias of a tile of scores by distance.
#[derive(CubeType)]
pub(super) struct Bias {
    /// The bias of each distance from the least one of the tile on.
    pub values: Shared<[f32]>,
    /// The bucket of each distance.
    pub buckets: Shared<[u32]>,
}

/// Room for the bias of a tile.
#[cube]
pub(super) fn bias_of(#[comptime] biased: bool, #[comptime] shape: Shape) -> Bias {
    let count = comptime!(if biased { shape.rows() + shape.columns() } else { 1 });
    Bias { values: Shared::new_slice(count), buckets: Shared::new_slice(count) }
}

#[cube]
impl Bias {
    /// Loads the bias of this head. The table is in `numbers` from `table` on, `[buckets, heads]`; `least` is the least distance from query to
    /// key in the tile, as a number of 32 bits that wraps.
    pub fn load(
        &mut self,
        numbers: &[f32],
        table: u32,
        plan: &[u32],
        least: u32,
        setting: &Setting,
        #[comptime] shape: Shape,
    ) {
        let count = comptime!(shape.rows() + shape.columns() - 1);
        #[unroll]
        for step in 0..comptime!(count.div_ceil(shape.units())) {
            let place = UNIT_POS + (step * shape.units()) as u32;
            if place < count as u32 {
                let distance = least + place + setting.longest - 1u32;
                let mut value = 0.0f32;
                let mut bucket = setting.buckets;
                // Scores at other distances do not count, and are of no bucket.
                if distance < 2u32 * setting.longest - 1u32 {
                    bucket = plan[(setting.distances + distance) as usize];
                    value = numbers[(table + bucket * setting.heads + CUBE_POS_X) as usize];
                }
                self.values[place as usize] = value;
                self.buckets[place as usize] = bucket;
            }
        }
    }

    /// Adds the bias to a unit's scores. The distance grows with the column, or with the row if `by_key` is set.
    pub fn add(&self, scores: &mut Array<f32>, #[comptime] by_key: bool, #[comptime] shape: Shape) {
        let (down, across) = (BLOCK * down(shape), BLOCK * across(shape));
        let zero = if by_key { down + shape.columns() - 1 - across } else { across + shape.rows() - 1 - down };
        // The distances within a block.
        let mut values = Array::<f32>::new(2 * BLOCK - 1);
        #[unroll]
        for place in 0..2 * BLOCK - 1 {
            values[place] = self.values[zero + place - (BLOCK - 1)];
        }
        #[unroll]
        for i in 0..BLOCK {
            #[unroll]
            for j in 0..BLOCK {
                let place = comptime!(if by_key { i + BLOCK - 1 - j } else { j + BLOCK - 1 - i });
                scores[i * BLOCK + j] += values[place];
            }
        }
    }

    /// Adds the gradient by the bias of each bucket, from the gradients by a unit's scores, to this cube's sums from `sums` on. Distance grows
    /// with the column. The values are lost.
    pub fn add_gradient(
        &mut self,
        by_scores: &Array<f32>,
        parts: &mut Shared<[f32]>,
        numbers: &mut [f32],
        sums: u32,
        setting: &Setting,
        #[comptime] shape: Shape,
    ) {
        let units = comptime!(shape.units());
        #[unroll]
        for distance in 0..2 * BLOCK - 1 {
            let mut sum = 0.0f32;
            #[unroll]
            for i in 0..BLOCK {
                let j = comptime!((distance + i) as i32 - (BLOCK as i32 - 1));
                if comptime!(j >= 0 && j < BLOCK as i32) {
                    sum += by_scores[i * BLOCK + comptime!(j as usize)];
                }
            }
            parts[distance * units + UNIT_POS as usize] = sum;
        }
        sync_cube();
        let count = comptime!(shape.rows() + shape.columns() - 1);
        #[unroll]
        for step in 0..comptime!(count.div_ceil(units)) {
            let place = UNIT_POS as usize + step * units;
            if place < count {
                // The distance is 4 · blocks + rest, with some blocks too many; also 4 · (blocks + 1) + rest - 4.
                let blocks = (place + 1) / BLOCK;
                let rest = (place + 1) % BLOCK;
                let mut sum = 0.0f32;
                for down in 0..shape.down {
                    let across = down + blocks;
                    if across >= shape.down && across < shape.down + shape.across {
                        sum += parts[(rest + BLOCK - 1) * units + down * shape.across + across - shape.down];
                    }
                    if rest > 0 && across + 1 >= shape.down && across + 1 < shape.down + shape.across {
                        sum += parts[(rest - 1) * units + down * shape.across + across + 1 - shape.down];
                    }
                }
                self.values[place] = sum;
            }
        }
        sync_cube();
        for bucket in range_stepped(UNIT_POS, setting.buckets, units as u32) {
            let mut sum = 0.0f32;
            for place in 0..count {
                sum += select(self.buckets[place] == bucket, self.values[place], 0.0f32);
            }
            numbers[(sums + bucket) as usize] += sum;
        }
    }
}
