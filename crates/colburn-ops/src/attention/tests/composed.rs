//! Composed attention against its slow twin, which takes one query at a time and cuts keys off instead of masking them.

use burn::tensor::{Device, Tensor, TensorData, Tolerance, activation::softmax};

use crate::attention::composed::attention_within;
use crate::attention::{AttentionOptions, RelativeBias, attention};
use crate::batch::Batch;
use crate::masks::{Dropout, Masks};
use crate::padded::indices_tensor;
use crate::seed::mix;
use crate::spans::Spans;

const HIDDEN: usize = 8;

/// Near distances by themselves, far ones together, before and after unlike.
fn bucket(distance: i64) -> usize {
    (distance.clamp(-3, 3) + 3) as usize
}

fn one_by_one(inputs: &[Tensor<2>; 3], spans: &Spans, options: &AttentionOptions, masks: Option<&Masks>) -> Tensor<2> {
    let [q, k, v] = inputs;
    let (heads, dim) = (options.heads, HIDDEN / options.heads);
    let mut rows = Vec::new();
    for sequence in 0..spans.len() {
        let (tokens, length) = (spans.range(sequence), spans.length(sequence));
        for query in 0..length {
            let near = |key: &usize| options.window.is_none_or(|window| query.abs_diff(*key) <= window);
            let keys: Vec<usize> = (0..spans.keys(sequence)).filter(near).collect();
            let (Some(&first), Some(&last)) = (keys.first(), keys.last()) else {
                rows.push(Tensor::zeros([1, HIDDEN], &q.device()));
                continue;
            };
            let key_tokens = tokens.start + first..tokens.start + last + 1;
            for head in 0..heads {
                let columns = head * dim..(head + 1) * dim;
                let query_row = q.clone().slice([tokens.start + query..tokens.start + query + 1, columns.clone()]);
                let k = k.clone().slice([key_tokens.clone(), columns.clone()]);
                let v = v.clone().slice([key_tokens.clone(), columns]);
                let mut scores = query_row.matmul(k.transpose()) / (dim as f64).sqrt();
                if let Some(bias) = &options.bias {
                    let rows = keys.iter().map(|&key| (bias.bucket)(key as i64 - query as i64) as i32).collect();
                    let column = bias.table.clone().slice([0..bias.table.dims()[0], head..head + 1]);
                    scores = scores + column.select(0, indices_tensor(rows, &q.device())).transpose();
                }
                let mut weights = softmax(scores, 1);
                if let Some(masks) = masks {
                    let mut mask = vec![0.0; length];
                    masks.fill(sequence, (head * length + query) * length, &mut mask);
                    let mask = Tensor::<1>::from_data(&mask[first..=last], &q.device());
                    weights = weights * mask.reshape([1, keys.len()]);
                }
                rows.push(weights.matmul(v));
            }
        }
    }
    // [a row a head] to heads side by side; rows of queries without keys have all heads already.
    let flat = rows.into_iter().map(|row| {
        let count = row.dims()[1];
        row.reshape([count, 1])
    });
    Tensor::cat(flat.collect(), 0).reshape([spans.tokens(), HIDDEN])
}

fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>, what: &str) {
    let (a, b) = (a.into_data().try_to_vec::<f32>().unwrap(), b.into_data().try_to_vec::<f32>().unwrap());
    assert_eq!(a.len(), b.len());
    let difference = |(a, b): (&f32, &f32)| (a - b).abs() / b.abs().max(1.0);
    let worst = a.iter().zip(&b).map(difference).fold(0.0, |worst: f32, d| if d <= worst { worst } else { d });
    assert!(worst < 2e-5, "{what}: {worst}");
}

