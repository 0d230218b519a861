//! Rows that are read one after the other while a model is trained on them, for sources that are larger than the disk, or that should not be
//! read before the first step: `IterableDataset` of Hugging Face's `datasets`. Their number is not known, and their order is random only as
//! far as a [`ShuffleBuffer`] reaches.

mod buffer;
mod chunks;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use self::buffer::ShuffleBuffer;
use self::chunks::{Chunks, Layout};
use crate::error::{Error, Result};
use crate::read::records::Records;
use crate::roles::columns::Columns;
use crate::roles::mapping::Roles;
use crate::roles::options::RowOptions;
use crate::roles::rows::TextRows;
use crate::shuffle::{Draws, Purpose};
use crate::source::Source;

/// The rows that are read before the first batch: they say which column plays which role.
const HEAD: usize = 1000;
/// The rows that are read at once.
const CHUNK: usize = 256;

/// Rows of texts that are read one after the other.
///
/// The first 1,000 rows are read when it is opened. They say which column plays which role, and they are checked; a later row is checked when it
/// is read. A pass over the source has its files in a random order, and its rows go through a buffer, from which a random one is taken for each
/// that is read. Both orders follow from the seed and the number of the pass, so that the batch of a number is always the same.
///
/// ```
/// use colburn_data::{RowOptions, Source, StreamRows};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("rows.jsonl");
/// std::fs::write(&path, "{\"query\": \"what is rust\", \"positive\": \"a language\"}\n")?;
/// let rows = StreamRows::open(&Source::new(&path), None, RowOptions::default(), 1000)?;
/// assert_eq!(rows.head().query(0)?, "what is rust");
/// let mut batches = rows.batches(1, true, false, 42);
/// assert_eq!((batches.next()?.len(), batches.next()?.pass()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StreamRows(Arc<Opened>);

/// A source of which the first rows were read.
struct Opened {
    source: Source,
    files: Vec<PathBuf>,
    roles: Option<Roles>,
    layout: Layout,
    columns: Arc<Columns>,
    buffer_size: usize,
    head: TextRows,
}

impl StreamRows {
    /// Opens a source, and reads its first rows. The shuffle buffer holds `buffer_size` rows.
    ///
    /// # Errors
    /// When `buffer_size` is 0, and as [`Dataset::from_source`](crate::Dataset::from_source) and [`TextRows::new`] of the first rows.
    pub fn open(source: &Source, roles: Option<Roles>, options: RowOptions, buffer_size: usize) -> Result<Self> {
        if buffer_size == 0 {
            return Err(Error::BufferSize);
        }
        let mut records = Records::open(source)?;
        let head = chunks::first(&mut records, HEAD)?;
        let layout = head.table().layout().into();
        let head = match &roles {
            Some(roles) => head.with_columns(roles.clone())?,
            None => head,
        };
        let head = TextRows::new(head, options)?;
        let (files, columns) = (records.files().to_vec(), head.columns()?);
        Ok(Self(Arc::new(Opened { source: source.clone(), files, roles, layout, columns, buffer_size, head })))
    }

    /// The first rows, without those that are left out.
    pub fn head(&self) -> &TextRows {
        &self.0.head
    }

    /// The files of the source.
    pub fn files(&self) -> &[PathBuf] {
        &self.0.files
    }

    /// One line for reports and messages: the source, the buffer, and the columns.
    pub fn description(&self) -> String {
        let Opened { source, buffer_size, head, .. } = &*self.0;
        let (source, columns) = (source.spec().display(), head.dataset().table().column_list());
        format!("{source}: streamed, buffer_size = {buffer_size}; {columns}")
    }

    /// All batches, pass after pass without an end. Where `shuffle` is false, files and rows are in their order. A pass ends with a smaller
    /// batch, or, with `drop_last`, without the rows that make no whole one.
    pub fn batches(&self, batch_size: usize, shuffle: bool, drop_last: bool, seed: u64) -> StreamBatches {
        StreamBatches { rows: self.clone(), batch_size, shuffle, drop_last, seed, pass: 0, current: None }
    }

    /// The number of rows of the shuffle buffer.
    pub fn buffer_size(&self) -> usize {
        self.0.buffer_size
    }

    pub(crate) fn columns(&self) -> &Arc<Columns> {
        &self.0.columns
    }
}

impl fmt::Debug for StreamRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamRows").field(&self.description()).finish()
    }
}

