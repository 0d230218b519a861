//! The tokenizer of a folder: `tokenizer.json`, with the steps that its class has in transformers 5.
//!
//! If `tokenizer.json` is missing, the older vocabulary files are read for the classes that need only them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde::Deserialize;
use tokenizers::{
    ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer, TruncationDirection,
    models::{bpe::BPE, unigram::Unigram, wordpiece::WordPiece},
    normalizers::{BertNormalizer, Lowercase, NFKD, Replace, Sequence, Strip, StripAccents, replace::ReplacePattern},
    pre_tokenizers::{
        bert::BertPreTokenizer,
        byte_level::ByteLevel,
        metaspace::{Metaspace, PrependScheme},
        sequence::Sequence as PreTokenizers,
        whitespace::WhitespaceSplit,
    },
    processors::{bert::BertProcessing, roberta::RobertaProcessing},
};

use super::{
    class::{Class, Role},
    special::{SpecialTokens, TokensConfig},
};
use crate::{Error, Result, files, pointer};

/// A Hugging Face tokenizer with its special tokens.
pub(super) struct Pipeline {
    pub tokenizer: Tokenizer,
    pub special: SpecialTokens,
    /// The side on which long texts are cut.
    pub direction: TruncationDirection,
}

/// The keys of `tokenizer_config.json` about the steps.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    keep_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    add_prefix_space: Option<bool>,
    truncation_side: Option<String>,
}

/// The keys of the model's `config.json` that choose the class.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ModelSettings {
    model_type: Option<String>,
    tokenizer_class: Option<String>,
}

impl Pipeline {
    /// Reads the tokenizer of a folder.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("tokenizer.json");
        let config = directory.join("tokenizer_config.json");
        let settings: Settings = files::read_json_if_present(&config)?.unwrap_or_default();
        let tokens: TokensConfig = files::read_json_if_present(&config)?.unwrap_or_default();
        let model: ModelSettings = files::read_json_if_present(&directory.join("config.json"))?.unwrap_or_default();
        let (named, of_model) = (settings.tokenizer_class.as_deref(), model.tokenizer_class.as_deref());
        let (class, written) = if path.exists() {
            let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
            pointer::refuse_bytes(&path, &bytes)?;
            let written = guarded(|| Tokenizer::from_bytes(&bytes)).map_err(|error| Error::tokenizer(&path, error))?;
            (Class::of(model.model_type.as_deref(), named, of_model), written)
        } else {
            // There are no written steps, so the named class builds them.
            let model_type = model.model_type.as_deref().filter(|_| named.is_none());
            let class = Class::of(model_type, named, of_model);
            (class, from_vocabulary(directory, class)?)
        };
        let special = SpecialTokens::read(directory, tokens, &written, class)?;
        let side = written.get_truncation().map_or(TruncationDirection::Right, |truncation| truncation.direction);
        let direction = match settings.truncation_side.as_deref() {
            Some("left") => TruncationDirection::Left,
            Some(_) => TruncationDirection::Right,
            None => side,
        };
        let tokenizer = guarded(|| {
            let mut tokenizer = rebuilt(written, class, &settings, &special)?;
            tokenizer.with_padding(None);
            tokenizer.with_truncation(None)?;
            Ok(tokenizer)
        })
        .map_err(|error| Error::tokenizer(&path, error))?;
        Ok(Self { tokenizer, special, direction })
    }
}

