//! The encoder families, chosen by `model_type` in `config.json`.
//!
//! A family is one file: a configuration that mirrors `config.json`, and modules whose fields spell the tensor names of the checkpoint.
//! To add one, write that file, and name it in [`FAMILIES`], [`Encoder`], `family`, `family_mut` and [`read_config`].

mod albert;
mod bert;
mod check;
mod context;
mod distilbert;
mod electra;
mod modernbert;
mod mpnet;
mod norm;
mod positions;
mod roberta;
mod table;

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use colburn_ops::{Dropout, Precision, Spans};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use self::context::EncoderContext;
use self::{
    albert::{Albert, AlbertConfig},
    bert::{Bert, BertConfig},
    distilbert::{DistilBert, DistilBertConfig},
    electra::{Electra, ElectraConfig},
    modernbert::{ModernBert, ModernBertConfig},
    mpnet::{Mpnet, MpnetConfig},
    roberta::{Roberta, RobertaConfig},
    table::Table,
};
use crate::{Error, Parameter, Result, draw::Draw, files, names, weights::Weights};

/// The known values of `model_type`, with transformers' class of the bare encoder, which it writes into `config.json` when it saves.
const FAMILIES: [(&str, &str); 9] = [
    ("albert", "AlbertModel"),
    ("bert", "BertModel"),
    ("camembert", "CamembertModel"),
    ("distilbert", "DistilBertModel"),
    ("electra", "ElectraModel"),
    ("modernbert", "ModernBertModel"),
    ("mpnet", "MPNetModel"),
    ("roberta", "RobertaModel"),
    ("xlm-roberta", "XLMRobertaModel"),
];

/// The class of a bare encoder of this `model_type`.
pub(crate) fn model_class(model_type: &str) -> Option<&'static str> {
    FAMILIES.iter().find(|(known, _)| *known == model_type).map(|(_, class)| *class)
}

fn supported() -> String {
    FAMILIES.map(|(model_type, _)| model_type).join(", ")
}

/// A pretrained encoder.
#[derive(Module, Debug)]
pub enum Encoder {
    /// `model_type` `albert`.
    Albert(Albert),
    /// `model_type` `bert`.
    Bert(Bert),
    /// `model_type` `distilbert`.
    DistilBert(DistilBert),
    /// `model_type` `electra`.
    Electra(Electra),
    /// `model_type` `modernbert`.
    ModernBert(ModernBert),
    /// `model_type` `mpnet`.
    Mpnet(Mpnet),
    /// `model_type` `roberta`, `xlm-roberta`, `camembert`.
    Roberta(Roberta),
}

/// The capabilities of an encoder of any family.
trait Family {
    /// Hidden states of a packed run: the `ids` of all tokens to `[tokens, hidden]`.
    fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2>;

    /// The embeddings of the vocabulary.
    fn words(&self) -> &Table;

    /// The embeddings of the vocabulary, to be changed.
    fn words_mut(&mut self) -> &mut Table;
}

/// The configuration of an encoder of any family: the fields of its `config.json` that matter, with transformers' defaults.
pub(crate) trait FamilyConfig: std::fmt::Debug {
    /// The fault that makes this configuration unusable, with the key, its value and what would be right.
    fn problem(&self) -> Option<String>;

    /// An encoder of these shapes, all zero (weights of norms: one): weights are loaded or drawn into it.
    fn init(&self, device: &Device) -> Encoder;

    /// Width of the hidden states.
    fn hidden_size(&self) -> usize;

    /// The longest text, in tokens.
    fn max_positions(&self) -> usize;

    /// Standard deviation of newly drawn weights.
    fn initializer_range(&self) -> f64;

    /// The token whose word embedding gets no gradient.
    fn pad_token_id(&self) -> Option<u32>;

    /// The tensor names of its checkpoints.
    fn checkpoint(&self) -> Checkpoint;

    /// Keys that older or other tools look for in `config.json`, with their values: written where the file that was read has none.
    fn older_keys(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

/// The tensor names of a family's checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoint {
    /// The prefix under which models with a head (`BertForMaskedLM`) keep the encoder, such as `bert.`.
    pub prefix: &'static str,
    /// Prefixes of tensors of the bare model that are not used here and are saved again, such as `pooler.`.
    pub kept: &'static [&'static str],
    /// Prefixes of tensors of pretraining heads, which are left out silently, such as `cls.`.
    pub heads: &'static [&'static str],
}

