//! Windows of texts on their way through the model. On a GPU the device always has the next batch while the host reads the last one; nothing
//! else waits for the device.

use std::collections::VecDeque;

use burn::module::Module;
use colburn_ops::{Embeddings, LateNumbers, Spans, device::is_cpu};
use rayon::prelude::*;

use super::batches::{BatchSize, batches};
use super::options::EncodeOptions;
use crate::{ColBert, Error, Kind, TokenBatch, TokenEmbeddings, pooling::pool_all};

/// Batches that the device has at a time: one that it computes, one that waits, and one that is read.
const AHEAD: usize = 3;

/// The vectors of windows of texts, made by [`ColBert::encode_windows`].
pub struct EncodedWindows<'a, I, T, E> {
    model: &'a ColBert,
    kind: Kind,
    options: &'a EncodeOptions,
    windows: I,
    /// The error or the end of the windows; the error is given after the windows before it.
    end: Option<Option<E>>,
    /// The batches ahead; none on a CPU, which has nothing to do beside the encoding.
    ahead: Option<Ahead<T>>,
}

/// The windows that are begun.
struct Ahead<T> {
    /// Off the graph.
    model: ColBert,
    /// Those that are not whole yet, oldest first.
    open: VecDeque<Window<T>>,
    /// The number of the oldest.
    first: usize,
    /// The batches that the device has, oldest first, each with the number of its window and its texts.
    queued: VecDeque<(usize, Vec<usize>, LateVectors)>,
}

struct Window<T> {
    carried: T,
    tokens: TokenBatch,
    /// The batches that the device has not been given.
    waiting: VecDeque<Vec<usize>>,
    encoded: Vec<Option<TokenEmbeddings>>,
    /// The number of batches that are not read.
    unread: usize,
}

/// The vectors of a batch on their way to the host.
struct LateVectors {
    /// None if there are none.
    numbers: Option<LateNumbers>,
    spans: Spans,
    dim: usize,
}

impl<'a, I, T, E> EncodedWindows<'a, I, T, E> {
    /// `ahead` is for devices other than a CPU, and gives the same vectors on any.
    pub(super) fn new(model: &'a ColBert, kind: Kind, options: &'a EncodeOptions, windows: I, ahead: bool) -> Self {
        let begin = || Ahead { model: model.valid(), open: VecDeque::new(), first: 0, queued: VecDeque::new() };
        Self { model, kind, options, windows, end: None, ahead: ahead.then(begin) }
    }
}

impl<I: Iterator<Item = Result<(T, TokenBatch), E>>, T, E: From<Error>> EncodedWindows<'_, I, T, E> {
    /// The next window, unless an error or the end came.
    fn take(&mut self) -> Option<(T, TokenBatch)> {
        if self.end.is_some() {
            return None;
        }
        let checked = |window: (T, TokenBatch)| {
            self.options.check()?;
            self.model.check_tokens(&window.1)?;
            Ok(window)
        };
        self.end = match self.windows.next().map(|window| window.and_then(checked)) {
            Some(Ok(window)) => return Some(window),
            Some(Err(error)) => Some(Some(error)),
            None => Some(None),
        };
        None
    }

    fn advance(&mut self) -> Result<Option<(T, Vec<TokenEmbeddings>)>, E> {
        let Some(mut ahead) = self.ahead.take() else {
            return match self.take() {
                Some((carried, tokens)) => {
                    Ok(Some((carried, self.model.encode_tokens(&tokens, self.kind, self.options)?)))
                }
                None => self.failed(),
            };
        };
        loop {
            self.queue(&mut ahead);
            if let Some(window) = ahead.whole() {
                self.ahead = Some(ahead);
                return Ok(Some(window));
            }
            let Some((window, texts, vectors)) = ahead.queued.pop_front() else {
                self.ahead = Some(ahead);
                return self.failed();
            };
            let vectors = vectors.read()?;
            let vectors = if self.pools() {
                pool_all(vectors, self.options.pool_factor, self.options.protected_tokens)?
            } else {
                vectors
            };
            let window = &mut ahead.open[window - ahead.first];
            window.unread -= 1;
            for (text, vectors) in texts.into_iter().zip(vectors) {
                window.encoded[text] = Some(vectors);
            }
        }
    }

    /// The error that ended the windows, once.
    fn failed(&mut self) -> Result<Option<(T, Vec<TokenEmbeddings>)>, E> {
        match self.end.as_mut().and_then(Option::take) {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// Gives batches to the device until it has enough, or there are no more.
    fn queue(&mut self, ahead: &mut Ahead<T>) {
        while ahead.queued.len() < AHEAD {
            let number = ahead.first + ahead.open.len();
            let next = ahead.open.back_mut().and_then(|window| Some((window.waiting.pop_front()?, &*window)));
            if let Some((texts, window)) = next {
                let embeddings = ahead.model.vectors(&window.tokens.select(&texts), self.options).counting();
                let rounded = self.options.f16 && !self.pools();
                ahead.queued.push_back((number - 1, texts, LateVectors::new(embeddings, rounded)));
                continue;
            }
            let Some((carried, tokens)) = self.take() else { return };
            let waiting: VecDeque<_> = batches(&tokens.spans, BatchSize::of(self.options, &self.model.device())).into();
            let (encoded, unread) = (vec![None; tokens.len()], waiting.len());
            ahead.open.push_back(Window { carried, tokens, waiting, encoded, unread });
            if unread == 0 {
                return;
            }
        }
    }

    fn pools(&self) -> bool {
        self.kind == Kind::Document && self.options.pool_factor > 1
    }
}

impl<T> Ahead<T> {
    /// The oldest window, if all of its batches are read.
    fn whole(&mut self) -> Option<(T, Vec<TokenEmbeddings>)> {
        let window = self.open.pop_front_if(|window| window.unread == 0)?;
        self.first += 1;
        Some((window.carried, window.encoded.into_iter().flatten().collect()))
    }
}

impl<I: Iterator<Item = Result<(T, TokenBatch), E>>, T, E: From<Error>> Iterator for EncodedWindows<'_, I, T, E> {
    type Item = Result<(T, Vec<TokenEmbeddings>), E>;

    /// The next window. Nothing follows an error.
    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(window) => window.map(Ok),
            Err(error) => {
                self.end = Some(None);
                Some(Err(error))
            }
        }
    }
}

