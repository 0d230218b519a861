//! The lines of a text, of bounded length: a compressed file of a few kilobytes may hold a line that is larger than memory.

use std::io::{BufRead, ErrorKind};
use std::path::PathBuf;

use crate::error::{Error, Place, Result};
use crate::read::input::{Input, unreadable};
use crate::source::format::Compression;

/// The greatest length of a line, or of a row of CSV or JSON: 256 MB.
pub(super) const LONGEST: usize = 256 << 20;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file.
pub(super) struct Lines {
    pub(super) path: PathBuf,
    compression: Option<Compression>,
    reader: Box<dyn BufRead + Send>,
    line: u64,
    bytes: Vec<u8>,
    longest: usize,
}

impl Lines {
    pub(super) fn new(input: Input) -> Result<Self> {
        let (path, compression) = (input.path.clone(), input.compression);
        Ok(Self { path, compression, reader: input.reader()?, line: 0, bytes: Vec::new(), longest: LONGEST })
    }

    /// Goes to the next line; `false` after the last one.
    pub(super) fn advance(&mut self) -> Result<bool> {
        self.bytes.clear();
        self.line += 1;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&self.path, self.compression, error)),
            };
            if buffer.is_empty() {
                return Ok(!self.bytes.is_empty());
            }
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let length = end.map_or(buffer.len(), |end| end + 1);
            if self.bytes.len() + length > self.longest {
                return Err(too_long(self.place()));
            }
            self.bytes.extend(&buffer[..length]);
            self.reader.consume(length);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// The bytes of this line, without its end and without a byte order mark.
    pub(super) fn bytes(&self) -> &[u8] {
        let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.strip_prefix(if self.line == 1 { MARK } else { b"" }).unwrap_or(line)
    }

    /// The place of this line.
    pub(super) fn place(&self) -> Place {
        Place::Line { path: self.path.clone(), line: self.line }
    }
}

/// The error of a line beyond [`LONGEST`].
pub(super) fn too_long(place: Place) -> Error {
    let reason = format!("more than {} MB in one row; expected shorter ones", LONGEST >> 20);
    Error::Line { place, reason }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(text: &str) -> Lines {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.txt");
        fs::write(&path, text).unwrap();
        Lines::new(Input::open(&path, None).unwrap()).unwrap()
    }

    #[test]
    fn lines_have_no_ends() {
        let mut lines = open("\u{feff}a\r\n\n\u{feff}b\nlast");
        let mut found = Vec::new();
        while lines.advance().unwrap() {
            found.push(String::from_utf8(lines.bytes().to_vec()).unwrap());
        }
        assert_eq!(found, ["a", "", "\u{feff}b", "last"]);
        assert!(!lines.advance().unwrap());
    }

    #[test]
    fn a_line_beyond_the_limit_is_an_error() {
        let mut lines = open("short\n1234567890\n");
        lines.longest = 8;
        assert!(lines.advance().unwrap());
        let message = lines.advance().unwrap_err().to_string();
        assert!(message.ends_with("rows.txt:2: more than 256 MB in one row; expected shorter ones"), "{message}");
    }
}