/// All combinations of window, bias, dropout, heads and bound on the scores, on these spans.
fn check(spans: &Spans, windows: &[Option<usize>], bounds: &[usize]) {
    let device = Device::flex().autodiff();
    let mut seed = 0;
    let mut draw = |rows: usize, columns: usize| {
        seed += 1;
        let value = |i| (mix(seed, i) >> 40) as f32 / (1 << 22) as f32 - 2.0;
        let values: Vec<f32> = (0..(rows * columns) as u64).map(value).collect();
        Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &device).require_grad()
    };
    let combined = |&window: &Option<usize>| {
        [(window, false, 0.0), (window, true, 0.0), (window, false, 0.3), (window, true, 0.3)]
    };
    for (window, biased, p) in windows.iter().flat_map(combined) {
        let heads = if biased { 4 } else { 2 };
        let inputs = [draw(spans.tokens(), HIDDEN), draw(spans.tokens(), HIDDEN), draw(spans.tokens(), HIDDEN)];
        let (weights, table) = (draw(spans.tokens(), HIDDEN), draw(7, heads));
        let bias = biased.then(|| RelativeBias { table: table.clone(), bucket });
        let options = AttentionOptions { heads, dropout: p, window, bias };
        let masks = Batch::new(spans, Dropout::seeded(11), &device).masks(p);
        let slow = one_by_one(&inputs, spans, &options, masks.as_ref());
        let slow_gradients = (slow.clone() * weights.clone()).sum().backward();
        for &bound in bounds {
            let what = format!("window {window:?}, bias {biased}, dropout {p}, at most {bound} scores");
            let mut batch = Batch::new(spans, Dropout::seeded(11), &device);
            let masks = batch.masks(p);
            let options = options.clone().within(spans);
            let fast = attention_within(bound, inputs.clone(), &options, masks, &mut batch);
            close(fast.clone().inner(), slow.clone().inner(), &what);
            let gradients = (fast * weights.clone()).sum().backward();
            for x in inputs.iter().chain(biased.then_some(&table)) {
                close(x.grad(&gradients).unwrap(), x.grad(&slow_gradients).unwrap(), &what);
            }
        }
    }
}

#[test]
fn short_sequences_agree_with_the_slow_twin() {
    let all = [usize::MAX, 2000, 60];
    check(&Spans::from_lengths(&[5, 5, 5]), &[None, Some(0), Some(2), Some(4)], &all);
    let spans = Spans::with_keys(&[8, 8, 3, 20, 1, 17], &[2, 8, 3, 20, 1, 17]).unwrap();
    check(&spans, &[None, Some(3), Some(usize::MAX)], &all);
    check(&Spans::with_keys(&[32, 32, 60, 40, 60], &[9, 12, 60, 40, 60]).unwrap(), &[None, Some(7)], &all);
}

#[test]
fn sequences_cut_in_blocks_agree_with_the_slow_twin() {
    let all = [usize::MAX, 30_000, 100];
    // 64 queries a block: the first has a last block of one query, the second a full one, the third no keys in most, the last is not cut.
    let spans = Spans::with_keys(&[129, 128, 150, 40], &[129, 128, 20, 40]).unwrap();
    check(&spans, &[Some(1), Some(5)], &all);
    check(&Spans::from_lengths(&[7, 300]), &[Some(70)], &all);
}

#[test]
fn a_token_without_keys_becomes_zero() {
    let device = Device::flex();
    let x = Tensor::<2>::ones([12, HIDDEN], &device);
    let spans = Spans::with_keys(&[2, 10], &[0, 3]).unwrap();
    let options = AttentionOptions { window: Some(2), ..AttentionOptions::new(2) };
    let values =
        attention(x.clone(), x.clone(), x, options, &mut Batch::new(&spans, Dropout::off(), &device)).into_data();
    let expected: Vec<f32> = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        .into_iter()
        .flat_map(|value| [value; HIDDEN])
        .collect();
    values.assert_approx_eq::<f32>(&TensorData::new(expected, [12, HIDDEN]), Tolerance::absolute(1e-6));
}

#[test]
fn dropout_belongs_to_texts_and_not_to_the_batch() {
    let device = Device::flex();
    let ones = |tokens| Tensor::<2>::ones([tokens, HIDDEN], &device);
    let options = AttentionOptions { dropout: 0.5, ..AttentionOptions::new(2) };
    let drop = |lengths: &[usize], dropout: Dropout| {
        let spans = Spans::from_lengths(lengths);
        let [q, k, v] = [ones(spans.tokens()), ones(spans.tokens()), ones(spans.tokens())];
        let mut batch = Batch::new(&spans, dropout, &device);
        attention(q, k, v, options.clone(), &mut batch).into_data().try_to_vec::<f32>().unwrap()
    };
    let together = drop(&[6, 9, 7], Dropout::seeded(5));
    assert_eq!(together[6 * HIDDEN..15 * HIDDEN], drop(&[9], Dropout::seeded(5).from_text(1)));
    assert!(together.iter().any(|&value| value != together[0]));
}
