//! The interface of an encoder family: its encoder, its configuration and the tensor names of its checkpoints.

use burn::tensor::{Device, Tensor};
use serde_json::Value;

use super::context::EncoderContext;
use super::table::Table;

/// The capabilities of an encoder of any family.
pub(super) trait Family {
    /// Hidden states of a packed run: the `ids` of all tokens to `[tokens, hidden]`.
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2>;

    /// The embeddings of the vocabulary.
    fn words(&self) -> &Table;

    /// The embeddings of the vocabulary, to be changed.
    fn words_mut(&mut self) -> &mut Table;
}

/// The configuration of an encoder of any family: the fields of its `config.json` that matter, with transformers' defaults.
pub(crate) trait Configuration: std::fmt::Debug {
    /// The fault that makes this configuration unusable, with the key, its value and what would be right.
    fn problem(&self) -> Option<String>;

    /// Width of the hidden states.
    fn hidden_size(&self) -> usize;

    /// The longest text, in tokens.
    fn max_positions(&self) -> usize;

    /// Standard deviation of newly drawn weights.
    fn initializer_range(&self) -> f64;

    /// The token whose word embedding gets no gradient.
    fn pad_token_id(&self) -> Option<u32>;

    /// The tensor names of its checkpoints.
    fn checkpoint(&self) -> Checkpoint;

    /// Keys that older or other tools look for in `config.json`, with their values: written where the file that was read has none.
    fn older_keys(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

/// A configuration that makes an encoder of its family.
pub(super) trait Zeros: Configuration {
    /// The encoder.
    type Model: Family;

    /// An encoder of these shapes, all zero (weights of norms: one). Weights are loaded or drawn into it.
    fn zeros(&self, device: &Device) -> Self::Model;
}

/// The tensor names of a family's checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoint {
    /// The prefix under which models with a head (`BertForMaskedLM`) keep the encoder, such as `bert.`.
    pub prefix: &'static str,
    /// Prefixes of tensors of the bare model that are not used here and are saved again, such as `pooler.`.
    pub kept: &'static [&'static str],
    /// Prefixes of tensors of pretraining heads, which are left out silently, such as `cls.`.
    pub heads: &'static [&'static str],
}
