//! The token vectors of a batch, still packed: the result of an encoder, and the input of a loss.

use burn::tensor::Tensor;

use crate::error::{Error, Result};
use crate::gather::gather;
use crate::precision::Precision;
use crate::spans::Spans;

/// The token embeddings of a batch of texts.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// All token vectors, `[tokens, dim]`.
    pub values: Tensor<2>,
    /// The place of each text.
    pub spans: Spans,
    /// True for the tokens that count in scoring, one entry a token. Skiplist words do not count.
    pub mask: Vec<bool>,
    /// True for the texts whose maxima PyLate floors at zero, one entry a text; see [`MaskRule::Zero`](crate::MaskRule::Zero).
    pub floor: Vec<bool>,
    /// The precision of the products of token vectors in scores, where a kernel has several: the tensor cores of NVIDIA's GPUs. With [`Precision::Tf32`]
    /// and [`Precision::Bf16`] these multiply numbers of 11 significant bits. Of queries and documents the more precise decides.
    pub precision: Precision,
}

impl Embeddings {
    /// Token vectors that all count, of texts without a floor, in f32.
    ///
    /// # Errors
    /// When `values` has not one row for each token of the spans.
    pub fn new(values: Tensor<2>, spans: Spans) -> Result<Self> {
        let [rows, _] = values.dims();
        if rows != spans.tokens() {
            return Err(Error::Length { what: "the tensor of token vectors", expected: spans.tokens(), found: rows });
        }
        let (mask, floor) = (vec![true; spans.tokens()], vec![false; spans.len()]);
        Ok(Self { values, mask, floor, spans, precision: Precision::F32 })
    }

    /// Checks that the lists and the tensor go with the spans, for the fields can be set one by one.
    pub(crate) fn check(&self) -> Result<()> {
        let [rows, _] = self.values.dims();
        let counts = [
            ("the tensor of token vectors", self.spans.tokens(), rows),
            ("the scoring mask", self.spans.tokens(), self.mask.len()),
            ("the list of floors", self.spans.len(), self.floor.len()),
        ];
        match counts.into_iter().find(|(_, expected, found)| expected != found) {
            Some((what, expected, found)) => Err(Error::Length { what, expected, found }),
            None => Ok(()),
        }
    }

    /// Checks that both are whole and have the same width.
    pub(crate) fn check_pair(queries: &Self, documents: &Self) -> Result<()> {
        queries.check()?;
        documents.check()?;
        match (queries.dim(), documents.dim()) {
            (queries, documents) if queries != documents => Err(Error::Dimensions { queries, documents }),
            _ => Ok(()),
        }
    }

    /// The number of documents of each query, where each query has a group of its own.
    pub(crate) fn group_size(queries: &Self, documents: &Self) -> Result<usize> {
        let count = queries.len();
        if count == 0 || !documents.len().is_multiple_of(count) {
            return Err(Error::Groups { queries: count, documents: documents.len() });
        }
        Ok(documents.len() / count)
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Width of a token vector.
    pub fn dim(&self) -> usize {
        self.values.dims()[1]
    }

    /// The token vectors that count in scoring, alone, on the same device. Floors stay; keys do not, for they are attention's.
    ///
    /// # Shapes
    /// `values` of the result: `[tokens that count, dim]`.
    #[must_use]
    pub fn counting(self) -> Self {
        if self.mask.iter().all(|&counts| counts) {
            return self;
        }
        let rows: Vec<u32> = (0..).zip(&self.mask).filter(|(_, counts)| **counts).map(|(row, _)| row).collect();
        let counting = |text: usize| self.mask[self.spans.range(text)].iter().filter(|counts| **counts).count();
        let lengths: Vec<usize> = (0..self.len()).map(counting).collect();
        // Not every backend has tensors without elements that a lookup takes.
        let values = match rows.is_empty() {
            true => Tensor::zeros([0, self.dim()], &self.values.device()),
            false => gather(self.values, &rows, None),
        };
        Self {
            values,
            spans: Spans::from_lengths(&lengths),
            mask: vec![true; rows.len()],
            floor: self.floor,
            precision: self.precision,
        }
    }

    /// The first `count` texts, and the others.
    ///
    /// # Panics
    /// When there are fewer than `count` texts, as slicing does.
    pub fn split_at(self, count: usize) -> (Self, Self) {
        let [_, dim] = self.values.dims();
        let (first, second) = (self.spans.slice(0..count), self.spans.slice(count..self.spans.len()));
        let (middle, end) = (first.tokens(), self.spans.tokens());
        let part = |spans: Spans, tokens: std::ops::Range<usize>, texts: std::ops::Range<usize>| Self {
            values: self.values.clone().slice([tokens.clone(), 0..dim]),
            spans,
            mask: self.mask[tokens].to_vec(),
            floor: self.floor[texts].to_vec(),
            precision: self.precision,
        };
        (part(first, 0..middle, 0..count), part(second, middle..end, count..self.spans.len()))
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn tokens_that_do_not_count_are_left_out() {
        let values = Tensor::from_data([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], &Device::flex());
        let mut embeddings = Embeddings::new(values, Spans::from_lengths(&[2, 0, 1, 1])).unwrap();
        (embeddings.mask[0], embeddings.mask[3], embeddings.floor[2]) = (false, false, true);
        let counting = embeddings.clone().counting();
        assert_eq!(counting.values.clone().try_into_vec_as::<f32>().unwrap(), [3.0, 4.0, 5.0, 6.0]);
        assert_eq!(counting.spans, Spans::from_lengths(&[1, 0, 1, 0]));
        assert_eq!((counting.mask.as_slice(), counting.floor), (&[true, true][..], embeddings.floor.clone()));
        embeddings.mask.fill(false);
        let nothing = embeddings.counting();
        assert_eq!((nothing.values.dims(), nothing.len()), ([0, 2], 4));
    }
}
