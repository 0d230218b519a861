//! Damaged and contradictory folders are errors, and another length than the configured one gives the tokens of a tokenizer that is
//! configured to it. The tests of the fixtures hold that these are PyLate's.

use super::*;
use crate::{ColBertOptions, config::PartialConfig};

const MOST: usize = 160;

fn tokenizer(query_length: Option<usize>, document_length: Option<usize>) -> TextTokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-colbert");
    let options = ColBertOptions { query_length, document_length, ..Default::default() };
    let config = ColBertConfig::resolve(&folder, &options, PartialConfig::default()).unwrap();
    TextTokenizer::load(&folder, config, MOST).unwrap()
}

fn texts() -> Vec<String> {
    let sentence = "the university of notre dame was founded in 1842, by father edward sorin. ";
    [0, 1, 3, 40].map(|times| sentence.repeat(times)).to_vec()
}

#[test]
fn any_length_is_that_of_a_model_configured_to_it() {
    let tokenizer_as_is = tokenizer(None, None);
    for length in [4, 5, 16, 17, 47, 48, 49, 100, MOST] {
        let other = tokenizer(Some(length), Some(length));
        for kind in [Kind::Query, Kind::Document] {
            let found = tokenizer_as_is.tokenize_to(&texts(), kind, length).unwrap();
            assert_eq!(found, other.tokenize(&texts(), kind).unwrap(), "{kind:?}, {length}");
            let lengths: Vec<usize> = (0..found.len()).map(|text| found.spans.length(text)).collect();
            assert_eq!(lengths[3], length, "{kind:?}");
            assert!(kind == Kind::Document || lengths == [length; 4]);
        }
    }
}

#[test]
fn the_configured_length_is_back_afterwards() {
    let tokenizer = tokenizer(None, None);
    for kind in [Kind::Query, Kind::Document] {
        let before = tokenizer.tokenize(&texts(), kind).unwrap();
        tokenizer.tokenize_to(&texts(), kind, MOST).unwrap();
        tokenizer.tokenize_to(&texts(), kind, 4).unwrap();
        assert_eq!(tokenizer.tokenize(&texts(), kind).unwrap(), before);
    }
}

#[test]
fn a_floor_depends_on_the_length_of_the_call() {
    let tokenizer = tokenizer(None, None);
    // The text has no word of the skiplist, which would be a reason for a floor at any length.
    let floor = |length| tokenizer.tokenize_to(&["one two three"], Kind::Document, length).unwrap().floor;
    let tokens = tokenizer.tokenize(&["one two three"], Kind::Document).unwrap().tokens();
    assert_eq!((floor(tokens), floor(tokens + 1)), (vec![false], vec![true]));
}

#[test]
fn impossible_lengths_are_errors() {
    let tokenizer = tokenizer(None, None);
    let error = |length| tokenizer.tokenize_to(&["a"], Kind::Document, length).unwrap_err().to_string();
    assert_eq!(error(MOST + 1), "length: 161; at most 160 (max_position_embeddings) is possible");
    assert_eq!(error(3), "length: 3; at least 4 is expected: 3 tokens are special ones");
    assert_eq!(error(0), "length: 0; at least 4 is expected: 3 tokens are special ones");
}

/// A copy of a model's tokenizer files after `change`, read.
fn changed(model: &str, change: impl FnOnce(&Path)) -> Result<TextTokenizer> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encoders").join(model);
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "config_sentence_transformers.json", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    change(folder.path());
    let config = ColBertConfig::resolve(folder.path(), &ColBertOptions::default(), PartialConfig::default()).unwrap();
    TextTokenizer::load(folder.path(), config, 40)
}

fn put(file: PathBuf, key: &str, value: serde_json::Value) {
    let mut all: serde_json::Map<_, _> = files::read_json(&file).unwrap();
    all.insert(key.to_owned(), value);
    files::write_json(&file, &all).unwrap();
}

fn message(result: Result<TextTokenizer>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_folder_without_any_vocabulary_is_named() {
    for model in ["electra", "roberta", "xlm-roberta"] {
        let error = message(changed(model, |folder| std::fs::remove_file(folder.join("tokenizer.json")).unwrap()));
        assert!(error.contains("has no tokenizer.json; the fast tokenizer's file is expected"), "{error}");
    }
}

#[test]
fn tokens_that_are_missing_are_named_by_their_role() {
    let config = |folder: &Path| folder.join("tokenizer_config.json");
    let error = message(changed("electra", |folder| put(config(folder), "cls_token", serde_json::Value::Null)));
    assert!(error.contains("tokenizer.json: tokenizer_config.json names no cls_token"), "{error}");
    let error = message(changed("distilbert", |folder| {
        for key in ["mask_token", "pad_token"] {
            put(config(folder), key, serde_json::Value::Null);
        }
    }));
    assert!(error.contains("names no mask, end or padding token"), "{error}");
    let error = message(changed("electra", |folder| put(config(folder), "cls_token", serde_json::json!(5))));
    assert!(error.contains("tokenizer_config.json: "), "{error}");
}

#[test]
fn ids_around_a_text_count_as_ids() {
    let processor = serde_json::json!({"type": "BertProcessing", "sep": ["[SEP]", 99999], "cls": ["[CLS]", 2]});
    let tokenizer = changed("distilbert", |folder| put(folder.join("tokenizer.json"), "post_processor", processor));
    assert_eq!(tokenizer.unwrap().largest_id(), 99999);
}

#[test]
fn damage_on_which_the_library_panics_is_an_error() {
    // A table of characters that maps every `a` behind its end: 4 units, the second of which is the leaf below the first.
    let mut table: Vec<u8> = (4 * 256u32).to_le_bytes().to_vec();
    for unit in 0..256u32 {
        let unit = match unit {
            0 => 1 << 10,
            96 => u32::from(b'a') | 1 << 8 | 2 << 10,
            98 => 1 << 31 | 77,
            _ => 0,
        };
        table.extend(unit.to_le_bytes());
    }
    let steps = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": base64(&table)});
    let tokenizer = changed("xlm-roberta", |folder| put(folder.join("tokenizer.json"), "normalizer", steps)).unwrap();
    assert!(tokenizer.tokenize(&["b"], Kind::Query).is_ok());
    let error = tokenizer.tokenize(&["a"], Kind::Query).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json: the tokenizers library panicked"), "{error}");
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        (0..4)
            .map(move |at| if at <= chunk.len() { DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char } else { '=' })
    });
    digits.collect()
}
