//! RoBERTa (Liu et al. 2019), and what has its shape: XLM-RoBERTa (Conneau et al. 2020) and CamemBERT (Martin et al. 2020). BERT's
//! layers; positions are counted from behind the padding's.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use serde::Deserialize;

use super::{
    bert::{BertEmbeddings, BertShape, BertStack},
    check,
    context::EncoderContext,
    family::{Checkpoint, Configuration, Family, Zeros},
    positions,
    table::Table,
};

/// The fields of RoBERTa's `config.json`, with transformers' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct RobertaConfig {
    /// `roberta`, `xlm-roberta` or `camembert`: the default of `vocab_size` goes by it.
    pub model_type: String,
    /// Rows of the word embeddings; 50265, or 30522 for `xlm-roberta` and `camembert`.
    pub vocab_size: Option<usize>,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: String,
    /// Dropout of embeddings and layer outputs.
    pub hidden_dropout_prob: f64,
    /// Dropout of attention weights.
    pub attention_probs_dropout_prob: f64,
    /// Rows of the position embeddings: the longest text has `pad_token_id` + 1 tokens less.
    pub max_position_embeddings: usize,
    /// Rows of the token type embeddings.
    pub type_vocab_size: usize,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// The token whose embeddings get no gradient, and behind which positions begin.
    pub pad_token_id: u32,
    /// Only `absolute` is known.
    pub position_embedding_type: Option<String>,
}

impl Default for RobertaConfig {
    fn default() -> Self {
        Self {
            model_type: "roberta".to_owned(),
            vocab_size: None,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".to_owned(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: 1,
            position_embedding_type: None,
        }
    }
}

impl RobertaConfig {
    /// The shape of the layers.
    fn shape(&self) -> BertShape<'_> {
        BertShape {
            layers: self.num_hidden_layers,
            hidden: self.hidden_size,
            heads: self.num_attention_heads,
            intermediate: self.intermediate_size,
            activation: &self.hidden_act,
            hidden_dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            layer_norm_eps: self.layer_norm_eps,
        }
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size.unwrap_or(if self.model_type == "roberta" { 50265 } else { 30522 })
    }
}

impl Configuration for RobertaConfig {
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size()),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        self.shape()
            .problem(&sizes)
            .or_else(|| check::absolute_positions(self.position_embedding_type.as_deref()))
            .or_else(|| positions::problem(self.max_position_embeddings, self.pad_token_id))
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn max_positions(&self) -> usize {
        positions::room(self.max_position_embeddings, self.pad_token_id)
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn pad_token_id(&self) -> Option<u32> {
        Some(self.pad_token_id)
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { prefix: "roberta.", kept: &["pooler."], heads: &["lm_head.", "classifier.", "qa_outputs."] }
    }
}

impl Zeros for RobertaConfig {
    type Model = Roberta;

    fn zeros(&self, device: &Device) -> Roberta {
        Roberta {
            embeddings: BertEmbeddings::new(
                [self.vocab_size(), self.max_position_embeddings, self.type_vocab_size],
                self.hidden_size,
                self.layer_norm_eps,
                device,
            ),
            encoder: BertStack::new(&self.shape(), device),
            hidden_dropout: self.hidden_dropout_prob,
            padding: self.pad_token_id,
        }
    }
}

/// The RoBERTa encoder.
#[derive(Module, Debug)]
pub struct Roberta {
    embeddings: BertEmbeddings,
    encoder: BertStack,
    #[module(skip)]
    hidden_dropout: f64,
    #[module(skip)]
    padding: u32,
}

impl Family for Roberta {
    /// Every token type is 0.
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        let tables = &self.embeddings;
        let words = tables.word_embeddings.words(ids, Some(self.padding));
        let positions = positions::embed(&tables.position_embeddings, ids, context.spans(), self.padding);
        let embedded = tables.forward(words, positions, context);
        self.encoder.forward(context.drop(embedded, self.hidden_dropout), context)
    }

    fn words(&self) -> &Table {
        &self.embeddings.word_embeddings
    }

    fn words_mut(&mut self) -> &mut Table {
        &mut self.embeddings.word_embeddings
    }
}
