//! The choice of the best tokens: a cube finds the `k` best document tokens of a query token, and the best kept one of each document that it is
//! scored with.
//!
//! The `k`-th best product is found by its bits, two at a time from the highest: the products that agree with it so far are counted by their next two
//! bits. Counts are sums in registers, so that no atomics are needed. If several products equal it and not all of them are among the `k` best, the place
//! of the last one that is, is found in the same way.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::CubeDim;
use cubecl::prelude::*;

use crate::cube::array::{cubes, empty};
use crate::cube::launches::counted;
use crate::maxsim::cube::plan::{FIRST, FLOOR, MAXIMA, NONE, Plan, RECORD, TOKENS};

/// Units of a cube.
const UNITS: usize = 256;

/// The products of some neighbouring query tokens with all document tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// `[query tokens, document tokens]`.
    pub products: &'a CubeTensor,
    /// The first of the query tokens.
    pub first_row: usize,
    /// The first of them that counts, and the one behind the last, among those that count.
    pub slots: [usize; 2],
    /// Number of document tokens.
    pub width: usize,
}

/// The best product of each query token with each document, and the document token that it is the product with, in the places of MaxSim's maxima.
#[derive(Clone, Debug)]
pub(super) struct Best {
    pub products: CubeTensor,
    pub tokens: CubeTensor,
}

impl Best {
    /// Room for the results of all parts.
    pub fn new(plan: &Plan, like: &CubeTensor) -> Self {
        // A buffer of nothing cannot be bound.
        let count = plan.maxima.max(1);
        Self { products: empty(like, [count], DType::F32), tokens: empty(like, [count], DType::U32) }
    }

    /// Writes those of a part.
    pub fn select(&self, plan: &Plan, part: Part<'_>, k: usize) {
        let [first, end] = part.slots;
        if first == end {
            return;
        }
        let counting = plan.at.records - plan.at.tokens;
        select_kernel::launch(
            counted(&part.products.client),
            cubes(end - first),
            CubeDim::new_1d(UNITS as u32),
            part.products.clone().into_buffer_arg(),
            plan.lists.clone().into_buffer_arg(),
            self.products.clone().into_buffer_arg(),
            self.tokens.clone().into_buffer_arg(),
            first as u32,
            end as u32,
            part.first_row as u32,
            part.width as u32,
            k.min(counting as usize) as u32,
            counting,
            plan.at.queries,
            plan.at.tokens,
            plan.at.records,
            plan.shape[1] as u32,
            u32::from(plan.stride == 0),
        );
    }
}

/// True for NaN, by its bits: compilers for graphics may assume that there is none.
#[cube]
pub(super) fn is_nan(value: f32) -> bool {
    (u32::reinterpret(value) & 0x7fff_ffffu32) > 0x7f80_0000u32
}

/// A number in the order of products, of which NaN is as large as the largest.
#[cube]
fn key(product: f32) -> u32 {
    let bits = select(is_nan(product), 0x7f80_0000u32, u32::reinterpret(product));
    select(bits >> 31u32 == 1u32, bits ^ 0xffff_ffffu32, bits | 0x8000_0000u32)
}

/// The sum of three counts of all units, for all of them.
#[cube]
fn sums(one: u32, two: u32, three: u32, shared: &mut Shared<[u32]>) -> (u32, u32, u32) {
    let (at, second, third) = (UNIT_POS as usize, comptime!(UNITS), comptime!(2 * UNITS));
    shared[at] = one;
    shared[at + second] = two;
    shared[at + third] = three;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half > 0 {
        if at < half {
            let other = at + half;
            let (a, b, c) = (shared[other], shared[other + second], shared[other + third]);
            shared[at] += a;
            shared[at + second] += b;
            shared[at + third] += c;
        }
        sync_cube();
        half /= 2;
    }
    let totals = (shared[0], shared[second], shared[third]);
    sync_cube();
    totals
}

