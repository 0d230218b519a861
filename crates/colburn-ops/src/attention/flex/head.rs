//! One head of one sequence: the places of its rows, the keys that a query sees, and its factors laid out for products.

use std::{cell::Cell, ops::Range};

use pulp::Simd;

use super::product::{LANES, Left, Product};
use crate::masks::Masks;

/// Queries whose scores are computed at once.
pub(super) const QUERIES: usize = 48;
/// Keys of these scores: with the queries 36 KiB, so that they are still in the cache when their softmax is taken.
pub(super) const KEYS: usize = 192;
/// Keys that lie side by side in a transposed factor.
const PANEL: usize = 64;

/// The columns of a head in rows of a run.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub values: &'a [f32],
    /// Distance from a row to the next.
    pub stride: usize,
    /// The start of the head in the first row.
    pub start: usize,
    /// Numbers of the head in a row.
    pub width: usize,
}

impl<'a> Rows<'a> {
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.stride + self.start..][..self.width]
    }

    /// `scale` times these rows, each filled up with zeros to whole vectors, one after the other.
    #[inline(always)]
    pub fn pack(&self, rows: Range<usize>, scale: f32, packed: &mut [f32]) {
        let width = self.width.next_multiple_of(LANES);
        for (row, packed) in rows.zip(packed.chunks_exact_mut(width)) {
            let (blocks, rest) = self.row(row).as_chunks::<LANES>();
            let (packed, last) = packed.as_chunks_mut::<LANES>();
            for (packed, block) in packed.iter_mut().zip(blocks) {
                for (place, value) in packed.iter_mut().zip(block) {
                    *place = scale * value;
                }
            }
            debug_assert!(last.is_empty());
            if !rest.is_empty() {
                let mut block = [0.0; LANES];
                block.iter_mut().zip(rest).for_each(|(place, value)| *place = scale * value);
                packed[blocks.len()] = block;
            }
        }
    }

    /// The transpose of the first `rows` rows in panels of [`PANEL`] of them, the last one narrower, filled up to whole vectors with the last
    /// row: the results of those are never used.
    #[inline(always)]
    pub fn pack_transposed(&self, rows: usize, packed: &mut [f32]) {
        for first in (0..rows).step_by(PANEL) {
            let width = PANEL.min(rows.next_multiple_of(LANES) - first);
            let panel = &mut packed[first * self.width..][..width * self.width];
            for place in (0..width).step_by(LANES) {
                let mut lines = [&self.values[..0]; LANES];
                for (line, numbers) in lines.iter_mut().enumerate() {
                    *numbers = &self.row((first + place + line).min(rows - 1))[..self.width];
                }
                for (column, packed) in panel.chunks_exact_mut(width).take(self.width).enumerate() {
                    for (place, line) in packed[place..place + LANES].iter_mut().zip(&lines) {
                        *place = line[column];
                    }
                }
            }
        }
    }
}

/// The data of one task.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub q: Rows<'a>,
    pub k: Rows<'a>,
    pub v: Rows<'a>,
    /// The number of tokens of the sequence, and of keys among them.
    pub length: usize,
    pub keys: usize,
    pub window: Option<usize>,
    pub masks: Option<&'a Masks>,
    /// The number of the text and that of the head, by which masks are found.
    pub text: usize,
    pub head: usize,
    /// The bias of a score by the distance from query to key, and the place of distance 0.
    pub bias: Option<(&'a [f32], usize)>,
}

