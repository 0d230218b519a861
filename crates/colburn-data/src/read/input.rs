//! An opened file: its format, and its bytes without a compression around them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::read::content::{self, Content};
use crate::source::Format;
use crate::source::format::Compression;

/// The bytes by which a file is recognised, and the lines by which its separator is.
const HEAD: usize = 1 << 16;
/// The buffer of a reader.
const BUFFER: usize = 1 << 16;
const EXPECTED: &str = "expected a name that ends in .parquet, .jsonl, .json, .csv, .tsv, .arrow or .txt, or the format given beside the name";

/// An opened file.
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) file: File,
    pub(super) compression: Option<Compression>,
    /// The first bytes, decompressed.
    pub(super) head: Vec<u8>,
}

impl Input {
    /// Opens a file and recognises it: by its content where that is certain, then by the given format, then by its name.
    pub(super) fn open(path: &Path, given: Option<Format>) -> Result<Self> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io)?;
        let mut head = head_of(&mut file).map_err(io)?;
        if head.is_empty() {
            // Usually an interrupted copy.
            return Err(Error::Empty { path: path.to_owned(), reason: "an empty file (0 bytes)" });
        }
        let compression = content::compression(&head);
        if let Some(compression) = compression {
            let mut reader = decompressed(&file, compression).map_err(io)?;
            head = head_of(&mut reader).map_err(|source| unreadable(path, Some(compression), source))?;
            if head.is_empty() {
                return Err(Error::Empty { path: path.to_owned(), reason: "an empty file within a compression" });
            }
        }
        let format = format(path, given, &head)?;
        if let (Format::Parquet, Some(_)) | (Format::Arrow, Some(_)) = (format, compression) {
            return Err(Error::Format {
                path: path.to_owned(),
                found: format!("a compressed {} file, which has a compression of its own", format.name()),
                expected: "decompress it".to_owned(),
            });
        }
        Ok(Self { path: path.to_owned(), format, file, compression, head })
    }

    /// True if the head is the whole content.
    pub(super) fn is_whole(&self) -> bool {
        self.head.len() < HEAD
    }

    /// The bytes from the beginning.
    pub(super) fn reader(self) -> Result<Box<dyn BufRead + Send>> {
        let io = |source| Error::Io { path: self.path.clone(), source };
        match self.compression {
            None => {
                let mut file = self.file;
                file.seek(SeekFrom::Start(0)).map_err(io)?;
                Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
            }
            Some(compression) => {
                let mut reader = decompressed(&self.file, compression).map_err(io)?;
                // The head was read once already, which shows that it can be.
                let skipped = io::copy(&mut reader.by_ref().take(self.head.len() as u64), &mut io::sink());
                skipped.map_err(io)?;
                Ok(Box::new(Cursor::new(self.head).chain(BufReader::with_capacity(BUFFER, reader))))
            }
        }
    }
}

/// The error of reading a file, which may be one of decompressing it.
pub(super) fn unreadable(path: &Path, compression: Option<Compression>, source: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    let path = path.to_owned();
    match (compression, source.kind()) {
        (Some(compression), InvalidData | InvalidInput | Other | UnexpectedEof) => {
            let name = match compression {
                Compression::Gzip => "gzip",
                Compression::Zstd => "zstd",
                Compression::Bzip2 => "bzip2",
            };
            let reason = format!("not a complete {name} file ({source}); copy or compress it again");
            Error::Unreadable { path, reason }
        }
        _ => Error::Io { path, source },
    }
}

fn head_of(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn decompressed(file: &File, compression: Compression) -> io::Result<Box<dyn Read + Send>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let reader = BufReader::with_capacity(BUFFER, file);
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
    })
}

fn format(path: &Path, given: Option<Format>, head: &[u8]) -> Result<Format> {
    let named = given.or_else(|| Format::of_name(path));
    match content::recognise(path, head) {
        Content::Foreign(found, expected) => {
            Err(Error::Format { path: path.to_owned(), found: found.to_owned(), expected: expected.to_owned() })
        }
        Content::Is(format) => {
            if let Some(named) = named.filter(|named| *named != format) {
                differs(path, named, format);
            }
            Ok(format)
        }
        Content::Text { json: true } if given.is_none() => {
            if let Some(named) = named.filter(|named| *named != Format::Json) {
                differs(path, named, Format::Json);
            }
            Ok(Format::Json)
        }
        Content::Text { .. } => named.ok_or_else(|| Error::Format {
            path: path.to_owned(),
            found: "not a known data format".to_owned(),
            expected: EXPECTED.to_owned(),
        }),
    }
}

fn differs(path: &Path, named: Format, found: Format) {
    let (path, named, found) = (path.display(), named.name(), found.name());
    tracing::warn!("{path}: read as {found}, because its content is {found}, although it is named as {named}");
}
