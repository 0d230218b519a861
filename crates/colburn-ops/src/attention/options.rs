//! The settings of attention.

use burn::tensor::Tensor;

use crate::spans::Spans;

/// The settings of attention.
#[derive(Clone, Debug)]
pub struct AttentionOptions {
    /// Number of heads; divides the hidden size.
    pub heads: usize,
    /// Probability of dropping an attention weight.
    pub dropout: f64,
    /// The largest distance of a key, in tokens, on either side: local attention. `None`: all keys of the sequence.
    pub window: Option<usize>,
    /// A bias that is added to the scores.
    pub bias: Option<RelativeBias>,
}

impl AttentionOptions {
    /// Attention to all keys of a sequence, without dropout or bias.
    pub fn new(heads: usize) -> Self {
        Self { heads, dropout: 0.0, window: None, bias: None }
    }

    /// The options without a window that holds every sequence.
    pub(crate) fn within(self, spans: &Spans) -> Self {
        Self { window: self.window.filter(|&window| window < spans.max_length()), ..self }
    }
}

/// A bias of the scores by the distance from query to key (Shaw et al. 2018, Raffel et al. 2020).
#[derive(Clone, Debug)]
pub struct RelativeBias {
    /// `[buckets, heads]`.
    pub table: Tensor<2>,
    /// The row of a distance: the position of the key minus that of the query.
    pub bucket: fn(i64) -> usize,
}

impl RelativeBias {
    /// A key that tells functions of distances apart.
    pub(super) fn function(&self) -> usize {
        self.bucket as usize
    }
}