impl Head<'_> {
    /// Numbers of the head in a row, filled up to whole vectors.
    pub fn width(&self) -> usize {
        self.q.width.next_multiple_of(LANES)
    }

    pub fn scale(&self) -> f32 {
        (1.0 / (self.q.width as f64).sqrt()) as f32
    }

    /// The keys that these queries see: all that any of them does.
    pub fn seen(&self, queries: Range<usize>) -> Range<usize> {
        let Some(window) = self.window else { return 0..self.keys };
        let end = self.keys.min(queries.end.saturating_add(window));
        queries.start.saturating_sub(window).min(end)..end
    }

    /// The keys seen by these queries in parts of at most [`KEYS`] places, each beginning at a multiple of [`LANES`].
    pub fn parts(&self, queries: Range<usize>) -> impl Iterator<Item = Part> + use<> {
        let seen = self.seen(queries);
        let first = seen.start / LANES * LANES;
        let places = if seen.is_empty() { 0 } else { seen.end.next_multiple_of(LANES) - first };
        // Parts about equally large: a narrow last one would cost nearly as much as a whole one.
        let step = places.div_ceil(places.div_ceil(KEYS).max(1)).next_multiple_of(LANES).max(LANES);
        (0..places).step_by(step).map(move |place| {
            let (first, places) = (first + place, step.min(places - place));
            Part { first, places, keys: places.min(seen.end - first) }
        })
    }

    /// The products of packed rows with the keys of a part, transposed in panels: rows that are [`KEYS`] apart.
    #[inline(always)]
    pub fn products<S: Simd>(&self, simd: S, rows: (&[f32], usize), panels: &[f32], part: &Part, out: &mut [f32]) {
        let (rows, count) = rows;
        let inner = self.q.width;
        let mut place = 0;
        while place < part.places {
            let key = part.first + place;
            let first = key / PANEL * PANEL;
            let width = PANEL.min(self.keys.next_multiple_of(LANES) - first);
            let columns = (first + width - key).min(part.places - place);
            simd.vectorize(Product {
                out: &mut out[place..],
                left: Left::Rows(rows, self.width()),
                right: &panels[first * inner + key - first..],
                strides: [KEYS, width],
                rows: count,
                columns,
                inner,
                add: false,
            });
            place += columns;
        }
    }

    /// The places of a part that a query sees.
    pub fn places(&self, query: usize, part: &Part) -> Range<usize> {
        let Range { start, end } = self.seen(query..query + 1);
        let place = |key: usize| key.saturating_sub(part.first).min(part.places);
        place(start)..place(end).max(place(start))
    }

    /// The bias of a query and the keys of a part.
    pub fn bias(&self, query: usize, part: &Part) -> Option<&[f32]> {
        self.bias.map(|(values, zero)| &values[zero + part.first - query..][..part.places])
    }

    /// The factors of dropout for the weights of a query, at these places of a part.
    pub fn mask<'m>(&self, query: usize, part: &Part, places: Range<usize>, mask: &'m mut [f32]) -> Option<&'m [f32]> {
        let masks = self.masks?;
        let weight = (self.head * self.length + query) * self.length + part.first + places.start;
        let mask = &mut mask[..part.places];
        // The weights of other places are 0, which stays 0 whatever numbers lay here before, unless one is NaN.
        mask[..places.start].fill(0.0);
        mask[places.end..].fill(0.0);
        masks.fill(self.text, weight, &mut mask[places]);
        Some(mask)
    }
}

/// Some of the keys, and what fills them up to whole vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub first: usize,
    /// A multiple of [`LANES`].
    pub places: usize,
    /// The number of places that hold a key.
    pub keys: usize,
}

/// Calls `work` with slices of these lengths, in whole cache lines, of memory that the thread keeps for its next head.
pub(super) fn with_scratch<const N: usize>(lengths: [usize; N], work: impl FnOnce([&mut [f32]; N])) {
    /// The most numbers that a thread keeps: long texts are rare, and need much.
    const KEPT: usize = 1 << 20;
    thread_local! {
        static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    }
    let lengths = lengths.map(|length| length.next_multiple_of(LANES));
    let total = lengths.iter().sum::<usize>() + LANES;
    // Taken out, not borrowed, so that it does not matter what else the thread does meanwhile.
    let mut scratch = SCRATCH.take();
    if scratch.len() < total {
        drop(scratch);
        scratch = vec![0.0; total];
    }
    let offset = scratch.as_ptr().align_offset(64).min(LANES);
    let mut rest = &mut scratch[offset..];
    work(lengths.map(|length| rest.split_off_mut(..length).unwrap_or_default()));
    if scratch.len() <= KEPT {
        SCRATCH.set(scratch);
    }
}
