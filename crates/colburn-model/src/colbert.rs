//! The model: an encoder, projections, a tokenizer, and the configuration that ties them together.

use std::{path::Path, sync::Arc};

use burn::{
    module::{Module, ModuleDisplay},
    tensor::{Device, Tensor, TensorData},
};
use colburn_ops::{Dropout, Embeddings, Precision, normalize};
use serde_json::{Map, Value};

use crate::{
    ColBertConfig, ColBertOptions, Error, Parameter, Result, TextTokenizer, TokenBatch,
    config::{self, Saved},
    dense::Dense,
    draw::Draw,
    encoder::{Encoder, EncoderConfig, read_config},
    files,
    layout::Layout,
    names, projections, resolve, stanford,
    weights::Weights,
};

/// A late-interaction model: one vector for each token of a text.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_model::{ColBert, Kind};
///
/// let model = ColBert::from_pretrained("models/all-MiniLM-L6-v2", &Device::default())?;
/// let queries = model.encode(&["what is late interaction?"], Kind::Query, &Default::default())?;
/// assert_eq!(queries[0].values.len(), 32 * 128);
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

/// More tokens than embeddings by so many are a mistake.
const MOST_NEW_ROWS: usize = 4096;

/// A new encoder of more parameters is a mistake, too, which would take all memory to find out: four times a BERT of a billion.
const MOST_DRAWN: usize = 1 << 32;

/// Where the weights of a model come from.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Checkpoint,
    Drawn,
}

/// What a model carries besides its weights. Shared by its clones.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The folder that it was loaded from, or its name on the hub.
    pub name_or_path: Arc<Path>,
    /// The folder that it was loaded from.
    pub directory: Arc<Path>,
    pub tokenizer: TextTokenizer,
    /// `config.json` of the encoder, as it was read.
    pub encoder_json: Arc<Value>,
    /// `config_sentence_transformers.json`, as it was read.
    pub model_json: Arc<Map<String, Value>>,
    /// The prompt that goes before every text that is encoded (`default_prompt_name`).
    pub prompt: Option<String>,
    /// Tensors of the checkpoint that take no part, such as the pooler; saved again, so that other tools find them.
    pub surplus: Arc<Vec<(String, TensorData)>>,
    /// How linear layers are computed.
    pub precision: Precision,
}

impl ColBert {
    /// Loads a model directory: PyLate's, sentence-transformers', Stanford's, or a plain encoder's, which gets a new projection. What is no
    /// directory is the name of a model on the Hugging Face hub, `org/name[@revision]`, and is fetched into its cache (feature `hub`).
    ///
    /// # Errors
    /// When the directory is incomplete or its files do not fit together; the message names the file, key or tensor. When there is no such
    /// directory and no such name on the hub, or the hub cannot be reached.
    pub fn from_pretrained(name_or_path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::from_pretrained_with(name_or_path, &ColBertOptions::default(), device)
    }

    /// The same with the caller's parameters, which go before the saved ones (`pylate.models.ColBERT(…)`).
    ///
    /// # Errors
    /// As [`ColBert::from_pretrained`].
    pub fn from_pretrained_with(
        name_or_path: impl AsRef<Path>,
        options: &ColBertOptions,
        device: &Device,
    ) -> Result<Self> {
        let directory = &*resolve::directory(name_or_path.as_ref())?;
        let mut model = Self::build(directory, &Layout::of(directory)?, options, device, Origin::Checkpoint)?;
        model.parts.name_or_path = name_or_path.as_ref().into();
        Ok(model)
    }

    /// A model with an encoder of the directory's `config.json` whose weights are drawn from the options' seed; the directory needs
    /// a tokenizer, no weights.
    ///
    /// # Errors
    /// As [`ColBert::from_pretrained`], but for missing weights.
    pub fn from_config(name_or_path: impl AsRef<Path>, options: &ColBertOptions, device: &Device) -> Result<Self> {
        let directory = &*resolve::directory(name_or_path.as_ref())?;
        let layout = Layout { dense: Vec::new(), ..Layout::of(directory)? };
        Self::build(directory, &layout, options, device, Origin::Drawn)
    }

