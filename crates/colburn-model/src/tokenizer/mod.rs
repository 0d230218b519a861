//! PyLate's tokenization (`ColBERT.tokenize`) to packed batches: prefix token, expansion, skiplist.
//!
//! A text is stripped, lower-cased if the model requires it, truncated so that the prefix fits, and gets the prefix at index 1, after CLS.
//! A query is then filled with mask tokens up to its full length; no token attends to them by default. Documents are not padded:
//! [`TokenBatch::floor`] records the effect of PyLate's padding on scores.
//!
//! The tokenizers library stores the truncation length together with the vocabulary, so another length would need a copy of the vocabulary.
//! Here the library truncates only roughly, to save work on long texts, and each text is cut to its length before the special tokens are
//! added.

mod class;
pub(crate) mod count;
mod pipeline;
mod special;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use colburn_ops::Spans;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::{AddedToken, PostProcessor, Tokenizer, TruncationDirection, TruncationParams};

use self::{
    class::Role,
    pipeline::{Pipeline, guarded},
};
use crate::{ColBertConfig, Error, Kind, Result, TokenBatch, files};

/// Files that Python's tokenizers read together with `tokenizer.json`. They are saved as they were loaded.
const COMPANIONS: [&str; 9] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
];

/// A tokenizer that makes token ids of texts as PyLate does. It is cheap to clone, can be used from any thread and holds no tensor.
///
/// ```no_run
/// use burn::tensor::Device;
/// use colburn_model::{ColBert, Kind};
///
/// let model = ColBert::from_pretrained("models/my-colbert", &Device::default())?;
/// let queries = model.tokenizer().tokenize(&["what is late interaction?"], Kind::Query)?;
/// assert_eq!(queries.tokens(), model.config().query_length);
/// # Ok::<(), colburn_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextTokenizer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    query: Side,
    document: Side,
    /// The tokenizer that truncates to the longer one of the configured lengths.
    tokenizer: Tokenizer,
    /// The tokenizer that truncates to `max_positions`; made when a call asks for more than the configured lengths.
    longer: OnceLock<Tokenizer>,
    direction: TruncationDirection,
    /// The number of special tokens around a text, without the prefix.
    special: usize,
    max_positions: usize,
    expansion_id: u32,
    skiplist: Vec<u32>,
    lowercase: bool,
    /// The number of tokens without and with the added prefixes.
    vocabulary: [usize; 2],
    largest_id: usize,
    /// The file of the tokenizer, for error messages.
    path: PathBuf,
    config: ColBertConfig,
    companions: Vec<(String, Vec<u8>)>,
    /// The named special tokens by their keys.
    special_tokens_map: Map<String, Value>,
}

#[derive(Clone, Copy, Debug)]
struct Side {
    prefix: Option<u32>,
    /// The length that queries are expanded to and below which documents have a floor.
    length: usize,
}

impl Side {
    /// The number of a text's own tokens that fit with `special` ones and the prefix into the length and the encoder's limit.
    fn room(self, special: usize, max_positions: usize) -> usize {
        self.length.min(max_positions).saturating_sub(special + usize::from(self.prefix.is_some()))
    }
}

/// The keys of `sentence_bert_config.json` that are used. Its `max_seq_length` is the length of the last tokenized batch; PyLate ignores
/// it, too.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SentenceBertConfig {
    do_lower_case: bool,
}