/// Reads the parsed `config.json` that lies at `path`.
pub(crate) fn read_config(path: &Path, json: &Value) -> Result<Box<dyn FamilyConfig>> {
    if json.get("is_decoder").and_then(Value::as_bool) == Some(true) {
        let message = "is_decoder = true: tokens would attend to those before them only; encoders are supported";
        return Err(Error::config(path, message));
    }
    match json.get("model_type").and_then(Value::as_str) {
        Some("albert") => checked::<AlbertConfig>(path),
        Some("bert") => checked::<BertConfig>(path),
        Some("distilbert") => checked::<DistilBertConfig>(path),
        Some("electra") => checked::<ElectraConfig>(path),
        Some("modernbert") => checked::<ModernBertConfig>(path),
        Some("mpnet") => checked::<MpnetConfig>(path),
        Some("roberta" | "xlm-roberta" | "camembert") => checked::<RobertaConfig>(path),
        Some(other) => {
            Err(Error::config(path, format!("model_type = \"{other}\" is not supported; supported: {}", supported())))
        }
        None => {
            let message = "no model_type; a Hugging Face encoder's config.json is expected";
            Err(Error::config(path, format!("{message} (supported: {})", supported())))
        }
    }
}

/// The configuration, parsed from the file once more so that an error names line and column.
fn checked<C: FamilyConfig + DeserializeOwned + 'static>(path: &Path) -> Result<Box<dyn FamilyConfig>> {
    let config: C = files::read_json(path)?;
    match config.problem() {
        Some(problem) => Err(Error::config(path, problem)),
        None => Ok(Box::new(config)),
    }
}

impl dyn FamilyConfig + '_ {
    /// The encoder with weights from a file, and the other tensors of the checkpoint's own layout (the pooler), to be saved again.
    pub fn load(&self, weights: Weights, device: &Device) -> Result<(Encoder, Vec<(String, TensorData)>)> {
        let Checkpoint { prefix, kept, heads } = self.checkpoint();
        let mut weights = weights.strip_prefix(prefix);
        let encoder = weights.load_into(self.init(device))?;
        Ok((encoder, weights.surplus(kept, heads)?))
    }

    /// The encoder with newly drawn weights.
    pub fn draw(&self, draw: &mut Draw, device: &Device) -> Encoder {
        let value =
            |parameter: &Parameter| Some(draw.encoder(parameter, self.initializer_range(), self.pad_token_id()));
        names::replace(self.init(device), value)
    }
}

impl Encoder {
    fn family(&self) -> &dyn Family {
        match self {
            Self::Albert(encoder) => encoder,
            Self::Bert(encoder) => encoder,
            Self::DistilBert(encoder) => encoder,
            Self::Electra(encoder) => encoder,
            Self::ModernBert(encoder) => encoder,
            Self::Mpnet(encoder) => encoder,
            Self::Roberta(encoder) => encoder,
        }
    }

    fn family_mut(&mut self) -> &mut dyn Family {
        match self {
            Self::Albert(encoder) => encoder,
            Self::Bert(encoder) => encoder,
            Self::DistilBert(encoder) => encoder,
            Self::Electra(encoder) => encoder,
            Self::ModernBert(encoder) => encoder,
            Self::Mpnet(encoder) => encoder,
            Self::Roberta(encoder) => encoder,
        }
    }

    /// Hidden states of a packed run, `[tokens, hidden]`.
    pub(crate) fn forward(&self, ids: &[u32], context: &mut EncoderContext) -> Tensor<2> {
        self.family().forward(ids, context)
    }

    /// The context of a forward pass through this encoder.
    pub(crate) fn context(&self, spans: &Spans, dropout: Dropout, precision: Precision) -> EncoderContext {
        EncoderContext::new(spans, dropout, precision, &self.family().words().weight.val().device())
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        names::parameters(self, "")
    }

    pub(crate) fn values(&self) -> Result<Vec<(String, TensorData)>> {
        names::values(self)
    }

    /// The device of the encoder.
    pub(crate) fn device(&self) -> Device {
        self.family().words().weight.lazy_device()
    }

    /// Rows of the word embeddings.
    pub(crate) fn vocabulary(&self) -> usize {
        self.family().words().weight.lazy_shape()[0]
    }

    /// The encoder with this many rows of word embeddings: rows at the end are cut off, new ones drawn near the mean of the others
    /// (`resize_token_embeddings` of transformers).
    pub(crate) fn resize(mut self, rows: usize, draw: &mut Draw) -> Result<Self> {
        if rows == self.vocabulary() {
            return Ok(self);
        }
        let table = self.family().words().weight.clone();
        let old = table.val().try_into_data().map_err(|error| Error::Device(error.to_string()))?;
        let (device, resized) = (table.lazy_device(), draw.resize(&old, rows));
        self.family_mut().words_mut().weight =
            table.map(|_| Tensor::from_data(resized, &device)).set_require_grad(true);
        Ok(self)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
