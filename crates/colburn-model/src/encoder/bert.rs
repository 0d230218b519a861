//! BERT (Devlin et al. 2019), post-norm encoder with learned absolute positions, over a packed run of tokens.
//!
//! The modules carry the names of Hugging Face's `BertModel`, so that a checkpoint's tensor names are the paths of the fields. RoBERTa
//! and ELECTRA are made of the same parts.

use burn::{
    module::Module,
    nn::{Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use colburn_ops::{Activation, AttentionOptions};
use serde::Deserialize;

use super::{
    check,
    context::EncoderContext,
    family::{Checkpoint, Configuration, Family, Zeros},
    norm::LayerNorm,
    table::Table,
};

/// The fields of BERT's `config.json`, with transformers' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct BertConfig {
    /// Rows of the word embeddings.
    pub vocab_size: usize,
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
    /// Rows of the position embeddings: the longest text.
    pub max_position_embeddings: usize,
    /// Rows of the token type embeddings.
    pub type_vocab_size: usize,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// The token whose word embedding gets no gradient.
    pub pad_token_id: Option<u32>,
    /// Only `absolute` is known.
    pub position_embedding_type: Option<String>,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
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
            pad_token_id: Some(0),
            position_embedding_type: None,
        }
    }
}

impl BertConfig {
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
}

impl Configuration for BertConfig {
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        self.shape().problem(&sizes).or_else(|| check::absolute_positions(self.position_embedding_type.as_deref()))
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
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
        Checkpoint { prefix: "bert.", kept: &["pooler."], heads: &["cls.", "classifier.", "qa_outputs."] }
    }
}

impl Zeros for BertConfig {
    type Model = Bert;

    fn zeros(&self, device: &Device) -> Bert {
        Bert {
            embeddings: BertEmbeddings::new(
                [self.vocab_size, self.max_position_embeddings, self.type_vocab_size],
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

/// The BERT encoder.
#[derive(Module, Debug)]
pub struct Bert {
    embeddings: BertEmbeddings,
    encoder: BertStack,
    #[module(skip)]
    hidden_dropout: f64,
    #[module(skip)]
    padding: Option<u32>,
}

impl Family for Bert {
    /// Every token type is 0.
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        let words = self.embeddings.word_embeddings.words(ids, self.padding);
        let positions = self.embeddings.position_embeddings.rows(&context.positions());
        let embedded = self.embeddings.forward(words, positions, context);
        self.encoder.forward(context.drop(embedded, self.hidden_dropout), context)
    }

    fn words(&self) -> &Table {
        &self.embeddings.word_embeddings
    }

    fn words_mut(&mut self) -> &mut Table {
        &mut self.embeddings.word_embeddings
    }
}

/// The embeddings of BERT, RoBERTa and ELECTRA: words, positions and token types, which are all 0 here.
#[derive(Module, Debug)]
pub(super) struct BertEmbeddings {
    pub(super) word_embeddings: Table,
    pub(super) position_embeddings: Table,
    token_type_embeddings: Table,
    layer_norm: LayerNorm,
}

impl BertEmbeddings {
    /// All zero, with these numbers of `[words, positions, token types]`.
    pub(super) fn new([words, positions, types]: [usize; 3], width: usize, eps: f64, device: &Device) -> Self {
        Self {
            word_embeddings: Table::zeros(words, width, device),
            position_embeddings: Table::zeros(positions, width, device),
            token_type_embeddings: Table::zeros(types, width, device),
            layer_norm: LayerNorm::new(width, eps, true, device),
        }
    }

    /// The normalised sum of the embeddings of words and positions, `[tokens, width]` each, and of token type 0.
    pub(super) fn forward(&self, words: Tensor<2>, positions: Tensor<2>, context: &EncoderContext) -> Tensor<2> {
        context.norm(&self.layer_norm, words + positions + self.token_type_embeddings.row(0))
    }
}

/// The shape of the layers.
pub(super) struct BertShape<'a> {
    pub(super) layers: usize,
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) intermediate: usize,
    /// A name of `hidden_act`.
    pub(super) activation: &'a str,
    pub(super) hidden_dropout: f64,
    pub(super) attention_dropout: f64,
    pub(super) layer_norm_eps: f64,
}

impl BertShape<'_> {
    /// The fault that makes the shape, or one of the other sizes of its configuration, unusable, under the keys that BERT's relatives share.
    pub(super) fn problem(&self, others: &[(&str, usize)]) -> Option<String> {
        let sizes = [
            ("hidden_size", self.hidden),
            ("num_attention_heads", self.heads),
            ("intermediate_size", self.intermediate),
        ];
        let dropout =
            [("hidden_dropout_prob", self.hidden_dropout), ("attention_probs_dropout_prob", self.attention_dropout)];
        check::sizes(others)
            .or_else(|| check::sizes(&sizes))
            .or_else(|| check::layers("num_hidden_layers", self.layers))
            .or_else(|| check::heads(("hidden_size", self.hidden), ("num_attention_heads", self.heads)))
            .or_else(|| check::activation("hidden_act", self.activation))
            .or_else(|| check::dropout(&dropout))
    }
}

