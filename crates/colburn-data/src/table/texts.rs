//! All texts of a data set, one after the other in an unlinked file that is mapped into memory. A training set is often
//! larger than memory, but a batch needs only a few random rows: the operating system keeps the pages in use and drops the
//! rest. A second such file holds the ends of the texts, so only disk space grows with the number of rows. Lists are kept
//! among the texts, as the bytes of [`lists`](crate::table::lists).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::{Deref, Range};

use memmap2::Mmap;

use crate::error::{Error, Result};

const BUFFER: usize = 1 << 20;
const END_BYTES: usize = size_of::<u64>();

/// A writer of texts. The first text has the number 0.
pub(crate) struct TextWriter {
    bytes: Sink,
    ends: Sink,
    length: u64,
}

impl TextWriter {
    /// Writes to unlinked temporary files, which vanish with the process; `TMPDIR` decides where.
    pub(crate) fn spooled() -> Result<Self> {
        Ok(Self { bytes: Sink::temporary()?, ends: Sink::temporary()?, length: 0 })
    }

    /// Writes to memory.
    pub(crate) fn in_memory() -> Self {
        Self { bytes: Sink::Memory(Vec::new()), ends: Sink::Memory(Vec::new()), length: 0 }
    }

    pub(crate) fn push(&mut self, text: &str) -> Result<()> {
        self.push_bytes(text.as_bytes())
    }

    /// Adds bytes that are not a text. They get a number as a text does.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        self.bytes.write(bytes)?;
        self.ends.write(&self.length.to_le_bytes())
    }

    pub(crate) fn finish(self) -> Result<Texts> {
        Ok(Texts { bytes: self.bytes.finish()?, ends: self.ends.finish()? })
    }
}

/// Texts that can be read in any order, from any thread.
pub(crate) struct Texts {
    bytes: Bytes,
    ends: Bytes,
}

impl Texts {
    /// The text with this number; `None` past the last one, or when the bytes were changed.
    pub(crate) fn get(&self, number: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes(number)?).ok()
    }

    /// The bytes with this number.
    pub(crate) fn bytes(&self, number: usize) -> Option<&[u8]> {
        self.bytes.get(self.range(number)?)
    }

    /// The length of the text with this number in bytes; the text is not read.
    pub(crate) fn length(&self, number: usize) -> Option<usize> {
        self.range(number).map(|range| range.len())
    }

    fn range(&self, number: usize) -> Option<Range<usize>> {
        let start = if number == 0 { 0 } else { self.end(number - 1)? };
        Some(start..self.end(number)?)
    }

    fn end(&self, number: usize) -> Option<usize> {
        let at = number.checked_mul(END_BYTES)?;
        let bytes = self.ends.get(at..at + END_BYTES)?;
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

    fn round_trip(mut writer: TextWriter, texts: &[&str]) {
        for text in texts {
            writer.push(text).unwrap();
        }
        let read = writer.finish().unwrap();
        for (number, text) in texts.iter().enumerate().rev() {
            assert_eq!(read.get(number), Some(*text));
            assert_eq!(read.bytes(number), Some(text.as_bytes()));
            assert_eq!(read.length(number), Some(text.len()));
        }
        for number in [texts.len(), usize::MAX] {
            assert_eq!((read.get(number), read.bytes(number), read.length(number)), (None, None, None));
        }
    }

    #[test]
    fn texts_come_back_in_any_order() {
        let long = "ü".repeat(3 * BUFFER);
        for texts in [&["first", "", "naïve 日本語 🦀", "", &long, "last"][..], &[], &["", ""]] {
            round_trip(TextWriter::spooled().unwrap(), texts);
            round_trip(TextWriter::in_memory(), texts);
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut writer = TextWriter::in_memory();
        writer.push("é").unwrap();
        let mut texts = writer.finish().unwrap();
        texts.bytes = Bytes::Memory(vec![0xff, 0xff]);
        assert_eq!((texts.get(0), texts.bytes(0)), (None, Some(&[0xff, 0xff][..])));
        texts.bytes = Bytes::Memory(vec![b'e']);
        assert_eq!(texts.get(0), None);
    }
}
