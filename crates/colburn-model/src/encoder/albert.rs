//! ALBERT (Lan et al. 2020): narrow embeddings, and layers that share their weights.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use colburn_ops::{Activation, AttentionOptions};
use serde::Deserialize;

use super::{
    bert::{BertEmbeddings, BertShape, zero_linear},
    check,
    context::EncoderContext,
    family::{Checkpoint, Configuration, Family, Zeros},
    norm::LayerNorm,
    table::Table,
};

/// The fields of ALBERT's `config.json`, with transformers' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AlbertConfig {
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// Width of the embeddings.
    pub embedding_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Total number of runs through a group of layers.
    pub num_hidden_layers: usize,
    /// Number of groups, each with weights of its own; the runs are divided among them in order.
    pub num_hidden_groups: usize,
    /// Number of layers in a group.
    pub inner_group_num: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: String,
    /// Dropout of embeddings and attention outputs; feed-forward outputs have none.
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

impl Default for AlbertConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30000,
            embedding_size: 128,
            hidden_size: 4096,
            num_hidden_layers: 12,
            num_hidden_groups: 1,
            inner_group_num: 1,
            num_attention_heads: 64,
            intermediate_size: 16384,
            hidden_act: "gelu_new".to_owned(),
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: Some(0),
            position_embedding_type: None,
        }
    }
}

impl AlbertConfig {
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

impl Configuration for AlbertConfig {
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("embedding_size", self.embedding_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
            ("num_hidden_groups", self.num_hidden_groups),
            ("inner_group_num", self.inner_group_num),
        ];
        self.shape()
            .problem(&sizes)
            .or_else(|| {
                let layers = self.num_hidden_groups.saturating_mul(self.inner_group_num);
                check::layers("num_hidden_groups × inner_group_num", layers)
            })
            .or_else(|| check::absolute_positions(self.position_embedding_type.as_deref()))
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
        Checkpoint {
            prefix: "albert.",
            kept: &["pooler."],
            heads: &["predictions.", "sop_classifier.", "classifier.", "qa_outputs."],
        }
    }
}

impl Zeros for AlbertConfig {
    type Model = Albert;

    fn zeros(&self, device: &Device) -> Albert {
        let hidden = self.hidden_size;
        let norm = || LayerNorm::new(hidden, self.layer_norm_eps, true, device);
        let linear = |from, to| zero_linear(from, to, device);
        let layer = |_| AlbertLayer {
            full_layer_layer_norm: norm(),
            attention: AlbertAttention {
                query: linear(hidden, hidden),
                key: linear(hidden, hidden),
                value: linear(hidden, hidden),
                dense: linear(hidden, hidden),
                layer_norm: norm(),
            },
            ffn: linear(hidden, self.intermediate_size),
            ffn_output: linear(self.intermediate_size, hidden),
        };
        let group = |_| AlbertLayerGroup { albert_layers: (0..self.inner_group_num).map(layer).collect() };
        Albert {
            embeddings: BertEmbeddings::new(
                [self.vocab_size, self.max_position_embeddings, self.type_vocab_size],
                self.embedding_size,
                self.layer_norm_eps,
                device,
            ),
            encoder: AlbertStack {
                embedding_hidden_mapping_in: linear(self.embedding_size, hidden),
                albert_layer_groups: (0..self.num_hidden_groups).map(group).collect(),
            },
            runs: self.num_hidden_layers,
            heads: self.num_attention_heads,
            activation: Activation::from_name(&self.hidden_act).unwrap_or(Activation::GeluNew),
            hidden_dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
            padding: self.pad_token_id,
        }
    }
}

/// The ALBERT encoder.
#[derive(Module, Debug)]
pub struct Albert {
    embeddings: BertEmbeddings,
    encoder: AlbertStack,
    #[module(skip)]
    runs: usize,
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

#[derive(Module, Debug)]
struct AlbertStack {
    embedding_hidden_mapping_in: Linear,
    albert_layer_groups: Vec<AlbertLayerGroup>,
}

#[derive(Module, Debug)]
struct AlbertLayerGroup {
    albert_layers: Vec<AlbertLayer>,
}

#[derive(Module, Debug)]
struct AlbertLayer {
    full_layer_layer_norm: LayerNorm,
    attention: AlbertAttention,
    ffn: Linear,
    ffn_output: Linear,
}

#[derive(Module, Debug)]
struct AlbertAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    dense: Linear,
    layer_norm: LayerNorm,
}

impl Albert {
    fn layer(&self, layer: &AlbertLayer, hidden: Tensor<2>, context: &mut EncoderContext) -> Tensor<2> {
        let AlbertAttention { query, key, value, dense, layer_norm } = &layer.attention;
        let options = AttentionOptions { dropout: self.attention_dropout, ..AttentionOptions::new(self.heads) };
        let output = (dense, layer_norm);
        let hidden = context.attention_block([query, key, value], output, hidden, options, self.hidden_dropout);
        let output = (&layer.ffn_output, &layer.full_layer_layer_norm);
        context.feed_forward_block(&layer.ffn, self.activation, output, hidden, 0.0)
    }
}

impl Family for Albert {
    /// Every token type is 0.
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        let words = self.embeddings.word_embeddings.words(ids, self.padding);
        let positions = self.embeddings.position_embeddings.rows(&context.positions());
        let embedded = self.embeddings.forward(words, positions, context);
        let embedded = context.drop(embedded, self.hidden_dropout);
        let mut hidden = context.linear(&self.encoder.embedding_hidden_mapping_in, embedded);
        let groups = &self.encoder.albert_layer_groups;
        let runs_per_group = self.runs as f64 / groups.len() as f64;
        for run in 0..self.runs {
            // Rounded as transformers does, which can fall short of a whole number: 9 / (18 / 14).
            let group = (run as f64 / runs_per_group) as usize;
            for layer in &groups[group.min(groups.len() - 1)].albert_layers {
                hidden = self.layer(layer, hidden, context);
            }
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
