//! One file of embeddings in either format: it appears whole or not at all.

use std::ops::Range;
use std::path::{Path, PathBuf};

use colburn::data::{EmbeddingColumns, EmbeddingId, EmbeddingValues, EmbeddingsWriter};
use colburn::model::TokenEmbeddings;
use colburn::search::{Dtype, quantize};

use super::chunks::Chunk;
use super::safetensors::SafetensorsFile;
use crate::command_line::FormatArgument;
use crate::output::Pending;
use crate::{Error, Result};

/// The contents of a file of embeddings.
#[derive(Clone, Copy)]
pub struct Content {
    pub format: FormatArgument,
    pub dtype: Dtype,
    pub dim: usize,
    /// True if rows of Parquet are named by the texts' own names.
    pub text_ids: bool,
}

/// A file that is being written.
pub struct EmbeddingsFile {
    path: PathBuf,
    pending: Pending,
    writer: Writer,
    text_ids: bool,
    texts: usize,
    tokens: usize,
}

enum Writer {
    Safetensors(SafetensorsFile),
    Parquet { writer: Box<EmbeddingsWriter>, dtype: Dtype },
}

/// A file that is written.
pub struct Written {
    pub texts: usize,
    pub tokens: usize,
}

impl EmbeddingsFile {
    /// Begins the file of the texts with these numbers, or fewer of them.
    pub fn create(path: &Path, content: Content, texts: Range<usize>) -> Result<Self> {
        let unwritable = |source| Error::Write { path: path.to_owned(), source };
        let pending = Pending::new(path)?;
        let writer = match content.format {
            FormatArgument::Safetensors => Writer::Safetensors(
                SafetensorsFile::new(&pending.folder(), pending.file(), content.dtype, content.dim, texts)
                    .map_err(unwritable)?,
            ),
            FormatArgument::Parquet => {
                let columns =
                    EmbeddingColumns { text_ids: content.text_ids, scaled: matches!(content.dtype, Dtype::Int8) };
                let file = pending.file().try_clone().map_err(unwritable)?;
                Writer::Parquet {
                    writer: Box::new(EmbeddingsWriter::new(path, file, content.dim, columns)?),
                    dtype: content.dtype,
                }
            }
        };
        Ok(Self { path: path.to_owned(), pending, writer, text_ids: content.text_ids, texts: 0, tokens: 0 })
    }

    /// Adds the texts of a chunk.
    pub fn write(&mut self, chunk: &Chunk, embeddings: &[TokenEmbeddings]) -> Result<()> {
        match &mut self.writer {
            Writer::Safetensors(writer) => {
                for (number, embeddings) in (chunk.first..).zip(embeddings) {
                    let written = writer.push(number, embeddings);
                    written.map_err(|source| Error::Write { path: self.path.clone(), source })?;
                }
            }
            Writer::Parquet { writer, dtype } => {
                let quantized: Vec<(Vec<i8>, Vec<f32>)> = match dtype {
                    Dtype::Int8 => embeddings.iter().map(quantized).collect(),
                    Dtype::F32 | Dtype::F16 => Vec::new(),
                };
                let mut rows = Vec::with_capacity(embeddings.len());
                for (at, (number, embeddings)) in (chunk.first..).zip(embeddings).enumerate() {
                    let values = match quantized.get(at) {
                        Some((values, scales)) => EmbeddingValues::Scaled { values, scales },
                        None => EmbeddingValues::Floats(&embeddings.values),
                    };
                    rows.push((id(number, chunk.ids[at].as_deref(), self.text_ids)?, values));
                }
                writer.write(&rows)?;
            }
        }
        self.texts += embeddings.len();
        self.tokens += embeddings.iter().map(TokenEmbeddings::tokens).sum::<usize>();
        Ok(())
    }

    /// Brings it to its place.
    pub fn finish(self) -> Result<Written> {
        let mut pending = self.pending;
        match self.writer {
            Writer::Safetensors(writer) => {
                writer.finish(pending.file_mut()).map_err(|source| Error::Write { path: self.path.clone(), source })?
            }
            Writer::Parquet { writer, .. } => writer.finish()?,
        }
        pending.commit()?;
        Ok(Written { texts: self.texts, tokens: self.tokens })
    }
}

/// The whole numbers of all vectors of a text, and their scales.
fn quantized(embeddings: &TokenEmbeddings) -> (Vec<i8>, Vec<f32>) {
    let (mut values, mut scales) = (Vec::with_capacity(embeddings.values.len()), Vec::new());
    for vector in embeddings.rows() {
        let (scale, steps) = quantize(vector);
        values.extend(steps);
        scales.push(scale);
    }
    (values, scales)
}

fn id(number: usize, own: Option<&str>, text_ids: bool) -> Result<EmbeddingId<'_>> {
    match (text_ids, own) {
        (true, Some(id)) => Ok(EmbeddingId::Text(id)),
        (true, None) => Err(Error::Text {
            place: format!("text {number} (counted from 0)"),
            message: "it has no `_id` or `id`, but the first one has; Parquet names either all or none".to_owned(),
        }),
        (false, _) => Ok(EmbeddingId::Number(i64::try_from(number).unwrap_or(i64::MAX))),
    }
}
