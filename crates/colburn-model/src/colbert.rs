//! The model: an encoder, projections, a tokenizer, and the configuration that connects them.

use std::{path::Path, sync::Arc};

use burn::{
    module::{Module, ModuleDisplay},
    tensor::{Device, Tensor, TensorData},
};
use colburn_ops::{Dropout, Embeddings, Precision, normalize};
use serde_json::{Map, Value};

use crate::{
    ColBertConfig, Parameter, TextTokenizer, TokenBatch,
    dense::{self, Dense},
    encoder::Encoder,
    names,
};

/// A late-interaction model: it gives one vector for each token of a text.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_model::{ColBert, Kind};
///
/// let model = ColBert::from_pretrained("models/all-MiniLM-L6-v2", &Device::default())?;
/// let queries = model.encode(&["what is late interaction?"], Kind::Query, &Default::default())?;
/// assert_eq!(queries[0].values.len(), 32 * 128);
/// model.save_pretrained("models/my-colbert")?;
/// # Ok::<(), colburn_model::Error>(())
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ColBert {
    pub(crate) encoder: Encoder,
    pub(crate) dense: Vec<Dense>,
    #[module(skip)]
    pub(crate) parts: Parts,
}

impl ModuleDisplay for ColBert {}

/// All of a model but its weights. Clones of the model share it.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The folder that the model was loaded from, or its name on the hub.
    pub name_or_path: Arc<Path>,
    /// The folder that the model was loaded from.
    pub directory: Arc<Path>,
    pub tokenizer: TextTokenizer,
    /// `config.json` of the encoder, as it was read.
    pub encoder_json: Arc<Value>,
    /// `config_sentence_transformers.json`, as it was read.
    pub model_json: Arc<Map<String, Value>>,
    /// The prompt before every text that is encoded (`default_prompt_name`).
    pub prompt: Option<String>,
    /// Tensors of the checkpoint that the model does not use, such as the pooler. They are saved again for other tools.
    pub surplus: Arc<Vec<(String, TensorData)>>,
    /// Precision of the linear layers.
    pub precision: Precision,
}

impl ColBert {
    /// Computes the token vectors of a packed batch, projected and L2-normalised, without dropout. On an autodiff device gradients flow.
    ///
    /// # Shapes
    /// `values` of the result: `[tokens, dim]`, where `tokens` is [`TokenBatch::tokens`] and `dim` is [`ColBert::embedding_size`].
    ///
    /// # Panics
    /// When the batch was not made by this model's tokenizer and has token ids or lengths that the encoder has no embeddings for.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use colburn_model::{ColBert, Kind};
    ///
    /// let model = ColBert::from_pretrained("models/my-colbert", &Device::default())?;
    /// let batch = model.tokenizer().tokenize(&["a text", "another one"], Kind::Document)?;
    /// let embeddings = model.forward(&batch);
    /// assert_eq!(embeddings.values.dims(), [batch.tokens(), model.embedding_size()]);
    /// # Ok::<(), colburn_model::Error>(())
    /// ```
    pub fn forward(&self, batch: &TokenBatch) -> Embeddings {
        self.forward_with(batch, Dropout::off())
    }

    /// Computes the token vectors as [`ColBert::forward`] does, with dropout. This is the pass of training.
    ///
    /// # Shapes
    /// As [`ColBert::forward`].
    ///
    /// # Panics
    /// As [`ColBert::forward`].
    pub fn forward_with(&self, batch: &TokenBatch, dropout: Dropout) -> Embeddings {
        let values = normalize(self.project(batch, dropout));
        let (spans, mask, floor) = (batch.spans.clone(), batch.mask.clone(), batch.floor.clone());
        Embeddings { values, spans, mask, floor, precision: self.parts.precision }
    }

    /// The token vectors as the last projection gives them, `[tokens, dim]`.
    pub(crate) fn project(&self, batch: &TokenBatch, dropout: Dropout) -> Tensor<2> {
        let mut context = self.encoder.context(&batch.spans, dropout, self.parts.precision);
        let hidden = self.encoder.forward(&batch.ids, &mut context);
        self.dense.iter().fold(hidden, |hidden, dense| dense.forward(hidden, &context))
    }

    /// The tokenizer, which makes batches for [`ColBert::forward`].
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.parts.tokenizer
    }

    /// The folder that the model was loaded from, or its name on the hub, as it was given.
    pub fn name_or_path(&self) -> &Path {
        &self.parts.name_or_path
    }

    /// The folder that the model was loaded from. For a name on the hub it lies in the cache.
    pub fn directory(&self) -> &Path {
        &self.parts.directory
    }

    /// The same weights with another precision of the linear layers. A new model has [`Precision::F32`].
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.parts.precision = precision;
        self
    }

    /// The precision of the linear layers.
    pub fn precision(&self) -> Precision {
        self.parts.precision
    }

    /// The ColBERT parameters.
    pub fn config(&self) -> &ColBertConfig {
        self.parts.tokenizer.config()
    }

    /// The width of a token vector.
    pub fn embedding_size(&self) -> usize {
        self.dense.last().map_or(0, |dense| dense.config().out_features)
    }

    /// The device that holds the weights.
    pub fn device(&self) -> Device {
        self.encoder.device()
    }

    /// Every parameter under PyTorch's name.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = self.encoder.parameters();
        for (index, dense) in self.dense.iter().enumerate() {
            all.extend(names::parameters(dense, &format!("{}.", dense::folder(index))));
        }
        all
    }
}
