//! A segment: the documents that were added at one time, in a safetensors file that never changes. Its tensors are `values` `[tokens, dim]`,
//! for int8 `scales` `[tokens]`, `ends` `[documents]` (the end of each document, in tokens), `ids` (bytes) and `id_ends` `[documents]`.
//!
//! The file is mapped, not read. Every length is checked against the file when it is opened, so no damaged byte leads outside the file. A new
//! segment is collected in memory and appears in the folder as one whole file.

use std::{borrow::Cow, fs::File, io, ops::Range, path::Path};

use colburn_model::TokenEmbeddings;
use memmap2::Mmap;
use safetensors::{SafeTensors, tensor::View};

use super::{dtype::Dtype, manifest::SegmentEntry};
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
    pub fn open(directory: &Path, entry: &SegmentEntry, dim: usize, dtype: Dtype) -> Result<Self> {
        let path = directory.join(&entry.file);
        let file = File::open(&path).map_err(Error::io(&path))?;
        // SAFETY: a mapping is sound as long as nobody changes or truncates the file under it. A segment gets its name when it is whole,
        // and writers of an index only ever unlink it; the documentation says that nothing else may change the files.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path))?;
        Self::of(map, entry, dim, dtype).map_err(|message| Error::index(&path, message))
    }

    fn of(map: Mmap, entry: &SegmentEntry, dim: usize, dtype: Dtype) -> std::result::Result<Self, String> {
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

    /// Checks that ends never decrease, and that the last one is the total.
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

    /// Number of documents, including removed ones.
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

/// A new segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    dim: usize,
    dtype: Dtype,
    tokens: usize,
    documents: usize,
    values: Vec<u8>,
    scales: Vec<u8>,
    ends: Vec<u8>,
    ids: Vec<u8>,
    id_ends: Vec<u8>,
}

impl SegmentWriter {
    pub fn new(dim: usize, dtype: Dtype) -> Self {
        let bytes = || (Vec::new(), Vec::new());
        let ((values, scales), (ends, ids), id_ends) = (bytes(), bytes(), Vec::new());
        Self { dim, dtype, tokens: 0, documents: 0, values, scales, ends, ids, id_ends }
    }

    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// Bytes of the values so far.
    pub fn bytes(&self) -> usize {
        self.values.len()
    }

    /// Adds a document, whose width and values were checked.
    pub fn push(&mut self, id: &str, text: &TokenEmbeddings) {
        for vector in text.rows() {
            self.dtype.encode(vector, &mut self.values, &mut self.scales);
        }
        self.end(id, text.tokens());
    }

    /// Adds a document of another segment, byte by byte.
    pub fn copy(&mut self, segment: &Segment, document: usize) {
        let (values, scales) = segment.stored(document);
        self.values.extend_from_slice(values);
        self.scales.extend_from_slice(scales);
        self.end(segment.id(document), segment.tokens(document));
    }

    fn end(&mut self, id: &str, tokens: usize) {
        self.tokens += tokens;
        self.documents += 1;
        self.ends.extend((self.tokens as u64).to_le_bytes());
        self.ids.extend_from_slice(id.as_bytes());
        self.id_ends.extend((self.ids.len() as u64).to_le_bytes());
    }

    /// Writes the file with this number under a temporary name, syncs it, and renames it.
    pub fn write(self, directory: &Path, number: u64) -> Result<SegmentEntry> {
        use safetensors::Dtype::{F32, U8, U64};
        let file = SegmentEntry::file(number);
        let path = directory.join(&file);
        let (tokens, documents, ids) = (self.tokens, self.documents, self.ids.len());
        let mut tensors = vec![
            ("values", Tensor(self.dtype.stored(), vec![tokens, self.dim], self.values)),
            ("ends", Tensor(U64, vec![documents], self.ends)),
            ("ids", Tensor(U8, vec![ids], self.ids)),
            ("id_ends", Tensor(U64, vec![documents], self.id_ends)),
        ];
        if self.dtype == Dtype::Int8 {
            tensors.push(("scales", Tensor(F32, vec![tokens], self.scales)));
        }
        let written = || -> io::Result<()> {
            // With the permissions of any new file, where a temporary one would be private.
            let place = tempfile::Builder::new().prefix(".tmp-").make_in(directory, |path| File::create_new(path))?;
            safetensors::serialize_to_file(tensors, None, place.path()).map_err(io::Error::other)?;
            File::open(place.path())?.sync_all()?;
            place.persist(&path).map_err(|error| error.error)?;
            #[cfg(unix)]
            File::open(directory)?.sync_all()?;
            Ok(())
        };
        written().map_err(Error::io(&path))?;
        Ok(SegmentEntry { file, documents, tokens, removed: Default::default() })
    }
}

/// A tensor for safetensors: type, shape, bytes.
struct Tensor(safetensors::Dtype, Vec<usize>, Vec<u8>);

impl View for Tensor {
    fn dtype(&self) -> safetensors::Dtype {
        self.0
    }

    fn shape(&self) -> &[usize] {
        &self.1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.2.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.2.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dtype: Dtype) -> (tempfile::TempDir, SegmentEntry, Vec<TokenEmbeddings>) {
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
                // A new file in place of the mapped one: the mapping is never written to.
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
        let open =
            |entry: &SegmentEntry, dim, dtype| Segment::open(folder.path(), entry, dim, dtype).unwrap_err().to_string();
        assert!(open(&entry, 3, Dtype::F16).contains("tensor `values` is (F16, [3, 2])"));
        assert!(open(&entry, 2, Dtype::F32).contains("has to be (F32, [3, 2])"));
        assert!(open(&SegmentEntry { documents: 2, ..entry.clone() }, 2, Dtype::F16).contains("tensor `ends`"));
    }
}