impl TextTokenizer {
    /// Reads the tokenizer of a directory and adds the prefixes of `config` to its vocabulary. Texts are cut to at most `max_positions`
    /// tokens, even if the configuration allows more.
    pub(crate) fn load(directory: &Path, config: ColBertConfig, max_positions: usize) -> Result<Self> {
        let path = directory.join("tokenizer.json");
        let invalid = |error: Box<dyn std::error::Error + Send + Sync>| Error::tokenizer(&path, error);
        let Pipeline { mut tokenizer, special: tokens, direction } = Pipeline::read(directory)?;
        let sentence_bert: SentenceBertConfig =
            files::read_json_if_present(&directory.join("sentence_bert_config.json"))?.unwrap_or_default();

        let own_vocabulary = tokenizer.get_vocab_size(true);
        let prefixes = [&config.query_prefix, &config.document_prefix];
        let added =
            prefixes.iter().filter(|prefix| !prefix.is_empty()).map(|prefix| AddedToken::from(prefix.as_str(), false));
        guarded(|| tokenizer.add_tokens(added)).map_err(invalid)?;

        let id = |role: Role| tokens.get(role).and_then(|token| tokenizer.token_to_id(token));
        let expansion_id = id(Role::Mask).or_else(|| id(Role::Eos)).or_else(|| id(Role::Pad)).ok_or_else(|| {
            let message = "tokenizer_config.json names no mask, end or padding token to expand queries with";
            Error::tokenizer(&path, message)
        })?;
        let unknown = id(Role::Unk);
        // As in convert_tokens_to_ids, a word outside of the vocabulary becomes the unknown token, so every unknown token is skipped.
        let mut skiplist: Vec<u32> =
            config.skiplist_words.iter().filter_map(|word| tokenizer.token_to_id(word).or(unknown)).collect();
        skiplist.sort_unstable();
        skiplist.dedup();

        let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let side = |prefix: &str, length: usize| -> Result<Side> {
            let prefix = if prefix.is_empty() { None } else { tokenizer.token_to_id(prefix) };
            let side = Side { prefix, length };
            if side.room(special, max_positions) == 0 {
                let most = length.min(max_positions).saturating_sub(usize::from(prefix.is_some()));
                let message = format!("{most} tokens leave no room for text beside {special} special tokens");
                return Err(Error::tokenizer(&path, message));
            }
            Ok(side)
        };
        let query = side(&config.query_prefix, config.query_length)?;
        let document = side(&config.document_prefix, config.document_length)?;
        let companions = COMPANIONS.iter().filter(|name| directory.join(name).exists());
        let companions = companions.map(|name| {
            let path = directory.join(name);
            std::fs::read(&path).map(|bytes| ((*name).to_owned(), bytes)).map_err(Error::io(path))
        });
        let vocabulary = [own_vocabulary, tokenizer.get_vocab_size(true)];
        // The ids around a text come from the file as well and may lie outside of the vocabulary.
        let around = guarded(|| tokenizer.encode_fast("", true)).map_err(invalid)?;
        let vocabulary_ids = tokenizer.get_vocab(true).into_values();
        let largest_id = vocabulary_ids.chain(around.get_ids().iter().copied()).max().map_or(0, |id| id as usize);
        let max_length = query.length.max(document.length).min(max_positions);
        tokenizer
            .with_truncation(Some(TruncationParams { max_length, direction, ..Default::default() }))
            .map_err(invalid)?;
        Ok(Self(Arc::new(Inner {
            query,
            document,
            tokenizer,
            longer: OnceLock::new(),
            direction,
            special,
            max_positions,
            expansion_id,
            skiplist,
            lowercase: sentence_bert.do_lower_case,
            vocabulary,
            largest_id,
            companions: companions.collect::<Result<_>>()?,
            special_tokens_map: tokens.map(),
            path: path.clone(),
            config,
        })))
    }

