//! Token embeddings of many texts in one run on the host: what is searched, and what is searched with.

use std::ops::Range;

use colburn_model::TokenEmbeddings;

use crate::{Error, Result};

/// Token embeddings of texts, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packed {
    /// Row-major, `[tokens, dim]`.
    values: Vec<f32>,
    /// Where each text ends, in tokens.
    ends: Vec<usize>,
    dim: usize,
}

impl Packed {
    /// No texts yet, of this width.
    pub fn new(dim: usize) -> Self {
        Self { values: Vec::new(), ends: Vec::new(), dim }
    }

    /// The texts in their order.
    ///
    /// # Errors
    /// When two texts differ in width, or a text's values are no whole number of vectors.
    pub fn from_embeddings<'a>(texts: impl IntoIterator<Item = &'a TokenEmbeddings>) -> Result<Self> {
        let mut texts = texts.into_iter().peekable();
        let mut packed = Self::new(texts.peek().map_or(0, |text| text.dim));
        for text in texts {
            packed.push(text)?;
        }
        Ok(packed)
    }

    /// Appends a text.
    ///
    /// # Errors
    /// When its width is another one, or its values are no whole number of vectors.
    pub fn push(&mut self, text: &TokenEmbeddings) -> Result<()> {
        let of = |what: &str| format!("{what} of text {}", self.len());
        if text.dim != self.dim {
            return Err(Error::Dimensions { what: of("the embeddings"), expected: self.dim, found: text.dim });
        }
        if text.values.len() != text.tokens() * self.dim {
            let expected = text.tokens() * self.dim;
            return Err(Error::Length { what: of("values"), expected, found: text.values.len() });
        }
        self.values.extend_from_slice(&text.values);
        self.ends.push(self.tokens() + text.tokens());
        Ok(())
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Number of tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Width of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Where a text lies, in tokens.
    ///
    /// # Panics
    /// When there is no such text, as indexing does.
    pub fn range(&self, text: usize) -> Range<usize> {
        text.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[text]
    }

    /// All values, `[tokens, dim]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
