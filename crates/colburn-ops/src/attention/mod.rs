//! Multi-head attention over a packed run: every token attends to the keys of its own sequence, or to those near it.
//!
//! This is the composed form, made of Burn's operations. [`rectangles`] lays the work out: sequences of similar length together, so that a
//! batch of short queries and long documents pays for little padding, and long ones in blocks, so that memory stays bounded.

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
/// With a window it grows with tokens × window. Without one, a bounded number of scores exists at a time, so that
/// it grows with the tokens; but on an autodiff device the weights of all scores, heads × length² of each sequence, are kept for the gradient.
pub fn attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    spans: &Spans,
    options: AttentionOptions,
    dropout: &mut Dropout,
) -> Tensor<2> {
    let scores = most_scores(&q.device());
    in_rectangles(q, k, v, spans, options, dropout, scores)
}

/// [`attention`] of queries, keys and values that lie side by side: `[tokens, 3 · hidden]`.
pub fn attention_packed(qkv: Tensor<2>, spans: &Spans, options: AttentionOptions, dropout: &mut Dropout) -> Tensor<2> {
    let hidden = qkv.dims()[1] / 3;
    let part = |number: usize| qkv.clone().narrow(1, number * hidden, hidden);
    attention(part(0), part(1), part(2), spans, options, dropout)
}

/// [`attention`] with at most so many scores at once.
fn in_rectangles(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    spans: &Spans,
    options: AttentionOptions,
    dropout: &mut Dropout,
    scores: usize,
) -> Tensor<2> {
    if spans.tokens() == 0 {
        return q;
    }
    // A window that holds every sequence is none.
    let options = AttentionOptions { window: options.window.filter(|&window| window < spans.max_length()), ..options };
    let device = q.device();
    let head_dim = q.dims()[1] / options.heads;
    let q = q * (1.0 / (head_dim as f64).sqrt());
    let masks = dropout.site(options.dropout);
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
