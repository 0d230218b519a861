//! Tokenization as [`ColBert::encode`](crate::ColBert::encode) does it, apart from the model.

use super::options::EncodeOptions;
use crate::{ColBert, Kind, Result, TextTokenizer, TokenBatch};

/// A tokenizer with a prompt and a length, made by [`ColBert::tokenizing`].
#[derive(Clone, Debug)]
pub struct Tokenizing {
    tokenizer: TextTokenizer,
    kind: Kind,
    prompt: Option<String>,
    length: Option<usize>,
}

impl Tokenizing {
    /// Tokenizes texts as [`ColBert::tokenize`] does.
    ///
    /// # Errors
    /// As [`ColBert::tokenize`].
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S]) -> Result<TokenBatch> {
        let Some(prompt) = &self.prompt else { return self.tokenize_as_is(texts) };
        self.tokenize_as_is(&texts.iter().map(|text| format!("{prompt}{}", text.as_ref())).collect::<Vec<String>>())
    }

    fn tokenize_as_is<S: AsRef<str>>(&self, texts: &[S]) -> Result<TokenBatch> {
        match self.length {
            Some(length) => self.tokenizer.tokenize_to(texts, self.kind, length),
            None => self.tokenizer.tokenize(texts, self.kind),
        }
    }
}

impl ColBert {
    /// Tokenizes texts as [`ColBert::encode`] does, with the prompt and the length of the options.
    ///
    /// # Errors
    /// When a text cannot be tokenized, or the length exceeds the encoder's limit or leaves no room for text.
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S], kind: Kind, options: &EncodeOptions) -> Result<TokenBatch> {
        self.tokenizing(kind, options).tokenize(texts)
    }

    /// The tokenizer of [`ColBert::encode`] by itself. It can be sent to another thread, which tokenizes texts while earlier ones are encoded.
    pub fn tokenizing(&self, kind: Kind, options: &EncodeOptions) -> Tokenizing {
        let prompt = options.prompt.as_ref().or(self.parts.prompt.as_ref()).cloned();
        Tokenizing { tokenizer: self.tokenizer().clone(), kind, prompt, length: options.length }
    }
}
