//! The kernels of CubeCL against the composed form on flex.

use burn::tensor::{DType, Device, Tensor};

use super::kernel::{Case, draw};
use super::nan;
use crate::attention::cube::Attention;
use crate::attention::{AttentionOptions, cube};
use crate::batch::Batch;
use crate::cube::testing::{agree, device, has_bf16, moved, short_types, values};
use crate::kernel::cube::{apply_1, apply_2, apply_3, apply_4};
use crate::spans::Spans;
use crate::testing::random;

/// Shared memory for the largest tiles.
const MEMORY: usize = 64 << 10;

impl Case {
    fn attention(&self, table: Option<Tensor<2>>, memory: usize) -> Attention {
        let mut batch = self.batch(&device());
        let masks = batch.masks(self.dropout);
        Attention::new(self.options(table), masks, &mut batch).within(memory)
    }

    fn check_on_cube(&self, seed: u64, memory: usize) {
        let [q, k, v, table] = self.draw(seed);
        if self.biased {
            let kernel = |[q, k, v, table]: [Tensor<2>; 4]| {
                apply_4::<_, 2>(self.attention(Some(table.clone()), memory), q, k, v, table)
            };
            agree([q, k, v, table], kernel, |[q, k, v, table]| self.twin([q, k, v], Some(table)), 2e-5);
        } else {
            let kernel = |[q, k, v]: [Tensor<2>; 3]| apply_3::<_, 2>(self.attention(None, memory), q, k, v);
            agree([q, k, v], kernel, |inputs| self.twin(inputs, None), 2e-5);
        }
    }

    /// The same with q, k and v side by side.
    fn check_packed_on_cube(&self, seed: u64, memory: usize) {
        let [q, k, v, table] = self.draw(seed);
        let qkv = Tensor::cat(vec![q, k, v], 1);
        let parts = |qkv: Tensor<2>| {
            let hidden = self.heads * self.head_dim;
            [0, 1, 2].map(|part| qkv.clone().narrow(1, part * hidden, hidden))
        };
        if self.biased {
            let kernel =
                |[qkv, table]: [Tensor<2>; 2]| apply_2::<_, 2>(self.attention(Some(table.clone()), memory), qkv, table);
            agree([qkv, table], kernel, |[qkv, table]| self.twin(parts(qkv), Some(table)), 2e-5);
        } else {
            let kernel = |[qkv]: [Tensor<2>; 1]| apply_1::<_, 2>(self.attention(None, memory), qkv);
            agree([qkv], kernel, |[qkv]| self.twin(parts(qkv), None), 2e-5);
        }
    }
}

/// Few of many sizes on a device in software, whose compiler takes seconds for a kernel of each.
fn some<T: Clone>(all: &[T], few: usize) -> Vec<T> {
    all[..if has_bf16() { all.len() } else { few }].to_vec()
}

#[test]
fn agrees_with_its_twin() {
    let lengths = [0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 65, 100, 180, 200];
    for head_dim in some(&[12, 32, 4, 8, 16, 20, 64], 2) {
        for number in 0..16 {
            let seed = 100 * head_dim as u64 + number;
            let case = Case { head_dim, ..draw(seed, &lengths) };
            if number % 2 == 0 { case.check_on_cube(seed, MEMORY) } else { case.check_packed_on_cube(seed, MEMORY) }
        }
    }
}

#[test]
fn agrees_with_its_twin_at_any_tiles() {
    let sizes = [(1, 64), (32, 6), (64, 32), (7, 16), (2, 3), (33, 32), (64, 16), (96, 32), (128, 16), (128, 64)];
    for (seed, (head_dim, kibibytes)) in some(&sizes, 3).into_iter().enumerate() {
        let case = Case { head_dim, heads: 2, ..draw(seed as u64, &[0, 1, 5, 32, 47]) };
        case.check_packed_on_cube(seed as u64, kibibytes << 10);
    }
}

#[test]
fn agrees_with_its_twin_at_many_tiles() {
    for (seed, length) in [193, 384, 700].into_iter().enumerate() {
        for part in 0..3 {
            let case = draw(1000 + 10 * seed as u64 + part, &[length, 9]);
            let spans = Spans::concat([&case.spans, &Spans::from_lengths(&[length])]);
            Case { spans, head_dim: 12, ..case }.check_on_cube(seed as u64, MEMORY);
        }
    }
}

#[test]
fn a_largest_score_that_comes_late_corrects_what_was_summed() {
    let spans = Spans::from_lengths(&[600]);
    let case = Case { spans, heads: 1, head_dim: 12, window: None, biased: false, dropout: 0.0 };
    let [q, _, v, _] = case.draw(5);
    let growth = random::<2>([600, 12], 6) * 0.1 + Tensor::arange(0..600, &q.device()).float().reshape([600, 1]) * 0.5;
    let kernel = |[q, k, v]: [Tensor<2>; 3]| apply_3::<_, 2>(case.attention(None, MEMORY), q, k, v);
    agree([q, growth, v], kernel, |inputs| case.twin(inputs, None), 1e-4);
}

