//! A store of runs of bytes that are written once and read from then on: an unlinked temporary file that is mapped into memory in large parts.
//! The operating system keeps the parts in use in memory and drops the rest.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapOptions, MmapRaw};

use crate::error::{Error, Result};

/// The part of the file that is mapped at once. The file is sparse, so a part takes as much room on disk as was written to it.
const EXTENT: usize = 256 << 20;

/// The store. Its file is made when something is first kept; `TMPDIR` decides where.
pub(crate) struct Spill {
    extents: Mutex<Option<Extents>>,
    /// The size of a part, unless more is to be kept at once.
    extent: usize,
}

struct Extents {
    file: File,
    /// The end of the file.
    length: u64,
    /// The part that is being filled, its offset in the file, and the bytes of it that are used.
    map: Arc<MmapRaw>,
    offset: u64,
    used: usize,
}

/// Bytes in the store.
pub(crate) struct Kept {
    map: Arc<MmapRaw>,
    start: usize,
    length: usize,
}

impl Default for Spill {
    fn default() -> Self {
        Self { extents: Mutex::default(), extent: EXTENT }
    }
}

impl Spill {
    /// Writes bytes.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Kept> {
        let mut extents = self.extents.lock().unwrap_or_else(PoisonError::into_inner);
        let size = self.extent.max(bytes.len());
        let found = match extents.as_mut() {
            Some(extents) if extents.map.len() - extents.used >= bytes.len() => extents.keep(bytes),
            Some(extents) => extents.extend(size).and_then(|()| extents.keep(bytes)),
            None => Extents::new(size).and_then(|made| extents.insert(made).keep(bytes)),
        };
        found.map_err(|source| Error::Temporary { directory: std::env::temp_dir(), source })
    }
}

impl Extents {
    fn new(size: usize) -> std::io::Result<Self> {
        let file = tempfile::tempfile()?;
        let map = map(&file, 0, size)?;
        Ok(Self { file, length: size as u64, map: Arc::new(map), offset: 0, used: 0 })
    }

    /// Adds a part.
    fn extend(&mut self, size: usize) -> std::io::Result<()> {
        self.map = Arc::new(map(&self.file, self.length, size)?);
        (self.offset, self.used) = (self.length, 0);
        self.length += size as u64;
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> std::io::Result<Kept> {
        let start = self.used;
        self.file.seek(SeekFrom::Start(self.offset + start as u64))?;
        // A full disk is an error here; a write through the mapping would end the process.
        self.file.write_all(bytes)?;
        self.used += bytes.len();
        Ok(Kept { map: self.map.clone(), start, length: bytes.len() })
    }
}

fn map(file: &File, offset: u64, size: usize) -> std::io::Result<MmapRaw> {
    file.set_len(offset + size as u64)?;
    MmapOptions::new().offset(offset).len(size).map_raw_read_only(file)
}

impl Kept {
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping lives as long as `self`, and has these bytes, because they were written within its length. The file has no
        // name in the file system, so nobody shortens it, and these bytes are never written again: each write goes behind the last one.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(self.start), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let spill = Spill::default();
        let runs: Vec<Vec<u8>> = (0..100_u8).map(|at| vec![at; usize::from(at) * 997]).collect();
        let kept: Vec<Kept> = runs.iter().map(|run| spill.keep(run).unwrap()).collect();
        assert!(kept.iter().zip(&runs).all(|(kept, run)| kept.bytes() == run));
        drop(spill);
        assert_eq!(kept[99].bytes(), runs[99], "bytes outlive the store");
    }

    #[test]
    fn a_run_that_does_not_fit_begins_another_part() {
        let spill = Spill { extent: 100, ..Spill::default() };
        let runs = [5, 97, 101, 3, 0, 96, 2].map(|length: u8| vec![length; usize::from(length)]);
        let kept = runs.each_ref().map(|run| spill.keep(run).unwrap());
        assert!(kept.iter().zip(&runs).all(|(kept, run)| kept.bytes() == run));
        assert!(Arc::ptr_eq(&kept[3].map, &kept[5].map) && !Arc::ptr_eq(&kept[5].map, &kept[6].map));
        assert!([0, 1, 2].iter().all(|&at| !Arc::ptr_eq(&kept[at].map, &kept[at + 1].map)));
    }
}
