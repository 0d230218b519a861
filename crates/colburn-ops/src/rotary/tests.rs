//! Rotations of transformers, and the kernel against its twin.

use burn::tensor::{Device, Tensor, TensorData, Tolerance};

use super::angles::{Tables, frequencies};
use super::{Rotary, composed};
use crate::batch::Batch;
use crate::masks::Dropout;
use crate::spans::Spans;
use crate::testing::{agree, random, same_on_any_threads};

// 1.0 / (160000.0 ** (torch.arange(0, 64, 2, dtype=torch.int64).float() / 64))[[1, 5, 17, 31]]
#[test]
fn frequencies_are_those_of_transformers() {
    let frequencies = frequencies(64, 160_000.0);
    let some = [1, 5, 17, 31].map(|i: usize| frequencies[i]);
    assert_eq!(some, [0.68765604, 0.15376456, 0.0017191401, 9.088847e-6]);
}

// x = torch.arange(2 * 2 * 4, dtype=torch.float32).reshape(1, 2, 2, 4).sin()  # [1, heads, tokens, head_dim]
// frequencies = 1.0 / (10000.0 ** (torch.arange(0, 4, 2).float() / 4)); angles = torch.tensor([[0.], [3.]]) * frequencies
// cos, sin = (torch.cat((angles, angles), -1)[None].cos(), torch.cat((angles, angles), -1)[None].sin())
// q, _ = transformers.models.modernbert.modeling_modernbert.apply_rotary_pos_emb(x, x, cos, sin)
// print(q.transpose(1, 2).reshape(2, 8))
#[test]
fn heads_are_rotated_as_in_transformers() {
    let device = Device::flex();
    // The second token of q is at position 3; the other tokens of that text are zero.
    let spans = Spans::from_lengths(&[1, 4]);
    let sin = |range: std::ops::Range<i32>| range.map(|i| (i as f32).sin());
    let mut x = vec![0.0f32; 5 * 8];
    x[..8].copy_from_slice(&sin(0..4).chain(sin(8..12)).collect::<Vec<_>>());
    x[32..].copy_from_slice(&sin(4..8).chain(sin(12..16)).collect::<Vec<_>>());
    let x = Tensor::<2>::from_data(TensorData::new(x, [5, 8]), &device);
    let rotated = Rotary(Tables::of_spans(&spans, 4, 10_000.0, &device)).apply(x.clone());
    let expected = [
        [0.0, 0.84147096, 0.9092974, 0.14112, 0.98935825, 0.4121185, -0.5440211, -0.9999902f32],
        [0.7886599, -0.9781995, 0.16981927, 0.62792754, 0.39140862, 0.40047225, -1.0564151, 0.6625984],
    ];
    let found = Tensor::cat(vec![rotated.clone().narrow(0, 0, 1), rotated.narrow(0, 4, 1)], 0);
    found.into_data().assert_approx_eq::<f32>(&TensorData::from(expected), Tolerance::absolute(2e-6));
}

#[test]
fn products_depend_on_distances_alone() {
    let device = Device::flex();
    let rotary = Rotary(Tables::of_spans(&Spans::from_lengths(&[40]), 8, 10_000.0, &device));
    let row = |seed: f32| {
        let values: Vec<f32> = (0..8).map(|i| (seed + i as f32).sin()).collect();
        rotary.apply(Tensor::<1>::from_data(values.as_slice(), &device).reshape([1, 8]).expand([40, 8]))
    };
    let products = row(0.3).matmul(row(1.7).transpose()).into_data().try_to_vec::<f32>().unwrap();
    for position in 0..30 {
        assert!((products[position * 40 + position + 9] - products[9]).abs() < 1e-5);
    }
    assert!((products[9] - products[0]).abs() > 1e-2);
}

#[test]
fn kernels_agree_with_their_twins() {
    let device = Device::flex();
    for (lengths, head_dim, heads) in
        [(vec![1], 2, 1), (vec![3, 0, 4], 6, 3), (vec![5, 9], 34, 2), (vec![40, 1, 90], 64, 6)]
    {
        let spans = Spans::from_lengths(&lengths);
        let rotary = Rotary(Tables::of_spans(&spans, head_dim, 10_000.0, &device));
        let hidden = heads * head_dim;
        let x = random([spans.tokens(), hidden], 1);
        let twin = |columns| {
            let (cos, sin) = (rotary.0.cos.clone(), rotary.0.sin.clone());
            move |[x]: [Tensor<2>; 1]| composed::rotate(x, columns, cos.clone(), sin.clone())
        };
        agree([x], |[x]| rotary.apply(x), twin(hidden), 1e-6);
        let qkv = random([spans.tokens(), 3 * hidden], 2);
        agree([qkv.clone()], |[x]| rotary.apply_packed(x), twin(2 * hidden), 1e-6);
        // In place, because nothing else holds the array.
        agree([qkv.clone()], |[x]| rotary.apply_packed(x * 1.0), twin(2 * hidden), 1e-6);
        same_on_any_threads([qkv], |[x]| rotary.apply_packed(x));
    }
}

#[test]
fn a_batch_computes_a_rotation_once() {
    let mut batch = Batch::new(&Spans::from_lengths(&[3]), Dropout::off(), &Device::flex());
    for theta in [10_000.0, 160_000.0, 10_000.0, 160_000.0] {
        Rotary::new(&mut batch, 8, theta);
    }
    assert_eq!(batch.preparations(), 2);
}
