//! Token ids of a batch of texts, which go into the encoder, and the vectors of one text, which come out of it.

use colburn_ops::Spans;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The two sides of retrieval. They differ in prefix, length, expansion and skiplist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A text to search with.
    Query,
    /// A text to be found.
    Document,
}

/// The tokenized texts of a batch in one packed run, on the host.
///
/// A [`TextTokenizer`](crate::TextTokenizer) makes one; [`TokenBatch::new`] makes one of other ids.
///
/// # Shapes
/// `ids` and `mask` have an entry for each token of `spans`, `floor` has one for each sequence of it. Functions that take a batch rely on
/// this. Code that builds or changes a batch by its public fields has to keep it, or they panic as indexing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    /// The token ids of all texts, `[tokens]`.
    pub ids: Vec<u32>,
    /// The range of each text in the run, and the number of its tokens that can be attended to.
    pub spans: Spans,
    /// True for the tokens that count in scoring, `[tokens]`.
    pub mask: Vec<bool>,
    /// True for documents whose maxima PyLate floors at zero, `[texts]`: those that it would pad to `document_length`, or that have a skipped
    /// token.
    pub floor: Vec<bool>,
}

impl TokenBatch {
    /// A batch of these parts.
    ///
    /// ```
    /// use colburn_model::TokenBatch;
    /// use colburn_ops::Spans;
    ///
    /// let spans = Spans::from_lengths(&[2, 3]);
    /// let batch = TokenBatch::new(vec![5, 6, 7, 8, 9], spans.clone(), vec![true; 5], vec![false; 2])?;
    /// assert_eq!((batch.len(), batch.tokens()), (2, 5));
    /// assert!(TokenBatch::new(vec![5, 6], spans, vec![true; 5], vec![false; 2]).is_err());
    /// # Ok::<(), colburn_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a list is not as long as `spans` asks for.
    pub fn new(ids: Vec<u32>, spans: Spans, mask: Vec<bool>, floor: Vec<bool>) -> Result<Self> {
        let batch = Self { ids, spans, mask, floor };
        batch.check()?;
        Ok(batch)
    }

    /// Checks the lengths of the lists.
    pub(crate) fn check(&self) -> Result<()> {
        let (tokens, texts) = (self.spans.tokens(), self.spans.len());
        for (list, found, expected, unit) in [
            ("ids", self.ids.len(), tokens, "tokens"),
            ("mask", self.mask.len(), tokens, "tokens"),
            ("floor", self.floor.len(), texts, "texts"),
        ] {
            if found != expected {
                let message = format!("{list} has {found} entries, but the spans have {expected} {unit}");
                return Err(Error::config("TokenBatch", message));
            }
        }
        Ok(())
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The number of tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The texts of all parts in one run, in order: one pass through the encoder computes them all.
    pub fn concat(parts: &[&TokenBatch]) -> TokenBatch {
        TokenBatch {
            ids: parts.iter().flat_map(|part| &part.ids).copied().collect(),
            spans: Spans::concat(parts.iter().map(|part| &part.spans)),
            mask: parts.iter().flat_map(|part| &part.mask).copied().collect(),
            floor: parts.iter().flat_map(|part| &part.floor).copied().collect(),
        }
    }

    /// The texts at these positions, in that order.
    ///
    /// # Panics
    /// When a position is out of range, as indexing does.
    pub fn select(&self, texts: &[usize]) -> TokenBatch {
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for &text in texts {
            let range = self.spans.range(text);
            ids.extend_from_slice(&self.ids[range.clone()]);
            mask.extend_from_slice(&self.mask[range]);
        }
        let spans = self.spans.select(texts);
        TokenBatch { ids, spans, mask, floor: texts.iter().map(|&text| self.floor[text]).collect() }
    }
}

/// The vectors of one text, on the host.
///
/// # Shapes
/// `values` is `[tokens, dim]`, row by row. [`ColBert::encode`](crate::ColBert::encode) leaves out the vectors of skipped tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenEmbeddings {
    /// The vectors, one after the other.
    pub values: Vec<f32>,
    /// The width of a vector.
    pub dim: usize,
}

impl TokenEmbeddings {
    /// The number of vectors.
    pub fn tokens(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// The vectors, each of width `dim`.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_takes_texts_with_all_that_belongs_to_them() {
        let spans = Spans::with_keys(&[1, 3, 2], &[1, 2, 2]).unwrap();
        let mask = vec![true, true, false, true, true, true];
        let batch = TokenBatch::new(vec![1, 2, 3, 4, 5, 6], spans, mask, vec![false, true, false]).unwrap();
        let picked = batch.select(&[2, 1]);
        assert_eq!(picked.ids, [5, 6, 2, 3, 4]);
        assert_eq!(picked.mask, [true, true, true, false, true]);
        assert_eq!((picked.spans.keys(1), picked.floor.as_slice()), (2, &[false, true][..]));
        assert_eq!(TokenBatch::concat(&[&batch.select(&[0]), &batch.select(&[1, 2])]), batch);
    }

    #[test]
    fn lists_of_other_lengths_are_errors() {
        let error = |ids: usize, mask: usize, floor: usize| {
            let spans = Spans::from_lengths(&[1, 2]);
            TokenBatch::new(vec![1; ids], spans, vec![true; mask], vec![false; floor]).unwrap_err().to_string()
        };
        assert_eq!(error(2, 3, 2), "TokenBatch: ids has 2 entries, but the spans have 3 tokens");
        assert_eq!(error(3, 4, 2), "TokenBatch: mask has 4 entries, but the spans have 3 tokens");
        assert_eq!(error(3, 3, 3), "TokenBatch: floor has 3 entries, but the spans have 2 texts");
    }
}