    fn build(
        directory: &Path,
        layout: &Layout,
        options: &ColBertOptions,
        device: &Device,
        origin: Origin,
    ) -> Result<Self> {
        let config_path = layout.encoder.join("config.json");
        if !config_path.exists() {
            let expected = "a Hugging Face encoder's configuration is expected there";
            return Err(Error::MissingFile { directory: layout.encoder.clone(), file: "config.json", expected });
        }
        let mut encoder_json: Value = files::read_json(&config_path)?;
        let encoder_config = read_config(&config_path, &encoder_json)?;
        if let Value::Object(fields) = &mut encoder_json {
            for (key, value) in encoder_config.older_keys() {
                if fields.get(key).is_none_or(Value::is_null) {
                    fields.insert(key.to_owned(), value);
                }
            }
        }
        let stanford = layout.dense.is_empty() && stanford::is_one(&encoder_json);
        let besides = if stanford { stanford::parameters(&layout.encoder)? } else { Saved::default() };
        let mut config = ColBertConfig::resolve_after(directory, options, besides)?;
        let most = encoder_config.max_positions();
        if config.do_query_expansion && config.query_length > most {
            let message = format!(
                "query_length = {}, but max_position_embeddings = {most}: queries are filled up to their length",
                config.query_length
            );
            return Err(Error::config(&config_path, message));
        }
        let lengths = [("query_length", &mut config.query_length), ("document_length", &mut config.document_length)];
        for (key, length) in lengths.into_iter().filter(|(_, length)| **length > most) {
            // What is saved must be true, and load where longer texts would find no embedding.
            tracing::warn!(
                "{}: {key} = {length}, but the encoder takes {most} tokens: {most} it is",
                config_path.display()
            );
            *length = most;
        }
        let tokenizer = TextTokenizer::load(&layout.encoder, config, most)?;

        let mut draw = Draw::new(options.seed.unwrap_or(42));
        let hidden = encoder_config.hidden_size();
        let (encoder, surplus, dense) = match origin {
            Origin::Checkpoint => {
                let mut weights = Weights::open(&layout.encoder)?;
                let own = stanford.then(|| stanford::projection(&mut weights, hidden, device)).transpose()?;
                let (encoder, surplus) = encoder_config.load(weights, device)?;
                let dense = own.map_or_else(|| projections::saved(layout, hidden, device), |dense| Ok(vec![dense]))?;
                (encoder, surplus, dense)
            }
            Origin::Drawn => (drawn(&*encoder_config, &config_path, &mut draw, device)?, Vec::new(), Vec::new()),
        };
        let encoder = fit_vocabulary(encoder, &tokenizer, &layout.encoder, &mut draw)?;
        let dense = projections::complete(dense, hidden, options.embedding_size, &mut draw, device)?;
        let model_json: Map<String, Value> =
            files::read_json_if_present(&directory.join(config::FILE))?.unwrap_or_default();
        let prompt = config::default_prompt(&directory.join(config::FILE), &model_json)?;
        let parts = Parts {
            name_or_path: directory.into(),
            directory: directory.into(),
            tokenizer,
            encoder_json: Arc::new(encoder_json),
            model_json: Arc::new(model_json),
            prompt,
            surplus: Arc::new(surplus),
            precision: Precision::F32,
        };
        Ok(Self { encoder, dense, parts })
    }

    /// Token vectors of a packed batch, projected and L2-normalised, without dropout. On an autodiff device gradients flow.
    ///
    /// # Shapes
    /// `values` of the result: `[tokens, dim]`.
    ///
    /// # Panics
    /// When the batch was not made by this model's tokenizer and has token ids or lengths that the encoder has no embeddings for.
    pub fn forward(&self, batch: &TokenBatch) -> Embeddings {
        self.forward_with(batch, Dropout::off())
    }