/// The batches of a stream, one after the other.
pub struct StreamBatches {
    rows: StreamRows,
    batch_size: usize,
    shuffle: bool,
    drop_last: bool,
    seed: u64,
    pass: u64,
    /// The pass, once its first row was asked for.
    current: Option<Pass>,
}

/// The rows of a batch of a stream.
pub struct StreamBatch {
    pub(crate) rows: Vec<StreamRow>,
    pass: u64,
}

/// A row of a stream.
pub(crate) struct StreamRow {
    chunk: Arc<TextRows>,
    row: usize,
    /// Its number in the pass, as it was read.
    pub(crate) number: u64,
}

impl StreamRow {
    /// The rows that it was read with, and its place among them.
    pub(crate) fn place(&self) -> (&TextRows, usize) {
        (&self.chunk, self.row)
    }
}

impl StreamBatch {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there are no rows, which no batch of a stream is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of the pass over the source, from 0.
    pub fn pass(&self) -> u64 {
        self.pass
    }
}

impl StreamBatches {
    /// The next batch.
    ///
    /// # Errors
    /// When a file cannot be read, a row cannot be trained on, or a pass has no batch.
    #[expect(clippy::should_implement_trait, reason = "there is always a next batch, or an error")]
    pub fn next(&mut self) -> Result<StreamBatch> {
        loop {
            let mut pass = match self.current.take() {
                Some(pass) => pass,
                None => Pass::new(&self.rows.0, self.shuffle, self.seed, self.pass)?,
            };
            let mut rows = Vec::with_capacity(self.batch_size);
            while rows.len() < self.batch_size
                && let Some(row) = pass.next(&self.rows.0)?
            {
                rows.push(row);
            }
            let number = self.pass;
            let is_whole = rows.len() == self.batch_size;
            if is_whole || (!rows.is_empty() && !self.drop_last) {
                pass.batches += 1;
                self.current = Some(pass);
                return Ok(StreamBatch { rows, pass: number });
            }
            if pass.batches == 0 {
                let problem = format!("a pass over it has no batch of {} rows", self.batch_size);
                return Err(Error::NoRows { data: self.rows.0.source.spec().display().to_string(), problem });
            }
            self.pass += 1;
        }
    }

    /// Goes over so many batches. Their rows are read, because what comes after them depends on all of them.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn skip(&mut self, batches: usize) -> Result<()> {
        (0..batches).try_for_each(|_| self.next().map(drop))
    }
}

/// One pass over the source.
struct Pass {
    chunks: Chunks,
    buffer: ShuffleBuffer<StreamRow>,
    /// The rows of the last chunk that are still to go into the buffer.
    read: VecDeque<StreamRow>,
    /// The rows that are left in the buffer after the last row.
    rest: Option<std::vec::IntoIter<StreamRow>>,
    rows: u64,
    batches: usize,
}

impl Pass {
    fn new(rows: &Opened, shuffle: bool, seed: u64, pass: u64) -> Result<Self> {
        let (records, size) = if shuffle {
            (Records::shuffled(&rows.source, seed, pass)?, rows.buffer_size)
        } else {
            (Records::open(&rows.source)?, 0)
        };
        Ok(Self {
            chunks: Chunks::new(records, rows.layout.clone(), rows.roles.clone()),
            buffer: ShuffleBuffer::new(size, Draws::new(Purpose::Buffer, seed, pass)),
            read: VecDeque::new(),
            rest: None,
            rows: 0,
            batches: 0,
        })
    }

    /// The next row in the order of the buffer.
    fn next(&mut self, of: &Opened) -> Result<Option<StreamRow>> {
        loop {
            if let Some(rest) = &mut self.rest {
                return Ok(rest.next());
            }
            while let Some(row) = self.read.pop_front() {
                if let Some(row) = self.buffer.push(row) {
                    return Ok(Some(row));
                }
            }
            match self.chunks.next(CHUNK)? {
                Some(data) => {
                    let Some(chunk) = of.head.further(data, &of.columns)? else { continue };
                    let chunk = Arc::new(chunk);
                    let first = self.rows;
                    self.rows += chunk.len() as u64;
                    let row = |row: usize| StreamRow { chunk: chunk.clone(), row, number: first + row as u64 };
                    self.read.extend((0..chunk.len()).map(row));
                }
                None => self.rest = Some(self.buffer.finish().into_iter()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
