//! From texts to token vectors (`ColBERT.encode` of PyLate).

use burn::{module::Module, tensor::Tensor};
use colburn_ops::{Dropout, device::is_cpu};
use rayon::prelude::*;

use crate::{ColBert, Error, Kind, Result, TextTokenizer, TokenBatch, pooling::pool_all};

/// Tokens that a core takes at a time; 256 to 1,024 were equally fast.
const PART: usize = 512;

/// How to encode.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeOptions {
    /// Texts a batch, 32. Results depend on it in their last digits at most.
    pub batch_size: usize,
    /// Whether vectors are brought to length 1, true.
    pub normalize_embeddings: bool,
    /// Put before every text; without one, the model's own prompt if it has a `default_prompt_name`.
    pub prompt: Option<String>,
    /// Tokens a text, instead of the model's `query_length` or `document_length`: queries are expanded to it, documents cut to it.
    pub length: Option<usize>,
    /// How many vectors of a document become one by clustering, 1 (see [`pool`](crate::pool)). Queries are never pooled, as in PyLate.
    pub pool_factor: usize,
    /// Vectors at the start of a document that are not pooled, 1: the one of CLS.
    pub protected_tokens: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            batch_size: 32,
            normalize_embeddings: true,
            prompt: None,
            length: None,
            pool_factor: 1,
            protected_tokens: 1,
        }
    }
}

/// The vectors of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenEmbeddings {
    /// Row-major, `[tokens, dim]`.
    pub values: Vec<f32>,
    /// Width of a vector.
    pub dim: usize,
}

impl TokenEmbeddings {
    /// Number of vectors.
    pub fn tokens(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// One vector a token.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }
}

/// Texts to tokens with a prompt and a length; made by [`ColBert::tokenizing`].
#[derive(Clone, Debug)]
pub struct Tokenizing {
    tokenizer: TextTokenizer,
    kind: Kind,
    prompt: Option<String>,
    length: Option<usize>,
}

impl Tokenizing {
    /// As [`ColBert::tokenize`].
    ///
    /// # Errors
    /// When a text cannot be tokenized, or its length is more than the encoder takes or leaves no room for text.
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S]) -> Result<TokenBatch> {
        let Some(prompt) = &self.prompt else { return self.of(texts) };
        self.of(&texts.iter().map(|text| format!("{prompt}{}", text.as_ref())).collect::<Vec<String>>())
    }

    fn of<S: AsRef<str>>(&self, texts: &[S]) -> Result<TokenBatch> {
        match self.length {
            Some(length) => self.tokenizer.tokenize_to(texts, self.kind, length),
            None => self.tokenizer.tokenize(texts, self.kind),
        }
    }
}

impl ColBert {
    /// The vectors of each text, in the order of the texts, without those of skipped words.
    ///
    /// Texts are batched by length, longest first, so that the largest batch comes first. There is no dropout, also where the model is
    /// on an autodiff device.
    ///
    /// # Errors
    /// When `batch_size` or `pool_factor` is 0, `length` is more than the encoder takes or leaves no room for text, or a text cannot be
    /// tokenized.
    pub fn encode<S: AsRef<str>>(
        &self,
        texts: &[S],
        kind: Kind,
        options: &EncodeOptions,
    ) -> Result<Vec<TokenEmbeddings>> {
        let mut encoded = Vec::with_capacity(texts.len());
        // Tokens of all texts at once would be as large as the corpus: they are made a stretch of batches at a time.
        let stretch = options.batch_size.saturating_mul(64).max(1);
        for texts in texts.chunks(stretch) {
            encoded.extend(self.encode_tokens(&self.tokenize(texts, kind, options)?, kind, options)?);
        }
        Ok(encoded)
    }

    /// The tokens of texts as [`ColBert::encode`] has them: with the prompt, and of the length that the options ask for.
    ///
    /// # Errors
    /// When a text cannot be tokenized, or its length is more than the encoder takes or leaves no room for text.
    pub fn tokenize<S: AsRef<str>>(&self, texts: &[S], kind: Kind, options: &EncodeOptions) -> Result<TokenBatch> {
        self.tokenizing(kind, options).tokenize(texts)
    }

