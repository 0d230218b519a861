//! DistilBERT (Sanh et al. 2019): BERT's arithmetic without token types, under names of its own.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use colburn_ops::{Activation, AttentionOptions};
use serde::Deserialize;

use super::{
    bert::zero_linear,
    check,
    context::EncoderContext,
    family::{Checkpoint, Configuration, Family, Zeros},
    norm::LayerNorm,
    table::Table,
};

/// Added to the variance in layer norms; no key of the configuration.
const LAYER_NORM_EPS: f64 = 1e-12;

/// The fields of DistilBERT's `config.json`, with transformers' defaults. Whether the positions began as sinusoids
/// (`sinusoidal_pos_embds`) makes no difference to a checkpoint, which holds them; a new model draws them like other weights.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct DistilBertConfig {
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// Rows of the position embeddings: the longest text.
    pub max_position_embeddings: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Number of attention heads; divides `dim`.
    pub n_heads: usize,
    /// Width of the residual stream.
    pub dim: usize,
    /// Width inside the feed-forward layers.
    pub hidden_dim: usize,
    /// Dropout of embeddings and feed-forward outputs.
    pub dropout: f64,
    /// Dropout of attention weights.
    pub attention_dropout: f64,
    /// Activation of the feed-forward layers.
    pub activation: String,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// The token whose word embedding gets no gradient.
    pub pad_token_id: Option<u32>,
}

impl Default for DistilBertConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            max_position_embeddings: 512,
            n_layers: 6,
            n_heads: 12,
            dim: 768,
            hidden_dim: 3072,
            dropout: 0.1,
            attention_dropout: 0.1,
            activation: "gelu".to_owned(),
            initializer_range: 0.02,
            pad_token_id: Some(0),
        }
    }
}

impl Configuration for DistilBertConfig {
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("n_heads", self.n_heads),
            ("dim", self.dim),
            ("hidden_dim", self.hidden_dim),
        ];
        let dropout = [("dropout", self.dropout), ("attention_dropout", self.attention_dropout)];
        check::sizes(&sizes)
            .or_else(|| check::layers("n_layers", self.n_layers))
            .or_else(|| check::heads(("dim", self.dim), ("n_heads", self.n_heads)))
            .or_else(|| check::activation("activation", &self.activation))
            .or_else(|| check::dropout(&dropout))
    }

    fn hidden_size(&self) -> usize {
        self.dim
    }

    fn max_positions(&self) -> usize {
        self.max_position_embeddings
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn pad_token_id(&self) -> Option<u32> {
        self.pad_token_id
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            prefix: "distilbert.",
            kept: &[],
            heads: &["vocab_", "pre_classifier.", "classifier.", "qa_outputs."],
        }
    }
}

impl Zeros for DistilBertConfig {
    type Model = DistilBert;

    fn zeros(&self, device: &Device) -> DistilBert {
        let dim = self.dim;
        let linear = |from, to| zero_linear(from, to, device);
        let norm = || LayerNorm::new(dim, LAYER_NORM_EPS, true, device);
        let layer = |_| TransformerBlock {
            attention: MultiHeadSelfAttention {
                q_lin: linear(dim, dim),
                k_lin: linear(dim, dim),
                v_lin: linear(dim, dim),
                out_lin: linear(dim, dim),
            },
            sa_layer_norm: norm(),
            ffn: FeedForward { lin1: linear(dim, self.hidden_dim), lin2: linear(self.hidden_dim, dim) },
            output_layer_norm: norm(),
        };
        DistilBert {
            embeddings: DistilBertEmbeddings {
                word_embeddings: Table::zeros(self.vocab_size, dim, device),
                position_embeddings: Table::zeros(self.max_position_embeddings, dim, device),
                layer_norm: norm(),
            },
            transformer: Transformer { layer: (0..self.n_layers).map(layer).collect() },
            heads: self.n_heads,
            activation: Activation::from_name(&self.activation).unwrap_or(Activation::Gelu),
            dropout: self.dropout,
            attention_dropout: self.attention_dropout,
            padding: self.pad_token_id,
        }
    }
}

/// The DistilBERT encoder.
#[derive(Module, Debug)]
pub struct DistilBert {
    embeddings: DistilBertEmbeddings,
    transformer: Transformer,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    attention_dropout: f64,
    #[module(skip)]
    padding: Option<u32>,
}

#[derive(Module, Debug)]
struct DistilBertEmbeddings {
    word_embeddings: Table,
    position_embeddings: Table,
    layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Transformer {
    layer: Vec<TransformerBlock>,
}

#[derive(Module, Debug)]
struct TransformerBlock {
    attention: MultiHeadSelfAttention,
    sa_layer_norm: LayerNorm,
    ffn: FeedForward,
    output_layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct MultiHeadSelfAttention {
    q_lin: Linear,
    k_lin: Linear,
    v_lin: Linear,
    out_lin: Linear,
}

#[derive(Module, Debug)]
struct FeedForward {
    lin1: Linear,
    lin2: Linear,
}

impl Family for DistilBert {
    /// Nothing is dropped behind the attention's output projection, where BERT does.
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        let tables = &self.embeddings;
        let words = tables.word_embeddings.words(ids, self.padding);
        let positions = tables.position_embeddings.rows(&context.positions());
        let embedded = context.add_norm(&tables.layer_norm, words, positions, 0.0);
        let mut hidden = context.drop(embedded, self.dropout);
        for layer in &self.transformer.layer {
            let MultiHeadSelfAttention { q_lin, k_lin, v_lin, out_lin } = &layer.attention;
            let options = AttentionOptions { dropout: self.attention_dropout, ..AttentionOptions::new(self.heads) };
            let output = (out_lin, &layer.sa_layer_norm);
            hidden = context.attention_block([q_lin, k_lin, v_lin], output, hidden, options, 0.0);
            let output = (&layer.ffn.lin2, &layer.output_layer_norm);
            hidden = context.feed_forward_block(&layer.ffn.lin1, self.activation, output, hidden, self.dropout);
        }
        hidden
    }

    fn words(&self) -> &Table {
        &self.embeddings.word_embeddings
    }

    fn words_mut(&mut self) -> &mut Table {
        &mut self.embeddings.word_embeddings
    }
}
