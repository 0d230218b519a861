//! Token embeddings of many texts on the host, one after the other: the queries and documents of a search.

use std::ops::Range;

use colburn_model::TokenEmbeddings;
use colburn_ops::{Embeddings, LateNumbers};

use crate::{Error, Result};

/// Token embeddings of texts, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packed {
    /// Row-major, `[tokens, dim]`.
    values: Vec<f32>,
    /// The end of each text, in tokens.
    ends: Vec<usize>,
    dim: usize,
}

impl Packed {
    /// An empty list of texts of this width.
    pub fn new(dim: usize) -> Self {
        Self { values: Vec::new(), ends: Vec::new(), dim }
    }

    /// The texts in their order.
    ///
    /// # Errors
    /// When two texts differ in width, or a text's values are not a whole number of vectors.
    pub fn from_embeddings<'a>(texts: impl IntoIterator<Item = &'a TokenEmbeddings>) -> Result<Self> {
        let mut texts = texts.into_iter().peekable();
        let mut packed = Self::new(texts.peek().map_or(0, |text| text.dim));
        for text in texts {
            packed.push(text)?;
        }
        Ok(packed)
    }

    /// The texts of a device, without their tokens that do not count. It waits for the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn from_device(embeddings: &Embeddings) -> Result<Self> {
        let embeddings = embeddings.clone().counting();
        let mut packed = Self::new(embeddings.dim());
        if embeddings.spans.tokens() > 0 {
            packed.values = LateNumbers::new(embeddings.values).read().map_err(Error::Device)?;
        }
        packed.ends = (0..embeddings.spans.len()).map(|text| embeddings.spans.range(text).end).collect();
        Ok(packed)
    }

    /// Appends a text.
    ///
    /// # Errors
    /// When it has another width, or its values are not a whole number of vectors.
    pub fn push(&mut self, text: &TokenEmbeddings) -> Result<()> {
        if text.dim != self.dim {
            let what = format!("the embeddings of text {}", self.len());
            return Err(Error::Dimensions { what, expected: self.dim, found: text.dim });
        }
        self.push_values(&text.values)
    }

    /// Appends a text by its values, row-major `[tokens, dim]`.
    ///
    /// # Errors
    /// When they are not a whole number of vectors.
    pub fn push_values(&mut self, values: &[f32]) -> Result<()> {
        let tokens = values.len().checked_div(self.dim).unwrap_or(0);
        if values.len() != tokens * self.dim {
            let what = format!("values of text {} (vectors of {})", self.len(), self.dim);
            return Err(Error::Length { what, expected: tokens * self.dim, found: values.len() });
        }
        self.values.extend_from_slice(values);
        self.ends.push(self.tokens() + tokens);
        Ok(())
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there are no texts.
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

    /// The tokens of a text.
    ///
    /// # Panics
    /// When there is no such text, as with indexing.
    pub fn range(&self, text: usize) -> Range<usize> {
        text.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[text]
    }

    /// All values, `[tokens, dim]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: &[f32], dim: usize) -> TokenEmbeddings {
        TokenEmbeddings { values: values.to_vec(), dim }
    }

    #[test]
    fn texts_lie_one_after_the_other() {
        let texts = [text(&[1.0, 2.0, 3.0, 4.0], 2), text(&[], 2), text(&[5.0, 6.0], 2)];
        let packed = Packed::from_embeddings(&texts).unwrap();
        assert_eq!((packed.len(), packed.tokens(), packed.dim()), (3, 3, 2));
        assert_eq!([packed.range(0), packed.range(1), packed.range(2)], [0..2, 2..2, 2..3]);
        assert_eq!(packed.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(Packed::from_embeddings([]).unwrap(), Packed::default());
    }

    #[cfg(feature = "flex")]
    #[test]
    fn texts_of_a_device_are_those_of_the_host() {
        let mut random = crate::testing::Random::new(4);
        let packed = random.texts(9, 5, 3, false);
        assert_eq!(Packed::from_device(&crate::testing::on_device(&packed, &mut random)).unwrap(), packed);
        let nothing = random.texts(2, 0, 3, false);
        assert_eq!(Packed::from_device(&crate::testing::on_device(&nothing, &mut random)).unwrap(), nothing);
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_the_text() {
        let mut packed = Packed::from_embeddings([&text(&[1.0, 2.0], 2)]).unwrap();
        let before = packed.clone();
        let wide = packed.push(&text(&[1.0, 2.0, 3.0], 3)).unwrap_err().to_string();
        assert!(wide.starts_with("the embeddings of text 1 have 3 dimensions, 2 are expected"), "{wide}");
        let odd = packed.push(&text(&[1.0, 2.0, 3.0], 2)).unwrap_err().to_string();
        assert_eq!(odd, "3 values of text 1 (vectors of 2); 2 are expected");
        assert!(Packed::new(0).push_values(&[1.0]).is_err());
        assert_eq!(packed, before);
    }
}
