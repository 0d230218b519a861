//! What an encoder gives and a loss takes: the token vectors of a batch, still packed.

use burn::tensor::Tensor;

use crate::{Error, Result, Spans};

/// The token embeddings of a batch of texts.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// All token vectors, `[tokens, dim]`.
    pub values: Tensor<2>,
    /// Where each text lies.
    pub spans: Spans,
    /// Which tokens count in scoring, one entry a token: skiplist words do not.
    pub mask: Vec<bool>,
    /// Texts whose maxima PyLate floors at zero, one entry a text; see [`MaskRule::Zero`](crate::MaskRule::Zero).
    pub floor: Vec<bool>,
}

impl Embeddings {
    /// Token vectors that all count, of texts that are not floored.
    ///
    /// # Errors
    /// When `values` has not one row for each token of the spans.
    pub fn new(values: Tensor<2>, spans: Spans) -> Result<Self> {
        let [rows, _] = values.dims();
        if rows != spans.tokens() {
            return Err(Error::Length { what: "the tensor of token vectors", expected: spans.tokens(), found: rows });
        }
        Ok(Self { values, mask: vec![true; spans.tokens()], floor: vec![false; spans.len()], spans })
    }

    /// Whether the lists and the tensor go with the spans; their fields can be set one by one.
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

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Width of a token vector.
    pub fn dim(&self) -> usize {
        self.values.dims()[1]
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
        };
        (part(first, 0..middle, 0..count), part(second, middle..end, count..self.spans.len()))
    }
}
