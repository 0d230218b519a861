//! NaN in queries, keys or values comes out as NaN, and tokens without any key stay 0, as in torch.

use burn::tensor::{Device, Tensor};

use crate::attention::{AttentionOptions, composed, flex};
use crate::batch::Batch;
use crate::masks::Dropout;
use crate::spans::Spans;
use crate::testing::random;

const HIDDEN: usize = 8;
/// Columns of the first of two heads.
const HEAD: usize = HIDDEN / 2;
/// The first token of the second text, and its key with NaN.
const START: usize = 6;
const KEY: usize = 1;

type Attention = fn([Tensor<2>; 3], &AttentionOptions, &mut Batch) -> Tensor<2>;

/// An implementation, and the device that it runs on.
type Form = (Attention, fn() -> Device);

const KERNEL: Form = (kernel, Device::flex);
const TWIN: Form = (twin, Device::flex);

fn kernel(inputs: [Tensor<2>; 3], options: &AttentionOptions, batch: &mut Batch) -> Tensor<2> {
    let masks = batch.masks(options.dropout);
    flex::attention(inputs, options.clone(), masks, batch)
}

fn twin(inputs: [Tensor<2>; 3], options: &AttentionOptions, batch: &mut Batch) -> Tensor<2> {
    let masks = batch.masks(options.dropout);
    composed::attention(inputs, options, masks, batch)
}

/// A text with all of its keys, one with 3, one without any, and a long one.
fn spans() -> Spans {
    Spans::with_keys(&[6, 9, 4, 400], &[6, 3, 0, 400]).unwrap()
}

/// The values, and the gradients by q, k and v, as rows, with NaN in one number of one input.
fn rows((attention, device): Form, options: &AttentionOptions, broken: usize, token: usize) -> [Vec<Vec<f32>>; 4] {
    let device = device();
    let spans = spans();
    let inputs: [Tensor<2>; 3] = std::array::from_fn(|input| {
        let x = random([spans.tokens(), HIDDEN], input as u64 + 1);
        let x = if input == broken { x.slice_fill([token..token + 1, 0..1], f32::NAN) } else { x };
        Tensor::<2>::from_data(x.into_data(), &device).autodiff().require_grad()
    });
    let mut batch = Batch::new(&spans, Dropout::seeded(3), &device.autodiff());
    let value = attention(inputs.clone(), options, &mut batch);
    let gradients = value.clone().powi_scalar(2).sum().backward();
    let rows = |x: Tensor<2>| -> Vec<Vec<f32>> {
        x.into_data().try_to_vec::<f32>().unwrap().chunks(HIDDEN).map(<[f32]>::to_vec).collect()
    };
    let [q, k, v] = inputs.map(|input| rows(input.grad(&gradients).unwrap()));
    [rows(value.inner()), q, k, v]
}

pub(super) fn check(attention: Form, window: Option<usize>, dropout: f64) {
    let options = AttentionOptions { window, dropout, ..AttentionOptions::new(2) };
    let sees = |position: usize| window.is_none_or(|window| position.abs_diff(KEY) <= window);
    let has_key = |position: usize| window.is_none_or(|window| position <= 2 + window);
    for broken in 0..3 {
        let what = format!("window {window:?}, dropout {dropout}, input {broken}");
        let [values, by_q, by_k, by_v] = rows(attention, &options, broken, START + KEY);
        for (position, row) in values[START..START + 9].iter().enumerate() {
            let (first, second) = row.split_at(HEAD);
            assert!(second.iter().all(|value| value.is_finite()), "{what}: the other head");
            if !has_key(position) {
                assert_eq!(*row, [0.0; HIDDEN], "{what}: position {position} has no key");
                continue;
            }
            match broken {
                0 => assert!(first.iter().all(|value| value.is_nan() == (position == KEY)), "{what}: {position}"),
                1 => assert!(first.iter().all(|value| value.is_nan() == sees(position)), "{what}: {position}"),
                // A weight of 0 times NaN is NaN, so tokens that do not see the key may be NaN, too.
                _ => assert!(first[0].is_nan() || !sees(position), "{what}: {position}"),
            }
        }
        assert_eq!(values[15..19].concat(), [0.0; 4 * HIDDEN], "{what}: a text without keys");
        for rows in [&values, &by_q, &by_k, &by_v] {
            let others = rows[..START].iter().chain(&rows[15..]).flatten();
            assert!(others.copied().all(f32::is_finite), "{what}: another text");
        }
        let is_nan =
            |rows: &[Vec<f32>]| rows[START..START + 9].iter().any(|row| row[..HEAD].iter().any(|g| g.is_nan()));
        assert!([&by_q, &by_k, &by_v].into_iter().all(|rows| is_nan(rows)), "{what}: gradients");
    }
}

#[test]
fn the_kernel_keeps_nan() {
    for (window, dropout) in [(None, 0.0), (Some(1), 0.0), (None, 0.3), (Some(1), 0.3)] {
        check(KERNEL, window, dropout);
    }
}

#[test]
fn the_composed_form_keeps_nan() {
    for (window, dropout) in [(None, 0.0), (Some(1), 0.0), (None, 0.3), (Some(1), 0.3)] {
        check(TWIN, window, dropout);
    }
}

/// Far behind it NaN comes in another part of the keys than the first.
#[test]
fn nan_in_any_part_of_the_keys_comes_out() {
    check_parts(KERNEL);
    check_parts(TWIN);
}

pub(super) fn check_parts(attention: Form) {
    for token in [19, 19 + 200, 19 + 399] {
        for broken in 0..3 {
            let [values, ..] = rows(attention, &AttentionOptions::new(2), broken, token);
            let nan = |row: &Vec<f32>| row[0].is_nan();
            let count = values[19..].iter().filter(|row| nan(row)).count();
            assert_eq!(count, if broken == 0 { 1 } else { 400 }, "token {token}, input {broken}");
            assert!(!values[..19].iter().any(nan));
        }
    }
}

/// An infinite score is NaN after the softmax, as in torch, and so are scores that overflow.
#[test]
fn infinite_scores_are_nan() {
    check_infinite(KERNEL);
    check_infinite(TWIN);
}

pub(super) fn check_infinite((attention, device): Form) {
    let spans = Spans::from_lengths(&[3, 2]);
    for sign in [1.0, -1.0] {
        let q = random([5, HIDDEN], 1).slice_fill([0..1, 0..1], f32::MAX);
        let k = Tensor::<2>::ones([5, HIDDEN], &Device::flex()) * 1e30 * sign;
        let mut batch = Batch::new(&spans, Dropout::off(), &device());
        let inputs = [q, k, random([5, HIDDEN], 2)].map(|x| Tensor::from_data(x.into_data(), &device()));
        let values = attention(inputs, &AttentionOptions::new(2), &mut batch);
        let values = values.into_data().try_to_vec::<f32>().unwrap();
        assert!(values[..HEAD].iter().all(|value| value.is_nan()));
        assert!(values[HEAD..].iter().all(|value| value.is_finite()));
    }
}

/// NaN that stays in the memory of a thread does not reach the next batch.
#[test]
fn the_next_batch_is_clean() {
    let options = AttentionOptions { window: Some(20), dropout: 0.3, ..AttentionOptions::new(2) };
    for _ in 0..8 {
        rows(KERNEL, &options, 1, 19 + 30);
        let clean = rows(KERNEL, &options, 3, 0);
        assert!(clean.iter().flatten().flatten().all(|value| value.is_finite()));
    }
}
