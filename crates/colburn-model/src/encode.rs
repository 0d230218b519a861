//! Texts to token vectors (`ColBERT.encode` of PyLate).

use burn::{module::Module, tensor::Tensor};
use colburn_ops::{Dropout, device::is_cpu};
use rayon::prelude::*;

use crate::{ColBert, Error, Kind, Result, TextTokenizer, TokenBatch, TokenEmbeddings, pooling::pool_all};

/// The number of tokens that a core takes at a time; 256 to 1,024 were equally fast.
const PART: usize = 512;

/// The options of [`ColBert::encode`].
///
/// ```
/// use colburn_model::EncodeOptions;
///
/// let options = EncodeOptions { batch_size: 64, pool_factor: 2, ..Default::default() };
/// assert!(options.normalize_embeddings);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeOptions {
    /// The number of texts in a batch, 32. Results depend on it in their last digits at most.
    pub batch_size: usize,
    /// True if vectors are scaled to length 1, true.
    pub normalize_embeddings: bool,
    /// The text before every text. If `None`, the model's own prompt is used if it has a `default_prompt_name`.
    pub prompt: Option<String>,
    /// The number of tokens of a text, in place of the model's `query_length` or `document_length`: queries are expanded to it, documents
    /// are cut to it.
    pub length: Option<usize>,
    /// The number of vectors of a document that become one by clustering, 1 (see [`pool`](crate::pool)). Queries are never pooled, as in
    /// PyLate.
    pub pool_factor: usize,
    /// The number of vectors at the start of a document that are not pooled, 1: the one of CLS.
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
    /// Computes the vectors of each text, in the order of the texts, without those of skipped tokens.
    ///
    /// Texts are batched by length, longest first, so that the largest batch comes first. There is no dropout, even if the model is on an
    /// autodiff device.
    ///
    /// # Shapes
    /// Each text gets `[tokens, dim]`, where `dim` is [`ColBert::embedding_size`]. A query with expansion has `query_length` tokens.
    ///
    /// # Errors
    /// When `batch_size` or `pool_factor` is 0; when `length` exceeds the encoder's limit or leaves no room for text; when a text cannot be
    /// tokenized; when vectors that are to be pooled are not finite.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use colburn_model::{ColBert, EncodeOptions, Kind};
    ///
    /// let model = ColBert::from_pretrained("models/my-colbert", &Device::default())?;
    /// let options = EncodeOptions { pool_factor: 2, ..Default::default() };
    /// for document in model.encode(&["a document", "another one"], Kind::Document, &options)? {
    ///     println!("{} vectors of {} numbers", document.tokens(), document.dim);
    /// }
    /// # Ok::<(), colburn_model::Error>(())
    /// ```
    pub fn encode<S: AsRef<str>>(
        &self,
        texts: &[S],
        kind: Kind,
        options: &EncodeOptions,
    ) -> Result<Vec<TokenEmbeddings>> {
        let mut encoded = Vec::with_capacity(texts.len());
        // The tokens of all texts would take as much memory as the corpus: texts are tokenized in chunks of 64 batches.
        let chunk = options.batch_size.saturating_mul(64).max(1);
        for texts in texts.chunks(chunk) {
            encoded.extend(self.encode_tokens(&self.tokenize(texts, kind, options)?, kind, options)?);
        }
        Ok(encoded)
    }

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

    /// Computes the vectors of each text of a tokenized batch of any size, in its order: the second half of [`ColBert::encode`].
    ///
    /// # Shapes
    /// Each text gets `[tokens, dim]`. Before pooling, `tokens` is the number of its tokens that `mask` keeps.
    ///
    /// # Errors
    /// When `batch_size` or `pool_factor` is 0; when the batch does not fit together, or has token ids or lengths that the encoder has no
    /// embeddings for; when vectors that are to be pooled are not finite.
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
        self.check_tokens(tokens)?;
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

    /// Checks that there is an embedding for every token id and position.
    fn check_tokens(&self, tokens: &TokenBatch) -> Result<()> {
        tokens.check()?;
        let (rows, longest) = (self.encoder.vocabulary(), self.tokenizer().max_positions());
        if let Some(id) = tokens.ids.iter().find(|id| **id as usize >= rows) {
            let message = format!("token id {id}, but there are embeddings for the ids below {rows}");
            return Err(Error::config("TokenBatch", message));
        }
        if tokens.spans.max_length() > longest {
            let message = format!("a text of {} tokens; at most {longest} are possible", tokens.spans.max_length());
            return Err(Error::config("TokenBatch", message));
        }
        Ok(())
    }

    /// The vectors of these texts, in their order. On a CPU each core takes a part of the batch, because most operations on a batch run on
    /// one core; this needs no more memory than the whole batch. The parts do not depend on the number of cores.
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

/// Cuts a list of texts into parts of at most `tokens` tokens each. A text with more tokens is a part of its own.
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
    fn parts_hold_at_most_so_many_tokens() {
        let lengths = [9, 5, 5, 1, 1, 1, 1];
        let cut = |tokens: usize| parts(&[0, 1, 2, 3, 4, 5, 6], |text| lengths[text], tokens);
        assert_eq!(cut(8), [&[0][..], &[1], &[2, 3, 4, 5], &[6]]);
        assert_eq!(cut(10), [&[0][..], &[1, 2], &[3, 4, 5, 6]]);
        assert_eq!(cut(0).len(), 7);
        assert_eq!(cut(1000).len(), 1);
        assert!(parts(&[], |_| 1, 5).is_empty());
    }
}
