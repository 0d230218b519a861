//! A hash of bytes that never changes. Fingerprints of data sets are written into checkpoints, and the batches of
//! [`Sampling::NoDuplicates`](crate::Sampling) depend on equal hashes, so every version of this crate must compute the same
//! values.
//!
//! The state starts as the number of bytes times `FIRST`. Each step takes the next 8 bytes as a little-endian integer, the
//! last ones padded with zeros, and multiplies (state xor integer) by `SECOND`; the new state is the xor of both halves of
//! the 128-bit product. A final step without bytes mixes the last input into all bits. This is the core of wyhash.

/// Odd, with as many ones as zeros, like the constants of wyhash.
const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xa076_1d64_78bd_642f;

/// The hash of these bytes.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut state = (bytes.len() as u64).wrapping_mul(FIRST);
    for word in words.iter().chain((!rest.is_empty()).then_some(&last)) {
        state = fold(state ^ u64::from_le_bytes(*word));
    }
    fold(state ^ FIRST)
}

fn fold(value: u64) -> u64 {
    let product = u128::from(value) * u128::from(SECOND);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn hashes_never_change() {
        // def fold(x): p = x * 0xa0761d6478bd642f; return p % 2**64 ^ p >> 64
        // def hash(b):
        //     s = len(b) * 0x9e3779b97f4a7c15 % 2**64
        //     for i in range(0, len(b), 8): s = fold(s ^ int.from_bytes(b[i:i + 8], "little"))
        //     return fold(s ^ 0x9e3779b97f4a7c15)
        // for text in ["", "a", "8 bytes.", "more than 8 bytes: é"]: print(hex(hash(text.encode())))
        for (text, expected) in [
            ("", 0x6705_27f2_8686_2c69),
            ("a", 0x0bd8_00c1_d1c1_368f),
            ("8 bytes.", 0xadc0_15a0_6879_c679),
            ("more than 8 bytes: é", 0xa9e5_e550_4fac_786a),
        ] {
            assert_eq!(hash(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn near_texts_lie_far_apart() {
        let texts = (0..200_000).map(|i: u32| format!("{i}")).chain((0..500).map(|zeros| "\0".repeat(zeros)));
        let hashes: Vec<u64> = texts.map(|text| hash(text.as_bytes())).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        // The low bits find the place in a table; in 2^16 places the fullest of 200,500 hashes is far below this.
        for shift in [0, 24, 48] {
            let mut places = vec![0; 1 << 16];
            hashes.iter().for_each(|hash| places[(hash >> shift) as usize & 0xffff] += 1);
            assert!(places.iter().all(|&count| count < 24), "{shift}: {:?}", places.iter().max());
        }
    }
}
