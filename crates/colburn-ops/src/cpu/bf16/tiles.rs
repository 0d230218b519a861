//! The product in parts: the right operand is packed once, then tiles of the result are shared out, each of which packs its rows of the left one.

use rayon::prelude::*;

use super::super::matrix::{Matrix, fits};
use super::kernel;
use super::pack::{self, COLUMNS, DEPTH, Left, NO_LEFT, ROWS, Right};

/// Blocks along the inner dimension that are multiplied in one go: a panel of the right operand, 24 KiB, and one of the left, 12 KiB, are
/// in the first cache together.
const BLOCKS: usize = 12;
/// Panels of rows in a tile: these, packed, take 96 KiB of the second cache.
const ROW_PANELS: usize = 8;
/// Panels of columns in a tile whose places are visited more than once: its numbers, 168 KiB, stay in the second cache.
const COLUMN_PANELS: usize = 12;
/// Runs of blocks of the right operand that are packed at a time, so that a gradient by a weight needs no copy of a whole batch.
const RUNS: usize = 10;
/// Tiles that are worth having: fewer leave cores idle at the end.
const TILES: usize = 16;

/// A sign that the processor has the instructions: AVX-512 F and BW, and AVX512-BF16.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512Bf16(());

impl Avx512Bf16 {
    pub fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        has.then_some(Self(()))
    }

    fn pack_right(self, b: &Matrix, inner: usize, column: usize) -> Right {
        // SAFETY: the processor has the instructions, or there would be no `self`.
        unsafe { pack::right(b, inner, column) }
    }

    fn pack_left(self, block: &mut Left, a: &Matrix, row: usize, inner: usize) {
        // SAFETY: as above.
        unsafe { pack::left(block, a, row, inner) }
    }

    fn multiply(
        self,
        by_pair: bool,
        rows: &mut [&mut [f32]],
        column: usize,
        (left, right): (&[Left], &[Right]),
        add: bool,
    ) {
        // SAFETY: as above.
        unsafe {
            if by_pair {
                kernel::panels::<true>(rows, column, left, right, add);
            } else {
                kernel::panels::<false>(rows, column, left, right, add);
            }
        }
    }
}

/// As [`super::product`].
pub(super) fn product(cpu: Avx512Bf16, out: &mut [f32], width: usize, a: Matrix, b: Matrix, add: bool) {
    let ([rows, inner], [b_inner, columns]) = (a.shape(), b.shape());
    assert_eq!(inner, b_inner, "the inner dimension of a product");
    assert!(fits(out.len(), rows, columns, width), "a product of {rows} x {columns} beyond its slice");
    if rows == 0 || columns == 0 {
        return;
    }
    let whole = rows * columns * inner < 1 << 21;
    let blocks = inner.div_ceil(DEPTH).max(1);
    // The runs of a long inner dimension, about alike in length.
    let run = blocks.div_ceil(blocks.div_ceil(BLOCKS));
    for first in (0..blocks).step_by(run * RUNS) {
        let blocks = first..blocks.min(first + run * RUNS);
        let right = packed_right(cpu, &b, &blocks, whole);
        let right = right.chunks_exact(blocks.len());
        let mut tiles = tiles(out, width, [rows, columns], blocks.len() > run);
        let least = if whole { tiles.len() } else { 1 };
        let buffer = || vec![NO_LEFT; ROW_PANELS * run];
        tiles.par_iter_mut().with_min_len(least).for_each_init(buffer, |buffer, tile| {
            let panels = right.clone().skip(tile.column / COLUMNS).take(tile.columns.div_ceil(COLUMNS));
            for start in (0..blocks.len()).step_by(run) {
                let part = start..blocks.len().min(start + run);
                let inner = (blocks.start + start) * DEPTH;
                tile.multiply(
                    cpu,
                    buffer,
                    &a,
                    inner,
                    panels.clone().map(|panel| &panel[part.clone()]),
                    add || inner > 0,
                );
            }
        });
    }
}

/// Panel after panel of columns, each with the blocks asked for.
fn packed_right(cpu: Avx512Bf16, b: &Matrix, blocks: &std::ops::Range<usize>, whole: bool) -> Vec<Right> {
    let panels = b.shape()[1].div_ceil(COLUMNS);
    let count = panels * blocks.len();
    let block = |place: usize| {
        let (panel, block) = (place / blocks.len(), blocks.start + place % blocks.len());
        cpu.pack_right(b, block * DEPTH, panel * COLUMNS)
    };
    (0..count).into_par_iter().with_min_len(if whole { count } else { BLOCKS }).map(block).collect()
}

/// A part of the result: the same columns of some rows that follow each other.
struct Tile<'a> {
    places: Vec<&'a mut [f32]>,
    row: usize,
    column: usize,
    columns: usize,
}

impl Tile<'_> {
    /// Adds the product of some blocks along the inner dimension, or writes it. The panels of the right operand hold these blocks.
    fn multiply<'b>(
        &mut self,
        cpu: Avx512Bf16,
        buffer: &mut [Left],
        a: &Matrix,
        inner: usize,
        right: impl Iterator<Item = &'b [Right]> + Clone,
        add: bool,
    ) {
        let depth = right.clone().next().map_or(0, <[Right]>::len);
        let by_pair = pack::by_pair(a);
        let mut panels: Vec<(&mut [&mut [f32]], &mut [Left])> =
            self.places.chunks_mut(ROWS).zip(buffer.chunks_mut(depth.max(1))).collect();
        for (panel, (_, left)) in panels.iter_mut().enumerate() {
            for (block, left) in left.iter_mut().enumerate() {
                cpu.pack_left(left, a, self.row + panel * ROWS, inner + block * DEPTH);
            }
        }
        for (panel, right) in right.enumerate() {
            for (rows, left) in &mut panels {
                cpu.multiply(by_pair, rows, panel * COLUMNS, (left, right), add);
            }
        }
    }
}

/// The tiles of the result, row after row. Unless its places are visited `again`, tiles are as wide as the result, so that no row of the left
/// operand is packed twice.
fn tiles(out: &mut [f32], width: usize, [rows, columns]: [usize; 2], again: bool) -> Vec<Tile<'_>> {
    let tall = rows.div_ceil(ROWS * ROW_PANELS) >= TILES;
    let tile_columns = if tall && !again { columns } else { COLUMNS * COLUMN_PANELS };
    let mut tiles = Vec::new();
    for (number, band) in out.chunks_mut(width * ROWS * ROW_PANELS).enumerate() {
        let row = number * ROWS * ROW_PANELS;
        let in_row = (0..columns).step_by(tile_columns);
        let of_column = |column| Tile { places: Vec::new(), row, column, columns: tile_columns.min(columns - column) };
        let first = tiles.len();
        tiles.extend(in_row.map(of_column));
        for places in band.chunks_mut(width).take(rows.saturating_sub(row)) {
            let places = places[..columns].chunks_mut(tile_columns);
            tiles[first..].iter_mut().zip(places).for_each(|(tile, places)| tile.places.push(places));
        }
    }
    tiles.retain(|tile| !tile.places.is_empty());
    tiles
}
