//! The place of each sequence in a packed run of tokens.
//!
//! Spans live on the host; a [`Batch`](crate::Batch) makes tensors of them where an operation needs some. Beside its tokens a sequence has a
//! number of *keys*, the leading tokens that may be attended to. That one number holds all of ColBERT's query expansion: the expansion
//! tokens stand at the end, attend to the real tokens, and no token attends to them.

use std::ops::Range;

use crate::error::{Error, Result};

/// Offsets of the sequences in a packed run, and the number of leading tokens that each may attend to.
///
/// ```
/// use colburn_ops::Spans;
///
/// let spans = Spans::with_keys(&[3, 5], &[3, 2])?;
/// assert_eq!((spans.len(), spans.tokens()), (2, 8));
/// assert_eq!((spans.range(1), spans.keys(1)), (3..8, 2));
/// # Ok::<(), colburn_ops::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    offsets: Vec<usize>,
    keys: Vec<usize>,
}

impl Spans {
    /// Sequences that attend to all of their tokens.
    pub fn from_lengths(lengths: &[usize]) -> Self {
        let mut offsets = Vec::with_capacity(lengths.len() + 1);
        let mut end = 0;
        offsets.push(end);
        for length in lengths {
            end += length;
            offsets.push(end);
        }
        Self { offsets, keys: lengths.to_vec() }
    }

    /// Sequences that attend to their first `keys[i]` tokens only.
    ///
    /// # Errors
    /// When the two lists differ in length, or a sequence has more keys than tokens.
    pub fn with_keys(lengths: &[usize], keys: &[usize]) -> Result<Self> {
        if keys.len() != lengths.len() {
            return Err(Error::Length { what: "the list of key counts", expected: lengths.len(), found: keys.len() });
        }
        for (sequence, (&length, &keys)) in lengths.iter().zip(keys).enumerate() {
            if keys > length {
                return Err(Error::KeysExceedLength { sequence, length, keys });
            }
        }
        Ok(Self { keys: keys.to_vec(), ..Self::from_lengths(lengths) })
    }

    /// The sequences of all parts, in order, in one run.
    pub fn concat<'a>(parts: impl IntoIterator<Item = &'a Spans>) -> Self {
        let mut all = Self { offsets: vec![0], keys: Vec::new() };
        for part in parts {
            let start = all.tokens();
            all.offsets.extend(part.offsets[1..].iter().map(|offset| start + offset));
            all.keys.extend_from_slice(&part.keys);
        }
        all
    }

    /// The sequences of `range` as a run of their own.
    ///
    /// # Panics
    /// When the range reaches past the last sequence, as slicing does.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let start = self.offsets[range.start];
        Self {
            offsets: self.offsets[range.start..=range.end].iter().map(|offset| offset - start).collect(),
            keys: self.keys[range].to_vec(),
        }
    }

    /// The sequences at these positions, in that order, as a run of their own.
    ///
    /// # Panics
    /// When a position is out of range, as indexing does.
    pub fn select(&self, sequences: &[usize]) -> Self {
        let lengths: Vec<usize> = sequences.iter().map(|&sequence| self.length(sequence)).collect();
        let keys = sequences.iter().map(|&sequence| self.keys(sequence)).collect();
        Self { keys, ..Self::from_lengths(&lengths) }
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of tokens of all sequences.
    pub fn tokens(&self) -> usize {
        self.offsets[self.offsets.len() - 1]
    }

    /// The tokens of a sequence in the run.
    ///
    /// # Panics
    /// When there is no such sequence, as indexing does; so do [`Spans::length`] and [`Spans::keys`].
    pub fn range(&self, sequence: usize) -> Range<usize> {
        self.offsets[sequence]..self.offsets[sequence + 1]
    }

    /// Number of tokens of a sequence.
    pub fn length(&self, sequence: usize) -> usize {
        self.range(sequence).len()
    }

    /// Number of leading tokens that a sequence may attend to.
    pub fn keys(&self, sequence: usize) -> usize {
        self.keys[sequence]
    }

    /// Number of tokens of each sequence.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// Number of tokens of the longest sequence, 0 without any.
    pub fn max_length(&self) -> usize {
        self.lengths().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concat_and_slice_undo_each_other() {
        let queries = Spans::with_keys(&[4, 4], &[2, 3]).unwrap();
        let documents = Spans::from_lengths(&[7, 0, 1]);
        let all = Spans::concat([&queries, &documents]);
        assert_eq!((all.len(), all.tokens()), (5, 16));
        assert_eq!(all.slice(0..2), queries);
        assert_eq!(all.slice(2..5), documents);
        assert_eq!(all.range(2), 8..15);
        assert!(all.slice(5..5).is_empty());
        assert_eq!(all.select(&[1, 0]), Spans::with_keys(&[4, 4], &[3, 2]).unwrap());
    }

    #[test]
    fn no_more_keys_than_tokens() {
        let error = Spans::with_keys(&[2, 3], &[2, 4]).unwrap_err().to_string();
        assert!(error.contains("sequence 1 has 3 tokens but 4 keys"), "{error}");
        assert!(Spans::with_keys(&[2], &[]).is_err());
    }
}
