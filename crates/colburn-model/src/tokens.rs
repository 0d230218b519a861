//! Token ids of a batch of texts, packed.

use colburn_ops::Spans;
use serde::{Deserialize, Serialize};

/// The two sides of retrieval; they differ in prefix, length, expansion and skiplist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What is searched with.
    Query,
    /// What is searched.
    Document,
}

/// A batch of tokenized texts in one run, on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    /// Token ids of all texts.
    pub ids: Vec<u32>,
    /// Where each text lies, and how many of its tokens may be attended to.
    pub spans: Spans,
    /// Which tokens count in scoring.
    pub mask: Vec<bool>,
    /// Documents whose maxima PyLate floors at zero: those that it would pad to `document_length`, or that hold a skipped token.
    pub floor: Vec<bool>,
}

impl TokenBatch {
    /// Number of texts.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Number of tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The texts of all parts, in order, in one run: one pass through the encoder serves them all.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_takes_texts_with_all_that_belongs_to_them() {
        let batch = TokenBatch {
            ids: vec![1, 2, 3, 4, 5, 6],
            spans: Spans::with_keys(&[1, 3, 2], &[1, 2, 2]).unwrap(),
            mask: vec![true, true, false, true, true, true],
            floor: vec![false, true, false],
        };
        let picked = batch.select(&[2, 1]);
        assert_eq!(picked.ids, [5, 6, 2, 3, 4]);
        assert_eq!(picked.mask, [true, true, true, false, true]);
        assert_eq!((picked.spans.keys(1), picked.floor.as_slice()), (2, &[false, true][..]));
        assert_eq!(TokenBatch::concat(&[&batch.select(&[0]), &batch.select(&[1, 2])]), batch);
    }
}
