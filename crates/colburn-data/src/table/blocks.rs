//! Rows that stay in their files until they are read. Files that can be read from any row are cut into *blocks* of consecutive rows. The values
//! of a column in a block are decoded when one of them is first read, and kept in a [`Spill`] from then on, so that rows in random order
//! decode every block once. Nothing of a column that is never read is decoded.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::Result;
use crate::table::cells::{Cell, encode_cell};
use crate::table::spill::{Kept, Spill};
use crate::table::value::Value;

/// The bytes of the end of a cell.
const END_BYTES: usize = size_of::<u64>();

/// Files that can be read from any block.
pub(crate) trait BlockSource: Send + Sync {
    /// The number of rows of each block, in the order of the rows.
    fn block_lengths(&self) -> Vec<usize>;

    /// Hands over the value of a column in each row of a block.
    ///
    /// # Errors
    /// When the block cannot be decoded, and those of `take`.
    fn decode(&self, block: usize, column: usize, take: &mut dyn FnMut(&Value<'_>)) -> Result<()>;
}

/// The rows of such files.
pub(crate) struct Blocks {
    source: Box<dyn BlockSource>,
    /// The first row of each block, then the number of all rows.
    starts: Vec<usize>,
    columns: usize,
    /// The cells of column `c` in block `b`, at `b * columns + c`.
    kept: Vec<OnceLock<Kept>>,
    spill: Spill,
}

impl Blocks {
    pub(crate) fn new(source: Box<dyn BlockSource>, columns: usize) -> Self {
        let mut starts = vec![0];
        let mut rows = 0;
        for length in source.block_lengths() {
            rows += length;
            starts.push(rows);
        }
        let kept = (1..starts.len()).flat_map(|_| 0..columns).map(|_| OnceLock::new()).collect();
        Self { source, starts, columns, kept, spill: Spill::default() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    /// The cell of a column in a row; `None` if there is no such row or column.
    ///
    /// # Errors
    /// When the block of the row cannot be decoded, or there is no room for it in the temporary file.
    pub(crate) fn cell(&self, row: usize, column: usize) -> Result<Option<Cell<'_>>> {
        if row >= self.rows() || column >= self.columns {
            return Ok(None);
        }
        let block = self.starts.partition_point(|&start| start <= row) - 1;
        let within = row - self.starts[block];
        let cells = self.cells(block, column)?;
        Ok(cell_at(cells, self.starts[block + 1] - self.starts[block], within))
    }

    /// The cells of a column in a block: the end of each, then their bytes.
    fn cells(&self, block: usize, column: usize) -> Result<&[u8]> {
        let place = &self.kept[block * self.columns + column];
        if let Some(kept) = place.get() {
            return Ok(kept.bytes());
        }
        let rows = self.starts[block + 1] - self.starts[block];
        let mut bytes = vec![0; rows * END_BYTES];
        let mut row = 0;
        self.source.decode(block, column, &mut |value| {
            encode_cell(value, &mut bytes);
            let end = bytes.len() as u64;
            if let Some(place) = bytes.get_mut(row * END_BYTES..(row + 1) * END_BYTES).filter(|_| row < rows) {
                place.copy_from_slice(&end.to_le_bytes());
            }
            row += 1;
        })?;
        let kept = self.spill.keep(&bytes)?;
        // Another thread may have decoded the same block meanwhile; then its cells count.
        Ok(place.get_or_init(|| kept).bytes())
    }

    /// True if every value of these columns in these rows is a text with more than white space. All blocks are decoded, on all cores, and
    /// none is kept.
    ///
    /// # Errors
    /// When a block cannot be decoded.
    pub(crate) fn are_texts(&self, columns: &[usize], rows: Range<usize>) -> Result<bool> {
        let first = self.starts.partition_point(|&start| start <= rows.start).saturating_sub(1);
        let end = self.starts.partition_point(|&start| start < rows.end).min(self.starts.len() - 1);
        let (next, are_texts) = (AtomicUsize::new(first), AtomicBool::new(true));
        let work = || -> Result<()> {
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                if block >= end || !are_texts.load(Ordering::Relaxed) {
                    return Ok(());
                }
                for &column in columns {
                    let mut row = self.starts[block];
                    self.source.decode(block, column, &mut |value| {
                        let is_text = matches!(value, Value::Text(text) if !text.trim().is_empty());
                        if !is_text && rows.contains(&row) {
                            are_texts.store(false, Ordering::Relaxed);
                        }
                        row += 1;
                    })?;
                }
            }
        };
        let threads =
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(end.saturating_sub(first));
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let joined =
                others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.fold(own, Result::and)
        })?;
        Ok(are_texts.into_inner())
    }
}

