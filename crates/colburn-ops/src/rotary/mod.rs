//! Rotary position embeddings (RoPE; Su et al. 2021): queries and keys are rotated by angles that grow with their position, so that their
//! products depend on distances alone.

mod composed;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(test)]
#[cfg(all(feature = "flex", feature = "cube"))]
mod cube_tests;
#[cfg(feature = "flex")]
mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::{Device, Tensor, TensorData};

use crate::batch::Batch;
use crate::implementation::Implementation;
use crate::spans::Spans;

/// The rotation of every token of a packed run, by its position in its sequence. Layers with the same base share one.
///
/// Element `i` of a head is rotated with element `i + head_dim / 2`, by the angle `position / theta^(2i / head_dim)`
/// (`apply_rotary_pos_emb` with `rotate_half` in transformers).
///
/// # Shapes
/// Both tensors: `[tokens, 1, head_dim / 2]`.
#[derive(Clone, Debug)]
pub struct Rotary {
    cos: Tensor<3>,
    sin: Tensor<3>,
}

/// The key of a rotation in a batch.
#[derive(PartialEq)]
struct Key {
    head_dim: usize,
    theta: f64,
}

impl Rotary {
    /// The rotation for heads of `head_dim` elements, an even number, with the base `theta` of their wavelengths. A batch computes it once.
    ///
    /// Angles are taken in f32, as in transformers: far into a text they are rounded, and the weights have learnt that rounding.
    pub fn new(batch: &mut Batch, head_dim: usize, theta: f64) -> Self {
        let make = |spans: &Spans, device: &Device| Self::of_spans(spans, head_dim, theta, device);
        batch.prepared(Key { head_dim, theta }, make).as_ref().clone()
    }

    fn of_spans(spans: &Spans, head_dim: usize, theta: f64, device: &Device) -> Self {
        let half = head_dim / 2;
        let angles = angles(spans.max_length(), head_dim, theta);
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

    /// Rotates every head of a packed run.
    ///
    /// # Shapes
    /// `x` and the result: `[tokens, heads · head_dim]`, of any number of heads.
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let [_, columns] = x.dims();
        self.rotate(x, columns)
    }

    /// Rotates queries and keys, and leaves values as they are.
    ///
    /// # Shapes
    /// `qkv` and the result: `[tokens, 3 · hidden]`, queries, keys and values side by side.
    pub fn apply_packed(&self, qkv: Tensor<2>) -> Tensor<2> {
        let [_, all] = qkv.dims();
        self.rotate(qkv, 2 * (all / 3))
    }

    /// Rotates the first `columns` of each row.
    fn rotate(&self, x: Tensor<2>, columns: usize) -> Tensor<2> {
        if x.dims()[0] == 0 || self.cos.dims()[2] == 0 {
            return x;
        }
        let (cos, sin) = (self.cos.clone(), self.sin.clone());
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Flex => flex::rotate(x, columns, cos, sin),
            #[cfg(feature = "cube")]
            Implementation::Cube => cube::rotate(x, columns, cos, sin),
            Implementation::Composed => composed::rotate(x, columns, cos, sin),
        }
    }
}

/// The angles of each of the first positions: `[positions, head_dim / 2]`.
fn angles(positions: usize, head_dim: usize, theta: f64) -> Vec<f32> {
    let frequencies = frequencies(head_dim, theta);
    let of = |position| frequencies.iter().map(move |frequency| position as f32 * frequency);
    (0..positions).flat_map(of).collect()
}

/// `1 / theta^(2i / head_dim)` for each `i` below half of `head_dim`.
fn frequencies(head_dim: usize, theta: f64) -> Vec<f32> {
    let power = |i: usize| theta.powf(f64::from((2 * i) as f32 / head_dim as f32)) as f32;
    (0..head_dim / 2).map(|i| 1.0 / power(i)).collect()
}