    /// The first half of [`ColBert::encode`] by itself: it can be sent to another thread, where texts are tokenized beside the encoding of
    /// those before them.
    pub fn tokenizing(&self, kind: Kind, options: &EncodeOptions) -> Tokenizing {
        let prompt = options.prompt.as_ref().or(self.parts.prompt.as_ref()).cloned();
        Tokenizing { tokenizer: self.tokenizer().clone(), kind, prompt, length: options.length }
    }

    /// The second half of [`ColBert::encode`]: the vectors of each text of a batch of any size, in its order. How many vectors a text
    /// will have, before pooling, is known from the batch: as many as its mask counts.
    ///
    /// # Errors
    /// When `batch_size` or `pool_factor` is 0, or vectors that are to be pooled are not finite.
    pub fn encode_tokens(
        &self,
        tokens: &TokenBatch,
        kind: Kind,
        options: &EncodeOptions,
    ) -> Result<Vec<TokenEmbeddings>> {
        for (name, value) in [("batch_size", options.batch_size), ("pool_factor", options.pool_factor)] {
            if value == 0 {
                return Err(Error::config(name, "0; a positive number is expected"));
            }
        }
        let model = self.valid();
        let mut encoded = vec![None; tokens.len()];
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(tokens.spans.length(text)));
        for texts in order.chunks(options.batch_size) {
            let vectors = model.encode_texts(tokens, texts, options)?;
            let vectors = match kind {
                Kind::Document if options.pool_factor > 1 => {
                    pool_all(vectors, options.pool_factor, options.protected_tokens)?
                }
                _ => vectors,
            };
            for (&text, vectors) in texts.iter().zip(vectors) {
                encoded[text] = Some(vectors);
            }
        }
        Ok(encoded.into_iter().flatten().collect())
    }

    /// The vectors of these texts, in their order. A CPU takes a part of the batch on each core: most of what is done to a batch is done by
    /// one core, and there is no more in memory than with the whole of it. The parts do not depend on the number of cores.
    fn encode_texts(
        &self,
        tokens: &TokenBatch,
        texts: &[usize],
        options: &EncodeOptions,
    ) -> Result<Vec<TokenEmbeddings>> {
        if !is_cpu(&self.device()) {
            return self.encode_batch(&tokens.select(texts), options);
        }
        let parts = parts(texts, |text| tokens.spans.length(text), PART);
        let encoded = parts.into_par_iter().map(|part| self.encode_batch(&tokens.select(part), options));
        Ok(encoded.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn encode_batch(&self, batch: &TokenBatch, options: &EncodeOptions) -> Result<Vec<TokenEmbeddings>> {
        let values: Tensor<2> =
            if options.normalize_embeddings { self.forward(batch).values } else { self.project(batch, Dropout::off()) };
        let dim = values.dims()[1];
        let values = values.try_into_vec_as::<f32>().map_err(|error| Error::Device(error.to_string()))?;
        let text = |text: usize| {
            let kept = batch.spans.range(text).filter(|&token| batch.mask[token]);
            TokenEmbeddings {
                values: kept.flat_map(|token| &values[token * dim..(token + 1) * dim]).copied().collect(),
                dim,
            }
        };
        Ok((0..batch.len()).map(text).collect())
    }
}

/// Neighbouring texts with at most so many tokens together, or one text alone that has more.
fn parts(texts: &[usize], length: impl Fn(usize) -> usize, tokens: usize) -> Vec<&[usize]> {
    let (mut parts, mut start, mut sum) = (Vec::new(), 0, 0);
    for (at, &text) in texts.iter().enumerate() {
        if at > start && sum + length(text) > tokens {
            parts.push(&texts[start..at]);
            (start, sum) = (at, 0);
        }
        sum += length(text);
    }
    if start < texts.len() {
        parts.push(&texts[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_hold_so_many_tokens() {
        let lengths = [9, 5, 5, 1, 1, 1, 1];
        let cut = |tokens: usize| parts(&[0, 1, 2, 3, 4, 5, 6], |text| lengths[text], tokens);
        assert_eq!(cut(8), [&[0][..], &[1], &[2, 3, 4, 5], &[6]]);
        assert_eq!(cut(10), [&[0][..], &[1, 2], &[3, 4, 5, 6]]);
        assert_eq!(cut(0).len(), 7);
        assert_eq!(cut(1000).len(), 1);
        assert!(parts(&[], |_| 1, 5).is_empty());
    }
}