#[test]
fn a_window_of_0_leaves_each_token_to_itself() {
    let spans = Spans::with_keys(&[70, 1, 9], &[60, 1, 0]).unwrap();
    let case = Case { spans, heads: 2, head_dim: 12, window: Some(0), biased: false, dropout: 0.0 };
    let [q, k, v, _] = case.draw(3).map(|x| moved(x).autodiff().require_grad());
    let value = apply_3::<_, 2>(case.attention(None, MEMORY), q.clone(), k.clone(), v.clone());
    let gradients = value.clone().sum().backward();
    let (v_values, value, by_v) =
        (values(v.clone().inner()), values(value.inner()), values(v.grad(&gradients).unwrap()));
    for (place, &value) in value.iter().enumerate() {
        let counts = place / 24 < 60 || place / 24 == 70;
        assert!((value - if counts { v_values[place] } else { 0.0 }).abs() < 1e-6);
        assert_eq!(by_v[place] != 0.0, counts);
    }
    for x in [q, k] {
        assert!(values(x.grad(&gradients).unwrap()).iter().all(|gradient| gradient.abs() < 1e-4));
    }
}

#[test]
fn results_are_the_same_in_every_run() {
    let spans = Spans::with_keys(&[180, 3, 0, 300, 64, 17], &[180, 0, 0, 250, 64, 9]).unwrap();
    let case = Case { spans, heads: 3, head_dim: 32, window: None, biased: true, dropout: 0.1 };
    let run = || {
        let inputs = case.draw(9).map(|x| moved(x).autodiff().require_grad());
        let [q, k, v, table] = inputs.clone();
        let value = apply_4::<_, 2>(case.attention(Some(table.clone()), MEMORY), q, k, v, table);
        let gradients = value.clone().powf_scalar(2.0).sum().backward();
        let mut all = vec![values(value.inner())];
        all.extend(inputs.iter().map(|input| values(input.grad(&gradients).unwrap())));
        all
    };
    assert!(run() == run());
}

/// The gradient by the bias of a table that holds the bucket of every distance apart.
#[test]
fn has_the_gradient_of_many_buckets() {
    let spans = Spans::with_keys(&[100, 40], &[90, 40]).unwrap();
    let options = |table: Tensor<2>| {
        let bias = crate::attention::RelativeBias { table, bucket: |distance| (distance + 99) as usize };
        AttentionOptions { bias: Some(bias), ..AttentionOptions::new(2) }
    };
    let batch = |device: &Device| Batch::new(&spans, crate::masks::Dropout::off(), device);
    let inputs = [random([140, 48], 1), random([199, 2], 2)];
    let parts = |qkv: Tensor<2>| [0, 1, 2].map(|part| qkv.clone().narrow(1, part * 16, 16));
    agree(
        inputs,
        |[qkv, table]| apply_2::<_, 2>(Attention::new(options(table.clone()), None, &mut batch(&device())), qkv, table),
        |[qkv, table]| {
            crate::attention::composed::attention(parts(qkv), &options(table), None, &mut batch(&Device::flex()))
        },
        2e-5,
    );
}

fn kernel(inputs: [Tensor<2>; 3], options: &AttentionOptions, batch: &mut Batch) -> Tensor<2> {
    let masks = batch.masks(options.dropout);
    cube::attention(inputs, options.clone(), masks, batch)
}

#[test]
fn keeps_nan() {
    for (window, dropout) in [(None, 0.0), (Some(1), 0.0), (None, 0.3), (Some(1), 0.3)] {
        nan::check((kernel, device), window, dropout);
    }
    nan::check_parts((kernel, device));
}

#[test]
fn infinite_scores_are_nan() {
    nan::check_infinite((kernel, device));
}

#[test]
fn agrees_with_its_twin_in_short_types() {
    for dtype in short_types() {
        agrees_in(dtype);
    }
}

fn agrees_in(dtype: DType) {
    for (seed, head_dim) in some(&[8, 20, 32, 64, 128], 1).into_iter().enumerate() {
        let case = Case { head_dim, ..draw(seed as u64, &[0, 3, 32, 65, 180]) };
        let [q, k, v, table] = case.draw(seed as u64).map(|x| x.cast(dtype).cast(DType::F32));
        let kernel = |[q, k, v, table]: [Tensor<2>; 4]| {
            let [q, k, v] = [q, k, v].map(|x| x.cast(dtype));
            let table = case.biased.then_some(table);
            let attention = case.attention(table.clone(), MEMORY);
            let value: Tensor<2> = match table {
                Some(table) => apply_4(attention, q, k, v, table),
                None => apply_3(attention, q, k, v),
            };
            value.cast(DType::F32)
        };
        let twin = |[q, k, v, table]: [Tensor<2>; 4]| case.twin([q, k, v], case.biased.then_some(table));
        agree([q, k, v, table], kernel, twin, 2e-2);
    }
}
