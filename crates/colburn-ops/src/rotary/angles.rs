//! The angles of rotary position embeddings, and the tables of their cosines and sines.

use burn::tensor::{Device, Tensor, TensorData};

use crate::batch::Batch;
use crate::spans::Spans;

/// The cosine and the sine of each angle of every token.
///
/// # Shapes
/// Both tensors: `[tokens, 1, head_dim / 2]`.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pub cos: Tensor<3>,
    pub sin: Tensor<3>,
}

/// The key of the tables in a batch.
#[derive(PartialEq)]
struct Key {
    head_dim: usize,
    theta: f64,
}

impl Tables {
    /// The tables of a batch, made once.
    pub fn of(batch: &mut Batch, head_dim: usize, theta: f64) -> Self {
        let make = |spans: &Spans, device: &Device| Self::of_spans(spans, head_dim, theta, device);
        batch.prepared(Key { head_dim, theta }, make).as_ref().clone()
    }

    /// The tables of these sequences.
    pub fn of_spans(spans: &Spans, head_dim: usize, theta: f64, device: &Device) -> Self {
        let half = head_dim / 2;
        let angles = of_positions(spans.max_length(), head_dim, theta);
        let shape = [spans.tokens(), 1, half];
        let table = |function: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&angle| function(f64::from(angle)) as f32).collect();
            let mut rows = Vec::with_capacity(shape.iter().product());
            for length in spans.lengths() {
                rows.extend_from_slice(&values[..length * half]);
            }
            Tensor::from_data(TensorData::new(rows, shape), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }
}

/// The angles of each of the first positions: `[positions, head_dim / 2]`.
pub(super) fn of_positions(positions: usize, head_dim: usize, theta: f64) -> Vec<f32> {
    let frequencies = frequencies(head_dim, theta);
    let of = |position| frequencies.iter().map(move |frequency| position as f32 * frequency);
    (0..positions).flat_map(of).collect()
}

/// `1 / theta^(2i / head_dim)` for each `i` below half of `head_dim`.
pub(super) fn frequencies(head_dim: usize, theta: f64) -> Vec<f32> {
    let power = |i: usize| theta.powf(f64::from((2 * i) as f32 / head_dim as f32)) as f32;
    (0..head_dim / 2).map(|i| 1.0 / power(i)).collect()
}