/// A cell among those of a block of so many rows; `None` when the bytes were changed.
fn cell_at(cells: &[u8], rows: usize, row: usize) -> Option<Cell<'_>> {
    let (ends, _) = cells.get(..rows.checked_mul(END_BYTES)?)?.as_chunks::<END_BYTES>();
    let end = |row: usize| usize::try_from(u64::from_le_bytes(*ends.get(row)?)).ok();
    let start = if row == 0 { size_of_val(ends) } else { end(row - 1)? };
    Cell::of(cells.get(start..end(row)?)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;

    /// Rows of a text and a number, in blocks of 3; the text of a row that is a multiple of `blank_every` is blank. Counts the decoded blocks.
    struct Numbered {
        rows: usize,
        blank: Option<usize>,
        decoded: Arc<AtomicUsize>,
    }

    impl BlockSource for Numbered {
        fn block_lengths(&self) -> Vec<usize> {
            (0..self.rows).step_by(3).map(|start| (self.rows - start).min(3)).collect()
        }

        fn decode(&self, block: usize, column: usize, take: &mut dyn FnMut(&Value<'_>)) -> Result<()> {
            self.decoded.fetch_add(1, Ordering::Relaxed);
            if block == 99 {
                return Err(Error::NoRow { row: 0, rows: 0 });
            }
            for row in block * 3..(block * 3 + 3).min(self.rows) {
                match column {
                    0 if self.blank == Some(row) => take(&Value::Text(" ".into())),
                    0 => take(&Value::Text(format!("text {row}").into())),
                    _ => take(&Value::Integer(row as i64)),
                }
            }
            Ok(())
        }
    }

    fn blocks(rows: usize, blank: Option<usize>) -> (Blocks, Arc<AtomicUsize>) {
        let decoded = Arc::new(AtomicUsize::new(0));
        (Blocks::new(Box::new(Numbered { rows, blank, decoded: decoded.clone() }), 2), decoded)
    }

    #[test]
    fn a_block_is_decoded_once_when_it_is_read() {
        let (blocks, decoded) = blocks(10, None);
        assert_eq!((blocks.rows(), decoded.load(Ordering::Relaxed)), (10, 0));
        for _ in 0..2 {
            for row in [9, 0, 7, 1, 8] {
                let cell = blocks.cell(row, 0).unwrap().unwrap();
                assert_eq!(cell.value(None), Some(Value::Text(format!("text {row}").into())));
            }
            assert_eq!(decoded.load(Ordering::Relaxed), 3, "three blocks of one column");
        }
        assert_eq!(blocks.cell(4, 1).unwrap().unwrap().value(None), Some(Value::Integer(4)));
        assert_eq!(decoded.load(Ordering::Relaxed), 4);
        assert!(blocks.cell(10, 0).unwrap().is_none() && blocks.cell(0, 2).unwrap().is_none());
    }

    #[test]
    fn many_threads_read_the_same_cells() {
        let (blocks, _) = blocks(300, None);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let blocks = &blocks;
                scope.spawn(move || {
                    for row in (0..290).map(|row| (row * 7 + thread) % 290) {
                        assert_eq!(blocks.cell(row, 1).unwrap().unwrap().value(None), Some(Value::Integer(row as i64)));
                    }
                });
            }
        });
    }

    #[test]
    fn blank_texts_are_found_within_the_rows_that_count() {
        for (blank, rows, expected) in [
            (None, 0..20, true),
            (Some(7), 0..20, false),
            (Some(7), 8..20, true),
            (Some(7), 0..7, true),
            (Some(7), 7..8, false),
            (Some(19), 0..20, false),
            (Some(0), 0..0, true),
        ] {
            let (blocks, _) = blocks(20, blank);
            assert_eq!(blocks.are_texts(&[0], rows.clone()).unwrap(), expected, "{blank:?} {rows:?}");
            assert!(!blocks.are_texts(&[0, 1], 3..4).unwrap(), "a number is no text");
        }
    }

    #[test]
    fn a_block_that_cannot_be_decoded_is_an_error() {
        let (blocks, _) = blocks(300, None);
        assert!(blocks.cell(297, 0).is_err() && blocks.cell(296, 0).is_ok());
        assert!(blocks.are_texts(&[0], 0..300).is_err() && blocks.are_texts(&[0], 0..297).unwrap());
    }
}
