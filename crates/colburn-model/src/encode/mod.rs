//! Texts to token vectors (`ColBERT.encode` of PyLate). On a CPU each core takes a part of a batch. On a GPU tokenizing, computing and reading
//! overlap: see [`windows`].

mod batches;
mod options;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;
mod tokenizing;
mod windows;

use burn::{module::Module, tensor::Tensor};
use colburn_ops::{Dropout, Embeddings, device::is_cpu};
use rayon::prelude::*;

use self::batches::{BatchSize, batches, parts};
pub use self::options::EncodeOptions;
pub use self::tokenizing::Tokenizing;
pub use self::windows::EncodedWindows;
use crate::{ColBert, Error, Kind, Result, TokenBatch, TokenEmbeddings, pooling::pool_all};

/// Batches of a window on a CPU. The tokens of all texts would take as much memory as the corpus.
const CPU_WINDOW: usize = 64;

/// The number of tokens that a core takes at a time; 256 to 1,024 were equally fast.
const PART: usize = 512;

impl ColBert {
    /// Computes the vectors of each text, in the order of the texts, without those of skipped tokens.
    ///
    /// Texts are batched by length, longest first, a [window](ColBert::window) of them at a time. On a GPU one thread tokenizes while the
    /// device computes and the host reads what is ready. There is no dropout, even if the model is on an autodiff device.
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
    pub fn encode<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        kind: Kind,
        options: &EncodeOptions,
    ) -> Result<Vec<TokenEmbeddings>> {
        self.encode_by(texts, kind, options, self.window(kind, options), !is_cpu(&self.device()))
    }

    /// The same by windows of so many texts. With `ahead`, the windows overlap.
    fn encode_by<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        kind: Kind,
        options: &EncodeOptions,
        window: usize,
        ahead: bool,
    ) -> Result<Vec<TokenEmbeddings>> {
        options.check()?;
        let tokenizing = self.tokenizing(kind, options);
        let windows = texts.chunks(window).map(|texts| Ok::<_, Error>(((), tokenizing.tokenize(texts)?)));
        let mut encoded = Vec::with_capacity(texts.len());
        if !ahead || texts.len() <= window {
            for window in EncodedWindows::new(self, kind, options, windows, ahead) {
                encoded.extend(window?.1);
            }
            return Ok(encoded);
        }
        crate::ahead(windows, |windows| {
            for window in EncodedWindows::new(self, kind, options, windows, ahead) {
                encoded.extend(window?.1);
            }
            Ok(encoded)
        })
    }

    /// The number of texts that are best tokenized and encoded at a time ([`ColBert::encode_windows`]): few enough to hold the vectors of
    /// several windows in memory, and enough for texts of one length to meet in a batch.
    pub fn window(&self, kind: Kind, options: &EncodeOptions) -> usize {
        let device = self.device();
        match BatchSize::of(options, &device) {
            BatchSize::Texts(texts) if is_cpu(&device) => texts.saturating_mul(CPU_WINDOW).max(1),
            BatchSize::Texts(texts) => batches::window(&device, self.length(kind, options)).max(texts),
            BatchSize::Tokens(_) => batches::window(&device, self.length(kind, options)),
        }
    }

    /// The number of texts of a batch; none if batches are cut by tokens.
    pub fn batch_texts(&self, options: &EncodeOptions) -> Option<usize> {
        match BatchSize::of(options, &self.device()) {
            BatchSize::Texts(texts) => Some(texts),
            BatchSize::Tokens(_) => None,
        }
    }

    /// The largest number of tokens of a text.
    fn length(&self, kind: Kind, options: &EncodeOptions) -> usize {
        let configured = match kind {
            Kind::Query => self.config().query_length,
            Kind::Document => self.config().document_length,
        };
        options.length.unwrap_or(configured).min(self.tokenizer().max_positions())
    }

    /// The batches that the texts of a window go through the model in: their numbers, longest first.
    ///
    /// # Errors
    /// When `batch_size` is 0.
    pub fn batches(&self, tokens: &TokenBatch, options: &EncodeOptions) -> Result<Vec<Vec<usize>>> {
        options.check()?;
        Ok(batches(&tokens.spans, BatchSize::of(options, &self.device())))
    }

    /// Computes the vectors of a batch in one pass and leaves them on the device, without those of skipped tokens. There is no dropout and no
    /// graph. It waits for nothing.
    ///
    /// # Shapes
    /// `values` of the result: `[tokens, dim]`, where `tokens` is the number of tokens that `mask` of the batch keeps.
    ///
    /// # Errors
    /// When the batch does not fit together, or has token ids or lengths that the encoder has no embeddings for.
    pub fn embed(&self, tokens: &TokenBatch, options: &EncodeOptions) -> Result<Embeddings> {
        self.check_tokens(tokens)?;
        let model = self.valid();
        Ok(model.vectors(tokens, options).counting())
    }

    /// The vectors of a batch, those of skipped tokens too.
    fn vectors(&self, tokens: &TokenBatch, options: &EncodeOptions) -> Embeddings {
        if options.normalize_embeddings {
            return self.forward(tokens);
        }
        let values: Tensor<2> = self.project(tokens, Dropout::off());
        Embeddings {
            values,
            spans: tokens.spans.clone(),
            mask: tokens.mask.clone(),
            floor: tokens.floor.clone(),
            precision: self.precision(),
        }
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
        options.check()?;
        self.check_tokens(tokens)?;
        if !is_cpu(&self.device()) {
            let window = std::iter::once(Ok::<_, Error>(((), tokens.clone())));
            let encoded = self.encode_windows(kind, options, window).next();
            return encoded.map_or(Ok(Vec::new()), |window| Ok(window?.1));
        }
        let model = self.valid();
        let mut encoded = vec![None; tokens.len()];
        for texts in batches(&tokens.spans, BatchSize::of(options, &self.device())) {
            let vectors = model.encode_texts(tokens, &texts, options)?;
            let vectors = match kind {
                Kind::Document if options.pool_factor > 1 => {
                    pool_all(vectors, options.pool_factor, options.protected_tokens)?
                }
                _ => vectors,
            };
            for (text, vectors) in texts.into_iter().zip(vectors) {
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

    /// The vectors of these texts on a CPU, in their order. Each core takes a part of the batch, because most operations on a batch run on
    /// one core; this needs no more memory than the whole batch. The parts do not depend on the number of cores.
    fn encode_texts(
        &self,
        tokens: &TokenBatch,
        texts: &[usize],
        options: &EncodeOptions,
    ) -> Result<Vec<TokenEmbeddings>> {
        let parts = parts(texts, |text| tokens.spans.length(text), PART);
        let encoded = parts.into_par_iter().map(|part| self.encode_part(&tokens.select(part), options));
        Ok(encoded.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn encode_part(&self, part: &TokenBatch, options: &EncodeOptions) -> Result<Vec<TokenEmbeddings>> {
        let values = self.vectors(part, options).values;
        let dim = values.dims()[1];
        let values = values.try_into_vec_as::<f32>().map_err(|error| Error::Device(error.to_string()))?;
        let text = |text: usize| {
            let kept = part.spans.range(text).filter(|&token| part.mask[token]);
            TokenEmbeddings {
                values: kept.flat_map(|token| &values[token * dim..(token + 1) * dim]).copied().collect(),
                dim,
            }
        };
        Ok((0..part.len()).map(text).collect())
    }
}
