//! A file that grows by whole pieces: before the next piece is written, the part of a piece that a full disk left is removed, so that the file
//! never keeps half a piece.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that is written at its end, piece by piece. Nothing is buffered here: a killed process leaves all pieces but the last one whole.
#[derive(Debug)]
pub(crate) struct AppendFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole pieces.
    length: u64,
    /// True if there may be part of a piece behind them.
    partial: bool,
}

impl AppendFile {
    /// A new file; an existing one is an error.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).map_err(Error::io(path))?;
        Ok(Self { path: path.to_owned(), file, length: 0, partial: false })
    }

    /// An existing file, of which the first `length` bytes stay.
    pub fn reopen(path: &Path, length: u64) -> Result<Self> {
        let file = File::options().write(true).open(path).map_err(Error::io(path))?;
        let mut opened = Self { path: path.to_owned(), file, length, partial: true };
        opened.repair()?;
        Ok(opened)
    }

    /// Bytes that the file holds.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds a piece, whole or not at all.
    pub fn append(&mut self, piece: &[u8]) -> Result<()> {
        self.repair()?;
        self.partial = true;
        self.file.write_all(piece).map_err(Error::io(&self.path))?;
        self.length += piece.len() as u64;
        self.partial = false;
        Ok(())
    }

    fn repair(&mut self) -> Result<()> {
        if self.partial {
            let length = self.length;
            let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
            cut.map_err(Error::io(&self.path))?;
            self.partial = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn pieces_follow_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = AppendFile::create(&path).unwrap();
        file.append(b"one ").unwrap();
        file.append(b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), file.length()), (b"one two".as_slice(), 7));
        let message = AppendFile::create(&path).unwrap_err().to_string();
        assert!(message.starts_with(&path.display().to_string()), "{message}");
    }

    #[test]
    fn what_was_cut_off_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = AppendFile::create(&path).unwrap();
        file.append(b"one ").unwrap();
        // what a full disk leaves: some bytes of the piece, and an error
        file.file.write_all(b"half of").unwrap();
        file.partial = true;
        file.append(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one two");
        let mut file = AppendFile::reopen(&path, 4).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one ");
        file.append(b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one three");
    }
}
