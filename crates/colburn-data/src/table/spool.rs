//! All rows of a data set, one after the other in an unlinked file that is mapped into memory. A training set is often larger than
//! memory, but a batch needs only a few random rows: the operating system keeps the pages in use and drops the rest. A second such
//! file holds the ends of the rows, so only disk space grows with their number.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Deref;

use memmap2::Mmap;

use crate::error::{Error, Result};

const BUFFER: usize = 1 << 20;
const END_BYTES: usize = size_of::<u64>();

/// A writer of rows. The first row has the number 0.
pub(crate) struct SpoolWriter {
    bytes: Sink,
    ends: Sink,
    length: u64,
}

impl SpoolWriter {
    /// Writes to unlinked temporary files, which vanish with the process; `TMPDIR` decides where.
    pub(crate) fn temporary() -> Result<Self> {
        Ok(Self { bytes: Sink::temporary()?, ends: Sink::temporary()?, length: 0 })
    }

    /// Writes to memory.
    pub(crate) fn in_memory() -> Self {
        Self { bytes: Sink::Memory(Vec::new()), ends: Sink::Memory(Vec::new()), length: 0 }
    }

    /// Adds a row of these bytes, one part after the other.
    pub(crate) fn push(&mut self, parts: [&[u8]; 2]) -> Result<()> {
        for part in parts {
            self.length += part.len() as u64;
            self.bytes.write(part)?;
        }
        self.ends.write(&self.length.to_le_bytes())
    }

    pub(crate) fn finish(self) -> Result<Spool> {
        Ok(Spool { bytes: self.bytes.finish()?, ends: self.ends.finish()? })
    }
}

/// Rows that can be read in any order, from any thread.
pub(crate) struct Spool {
    bytes: Bytes,
    ends: Bytes,
}

impl Spool {
    /// The bytes of a row; `None` past the last one, or when the files were changed.
    pub(crate) fn row(&self, row: usize) -> Option<&[u8]> {
        let start = if row == 0 { 0 } else { self.end(row - 1)? };
        self.bytes.get(start..self.end(row)?)
    }

    fn end(&self, row: usize) -> Option<usize> {
        let at = row.checked_mul(END_BYTES)?;
        let bytes = self.ends.get(at..at.checked_add(END_BYTES)?)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    }
}

enum Sink {
    Memory(Vec<u8>),
    File(BufWriter<File>),
}

impl Sink {
    fn temporary() -> Result<Self> {
        let file = tempfile::tempfile().map_err(temporary)?;
        Ok(Sink::File(BufWriter::with_capacity(BUFFER, file)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Sink::Memory(memory) => memory.extend_from_slice(bytes),
            Sink::File(file) => file.write_all(bytes).map_err(temporary)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Bytes> {
        match self {
            Sink::Memory(memory) => Ok(Bytes::Memory(memory)),
            Sink::File(writer) => {
                let file = writer.into_inner().map_err(|error| temporary(error.into_error()))?;
                // SAFETY: a mapping is sound as long as nobody changes or truncates the file under it. This file has no
                // name in the file system, its only handle is dropped at the end of this block, and we write no more.
                let map = unsafe { Mmap::map(&file) }.map_err(temporary)?;
                Ok(Bytes::Mapped(map))
            }
        }
    }
}

enum Bytes {
    Memory(Vec<u8>),
    Mapped(Mmap),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Memory(memory) => memory,
            Bytes::Mapped(map) => map,
        }
    }
}

fn temporary(source: std::io::Error) -> Error {
    Error::Temporary { directory: std::env::temp_dir(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(mut writer: SpoolWriter, rows: &[[&str; 2]]) {
        for [first, second] in rows {
            writer.push([first.as_bytes(), second.as_bytes()]).unwrap();
        }
        let read = writer.finish().unwrap();
        for (number, row) in rows.iter().enumerate().rev() {
            assert_eq!(read.row(number), Some(row.concat().as_bytes()));
        }
        for number in [rows.len(), usize::MAX] {
            assert_eq!(read.row(number), None);
        }
    }

    #[test]
    fn rows_come_back_in_any_order() {
        let long = "ü".repeat(3 * BUFFER);
        for rows in [
            &[["first", ""], ["", "naïve 日本語 🦀"], ["", ""], [long.as_str(), long.as_str()], ["la", "st"]][..],
            &[],
            &[["", ""]],
        ] {
            round_trip(SpoolWriter::temporary().unwrap(), rows);
            round_trip(SpoolWriter::in_memory(), rows);
        }
    }

    #[test]
    fn a_file_that_was_cut_has_no_such_row() {
        let mut writer = SpoolWriter::in_memory();
        writer.push([b"abc", b"d"]).unwrap();
        let mut rows = writer.finish().unwrap();
        rows.bytes = Bytes::Memory(b"abc".to_vec());
        assert_eq!(rows.row(0), None);
    }
}
