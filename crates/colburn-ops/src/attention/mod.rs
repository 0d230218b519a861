//! Multi-head attention over a packed run: every token attends to the keys of its own sequence, or to those near it.
//!
//! On flex it is a kernel. Elsewhere it is composed of Burn's operations, and [`rectangles`] lays the work out: sequences of similar
//! length together, so that a batch of short queries and long documents pays for little padding, and long ones in blocks, so that memory
//! stays bounded.

mod rectangles;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::tensor::{Device, Tensor, activation::softmax};

use self::rectangles::{Rectangle, rectangles};
use crate::{
    Dropout, Spans,
    device::is_cpu,
    dropout::Masks,
    padded::{gather, indices_tensor},
};

/// The most scores that are computed at once, of all heads; one query's scores are never divided. On a CPU 16 MiB of f32, for each core may
/// be at another text; elsewhere 256 MiB, for each operation costs a start.
fn most_scores(device: &Device) -> usize {
    if is_cpu(device) { 1 << 22 } else { 1 << 26 }
}

/// What [`attention`] needs to know besides its tensors.
#[derive(Clone, Debug)]
pub struct AttentionOptions {
    /// Number of heads; divides the hidden size.
    pub heads: usize,
    /// Probability of dropping an attention weight.
    pub dropout: f64,
    /// How far away a key may be, in tokens, on either side: local attention. `None`: all keys of the sequence.
    pub window: Option<usize>,
    /// Added to the scores.
    pub bias: Option<RelativeBias>,
}

impl AttentionOptions {
    /// Attention to all keys of a sequence, without dropout or bias.
    pub fn new(heads: usize) -> Self {
        Self { heads, dropout: 0.0, window: None, bias: None }
    }

    /// A window that holds every sequence is none.
    fn within(self, spans: &Spans) -> Self {
        Self { window: self.window.filter(|&window| window < spans.max_length()), ..self }
    }
}

/// What is added to the scores, by the distance from query to key (Shaw et al. 2018, Raffel et al. 2020).
#[derive(Clone, Debug)]
pub struct RelativeBias {
    /// `[buckets, heads]`.
    pub table: Tensor<2>,
    /// The row of a distance: the position of the key minus that of the query.
    pub bucket: fn(i64) -> usize,
}

/// Scaled dot-product attention of each token to the keys of its sequence (Vaswani et al. 2017).
///
/// A token that has no key, because its sequence has none or none within the window, becomes 0, as in
/// `torch.nn.functional.scaled_dot_product_attention`.
///
/// # Shapes
/// `q`, `k`, `v` and the result: `[tokens, hidden]`, heads side by side in the hidden dimension.
///
/// # Memory
/// On flex no scores are kept, in training neither: besides the tensors themselves memory grows with tokens × heads. Elsewhere it grows with
/// tokens × window; without a window a bounded number of scores exists at a time, but on an autodiff device the weights of all scores,
/// heads × length² of each sequence, are kept for the gradient.
///
/// # Panics
/// When a tensor has not as many rows as there are tokens, or `heads` does not divide the hidden size.
pub fn attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    spans: &Spans,
    options: AttentionOptions,
    dropout: &mut Dropout,
) -> Tensor<2> {
    let [_, hidden] = check_shapes([&q, &k, &v], spans, &options, 1);
    let masks = dropout.site(options.dropout);
    if spans.tokens() * hidden == 0 {
        return q;
    }
    let options = options.within(spans);
    #[cfg(feature = "flex")]
    if crate::fused::runs_on(&q) {
        return crate::fused::attention([q, k, v], spans, options, masks);
    }
    let scores = most_scores(&q.device());
    in_rectangles([q, k, v], spans, options, masks, scores)
}

/// [`attention`] of queries, keys and values side by side, as one product with three weights side by side gives them.
///
/// # Shapes
/// `qkv`: `[tokens, 3 · hidden]`; the result: `[tokens, hidden]`.
///
/// # Panics
/// As [`attention`].
pub fn attention_packed(qkv: Tensor<2>, spans: &Spans, options: AttentionOptions, dropout: &mut Dropout) -> Tensor<2> {
    let [_, hidden] = check_shapes([&qkv], spans, &options, 3);
    #[cfg(feature = "flex")]
    if spans.tokens() * hidden > 0 && crate::fused::runs_on(&qkv) {
        let masks = dropout.site(options.dropout);
        return crate::fused::attention_packed(qkv, spans, options.within(spans), masks);
    }
    let [q, k, v] = [0, 1, 2].map(|part| qkv.clone().narrow(1, part * hidden, hidden));
    attention(q, k, v, spans, options, dropout)
}