    /// Token ids of a batch of texts, packed in order (`ColBERT.tokenize`).
    ///
    /// # Shapes
    /// See [`TokenBatch`]. A query with expansion has `query_length` tokens; a document has at most `document_length`.
    ///
    /// # Errors
    /// When the tokenizer cannot encode a text.
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S], kind: Kind) -> Result<TokenBatch> {
        self.tokenize_side(texts, kind, self.side(kind))
    }

    /// Token ids with another length than the configured one: queries are expanded to it, documents are cut to it, and shorter documents
    /// have a [floor](TokenBatch::floor). The length includes the special tokens and the prefix.
    ///
    /// # Errors
    /// When `length` exceeds the encoder's `max_position_embeddings` or leaves no room for text; when the tokenizer cannot encode a text.
    pub fn tokenize_to<S: AsRef<str>>(&self, texts: &[S], kind: Kind, length: usize) -> Result<TokenBatch> {
        let (special, most) = (self.0.special, self.0.max_positions);
        let side = Side { length, ..self.side(kind) };
        if length > most {
            return Err(Error::config(
                "length",
                format!("{length}; at most {most} (max_position_embeddings) is possible"),
            ));
        }
        if side.room(special, most) == 0 {
            let taken = special + usize::from(side.prefix.is_some());
            let message = format!("{length}; at least {} is expected: {taken} tokens are special ones", taken + 1);
            return Err(Error::config("length", message));
        }
        self.tokenize_side(texts, kind, side)
    }

    fn side(&self, kind: Kind) -> Side {
        match kind {
            Kind::Query => self.0.query,
            Kind::Document => self.0.document,
        }
    }

    /// The tokenizer that does not truncate below the length of this side.
    fn tokenizer_for(&self, side: Side) -> &Tokenizer {
        let inner = &*self.0;
        if side.length <= inner.query.length.max(inner.document.length) {
            return &inner.tokenizer;
        }
        inner.longer.get_or_init(|| {
            let mut tokenizer = inner.tokenizer.clone();
            if let Some(truncation) = tokenizer.get_truncation_mut() {
                truncation.max_length = inner.max_positions;
            }
            tokenizer
        })
    }

    fn tokenize_side<S: AsRef<str>>(&self, texts: &[S], kind: Kind, side: Side) -> Result<TokenBatch> {
        let inner = &*self.0;
        let failed = |error| Error::tokenizer(&inner.path, error);
        let texts: Vec<String> = texts.iter().map(|text| self.clean(text.as_ref())).collect();
        let tokenizer = self.tokenizer_for(side);
        let room = side.room(inner.special, inner.max_positions);
        let encodings = guarded(|| tokenizer.encode_batch_fast(texts, false)).map_err(failed)?;
        let encodings = encodings.into_par_iter().map(|mut encoding| {
            encoding.truncate(room, 0, inner.direction);
            // Otherwise the part that was cut off would get special tokens, too.
            encoding.take_overflowing();
            tokenizer.post_process(encoding, None, true)
        });
        let encodings = encodings.collect::<tokenizers::Result<Vec<_>>>().map_err(failed)?;

        let expand = kind == Kind::Query && inner.config.do_query_expansion;
        let mut ids = Vec::new();
        let (mut lengths, mut keys) = (Vec::with_capacity(encodings.len()), Vec::with_capacity(encodings.len()));
        for encoding in &encodings {
            let start = ids.len();
            ids.extend_from_slice(encoding.get_ids());
            if let Some(prefix) = side.prefix {
                ids.insert((start + 1).min(ids.len()), prefix);
            }
            let real = ids.len() - start;
            if expand {
                ids.resize(start + side.length.max(real), inner.expansion_id);
            }
            let length = ids.len() - start;
            lengths.push(length);
            keys.push(if expand && !inner.config.attend_to_expansion_tokens { real } else { length });
        }
        let spans = Spans::with_keys(&lengths, &keys)?;
        let (mask, floor) = match kind {
            Kind::Query => (vec![true; ids.len()], vec![false; lengths.len()]),
            Kind::Document => {
                let mask: Vec<bool> = ids.iter().map(|id| inner.skiplist.binary_search(id).is_err()).collect();
                let floored = |text: usize| lengths[text] < side.length || mask[spans.range(text)].contains(&false);
                let floor = (0..lengths.len()).map(floored).collect();
                (mask, floor)
            }
        };
        TokenBatch::new(ids, spans, mask, floor)
    }

    /// The ColBERT parameters of this tokenizer.
    pub fn config(&self) -> &ColBertConfig {
        &self.0.config
    }

    /// The number of tokens without and with the added prefixes.
    pub(crate) fn vocabulary_sizes(&self) -> [usize; 2] {
        self.0.vocabulary
    }

    /// The largest token id.
    pub(crate) fn largest_id(&self) -> usize {
        self.0.largest_id
    }

    /// The ids of the prefix tokens of queries and documents; `None` for an empty prefix.
    pub fn prefix_ids(&self) -> [Option<u32>; 2] {
        [self.0.query.prefix, self.0.document.prefix]
    }

    /// The largest number of tokens of a text that the encoder can take.
    pub(crate) fn max_positions(&self) -> usize {
        self.0.max_positions
    }

    /// True if texts are lower-cased before they are tokenized.
    pub(crate) fn lowercase(&self) -> bool {
        self.0.lowercase
    }

    /// The id of the token that queries are expanded with.
    pub(crate) fn expansion_id(&self) -> u32 {
        self.0.expansion_id
    }

    /// The side on which long texts are cut, as `tokenizer_config.json` names it.
    pub(crate) fn truncation_side(&self) -> &'static str {
        match self.0.direction {
            TruncationDirection::Left => "left",
            TruncationDirection::Right => "right",
        }
    }

    /// `tokenizer.json` as [`TextTokenizer::save`] writes it, parsed.
    pub(crate) fn to_json(&self) -> Result<Map<String, Value>> {
        let path = Path::new("tokenizer.json");
        let text = self.unlimited(path)?.to_string(false).map_err(|error| Error::tokenizer(path, error))?;
        serde_json::from_str(&text).map_err(|source| Error::Json { path: path.to_owned(), source })
    }

    /// The tokenizer without the limit on lengths, which is not saved.
    fn unlimited(&self, path: &Path) -> Result<Tokenizer> {
        let mut tokenizer = self.0.tokenizer.clone();
        tokenizer.with_truncation(None).map_err(|error| Error::tokenizer(path, error))?;
        Ok(tokenizer)
    }

    /// Writes `tokenizer.json`, the files that were loaded with it, and `special_tokens_map.json` if it is not one of them.
    pub(crate) fn save(&self, directory: &Path) -> Result<()> {
        let path = directory.join("tokenizer.json");
        let tokenizer = self.unlimited(&path)?;
        let text = tokenizer.to_string(true).map_err(|error| Error::tokenizer(&path, error))?;
        files::write_atomic(&path, text.as_bytes())?;
        files::write_json(&directory.join("special_tokens_map.json"), &self.0.special_tokens_map)?;
        self.0.companions.iter().try_for_each(|(name, bytes)| {
            let completed = if name == "tokenizer_config.json" { special::complete(bytes, &tokenizer) } else { None };
            files::write_atomic(&directory.join(name), completed.as_deref().unwrap_or(bytes))
        })
    }

    /// The text after Python's `str.strip`, which also strips the separators U+001C to U+001F, and the model's lower-casing.
    fn clean(&self, text: &str) -> String {
        let text = text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c));
        if self.0.lowercase { text.to_lowercase() } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests;
