//! The two checksums of the report formats: TFRecord's masked CRC-32C, and the plain CRC-32 that wandb puts into LevelDB's log format.
//!
//! Both from one table-driven loop. A report writes some hundred bytes a log entry, so a crate for either polynomial would bring speed
//! that nothing here needs.

/// The reversed polynomial of Castagnoli, as in iSCSI.
const CASTAGNOLI: [u32; 256] = table(0x82f6_3b78);

/// The reversed polynomial of IEEE 802.3, as in zlib.
const IEEE: [u32; 256] = table(0xedb8_8320);

const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = if remainder & 1 == 1 { (remainder >> 1) ^ polynomial } else { remainder >> 1 };
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

fn crc(table: &[u32; 256], parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    !bytes.fold(!0, |crc: u32, byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// CRC-32C as TFRecord stores it: turned by 15 bits and shifted, so that a checksum of data that holds checksums is none of theirs.
pub(super) fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc(&CASTAGNOLI, &[bytes]).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 of the parts one after the other: Python's `zlib.crc32`.
pub(super) fn crc32(parts: &[&[u8]]) -> u32 {
    crc(&IEEE, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    // from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c, masked_crc32c
    // [f"{crc32c(x):#x} {masked_crc32c(x):#x}" for x in (b"", b"123456789", bytes(32))]
    #[test]
    fn castagnoli_as_tensorboard_computes_it() {
        let of = |bytes: &[u8]| (crc(&CASTAGNOLI, &[bytes]), masked_crc32c(bytes));
        assert_eq!(of(b""), (0, 0xa282_ead8));
        assert_eq!(of(b"123456789"), (0xe306_9283, 0xc78a_b0e5));
        assert_eq!(of(&[0; 32]), (0x8a91_36aa, 0x0fd7_fffa));
    }

    // [f"{zlib.crc32(x):#x}" for x in (b"", b"123456789", bytes(32))]
    #[test]
    fn ieee_as_zlib_computes_it() {
        assert_eq!(
            [crc32(&[]), crc32(&[b"123456789"]), crc32(&[b"1234", b"", b"56789"]), crc32(&[&[0; 32]])],
            [0, 0xcbf4_3926, 0xcbf4_3926, 0x190a_55ad]
        );
    }
}
