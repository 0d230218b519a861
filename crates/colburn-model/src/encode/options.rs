//! The options of an encoding.

use crate::{Error, Result};

/// The options of [`ColBert::encode`](crate::ColBert::encode).
///
/// ```
/// use colburn_model::EncodeOptions;
///
/// let options = EncodeOptions { batch_size: Some(64), pool_factor: 2, ..Default::default() };
/// assert!(options.normalize_embeddings);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeOptions {
    /// The number of texts in a batch. If `None`, it is 32 on a CPU; on any other device batches are cut by tokens, so many as keep it busy.
    /// Results depend on it in their last digits at most.
    pub batch_size: Option<usize>,
    /// True if vectors are scaled to length 1, true.
    pub normalize_embeddings: bool,
    /// The text before every text. If `None`, the model's own prompt is used if it has a `default_prompt_name`.
    pub prompt: Option<String>,
    /// The number of tokens of a text, in place of the model's `query_length` or `document_length`: queries are expanded to it, documents
    /// are cut to it.
    pub length: Option<usize>,
    /// The number of vectors of a document that become one by clustering, 1 (see [`pool`](crate::pool)). Queries are never pooled, as in
    /// PyLate.
    pub pool_factor: usize,
    /// The number of vectors at the start of a document that are not pooled, 1: the one of CLS.
    pub protected_tokens: usize,
    /// True if the vectors will be stored as f16, false. A device other than a CPU then rounds those that are not pooled itself, and half as
    /// many bytes are read from it.
    pub f16: bool,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            batch_size: None,
            normalize_embeddings: true,
            prompt: None,
            length: None,
            pool_factor: 1,
            protected_tokens: 1,
            f16: false,
        }
    }
}

impl EncodeOptions {
    /// Refuses numbers of 0.
    pub(super) fn check(&self) -> Result<()> {
        for (name, value) in [("batch_size", self.batch_size), ("pool_factor", Some(self.pool_factor))] {
            if value == Some(0) {
                return Err(Error::config(name, "0; a positive number is expected"));
            }
        }
        Ok(())
    }
}