impl LateVectors {
    fn new(embeddings: Embeddings, rounded: bool) -> Self {
        let (spans, dim) = (embeddings.spans, embeddings.values.dims()[1]);
        let queue = if rounded { LateNumbers::rounded::<2> } else { LateNumbers::new::<2> };
        Self { numbers: (spans.tokens() > 0).then(|| queue(embeddings.values)), spans, dim }
    }

    /// The vectors of each text.
    fn read(self) -> Result<Vec<TokenEmbeddings>, Error> {
        let (spans, dim) = (self.spans, self.dim);
        let values = self.numbers.map_or(Ok(Vec::new()), LateNumbers::read).map_err(Error::Device)?;
        let text = |text: usize| {
            let tokens = spans.range(text);
            TokenEmbeddings { values: values[tokens.start * dim..tokens.end * dim].to_vec(), dim }
        };
        Ok((0..spans.len()).into_par_iter().map(text).collect())
    }
}

impl ColBert {
    /// Computes the vectors of windows of texts as they come, in their order, each with the value that it carries. A window is a tokenized run
    /// of texts, of [`ColBert::window`] texts or so, which is sorted by length and cut into batches. [`ColBert::tokenizing`] makes them on
    /// another thread.
    ///
    /// On a GPU the windows overlap: the device computes a batch while the host reads the one before, also across windows.
    ///
    /// # Shapes
    /// As [`ColBert::encode_tokens`].
    ///
    /// # Errors
    /// As [`ColBert::encode_tokens`], and the errors of the windows, each after the windows before it. Nothing follows an error.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use colburn_model::{ColBert, EncodeOptions, Error, Kind};
    ///
    /// let model = ColBert::from_pretrained("models/my-colbert", &Device::default())?;
    /// let (kind, options) = (Kind::Document, EncodeOptions::default());
    /// let texts = ["one", "two", "three"];
    /// let tokenizing = model.tokenizing(kind, &options);
    /// let windows = texts.chunks(2).enumerate().map(|(number, texts)| Ok::<_, Error>((number, tokenizing.tokenize(texts)?)));
    /// for window in model.encode_windows(kind, &options, windows) {
    ///     let (number, vectors) = window?;
    ///     println!("window {number}: {} texts", vectors.len());
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn encode_windows<'a, I, T, E>(
        &'a self,
        kind: Kind,
        options: &'a EncodeOptions,
        windows: I,
    ) -> EncodedWindows<'a, I::IntoIter, T, E>
    where
        I: IntoIterator<Item = Result<(T, TokenBatch), E>>,
        E: From<Error>,
    {
        EncodedWindows::new(self, kind, options, windows.into_iter(), !is_cpu(&self.device()))
    }
}
