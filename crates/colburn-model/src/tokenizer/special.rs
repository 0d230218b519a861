//! The special and added tokens of a tokenizer, as transformers 5 gathers them from four files and the class's defaults
//! (`PreTrainedTokenizerBase._from_pretrained`, `TokenizersBackend.__init__`).

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

use super::class::{Class, Role};
use crate::{Result, files};

/// A token in a file: its text alone, or with how it is matched.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Token(WrittenToken),
}

#[derive(Clone, Debug, Deserialize)]
struct WrittenToken {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl WrittenToken {
    fn added(&self) -> AddedToken {
        AddedToken::from(self.content.as_str(), self.special)
            .single_word(self.single_word)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized.unwrap_or(!self.special))
    }
}

impl Written {
    fn content(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Token(token) => &token.content,
        }
    }
}

/// The named special tokens of a file: absent, or null, or a token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NamedTokens {
    #[serde(deserialize_with = "present")]
    bos_token: Option<Option<Written>>,
    #[serde(deserialize_with = "present")]
    eos_token: Option<Option<Written>>,
    #[serde(deserialize_with = "present")]
    unk_token: Option<Option<Written>>,
    #[serde(deserialize_with = "present")]
    sep_token: Option<Option<Written>>,
    #[serde(deserialize_with = "present")]
    pad_token: Option<Option<Written>>,
    #[serde(deserialize_with = "present")]
    cls_token: Option<Option<Written>>,
    #[serde(deserialize_with = "present")]
    mask_token: Option<Option<Written>>,
    /// What it is called since transformers 5; before, the next one.
    extra_special_tokens: Option<Extra>,
    additional_special_tokens: Option<Extra>,
}

/// Special tokens without a role; as an object they have names of the model's own, which do not matter here.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Extra {
    List(Vec<Written>),
    Named(BTreeMap<String, Written>),
}

impl Extra {
    fn tokens(&self) -> Vec<&Written> {
        match self {
            Self::List(tokens) => tokens.iter().collect(),
            Self::Named(tokens) => tokens.values().collect(),
        }
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Option<Written>>, D::Error> {
    Option::<Written>::deserialize(deserializer).map(Some)
}

impl NamedTokens {
    /// In the order of [`Role`].
    fn roles(&self) -> [&Option<Option<Written>>; Role::COUNT] {
        [
            &self.bos_token,
            &self.eos_token,
            &self.unk_token,
            &self.sep_token,
            &self.pad_token,
            &self.cls_token,
            &self.mask_token,
        ]
    }

    fn extra(&self) -> Option<Vec<&Written>> {
        let extra = self.extra_special_tokens.as_ref().or(self.additional_special_tokens.as_ref());
        extra.map(Extra::tokens)
    }
}

/// The part of `tokenizer_config.json` that concerns tokens.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TokensConfig {
    #[serde(flatten)]
    named: NamedTokens,
    /// All added tokens by their ids, as transformers 4 writes them.
    added_tokens_decoder: Option<BTreeMap<u32, WrittenToken>>,
}

/// The tokens of a tokenizer beside its vocabulary.
pub(super) struct SpecialTokens {
    named: [Option<AddedToken>; Role::COUNT],
    /// Those that a file lists with their ids, in that order.
    added: Vec<AddedToken>,
    extra: Vec<AddedToken>,
}

impl SpecialTokens {
    /// Gathers the tokens of a folder; `from_file` is its `tokenizer.json` as it was read.
    pub fn read(directory: &Path, config: TokensConfig, from_file: &Tokenizer, class: Class) -> Result<Self> {
        let mut sources = vec![config.named];
        let added: BTreeMap<u32, AddedToken> = match config.added_tokens_decoder {
            Some(added) => added.into_iter().map(|(id, token)| (id, token.added())).collect(),
            // Files of old, which a configuration with all added tokens makes superfluous.
            None => {
                sources.extend(files::read_json_if_present::<NamedTokens>(&directory.join("special_tokens_map.json"))?);
                let listed: Option<BTreeMap<String, u32>> =
                    files::read_json_if_present(&directory.join("added_tokens.json"))?;
                let is_named = |text: &str| {
                    let mut tokens = sources.iter().flat_map(|source| source.roles()).flatten().flatten();
                    tokens.any(|token| token.content() == text)
                };
                let listed = listed.unwrap_or_default().into_iter().map(|(text, id)| {
                    let special = is_named(&text);
                    (id, AddedToken::from(text, special))
                });
                let mut added: BTreeMap<u32, AddedToken> = listed.collect();
                added.extend(from_file.get_added_tokens_decoder());
                added
            }
        };
        let added: Vec<AddedToken> = added.into_values().collect();
        let as_added = |text: &str| added.iter().rev().find(|token| token.content == text).cloned();
        let token = |written: &Written| {
            as_added(written.content()).unwrap_or_else(|| match written {
                Written::Text(text) => AddedToken::from(text.as_str(), true),
                Written::Token(token) => AddedToken { special: true, ..token.added() },
            })
        };
        let defaults = class.default_tokens();
        let named = std::array::from_fn(|role| {
            let written = sources.iter().rev().find_map(|source| source.roles()[role].as_ref());
            let named = match written {
                Some(written) => written.as_ref().map(&token),
                None => defaults[role].map(|text| token(&Written::Text(text.to_owned()))),
            };
            let stripped = role == Role::Mask as usize && class.strips_before_mask();
            named.map(|named| if stripped && as_added(&named.content).is_none() { named.lstrip(true) } else { named })
        });
        let extra = match sources.iter().rev().find_map(NamedTokens::extra) {
            Some(extra) => extra.into_iter().map(token).collect(),
            None => class.default_extra_tokens().iter().map(|text| AddedToken::from(*text, true)).collect(),
        };
        Ok(Self { named, added, extra })
    }

    /// The text of the token that has this role.
    pub fn get(&self, role: Role) -> Option<&str> {
        self.named[role as usize].as_ref().map(|token| token.content.as_str())
    }

    /// `special_tokens_map.json`: the text of each role. Since transformers 5 it is no longer written, but tools look for it (pylate-rs).
    pub fn map(&self) -> Map<String, Value> {
        let named = Role::ALL.into_iter().filter_map(|role| Some((role.key().to_owned(), self.get(role)?.into())));
        named.collect()
    }

    /// Adds to the tokenizer what it lacks; tokens that are no words of the vocabulary get ids behind it, in this order.
    pub fn add_to(&self, tokenizer: &mut Tokenizer) -> tokenizers::Result<()> {
        tokenizer.add_tokens(self.added.iter().cloned())?;
        let known = tokenizer.get_added_tokens_decoder();
        let mut missing: Vec<AddedToken> = Vec::new();
        for token in self.named.iter().flatten().chain(&self.extra) {
            let is_same = |other: &AddedToken| other.content == token.content;
            if !known.values().any(is_same) && !missing.iter().any(is_same) {
                missing.push(token.clone());
            }
        }
        tokenizer.add_tokens(missing)?;
        Ok(())
    }
}
