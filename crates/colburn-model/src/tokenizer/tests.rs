//! Another length than the configured one gives the tokens of a tokenizer that is configured to it; that these are PyLate's is tested
//! with the fixtures.

use super::*;
use crate::ColBertOptions;

const MOST: usize = 160;

fn tokenizer(query_length: Option<usize>, document_length: Option<usize>) -> TextTokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-colbert");
    let options = ColBertOptions { query_length, document_length, ..Default::default() };
    let config = ColBertConfig::resolve(&folder, &options).unwrap();
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
fn a_floor_goes_by_the_length_that_was_asked_for() {
    let tokenizer = tokenizer(None, None);
    // Without a word of the skiplist in it, which is a reason for a floor at any length.
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