/// A tokenizer with only the vocabulary of a folder without `tokenizer.json`.
fn from_vocabulary(directory: &Path, class: Class) -> Result<Tokenizer> {
    let at = |name: &str| directory.join(name);
    let text = |name: &str| at(name).to_string_lossy().into_owned();
    for path in ["vocab.txt", "vocab.json", "merges.txt"].map(at).iter().filter(|path| path.is_file()) {
        pointer::refuse(path)?;
    }
    let (path, model) = match class {
        Class::Bert | Class::Mpnet if at("vocab.txt").exists() => {
            let model = guarded(|| WordPiece::from_file(&text("vocab.txt")).build());
            (at("vocab.txt"), model.map(ModelWrapper::from))
        }
        Class::Roberta if at("vocab.json").exists() && at("merges.txt").exists() => {
            let model = guarded(|| BPE::from_file(&text("vocab.json"), &text("merges.txt")).build());
            (at("vocab.json"), model.map(ModelWrapper::from))
        }
        _ => {
            return Err(Error::MissingFile {
                directory: directory.to_owned(),
                file: "tokenizer.json",
                expected: "the fast tokenizer's file is expected (transformers writes it with save_pretrained), or, for the \
                           tokenizers of BERT, MPNet and RoBERTa, vocab.txt, or vocab.json and merges.txt",
            });
        }
    };
    model.map(Tokenizer::new).map_err(|error| Error::tokenizer(&path, error))
}

/// The tokenizer that the class builds from the vocabulary of `written`. If the class does not build its own, or the vocabulary has another
/// kind than the class requires, it is `written` itself with all special tokens.
fn rebuilt(
    written: Tokenizer,
    class: Class,
    settings: &Settings,
    special: &SpecialTokens,
) -> tokenizers::Result<Tokenizer> {
    let Some(model) = model(written.get_model(), class, special)? else {
        let mut tokenizer = written;
        special.add_to(&mut tokenizer)?;
        return Ok(tokenizer);
    };
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(normalizer(&written, class, settings)?)?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(class, settings)));
    tokenizer.with_decoder(written.get_decoder().cloned());
    special.add_to(&mut tokenizer)?;

    let token = |role: Role| {
        let token = special
            .get(role)
            .ok_or_else(|| format!("tokenizer_config.json names no {}, which stands around each text", role.key()))?;
        let id = tokenizer.token_to_id(token).ok_or_else(|| format!("the special token `{token}` has no id"))?;
        Ok::<_, tokenizers::Error>((token.to_owned(), id))
    };
    let add_prefix_space = settings.add_prefix_space.unwrap_or(false);
    match (class, written.get_post_processor()) {
        (Class::Albert, Some(processor)) => tokenizer.with_post_processor(Some(processor.clone())),
        (Class::Bert | Class::Albert | Class::AsWritten, _) => {
            let around = BertProcessing::new(token(Role::Sep)?, token(Role::Cls)?);
            tokenizer.with_post_processor(Some(around))
        }
        (Class::Mpnet | Class::Roberta, _) => {
            let around = RobertaProcessing::new(token(Role::Sep)?, token(Role::Cls)?);
            tokenizer.with_post_processor(Some(around.add_prefix_space(add_prefix_space)))
        }
        (Class::XlmRoberta | Class::Camembert, _) => {
            let around = RobertaProcessing::new(token(Role::Eos)?, token(Role::Bos)?);
            tokenizer.with_post_processor(Some(around.trim_offsets(false).add_prefix_space(false)))
        }
    };
    Ok(tokenizer)
}

/// The vocabulary with the class's own settings; `None` if it does not have the class's kind.
fn model(written: &ModelWrapper, class: Class, special: &SpecialTokens) -> tokenizers::Result<Option<ModelWrapper>> {
    let unknown = special.get(Role::Unk);
    let unigram = |model: &Unigram, unknown: usize| {
        Unigram::from(model.iter().cloned().collect(), Some(unknown), false).map(|model| Some(model.into()))
    };
    match (class, written) {
        (Class::Bert | Class::Mpnet, ModelWrapper::WordPiece(model)) => {
            let mut model = model.clone();
            model.unk_token = unknown.unwrap_or("[UNK]").to_owned();
            model.continuing_subword_prefix = "##".to_owned();
            model.max_input_chars_per_word = 100;
            Ok(Some(model.into()))
        }
        (Class::Roberta, ModelWrapper::BPE(model)) => {
            let mut model = model.clone();
            (model.dropout, model.unk_token) = (None, None);
            (model.continuing_subword_prefix, model.end_of_word_suffix) = (None, None);
            (model.fuse_unk, model.byte_fallback, model.ignore_merges) = (false, false, false);
            Ok(Some(model.into()))
        }
        (Class::XlmRoberta, ModelWrapper::Unigram(model)) => unigram(model, 3),
        (Class::Albert, ModelWrapper::Unigram(model)) => unigram(model, 1),
        (Class::Camembert, ModelWrapper::Unigram(model)) => {
            let place = model.iter().position(|(token, _)| Some(token.as_str()) == unknown);
            unigram(model, place.unwrap_or(0))
        }
        _ => Ok(None),
    }
}

