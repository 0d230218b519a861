//! The documents that were added at one time, in a safetensors file that is never changed: `values` `[tokens, dim]`, for int8 `scales`
//! `[tokens]`, `ends` `[documents]` (where each ends, in tokens), and the ids, as `ids` (bytes) and `id_ends` `[documents]`.
//!
//! The file is mapped, not read. Every length is checked against the file when it is opened, so that no byte of it can lead out of it.

use std::{fs::File, ops::Range, path::Path};

use colburn_model::TokenEmbeddings;
use memmap2::Mmap;
use safetensors::SafeTensors;

use super::{Dtype, manifest::Entry};
use crate::{Error, Result};

const COUNT: usize = size_of::<u64>();

/// A segment, open for reading.
#[derive(Debug)]
pub(crate) struct Segment {
    map: Mmap,
    dim: usize,
    dtype: Dtype,
    documents: usize,
    values: Range<usize>,
    scales: Range<usize>,
    ends: Range<usize>,
    ids: Range<usize>,
    id_ends: Range<usize>,
}

impl Segment {
    /// Opens the file that an entry of `index.json` names.
    pub fn open(directory: &Path, entry: &Entry, dim: usize, dtype: Dtype) -> Result<Self> {
        let path = directory.join(&entry.file);
        let file = File::open(&path).map_err(Error::io(&path))?;
        // SAFETY: a mapping is sound as long as nobody changes or truncates the file under it. A segment gets its name when it is whole,
        // and whoever writes to an index only ever unlinks it; that nobody else may touch the files is said in the documentation.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path))?;
        Self::of(map, entry, dim, dtype).map_err(|message| Error::index(&path, message))
    }

