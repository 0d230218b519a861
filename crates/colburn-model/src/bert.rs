//! BERT (Devlin et al. 2019), post-norm encoder with learned absolute positions, over a packed run of tokens.
//!
//! The modules carry the names of Hugging Face's `BertModel`, so that a checkpoint's tensor names are the paths of the fields.

use burn::{
    module::{Module, Param},
    nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Int, Tensor, TensorData},
};
use colburn_ops::{Activation, AttentionOptions, Dropout, Spans, attention};
use serde::Deserialize;

/// Sizes beyond these are mistakes in a file, and would ask for more memory than there is.
const MOST: usize = 1 << 24;
const MOST_LAYERS: usize = 1024;

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
    /// Activation of the feed-forward layers: `gelu`, `gelu_new`, `relu`.
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
    /// What makes this configuration unusable, with the key, its value and what would be right.
    pub(crate) fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        if let Some((key, size)) = sizes.iter().find(|(_, size)| !(1..=MOST).contains(size)) {
            return Some(format!("{key} = {size}; a number from 1 to {MOST} is expected"));
        }
        if self.num_hidden_layers > MOST_LAYERS {
            return Some(format!("num_hidden_layers = {}; at most {MOST_LAYERS} are expected", self.num_hidden_layers));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
            return Some(format!("hidden_size = {hidden} is not divisible by num_attention_heads = {heads}"));
        }
        if Activation::from_name(&self.hidden_act).is_none() {
            return Some(format!(
                "hidden_act = \"{}\"; one of {} is expected",
                self.hidden_act,
                Activation::NAMES.join(", ")
            ));
        }
        for (key, p) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Some(format!("{key} = {p}; a probability from 0 to below 1 is expected"));
            }
        }
        match self.position_embedding_type.as_deref() {
            None | Some("absolute") => None,
            Some(other) => Some(format!("position_embedding_type = \"{other}\"; only \"absolute\" is supported")),
        }
    }

    /// A module with this configuration's shapes, all zero (layer norms: one): weights are loaded or drawn into it.
    pub(crate) fn init(&self, device: &Device) -> Bert {
        let table = |rows| Table { weight: Initializer::Zeros.init([rows, self.hidden_size], device) };
        let norm = || LayerNormConfig::new(self.hidden_size).with_epsilon(self.layer_norm_eps).init(device);
        let linear = |from, to| LinearConfig::new(from, to).with_initializer(Initializer::Zeros).init(device);
        let hidden = self.hidden_size;
        let layer = |_| BertLayer {
            attention: BertAttention {
                self_attention: BertSelfAttention {
                    query: linear(hidden, hidden),
                    key: linear(hidden, hidden),
                    value: linear(hidden, hidden),
                },
                output: BertOutput { dense: linear(hidden, hidden), layer_norm: norm() },
            },
            intermediate: BertIntermediate { dense: linear(hidden, self.intermediate_size) },
            output: BertOutput { dense: linear(self.intermediate_size, hidden), layer_norm: norm() },
        };
        Bert {
            embeddings: BertEmbeddings {
                word_embeddings: table(self.vocab_size),
                position_embeddings: table(self.max_position_embeddings),
                token_type_embeddings: table(self.type_vocab_size),
                layer_norm: norm(),
            },
            encoder: BertStack { layer: (0..self.num_hidden_layers).map(layer).collect() },
            heads: self.num_attention_heads,
            activation: Activation::from_name(&self.hidden_act).unwrap_or(Activation::Gelu),
            hidden_dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            padding: self.pad_token_id,
        }
    }
}

/// The BERT encoder.
#[derive(Module, Debug)]
pub struct Bert {
    pub(crate) embeddings: BertEmbeddings,
    encoder: BertStack,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    hidden_dropout: f64,
    #[module(skip)]
    attention_dropout: f64,
    #[module(skip)]
    padding: Option<u32>,
}

/// An embedding matrix, `[rows, dim]`.
#[derive(Module, Debug)]
pub struct Table {
    pub(crate) weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
pub(crate) struct BertEmbeddings {
    pub(crate) word_embeddings: Table,
    position_embeddings: Table,
    token_type_embeddings: Table,
    layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct BertStack {
    layer: Vec<BertLayer>,
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
struct BertIntermediate {
    dense: Linear,
}

/// Projection back into the residual stream, with the norm that follows it.
#[derive(Module, Debug)]
struct BertOutput {
    dense: Linear,
    layer_norm: LayerNorm,
}

impl BertOutput {
    /// `drop` is applied between the projection and the sum.
    fn forward(&self, x: Tensor<2>, residual: Tensor<2>, drop: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        self.layer_norm.forward(drop(self.dense.forward(x)) + residual)
    }
}

impl Bert {
    /// Hidden states of a packed run: `ids` of all tokens to `[tokens, hidden]`. Every token type is 0.
    pub fn forward(&self, ids: &[u32], spans: &Spans, dropout: &mut Dropout) -> Tensor<2> {
        let mut hidden = dropout.apply(self.embed(ids, spans), self.hidden_dropout, spans);
        for layer in &self.encoder.layer {
            let heads = &layer.attention.self_attention;
            let (q, k, v) = (
                heads.query.forward(hidden.clone()),
                heads.key.forward(hidden.clone()),
                heads.value.forward(hidden.clone()),
            );
            let options = AttentionOptions { heads: self.heads, dropout: self.attention_dropout };
            let context = attention(q, k, v, spans, options, dropout);
            let mut drop = |x| dropout.apply(x, self.hidden_dropout, spans);
            hidden = layer.attention.output.forward(context, hidden, &mut drop);
            let inner = self.activation.forward(layer.intermediate.dense.forward(hidden.clone()));
            hidden = layer.output.forward(inner, hidden, &mut drop);
        }
        hidden
    }

    fn embed(&self, ids: &[u32], spans: &Spans) -> Tensor<2> {
        let tables = &self.embeddings;
        let device = tables.word_embeddings.weight.val().device();
        let words = tables.word_embeddings.weight.val().select(0, indices(ids.iter().map(|&id| id as i32), &device));
        let positions = spans.lengths().flat_map(|length| 0..length as i32);
        let positions = tables.position_embeddings.weight.val().select(0, indices(positions, &device));
        let hidden = tables.token_type_embeddings.weight.val().dims()[1];
        let types = tables.token_type_embeddings.weight.val().slice([0..1, 0..hidden]);
        let sum = self.freeze_padding(words, ids) + positions + types;
        tables.layer_norm.forward(sum)
    }

    /// A padding token written in a text has an embedding, but, as `padding_idx` has it in PyTorch, no gradient reaches that row.
    fn freeze_padding(&self, words: Tensor<2>, ids: &[u32]) -> Tensor<2> {
        let Some(padding) = self.padding.filter(|padding| ids.contains(padding)) else { return words };
        let frozen: Vec<bool> = ids.iter().map(|&id| id == padding).collect();
        let shape = words.dims();
        let frozen =
            Tensor::<2, burn::tensor::Bool>::from_data(TensorData::new(frozen, [shape[0], 1]), &words.device());
        let constant = words.clone().detach();
        words.mask_where(frozen.expand(shape), constant)
    }
}

fn indices(values: impl Iterator<Item = i32>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