#[cube(launch)]
fn select_kernel(
    products: &[f32],
    plan: &[u32],
    high: &mut [f32],
    best: &mut [u32],
    first_slot: u32,
    end_slot: u32,
    first_row: u32,
    width: u32,
    k: u32,
    counting: u32,
    queries_at: u32,
    tokens_at: u32,
    records_at: u32,
    columns: u32,
    own: u32,
) {
    let mut shared = Shared::<[u32]>::new_slice(comptime!(3 * UNITS));
    let slot = first_slot + CUBE_POS as u32;
    if slot < end_slot {
        let row = (plan[slot as usize] - first_row) * width;
        // The bits of the k-th best product that are known, the number of products that have them, and of how many of those that are kept.
        let mut known = 0u32;
        let mut alike = counting;
        let mut kept = k;
        let mut shift = 32u32;
        while shift > 0u32 && kept < alike {
            shift -= 2u32;
            let mut one = 0u32;
            let mut two = 0u32;
            let mut three = 0u32;
            let mut at = UNIT_POS;
            while at < counting {
                let bits = key(products[(row + plan[(tokens_at + at) as usize]) as usize]) >> shift;
                if bits >> 2u32 == (known >> shift) >> 2u32 {
                    let digit = bits & 3u32;
                    one += select(digit == 1u32, 1u32, 0u32);
                    two += select(digit == 2u32, 1u32, 0u32);
                    three += select(digit == 3u32, 1u32, 0u32);
                }
                at += comptime!(UNITS as u32);
            }
            let (one, two, three) = sums(one, two, three, &mut shared);
            if kept <= three {
                known |= 3u32 << shift;
                alike = three;
            } else if kept <= three + two {
                known |= 2u32 << shift;
                kept -= three;
                alike = two;
            } else if kept <= three + two + one {
                known |= 1u32 << shift;
                kept -= three + two;
                alike = one;
            } else {
                kept -= three + two + one;
                alike -= three + two + one;
            }
        }
        // The last kept one of equal products: the first are kept.
        let mut last = NONE.runtime();
        if kept < alike {
            last = 0u32;
            shift = 32u32;
            while shift > 0u32 {
                shift -= 2u32;
                let mut zero = 0u32;
                let mut one = 0u32;
                let mut two = 0u32;
                let mut at = UNIT_POS;
                while at < counting {
                    let bits = at >> shift;
                    if bits >> 2u32 == (last >> shift) >> 2u32
                        && key(products[(row + plan[(tokens_at + at) as usize]) as usize]) == known
                    {
                        let digit = bits & 3u32;
                        zero += select(digit == 0u32, 1u32, 0u32);
                        one += select(digit == 1u32, 1u32, 0u32);
                        two += select(digit == 2u32, 1u32, 0u32);
                    }
                    at += comptime!(UNITS as u32);
                }
                let (zero, one, two) = sums(zero, one, two, &mut shared);
                if kept > zero + one + two {
                    last |= 3u32 << shift;
                    kept -= zero + one + two;
                } else if kept > zero + one {
                    last |= 2u32 << shift;
                    kept -= zero + one;
                } else if kept > zero {
                    last |= 1u32 << shift;
                    kept -= zero;
                }
            }
        }
        let first = select(own == 1u32, plan[(queries_at + slot) as usize] * columns, 0u32);
        let mut column = UNIT_POS;
        while column < columns {
            let record = records_at + (first + column) * RECORD;
            let mut floored = plan[(record + FLOOR) as usize] == 1u32;
            let mut highest = 0u32;
            let mut place = NONE.runtime();
            for at in plan[(record + TOKENS) as usize]..plan[(record + RECORD + TOKENS) as usize] {
                let key = key(products[(row + plan[(tokens_at + at) as usize]) as usize]);
                if key > known || (key == known && at <= last) {
                    if place == NONE || key > highest {
                        highest = key;
                        place = at;
                    }
                } else {
                    floored = true;
                }
            }
            let mut value = 0.0f32;
            let mut token = NONE.runtime();
            if place != NONE {
                let found = plan[(tokens_at + place) as usize];
                let product = products[(row + found) as usize];
                if !floored || product > 0.0f32 || is_nan(product) {
                    value = product;
                    token = found;
                }
            }
            let out = plan[(record + MAXIMA) as usize] + slot - plan[(record + FIRST) as usize];
            high[out as usize] = value;
            best[out as usize] = token;
            column += comptime!(UNITS as u32);
        }
    }
}