    fn of(map: Mmap, entry: &Entry, dim: usize, dtype: Dtype) -> std::result::Result<Self, String> {
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|error| format!("damaged or cut: not a complete safetensors file ({error})"))?;
        let start = header + COUNT;
        let tensor = |name: &str,
                      dtype: safetensors::Dtype,
                      shape: &[usize]|
         -> std::result::Result<Range<usize>, String> {
            let info = metadata.info(name).ok_or_else(|| format!("tensor `{name}` is missing"))?;
            if info.dtype != dtype || info.shape != shape {
                let found = (info.dtype, &info.shape);
                return Err(format!("tensor `{name}` is {found:?}, by index.json it has to be {:?}", (dtype, shape)));
            }
            Ok(start + info.data_offsets.0..start + info.data_offsets.1)
        };
        let (documents, tokens) = (entry.documents, entry.tokens);
        let values = tensor("values", dtype.stored(), &[tokens, dim])?;
        let scales = if dtype == Dtype::Int8 { tensor("scales", safetensors::Dtype::F32, &[tokens])? } else { 0..0 };
        let ends = tensor("ends", safetensors::Dtype::U64, &[documents])?;
        let id_ends = tensor("id_ends", safetensors::Dtype::U64, &[documents])?;
        let bytes = metadata.info("ids").map_or(0, |info| info.shape.iter().product());
        let ids = tensor("ids", safetensors::Dtype::U8, &[bytes])?;
        let segment = Self { map, dim, dtype, documents, values, scales, ends, ids, id_ends };
        segment.check_ends("ends", &segment.ends, tokens)?;
        segment.check_ends("id_ends", &segment.id_ends, bytes)?;
        let text = str::from_utf8(&segment.map[segment.ids.clone()])
            .map_err(|_| "damaged: the ids are not UTF-8".to_owned())?;
        if (0..documents).any(|document| !text.is_char_boundary(segment.end(&segment.id_ends, document))) {
            return Err("damaged: an id ends within a character".to_owned());
        }
        Ok(segment)
    }

    /// That ends never fall, and that the last one is the end of everything.
    fn check_ends(&self, name: &str, ends: &Range<usize>, total: usize) -> std::result::Result<(), String> {
        let mut before = 0;
        for document in 0..self.documents {
            let end = self.end(ends, document);
            if end < before || end > total {
                return Err(format!("damaged: entry {document} of `{name}` is {end}, after {before}, of {total}"));
            }
            before = end;
        }
        if before == total { Ok(()) } else { Err(format!("damaged: `{name}` ends at {before}, not at {total}")) }
    }

    fn end(&self, ends: &Range<usize>, document: usize) -> usize {
        let at = ends.start + document * COUNT;
        let bytes = self.map[at..at + COUNT].first_chunk().copied().unwrap_or_default();
        usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    }

    fn range(&self, ends: &Range<usize>, document: usize) -> Range<usize> {
        document.checked_sub(1).map_or(0, |before| self.end(ends, before))..self.end(ends, document)
    }

    /// Number of documents, removed ones as well.
    pub fn documents(&self) -> usize {
        self.documents
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> usize {
        self.map.len()
    }

    /// Number of tokens of a document.
    pub fn tokens(&self, document: usize) -> usize {
        self.range(&self.ends, document).len()
    }

    /// The id of a document.
    pub fn id(&self, document: usize) -> &str {
        let range = self.range(&self.id_ends, document);
        // Checked as a whole when it was opened.
        str::from_utf8(&self.map[self.ids.start + range.start..self.ids.start + range.end]).unwrap_or_default()
    }

    /// The vectors of a document as they are stored, and their scales.
    pub fn stored(&self, document: usize) -> (&[u8], &[u8]) {
        let tokens = self.range(&self.ends, document);
        let part = |whole: &Range<usize>, size: usize| {
            if whole.is_empty() {
                return &self.map[0..0];
            }
            &self.map[whole.start + tokens.start * size..whole.start + tokens.end * size]
        };
        (part(&self.values, self.dim * self.dtype.size()), part(&self.scales, size_of::<f32>()))
    }

    /// The vectors of a document.
    pub fn embeddings(&self, document: usize) -> TokenEmbeddings {
        let (values, scales) = self.stored(document);
        TokenEmbeddings { values: self.dtype.decode(values, scales, self.dim), dim: self.dim }
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment_writer::SegmentWriter;
    use super::*;

    fn written(dtype: Dtype) -> (tempfile::TempDir, Entry, Vec<TokenEmbeddings>) {
        let folder = tempfile::tempdir().unwrap();
        let texts = [vec![0.5f32, -0.5, 0.25, 1.0], vec![], vec![0.125, 0.0]];
        let texts: Vec<_> = texts.into_iter().map(|values| TokenEmbeddings { values, dim: 2 }).collect();
        let mut writer = SegmentWriter::new(2, dtype);
        for (id, text) in ["a", "ü", ""].iter().zip(&texts) {
            writer.push(id, text);
        }
        let entry = writer.write(folder.path(), 3).unwrap();
        (folder, entry, texts)
    }

    #[test]
    fn documents_come_back_from_the_file() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Int8] {
            let (folder, entry, texts) = written(dtype);
            assert_eq!((entry.file.as_str(), entry.documents, entry.tokens), ("segment-000003.safetensors", 3, 3));
            let segment = Segment::open(folder.path(), &entry, 2, dtype).unwrap();
            assert_eq!((0..3).map(|document| segment.id(document)).collect::<Vec<_>>(), ["a", "ü", ""]);
            for (document, text) in texts.iter().enumerate() {
                let found = segment.embeddings(document);
                assert_eq!((found.values.len(), segment.tokens(document)), (text.values.len(), text.tokens()));
                for (a, b) in found.values.iter().zip(&text.values) {
                    assert!((a - b).abs() < 0.003, "{dtype}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_wherever_the_damage_is() {
        let (folder, entry, _) = written(Dtype::Int8);
        let path = folder.path().join(&entry.file);
        let whole = std::fs::read(&path).unwrap();
        let read = || {
            Segment::open(folder.path(), &entry, 2, Dtype::Int8).map(|segment| {
                (0..3)
                    .map(|document| (segment.id(document).to_owned(), segment.embeddings(document)))
                    .collect::<Vec<_>>()
            })
        };
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(read().unwrap_err().to_string().contains("segment-000003.safetensors"), "{cut}");
        }
        let mut refused = 0;
        for at in 0..whole.len() {
            for bits in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= bits;
                // A changed file beside the mapped one: what is mapped is not written to.
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, &damaged).unwrap();
                refused += usize::from(read().is_err());
            }
        }
        assert!(refused > whole.len(), "{refused} of {}", 3 * whole.len());
    }

    #[test]
    fn a_file_of_another_index_is_refused() {
        let (folder, entry, _) = written(Dtype::F16);
        let open = |entry: &Entry, dim, dtype| Segment::open(folder.path(), entry, dim, dtype).unwrap_err().to_string();
        assert!(open(&entry, 3, Dtype::F16).contains("tensor `values` is (F16, [3, 2])"));
        assert!(open(&entry, 2, Dtype::F32).contains("has to be (F32, [3, 2])"));
        assert!(open(&Entry { documents: 2, ..entry.clone() }, 2, Dtype::F16).contains("tensor `ends`"));
    }
}
