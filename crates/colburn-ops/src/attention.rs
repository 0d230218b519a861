//! Multi-head attention over a packed run: every token attends to the keys of its own sequence.
//!
//! This is the composed form, made of Burn's operations. It lays sequences of similar length out as rectangles, so that a batch of
//! short queries and long documents pays for little padding, and hides the places that hold no key.

use burn::tensor::{Tensor, activation::softmax};

use crate::{
    Dropout, Spans,
    dropout::Masks,
    padded::{Padded, indices_tensor},
};

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
/// # Shapes
/// `q`, `k`, `v` and the result: `[tokens, hidden]`, heads side by side in the hidden dimension.
pub fn attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    spans: &Spans,
    options: AttentionOptions,
    dropout: &mut Dropout,
) -> Tensor<2> {
    if spans.tokens() == 0 {
        return q;
    }
    let device = q.device();
    let head_dim = q.dims()[1] / options.heads;
    let q = q * (1.0 / (head_dim as f64).sqrt());
    let masks = dropout.site(options.dropout);
    let buckets = buckets(spans);
    let mut places = vec![0i32; spans.tokens()];
    let mut start = 0;
    let mut outputs = Vec::with_capacity(buckets.len());
    let mut in_order = true;
    for bucket in &buckets {
        let padded = Padded::new(spans, bucket);
        for (row, &sequence) in bucket.iter().enumerate() {
            for (place, token) in spans.range(sequence).enumerate() {
                places[token] = (start + row * padded.width + place) as i32;
                in_order &= places[token] == token as i32;
            }
        }
        start += padded.rows() * padded.width;
        outputs.push(rectangle(&padded, q.clone(), k.clone(), v.clone(), spans, options.heads, masks));
    }
    let output = if outputs.len() == 1 { outputs.remove(0) } else { Tensor::cat(outputs, 0) };
    if in_order && start == spans.tokens() { output } else { output.select(0, indices_tensor(places, &device)) }
}

/// Attention within the sequences of one rectangle, `[rows · width, hidden]`, of queries that are scaled already.
fn rectangle(
    padded: &Padded,
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    spans: &Spans,
    heads: usize,
    masks: Option<Masks>,
) -> Tensor<2> {
    let device = q.device();
    let [_, hidden] = q.dims();
    let (rows, width) = (padded.rows(), padded.width);
    let head_dim = hidden / heads;
    let by_head = |x: Tensor<2>| padded.gather(x).reshape([rows, width, heads, head_dim]).swap_dims(1, 2);

    let scores = by_head(q).matmul(by_head(k).swap_dims(2, 3));
    let scores = match padded.unused(&device, |sequence, place| place < spans.keys(sequence)) {
        Some(unused) => {
            let unused = unused.reshape([rows, 1, 1, width]).expand([rows, heads, width, width]);
            scores.mask_fill(unused, f32::MIN)
        }
        None => scores,
    };
    let weights = softmax(scores, 3);
    let weights = match masks {
        Some(masks) => masks.apply_to_weights(weights, padded, spans),
        None => weights,
    };
    weights.matmul(by_head(v)).swap_dims(1, 2).reshape([rows * width, hidden])
}

/// Sequences of similar length together: within a bucket the shortest has at least three quarters of the longest one's tokens.
fn buckets(spans: &Spans) -> Vec<Vec<usize>> {
    let mut by_length: Vec<usize> = (0..spans.len()).filter(|&sequence| spans.length(sequence) > 0).collect();
    by_length.sort_by_key(|&sequence| std::cmp::Reverse(spans.length(sequence)));
    let mut buckets: Vec<Vec<usize>> = Vec::new();
    for sequence in by_length {
        match buckets.last_mut() {
            Some(bucket) if 4 * spans.length(sequence) >= 3 * spans.length(bucket[0]) => bucket.push(sequence),
            _ => buckets.push(vec![sequence]),
        }
    }
    for bucket in &mut buckets {
        bucket.sort_unstable();
    }
    buckets.sort_unstable_by_key(|bucket| bucket[0]);
    buckets
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Tolerance};

    const OPTIONS: AttentionOptions = AttentionOptions { heads: 2, dropout: 0.0, window: None, bias: None };

    /// The slow twin: one sequence at a time, keys cut off instead of masked.
    fn one_by_one(q: &Tensor<2>, k: &Tensor<2>, v: &Tensor<2>, spans: &Spans) -> Tensor<2> {
        let hidden = q.dims()[1];
        let dim = hidden / OPTIONS.heads;
        let rows = (0..spans.len()).map(|sequence| {
            let tokens = spans.range(sequence);
            let keys = tokens.start..tokens.start + spans.keys(sequence);
            let heads = (0..OPTIONS.heads).map(|head| {
                let columns = head * dim..(head + 1) * dim;
                let q = q.clone().slice([tokens.clone(), columns.clone()]);
                let k = k.clone().slice([keys.clone(), columns.clone()]);
                let v = v.clone().slice([keys.clone(), columns]);
                softmax(q.matmul(k.transpose()) / (dim as f64).sqrt(), 1).matmul(v)
            });
            Tensor::cat(heads.collect(), 1)
        });
        Tensor::cat(rows.collect(), 0)
    }

    #[test]
    fn agrees_with_the_slow_twin_in_value_and_gradient() {
        let device = Device::flex().autodiff();
        device.seed(7);
        let cases = [
            Spans::from_lengths(&[5, 5, 5]),
            Spans::with_keys(&[8, 8, 3, 20, 1, 17], &[2, 8, 3, 20, 1, 17]).unwrap(),
            Spans::with_keys(&[32, 32, 180, 40, 60], &[9, 12, 180, 40, 60]).unwrap(),
        ];
        for spans in cases {
            let draw =
                || Tensor::<2>::random([spans.tokens(), 8], Distribution::Normal(0.0, 1.0), &device).require_grad();
            let (q, k, v, weights) = (draw(), draw(), draw(), draw());
            let packed = attention(q.clone(), k.clone(), v.clone(), &spans, OPTIONS, &mut Dropout::off());
            let slow = one_by_one(&q, &k, &v, &spans);
            let close = |a: Tensor<2>, b: Tensor<2>| {
                a.into_data().assert_approx_eq::<f32>(&b.into_data(), Tolerance::absolute(1e-5));
            };
            close(packed.clone().inner(), slow.clone().inner());
            let packed = (packed * weights.clone()).sum().backward();
            let slow = (slow * weights).sum().backward();
            for x in [q, k, v] {
                close(x.grad(&packed).unwrap(), x.grad(&slow).unwrap());
            }
        }
    }

    #[test]
    fn buckets_bound_the_padding() {
        let spans = Spans::from_lengths(&[32, 32, 100, 180, 0, 140, 24]);
        let buckets = buckets(&spans);
        assert_eq!(buckets, [vec![0, 1, 6], vec![2], vec![3, 5]]);
    }
}
