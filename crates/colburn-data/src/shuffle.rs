//! Random orders that are the same on every machine and never change: a run that is resumed elsewhere, or with a newer
//! version of a library, must see its rows in the same order. So the whole algorithm is here, on top of the ChaCha8 stream,
//! which is fixed by its specification.
//!
//! - The 256-bit key is the seed and the stream number as 8 little-endian bytes each, then 16 bytes that name the purpose,
//!   so that no two orders of a run share a stream. The order of an epoch ends them with the number of the data set
//!   among those of the run, 3 little-endian bytes, which are 0 for the first or only one. The negatives of a row have the row as
//!   the stream, and the epoch as the last 8 little-endian bytes. Nonce and counter start at 0.
//! - A number below `n` is drawn by Lemire's method (2019, "Fast Random Integer Generation in an Interval"): the high half
//!   of the 128-bit product of `n` and a 64-bit draw (little-endian from the stream); draws whose low half is below
//!   `2^64 mod n` are rejected.
//! - The order is Fisher-Yates from the back: for `i` from `n - 1` down to 1, swap `i` with a number below `i + 1`.
//! - The numbers of a shuffle buffer are drawn one after the other from the stream of the pass.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The purpose of an order.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Split,
    /// The rows of an epoch of the data set with this number.
    Epoch(usize),
    /// The data set of each batch of an epoch.
    Datasets,
    /// The negatives of a row in the epoch with this number; the stream is the row.
    Negatives(u64),
    /// The files of a pass over a source that is streamed.
    Files,
    /// The shuffle buffer of such a pass.
    Buffer,
}

impl Purpose {
    fn tag(self) -> [u8; 16] {
        match self {
            Purpose::Split => *b"colburn.split\0\0\0",
            Purpose::Epoch(dataset) => {
                let mut tag = *b"colburn.epoch\0\0\0";
                tag[13..].copy_from_slice(&(dataset as u64).to_le_bytes()[..3]);
                tag
            }
            Purpose::Datasets => *b"colburn.datasets",
            Purpose::Negatives(epoch) => {
                let mut tag = *b"negative\0\0\0\0\0\0\0\0";
                tag[8..].copy_from_slice(&epoch.to_le_bytes());
                tag
            }
            Purpose::Files => *b"colburn.files\0\0\0",
            Purpose::Buffer => *b"colburn.buffer\0\0",
        }
    }
}

/// The numbers `0..count` in random order.
pub(crate) fn permutation(count: usize, purpose: Purpose, seed: u64, stream: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    Draws::new(purpose, seed, stream).shuffle(&mut order);
    order
}

/// Random numbers, one after the other.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub(crate) fn new(purpose: Purpose, seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&stream.to_le_bytes());
        key[16..].copy_from_slice(&purpose.tag());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `count`, which is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        below(&mut || self.0.next_u64(), count as u64) as usize
    }

    /// Brings values into random order.
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

fn below(draw: &mut impl FnMut() -> u64, count: u64) -> u64 {
    let rejected = count.wrapping_neg() % count;
    loop {
        let product = u128::from(draw()) * u128::from(count);
        if product as u64 >= rejected {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_never_change() {
        // def chacha8(key):
        //     state, counter = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, *struct.unpack("<8I", key)], 0
        //     columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
        //     diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
        //     while True:
        //         start = [*state, counter & 0xffffffff, counter >> 32, 0, 0]
        //         x = start[:]
        //         for a, b, c, d in (columns + diagonals) * 4:
        //             for i, j, k, r in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
        //                 x[i] = (x[i] + x[j]) & 0xffffffff
        //                 v = x[k] ^ x[i]
        //                 x[k] = (v << r | v >> 32 - r) & 0xffffffff
        //         words = [(p + q) & 0xffffffff for p, q in zip(x, start)]
        //         yield from (words[i] | words[i + 1] << 32 for i in range(0, 16, 2))
        //         counter += 1
        //
        // def permutation(count, tag, seed, stream):
        //     draws, order = chacha8(struct.pack("<QQ16s", seed, stream, tag)), list(range(count))
        //     for i in range(count - 1, 0, -1):
        //         products = (draw * (i + 1) for draw in draws)
        //         product = next(p for p in products if p % 2**64 >= 2**64 % (i + 1))
        //         order[i], order[product >> 64] = order[product >> 64], order[i]
        //     return order
        //
        // print(permutation(12, b"colburn.split", 42, 0))
        // print(permutation(12, b"colburn.epoch", 42, 0))
        // print(permutation(12, b"colburn.epoch", 42, 1))
        // print(permutation(12, struct.pack("<8sQ", b"negative", 3), 42, 7))
        // many = permutation(100_000, b"colburn.epoch", 2**64 - 1, 3)
        // print(many[:8], sum(i * row for i, row in enumerate(many)))
        assert_eq!(permutation(12, Purpose::Split, 42, 0), [3, 10, 6, 1, 5, 0, 7, 9, 11, 2, 4, 8]);
        assert_eq!(permutation(12, Purpose::Epoch(0), 42, 0), [2, 9, 5, 0, 3, 1, 10, 6, 11, 8, 4, 7]);
        assert_eq!(permutation(12, Purpose::Epoch(0), 42, 1), [7, 11, 5, 2, 4, 9, 1, 6, 3, 8, 0, 10]);
        assert_eq!(permutation(12, Purpose::Negatives(3), 42, 7), [2, 7, 9, 1, 6, 3, 5, 11, 10, 4, 8, 0]);
        let many = permutation(100_000, Purpose::Epoch(0), u64::MAX, 3);
        assert_eq!(many[..8], [40485, 98494, 9019, 13011, 44675, 25950, 27864, 10670]);
        assert_eq!(many.iter().enumerate().map(|(i, row)| i * row).sum::<usize>(), 250_017_910_769_421);
    }

    #[test]
    fn every_seed_stream_and_purpose_has_an_order_of_its_own() {
        let mut orders: Vec<Vec<usize>> = Vec::new();
        for purpose in [
            Purpose::Split,
            Purpose::Epoch(0),
            Purpose::Epoch(1),
            Purpose::Epoch(256),
            Purpose::Datasets,
            Purpose::Negatives(0),
            Purpose::Negatives(1),
            Purpose::Files,
            Purpose::Buffer,
        ] {
            for seed in [0, 1, 2, u64::MAX] {
                orders.extend((0..4).map(|stream| permutation(100, purpose, seed, stream)));
            }
        }
        for (i, order) in orders.iter().enumerate() {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(0..100));
            assert!(orders[..i].iter().all(|other| other != order));
        }
        assert!(permutation(0, Purpose::Split, 1, 1).is_empty());
        assert_eq!(permutation(1, Purpose::Split, 1, 1), [0]);
    }

    #[test]
    fn all_orders_are_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for stream in 0..24_000 {
            *counts.entry(permutation(4, Purpose::Epoch(0), 5, stream)).or_insert(0_i32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Five standard deviations of a binomial count with mean 1000.
        assert!(counts.values().all(|count| (count - 1000).abs() < 155), "{counts:?}");
    }

    #[test]
    fn draws_that_would_favour_small_numbers_are_rejected() {
        // 2^64 mod 3 = 1: of the draws, only 0 has a low half of the product below 1.
        let mut draws = [0, 0, 1 << 63].into_iter();
        assert_eq!(below(&mut || draws.next().unwrap(), 3), 1);
        assert_eq!(draws.next(), None);
        assert_eq!(below(&mut || u64::MAX, u64::MAX), u64::MAX - 1);
        assert_eq!(below(&mut || 0, 1), 0);
    }
}
