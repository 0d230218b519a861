//! The numbers of tokens that texts have before they are cut or expanded, to see how well they fit into a model's lengths.

use tokenizers::Tokenizer;

use super::{TextTokenizer, class::Role, pipeline::guarded};
use crate::{Error, Kind, Result};

/// A longer text is counted in pieces, so that its tokens take a bounded amount of memory.
const PIECE: usize = 1 << 18;

/// The tokens of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// The number of tokens, with the special ones and the prefix.
    pub tokens: usize,
    /// The number of those that are the unknown token.
    pub unknown: usize,
}

/// Counts the tokens of texts of any length.
///
/// ```no_run
/// use colburn_model::{Kind, TextTokenizer};
///
/// let tokenizer = TextTokenizer::from_pretrained("models/my-colbert")?;
/// let counts = tokenizer.counter()?.count(&["what is late interaction?"], Kind::Query)?;
/// assert!(counts[0].tokens <= tokenizer.config().query_length);
/// # Ok::<(), colburn_model::Error>(())
/// ```
#[derive(Debug)]
pub struct TokenCounter {
    source: TextTokenizer,
    /// The tokenizer without a limit on lengths.
    tokenizer: Tokenizer,
    unknown: Option<u32>,
}

impl TextTokenizer {
    /// A counter of the tokens that texts have before they are cut or expanded. It has a vocabulary of its own.
    ///
    /// # Errors
    /// When the tokenizer refuses to work without a limit.
    pub fn counter(&self) -> Result<TokenCounter> {
        let tokenizer = self.unlimited(&self.0.path)?;
        let unknown = self.0.special_tokens_map.get(Role::Unk.key()).and_then(|token| token.as_str());
        let unknown = unknown.and_then(|token| tokenizer.token_to_id(token));
        Ok(TokenCounter { source: self.clone(), tokenizer, unknown })
    }
}

impl TokenCounter {
    /// The tokens of each text.
    ///
    /// # Errors
    /// When the tokenizer cannot encode a text.
    pub fn count<S: AsRef<str>>(&self, texts: &[S], kind: Kind) -> Result<Vec<TokenCount>> {
        let around = self.source.0.special + usize::from(self.source.side(kind).prefix.is_some());
        let mut counts = vec![TokenCount { tokens: around, unknown: 0 }; texts.len()];
        let (mut of, mut pieces) = (Vec::new(), Vec::new());
        for (text, content) in texts.iter().enumerate() {
            for piece in Pieces(content.as_ref()) {
                of.push(text);
                pieces.push(self.source.clean(piece));
            }
        }
        let encodings = guarded(|| self.tokenizer.encode_batch_fast(pieces, false));
        let encodings = encodings.map_err(|error| Error::tokenizer(&self.source.0.path, error))?;
        for (text, encoding) in of.into_iter().zip(encodings) {
            counts[text].tokens += encoding.len();
            let is_unknown = |id: &&u32| Some(**id) == self.unknown;
            counts[text].unknown += encoding.get_ids().iter().filter(is_unknown).count();
        }
        Ok(counts)
    }
}

/// The pieces of a text, cut where there is white space if possible.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let longest = self.0.floor_char_boundary(PIECE);
        let space = || self.0[..longest].rfind(char::is_whitespace).filter(|at| *at > 0);
        let end = if longest == self.0.len() { longest } else { space().unwrap_or(longest) };
        let (piece, rest) = self.0.split_at(end);
        self.0 = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_white_space() {
        let word = "né ".repeat(PIECE / 2);
        let pieces: Vec<&str> = Pieces(&word).collect();
        assert_eq!((pieces.len(), pieces.concat()), (3, word.clone()));
        assert!(pieces[1].starts_with(' ') && pieces[0].ends_with('é'));
        let solid = "é".repeat(PIECE);
        assert_eq!(Pieces(&solid).map(str::len).collect::<Vec<_>>(), [PIECE, PIECE]);
        assert_eq!(Pieces("").count(), 0);
        assert_eq!(Pieces("a b").collect::<Vec<_>>(), ["a b"]);
    }

    #[test]
    fn counts_are_those_of_tokenization_and_go_on_where_it_cuts() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tiny-colbert");
        let tokenizer = TextTokenizer::from_pretrained(model).unwrap();
        let counter = tokenizer.counter().unwrap();
        let texts = ["", "the university of notre dame", " The king, 1842. ", "🦀"];
        let counts = counter.count(&texts, Kind::Document).unwrap();
        let batch = tokenizer.tokenize(&texts, Kind::Document).unwrap();
        for (text, count) in counts.iter().enumerate() {
            assert_eq!(count.tokens, batch.spans.range(text).len(), "{}", texts[text]);
        }
        assert_eq!(counts.iter().map(|count| count.unknown).collect::<Vec<_>>(), [0, 0, 0, 1]);
        assert_eq!(counter.count(&texts, Kind::Query).unwrap(), counts);

        let one = counts[1].tokens - counts[0].tokens;
        let long = format!("{} ", texts[1]).repeat(20_000);
        let expected = TokenCount { tokens: counts[0].tokens + 20_000 * one, unknown: 0 };
        assert_eq!(counter.count(&[&long], Kind::Document).unwrap(), [expected]);
        assert!(expected.tokens > tokenizer.config().document_length && long.len() > 2 * PIECE);
    }
}
