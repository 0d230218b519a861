//! The hash of dropout on the device: the numbers of [`mix`](crate::seed::mix), in halves of 32 bits, since WebGPU has no integers of 64.

use cubecl::prelude::*;

/// A number of 64 bits.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Wide {
    pub low: u32,
    pub high: u32,
}

#[cube]
fn multiply(x: Wide, low: u32, high: u32) -> Wide {
    Wide { low: x.low * low, high: u32::mul_hi(x.low, low) + x.high * low + x.low * high }
}

#[cube]
fn add(x: Wide, y: Wide) -> Wide {
    let low = x.low + y.low;
    let carry = u32::cast_from(low < x.low);
    Wide { low, high: x.high + y.high + carry }
}

/// `x ^ (x >> by)`, for shifts of 1 to 31.
#[cube]
fn fold(x: Wide, #[comptime] by: u32) -> Wide {
    let rest = 32 - by;
    Wide { low: x.low ^ ((x.low >> by) | (x.high << rest)), high: x.high ^ (x.high >> by) }
}

/// The number at `position` of the SplitMix64 sequence that starts at `seed`; see [`mix`](crate::seed::mix).
#[cube]
pub(crate) fn mix(seed: Wide, position: Wide) -> Wide {
    let one = Wide { low: 1u32, high: 0u32 };
    last(add(seed, multiply(add(position, one), 0x7f4a_7c15u32, 0x9e37_79b9u32)))
}

/// The last steps of [`mix`].
#[cube]
fn last(z: Wide) -> Wide {
    let z = multiply(fold(z, 30u32), 0x1ce4_e5b9u32, 0xbf58_476du32);
    let z = multiply(fold(z, 27u32), 0x1331_11ebu32, 0x94d0_49bbu32);
    fold(z, 31u32)
}

/// The key of the masks of one text at one place in the network: [`mix`] of the text's seed and the place.
#[cube]
pub(crate) fn key(seeds: &[u32], text: u32, site: u32) -> Wide {
    let at = (text * 2) as usize;
    mix(Wide { low: seeds[at], high: seeds[at + 1] }, Wide { low: site, high: 0u32 })
}

/// The draw of a pair of neighbours in a text: [`mix`] of the key and the pair, which is below 2³¹.
#[cube]
pub(crate) fn draw(key: Wide, pair: u32) -> Wide {
    let position = pair + 1;
    let high = u32::mul_hi(position, 0x7f4a_7c15u32) + position * 0x9e37_79b9u32;
    last(add(key, Wide { low: position * 0x7f4a_7c15u32, high }))
}

/// The factor of an element of a text: 0 or the scale. Two neighbours share a draw.
#[cube]
pub(crate) fn factor(key: Wide, element: u32, threshold: u32, scale: f32) -> f32 {
    let draw = draw(key, element >> 1);
    let bits = select(element & 1u32 == 0u32, draw.low, draw.high);
    select(bits < threshold, 0.0f32, scale)
}