/// Tokens, and the hidden size of a head times heads, of tensors that hold so many of them side by side.
fn check_shapes<const N: usize>(
    inputs: [&Tensor<2>; N],
    spans: &Spans,
    options: &AttentionOptions,
    parts: usize,
) -> [usize; 2] {
    let [tokens, width] = inputs[0].dims();
    for input in inputs {
        assert_eq!(input.dims(), [spans.tokens(), width], "the shape of an input of attention");
    }
    assert!(width.is_multiple_of(parts * options.heads), "{} heads of {width} numbers", options.heads);
    [tokens, width / parts]
}

/// [`attention`] composed of Burn's operations, with at most so many scores at once.
pub(crate) fn in_rectangles(
    [q, k, v]: [Tensor<2>; 3],
    spans: &Spans,
    options: AttentionOptions,
    masks: Option<Masks>,
    scores: usize,
) -> Tensor<2> {
    let device = q.device();
    let head_dim = q.dims()[1] / options.heads;
    let q = q * (1.0 / (head_dim as f64).sqrt());
    let mut places = vec![0i32; spans.tokens()];
    let mut start = 0;
    let mut in_order = true;
    let mut outputs = Vec::new();
    for rectangle in rectangles(spans, options.heads, options.window, scores) {
        for (row, block) in rectangle.rows.iter().enumerate() {
            for (place, token) in block.queries(spans, rectangle.queries).enumerate() {
                places[token] = (start + row * rectangle.queries + place) as i32;
                in_order &= places[token] == token as i32;
            }
        }
        start += rectangle.rows.len() * rectangle.queries;
        let inputs = [q.clone(), k.clone(), v.clone()];
        outputs.extend(Attend { rectangle: &rectangle, spans, options: &options, masks }.forward(inputs));
    }
    let output = if outputs.len() == 1 { outputs.remove(0) } else { Tensor::cat(outputs, 0) };
    if in_order && start == spans.tokens() { output } else { output.select(0, indices_tensor(places, &device)) }
}

/// Attention within one rectangle.
struct Attend<'a> {
    rectangle: &'a Rectangle,
    spans: &'a Spans,
    options: &'a AttentionOptions,
    masks: Option<Masks>,
}

impl Attend<'_> {
    /// Of queries that are scaled already: `[rows · queries, hidden]`, as parts to be joined.
    fn forward(&self, [q, k, v]: [Tensor<2>; 3]) -> Vec<Tensor<2>> {
        let Self { rectangle, spans, options, .. } = self;
        let [_, hidden] = q.dims();
        let (rows, heads) = (rectangle.rows.len(), options.heads);
        let by_head = |x: Tensor<2>, width| x.reshape([rows, width, heads, hidden / heads]).swap_dims(1, 2);
        let key_rows = rectangle.key_rows(spans);
        let q = by_head(gather(q, &rectangle.query_rows(spans), rectangle.queries), rectangle.queries);
        let k = by_head(gather(k, &key_rows, rectangle.keys), rectangle.keys).swap_dims(2, 3);
        let v = by_head(gather(v, &key_rows, rectangle.keys), rectangle.keys);

        let mut outputs = Vec::new();
        for first in (0..rectangle.queries).step_by(rectangle.block) {
            let places = first..rectangle.queries.min(first + rectangle.block);
            let queries = places.len();
            let q = if queries == rectangle.queries { q.clone() } else { q.clone().narrow(2, first, queries) };
            let scores = q.matmul(k.clone());
            let scores = match &options.bias {
                Some(bias) => scores + rectangle.bias(bias, places.clone()),
                None => scores,
            };
            let weights = match rectangle.hidden(spans, options.window, places.clone(), &scores.device()) {
                Some(hidden) => {
                    let all = hidden.places.expand([rows, heads, queries, rectangle.keys]);
                    let weights = softmax(scores.mask_fill(all.clone(), f32::MIN), 3);
                    if hidden.whole_rows { weights.mask_fill(all, 0.0) } else { weights }
                }
                None => softmax(scores, 3),
            };
            let weights = match self.masks {
                Some(masks) => weights * rectangle.dropout(masks, spans, heads, places, &v.device()),
                None => weights,
            };
            outputs.push(weights.matmul(v.clone()).swap_dims(1, 2).reshape([rows * queries, hidden]));
        }
        outputs
    }
}
