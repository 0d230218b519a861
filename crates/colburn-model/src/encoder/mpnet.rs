//! MPNet (Song et al. 2020): BERT's layers without token types, positions counted as RoBERTa does, and a bias on attention scores by
//! the distance of two tokens, which all layers share.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use colburn_ops::{Activation, AttentionOptions, RelativeBias};
use serde::Deserialize;

use super::{
    bert::{BertIntermediate, BertOutput, BertShape, zero_linear},
    context::EncoderContext,
    family::{Checkpoint, Configuration, Family, Zeros},
    norm::LayerNorm,
    positions,
    table::Table,
};

/// transformers' MPNet has this number built in, whatever `pad_token_id` says.
const PADDING: u32 = 1;

/// The buckets of distances that tokens fall in. transformers has this number built in, too: `relative_attention_num_buckets` is only
/// how many rows the table has.
const BUCKETS: usize = 32;

/// The largest distance with a bucket of its own: tokens farther away share one.
const MAX_DISTANCE: f64 = 128.0;

/// The fields of MPNet's `config.json`, with transformers' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct MpnetConfig {
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
    /// Rows of the position embeddings: the longest text has 2 tokens less.
    pub max_position_embeddings: usize,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// Rows of the table of biases, at least 32.
    pub relative_attention_num_buckets: usize,
}

impl Default for MpnetConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30527,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".to_owned(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            relative_attention_num_buckets: BUCKETS,
        }
    }
}

impl MpnetConfig {
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

impl Configuration for MpnetConfig {
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("relative_attention_num_buckets", self.relative_attention_num_buckets),
        ];
        self.shape().problem(&sizes).or_else(|| positions::problem(self.max_position_embeddings, PADDING)).or_else(
            || {
                let buckets = self.relative_attention_num_buckets;
                (buckets < BUCKETS)
                    .then(|| format!("relative_attention_num_buckets = {buckets}; at least {BUCKETS} are expected"))
            },
        )
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn max_positions(&self) -> usize {
        positions::room(self.max_position_embeddings, PADDING)
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn pad_token_id(&self) -> Option<u32> {
        Some(PADDING)
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { prefix: "mpnet.", kept: &["pooler."], heads: &["lm_head.", "classifier.", "qa_outputs."] }
    }
}

impl Zeros for MpnetConfig {
    type Model = Mpnet;

    fn zeros(&self, device: &Device) -> Mpnet {
        let (hidden, eps) = (self.hidden_size, self.layer_norm_eps);
        let norm = || LayerNorm::new(hidden, eps, true, device);
        let linear = |from, to| zero_linear(from, to, device);
        let layer = |_| MpnetLayer {
            attention: MpnetAttention {
                attn: MpnetSelfAttention {
                    q: linear(hidden, hidden),
                    k: linear(hidden, hidden),
                    v: linear(hidden, hidden),
                    o: linear(hidden, hidden),
                },
                layer_norm: norm(),
            },
            intermediate: BertIntermediate { dense: linear(hidden, self.intermediate_size) },
            output: BertOutput::new(self.intermediate_size, hidden, eps, device),
        };
        Mpnet {
            embeddings: MpnetEmbeddings {
                word_embeddings: Table::zeros(self.vocab_size, hidden, device),
                position_embeddings: Table::zeros(self.max_position_embeddings, hidden, device),
                layer_norm: norm(),
            },
            encoder: MpnetStack {
                layer: (0..self.num_hidden_layers).map(layer).collect(),
                relative_attention_bias: Table::zeros(
                    self.relative_attention_num_buckets,
                    self.num_attention_heads,
                    device,
                ),
            },
            heads: self.num_attention_heads,
            activation: Activation::from_name(&self.hidden_act).unwrap_or(Activation::Gelu),
            hidden_dropout: self.hidden_dropout_prob,
            attention_dropout: self.attention_probs_dropout_prob,
        }
    }
}

/// The MPNet encoder.
#[derive(Module, Debug)]
pub struct Mpnet {
    embeddings: MpnetEmbeddings,
    encoder: MpnetStack,
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
struct MpnetEmbeddings {
    word_embeddings: Table,
    position_embeddings: Table,
    layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct MpnetStack {
    layer: Vec<MpnetLayer>,
    relative_attention_bias: Table,
}

#[derive(Module, Debug)]
struct MpnetLayer {
    attention: MpnetAttention,
    intermediate: BertIntermediate,
    output: BertOutput,
}

#[derive(Module, Debug)]
struct MpnetAttention {
    attn: MpnetSelfAttention,
    layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct MpnetSelfAttention {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
}

impl Family for Mpnet {
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        let tables = &self.embeddings;
        let words = tables.word_embeddings.words(ids, Some(PADDING));
        let positions = positions::embed(&tables.position_embeddings, ids, context.spans(), PADDING);
        let embedded = context.add_norm(&tables.layer_norm, words, positions, 0.0);
        let mut hidden = context.drop(embedded, self.hidden_dropout);
        let bias = RelativeBias { table: self.encoder.relative_attention_bias.weight.val(), bucket };
        for layer in &self.encoder.layer {
            let MpnetSelfAttention { q, k, v, o } = &layer.attention.attn;
            let options = AttentionOptions {
                dropout: self.attention_dropout,
                bias: Some(bias.clone()),
                ..AttentionOptions::new(self.heads)
            };
            let output = (o, &layer.attention.layer_norm);
            hidden = context.attention_block([q, k, v], output, hidden, options, self.hidden_dropout);
            let inner = &layer.intermediate.dense;
            hidden =
                context.feed_forward_block(inner, self.activation, layer.output.parts(), hidden, self.hidden_dropout);
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

/// The row of a distance, key minus query: half of the rows for keys behind the query; a row for each of the nearest, then for ranges
/// that grow with the logarithm (`MPNetEncoder.relative_position_bucket`, in f32 as there, so that bounds fall alike).
fn bucket(distance: i64) -> usize {
    let half = BUCKETS / 2;
    let exact = half / 2;
    let behind = if distance > 0 { half } else { 0 };
    let distance = distance.unsigned_abs() as usize;
    if distance < exact {
        return behind + distance;
    }
    let range = (MAX_DISTANCE / exact as f64).ln() as f32;
    let row = ((distance as f32 / exact as f32).ln() / range * (half - exact) as f32) as usize;
    behind + (exact + row).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // MPNetEncoder.relative_position_bucket(torch.arange(-1000, 1001)): where a bucket begins, and which it is.
    #[test]
    fn distances_fall_in_the_buckets_of_transformers() {
        let behind = [(8, 24), (12, 25), (16, 26), (23, 27), (32, 28), (46, 29), (64, 30), (91, 31), (1001, 32)];
        assert_eq!(bucket(0), 0);
        for near in 1..8 {
            assert_eq!((bucket(near), bucket(-near)), (16 + near as usize, near as usize));
        }
        for pair in behind.windows(2) {
            for distance in pair[0].0..pair[1].0 {
                assert_eq!((bucket(distance), bucket(-distance)), (pair[0].1, pair[0].1 - 16), "{distance}");
            }
        }
        assert!(bucket(i64::MAX) == 31 && bucket(i64::MIN) == 15);
    }
}
