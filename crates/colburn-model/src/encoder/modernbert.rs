//! ModernBERT (Warner et al. 2024): pre-norm, rotary positions, gated feed-forward layers, and attention that is global in every third layer
//! and local in the others.
//!
//! The modules carry the names of Hugging Face's `ModernBertModel`, so that a checkpoint's tensor names are the paths of the fields.

#[cfg(test)]
mod tests;

use burn::{
    module::Module,
    nn::{Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use colburn_ops::{Activation, AttentionOptions};
use serde::Deserialize;
use serde_json::Value;

use super::{
    check,
    context::EncoderContext,
    family::{Checkpoint, Configuration, Family, Zeros},
    norm::LayerNorm,
    table::Table,
};

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// The fields of ModernBERT's `config.json`, with transformers' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ModernBertConfig {
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers, of the half that is not the gate.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size` into even parts.
    pub num_attention_heads: usize,
    /// Activation of the feed-forward layers.
    pub hidden_activation: String,
    /// The longest text. There are no position embeddings that end there.
    pub max_position_embeddings: usize,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// Added to the variance in layer norms.
    pub norm_eps: f64,
    /// True if layer norms have a bias.
    pub norm_bias: bool,
    /// The token whose word embedding gets no gradient.
    pub pad_token_id: Option<u32>,
    /// True if the projections of attention have a bias.
    pub attention_bias: bool,
    /// Dropout of attention weights, and of what attention adds to the residual stream.
    pub attention_dropout: f64,
    /// `full_attention` or `sliding_attention` for each layer.
    pub layer_types: Option<Vec<String>>,
    /// The period of global layers, from layer 0 on, if there is no `layer_types`.
    pub global_attn_every_n_layers: usize,
    /// The window of local layers, in tokens: half of it to either side.
    pub local_attention: usize,
    /// Rotary embeddings of either type of layer, as transformers 5 writes them.
    pub rope_parameters: Option<LayerRopes>,
    /// Scaling of rotary embeddings; none is supported.
    pub rope_scaling: Option<Rope>,
    /// Base of the rotary embeddings of global layers, without `rope_parameters`.
    pub global_rope_theta: f64,
    /// The same for local layers; `null`: as in global layers.
    pub local_rope_theta: Option<f64>,
    /// Dropout of embeddings.
    pub embedding_dropout: f64,
    /// True if the feed-forward layers have a bias.
    pub mlp_bias: bool,
    /// Dropout within the feed-forward layers.
    pub mlp_dropout: f64,
}

/// `rope_parameters`: by type of layer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LayerRopes {
    /// Of global layers.
    pub full_attention: Option<Rope>,
    /// Of local layers.
    pub sliding_attention: Option<Rope>,
}

/// Rotary embeddings as `config.json` describes them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rope {
    /// Base of the wavelengths.
    pub rope_theta: Option<f64>,
    /// Only `default` is known: no scaling.
    pub rope_type: Option<String>,
    /// The former name of `rope_type`.
    #[serde(rename = "type")]
    pub older_rope_type: Option<String>,
}

impl Default for ModernBertConfig {
    fn default() -> Self {
        Self {
            vocab_size: 50368,
            hidden_size: 768,
            intermediate_size: 1152,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            hidden_activation: "gelu".to_owned(),
            max_position_embeddings: 8192,
            initializer_range: 0.02,
            norm_eps: 1e-5,
            norm_bias: false,
            pad_token_id: Some(50283),
            attention_bias: false,
            attention_dropout: 0.0,
            layer_types: None,
            global_attn_every_n_layers: 3,
            local_attention: 128,
            rope_parameters: None,
            rope_scaling: None,
            global_rope_theta: 160_000.0,
            local_rope_theta: Some(10_000.0),
            embedding_dropout: 0.0,
            mlp_bias: false,
            mlp_dropout: 0.0,
        }
    }
}

impl ModernBertConfig {
    /// True if a layer attends to all keys.
    fn is_global(&self, layer: usize) -> bool {
        match &self.layer_types {
            Some(types) => types.get(layer).is_some_and(|name| name == FULL),
            None => layer.is_multiple_of(self.global_attn_every_n_layers),
        }
    }

    /// The bases of the rotary embeddings of global and of local layers.
    fn thetas(&self) -> Thetas {
        let ropes = self.rope_parameters.clone().unwrap_or_default();
        let theta = |rope: Option<Rope>| rope.and_then(|rope| rope.rope_theta);
        let global = theta(ropes.full_attention).unwrap_or(self.global_rope_theta);
        Thetas { global, local: theta(ropes.sliding_attention).or(self.local_rope_theta).unwrap_or(global) }
    }

    fn layers_problem(&self) -> Option<String> {
        let (count, every) = (self.num_hidden_layers, self.global_attn_every_n_layers);
        match &self.layer_types {
            None if every == 0 => Some("global_attn_every_n_layers = 0; a positive number is expected".to_owned()),
            None => None,
            Some(types) if types.len() != count => {
                Some(format!("layer_types has {} entries; num_hidden_layers = {count} are expected", types.len()))
            }
            Some(types) => {
                let other = types.iter().find(|name| !matches!(name.as_str(), FULL | SLIDING))?;
                Some(format!("layer_types has \"{other}\"; \"{FULL}\" or \"{SLIDING}\" is expected"))
            }
        }
    }

    fn rope_problem(&self) -> Option<String> {
        let ropes = self.rope_parameters.clone().unwrap_or_default();
        let scaled = [
            ("rope_parameters.full_attention", &ropes.full_attention),
            ("rope_parameters.sliding_attention", &ropes.sliding_attention),
            ("rope_scaling", &self.rope_scaling),
        ];
        for (key, rope) in scaled {
            if let Some(other) = rope
                .as_ref()
                .and_then(|rope| rope.rope_type.as_deref().or(rope.older_rope_type.as_deref()))
                .filter(|&of| of != "default")
            {
                return Some(format!("{key}.rope_type = \"{other}\"; only \"default\" is supported"));
            }
        }
        let Thetas { global, local } = self.thetas();
        let (key, theta) = [("global", global), ("local", local)].into_iter().find(|(_, theta)| *theta < 1.0)?;
        Some(format!("the rope_theta of {key} layers is {theta}; a number from 1 on is expected"))
    }
}

impl Configuration for ModernBertConfig {
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        let dropout = [
            ("attention_dropout", self.attention_dropout),
            ("embedding_dropout", self.embedding_dropout),
            ("mlp_dropout", self.mlp_dropout),
        ];
        check::sizes(&sizes)
            .or_else(|| check::layers("num_hidden_layers", self.num_hidden_layers))
            .or_else(|| {
                check::heads(("hidden_size", self.hidden_size), ("num_attention_heads", self.num_attention_heads))
            })
            .or_else(|| {
                let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
                (!(hidden / heads).is_multiple_of(2)).then(|| {
                    format!(
                        "hidden_size / num_attention_heads = {hidden} / {heads}; rotary embeddings need an even number"
                    )
                })
            })
            .or_else(|| check::activation("hidden_activation", &self.hidden_activation))
            .or_else(|| check::dropout(&dropout))
            .or_else(|| self.layers_problem())
            .or_else(|| self.rope_problem())
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

    /// transformers 4 and pylate-rs know the bases of the rotary embeddings and the epsilon by these names.
    fn older_keys(&self) -> Vec<(&'static str, Value)> {
        let Thetas { global, local } = self.thetas();
        vec![
            ("global_rope_theta", global.into()),
            ("local_rope_theta", local.into()),
            ("layer_norm_eps", self.norm_eps.into()),
        ]
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { prefix: "model.", kept: &[], heads: &["head.", "decoder.", "classifier."] }
    }
}

impl Zeros for ModernBertConfig {
    type Model = ModernBert;

    fn zeros(&self, device: &Device) -> ModernBert {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let norm = || LayerNorm::new(hidden, self.norm_eps, self.norm_bias, device);
        let linear = |from, to, bias| {
            LinearConfig::new(from, to).with_bias(bias).with_initializer(Initializer::Zeros).init(device)
        };
        let layer = |layer| ModernBertLayer {
            attn_norm: (layer > 0).then(norm),
            attn: ModernBertAttention {
                wqkv: linear(hidden, 3 * hidden, self.attention_bias),
                wo: linear(hidden, hidden, self.attention_bias),
            },
            mlp_norm: norm(),
            mlp: ModernBertMlp {
                wi: linear(hidden, 2 * inner, self.mlp_bias),
                wo: linear(inner, hidden, self.mlp_bias),
            },
            window: (!self.is_global(layer)).then_some(self.local_attention / 2),
        };
        ModernBert {
            embeddings: ModernBertEmbeddings {
                tok_embeddings: Table::zeros(self.vocab_size, hidden, device),
                norm: norm(),
            },
            layers: (0..self.num_hidden_layers).map(layer).collect(),
            final_norm: norm(),
            heads: self.num_attention_heads,
            activation: Activation::from_name(&self.hidden_activation).unwrap_or(Activation::Gelu),
            thetas: self.thetas(),
            embedding_dropout: self.embedding_dropout,
            attention_dropout: self.attention_dropout,
            mlp_dropout: self.mlp_dropout,
            padding: self.pad_token_id,
        }
    }
}

/// The ModernBERT encoder.
#[derive(Module, Debug)]
pub struct ModernBert {
    embeddings: ModernBertEmbeddings,
    layers: Vec<ModernBertLayer>,
    final_norm: LayerNorm,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    thetas: Thetas,
    #[module(skip)]
    embedding_dropout: f64,
    #[module(skip)]
    attention_dropout: f64,
    #[module(skip)]
    mlp_dropout: f64,
    #[module(skip)]
    padding: Option<u32>,
}

/// Bases of rotary embeddings.
#[derive(Clone, Copy, Debug)]
struct Thetas {
    global: f64,
    local: f64,
}

#[derive(Module, Debug)]
struct ModernBertEmbeddings {
    tok_embeddings: Table,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct ModernBertLayer {
    /// Layer 0 has none: the embeddings' norm is before it.
    attn_norm: Option<LayerNorm>,
    attn: ModernBertAttention,
    mlp_norm: LayerNorm,
    mlp: ModernBertMlp,
    /// The reach of its attention to either side; `None`: to all keys.
    #[module(skip)]
    window: Option<usize>,
}

#[derive(Module, Debug)]
struct ModernBertAttention {
    wqkv: Linear,
    wo: Linear,
}

#[derive(Module, Debug)]
struct ModernBertMlp {
    wi: Linear,
    wo: Linear,
}

impl Family for ModernBert {
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        let words = self.embeddings.tok_embeddings.words(ids, self.padding);
        let embedded = context.norm(&self.embeddings.norm, words);
        let mut hidden = context.drop(embedded, self.embedding_dropout);
        for layer in &self.layers {
            let theta = if layer.window.is_some() { self.thetas.local } else { self.thetas.global };
            let options = AttentionOptions {
                dropout: self.attention_dropout,
                window: layer.window,
                ..AttentionOptions::new(self.heads)
            };
            let (norm, linears) = (layer.attn_norm.as_ref(), [&layer.attn.wqkv, &layer.attn.wo]);
            hidden = context.pre_norm_attention_block(norm, linears, hidden, options, theta, self.attention_dropout);
            let (norm, linears) = (&layer.mlp_norm, [&layer.mlp.wi, &layer.mlp.wo]);
            hidden = context.pre_norm_feed_forward_block(norm, linears, self.activation, hidden, self.mlp_dropout);
        }
        context.norm(&self.final_norm, hidden)
    }

    fn words(&self) -> &Table {
        &self.embeddings.tok_embeddings
    }

    fn words_mut(&mut self) -> &mut Table {
        &mut self.embeddings.tok_embeddings
    }
}
