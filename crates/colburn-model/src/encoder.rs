//! The encoder families, chosen by `model_type` in `config.json`.

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use colburn_ops::{Dropout, Spans};
use serde_json::Value;

use crate::{
    Error, Parameter, Result,
    bert::{Bert, BertConfig},
    draw::Draw,
    files, names,
    weights::Weights,
};

/// A pretrained encoder.
#[derive(Module, Debug)]
pub enum Encoder {
    /// `model_type` `bert`.
    Bert(Bert),
}

/// The configuration of an encoder, of the family that `model_type` names.
#[derive(Clone, Debug)]
pub(crate) enum EncoderConfig {
    Bert(BertConfig),
}

impl EncoderConfig {
    /// Reads the parsed `config.json` that lies at `path`.
    pub fn from_json(path: &Path, json: &Value) -> Result<Self> {
        match json.get("model_type").and_then(Value::as_str) {
            Some("bert") => {}
            Some(other) => {
                return Err(Error::config(path, format!("model_type = \"{other}\" is not supported; supported: bert")));
            }
            None => {
                return Err(Error::config(
                    path,
                    "no model_type; a Hugging Face encoder's config.json is expected (supported: bert)",
                ));
            }
        }
        // From the file once more: an error then names line and column.
        let config: BertConfig = files::read_json(path)?;
        match config.problem() {
            Some(problem) => Err(Error::config(path, problem)),
            None => Ok(Self::Bert(config)),
        }
    }

    pub fn hidden_size(&self) -> usize {
        let Self::Bert(config) = self;
        config.hidden_size
    }

    pub fn max_positions(&self) -> usize {
        let Self::Bert(config) = self;
        config.max_position_embeddings
    }

    /// The encoder with weights from a file; what else the checkpoint's own layout holds (the pooler) is handed back, to be saved again.
    pub fn load(&self, weights: Weights, device: &Device) -> Result<(Encoder, Vec<(String, TensorData)>)> {
        let Self::Bert(config) = self;
        let mut weights = weights.strip_prefix("bert.");
        let bert = weights.load_into(config.init(device))?;
        Ok((Encoder::Bert(bert), weights.surplus(&["pooler."])))
    }

    /// The encoder with newly drawn weights.
    pub fn draw(&self, draw: &mut Draw, device: &Device) -> Encoder {
        let Self::Bert(config) = self;
        let value =
            |parameter: &Parameter| Some(draw.encoder(parameter, config.initializer_range, config.pad_token_id));
        Encoder::Bert(names::replace(config.init(device), value))
    }
}

impl Encoder {
    /// Hidden states of a packed run, `[tokens, hidden]`.
    pub fn forward(&self, ids: &[u32], spans: &Spans, dropout: &mut Dropout) -> Tensor<2> {
        let Self::Bert(bert) = self;
        bert.forward(ids, spans, dropout)
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let Self::Bert(bert) = self;
        names::parameters(bert, "")
    }

    pub(crate) fn values(&self) -> Result<Vec<(String, TensorData)>> {
        let Self::Bert(bert) = self;
        names::values(bert)
    }

    /// Where the encoder computes.
    pub(crate) fn device(&self) -> Device {
        let Self::Bert(bert) = self;
        bert.embeddings.word_embeddings.weight.lazy_device()
    }

    /// Rows of the word embeddings.
    pub(crate) fn vocabulary(&self) -> usize {
        let Self::Bert(bert) = self;
        bert.embeddings.word_embeddings.weight.lazy_shape()[0]
    }

    /// The encoder with so many rows of word embeddings: rows at the end are cut off, new ones drawn near the mean of the others
    /// (`resize_token_embeddings` of transformers).
    pub(crate) fn resize(self, rows: usize, draw: &mut Draw) -> Result<Self> {
        if rows == self.vocabulary() {
            return Ok(self);
        }
        let Self::Bert(mut bert) = self;
        let table = bert.embeddings.word_embeddings.weight;
        let old = table.val().try_into_data().map_err(|error| Error::Device(error.to_string()))?;
        let (device, resized) = (table.lazy_device(), draw.resize(&old, rows));
        bert.embeddings.word_embeddings.weight =
            table.map(|_| Tensor::from_data(resized, &device)).set_require_grad(true);
        Ok(Self::Bert(bert))
    }
}
