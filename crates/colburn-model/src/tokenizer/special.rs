//! The special and added tokens of a tokenizer, as transformers 5 gathers them from four files and the class's defaults
//! (`PreTrainedTokenizerBase._from_pretrained`, `TokenizersBackend.__init__`).
//!
//! `tokenizer_config.json` may list the added tokens by their ids (`added_tokens_decoder`). Transformers 4 wrote this list, and for
//! transformers 5 it takes precedence over `tokenizer.json`: a token that is missing in it is dropped and its trained embedding cut off. So
//! a saved list is [completed](complete) with the prefixes.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use tokenizers::{AddedToken, Tokenizer};

use super::class::{Class, Role};
use crate::{Result, files};

/// A token in a file: its text alone, or with the options of its matching.
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

/// The named special tokens of a file. Each is absent, null or a token.
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
    /// The key since transformers 5; the next one is the older key.
    extra_special_tokens: Option<Extra>,
    additional_special_tokens: Option<Extra>,
}

/// Special tokens without a role. In an object they have names of the model's own, which are not used here.
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
    /// The tokens in the order of [`Role`].
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

/// The keys of `tokenizer_config.json` about tokens.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TokensConfig {
    #[serde(flatten)]
    named: NamedTokens,
    /// All added tokens by their ids; transformers 4 writes them.
    added_tokens_decoder: Option<BTreeMap<u32, WrittenToken>>,
}

/// The special and added tokens of a tokenizer.
pub(super) struct SpecialTokens {
    named: [Option<AddedToken>; Role::COUNT],
    /// The tokens that a file lists with their ids, in that order.
    added: Vec<AddedToken>,
    extra: Vec<AddedToken>,
}

impl SpecialTokens {
    /// Gathers the tokens of a folder; `from_file` is its `tokenizer.json` as written.
    pub fn read(directory: &Path, config: TokensConfig, from_file: &Tokenizer, class: Class) -> Result<Self> {
        let mut sources = vec![config.named];
        let added: BTreeMap<u32, AddedToken> = match config.added_tokens_decoder {
            Some(added) => added.into_iter().map(|(id, token)| (id, token.added())).collect(),
            // Older files, which are not read if the configuration has all added tokens.
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

    /// The text of the token with this role.
    pub fn get(&self, role: Role) -> Option<&str> {
        self.named[role as usize].as_ref().map(|token| token.content.as_str())
    }

    /// `special_tokens_map.json`: the text of each role. Transformers 5 no longer writes it, but other tools read it (pylate-rs).
    pub fn map(&self) -> Map<String, Value> {
        let named = Role::ALL.into_iter().filter_map(|role| Some((role.key().to_owned(), self.get(role)?.into())));
        named.collect()
    }

    /// Adds the missing tokens to the tokenizer. Tokens outside of the vocabulary get the next ids, in this order.
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

/// Transformers' "no limit", an integer of more than 64 bits: as serde_json writes it, and as it was.
const NO_LIMIT: (&str, &str) = ("1e+30", "1000000000000000019884624838656");

/// `tokenizer_config.json` with every added token of the tokenizer in its list; `None` if it has no list or all are in it.
pub(super) fn complete(file: &[u8], tokenizer: &Tokenizer) -> Option<Vec<u8>> {
    let mut config: Map<String, Value> = serde_json::from_slice(file).ok()?;
    let listed = config.get_mut("added_tokens_decoder")?.as_object_mut()?;
    let before = listed.len();
    let mut added: Vec<_> = tokenizer.get_added_tokens_decoder().into_iter().collect();
    added.sort_unstable_by_key(|(id, _)| *id);
    for (id, token) in added {
        listed.entry(id.to_string()).or_insert_with(|| {
            json!({
                "content": token.content,
                "lstrip": token.lstrip,
                "normalized": token.normalized,
                "rstrip": token.rstrip,
                "single_word": token.single_word,
                "special": token.special,
            })
        });
    }
    if listed.len() == before {
        return None;
    }
    let text = serde_json::to_string_pretty(&config).ok()?;
    let limit = |number| format!("\"model_max_length\": {number}");
    Some((text.replace(&limit(NO_LIMIT.0), &limit(NO_LIMIT.1)) + "\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::models::wordlevel::WordLevel;

    #[test]
    fn added_tokens_are_added_to_an_existing_list() {
        let mut tokenizer = Tokenizer::new(WordLevel::default());
        tokenizer.add_special_tokens([AddedToken::from("[CLS]", true)]).unwrap();
        tokenizer.add_tokens([AddedToken::from("[Q] ", false)]).unwrap();
        let file = r#"{"model_max_length": 1000000000000000019884624838656,
            "added_tokens_decoder": {"0": {"content": "[CLS]", "special": true, "lstrip": true}}}"#;
        let text = String::from_utf8(complete(file.as_bytes(), &tokenizer).unwrap()).unwrap();
        assert!(text.contains("\"model_max_length\": 1000000000000000019884624838656"), "{text}");
        let config: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["added_tokens_decoder"]["0"]["lstrip"], true, "listed tokens stay as they are");
        assert_eq!(config["added_tokens_decoder"]["1"]["content"], "[Q] ");
        assert_eq!(complete(text.as_bytes(), &tokenizer), None, "all are listed");
        assert_eq!(complete(b"{}", &tokenizer), None, "no list");
    }
}