fn normalizer(written: &Tokenizer, class: Class, settings: &Settings) -> tokenizers::Result<Option<NormalizerWrapper>> {
    let lowercase = settings.do_lower_case.unwrap_or(true);
    let blanks = |pattern: &str| Replace::new(ReplacePattern::Regex(pattern.to_owned()), " ");
    Ok(match class {
        Class::Bert | Class::Mpnet => {
            let chinese = settings.tokenize_chinese_chars.unwrap_or(true);
            Some(BertNormalizer::new(true, chinese, settings.strip_accents, lowercase).into())
        }
        Class::XlmRoberta => written.get_normalizer().and_then(precompiled).cloned(),
        Class::Camembert => {
            let steps = vec![blanks(r"\s{2,}|[\n\r\t]")?.into(), Strip::new(false, true).into()];
            Some(Sequence::new(steps).into())
        }
        Class::Albert => {
            let quotes = |text: &str| Replace::new(ReplacePattern::String(text.to_owned()), "\"");
            // Accents and case are removed regardless of the settings.
            let mut steps: Vec<NormalizerWrapper> = vec![
                quotes("``")?.into(),
                quotes("''")?.into(),
                NFKD.into(),
                StripAccents.into(),
                Lowercase.into(),
                blanks(" {2,}")?.into(),
            ];
            if !settings.keep_accents.unwrap_or(false) {
                steps.extend([NFKD.into(), StripAccents.into()]);
            }
            if lowercase {
                steps.push(Lowercase.into());
            }
            steps.push(blanks(" {2,}")?.into());
            Some(Sequence::new(steps).into())
        }
        Class::Roberta | Class::AsWritten => None,
    })
}

/// SentencePiece's own table of characters. It is data of the file, not a step of the class.
fn precompiled(normalizer: &NormalizerWrapper) -> Option<&NormalizerWrapper> {
    match normalizer {
        NormalizerWrapper::Precompiled(_) => Some(normalizer),
        NormalizerWrapper::Sequence(steps) => {
            steps.as_ref().iter().find(|step| matches!(step, NormalizerWrapper::Precompiled(_)))
        }
        _ => None,
    }
}

fn pre_tokenizer(class: Class, settings: &Settings) -> PreTokenizerWrapper {
    let scheme = if settings.add_prefix_space.unwrap_or(true) { PrependScheme::Always } else { PrependScheme::Never };
    let metaspace = Metaspace::new('▁', scheme, true);
    match class {
        Class::Bert | Class::Mpnet => BertPreTokenizer.into(),
        Class::Roberta | Class::AsWritten => {
            ByteLevel::new(settings.add_prefix_space.unwrap_or(false), true, true).into()
        }
        Class::XlmRoberta | Class::Albert => PreTokenizers::new(vec![WhitespaceSplit.into(), metaspace.into()]).into(),
        Class::Camembert => metaspace.into(),
    }
}

/// Runs a function of the tokenizers library, which panics on some damaged files; the panic becomes an error.
pub(super) fn guarded<T>(run: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("the tokenizers library panicked: {}", said.unwrap_or("no reason is given")).into())
    })
}
