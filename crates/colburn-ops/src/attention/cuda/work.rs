//! The work of a batch for the kernels in CUDA C++: slots of 16 rows, groups of slots, and a list of groups and heads for each block. It follows
//! from the lengths of the texts, and is the same for all layers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use burn_cubecl::{CubeDevice, tensor::CubeTensor};

use crate::cube::array::upload;
use crate::spans::Spans;

/// Rows of a slot.
const ROWS: usize = 16;

/// Numbers of a slot.
const RECORD: usize = 8;

/// The dropped weights of a text are not saved.
const NOT_SAVED: u32 = u32::MAX;

/// The cost of an item is this plus twice the slots of its longest text: the kernels' shares of fixed work, measured on an H200, in halves.
const FIXED_COST: usize = 11;

/// Slots, and lists of items for persistent blocks.
#[derive(Debug)]
pub(super) struct Lists {
    pub slots: CubeTensor,
    pub starts: CubeTensor,
    pub items: CubeTensor,
    /// Number of items.
    pub count: usize,
    pub blocks: u32,
}

/// Groups of slots of long texts, one block each and head.
#[derive(Debug)]
pub(super) struct Tiles {
    pub slots: CubeTensor,
    pub groups: u32,
}

/// Some slots side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    first: usize,
    cost: usize,
}

impl Lists {
    /// The lists of these texts for at most so many blocks of so many warps.
    pub fn new(spans: &Spans, texts: &[usize], warps: usize, heads: usize, blocks: usize, device: &CubeDevice) -> Self {
        let (slots, groups) = groups(spans, texts, warps);
        let lists = share_out(&groups, heads, blocks);
        let mut starts = vec![0u32];
        let mut items = Vec::new();
        for list in &lists {
            items.extend(list.iter().flat_map(|&(slot, head)| [slot as u32, head as u32]));
            starts.push((items.len() / 2) as u32);
        }
        Self {
            slots: upload(device, &slots),
            starts: upload(device, &starts),
            items: upload(device, &items),
            count: items.len() / 2,
            blocks: lists.len() as u32,
        }
    }
}

impl Tiles {
    /// The tiles of these texts.
    pub fn new(spans: &Spans, texts: &[usize], warps: usize, device: &CubeDevice) -> Self {
        let mut slots = Vec::new();
        for &text in texts {
            tiles(spans, text, warps, &mut slots);
        }
        Self { slots: upload(device, &slots), groups: (slots.len() / RECORD / warps) as u32 }
    }
}

/// Adds the slots of a text, filled up to whole groups.
fn tiles(spans: &Spans, text: usize, warps: usize, slots: &mut Vec<u32>) {
    for row in (0..spans.length(text)).step_by(ROWS * warps) {
        (0..warps).for_each(|warp| slots.extend(slot(spans, text, row + ROWS * warp, 0)));
    }
}

fn slot(spans: &Spans, text: usize, row: usize, base: usize) -> [u32; RECORD] {
    let (start, length, keys) = (spans.range(text).start, spans.length(text), spans.keys(text));
    let [start, length, keys, row, text, base] = [start, length, keys, row, text, base].map(|number| number as u32);
    [start, length, keys, row, text, base, NOT_SAVED, 0]
}

fn slots_of(spans: &Spans, text: usize) -> usize {
    spans.length(text).div_ceil(ROWS)
}

/// The slots of all texts and the groups that they form. Short texts share groups; the first that has room takes a text, long ones first.
fn groups(spans: &Spans, texts: &[usize], warps: usize) -> (Vec<u32>, Vec<Group>) {
    let (mut slots, mut groups) = (Vec::new(), Vec::new());
    let (mut short, long): (Vec<usize>, Vec<usize>) =
        texts.iter().copied().partition(|&text| slots_of(spans, text) <= warps);
    for text in long {
        let before = slots.len() / RECORD;
        tiles(spans, text, warps, &mut slots);
        let cost = FIXED_COST + 2 * slots_of(spans, text);
        groups.extend((before..slots.len() / RECORD).step_by(warps).map(|first| Group { first, cost }));
    }
    short.sort_by_key(|&text| Reverse(slots_of(spans, text)));
    let mut bins: Vec<(usize, Vec<usize>)> = Vec::new();
    for text in short {
        let count = slots_of(spans, text);
        match bins.iter_mut().find(|(taken, _)| taken + count <= warps) {
            Some((taken, texts)) => {
                *taken += count;
                texts.push(text);
            }
            None => bins.push((count, vec![text])),
        }
    }
    for (taken, texts) in bins {
        let cost = FIXED_COST + 2 * texts.first().map_or(0, |&text| slots_of(spans, text));
        groups.push(Group { first: slots.len() / RECORD, cost });
        let mut base = 0;
        for text in texts {
            let count = slots_of(spans, text);
            (0..count).for_each(|number| slots.extend(slot(spans, text, ROWS * number, base)));
            base += count;
        }
        slots.extend(std::iter::repeat_n(0, (warps - taken) * RECORD));
    }
    (slots, groups)
}

/// Lists of slots and heads that take about equally long: the dearest item goes to the block with the least to do.
fn share_out(groups: &[Group], heads: usize, blocks: usize) -> Vec<Vec<(usize, usize)>> {
    let mut sorted: Vec<Group> = groups.to_vec();
    sorted.sort_by_key(|group| Reverse(group.cost));
    let blocks = blocks.min(groups.len() * heads).max(1);
    let mut lists = vec![Vec::new(); blocks];
    let mut loads: BinaryHeap<Reverse<(usize, usize)>> = (0..blocks).map(|block| Reverse((0, block))).collect();
    for group in sorted {
        for head in 0..heads {
            let Some(Reverse((load, block))) = loads.pop() else { return lists };
            lists[block].push((group.first, head));
            loads.push(Reverse((load + group.cost, block)));
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_row_has_one_slot_and_each_head_of_a_group_one_item() {
        let lengths: Vec<usize> = (0..60).map(|text| (text * 37) % 230).collect();
        let spans = Spans::from_lengths(&lengths);
        let texts: Vec<usize> = (0..60).filter(|&text| lengths[text] > 0).collect();
        for warps in [4, 12] {
            let (slots, groups) = groups(&spans, &texts, warps);
            let mut rows = HashSet::new();
            for (place, slot) in slots.chunks(RECORD).enumerate() {
                let [start, length, _, row, text, base, ..] = *slot else { panic!("a slot is short") };
                if length == 0 {
                    continue;
                }
                assert_eq!(start as usize, spans.range(text as usize).start);
                if spans.length(text as usize).div_ceil(ROWS) <= warps {
                    assert_eq!(place % warps, (base + row / 16) as usize, "the place in the group");
                }
                let rows_of_slot = row..(row + 16).min(length);
                assert!(rows_of_slot.into_iter().all(|row| rows.insert((text, row))), "a row twice");
            }
            assert_eq!(rows.len(), spans.tokens());
            let lists = share_out(&groups, 3, 7);
            let items: HashSet<(usize, usize)> = lists.iter().flatten().copied().collect();
            assert_eq!((lists.len(), items.len()), (7, 3 * groups.len()));
            assert_eq!(lists.iter().map(Vec::len).sum::<usize>(), items.len());
        }
    }

    #[test]
    fn few_items_need_few_blocks() {
        let (_, groups) = groups(&Spans::from_lengths(&[5]), &[0], 12);
        assert_eq!(share_out(&groups, 2, 132), vec![vec![(0, 0)], vec![(0, 1)]]);
    }
}
