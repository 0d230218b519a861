//! ELECTRA (Clark et al. 2020): BERT's layers, behind embeddings that may be narrower and are then projected to their width.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};
use serde::Deserialize;

use super::{
    bert::{BertEmbeddings, BertShape, BertStack, zero_linear},
    check,
    context::EncoderContext,
    family::{Checkpoint, Configuration, Family, Zeros},
    table::Table,
};

/// The fields of ELECTRA's `config.json`, with transformers' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ElectraConfig {
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// Width of the embeddings.
    pub embedding_size: usize,
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

impl Default for ElectraConfig {
    fn default() -> Self {
        Self {
            vocab_size: 30522,
            embedding_size: 128,
            hidden_size: 256,
            num_hidden_layers: 12,
            num_attention_heads: 4,
            intermediate_size: 1024,
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

impl ElectraConfig {
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

impl Configuration for ElectraConfig {
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("embedding_size", self.embedding_size),
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
        Checkpoint {
            prefix: "electra.",
            kept: &[],
            heads: &[
                "discriminator_predictions.",
                "generator_predictions.",
                "generator_lm_head.",
                "classifier.",
                "qa_outputs.",
            ],
        }
    }
}

impl Zeros for ElectraConfig {
    type Model = Electra;

    fn zeros(&self, device: &Device) -> Electra {
        let narrower = self.embedding_size != self.hidden_size;
        Electra {
            embeddings: BertEmbeddings::new(
                [self.vocab_size, self.max_position_embeddings, self.type_vocab_size],
                self.embedding_size,
                self.layer_norm_eps,
                device,
            ),
            embeddings_project: narrower.then(|| zero_linear(self.embedding_size, self.hidden_size, device)),
            encoder: BertStack::new(&self.shape(), device),
            hidden_dropout: self.hidden_dropout_prob,
            padding: self.pad_token_id,
        }
    }
}

/// The ELECTRA encoder.
#[derive(Module, Debug)]
pub struct Electra {
    embeddings: BertEmbeddings,
    embeddings_project: Option<Linear>,
    encoder: BertStack,
    #[module(skip)]
    hidden_dropout: f64,
    #[module(skip)]
    padding: Option<u32>,
}

impl Family for Electra {
    /// Every token type is 0.
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        let words = self.embeddings.word_embeddings.words(ids, self.padding);
        let positions = self.embeddings.position_embeddings.rows(&context.positions());
        let embedded = self.embeddings.forward(words, positions, context);
        let embedded = context.drop(embedded, self.hidden_dropout);
        let hidden = match &self.embeddings_project {
            Some(project) => context.linear(project, embedded),
            None => embedded,
        };
        self.encoder.forward(hidden, context)
    }

    fn words(&self) -> &Table {
        &self.embeddings.word_embeddings
    }

    fn words_mut(&mut self) -> &mut Table {
        &mut self.embeddings.word_embeddings
    }
}
