//! New segments: documents are gathered as the bytes that they will have, and appear in the folder as one whole file.

use std::{borrow::Cow, fs::File, io, path::Path};

use colburn_model::TokenEmbeddings;
use safetensors::tensor::View;

use super::{Dtype, manifest::Entry, segment::Segment};
use crate::{Error, Result};

/// A segment that is being gathered.
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

    /// Writes the file with this number: to a temporary name, to the disk, to its name.
    pub fn write(self, directory: &Path, number: u64) -> Result<Entry> {
        use safetensors::Dtype::{F32, U8, U64};
        let file = Entry::file(number);
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
        Ok(Entry { file, documents, tokens, removed: Default::default() })
    }
}

/// A tensor as safetensors wants to see it: type, shape, bytes.
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
