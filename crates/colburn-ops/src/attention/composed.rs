//! Attention made of Burn's operations. It goes by [rectangles](super::rectangles): sequences of similar length together, so that a batch of
//! short queries and long documents has little padding, and long ones in blocks, so that memory stays bounded.
//!
//! Index tensors, masks and buckets are the same in all layers, and are made once a batch.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, activation::softmax};

use super::options::{AttentionOptions, RelativeBias};
use super::rectangles::{Hidden, Layout, Rectangle};
use crate::batch::Batch;
use crate::device::is_cpu;
use crate::masks::Masks;
use crate::spans::Spans;

/// The most scores that are computed at once, of all heads; one query's scores are never divided. On a CPU they take 16 MiB of f32, for each
/// core may be at another text; elsewhere 256 MiB, for each operation costs a start.
fn most_scores(device: &Device) -> usize {
    if is_cpu(device) { 1 << 22 } else { 1 << 26 }
}

/// The key of a layout in a batch.
#[derive(Clone, Copy, PartialEq)]
struct Key {
    heads: usize,
    window: Option<usize>,
    scores: usize,
}

/// The key of the buckets of a layout.
#[derive(PartialEq)]
struct BucketsKey {
    layout: Key,
    function: usize,
}

/// Attention of `[tokens, hidden]` each.
pub(super) fn attention(
    inputs: [Tensor<2>; 3],
    options: &AttentionOptions,
    masks: Option<Masks>,
    batch: &mut Batch,
) -> Tensor<2> {
    let scores = most_scores(batch.device());
    attention_within(scores, inputs, options, masks, batch)
}

/// As [`attention`], with at most so many scores at once.
pub(super) fn attention_within(
    scores: usize,
    [q, k, v]: [Tensor<2>; 3],
    options: &AttentionOptions,
    masks: Option<Masks>,
    batch: &mut Batch,
) -> Tensor<2> {
    let key = Key { heads: options.heads, window: options.window, scores };
    let layout = batch.prepared(key, |spans, device| Layout::new(spans, options.heads, options.window, scores, device));
    let buckets: Option<Arc<Vec<Option<Tensor<1, Int>>>>> = options.bias.as_ref().map(|bias| {
        let key = BucketsKey { layout: key, function: bias.function() };
        batch.prepared(key, |_, device| layout.rectangles.iter().map(|one| one.buckets(bias, device)).collect())
    });
    let head_dim = q.dims()[1] / options.heads;
    let q = q * (1.0 / (head_dim as f64).sqrt());
    let mut outputs = Vec::new();
    for (number, rectangle) in layout.rectangles.iter().enumerate() {
        let buckets = buckets.as_ref().and_then(|buckets| buckets[number].as_ref());
        let attend = Attend { rectangle, spans: batch.spans(), options, masks: masks.as_ref(), buckets };
        outputs.extend(attend.forward([q.clone(), k.clone(), v.clone()]));
    }
    let output = if outputs.len() == 1 { outputs.remove(0) } else { Tensor::cat(outputs, 0) };
    match &layout.order {
        Some(order) => output.select(0, order.clone()),
        None => output,
    }
}

/// Attention within one rectangle.
struct Attend<'a> {
    rectangle: &'a Rectangle,
    spans: &'a Spans,
    options: &'a AttentionOptions,
    masks: Option<&'a Masks>,
    /// The buckets of all scores, if they are kept.
    buckets: Option<&'a Tensor<1, Int>>,
}

impl Attend<'_> {
    /// The result for queries that are scaled already, `[rows · queries, hidden]`, as parts to be joined.
    fn forward(&self, [q, k, v]: [Tensor<2>; 3]) -> Vec<Tensor<2>> {
        let Self { rectangle, options, .. } = self;
        let [_, hidden] = q.dims();
        let (rows, heads) = (rectangle.rows.len(), options.heads);
        let by_head = |x: Tensor<2>, width| x.reshape([rows, width, heads, hidden / heads]).swap_dims(1, 2);
        let q = by_head(rectangle.query_places.of(q), rectangle.queries);
        let k = by_head(rectangle.key_places.of(k), rectangle.keys).swap_dims(2, 3);
        let v = by_head(rectangle.key_places.of(v), rectangle.keys);

        let mut outputs = Vec::new();
        for (places, hidden_scores) in rectangle.blocks().zip(&rectangle.hidden) {
            let (first, queries) = (places.start, places.len());
            let q = if queries == rectangle.queries { q.clone() } else { q.clone().narrow(2, first, queries) };
            let scores = q.matmul(k.clone());
            let scores = match &options.bias {
                Some(bias) => scores + self.bias(bias, places.clone()),
                None => scores,
            };
            let weights = match hidden_scores {
                Some(Hidden { places, without_key }) => {
                    let places = places.clone().expand([rows, heads, queries, rectangle.keys]);
                    let weights = softmax(scores.mask_fill(places.clone(), f32::MIN), 3);
                    if without_key.is_some() { weights.mask_fill(places, 0.0) } else { weights }
                }
                None => softmax(scores, 3),
            };
            let weights = match self.masks {
                Some(masks) => weights * rectangle.dropout(masks, self.spans, heads, places, &v.device()),
                None => weights,
            };
            let output = weights.matmul(v.clone());
            // Filled again, because 0 times a value with NaN is NaN.
            let output = match hidden_scores.as_ref().and_then(|hidden| hidden.without_key.clone()) {
                Some(without_key) => {
                    let shape = output.dims();
                    output.mask_fill(without_key.expand(shape), 0.0)
                }
                None => output,
            };
            outputs.push(output.swap_dims(1, 2).reshape([rows * queries, hidden]));
        }
        outputs
    }

    /// The bias of the scores of these query places, `[1, heads, places, keys]`. It is the same for all rows.
    fn bias(&self, bias: &RelativeBias, places: Range<usize>) -> Tensor<4> {
        let [_, heads] = bias.table.dims();
        let buckets = match self.buckets {
            Some(buckets) => buckets.clone(),
            None => self.rectangle.buckets_of(bias, places.clone(), &bias.table.device()),
        };
        let values = bias.table.clone().select(0, buckets);
        values.reshape([1, places.len(), self.rectangle.keys, heads]).permute([0, 3, 1, 2])
    }
}