    /// The same with dropout: training.
    ///
    /// # Panics
    /// As [`ColBert::forward`].
    pub fn forward_with(&self, batch: &TokenBatch, dropout: Dropout) -> Embeddings {
        let values = normalize(self.project(batch, dropout));
        Embeddings { values, spans: batch.spans.clone(), mask: batch.mask.clone(), floor: batch.floor.clone() }
    }

    /// Token vectors as they come out of the last projection.
    pub(crate) fn project(&self, batch: &TokenBatch, dropout: Dropout) -> Tensor<2> {
        let mut context = self.encoder.context(&batch.spans, dropout, self.parts.precision);
        let hidden = self.encoder.forward(&batch.ids, &mut context);
        self.dense.iter().fold(hidden, |hidden, dense| dense.forward(hidden, &context))
    }

    /// Turns texts into batches for [`ColBert::forward`].
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.parts.tokenizer
    }

    /// The folder that it was loaded from, or its name on the hub, as it was given.
    pub fn name_or_path(&self) -> &Path {
        &self.parts.name_or_path
    }

    /// The folder that it was loaded from; that in the cache for a name on the hub.
    pub fn directory(&self) -> &Path {
        &self.parts.directory
    }

    /// The same weights, with linear layers computed in this precision. A new model's is [`Precision::F32`].
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.parts.precision = precision;
        self
    }

    /// How linear layers are computed.
    pub fn precision(&self) -> Precision {
        self.parts.precision
    }

    /// The ColBERT parameters.
    pub fn config(&self) -> &ColBertConfig {
        self.parts.tokenizer.config()
    }

    /// Width of a token vector.
    pub fn embedding_size(&self) -> usize {
        self.dense.last().map_or(0, |dense| dense.config().out_features)
    }

    /// Where the model computes.
    pub fn device(&self) -> Device {
        self.encoder.device()
    }

    /// Every parameter under PyTorch's name.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = self.encoder.parameters();
        for (index, dense) in self.dense.iter().enumerate() {
            all.extend(names::parameters(dense, &format!("{}_Dense.", index + 1)));
        }
        all
    }
}

/// A new encoder of these shapes.
fn drawn(config: &EncoderConfig, path: &Path, draw: &mut Draw, device: &Device) -> Result<Encoder> {
    let shapes = config.init(device).parameters().into_iter().map(|parameter| parameter.shape);
    let size = shapes.fold(0usize, |sum, shape| {
        sum.saturating_add(shape.into_iter().fold(1, |product: usize, width| product.saturating_mul(width)))
    });
    if size > MOST_DRAWN {
        let message = format!("an encoder of {size} parameters; at most {MOST_DRAWN} are drawn");
        return Err(Error::config(path, message));
    }
    Ok(config.draw(draw, device))
}

/// Brings the embedding matrix to the tokenizer's vocabulary (PyLate resizes before and after it adds the prefixes, so that their rows
/// are new even where the matrix had rows to spare).
fn fit_vocabulary(encoder: Encoder, tokenizer: &TextTokenizer, folder: &Path, draw: &mut Draw) -> Result<Encoder> {
    let [own, with_prefixes] = tokenizer.vocabulary_sizes();
    let rows = encoder.vocabulary();
    if own > rows + MOST_NEW_ROWS {
        let message = format!("{own} tokens, but the encoder has embeddings of {rows}; another model's tokenizer?");
        return Err(Error::config(folder.join("tokenizer.json"), message));
    }
    let encoder = if tokenizer.prefix_ids() == [None, None] {
        encoder
    } else {
        encoder.resize(own, draw)?.resize(with_prefixes, draw)?
    };
    if tokenizer.largest_id() >= encoder.vocabulary() {
        let (id, rows) = (tokenizer.largest_id(), encoder.vocabulary());
        let message = format!("token id {id}, but there are embeddings for the ids below {rows}");
        return Err(Error::config(folder.join("tokenizer.json"), message));
    }
    Ok(encoder)
}
