//! The frames around the records of a run in a `.wandb` file: LevelDB's log format with a header of its own and another checksum.
//!
//! The file is cut into blocks of 32 KiB. A record is one chunk, or several where it would cross the end of a block; a chunk is the CRC-32
//! of kind and bytes, their number (u16), the kind, the bytes, all little-endian. A rest of a block that is too short for the head of a
//! chunk is zeros. Sources: `doc/log_format.md` of LevelDB; `core/pkg/leveldb/record.go` and, up to 0.19, `sdk/internal/datastore.py` of
//! wandb.

/// The first bytes of a file: name, 16 bits of the CRC-32 of "Weights & Biases", version 0.
pub(super) const HEADER: [u8; 7] = *b":W&B\xe1\xbe\0";

const BLOCK: usize = 32 * 1024;
/// Checksum, number of bytes, kind.
const HEAD: usize = 4 + 2 + 1;

const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// A record as it is stored at this place of the file.
pub(super) fn frame(mut record: &[u8], offset: u64) -> Vec<u8> {
    let mut stored = Vec::with_capacity(record.len() + 2 * HEAD);
    let mut left = BLOCK - (offset % BLOCK as u64) as usize;
    if left < HEAD {
        stored.resize(left, 0);
        left = BLOCK;
    }
    let mut first = true;
    loop {
        let whole = record.len() + HEAD <= left;
        let (bytes, rest) = record.split_at(if whole { record.len() } else { left - HEAD });
        let kind = match (first, whole) {
            (true, true) => FULL,
            (true, false) => FIRST,
            (false, false) => MIDDLE,
            (false, true) => LAST,
        };
        stored.extend(checksum(kind, bytes).to_le_bytes());
        stored.extend((bytes.len() as u16).to_le_bytes());
        stored.push(kind);
        stored.extend(bytes);
        if whole {
            return stored;
        }
        (record, first, left) = (rest, false, BLOCK);
    }
}

/// The CRC-32 of kind and bytes: Python's `zlib.crc32`.
fn checksum(kind: u8, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(bytes);
    hasher.finalize()
}

/// The records of a file, each with the offset behind it, up to the end or to what is cut off or damaged. None without the header.
pub(super) fn records(file: &[u8]) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let mut at = if file.starts_with(&HEADER) { HEADER.len() } else { file.len() };
    std::iter::from_fn(move || {
        let mut record = Vec::new();
        let mut first = true;
        loop {
            let left = BLOCK - at % BLOCK;
            if left < HEAD {
                at += left;
            }
            let (head, rest) = file.get(at..)?.split_first_chunk::<HEAD>()?;
            let [c0, c1, c2, c3, l0, l1, kind] = *head;
            let bytes = rest.get(..usize::from(u16::from_le_bytes([l0, l1])))?;
            let in_order = if first { matches!(kind, FULL | FIRST) } else { matches!(kind, MIDDLE | LAST) };
            if !in_order || checksum(kind, bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
                return None;
            }
            record.extend(bytes);
            at += HEAD + bytes.len();
            if matches!(kind, FULL | LAST) {
                return Some((at as u64, record));
            }
            first = false;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[Vec<u8>]) -> Vec<u8> {
        let mut file = HEADER.to_vec();
        for record in records {
            let stored = frame(record, file.len() as u64);
            file.extend(stored);
        }
        file
    }

    // wandb 0.19.11, whose DataStore is in Python (0.31 has it in Go alone):
    //     import wandb; wandb._assert_is_internal_process = True
    //     from wandb.sdk.internal.datastore import DataStore
    //     def whole(*records):
    //         store = DataStore(); store.open_for_write("x")
    //         for record in records: store._write_data(record)
    //         store.close(); return open("x", "rb").read()
    #[test]
    fn bytes_are_those_of_wandb() {
        // whole(b"one", b"", b"").hex()
        let short: String = file(&[b"one".to_vec(), vec![], vec![]]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(short, "3a572642e1be009ae7d51c0300016f6e651bdf05a50000011bdf05a5000001");
        // for n in (300, 32_747, 32_751, 32_754, 32_755):
        //     file = whole(bytes(n), b"abc", bytes(range(256)) * 300); print(n, len(file), zlib.crc32(file))
        for (n, length, crc) in [
            (300, 77_145, 3_564_661_796),
            (32_747, 109_599, 538_072_065),
            (32_751, 109_599, 3_683_148_828),
            (32_754, 109_599, 4_105_951_960),
            (32_755, 109_607, 2_286_754_611),
        ] {
            let whole = file(&[vec![0; n], b"abc".to_vec(), (0..=255).collect::<Vec<u8>>().repeat(300)]);
            assert_eq!((whole.len(), crc32fast::hash(&whole)), (length, crc), "{n}");
        }
    }

    #[test]
    fn records_are_read_back_wherever_they_cross_a_block() {
        for first in (BLOCK - 40)..(BLOCK - 10) {
            let written = [vec![7; first], vec![1, 2, 3], vec![9; 3 * BLOCK], Vec::new(), b"end".to_vec()];
            let file = file(&written);
            let read: Vec<_> = records(&file).collect();
            assert_eq!(read.iter().map(|(_, record)| record.clone()).collect::<Vec<_>>(), written, "{first}");
            assert_eq!(read.last().map(|(end, _)| *end), Some(file.len() as u64));
        }
    }

    #[test]
    fn reading_ends_at_what_is_cut_off_or_damaged() {
        let whole = file(&[b"one".to_vec(), vec![5; 40_000], b"three".to_vec()]);
        for cut in [1, 5, 12, 13, 10_000] {
            let read = records(&whole[..whole.len() - cut]).count();
            assert_eq!(read, if cut < 13 { 2 } else { 1 }, "{cut}");
        }
        let mut damaged = whole.clone();
        damaged[HEADER.len() + HEAD + 3 + HEAD + 100] ^= 1;
        assert_eq!(records(&damaged).count(), 1);
        assert_eq!(records(&whole[1..]).count(), 0, "no header");
        assert_eq!(records(&[]).count(), 0);
    }
}
