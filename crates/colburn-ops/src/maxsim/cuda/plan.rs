//! The work of a call: the pairs of queries and documents that are scored, the places of their maxima, and the items of the blocks.

use std::ops::Range;

use burn_cubecl::{CubeDevice, tensor::CubeTensor};

use super::factors::{Factors, Instructions};
use super::rows::{GROUP, Rows};
use crate::cube::array::upload_lists;

/// Numbers of an item.
const ITEM: usize = 8;

/// The most warps of a block of the kernel of scores. With one half for a number, Hopper has registers for more if no best tokens are kept.
const MOST_WARPS: usize = 8;
const MOST_OF_HOPPER: usize = 12;

/// Hopper's instructions take the rows of so many warps together.
const TOGETHER: usize = 4;

/// Items for each multiprocessor, if there is as much work, so that all are busy until the end.
const ITEMS: usize = 16;

/// The fewest groups of documents of an item, if it meets more: its rows of queries are loaded first.
const FEWEST_GROUPS: usize = 16;

/// See above.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Base and stride of the places of each query.
    pub records: CubeTensor,
    /// The items.
    pub items: CubeTensor,
    /// Number of items.
    pub blocks: usize,
    /// Warps of a block, and their instructions.
    pub warps: usize,
    pub instructions: Instructions,
    /// Number of places.
    pub places: usize,
    /// Numbers of queries and of scores of each.
    pub shape: [usize; 2],
    /// Documents of each query, or 0 if it meets all.
    pub group: usize,
}

impl Plan {
    /// Every query with every document; with `groups`, each query with as many documents of its own. `keep` if the best tokens may be kept.
    pub fn new(
        queries: &Rows,
        documents: &Rows,
        factors: Factors,
        groups: bool,
        keep: bool,
        device: &CubeDevice,
    ) -> Self {
        let group = if groups { documents.texts() / queries.texts().max(1) } else { 0 };
        let most = if groups { queries.most_groups() } else { queries.groups() };
        let (warps, instructions) = warps(most.div_ceil(factors.groups_of_warp()), factors, keep);
        let multiprocessors =
            device.client().properties().hardware.num_streaming_multiprocessors.unwrap_or(132) as usize;
        let mut work = Work {
            documents,
            block: warps * factors.groups_of_warp(),
            chunk: 0,
            places: 0,
            records: Vec::with_capacity(2 * queries.texts()),
            items: Vec::new(),
        };
        let tiles = if groups { 1 } else { queries.groups().div_ceil(work.block) };
        work.chunk = (documents.groups() * tiles / (ITEMS * multiprocessors)).max(FEWEST_GROUPS);
        if groups {
            for query in 0..queries.texts() {
                let (first, count) = (queries.first_group(query), queries.groups_of(query));
                work.records.extend([work.places as u32, count as u32]);
                work.add(first..first + count, query * group..(query + 1) * group);
            }
        } else {
            let all = queries.groups();
            (0..queries.texts()).for_each(|query| work.records.extend([queries.first_group(query) as u32, all as u32]));
            work.add(0..all, 0..documents.texts());
        }
        let [records, items] = upload_lists(device, [&work.records, &work.items]);
        Self {
            records,
            items,
            blocks: work.items.len() / ITEM,
            warps,
            instructions,
            places: work.places,
            shape: [queries.texts(), if groups { group } else { documents.texts() }],
            group,
        }
    }
}

/// The warps of a block, and their instructions, for rows that so many warps can hold.
fn warps(needed: usize, factors: Factors, keep: bool) -> (usize, Instructions) {
    if !factors.hopper || needed < TOGETHER {
        return (needed.next_power_of_two().min(MOST_WARPS), Instructions::Common);
    }
    let most = if keep || factors.split { MOST_WARPS } else { MOST_OF_HOPPER };
    (needed.next_multiple_of(TOGETHER).min(most), Instructions::Hopper)
}

/// The lists while they are made.
struct Work<'a> {
    documents: &'a Rows,
    /// Groups of queries of a block.
    block: usize,
    /// Groups of documents of an item, or those of one document that has more.
    chunk: usize,
    places: usize,
    records: Vec<u32>,
    items: Vec<u32>,
}

impl Work<'_> {
    /// Adds the items of neighbouring groups of queries with neighbouring documents, and their places. Items with the same documents follow each other,
    /// so that these are in the device's cache.
    fn add(&mut self, groups: Range<usize>, documents: Range<usize>) {
        let stride = groups.len();
        let mut start = documents.start;
        while start < documents.end {
            let first = self.documents.first_group(start);
            let mut end = start + 1;
            while end < documents.end && self.documents.first_group(end + 1) - first <= self.chunk {
                end += 1;
            }
            let last = self.documents.first_group(end);
            for tile in groups.clone().step_by(self.block).filter(|_| last > first) {
                let count = self.block.min(groups.end - tile);
                let place = self.places + (start - documents.start) * stride + tile - groups.start;
                let numbers = [GROUP * tile, count, first, last, start, place, stride, place >> 32];
                self.items.extend(numbers.map(|number| number as u32));
            }
            start = end;
        }
        self.places += stride * documents.len();
    }
}
