//! Loading a model: from a folder to an encoder with weights, its projections and its tokenizer.

mod layout;
mod projections;
mod resolve;
mod stanford;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;
use colburn_ops::Precision;
use serde_json::{Map, Value};

use self::layout::Layout;
use crate::{
    ColBert, ColBertConfig, ColBertOptions, Error, Result, TextTokenizer,
    colbert::Parts,
    config::{self, PartialConfig},
    draw::Draw,
    encoder::{Encoder, FamilyConfig, read_config},
    files,
    weights::Weights,
};

/// The most rows that the embedding matrix grows by. A tokenizer that needs more belongs to another model.
const MOST_NEW_ROWS: usize = 4096;

/// The most parameters of a new encoder: four times those of a BERT of a billion. A larger one is a mistake that would take all memory.
const MOST_DRAWN: usize = 1 << 32;

/// The source of a model's weights.
#[derive(Clone, Copy, PartialEq)]
enum Initial {
    Checkpoint,
    Drawn,
}

impl ColBert {
    /// Loads a model directory: PyLate's, sentence-transformers', Stanford's, or a plain encoder's, which gets a new projection. If there is
    /// no such directory, `name_or_path` is the name of a model on the Hugging Face hub, `org/name[@revision]`, and is fetched into its
    /// cache (feature `hub`).
    ///
    /// # Errors
    /// When the directory is incomplete or its files do not fit together; the message names the file, key or tensor. When neither the directory nor the name on the hub exists, or the hub cannot be reached.
    pub fn from_pretrained(name_or_path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::from_pretrained_with(name_or_path, &ColBertOptions::default(), device)
    }

    /// Loads a model with the caller's parameters, which take precedence over the saved ones (`pylate.models.ColBERT(…)`).
    ///
    /// # Errors
    /// As [`ColBert::from_pretrained`].
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use colburn_model::{ColBert, ColBertOptions};
    ///
    /// let options = ColBertOptions { query_length: Some(64), embedding_size: Some(96), ..Default::default() };
    /// let model = ColBert::from_pretrained_with("bert-base-uncased", &options, &Device::default())?;
    /// assert_eq!((model.config().query_length, model.embedding_size()), (64, 96));
    /// # Ok::<(), colburn_model::Error>(())
    /// ```
    pub fn from_pretrained_with(
        name_or_path: impl AsRef<Path>,
        options: &ColBertOptions,
        device: &Device,
    ) -> Result<Self> {
        let directory = &*resolve::directory(name_or_path.as_ref())?;
        let mut model = Self::build(directory, &Layout::of(directory)?, options, device, Initial::Checkpoint)?;
        model.parts.name_or_path = name_or_path.as_ref().into();
        Ok(model)
    }

    /// Makes a model with the encoder that the directory's `config.json` describes and weights drawn from the options' seed. The directory
    /// needs a tokenizer but no weights.
    ///
    /// # Errors
    /// As [`ColBert::from_pretrained`], except for missing weights.
    pub fn from_config(name_or_path: impl AsRef<Path>, options: &ColBertOptions, device: &Device) -> Result<Self> {
        let directory = &*resolve::directory(name_or_path.as_ref())?;
        let layout = Layout { dense: Vec::new(), ..Layout::of(directory)? };
        Self::build(directory, &layout, options, device, Initial::Drawn)
    }
}

/// The parts of a model that hold no weights.
struct Description {
    config_path: PathBuf,
    encoder_json: Value,
    encoder_config: Box<dyn FamilyConfig>,
    is_stanford: bool,
    tokenizer: TextTokenizer,
}

impl Description {
    fn read(directory: &Path, layout: &Layout, options: &ColBertOptions) -> Result<Self> {
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
        let is_stanford = layout.dense.is_empty() && stanford::is_stanford(&encoder_json);
        let of_checkpoint = if is_stanford { stanford::parameters(&layout.encoder)? } else { PartialConfig::default() };
        let mut config = ColBertConfig::resolve(directory, options, of_checkpoint)?;
        let longest = encoder_config.max_positions();
        limit_lengths(&mut config, longest, &config_path);
        let tokenizer = TextTokenizer::load(&layout.encoder, config, longest)?;
        Ok(Self { config_path, encoder_json, encoder_config, is_stanford, tokenizer })
    }
}

impl TextTokenizer {
    /// The tokenizer of a model alone: of a folder, or of a name on the Hugging Face hub, as [`ColBert::from_pretrained`] finds them. The
    /// folder needs no weights.
    ///
    /// # Errors
    /// As [`ColBert::from_pretrained`], except for weights.
    pub fn from_pretrained(name_or_path: impl AsRef<Path>) -> Result<Self> {
        let directory = &*resolve::directory(name_or_path.as_ref())?;
        Ok(Description::read(directory, &Layout::of(directory)?, &ColBertOptions::default())?.tokenizer)
    }
}

impl ColBert {
    fn build(
        directory: &Path,
        layout: &Layout,
        options: &ColBertOptions,
        device: &Device,
        initial: Initial,
    ) -> Result<Self> {
        let Description { config_path, encoder_json, encoder_config, is_stanford, tokenizer } =
            Description::read(directory, layout, options)?;

        let mut draw = Draw::new(options.seed.unwrap_or(42));
        let hidden = encoder_config.hidden_size();
        let (encoder, surplus, dense) = match initial {
            Initial::Checkpoint => {
                let mut weights = Weights::open(&layout.encoder)?;
                let own = is_stanford.then(|| stanford::projection(&mut weights, hidden, device)).transpose()?;
                let (encoder, surplus) = encoder_config.load(weights, device)?;
                let dense = own.map_or_else(|| projections::saved(layout, hidden, device), |dense| Ok(vec![dense]))?;
                (encoder, surplus, dense)
            }
            Initial::Drawn => (drawn(&*encoder_config, &config_path, &mut draw, device)?, Vec::new(), Vec::new()),
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
}

/// Reduces lengths that are more than the encoder's `longest`, with a warning.
fn limit_lengths(config: &mut ColBertConfig, longest: usize, config_path: &Path) {
    let lengths = [("query_length", &mut config.query_length), ("document_length", &mut config.document_length)];
    for (key, length) in lengths.into_iter().filter(|(_, length)| **length > longest) {
        // The saved length must be the real one, and load where longer texts would find no embedding.
        tracing::warn!(
            "{}: {key} = {length} is more than the encoder's limit (max_position_embeddings = {longest}); {longest} is used",
            config_path.display()
        );
        *length = longest;
    }
}

/// A new encoder of these shapes with drawn weights.
fn drawn(config: &dyn FamilyConfig, path: &Path, draw: &mut Draw, device: &Device) -> Result<Encoder> {
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

/// Resizes the embedding matrix to the tokenizer's vocabulary. PyLate resizes before and after it adds the prefixes, so that their rows are
/// new even if the matrix had spare rows.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_encoder_are_cut() {
        for (do_query_expansion, lengths, expected) in
            [(true, (600, 180), (512, 180)), (false, (600, 8192), (512, 512)), (true, (512, 512), (512, 512))]
        {
            let (query_length, document_length) = lengths;
            let mut config =
                ColBertConfig { query_length, document_length, do_query_expansion, ..ColBertConfig::default() };
            limit_lengths(&mut config, 512, Path::new("config.json"));
            assert_eq!((config.query_length, config.document_length), expected);
        }
    }
}
