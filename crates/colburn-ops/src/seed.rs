//! Seeds from seeds: every draw of a run follows from its seed and a position, never from earlier draws.

/// The number that SplitMix64 adds to its state before each draw.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seed for each position, unlike that of its neighbours: the number at `position` of the SplitMix64 sequence that starts at `seed`
/// (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014).
#[inline]
pub fn mix(seed: u64, position: u64) -> u64 {
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(GAMMA));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn seeds_differ() {
        let seeds: HashSet<u64> = (0..4).flat_map(|seed| (0..1000).map(move |position| mix(seed, position))).collect();
        assert_eq!(seeds.len(), 4000);
        assert_eq!(mix(0, 0), 0xe220_a839_7b1d_cdaf, "the first number of SplitMix64 from 0");
    }
}
