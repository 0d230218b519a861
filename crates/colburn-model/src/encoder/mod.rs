//! The encoder families, chosen by `model_type` in `config.json`.
//!
//! A family is one file: a configuration that mirrors `config.json`, and modules whose fields spell the tensor names of the checkpoint.
//! To add one, write that file, and name it in [`FAMILIES`], [`Encoder`], `families!` and [`read_config`].

mod albert;
mod bert;
mod check;
mod context;
mod distilbert;
mod electra;
mod family;
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
    family::{Checkpoint, Configuration, Family, Zeros},
    modernbert::{ModernBert, ModernBertConfig},
    mpnet::{Mpnet, MpnetConfig},
    roberta::{Roberta, RobertaConfig},
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

/// The configuration of an encoder of any family, which makes the encoder.
pub(crate) trait FamilyConfig: Configuration {
    /// An encoder of these shapes, all zero (weights of norms: one): weights are loaded or drawn into it.
    fn init(&self, device: &Device) -> Encoder;
}

impl<C: Zeros> FamilyConfig for C
where
    Encoder: From<C::Model>,
{
    fn init(&self, device: &Device) -> Encoder {
        self.zeros(device).into()
    }
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

macro_rules! families {
    ($($family:ident)+) => {
        impl Encoder {
            fn family(&self) -> &dyn Family {
                match self {
                    $(Self::$family(encoder) => encoder,)+
                }
            }

            fn family_mut(&mut self) -> &mut dyn Family {
                match self {
                    $(Self::$family(encoder) => encoder,)+
                }
            }
        }

        $(impl From<$family> for Encoder {
            fn from(encoder: $family) -> Self {
                Self::$family(encoder)
            }
        })+
    };
}

families! { Albert Bert DistilBert Electra ModernBert Mpnet Roberta }

impl Encoder {
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

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