/// The layers of BERT, RoBERTa and ELECTRA.
#[derive(Module, Debug)]
pub(super) struct BertStack {
    layer: Vec<BertLayer>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    hidden_dropout: f64,
    #[module(skip)]
    attention_dropout: f64,
}

#[derive(Module, Debug)]
struct BertLayer {
    attention: BertAttention,
    intermediate: BertIntermediate,
    output: BertOutput,
}

#[derive(Module, Debug)]
struct BertAttention {
    self_attention: BertSelfAttention,
    output: BertOutput,
}

#[derive(Module, Debug)]
struct BertSelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
}

#[derive(Module, Debug)]
pub(super) struct BertIntermediate {
    pub(super) dense: Linear,
}

/// Projection back into the residual stream, with the norm that follows it.
#[derive(Module, Debug)]
pub(super) struct BertOutput {
    dense: Linear,
    layer_norm: LayerNorm,
}

impl BertStack {
    /// All zero.
    pub(super) fn new(shape: &BertShape, device: &Device) -> Self {
        let hidden = shape.hidden;
        let linear = |from, to| zero_linear(from, to, device);
        let layer = |_| BertLayer {
            attention: BertAttention {
                self_attention: BertSelfAttention {
                    query: linear(hidden, hidden),
                    key: linear(hidden, hidden),
                    value: linear(hidden, hidden),
                },
                output: BertOutput::new(hidden, hidden, shape.layer_norm_eps, device),
            },
            intermediate: BertIntermediate { dense: linear(hidden, shape.intermediate) },
            output: BertOutput::new(shape.intermediate, hidden, shape.layer_norm_eps, device),
        };
        Self {
            layer: (0..shape.layers).map(layer).collect(),
            heads: shape.heads,
            activation: Activation::from_name(shape.activation).unwrap_or(Activation::Gelu),
            hidden_dropout: shape.hidden_dropout,
            attention_dropout: shape.attention_dropout,
        }
    }

    /// Hidden states behind the last layer, `[tokens, hidden]`.
    pub(super) fn forward(&self, mut hidden: Tensor<2>, context: &mut EncoderContext) -> Tensor<2> {
        for layer in &self.layer {
            let BertSelfAttention { query, key, value } = &layer.attention.self_attention;
            let options = AttentionOptions { dropout: self.attention_dropout, ..AttentionOptions::new(self.heads) };
            let output = layer.attention.output.parts();
            hidden = context.attention_block([query, key, value], output, hidden, options, self.hidden_dropout);
            let inner = &layer.intermediate.dense;
            let output = layer.output.parts();
            hidden = context.feed_forward_block(inner, self.activation, output, hidden, self.hidden_dropout);
        }
        hidden
    }
}

impl BertOutput {
    /// All zero, the norm's weights one.
    pub(super) fn new(from: usize, to: usize, eps: f64, device: &Device) -> Self {
        Self { dense: zero_linear(from, to, device), layer_norm: LayerNorm::new(to, eps, true, device) }
    }

    /// The projection and the norm.
    pub(super) fn parts(&self) -> (&Linear, &LayerNorm) {
        (&self.dense, &self.layer_norm)
    }
}

/// A linear layer with a bias, all zero.
pub(super) fn zero_linear(from: usize, to: usize, device: &Device) -> Linear {
    LinearConfig::new(from, to).with_initializer(Initializer::Zeros).init(device)
}
